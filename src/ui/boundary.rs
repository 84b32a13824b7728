//! The decision boundary: which class the network at t takes each point of the plane for, with the training examples over it.

use egui::{Color32, ColorImage, RichText, Role, TextureHandle, TextureOptions, Ui, WidgetInfo};
use egui_plot::{MarkerShape, Plot, PlotImage, PlotPoint, Points};

use super::landscape::{APART_ACROSS, APART_UPWARDS, plot_points, round_marks};
use super::{View, theme};
use crate::app::{AppState, DecisionState};
use crate::geometry::ClassMap;

/// Pixels of the regions' picture along each axis; logits are interpolated between the evaluated inputs.
const PIXELS: usize = 288;
/// How strongly a class colours its region, on the boundary and where there is no doubt.
const OPACITY: [f64; 2] = [0.10, 0.62];
const EXAMPLE_RADIUS: f32 = 2.2;

/// The picture of the regions, and what it was drawn for.
#[derive(Default)]
pub(super) struct BoundaryView {
    picture: Option<(u64, bool, TextureHandle)>,
}

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View) {
    let Some(decisions) = &state.decisions else {
        return;
    };
    let (x, y) = (decisions.grid.x, decisions.grid.y);
    legend(ui, state, decisions);
    let dark = ui.visuals().dark_mode;
    let picture = view.boundary.picture(ui, decisions, dark);
    let [width, height] = [ui.available_width(), ui.available_height().max(80.0)];
    let plot = Plot::new("boundary plot")
        .width(width)
        .height(height)
        .set_margin_fraction(egui::Vec2::ZERO)
        .show_grid(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .x_axis_label("first value")
        .y_axis_label("second value")
        .x_grid_spacer(round_marks(width / APART_ACROSS, false))
        .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
        .include_x(x.min)
        .include_x(x.max)
        .include_y(y.min)
        .include_y(y.max)
        .label_formatter(|_| None);
    let response = plot.show(ui, |plot| {
        if let Some(picture) = picture {
            let centre = PlotPoint::new(0.5 * (x.min + x.max), 0.5 * (y.min + y.max));
            let size = [(x.max - x.min) as f32, (y.max - y.min) as f32];
            plot.image(PlotImage::new("regions", picture, centre, size).allow_hover(false));
        }
        let n_classes = state.data.as_ref().map_or(0, |data| data.dataset.n_classes());
        for class in 0..n_classes {
            let own = decisions.examples.iter().filter(|(_, label)| usize::from(*label) == class);
            let at: Vec<[f64; 2]> = own.map(|(at, _)| *at).collect();
            let edge = if dark { Color32::BLACK } else { Color32::WHITE };
            for (radius, color) in [(EXAMPLE_RADIUS + 0.9, edge), (EXAMPLE_RADIUS, theme::mode_color(class, dark))] {
                let points = Points::new("", plot_points(at.clone())).shape(MarkerShape::Circle);
                plot.points(points.radius(radius).color(color).allow_hover(false));
            }
        }
    });
    let summary = summary(state, decisions);
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &summary));
}

impl BoundaryView {
    fn picture(&mut self, ui: &Ui, decisions: &DecisionState, dark: bool) -> Option<egui::TextureId> {
        let (_, map) = decisions.map.as_ref()?;
        let drawn = self.picture.as_ref().filter(|drawn| (drawn.0, drawn.1) == (decisions.revision, dark));
        if let Some((_, _, texture)) = drawn {
            return Some(texture.id());
        }
        let image = regions(map, |class| theme::mode_color(class, dark));
        let texture = ui.ctx().load_texture("class regions", image, TextureOptions::LINEAR);
        let id = texture.id();
        self.picture = Some((decisions.revision, dark, texture));
        Some(id)
    }
}

/// The regions from the top down: the colour of a class, the fainter the nearer its boundary; nothing where logits are no
/// numbers.
fn regions(map: &ClassMap, color_of: impl Fn(usize) -> Color32) -> ColorImage {
    let (x, y) = (map.grid().x, map.grid().y);
    let place = |axis: crate::geometry::Axis, pixel: usize| {
        axis.min + (pixel as f64 + 0.5) / PIXELS as f64 * (axis.max - axis.min)
    };
    let pixels = (0..PIXELS * PIXELS).map(|pixel| {
        let decision = map.decision(place(x, pixel % PIXELS), place(y, PIXELS - 1 - pixel / PIXELS));
        decision.map_or(Color32::TRANSPARENT, |decision| {
            let opacity = OPACITY[0] + decision.margin * (OPACITY[1] - OPACITY[0]);
            color_of(decision.class).gamma_multiply(opacity as f32)
        })
    });
    ColorImage::new([PIXELS, PIXELS], pixels.collect())
}

fn legend(ui: &mut Ui, state: &AppState, decisions: &DecisionState) {
    ui.horizontal_wrapped(|ui| {
        let t = decisions.map.as_ref().map_or(state.t, |(t, _)| *t);
        ui.label(RichText::new(format!("Classes at t = {t:.3}")).strong())
            .on_hover_text("What the network at this place of the path decides; points: training examples");
        for (class, name) in state.data.iter().flat_map(|data| data.dataset.class_names.iter().enumerate()) {
            theme::mode_dot(ui, class);
            ui.label(name);
        }
    });
}

/// The picture in words.
fn summary(state: &AppState, decisions: &DecisionState) -> String {
    let Some((t, map)) = &decisions.map else {
        return "Decision boundary: not evaluated yet".to_owned();
    };
    let names = state.data.as_ref().map(|data| data.dataset.class_names.as_slice()).unwrap_or_default();
    let shares: Vec<String> = map
        .shares()
        .iter()
        .enumerate()
        .map(|(class, share)| {
            let name = names.get(class).cloned().unwrap_or_else(|| class.to_string());
            format!("class {name} takes {} of the inputs", theme::percent(*share))
        })
        .collect();
    format!("Decision boundary at t = {t:.3}: {}", shares.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Axis, Grid};

    #[test]
    fn regions_stand_upright_and_fade_towards_their_boundary() {
        let axis = Axis { min: 0.0, max: 1.0, n: 9 };
        let grid = Grid { x: axis, y: axis };
        // Class 1 above y = 1/2.
        let logits = grid.points().into_iter().flat_map(|(_, y)| [0.0, 20.0 * (y as f32 - 0.5)]).collect();
        let colors = [Color32::RED, Color32::BLUE];
        let image = regions(&ClassMap::new(grid, 2, logits), |class| colors[class]);
        let at = |row: usize| image.pixels[row * PIXELS + PIXELS / 2];
        assert!(0 < at(0).b() && at(0).r() == 0, "the top is class 1");
        assert!(0 < at(PIXELS - 1).r() && at(PIXELS - 1).b() == 0, "the bottom is class 0");
        assert!(at(PIXELS / 2 - 1).a() < at(0).a());
    }
}
