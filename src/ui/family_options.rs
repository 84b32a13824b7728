//! Settings of single families: one small editor for each group of `ConnectOptions`.

use egui::Ui;

use super::descent_controls::{number_row, optimizer_row, real_row};
use crate::compute::{
    AdjustmentOptions, AutoNebOptions, AutoNebPreset, ConnectOptions, LayerwiseOptions, SimplexOptions,
    TransportOptions,
};
use crate::geometry::Family;

/// The settings that only this family looks at.
pub(super) fn show(ui: &mut Ui, family: Family, options: &mut ConnectOptions) {
    match family {
        Family::Transport => transport(ui, &mut options.transport),
        Family::LinearAdjusted
        | Family::ArcAdjusted
        | Family::TransportAdjusted
        | Family::LinearButterfly
        | Family::ArcButterfly
        | Family::TransportButterfly => adjustment(ui, &mut options.adjustment),
        Family::AutoNeb => autoneb(ui, &mut options.autoneb),
        Family::Simplex => simplex(ui, &mut options.simplex),
        Family::Layerwise => layerwise(ui, &mut options.layerwise),
        Family::Linear | Family::Arc | Family::Chain | Family::Bezier | Family::Flow | Family::Bijection => {}
    }
}

fn transport(ui: &mut Ui, options: &mut TransportOptions) {
    let tip = "Behind B with its units moved, walk them back to their own places: one by one and at constant loss";
    ui.checkbox(&mut options.second_stage, "Go on to B itself").on_hover_text(tip);
}

fn adjustment(ui: &mut Ui, options: &mut AdjustmentOptions) {
    let tip = "Added to the diagonal of each fit's normal equations, as a share of the diagonal's mean";
    real_row(ui, "Ridge", &mut options.ridge, 0.0..=1.0, 1e-7, tip);
}

fn autoneb(ui: &mut Ui, options: &mut AutoNebOptions) {
    ui.horizontal(|ui| {
        ui.label("Cycles").on_hover_text("Rounds of bending, with pivots added in between");
        for (preset, label, tip) in [
            (AutoNebPreset::Fast, "fast", "Fewer steps: a good path in a fraction of the time"),
            (AutoNebPreset::Paper, "paper", "The 14 cycles of Draxler et al. 2018"),
        ] {
            ui.selectable_value(&mut options.preset, preset, label).on_hover_text(tip);
        }
    });
    let tip = "Multiplies the steps of every cycle";
    real_row(ui, "Steps ×", &mut options.step_scale, 0.01..=100.0, 0.01, tip);
    real_row(ui, "Learning rate", &mut options.learning_rate, 1e-6..=10.0, 0.001, "Of the first cycles");
    number_row(ui, "Batch size", &mut options.batch_size, 1..=100_000, "Images a step");
    real_row(ui, "L2 factor", &mut options.weight_decay, 0.0..=1.0, 1e-5, "Weight decay");
    let tip = "Points between neighbouring pivots at which the loss is analysed";
    number_row(ui, "Dense points", &mut options.dense_points, 1..=99, tip);
    let tip = "The first training images that it is analysed on";
    number_row(ui, "Dense images", &mut options.dense_images, 1..=1_000_000, tip);
}

fn simplex(ui: &mut Ui, options: &mut SimplexOptions) {
    let tip = "Trained corners beside A and B; the path leads through them";
    number_row(ui, "Connectors", &mut options.n_connectors, 1..=8, tip);
    number_row(ui, "Epochs", &mut options.epochs, 1..=1000, "For each connector");
    number_row(ui, "Batch size", &mut options.batch_size, 1..=100_000, "Images a step");
    real_row(ui, "Learning rate", &mut options.learning_rate, 1e-6..=10.0, 0.001, "Of the first epoch");
    real_row(ui, "L2 factor", &mut options.weight_decay, 0.0..=1.0, 1e-5, "Weight decay");
    let tip = "How much a large volume is worth against a low loss";
    real_row(ui, "Volume weight", &mut options.volume_weight, 0.0..=1.0, 1e-7, tip);
}

fn layerwise(ui: &mut Ui, options: &mut LayerwiseOptions) {
    let tip = "Share of a layer's distance to B that one move covers (the paper: 0.001)";
    real_row(ui, "Step size", &mut options.step_size, 1e-4..=1.0, 0.001, tip);
    let tip = "Training ends once the mean loss of the last minibatches is below this";
    real_row(ui, "Loss threshold", &mut options.loss_threshold, 0.0..=100.0, 0.001, tip);
    number_row(ui, "Loss window", &mut options.loss_window, 1..=1000, "Minibatches that the mean is over");
    number_row(ui, "Most steps", &mut options.max_steps, 1..=100_000, "Training steps after a move, at most");
    optimizer_row(ui, &mut options.optimizer);
    real_row(ui, "Learning rate", &mut options.learning_rate, 1e-6..=10.0, 0.001, "Of the training between moves");
    number_row(ui, "Batch size", &mut options.batch_size, 1..=100_000, "Images a step");
    number_row(ui, "Points kept", &mut options.max_points, 2..=1025, "The path is thinned to so many as it grows");
}
