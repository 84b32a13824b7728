//! Families whose paths are worked out: their settings, what finding a path will take, and what came of it.

use std::time::Duration;

use egui::{DragValue, ProgressBar, RichText, Ui};

use super::descent_controls::{images_row, number_row, small_plot};
use super::{View, family_options, flow_controls, theme};
use crate::app::{Action, AppState, ConnectSettings, Expectation, JobInfo, PathState, Purpose};
use crate::compute::Trace;
use crate::geometry::Family;

pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    view: &mut View,
    family: Family,
    settings: &mut ConnectSettings,
    actions: &mut Vec<Action>,
) {
    if family.takes_map() {
        flow_controls::show(ui, state, view, family, settings, actions);
    }
    egui::CollapsingHeader::new("Family settings").id_salt("family settings").show(ui, |ui| {
        family_options::show(ui, family, &mut settings.options);
        common(ui, state, family, settings);
    });
    match state.jobs.values().find(|job| job.purpose == Purpose::FindPath) {
        Some(job) => progress(ui, job, "The path stays as far as it was shown (Esc)", actions),
        None => begin(ui, state, family, actions),
    }
    if let Some(path) = state.path.as_ref().filter(|path| !path.is_straight()) {
        findings(ui, path);
    }
}

/// Whether its points are samples, and whether weights are fitted on training images.
fn uses(family: Family) -> [bool; 2] {
    match family {
        Family::LinearAdjusted | Family::ArcAdjusted | Family::TransportAdjusted => [true, true],
        Family::LinearButterfly | Family::ArcButterfly | Family::TransportButterfly => [false, true],
        Family::Flow | Family::Bijection => [true, false],
        Family::AutoNeb | Family::Simplex | Family::Layerwise => [false, true],
        Family::Linear | Family::Arc | Family::Chain | Family::Bezier | Family::Transport => [false; 2],
    }
}

/// Settings that several families share.
fn common(ui: &mut Ui, state: &AppState, family: Family, settings: &mut ConnectSettings) {
    let [is_sampled, is_fitted] = uses(family);
    if is_sampled {
        let tip = "Points that are worked out in each stage, both ends included; the path is straight between them";
        number_row(ui, "Points a stage", &mut settings.points, 2..=1025, tip);
    }
    if is_fitted {
        let n_all = state.data.as_ref().map_or(1, |data| data.dataset.train.len());
        let tip = "Weights are fitted or trained on the training images; fewer are faster";
        images_row(ui, ("All training images", tip), n_all, &mut settings.n_images);
    }
    if family.is_random() {
        ui.horizontal(|ui| {
            let label = ui.label("Seed").on_hover_text("The same seed gives the same path");
            ui.add(DragValue::new(&mut settings.seed)).labelled_by(label.id);
        });
    }
}

fn begin(ui: &mut Ui, state: &AppState, family: Family, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let tip = "Work out a path of this family (Ctrl+Enter)";
        let obstacle = state.obstacle(family);
        let is_ready = state.curve.is_some() && obstacle.is_none();
        let button = ui.add_enabled(is_ready, egui::Button::new("Find path")).on_hover_text(tip);
        if button.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
            actions.push(Action::FindPath);
        }
        let is_found = state.path.as_ref().is_some_and(|path| !path.is_straight());
        let tip = "Go back to the straight line";
        if ui.add_enabled(is_found, egui::Button::new("Reset")).on_hover_text(tip).clicked() {
            actions.push(Action::ResetPath);
        }
        if let Some(expected) = state.expectation() {
            let tip = "An estimate: from the operations it needs and how fast this family's last path was found";
            ui.label(RichText::new(expectation_text(expected)).small()).on_hover_text(tip);
        }
    });
}

/// "about 2 minutes, 210 MB".
pub(super) fn expectation_text(expected: Expectation) -> String {
    let memory = theme::bytes(expected.bytes);
    match expected.time {
        Some(time) => format!("{}, {memory}", about(time)),
        None => memory,
    }
}

/// A duration as one says it.
pub(super) fn about(time: Duration) -> String {
    let rounded = |amount: f64, unit: &str| match amount.round() {
        1.0 => format!("about 1 {unit}"),
        amount => format!("about {amount} {unit}s"),
    };
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => "less than a second".to_owned(),
        seconds if seconds < 90.0 => rounded(seconds, "second"),
        seconds if seconds < 5400.0 => rounded(seconds / 60.0, "minute"),
        seconds => rounded(seconds / 3600.0, "hour"),
    }
}

/// How far a job is; `tip`: what stays when it is stopped.
pub(super) fn progress(ui: &mut Ui, job: &JobInfo, tip: &str, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        if ui.button("Stop").on_hover_text(tip).clicked() {
            actions.push(Action::CancelAll);
        }
        ui.add(ProgressBar::new(job.done as f32).desired_height(10.0).desired_width(ui.available_width() - 4.0));
    });
    if !job.note.is_empty() {
        ui.label(RichText::new(&job.note).small());
    }
}

/// What was found beside the path.
fn findings(ui: &mut Ui, path: &PathState) {
    for remark in &path.remarks {
        ui.label(RichText::new(remark).small());
    }
    for trace in path.traces.iter().filter(|trace| 1 < trace.points.len()) {
        trace_plot(ui, trace);
    }
}

fn trace_plot(ui: &mut Ui, trace: &Trace) {
    let text = trace_text(trace);
    ui.label(RichText::new(&text).small());
    let color = theme::trace_color(ui.visuals().dark_mode);
    let points = trace.points.iter().filter(|(_, value)| value.is_finite()).map(|(t, value)| [*t, *value]).collect();
    small_plot(ui, ("trace", &trace.name), &text, points, egui::Stroke::new(1.4, color));
}

/// "fit residual along t, 0.000 to 0.124".
pub(super) fn trace_text(trace: &Trace) -> String {
    let finite = trace.points.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let unit = if trace.unit.is_empty() { String::new() } else { format!(" {}", trace.unit) };
    if low.is_finite() {
        format!("{} along t, {} to {}{unit}", trace.name, theme::nats(low), theme::nats(high))
    } else {
        format!("{} along t, not finite", trace.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_one_says_them() {
        let text = |seconds: f64| about(Duration::from_secs_f64(seconds));
        assert_eq!(
            [text(0.2), text(1.2), text(40.0), text(125.0), text(7200.0)],
            ["less than a second", "about 1 second", "about 40 seconds", "about 2 minutes", "about 2 hours"]
        );
    }

    #[test]
    fn traces_name_their_range_and_unit() {
        let points = vec![(0.0, 0.0), (0.5, 0.25), (1.0, f64::NAN)];
        let trace = Trace { name: "saddle".to_owned(), unit: "nats".to_owned(), points };
        assert_eq!(trace_text(&trace), "saddle along t, 0.000 to 0.250 nats");
    }
}
