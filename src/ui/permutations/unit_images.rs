//! Incoming weights of single units as images, where they weigh the pixels of the network's input. One symmetric scale of
//! colours serves both networks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};

use egui::{
    Color32, ColorImage, Context, CornerRadius, Mesh, Rect, Response, RichText, Role, Sense, Shape, Stroke, StrokeKind,
    TextStyle, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use super::Shown;
use crate::data::ImageShape;
use crate::matching::color_limit;
use crate::net::{AxisUse, Network, ParamVec, PermutationGroup};
use crate::render::ColorMap;

/// Values that the colours' limit is taken from, of each network.
const LIMIT_VALUES: usize = 1 << 16;
/// Weights of a unit that is drawn as bars.
const MOST_BARS: usize = 128;

/// Whose unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    A,
    /// B's units have the numbers of B's own order.
    B,
}

/// Images of units, drawn when they are first wanted and kept while the same layer of the same networks is shown.
#[derive(Default)]
pub(super) struct UnitImages {
    of: Option<Layer>,
    textures: HashMap<(Side, usize), TextureHandle>,
}

/// The layer whose units are drawn.
struct Layer {
    params: [Weak<ParamVec>; 2],
    group: usize,
    images: ImageShape,
    drawn: Option<Drawn>,
}

/// How its weights are drawn.
#[derive(Clone, Copy)]
struct Drawn {
    /// Place of the tensor's axis among those of the group.
    axis: usize,
    /// `None`: as bars.
    shape: Option<ImageShape>,
    /// Weights of this magnitude and beyond have the strongest colours.
    limit: f32,
}

impl UnitImages {
    /// Whether units of the shown group can be drawn: they are made of the network's input alone.
    pub(super) fn can_draw(&mut self, shown: &Shown<'_>) -> bool {
        self.follow(shown).is_some()
    }

    /// What the colours stand for, in a line.
    pub(super) fn legend(&mut self, ui: &mut Ui, shown: &Shown<'_>) {
        let Some(Drawn { shape, limit, .. }) = self.follow(shown) else {
            return;
        };
        const SCALE: &str =
            "the same for all units of both networks, up to the magnitude that 99.5 % of the weights stay below";
        if shape.is_some_and(|shape| shape.channels == 3) {
            let text = format!("weights up to {} around grey", short(limit, limit));
            let hint = format!("Red, green and blue for the weights of the three channels, grey for 0: {SCALE}");
            ui.label(RichText::new(text).small().weak()).on_hover_text(hint);
        } else {
            legend(ui, limit, &format!("Incoming weights, blue below 0 and red above: {SCALE}"));
        }
    }

    /// The weights of a unit as an image; `None` where they are none. Weights of one channel are blue below 0 and red above,
    /// those of three channels are red, green and blue around grey; other numbers of channels stand beside each other.
    pub(super) fn unit_texture(
        &mut self,
        ctx: &Context,
        shown: &Shown<'_>,
        side: Side,
        unit: usize,
    ) -> Option<&TextureHandle> {
        let drawn = self.follow(shown)?;
        let shape = drawn.shape?;
        Some(match self.textures.entry((side, unit)) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(empty) => {
                let image = image_of(&weights(shown, drawn, side, unit)?, shape, drawn.limit);
                empty.insert(ctx.load_texture(format!("unit {unit}"), image, TextureOptions::NEAREST))
            }
        })
    }

    /// Draws a unit's weights, as an image or as bars, `size` points wide and high. Nothing, and `None`, where they cannot be
    /// drawn.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        shown: &Shown<'_>,
        side: Side,
        unit: usize,
        size: f32,
    ) -> Option<Response> {
        let drawn = self.follow(shown)?;
        let texture = self.unit_texture(ui.ctx(), shown, side, unit).map(TextureHandle::id);
        let (rect, response) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
        match texture {
            Some(texture) => {
                let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                ui.painter().image(texture, rect, uv, Color32::WHITE);
            }
            None => bars(ui, rect, &weights(shown, drawn, side, unit)?, drawn.limit),
        }
        let frame = Stroke::new(1.0, ui.visuals().widgets.noninteractive.bg_stroke.color);
        ui.painter().rect_stroke(rect, CornerRadius::ZERO, frame, StrokeKind::Outside);
        let whose = if side == Side::A { "A" } else { "B" };
        let text = format!("Incoming weights of unit {unit} of {whose}");
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &text));
        Some(response.on_hover_text(text))
    }

    fn follow(&mut self, shown: &Shown<'_>) -> Option<Drawn> {
        let pair = shown.state.joined()?;
        let images = shown.state.data.as_ref().map_or(ImageShape::tabular(0), |data| data.dataset.shape);
        let is_same = self.of.as_ref().is_some_and(|of| {
            let same = |one: &Weak<ParamVec>, other: &Arc<ParamVec>| std::ptr::eq(one.as_ptr(), Arc::as_ptr(other));
            same(&of.params[0], &pair.a)
                && same(&of.params[1], &pair.b)
                && of.group == shown.group
                && of.images == images
        });
        if !is_same {
            self.textures.clear();
            let params = [&pair.a, &pair.b];
            let drawn = drawn(&pair.network, params.map(Arc::as_ref), shown.group, images);
            self.of = Some(Layer { params: params.map(Arc::downgrade), group: shown.group, images, drawn });
        }
        self.of.as_ref().and_then(|of| of.drawn)
    }
}

