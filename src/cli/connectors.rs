//! Settings of the families that are trained by the connect job: AutoNEB, simplexes and layer-wise paths.

use clap::Args;

use super::options::{positive, positive_real};
use crate::compute::{AutoNebOptions, AutoNebPreset, LayerwiseOptions, SimplexOptions};

/// How bands are optimised.
#[derive(Args, Clone, Debug)]
pub(super) struct AutoNebArgs {
    /// How long a band is optimised (`autoneb`): `paper` takes 14 cycles of 1000 to 2000 steps, `fast` 4 of 100 to 300
    #[arg(long, value_name = "fast|paper", default_value = "fast", value_parser = preset)]
    neb_preset: AutoNebPreset,
    /// Factor of the steps of each cycle (`autoneb`)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive_real)]
    neb_steps: f64,
    /// Learning rate of the first cycles (`autoneb`) [default: 0.1]
    #[arg(long, value_name = "RATE", value_parser = positive_real)]
    neb_lr: Option<f64>,
    /// Images of a minibatch (`autoneb`) [default: 512]
    #[arg(long, value_name = "N", value_parser = positive)]
    neb_batch: Option<usize>,
}

fn preset(text: &str) -> Result<AutoNebPreset, String> {
    let found = AutoNebPreset::ALL.into_iter().find(|preset| preset.name() == text);
    found.ok_or_else(|| format!("expected fast or paper, found `{text}`"))
}

impl AutoNebArgs {
    pub(super) fn options(&self) -> AutoNebOptions {
        let default = AutoNebOptions::default();
        AutoNebOptions {
            preset: self.neb_preset,
            step_scale: self.neb_steps,
            learning_rate: self.neb_lr.unwrap_or(default.learning_rate),
            batch_size: self.neb_batch.unwrap_or(default.batch_size),
            ..default
        }
    }
}

/// How simplexes are trained.
#[derive(Args, Clone, Debug)]
pub(super) struct SimplexArgs {
    /// Trained vertices (`simplex`) [default: 2]
    #[arg(long, value_name = "N", value_parser = positive)]
    connectors: Option<usize>,
    /// Epochs for each of them (`simplex`; the paper takes 25) [default: 10]
    #[arg(long, value_name = "N", value_parser = positive)]
    simplex_epochs: Option<usize>,
    /// Learning rate of the first epoch (`simplex`) [default: 0.05]
    #[arg(long, value_name = "RATE", value_parser = positive_real)]
    simplex_lr: Option<f64>,
    /// Factor of the volume's logarithm in the loss (`simplex`) [default: 1e-6]
    #[arg(long, value_name = "LAMBDA", value_parser = positive_real)]
    volume_weight: Option<f64>,
}

impl SimplexArgs {
    pub(super) fn options(&self) -> SimplexOptions {
        let default = SimplexOptions::default();
        SimplexOptions {
            n_connectors: self.connectors.unwrap_or(default.n_connectors),
            epochs: self.simplex_epochs.unwrap_or(default.epochs),
            learning_rate: self.simplex_lr.unwrap_or(default.learning_rate),
            volume_weight: self.volume_weight.unwrap_or(default.volume_weight),
            ..default
        }
    }
}

/// How groups of layers are moved.
#[derive(Args, Clone, Debug)]
pub(super) struct LayerwiseArgs {
    /// Share of a layer group's distance to B of one move (`layerwise`; the paper takes 0.001) [default: 0.05]
    #[arg(long, value_name = "SHARE", value_parser = step_size)]
    step_size: Option<f64>,
    /// Training loss below which the next move is made (`layerwise`) [default: 0.05]
    #[arg(long, value_name = "LOSS", value_parser = positive_real)]
    loss_threshold: Option<f64>,
    /// The most training steps after a move (`layerwise`) [default: 200]
    #[arg(long, value_name = "N", value_parser = positive)]
    layer_steps: Option<usize>,
    /// Learning rate of that training, by Adam (`layerwise`) [default: 0.001]
    #[arg(long, value_name = "RATE", value_parser = positive_real)]
    layer_lr: Option<f64>,
    /// Points that the path is thinned to (`layerwise`) [default: 65]
    #[arg(long, value_name = "N", value_parser = positive)]
    layer_points: Option<usize>,
}

fn step_size(text: &str) -> Result<f64, String> {
    match positive_real(text)? {
        share if share <= 1.0 => Ok(share),
        _ => Err("expected a number above 0 and at most 1".to_owned()),
    }
}

impl LayerwiseArgs {
    pub(super) fn options(&self) -> LayerwiseOptions {
        let default = LayerwiseOptions::default();
        LayerwiseOptions {
            step_size: self.step_size.unwrap_or(default.step_size),
            loss_threshold: self.loss_threshold.unwrap_or(default.loss_threshold),
            max_steps: self.layer_steps.unwrap_or(default.max_steps),
            learning_rate: self.layer_lr.unwrap_or(default.learning_rate),
            max_points: self.layer_points.unwrap_or(default.max_points),
            ..default
        }
    }
}
