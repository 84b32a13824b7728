//! Controls of how weights are moved, and the loss as it falls: for fits of paths and trainings of modes alike.

use std::ops::RangeInclusive;

use egui::{ComboBox, DragValue, Role, Ui, WidgetInfo};
use egui_plot::{Line, Plot};

use super::landscape::plot_points;
use super::{attack_controls, theme};
use crate::compute::{Optimizer, Schedule};
use crate::data::Attack;
use crate::recipe::Descent;

/// Points of the picture of a loss.
const LOSS_POINTS: usize = 80;

/// Batch size, learning rate, L2 factor, optimiser, schedule and adversary, a row each; `usual`: an attack to begin with.
pub(super) fn rates(ui: &mut Ui, descent: &mut Descent, usual: Attack) {
    number_row(ui, "Batch size", &mut descent.batch_size, 1..=100_000, "Images a step (the papers: 128)");
    let tip = "At the start; the schedule takes it from there";
    real_row(ui, "Learning rate", &mut descent.learning_rate, 1e-6..=10.0, 0.001, tip);
    let tip = "Weight decay on the weights (the papers: 0.0005)";
    real_row(ui, "L2 factor", &mut descent.weight_decay, 0.0..=1.0, 1e-5, tip);
    optimizer_row(ui, &mut descent.optimizer);
    ui.horizontal(|ui| {
        let label = ui.label("Schedule");
        let combo = ComboBox::from_id_salt("schedule").selected_text(schedule_label(&descent.schedule));
        let shown = combo.show_ui(ui, |ui| {
            for schedule in Schedule::PLAIN {
                let text = schedule_label(&schedule);
                ui.selectable_value(&mut descent.schedule, schedule, text);
            }
        });
        shown.response.labelled_by(label.id).on_hover_text("Learning rate over the epochs");
    });
    let tip = "Trains on images that projected gradient descent moves against the weights of each step (Madry et al. 2018), on \
               the CPU; a step costs as many more as the attack has";
    attack_controls::optional(ui, "Against an adversary (PGD)", tip, &mut descent.attack, usual);
}

fn schedule_label(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Constant => "constant".to_owned(),
        Schedule::Garipov => "Garipov 2018".to_owned(),
        Schedule::Halving => "halved every 20 (Tatro 2020)".to_owned(),
        Schedule::Cosine => "cosine".to_owned(),
        Schedule::Steps { factor, epochs } => {
            let epochs: Vec<String> = epochs.iter().map(usize::to_string).collect();
            format!("× {factor} at {}", epochs.join(", "))
        }
        Schedule::Cyclic { lowest, epochs } => format!("to × {lowest} and back in {epochs} epochs (FGE)"),
    }
}

/// All training images, or the first so many; `(label, tip)` are those of all.
pub(super) fn images_row(ui: &mut Ui, (label, tip): (&str, &str), n_all: usize, n_images: &mut Option<usize>) {
    ui.horizontal(|ui| {
        let mut all = n_images.is_none();
        if ui.checkbox(&mut all, label).on_hover_text(tip).changed() {
            *n_images = (!all).then_some(n_all);
        }
        if let Some(n) = n_images {
            let label = ui.label("first");
            ui.add(DragValue::new(n).range(1..=n_all).speed(10.0)).labelled_by(label.id);
        }
    });
}

pub(super) fn number_row(ui: &mut Ui, name: &str, value: &mut usize, range: RangeInclusive<usize>, tip: &str) {
    ui.horizontal(|ui| {
        let label = ui.label(name).on_hover_text(tip);
        ui.add(DragValue::new(value).range(range)).labelled_by(label.id);
    });
}

/// `speed`: what a point of the mouse's way changes.
pub(super) fn real_row(ui: &mut Ui, name: &str, value: &mut f64, range: RangeInclusive<f64>, speed: f64, tip: &str) {
    ui.horizontal(|ui| {
        let label = ui.label(name).on_hover_text(tip);
        ui.add(DragValue::new(value).range(range).speed(speed).max_decimals(8)).labelled_by(label.id);
    });
}

pub(super) fn optimizer_row(ui: &mut Ui, optimizer: &mut Optimizer) {
    ui.horizontal(|ui| {
        ui.label("Optimiser");
        let is_sgd = |nesterov: bool| matches!(*optimizer, Optimizer::Sgd { nesterov: n, .. } if n == nesterov);
        let choices = [
            (is_sgd(true), Optimizer::NESTEROV, "SGD", "Nesterov momentum 0.9"),
            (
                is_sgd(false),
                Optimizer::Sgd { momentum: 0.9, nesterov: false },
                "SGD, plain",
                "Momentum 0.9 without Nesterov's correction",
            ),
            (*optimizer == Optimizer::Adam, Optimizer::Adam, "Adam", "Kingma & Ba 2015"),
        ];
        for (chosen, choice, label, tip) in choices {
            if ui.selectable_label(chosen, label).on_hover_text(tip).clicked() {
                *optimizer = choice;
            }
        }
    });
}

/// A small picture of (epoch, loss); `text` says it in words. Nothing while there is too little to draw.
pub(super) fn loss_plot(ui: &mut Ui, id: &str, text: &str, losses: &[(f64, f64)]) {
    if losses.len() < 2 {
        return;
    }
    let color = theme::path_color(ui.visuals().dark_mode);
    small_plot(ui, id, text, thinned(losses), egui::Stroke::new(1.2, color));
}

/// A line without an axis below it, a few rows of text high; `text` says it in words.
pub(super) fn small_plot(
    ui: &mut Ui,
    id: impl egui::AsIdSalt,
    text: &str,
    points: Vec<[f64; 2]>,
    stroke: egui::Stroke,
) {
    let response = Plot::new(id)
        .height(64.0)
        .show_axes([false, true])
        .show_grid(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .show_crosshair(false)
        .y_axis_min_width(28.0)
        .label_formatter(|_| None)
        .show(ui, |plot| plot.line(Line::new("", plot_points(points)).stroke(stroke)));
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, text));
}

/// Means of neighbours, so that a long fit's noise does not fill the picture.
fn thinned(losses: &[(f64, f64)]) -> Vec<[f64; 2]> {
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        let sum = part.iter().fold((0.0, 0.0), |sum, l| (sum.0 + l.0, sum.1 + l.1));
        [sum.0 / n, sum.1 / n]
    };
    losses.chunks(losses.len().div_ceil(LOSS_POINTS)).map(mean).collect()
}
