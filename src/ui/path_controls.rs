//! Controls of the path family, its fit, and the plane.

use egui::{ComboBox, DragValue, RichText, Ui};

use super::descent_controls::{self, number_row};
use super::landscape::push_settings;
use super::{View, connect_controls, family_menu, theme};
use crate::app::{Action, AppState, BatchNormSettings, FitSettings, PathState, PlaneSettings, ThirdPoint};
use crate::compute::TSampling;
use crate::data::Attack;
use crate::geometry::Family;
use crate::ui::dialogs::Wish;

pub(super) fn path(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let mut settings = state.settings.clone();
    let mut family = settings.path.family;
    family_menu::show(ui, state, &mut family);
    settings.path.family = family;
    if family.is_fitted() {
        number_row(ui, "Bends", &mut settings.path.n_bends, 1..=9, "Trained points between A and B");
    }
    if family == Family::Arc && state.use_aligned && state.current_alignment().is_some() {
        let text = "Arcs are meant for networks that are not aligned: between aligned ones the neurons' spread grows on the way.";
        ui.label(RichText::new(text).small().color(ui.visuals().warn_fg_color));
    }
    if family.is_connected() {
        connect_controls::show(ui, state, view, family, &mut settings.path.connect, actions);
    }
    if family.is_fitted() {
        fit(ui, &mut settings.path.fit, settings.robust.adversary.attack);
        buttons(ui, state, view, actions);
        if let Some(path) = &state.path {
            losses(ui, path);
            bends(ui, state, path, actions);
        }
    }
    number_row(ui, "Points along t", &mut settings.path.n_points, 3..=513, "Where loss and accuracy are evaluated");
    push_settings(state, settings, actions);
}

fn buttons(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let fitting = state.is_fitting();
    ui.horizontal_wrapped(|ui| {
        if fitting {
            if ui.button("Stop").on_hover_text("Keeps the bends as they are (Esc)").clicked() {
                actions.push(Action::CancelAll);
            }
            ui.spinner();
        } else {
            let straight = state.path.as_ref().is_none_or(|p| p.is_straight());
            let begun = state.path.as_ref().is_some_and(|p| 0 < p.epochs_done || !p.losses.is_empty());
            let label = if begun { "Continue" } else { "Find path" };
            let tip = "Train the bends so that the loss is low all along the path (Ctrl+Enter)";
            if ui.add_enabled(state.curve.is_some(), egui::Button::new(label)).on_hover_text(tip).clicked() {
                actions.push(Action::FindPath);
            }
            if ui
                .add_enabled(!straight, egui::Button::new("Reset"))
                .on_hover_text("Put the bends back on the straight line")
                .clicked()
            {
                actions.push(Action::ResetPath);
            }
            if ui.button("Load bends…").on_hover_text("Checkpoints that become the bends").clicked() {
                view.dialogs.ask(Wish::OpenBends);
            }
        }
    });
    if let Some(path) = state.path.as_ref().filter(|p| 0 < p.epochs_done) {
        ui.label(
            RichText::new(match path.epochs_done {
                1 => "1 epoch so far".to_owned(),
                n => format!("{n} epochs so far"),
            })
            .small(),
        );
    }
}

fn fit(ui: &mut Ui, fit: &mut FitSettings, usual_attack: Attack) {
    egui::CollapsingHeader::new("Fit settings").id_salt("fit settings").show(ui, |ui| {
        let tip = "Passes over the training images; continuing adds as many";
        number_row(ui, "Epochs", &mut fit.descent.epochs, 1..=10_000, tip);
        descent_controls::rates(ui, &mut fit.descent, usual_attack);
        ui.horizontal(|ui| {
            ui.label("t").on_hover_text("Where on the path each minibatch is evaluated");
            ui.selectable_value(&mut fit.sampling, TSampling::One, "one a batch");
            ui.selectable_value(&mut fit.sampling, TSampling::Stratified { n: 4 }, "4 strata");
        });
        ui.horizontal(|ui| {
            let label = ui.label("Seed");
            ui.add(DragValue::new(&mut fit.seed)).labelled_by(label.id);
        });
    });
}

/// The loss of the fit, as it falls.
fn losses(ui: &mut Ui, path: &PathState) {
    let last = path.losses.last().map_or(f64::NAN, |l| l.1);
    let text = format!("Loss of the fit: {} after {} epochs", theme::nats(last), path.epochs_done);
    descent_controls::loss_plot(ui, "fit losses", &text, &path.losses);
}

