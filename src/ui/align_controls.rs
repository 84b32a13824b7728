//! The controls that line B up with A, and what came of it.

use egui::{Color32, RichText, Ui};

use super::landscape::push_settings;
use super::theme;
use crate::app::{Action, AppState, Purpose};
use crate::compute::Alignment;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let running = state.runs_job(Purpose::Align);
    let ready = state.curve.is_some() && !running;
    let mut settings = state.settings.clone();
    ui.horizontal(|ui| {
        let tip = "Reorder B's hidden units so that they respond to the images as A's do. B computes the same function as \
                   before, but the straight line to it is usually much lower (Ctrl+L)";
        if ui.add_enabled(ready, egui::Button::new("Align")).on_hover_text(tip).clicked() {
            actions.push(Action::Align);
        }
        let label = ui.label("on").on_hover_text("The first images of the training split (the paper: 10,000)");
        let samples = egui::DragValue::new(&mut settings.align.n_samples).range(10..=1_000_000).speed(50.0);
        ui.add(samples).labelled_by(label.id);
        ui.label("images");
        if running {
            ui.spinner();
        }
    });
    push_settings(state, settings, actions);
    let Some(result) = state.current_alignment() else {
        return;
    };
    let mut aligned = state.use_aligned;
    if ui.checkbox(&mut aligned, "Path ends at aligned B").changed() {
        actions.push(Action::UseAligned(aligned));
    }
    seal(ui, result);
    layers(ui, result);
}

/// The proof that aligning changed nothing but the order.
pub(super) fn seal(ui: &mut Ui, result: &Alignment) {
    let seal = result.seal;
    let sound = seal.max_logit_difference < 1e-3;
    let (verdict, color): (&str, Color32) = if sound {
        ("Same function", theme::good(ui.visuals()))
    } else {
        ("Not the same function", ui.visuals().error_fg_color)
    };
    let text = format!("{verdict}: logits differ by at most {:.1e}", seal.max_logit_difference);
    ui.label(RichText::new(text).small().color(color)).on_hover_text(format!(
        "Aligned B and B as loaded were compared on {} images; {} get the same class",
        theme::count(seal.n_images),
        theme::count(seal.n_same_class)
    ));
}

/// Mean correlation of the paired units, layer by layer.
fn layers(ui: &mut Ui, result: &Alignment) {
    egui::Grid::new("aligned layers").num_columns(4).spacing([12.0, 2.0]).striped(true).show(ui, |ui| {
        for title in ["layer", "units", "correlation", "moved"] {
            ui.label(RichText::new(title).small().strong());
        }
        ui.end_row();
        for group in &result.report.groups {
            ui.label(RichText::new(&group.name).small());
            ui.label(RichText::new(theme::count(group.n_units())).small());
            let text = format!("{:.2} to {:.2}", group.before.mean, group.after.mean);
            ui.label(RichText::new(text).small()).on_hover_text("Mean correlation of paired units, before and after");
            ui.label(RichText::new(theme::percent(group.share_moved())).small());
            ui.end_row();
        }
    });
}
