//! The path under attack: its line beside the clean one, and what it comes to.

use egui::{Align2, Color32, RichText, Ui};
use egui_plot::{Line, LineStyle, MarkerShape, PlotUi, Points};

use super::landscape::plot_points;
use super::{View, along_path, theme};
use crate::app::{AppState, CurveState, Metric, RobustState};
use crate::geometry::{RobustPoint, RobustSummary};

/// The lowest accuracy, in one line.
pub(super) fn header(ui: &mut Ui, state: &AppState, curve: &CurveState) {
    let Some((robust, summary)) = found(state, curve) else { return };
    let text = format!("under attack {} at t = {:.2}", theme::percent(summary.worst.accuracy), summary.worst.t);
    let label = ui.label(RichText::new(text).color(theme::attack_color(ui.visuals().dark_mode)));
    label.on_hover_text(sentence(robust, &summary));
}

/// Its line, those of pinned runs, and a mark at the lowest accuracy.
pub(super) fn draw(plot: &mut PlotUi<'_>, state: &AppState, curve: &CurveState, view: &View, dark: bool) {
    for run in state.runs.iter().filter(|run| run.pinned) {
        if let Some(robust) = &run.robust {
            let points = along_path::line_through(&run.curve, &robust.values, view);
            plot.line(line(
                &format!("run {} under attack", run.number),
                points,
                theme::run_color(run.number, dark),
                1.2,
            ));
        }
    }
    let Some(robust) = &state.robust else { return };
    let color = theme::attack_color(dark);
    let points = along_path::line_through(curve, &robust.values, view);
    // On the side that the line turns away from.
    let anchor = match view.curve.metric {
        Metric::Loss => Align2::LEFT_BOTTOM,
        Metric::Accuracy => Align2::LEFT_TOP,
    };
    along_path::name_line(plot, &points, anchor, "  under attack", color);
    plot.line(line("under attack", points, color, 2.0));
    let worst = robust.summary(curve).and_then(|summary| {
        let place = curve.ts.iter().position(|t| *t == summary.worst.t)?;
        Some([summary.worst.t, along_path::height_of(view, robust.values[place]?)?])
    });
    if let Some(worst) = worst {
        let mark = Points::new("lowest accuracy under attack", vec![worst]);
        plot.points(mark.shape(MarkerShape::Diamond).radius(5.0).filled(false).color(color));
    }
}

fn line(name: &str, points: Vec<[f64; 2]>, color: Color32, width: f32) -> Line<'static> {
    Line::new(name, plot_points(points)).color(color).width(width).style(LineStyle::dotted_dense())
}

/// Its statistics as the paper tells them.
pub(super) fn statistics(ui: &mut Ui, state: &AppState, curve: &CurveState) {
    if let Some((robust, summary)) = found(state, curve) {
        let tip = "Mean by arc length; clean: on the test images as they are, at the same t";
        ui.label(RichText::new(sentence(robust, &summary)).small()).on_hover_text(tip);
    }
}

/// Behind the words for the clean curve.
pub(super) fn words(state: &AppState, curve: &CurveState) -> String {
    found(state, curve).map_or_else(String::new, |(robust, summary)| format!(". {}", sentence(robust, &summary)))
}

fn found<'a>(state: &'a AppState, curve: &CurveState) -> Option<(&'a RobustState, RobustSummary)> {
    let robust = state.robust.as_ref()?;
    Some((robust, robust.summary(curve)?))
}

fn sentence(robust: &RobustState, summary: &RobustSummary) -> String {
    let point = |point: RobustPoint| {
        let (accuracy, clean) = (theme::percent(point.accuracy), theme::percent(point.clean_accuracy));
        format!("{accuracy} at t = {:.2} (clean {clean})", point.t)
    };
    format!(
        "Under attack (PGD {} on {} images): loss at most {}, mean {}; accuracy from {} to {}",
        robust.adversary.attack,
        theme::count(robust.n_images()),
        theme::nats(summary.max_loss),
        theme::nats(summary.mean_loss),
        point(summary.worst),
        point(summary.best)
    )
}
