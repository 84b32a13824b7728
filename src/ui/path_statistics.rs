//! The numbers of a path: statistics over its points, and its place in weight space at t.

use egui::{RichText, Ui};

use super::theme;
use crate::app::{AppState, CurveState, Metric, RobustState};
use crate::compute::PointValue;
use crate::data::SplitName;
use crate::geometry::{PlanePoint, Summary};

pub(super) const BARRIER: &str = "The highest test loss along the path above the mean of the two ends' losses (Frankle et al. 2020; Ainsworth et al. \
     2023). A lower bound: the peak may lie between the points.";

/// t of the lowest test accuracy.
pub(super) fn worst_t(curve: &CurveState) -> f64 {
    least_accurate(curve, &curve.test).map_or(0.5, |(t, _)| t)
}

/// t and value of the lowest accuracy of some values along the curve.
fn least_accurate(curve: &CurveState, values: &[Option<PointValue>]) -> Option<(f64, f64)> {
    let known = curve.ts.iter().zip(values).filter_map(|(t, v)| v.map(|v| (*t, v.accuracy)));
    known.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// A row for each quantity and split, those under attack among them, and what belongs to the path as a whole.
pub(super) fn table(ui: &mut Ui, curve: &CurveState, robust: Option<&RobustState>) {
    let grid = egui::Grid::new("statistics").num_columns(10).min_row_height(13.0).spacing([12.0, 1.0]);
    grid.striped(true).show(ui, |ui| {
        for title in ["", "start", "end", "min", "max", "mean", "integral", "barrier", "t worst", "midpoint"] {
            let label = ui.label(RichText::new(title).small().strong());
            match title {
                "integral" => drop(label.on_hover_text("Mean weighted by the length of each step in weight space")),
                "barrier" => drop(label.on_hover_text(
                    "Loss: the highest above the mean of the two ends. Accuracy: how far the lowest lies below it.",
                )),
                "t worst" => drop(label.on_hover_text("Where the loss is highest or the accuracy lowest")),
                "midpoint" => drop(label.on_hover_text("At t = 1/2")),
                _ => {}
            }
        }
        ui.end_row();
        for (metric, name) in [(Metric::Loss, "loss"), (Metric::Accuracy, "accuracy")] {
            for split in [SplitName::Test, SplitName::Train] {
                row(ui, &format!("{split} {name}"), curve, curve.split(split), metric);
            }
            if let Some(robust) = robust {
                row(ui, &format!("attacked {name}"), curve, &robust.values, metric);
            }
        }
    });
}

/// `values`: at the curve's t.
fn row(ui: &mut Ui, name: &str, curve: &CurveState, values: &[Option<PointValue>], metric: Metric) {
    ui.label(RichText::new(name).small());
    match curve.summary(values, metric) {
        Some(summary) => cells(ui, curve, &summary, values, metric),
        None => drop(ui.label(RichText::new("not evaluated yet").small().weak())),
    }
    ui.end_row();
}

fn cells(ui: &mut Ui, curve: &CurveState, summary: &Summary, of: &[Option<PointValue>], metric: Metric) {
    let text = |value: f64| match metric {
        Metric::Loss => theme::nats(value),
        Metric::Accuracy => theme::percent(value),
    };
    let (barrier, worst) = match metric {
        Metric::Loss => (summary.barrier, summary.t_max),
        Metric::Accuracy => {
            let t = least_accurate(curve, of).map_or(f64::NAN, |(t, _)| t);
            (0.5 * (summary.start + summary.end) - summary.min, t)
        }
    };
    let middle = curve.ts.iter().position(|t| (t - 0.5).abs() < 1e-9).and_then(|index| of[index]);
    let middle = middle.map(|value| metric.of(value));
    let values = [summary.start, summary.end, summary.min, summary.max, summary.mean, summary.integral, barrier];
    for value in values {
        ui.label(RichText::new(text(value)).small());
    }
    ui.label(RichText::new(format!("{worst:.3}")).small());
    ui.label(RichText::new(middle.map_or_else(|| "–".to_owned(), text)).small());
}

/// Length of the path, and how far the point at t lies from A, from B and from the straight line between them.
pub(super) fn place_line(ui: &mut Ui, state: &AppState, curve: &CurveState) {
    let (Some(plane), Some(path)) = (&state.plane, &state.path) else {
        return;
    };
    let chord = plane.plane.length();
    let length = curve.length();
    let mut text = format!("length {length:.2} = {:.2} × |B − A|", length / chord);
    let joins = std::sync::Arc::ptr_eq(&plane.plane.basis()[0], path.path.start())
        && std::sync::Arc::ptr_eq(&plane.plane.basis()[1], path.path.end());
    // The plane of a path that was just replaced may stand a moment longer.
    if let Some(projection) = path.projection(&plane.plane).filter(|_| joins) {
        let [a, b, line] = distances(projection.at(state.t), chord);
        text += &format!("; at t = {:.3}: {a:.2} from A, {b:.2} from B, {line:.2} from the straight line", state.t);
    }
    let tip = "Euclidean distances in weight space, over the trained parameters";
    ui.label(RichText::new(text).small()).on_hover_text(tip);
}

/// Distances from A, from B and from the segment between them, of a point whose place on a plane through both is known.
fn distances(point: PlanePoint, length: f64) -> [f64; 3] {
    let beside = point.y.hypot(point.off);
    let beyond = (-point.x).max(point.x - length).max(0.0);
    [point.x.hypot(beside), (point.x - length).hypot(beside), beyond.hypot(beside)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_to_the_ends_and_to_the_segment_between_them() {
        let over = PlanePoint { x: 3.0, y: 0.0, off: 4.0 };
        assert_eq!(distances(over, 6.0), [5.0, 5.0, 4.0]);
        let behind = PlanePoint { x: -3.0, y: 4.0, off: 0.0 };
        assert_eq!(distances(behind, 6.0)[2], 5.0, "beyond an end the end is nearest");
    }
}