/// Places of the bends on the plane, for those who do not drag with a mouse.
fn bends(ui: &mut Ui, state: &AppState, path: &PathState, actions: &mut Vec<Action>) {
    let Some(plane) = &state.plane else { return };
    let Some(projection) = path.projection(&plane.plane) else { return };
    for (index, at) in projection.bends.iter().enumerate() {
        ui.horizontal(|ui| {
            let label = ui.label(RichText::new(format!("Bend {}", index + 1)).small());
            // Rounding noise must not read as `-0.0`.
            let noise = 1e-6 * plane.plane.length();
            let [mut x, mut y] = [at.x, at.y].map(|v| if v.abs() < noise { 0.0 } else { v });
            let speed = 0.01 * plane.plane.length();
            let moved = ui
                .add(DragValue::new(&mut x).speed(speed).prefix("x ").max_decimals(2))
                .labelled_by(label.id)
                .changed()
                | ui.add(DragValue::new(&mut y).speed(speed).prefix("y ").max_decimals(2))
                    .labelled_by(label.id)
                    .changed();
            if moved {
                actions.push(Action::DragBend { bend: index, x, y, done: true });
            }
            if 1e-3 * plane.plane.length() < at.off {
                ui.label(RichText::new(format!("{:.2} off the plane", at.off)).small());
            }
        });
    }
}

pub(super) fn plane(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let mut settings = state.settings.clone();
    let plane = &mut settings.plane;
    ui.horizontal(|ui| {
        let label = ui.label("Through A, B and");
        let shown = ComboBox::from_id_salt("third point")
            .selected_text(third_label(state, plane.third))
            .width(120.0_f32.min(ui.available_width()))
            .show_ui(ui, |ui| {
                for choice in third_points(state, plane) {
                    ui.selectable_value(&mut plane.third, choice, third_label(state, choice));
                }
            });
        shown
            .response
            .labelled_by(label.id)
            .on_hover_text("Two directions of weight space: towards B, and towards this point");
    });
    ui.horizontal(|ui| {
        let label = ui.label("Points");
        ui.add(DragValue::new(&mut plane.nx).range(2..=401)).labelled_by(label.id);
        let label = ui.label("×");
        ui.add(DragValue::new(&mut plane.ny).range(2..=401)).labelled_by(label.id);
        let label = ui.label("margin").on_hover_text("Beyond the points, in shares of their distances");
        ui.add(DragValue::new(&mut plane.margin).range(0.0..=3.0).speed(0.01)).labelled_by(label.id);
    });
    if let ThirdPoint::Random(seed) = &mut plane.third {
        ui.horizontal(|ui| {
            let label = ui.label("Seed of the direction");
            ui.add(DragValue::new(seed)).labelled_by(label.id);
        });
    }
    let has_statistics = state.joined().is_some_and(|pair| pair.network.layout().has_statistics());
    if has_statistics {
        batch_norm(ui, &mut settings.batch_norm);
    }
    push_settings(state, settings, actions);
}

/// Where the running statistics of batch norm come from at points between networks.
fn batch_norm(ui: &mut Ui, settings: &mut BatchNormSettings) {
    ui.horizontal(|ui| {
        ui.checkbox(&mut settings.recompute, "Measure batch norm anew").on_hover_text(
            "Stored statistics fit the networks of the files and no point in between: without new ones paths and planes look \
             far worse than they are. Along the path too.",
        );
    });
    ui.horizontal(|ui| {
        ui.add_enabled_ui(settings.recompute, |ui| {
            let label = ui.label("on training images");
            ui.add(DragValue::new(&mut settings.n_images).range(16..=1_000_000)).labelled_by(label.id);
        });
    });
}

fn third_points(state: &AppState, plane: &PlaneSettings) -> Vec<ThirdPoint> {
    let mut choices = vec![ThirdPoint::Bend, ThirdPoint::BestOfPath, ThirdPoint::MeanNeuron];
    if state.current_alignment().is_some() && state.use_aligned {
        choices.push(ThirdPoint::OriginalB);
    }
    for (index, mode) in state.modes.iter().enumerate() {
        if state.endpoints.is_none_or(|(a, b)| mode.id != a && mode.id != b) {
            choices.push(ThirdPoint::Mode(index));
        }
    }
    choices.push(match plane.third {
        ThirdPoint::Random(seed) => ThirdPoint::Random(seed),
        _ => ThirdPoint::Random(0),
    });
    choices
}

fn third_label(state: &AppState, third: ThirdPoint) -> String {
    match third {
        ThirdPoint::Bend => "the bend".to_owned(),
        ThirdPoint::BestOfPath => "the whole path".to_owned(),
        ThirdPoint::MeanNeuron => "mean neuron".to_owned(),
        ThirdPoint::Mode(index) => state.modes.get(index).map_or_else(|| "?".to_owned(), |m| state.letter(m.id)),
        ThirdPoint::OriginalB => "B as loaded".to_owned(),
        ThirdPoint::Random(_) => "random direction".to_owned(),
    }
}
