//! The curves of a comparison: for each way the mean along t, and a band where its runs differ.

use egui::{Role, Ui, WidgetInfo};
use egui_plot::{FilledArea, Line, Plot};

use super::landscape::{APART_ACROSS, APART_UPWARDS, plot_points, round_marks};
use super::theme;
use crate::app::compare_bands::{Band, bands};
use crate::app::compare_table::Scope;
use crate::app::{AppState, Metric};
use crate::compute::PointValue;

/// Opacity of bands, of 1.
const BAND_SHADE: f32 = 0.25;

pub(super) fn show(ui: &mut Ui, state: &AppState, scope: Scope, metric: Metric) {
    let (value, label): (fn(PointValue) -> f64, _) = match metric {
        Metric::Loss => (|value| value.loss, "test loss (nats)"),
        Metric::Accuracy => (|value| 100.0 * value.accuracy, "test accuracy (%)"),
    };
    let bands = bands(state, scope, value);
    let dark = ui.visuals().dark_mode;
    let size = ui.available_size();
    let height = size.y.max(60.0);
    let response = Plot::new(("compared curves", metric == Metric::Loss))
        .height(height)
        .x_axis_label("t, from A to B")
        .y_axis_label(label)
        .x_grid_spacer(round_marks(size.x / APART_ACROSS, false))
        .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
        .y_axis_formatter(|mark, _| theme::mark_number(mark.value))
        .allow_scroll(false)
        .allow_drag(false)
        .label_formatter(|_| None)
        .legend(egui_plot::Legend::default())
        .show(ui, |plot| {
            for band in &bands {
                let color = theme::run_color(band.number, dark);
                let known: Vec<_> = band.points.iter().filter(|(_, spread)| spread.mean.is_finite()).collect();
                let ts: Vec<f64> = known.iter().map(|(t, _)| *t).collect();
                let edge = |sign: f64| -> Vec<f64> {
                    known.iter().map(|(_, spread)| spread.mean + sign * spread.deviation.unwrap_or(0.0)).collect()
                };
                if 1 < band.n_runs {
                    let area = FilledArea::new(title(band), &ts, &edge(-1.0), &edge(1.0));
                    plot.add(area.fill_color(color.gamma_multiply(BAND_SHADE)).allow_hover(false));
                }
                let means = known.iter().map(|(t, spread)| [*t, spread.mean]).collect();
                plot.line(Line::new(title(band), plot_points(means)).color(color).width(1.8).allow_hover(false));
            }
        });
    let names: Vec<String> = bands.iter().map(title).collect();
    let summary = format!("Curves along t, {label}: {}", names.join("; "));
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &summary));
}

/// "Arc, aligned (3 runs)".
fn title(band: &Band) -> String {
    match band.n_runs {
        1 => band.title.clone(),
        n => format!("{} ({n} runs)", band.title),
    }
}