/// How the weights of a group's units are drawn; `None` if they weigh no input, or too many values for bars.
fn drawn(network: &Network, params: [&ParamVec; 2], group: usize, images: ImageShape) -> Option<Drawn> {
    let group = network.groups().get(group)?;
    let weights = group.input_weights(network)?;
    let shape = match weights.kernel {
        Some([channels, height, width]) => ImageShape { channels, height, width },
        None if network.n_inputs() == images.pixels() => images,
        None => ImageShape::tabular(network.n_inputs()),
    };
    let shape = if shape.is_tabular() && weights.kernel.is_none() { None } else { Some(shape) };
    if shape.is_none() && MOST_BARS < network.n_inputs() {
        return None;
    }
    let tensor = |params: &ParamVec| -> Vec<f32> {
        let values = params.tensor(group.axes[weights.axis].param);
        values.iter().step_by(values.len().div_ceil(LIMIT_VALUES).max(1)).copied().collect()
    };
    Some(Drawn { axis: weights.axis, shape, limit: color_limit(params.into_iter().flat_map(tensor)) })
}

/// The weights of a unit, in the order of the input.
fn weights(shown: &Shown<'_>, drawn: Drawn, side: Side, unit: usize) -> Option<Vec<f32>> {
    let pair = shown.state.joined()?;
    let group: &PermutationGroup = pair.network.groups().get(shown.group)?;
    let on: &AxisUse = group.axes.get(drawn.axis).filter(|_| unit < group.n_units)?;
    let params = if side == Side::A { &pair.a } else { &pair.b };
    let mut values = Vec::new();
    params.read_unit(on, unit, &mut values);
    Some(values)
}

/// Weights `[channels, height, width]` as a picture.
fn image_of(weights: &[f32], shape: ImageShape, limit: f32) -> ColorImage {
    let ImageShape { channels, height, width } = shape;
    let at = |channel: usize, y: usize, x: usize| {
        let weight = weights.get((channel * height + y) * width + x).copied().unwrap_or(0.0);
        if weight.is_finite() { 0.5 + 0.5 * (weight / limit).clamp(-1.0, 1.0) } else { 0.5 }
    };
    if channels == 3 {
        let byte = |unit: f32| (255.0 * unit).round() as u8;
        let pixel = |i: usize| {
            let [r, g, b] = [0, 1, 2].map(|channel| byte(at(channel, i / width, i % width)));
            Color32::from_rgb(r, g, b)
        };
        return ColorImage::new([width, height], (0..width * height).map(pixel).collect());
    }
    let row = channels * width;
    let pixel = |i: usize| {
        let (y, x) = (i / row, i % row);
        let [r, g, b] = ColorMap::Diverging.color_at(at(x / width, y, x % width));
        Color32::from_rgb(r, g, b)
    };
    ColorImage::new([row, height], (0..row * height).map(pixel).collect())
}

/// Weights as bars up and down from the middle.
fn bars(ui: &Ui, rect: Rect, weights: &[f32], limit: f32) {
    let width = rect.width() / weights.len().max(1) as f32;
    let middle = rect.center().y;
    ui.painter().rect_filled(rect, CornerRadius::ZERO, ui.visuals().extreme_bg_color);
    for (index, &weight) in weights.iter().enumerate().filter(|(_, weight)| weight.is_finite()) {
        let share = (weight / limit).clamp(-1.0, 1.0);
        let left = rect.left() + index as f32 * width;
        let top = middle - 0.5 * rect.height() * share;
        let bar = Rect::from_two_pos(pos2(left, middle), pos2(left + (0.8 * width).max(1.0), top));
        ui.painter().rect_filled(bar, CornerRadius::ZERO, signed_color(share));
    }
}

/// The colour of a number from -1 to 1.
fn signed_color(value: f32) -> Color32 {
    // The middle of the map is the colour of paper, where nothing stands out on light panels.
    let unit = 0.5 + 0.5 * value.signum() * (0.5 + 0.5 * value.abs());
    let [r, g, b] = ColorMap::Diverging.color_at(unit);
    Color32::from_rgb(r, g, b)
}

