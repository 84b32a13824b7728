//! The curves of a comparison: for each way the mean along t, and a band where its runs differ.

use egui::{Align, Color32, Label, Layout, RichText, Role, ScrollArea, Sense, Shape, Stroke, Ui, WidgetInfo, vec2};
use egui_plot::{FilledArea, Line, LineStyle, Plot, PlotUi};

use super::landscape::{APART_ACROSS, APART_UPWARDS, plot_points, round_marks};
use super::theme;
use crate::app::compare_bands::{Band, bands};
use crate::app::compare_table::Scope;
use crate::app::{AppState, Metric};
use crate::compute::PointValue;

/// Opacity of bands, of 1.
const BAND_SHADE: f32 = 0.25;
/// Of the list of ways beside the plot, at most.
const LIST_WIDTH: f32 = 250.0;
/// Of the piece of line before a way's name.
const SAMPLE_WIDTH: f32 = 24.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, scope: Scope, metric: Metric) {
    let (value, label): (fn(PointValue) -> f64, _) = match metric {
        Metric::Loss => (|value| value.loss, "test loss (nats)"),
        Metric::Accuracy => (|value| 100.0 * value.accuracy, "test accuracy (%)"),
    };
    let bands = bands(state, scope, value);
    let size = ui.available_size();
    let list_width = LIST_WIDTH.min(0.4 * size.x);
    ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
        let size = vec2(size.x - list_width - ui.spacing().item_spacing.x, size.y.max(60.0));
        plot(ui, &bands, size, (metric == Metric::Loss, label));
        ScrollArea::vertical().id_salt("compared ways").auto_shrink([false, false]).show(ui, |ui| {
            ui.with_layout(Layout::top_down(Align::Min), |ui| list(ui, &bands));
        });
    });
}

fn plot(ui: &mut Ui, bands: &[Band], size: egui::Vec2, (is_loss, label): (bool, &str)) {
    let dark = ui.visuals().dark_mode;
    let response = Plot::new(("compared curves", is_loss))
        .width(size.x)
        .height(size.y)
        .x_axis_label("t, from A to B")
        .y_axis_label(label)
        .x_grid_spacer(round_marks(size.x / APART_ACROSS, false))
        .y_grid_spacer(round_marks(size.y / APART_UPWARDS, false))
        .y_axis_formatter(|mark, _| theme::mark_number(mark.value))
        .allow_scroll(false)
        .allow_drag(false)
        .label_formatter(|_| None)
        .show(ui, |plot| {
            for (place, band) in bands.iter().enumerate() {
                draw(plot, band, Look::of(place, dark));
            }
        });
    let names: Vec<String> = bands.iter().map(title).collect();
    let summary = format!("Curves along t, {label}: {}", names.join("; "));
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &summary));
}

/// How a way is drawn.
#[derive(Clone, Copy)]
struct Look {
    color: Color32,
    /// Pixels between and in dashes; none where the line is whole.
    dash: Option<f32>,
}

impl Look {
    /// Colours first; where they are used up, dashes.
    fn of(place: usize, dark: bool) -> Self {
        let dash = [None, Some(8.0), Some(3.0)][place / theme::N_MODE_COLORS % 3];
        Self { color: theme::mode_color(place, dark), dash }
    }
}

fn draw(plot: &mut PlotUi<'_>, band: &Band, look: Look) {
    let known: Vec<_> = band.points.iter().filter(|(_, spread)| spread.mean.is_finite()).collect();
    if 1 < band.n_runs {
        let ts: Vec<f64> = known.iter().map(|(t, _)| *t).collect();
        let edge = |sign: f64| -> Vec<f64> {
            known.iter().map(|(_, spread)| spread.mean + sign * spread.deviation.unwrap_or(0.0)).collect()
        };
        let area = FilledArea::new("", &ts, &edge(-1.0), &edge(1.0));
        plot.add(area.fill_color(look.color.gamma_multiply(BAND_SHADE)).allow_hover(false));
    }
    let means = known.iter().map(|(t, spread)| [*t, spread.mean]).collect();
    let style = look.dash.map_or(LineStyle::Solid, |length| LineStyle::Dashed { length });
    let line = Line::new(title(band), plot_points(means)).color(look.color).width(1.8).style(style);
    plot.line(line.allow_hover(false));
}

/// The names of all ways, with how they are drawn.
fn list(ui: &mut Ui, bands: &[Band]) {
    let dark = ui.visuals().dark_mode;
    for (place, band) in bands.iter().enumerate() {
        let Look { color, dash } = Look::of(place, dark);
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(SAMPLE_WIDTH, 10.0), Sense::hover());
            let (ends, stroke) = ([rect.left_center(), rect.right_center()], Stroke::new(2.0, color));
            let sample = match dash {
                None => vec![Shape::line_segment(ends, stroke)],
                Some(length) => Shape::dashed_line(&ends, stroke, length, length),
            };
            ui.painter().extend(sample);
            ui.add(Label::new(RichText::new(title(band)).small()).truncate());
        });
    }
}

/// "Arc, aligned (3 runs)".
fn title(band: &Band) -> String {
    match band.n_runs {
        1 => band.title.clone(),
        n => format!("{} ({n} runs)", band.title),
    }
}
