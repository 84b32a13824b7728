//! The map of neurons that paths of the families `flow` and `bijection` go through: opened, or trained on the open modes.

use egui::{Button, DragValue, Label, RichText, Ui};

use super::View;
use super::connect_controls::{about, progress};
use super::descent_controls::{images_row, number_row, real_row};
use super::dialogs::Wish;
use crate::app::{Action, AppState, ConnectSettings, FlowSettings, Purpose};
use crate::geometry::{Family, FlowKind};

pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    view: &mut View,
    family: Family,
    settings: &mut ConnectSettings,
    actions: &mut Vec<Action>,
) {
    let found = settings.options.flow.as_ref().map(|map| {
        let (n_layers, training) = (map.config().n_layers, &map.training);
        format!("{n_layers} layers, {} steps on {} networks", training.steps, training.n_networks)
    });
    ui.horizontal(|ui| {
        if ui.button("Open map…").on_hover_text("A file that `lowroad flow train` or this window wrote").clicked() {
            view.dialogs.ask(Wish::OpenFlow);
        }
        if ui.add_enabled(found.is_some(), Button::new("Save map…")).clicked() {
            view.dialogs.ask(Wish::SaveFlow);
        }
    });
    let text = found.unwrap_or_else(|| "No map yet".to_owned());
    ui.add(Label::new(RichText::new(text).small()).truncate());
    egui::CollapsingHeader::new("Train a map").id_salt("train a map").show(ui, |ui| {
        training(ui, state, family, &mut settings.flow, actions);
    });
}

fn training(ui: &mut Ui, state: &AppState, family: Family, settings: &mut FlowSettings, actions: &mut Vec<Action>) {
    let (modes, are_others) = state.flow_modes();
    let text = if are_others {
        format!("On the {} open modes besides A and B, which are new to it then", modes.len())
    } else {
        "On A, B and all other open modes: open two more at least, and A and B are new to it".to_owned()
    };
    ui.label(RichText::new(text).small());
    if family == Family::Flow {
        kind_row(ui, &mut settings.kind);
    }
    let tip = "Units of the hidden layers of the networks s and t in its layers (the paper, MNIST: 2000 for the bijection, \
               795 for IAF)";
    number_row(ui, "Hidden units", &mut settings.hidden, 1..=4_000, tip);
    number_row(ui, "Epochs", &mut settings.epochs, 1..=1_000, "The paper: 20 of images, or 120 of neurons");
    let tip = "Of Adam (the paper: 0.0001, for many more steps)";
    real_row(ui, "Learning rate", &mut settings.learning_rate, 1e-6..=1.0, 0.0001, tip);
    if family == Family::Bijection {
        let n_all = state.data.as_ref().map_or(1, |data| data.dataset.train.len());
        let tip = "Images that the loss between the networks is measured on; fewer are faster";
        images_row(ui, ("All training images", tip), n_all, &mut settings.n_images);
    }
    ui.horizontal(|ui| {
        let label = ui.label("Seed");
        ui.add(DragValue::new(&mut settings.seed)).labelled_by(label.id);
    });
    match state.jobs.values().find(|job| job.purpose == Purpose::TrainFlow) {
        Some(job) => progress(ui, job, "The map stays as far as it was trained (Esc)", actions),
        None => {
            ui.horizontal(|ui| {
                let time = state.flow_training_time();
                let is_ready = time.is_some() && !state.is_fitting();
                if ui.add_enabled(is_ready, Button::new("Train map")).clicked() {
                    actions.push(Action::TrainFlow);
                }
                if let Some(time) = time {
                    let tip = "An estimate, from the operations it needs";
                    ui.label(RichText::new(about(time)).small()).on_hover_text(tip);
                }
            });
        }
    }
}

fn kind_row(ui: &mut Ui, kind: &mut FlowKind) {
    ui.horizontal(|ui| {
        ui.label("Layers");
        let choices = [
            (FlowKind::RealNvp, "RealNVP", "Couplings (Dinh et al. 2017), as fast back as forth"),
            (
                FlowKind::Iaf,
                "IAF",
                "Masked autoregressive networks (Kingma et al. 2016), the paper's; on the way back a neuron's values come one \
                 after another, so that paths take longer",
            ),
        ];
        for (choice, label, tip) in choices {
            ui.selectable_value(kind, choice, label).on_hover_text(tip);
        }
    });
}