/// The colours of signed values, from `-limit` to `limit`, in a line.
pub(super) fn legend(ui: &mut Ui, limit: f32, hint: &str) {
    const BAR: egui::Vec2 = vec2(72.0, 9.0);
    const GAP: f32 = 4.0;
    let number = |ui: &Ui, value: f32| {
        let font = TextStyle::Small.resolve(ui.style());
        ui.painter().layout_no_wrap(short(value, limit), font, ui.visuals().text_color())
    };
    let [low, high] = [number(ui, -limit), number(ui, limit)];
    // One piece, so that it is not cut apart where lines are broken.
    let size = vec2(low.size().x + high.size().x + BAR.x + 2.0 * GAP, low.size().y.max(BAR.y));
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let bar = Rect::from_min_size(pos2(rect.left() + low.size().x + GAP, rect.center().y - 0.5 * BAR.y), BAR);
    let mut mesh = Mesh::default();
    const STOPS: u32 = 32;
    for stop in 0..=STOPS {
        let unit = stop as f32 / STOPS as f32;
        let [r, g, b] = ColorMap::Diverging.color_at(unit);
        let x = bar.left() + unit * bar.width();
        mesh.colored_vertex(pos2(x, bar.top()), Color32::from_rgb(r, g, b));
        mesh.colored_vertex(pos2(x, bar.bottom()), Color32::from_rgb(r, g, b));
        if 0 < stop {
            let i = 2 * stop;
            mesh.add_triangle(i - 2, i - 1, i);
            mesh.add_triangle(i - 1, i, i + 1);
        }
    }
    let text = format!("Colours from {} to {}", short(-limit, limit), short(limit, limit));
    ui.painter().galley(rect.left_top(), low, Color32::PLACEHOLDER);
    ui.painter().add(Shape::mesh(mesh));
    ui.painter().galley(pos2(bar.right() + GAP, rect.top()), high, Color32::PLACEHOLDER);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &text));
    response.on_hover_text(hint);
}

/// A value with as many digits as give `limit` two that count.
pub(super) fn short(value: f32, limit: f32) -> String {
    let digits = (1.0 - limit.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo::{self, ConvNet};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const GREY: ImageShape = ImageShape { channels: 1, height: 2, width: 3 };

    #[test]
    fn limits_have_two_digits_that_count() {
        assert_eq!([0.0912, 0.51, 3.26, 41.0].map(|limit| short(limit, limit)), ["0.091", "0.51", "3.3", "41"]);
        assert_eq!(short(-0.004, 0.004), "-0.0040");
    }

    #[test]
    fn signs_show_and_0_is_paper() {
        let image = image_of(&[-1.0, 0.0, 1.0, -9.0, f32::NAN, 9.0], GREY, 1.0);
        assert_eq!(image.size, [3, 2]);
        let [low, zero, high] = [image.pixels[0], image.pixels[1], image.pixels[2]];
        assert!(low.r() < low.b() && high.b() < high.r());
        assert_eq!(image.pixels[3..], [low, zero, high], "beyond the limit colours stay, and NaN is like 0");
    }

    #[test]
    fn three_channels_are_colours_around_grey_and_two_stand_side_by_side() {
        let colors = image_of(&[1.0, 0.0, -1.0], ImageShape { channels: 3, height: 1, width: 1 }, 1.0);
        assert_eq!(colors.pixels, [Color32::from_rgb(255, 128, 0)]);
        let two = image_of(&[1.0; 12], ImageShape { channels: 2, ..GREY }, 1.0);
        assert_eq!(two.size, [6, 2]);
    }

    #[test]
    fn dense_layers_take_the_shape_of_the_data_and_convolutions_that_of_their_kernel() {
        let of = |network: &Network, group: usize, images: ImageShape| {
            let params = ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(1));
            drawn(network, [&params, &params], group, images)
        };
        let dense = zoo::mlp(&[6, 5, 4, 2], true).unwrap();
        assert_eq!(of(&dense, 0, GREY).unwrap().shape, Some(GREY));
        assert!(of(&dense, 1, GREY).is_none(), "deeper layers weigh no pixels");
        assert_eq!(of(&dense, 0, ImageShape::tabular(6)).unwrap().shape, None, "values that are no pixels are bars");
        let wide = zoo::mlp(&[500, 5, 2], true).unwrap();
        assert!(of(&wide, 0, ImageShape::tabular(500)).is_none());
        let net = ConvNet::lenet(&[3, 32, 32], 10).build().unwrap();
        let shape = of(&net, 0, ImageShape { channels: 3, height: 32, width: 32 }).unwrap().shape.unwrap();
        assert_eq!((shape.channels, shape.height), (3, shape.width));
    }
}
