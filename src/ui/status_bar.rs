//! What runs, how long it will take, and what the user should know.

use std::time::Duration;

use egui::{Align, Layout, Panel, ProgressBar, RichText, Ui};

use super::View;
use crate::app::{Action, AppState, JobInfo, Purpose, Severity};

/// Share of a job behind which its remaining time can be told.
const TELLING: f64 = 0.03;

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    Panel::bottom("status").exact_size(28.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            jobs(ui, state, actions);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new(&state.device.name).small())
                    .on_hover_text("Where the computation runs; Edit > Device changes it");
                ui.separator();
                notices(ui, state, view);
            });
        });
    });
}

fn jobs(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    // What the user asked for comes first; of the rest the slowest, which says when all will be done.
    let asked =
        |job: &JobInfo| matches!(job.purpose, Purpose::FindPath | Purpose::Train | Purpose::Align | Purpose::Ensemble);
    let slowest = state.jobs.values().max_by_key(|job| (asked(job), left(job)));
    let Some(job) = slowest else {
        ui.label(RichText::new("Ready").small());
        return;
    };
    ui.add(ProgressBar::new(job.done as f32).desired_width(120.0).desired_height(10.0));
    let mut text = job.label.clone();
    if !job.note.is_empty() {
        text += &format!(": {}", job.note);
    }
    if let Some(left) = left(job) {
        let seconds = left.as_secs_f64().ceil() as u64;
        text += &format!(", {}:{:02} left", seconds / 60, seconds % 60);
    }
    if 1 < state.jobs.len() {
        text += &format!(" (and {} more)", state.jobs.len() - 1);
    }
    ui.label(RichText::new(text).small());
    if ui.small_button("Cancel").on_hover_text("Stop; what was found stays (Esc)").clicked() {
        actions.push(Action::CancelAll);
    }
}

/// Time that a job still needs, once it can be told.
fn left(job: &JobInfo) -> Option<Duration> {
    let spent = job.started.elapsed();
    (TELLING < job.done).then(|| spent.mul_f64((1.0 - job.done) / job.done))
}

fn notices(ui: &mut Ui, state: &AppState, view: &mut View) {
    let n = state.notices.len();
    let worst = state.notices.iter().map(|notice| notice.severity).max_by_key(|severity| match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    });
    let color = match worst {
        None | Some(Severity::Info) => ui.visuals().text_color(),
        Some(Severity::Warning) => ui.visuals().warn_fg_color,
        Some(Severity::Error) => ui.visuals().error_fg_color,
    };
    let text = match n {
        0 => "No notices".to_owned(),
        1 => "1 notice".to_owned(),
        n => format!("{n} notices"),
    };
    let button = egui::Button::new(RichText::new(text).small().color(color)).frame(false);
    if ui.add_enabled(0 < n, button).clicked() {
        view.notices = !view.notices;
    }
    if let Some(last) = state.notices.last().filter(|_| !view.notices) {
        let headline = egui::Button::new(RichText::new(&last.headline).small().color(color)).frame(false).truncate();
        if ui.add(headline).on_hover_text("All notices").clicked() {
            view.notices = true;
        }
    }
}
