//! The correlation signature: mean correlation of matched units by layer (METHODS-ALIGNMENT, figure F1).

use egui::{Color32, Role, Ui, WidgetInfo};
use egui_plot::{Line, LineStyle, MarkerShape, Plot, PlotUi, Points, VLine};

use super::{after_color, before_color, null_color};
use crate::matching::{GroupReport, MatchReport, Spread};
use crate::ui::landscape::{APART_UPWARDS, plot_points, round_marks};

const MARKER: f32 = 2.5;

/// Bars span the quartiles of the units. A click chooses the layer that is nearest.
pub(super) fn show(ui: &mut Ui, report: &MatchReport, chosen: &mut usize) {
    let groups = &report.groups;
    let height = ui.available_width().clamp(120.0, 320.0) * 1.2;
    let (before, after, null) = (before_color(ui.visuals()), after_color(ui.visuals()), null_color(ui.visuals()));
    let plot = Plot::new("correlation signature")
        .height(height)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_crosshair(false)
        .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
        .set_margin_fraction(egui::vec2(0.05, 0.05))
        .x_axis_label("layer")
        .x_grid_spacer(layers)
        .x_axis_formatter(|mark, _| format!("{:.0}", mark.value))
        .include_x(0.5)
        .include_x(groups.len() as f64 + 0.5)
        .include_y(0.0)
        .include_y(1.0)
        .label_formatter(|_| None);
    let response = plot.show(ui, |plot| {
        plot.vline(VLine::new("", (*chosen + 1) as f64).color(null.gamma_multiply(0.5)).allow_hover(false));
        let chance = |group: &GroupReport| group.null.map_or(f64::NAN, |null| null.mean);
        plot.line(line(groups, chance, null).style(LineStyle::dashed_loose()));
        series(plot, groups, |group| group.before, before);
        series(plot, groups, |group| group.after, after);
        plot.pointer_coordinate()
    });
    let words = description(groups);
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &words));
    let Some(at) = response.inner.filter(|_| response.response.hovered()) else {
        return;
    };
    let nearest = ((at.x - 1.0).round().max(0.0) as usize).min(groups.len().saturating_sub(1));
    if response.response.clicked() && !groups.is_empty() {
        *chosen = nearest;
    }
    if let Some(group) = groups.get(nearest) {
        response.response.on_hover_text_at_pointer(super::figures(group));
    }
}

/// Whole numbers, about ten.
fn layers(input: egui_plot::GridInput) -> Vec<egui_plot::GridMark> {
    let (low, high) = input.bounds;
    let step = ((high - low) / 8.0).ceil().max(1.0);
    let first = (low / step).ceil() as i64;
    let marks = (first..).map(|index| index as f64 * step).take_while(|value| *value <= high);
    marks.filter(|value| 1.0 <= *value).map(|value| egui_plot::GridMark { value, step_size: step }).collect()
}

fn line<'a>(groups: &[GroupReport], value: impl Fn(&GroupReport) -> f64, color: Color32) -> Line<'a> {
    let points = groups.iter().enumerate().map(|(index, group)| [(index + 1) as f64, value(group)]);
    let known = points.filter(|[_, value]| value.is_finite()).collect();
    Line::new("", plot_points(known)).color(color).allow_hover(false)
}

fn series(plot: &mut PlotUi<'_>, groups: &[GroupReport], of: impl Fn(&GroupReport) -> Spread, color: Color32) {
    for (index, group) in groups.iter().enumerate() {
        let (x, spread) = ((index + 1) as f64, of(group));
        let ends = vec![[x, spread.lower_quartile], [x, spread.upper_quartile]];
        plot.line(Line::new("", plot_points(ends)).color(color.gamma_multiply(0.6)).allow_hover(false));
    }
    plot.line(line(groups, |group| of(group).mean, color).width(1.8));
    let means = groups.iter().enumerate().map(|(index, group)| [(index + 1) as f64, of(group).mean]).collect();
    let points = Points::new("", plot_points(means)).shape(MarkerShape::Circle).radius(MARKER);
    plot.points(points.color(color).allow_hover(false));
}

/// The figure in words.
fn description(groups: &[GroupReport]) -> String {
    let layers: Vec<String> = groups
        .iter()
        .map(|group| format!("{} {:.2} to {:.2}", group.name, group.before.mean, group.after.mean))
        .collect();
    format!("Mean correlation of paired units by layer, before and after: {}", layers.join(", "))
}
