//! A heatmap as an item of an egui plot: drawn by wgpu where there is one, else as an image made on the CPU.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Color32, ColorImage, Mesh, Rect, Shape, TextureHandle, TextureOptions, Ui, pos2};
use egui_plot::{ItemId, PlotBounds, PlotGeometry, PlotItem, PlotItemBase, PlotPoint, PlotTransform};

use super::field::Field;
use super::gpu::{self, Renderer};
use super::raster::{self, Ground, View};
use super::style::HeatmapStyle;

/// A field in a plot. Has no name, so the legend does not list it, and is not hovered: the plot's owner says what is under
/// the pointer, with [`Field::sampled`] and [`HeatmapItem::cell_at`].
pub struct HeatmapItem {
    base: PlotItemBase,
    id: egui::Id,
    field: Arc<Field>,
    x: (f64, f64),
    y: (f64, f64),
    style: HeatmapStyle,
    renderer: Renderer,
}

impl HeatmapItem {
    /// `x`, `y`: the plot positions of the first and the last cell's *centre*; half a cell around them is drawn too.
    /// `id`: one a heatmap on screen; textures are kept by it.
    pub fn new(
        id: egui::Id,
        field: Arc<Field>,
        x: (f64, f64),
        y: (f64, f64),
        style: HeatmapStyle,
        renderer: Renderer,
    ) -> Self {
        Self { base: PlotItemBase::new(String::new()), id, field, x, y, style, renderer }
    }

    /// The cell whose rectangle contains a plot position.
    pub fn cell_at(&self, point: PlotPoint) -> Option<(usize, usize)> {
        let inside = |cell: f64, cells: usize| (cell >= 0.0 && cell < cells as f64).then_some(cell as usize);
        let [x, y] = self.steps();
        let column = inside((point.x - self.x.0) / x + 0.5, self.field.width)?;
        Some((column, inside((point.y - self.y.0) / y + 0.5, self.field.height)?))
    }

    /// The distance between two centres along x and y; a single cell is as wide as the other axis' cells.
    fn steps(&self) -> [f64; 2] {
        let step = |ends: (f64, f64), cells: usize| {
            let step = (ends.1 - ends.0) / (cells.max(2) - 1) as f64;
            (step != 0.0 && step.is_finite()).then_some(step)
        };
        let (x, y) = (step(self.x, self.field.width), step(self.y, self.field.height));
        [x.or(y.map(f64::abs)).unwrap_or(1.0), y.or(x.map(f64::abs)).unwrap_or(1.0)]
    }

    /// Which cells the plot's frame shows, pixel by pixel; `None` if there is nothing to draw.
    fn view(&self, transform: &PlotTransform, pixels_per_point: f32) -> Option<View> {
        let frame = transform.frame();
        if self.field.width == 0 || self.field.height == 0 || !frame.is_positive() || !frame.is_finite() {
            return None;
        }
        let corner = transform.value_from_position(frame.left_top());
        let scale = f64::from(pixels_per_point);
        let value_step = transform.dvalue_dpos().map(|step| step / scale);
        let (steps, corner, first) = (self.steps(), [corner.x, corner.y], [self.x.0, self.y.0]);
        let cell_origin = [0, 1].map(|axis| (corner[axis] - first[axis]) / steps[axis] + 0.5);
        let cell_step = [0, 1].map(|axis| value_step[axis] / steps[axis]);
        // The field's own corner, in pixels; only its place within one period of the patterns matters.
        let period = f64::from(raster::PATTERN_PERIOD) * scale;
        let top_left = [0.0, self.field.height as f64];
        let pattern_origin =
            [0, 1].map(|axis| ((top_left[axis] - cell_origin[axis]) / cell_step[axis]).rem_euclid(period));
        let view = View {
            cell_origin: cell_origin.map(|along| along as f32),
            cell_step: cell_step.map(|along| along as f32),
            pattern_origin: pattern_origin.map(|along| along as f32),
            scale: pixels_per_point,
        };
        let numbers = view.cell_origin.into_iter().chain(view.cell_step).chain(view.pattern_origin);
        numbers.into_iter().all(f32::is_finite).then_some(view)
    }

    fn fits(&self, max_side: u32) -> bool {
        self.field.width.max(self.field.height) <= max_side as usize
    }
}

