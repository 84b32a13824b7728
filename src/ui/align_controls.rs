//! The controls that line B up with A, and what came of it.

use egui::{Color32, ComboBox, DragValue, ProgressBar, RichText, Stroke, Ui};

use super::descent_controls::{images_row, number_row, small_plot};
use super::landscape::push_settings;
use super::{attack_controls, theme};
use crate::app::{Action, AlignSettings, AppState, Purpose};
use crate::compute::Alignment;
use crate::data::SplitName;
use crate::matching::{AlignMethod, Choice, MatchOptions};
use crate::net::Network;

/// Width of the menus of methods and their variants.
const MENU_WIDTH: f32 = 150.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let mut settings = state.settings.clone();
    choice_menu(ui, "Match by", &mut settings.align.options.method);
    let entry = settings.align.options.method.entry();
    ui.label(RichText::new(entry.explanation).small()).on_hover_text(entry.source);
    egui::CollapsingHeader::new("Match settings").id_salt("match settings").show(ui, |ui| {
        options(ui, state, &mut settings.align.options);
        samples(ui, &mut settings.align);
        let tip = "Activations are those on images that projected gradient descent moves against each of the two networks: for \
                   pairs of robust ones";
        let usual = settings.robust.adversary.attack;
        attack_controls::optional(ui, "On adversarial examples (PGD)", tip, &mut settings.align.attack, usual);
    });
    push_settings(state, settings, actions);
    start(ui, state, actions);
    let Some(found) = state.current_alignment() else {
        return;
    };
    let mut aligned = state.use_aligned;
    if ui.checkbox(&mut aligned, "Path ends at aligned B").changed() {
        actions.push(Action::UseAligned(aligned));
    }
    if state.is_changed_by_hand() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Changed by hand").small().color(ui.visuals().warn_fg_color));
            if ui.small_button("Undo all changes").on_hover_text("Go back to the alignment that was found").clicked() {
                actions.push(Action::ResetPermutation);
            }
        });
    }
    let shown = state.shown_alignment().unwrap_or(found);
    seal(ui, shown);
    layers(ui, shown);
    let method = state.alignment.as_ref().map_or_else(String::new, |alignment| alignment.by.phrase());
    trace(ui, &method, &found.traces);
}

/// The button, and how far an alignment is.
fn start(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let running = state.jobs.values().find(|job| job.purpose == Purpose::Align);
    ui.horizontal(|ui| {
        let tip = "Reorder B's hidden units so that they stand where A's do. B computes the same function as before, but the \
                   straight line to it is usually much lower (Ctrl+L)";
        let ready = state.curve.is_some() && running.is_none();
        if ui.add_enabled(ready, egui::Button::new("Align")).on_hover_text(tip).clicked() {
            actions.push(Action::Align);
        }
        if let Some(job) = running {
            let text = format!("{:.0} %", 100.0 * job.done);
            ui.add(ProgressBar::new(job.done as f32).desired_width(MENU_WIDTH).text(text)).on_hover_text(&job.label);
        }
    });
}

/// What the method asks beside the images.
fn options(ui: &mut Ui, state: &AppState, options: &mut MatchOptions) {
    let matches_activations = matches!(options.method, AlignMethod::Activation | AlignMethod::PamAligned);
    if matches_activations {
        choice_menu(ui, "Alike in", &mut options.similarity);
        choice_menu(ui, "Read", &mut options.read_at);
        let has_streams = |network: &Network| network.groups().iter().any(|group| 1 < group.readings.len());
        if state.joined().is_some_and(|pair| has_streams(&pair.network)) {
            choice_menu(ui, "Streams", &mut options.stream);
        }
    }
    match options.method {
        AlignMethod::Weight => {
            let tip = "Descents in different orders of the layers; the best is kept";
            number_row(ui, "Descents", &mut options.n_restarts, 1..=1_000, tip);
        }
        AlignMethod::Pam | AlignMethod::PamAligned => {
            let tip = "Passes over the training images, each about as long as one of a fit (the paper: 20)";
            number_row(ui, "Epochs", &mut options.pam.epochs, 1..=1_000, tip);
            let n_all = state.data.as_ref().map_or(1, |data| data.dataset.train.len());
            let tip = "All training images decide which of 34 permutations near the relaxed ones is best (the paper); fewer \
                       are faster";
            images_row(ui, ("Round on all images", tip), n_all, &mut options.pam.n_rounding_images);
        }
        AlignMethod::Activation | AlignMethod::Random | AlignMethod::Identity => {}
    }
    if !matches!(options.method, AlignMethod::Activation | AlignMethod::Identity) {
        ui.horizontal(|ui| {
            let label = ui.label("Seed");
            ui.add(DragValue::new(&mut options.seed)).labelled_by(label.id);
        });
    }
}

/// Images whose activations are correlated.
fn samples(ui: &mut Ui, settings: &mut AlignSettings) {
    ui.horizontal(|ui| {
        let tip = "The first images of the split: what activations are correlated over, for every method to be judged by (the \
                   paper: 10,000 training images)";
        let label = ui.label("On").on_hover_text(tip);
        ui.add(DragValue::new(&mut settings.n_samples).range(10..=1_000_000).speed(50.0)).labelled_by(label.id);
        let menu = ComboBox::from_id_salt("alignment split").selected_text(settings.split.images());
        let shown = menu.show_ui(ui, |ui| {
            for split in [SplitName::Train, SplitName::Test] {
                ui.selectable_value(&mut settings.split, split, split.images());
            }
        });
        shown.response.labelled_by(label.id);
    });
}

/// A menu of all that can be chosen, each with its explanation.
fn choice_menu<T: Choice>(ui: &mut Ui, label: &str, chosen: &mut T) {
    ui.horizontal(|ui| {
        let label_id = ui.label(label).id;
        let entry = chosen.entry();
        let menu = ComboBox::from_id_salt(label).selected_text(entry.label).width(MENU_WIDTH.min(ui.available_width()));
        let shown = menu.show_ui(ui, |ui| {
            for &choice in T::ALL {
                let entry = choice.entry();
                ui.selectable_value(chosen, choice, entry.label).on_hover_text(entry.explanation);
            }
        });
        shown.response.labelled_by(label_id).on_hover_text(entry.explanation);
    });
}

/// How the search went: the descent that ended highest, or the loss of each epoch.
fn trace(ui: &mut Ui, method: &str, traces: &[Vec<f64>]) {
    let last = |trace: &&Vec<f64>| trace.last().copied().unwrap_or(f64::NEG_INFINITY);
    let best = traces.iter().max_by(|one, other| last(one).total_cmp(&last(other)));
    let Some((first, end, trace)) = best.and_then(|trace| Some((trace.first()?, trace.last()?, trace))) else {
        return;
    };
    if trace.len() < 2 {
        return;
    }
    let text = format!("Course of the search ({method}): {first:.4} to {end:.4} in {} steps", trace.len() - 1);
    ui.label(RichText::new(&text).small()).on_hover_text(
        "By weights: the sum of products of A's and B's weights after each sweep over the layers, of the descent that was \
         kept. PAM: the mean loss of each epoch",
    );
    let points = trace.iter().enumerate().map(|(step, &value)| [step as f64, value]).collect();
    let color = theme::trace_color(ui.visuals().dark_mode);
    small_plot(ui, "course of the alignment", &text, points, Stroke::new(1.2, color));
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
