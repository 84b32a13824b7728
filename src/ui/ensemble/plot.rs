//! Accuracy against the number of members.

use egui::{Color32, Role, Sense, Ui, Visuals, WidgetInfo};
use egui_plot::{HLine, Line, LineStyle, MarkerShape, Plot, PlotUi, Points, uniform_grid_spacer};

use crate::app::{EnsembleFound, EnsembleOf};
use crate::compute::PointValue;
use crate::ui::landscape::{APART_UPWARDS, round_marks};
use crate::ui::theme;

/// Colours for heads; more layers than that take them in turn.
const HEAD_COLORS: usize = 3;

/// How a kind is drawn: told apart by stroke and markers as well as by colour.
struct Look {
    color: Color32,
    style: LineStyle,
    shape: MarkerShape,
}

impl Look {
    fn of(kind: EnsembleOf, visuals: &Visuals) -> Self {
        let dark = visuals.dark_mode;
        let (color, style, shape) = match kind {
            EnsembleOf::PathPoints => (theme::path_color(dark), LineStyle::Solid, MarkerShape::Circle),
            EnsembleOf::Modes => (theme::mode_color(0, dark), LineStyle::dashed_dense(), MarkerShape::Square),
            EnsembleOf::Fge => (theme::mode_color(1, dark), LineStyle::Solid, MarkerShape::Diamond),
            EnsembleOf::Swa => (theme::mode_color(5, dark), LineStyle::dashed_loose(), MarkerShape::Circle),
            EnsembleOf::Heads(head) => {
                let (style, shape) = if head.adjusted {
                    (LineStyle::Solid, MarkerShape::Up)
                } else {
                    (LineStyle::dotted_dense(), MarkerShape::Down)
                };
                (theme::mode_color(2 + (head.layers - 1) % HEAD_COLORS, dark), style, shape)
            }
        };
        Self { color, style, shape }
    }
}

/// All that was found in one plot; `summary` says it in words.
pub(super) fn show(ui: &mut Ui, found: &[(&EnsembleFound, bool)], height: f32, summary: &str) {
    let visuals = ui.visuals().clone();
    let response = Plot::new("ensembles")
        .height(height)
        .x_axis_label("members (hollow: the n-th alone)")
        .y_axis_label("test accuracy (%)")
        // Members are counted in whole numbers.
        .x_grid_spacer(uniform_grid_spacer(|_| [1.0, 10.0, 100.0]))
        .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
        .set_margin_fraction(egui::vec2(0.04, 0.12))
        .allow_scroll(false)
        .allow_drag(false)
        .label_formatter(|_| None)
        .show(ui, |plot| {
            for (found, _) in found {
                let look = Look::of(found.of(), &visuals);
                if found.of() == EnsembleOf::Swa {
                    average(plot, found, &look);
                } else {
                    ensemble(plot, found, &look);
                }
            }
        });
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, format!("Ensembles: {summary}")));
}

fn points(values: &[PointValue]) -> Vec<[f64; 2]> {
    values.iter().enumerate().map(|(place, value)| [place as f64 + 1.0, 100.0 * value.accuracy]).collect()
}

/// Members together and, unless there are lines of many ensembles of the same ones, each alone.
fn ensemble(plot: &mut PlotUi<'_>, found: &EnsembleFound, look: &Look) {
    let &Look { color, style, shape } = look;
    let together = points(&found.together);
    let is_head = matches!(found.of(), EnsembleOf::Heads(_));
    plot.line(Line::new("", together.clone()).color(color).width(2.0).style(style).allow_hover(false));
    plot.points(Points::new("", together).shape(shape).radius(4.0).color(color).allow_hover(false));
    if !is_head {
        let alone = Points::new("", points(&found.single)).shape(shape).radius(4.0).filled(false);
        plot.points(alone.color(color).allow_hover(false));
    }
}

/// The mean, whatever the number of members beside it.
fn average(plot: &mut PlotUi<'_>, found: &EnsembleFound, look: &Look) {
    if let Some(mean) = found.single.last() {
        plot.hline(HLine::new("", 100.0 * mean.accuracy).color(look.color).width(2.0).style(look.style));
    }
}

/// A piece of a kind's line.
pub(super) fn swatch(ui: &mut Ui, of: EnsembleOf) {
    let color = Look::of(of, ui.visuals()).color;
    let (rect, _) = ui.allocate_exact_size(egui::vec2(14.0, 4.0), Sense::hover());
    ui.painter().rect_filled(rect, 1.0, color);
}