impl PlotItem for HeatmapItem {
    fn shapes(&self, ui: &Ui, transform: &PlotTransform, shapes: &mut Vec<Shape>) {
        let Some(view) = self.view(transform, ui.ctx().pixels_per_point()) else {
            return;
        };
        let ground = if ui.visuals().dark_mode { Ground::Dark } else { Ground::Light };
        shapes.push(match self.renderer {
            Renderer::Gpu { max_side } if self.fits(max_side) => {
                gpu::paint_callback(self.id, &self.field, &self.style, &view, ground, *transform.frame())
            }
            Renderer::Gpu { .. } | Renderer::Image => self.image(ui, *transform.frame(), &view, ground),
        });
    }

    fn initialize(&mut self, _x_range: RangeInclusive<f64>) {}

    fn color(&self) -> Color32 {
        Color32::TRANSPARENT
    }

    fn allow_hover(&self) -> bool {
        false
    }

    fn geometry(&self) -> PlotGeometry<'_> {
        PlotGeometry::None
    }

    fn bounds(&self) -> PlotBounds {
        let mut bounds = PlotBounds::NOTHING;
        let [x, y] = self.steps().map(|step| step / 2.0);
        if self.field.width > 0 && self.field.height > 0 {
            bounds.extend_with(&PlotPoint::new(self.x.0 - x, self.y.0 - y));
            bounds.extend_with(&PlotPoint::new(self.x.1 + x, self.y.1 + y));
        }
        bounds
    }

    fn id(&self) -> ItemId {
        ItemId::new(self.id)
    }

    fn base(&self) -> &PlotItemBase {
        &self.base
    }

    fn base_mut(&mut self) -> &mut PlotItemBase {
        &mut self.base
    }
}

/// An image of more pixels than this is drawn coarser and enlarged: a frame must not wait for it.
const MOST_PIXELS: f32 = 90_000.0;
/// How long the image of a heatmap that is no longer drawn is kept.
const KEEP_UNUSED: Duration = Duration::from_secs(5);

/// The images of the heatmaps on screen, by heatmap; lives in egui's memory.
#[derive(Clone, Default)]
struct Images(Arc<Mutex<HashMap<egui::Id, Painted>>>);

struct Painted {
    texture: TextureHandle,
    of: Content,
    last_used: Instant,
}

/// What an image depends on.
#[derive(PartialEq)]
struct Content {
    revision: u64,
    style: HeatmapStyle,
    view: View,
    ground: Ground,
    size: [u32; 2],
}

impl HeatmapItem {
    /// The frame as an image, painted again only when something in it changed.
    fn image(&self, ui: &Ui, frame: Rect, view: &View, ground: Ground) -> Shape {
        let pixels = frame.size() * view.scale;
        let coarser = (pixels.x * pixels.y / MOST_PIXELS).sqrt().max(1.0);
        let size = [pixels.x, pixels.y].map(|side| ((side / coarser).round() as u32).clamp(1, 4096));
        let shrink = [pixels.x / size[0] as f32, pixels.y / size[1] as f32];
        let view = View {
            cell_step: [view.cell_step[0] * shrink[0], view.cell_step[1] * shrink[1]],
            pattern_origin: [view.pattern_origin[0] / shrink[0], view.pattern_origin[1] / shrink[1]],
            scale: view.scale / coarser,
            ..*view
        };
        let of = Content { revision: self.field.revision, style: self.style.clone(), view, ground, size };
        let images = ui.data_mut(|data| data.get_temp_mut_or_default::<Images>(egui::Id::NULL).clone());
        let mut images = images.0.lock().unwrap_or_else(PoisonError::into_inner);
        images.retain(|_, painted| painted.last_used.elapsed() < KEEP_UNUSED);
        let fresh = images.get(&self.id).is_none_or(|painted| painted.of != of);
        if fresh {
            let picture = raster::draw(&self.field, &self.style, &of.view, ground, size);
            let picture = ColorImage::from_rgba_unmultiplied(size.map(|side| side as usize), &picture);
            let options = if coarser > 1.0 { TextureOptions::LINEAR } else { TextureOptions::NEAREST };
            let texture = ui.ctx().load_texture("heatmap", picture, options);
            images.insert(self.id, Painted { texture, of, last_used: Instant::now() });
        }
        let Some(painted) = images.get_mut(&self.id) else {
            return Shape::Noop;
        };
        painted.last_used = Instant::now();
        let mut mesh = Mesh::with_texture(painted.texture.id());
        mesh.add_rect_with_uv(frame, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
        mesh.into()
    }
}

#[cfg(test)]
#[path = "heatmap_tests.rs"]
mod tests;
