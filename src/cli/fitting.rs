//! How weights are trained: options shared by `path` and `train`.

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::options::{non_negative_real, positive, positive_real, share};
use crate::compute::{DataRef, FitSpec, Optimizer, Schedule, TSampling};
use crate::geometry::PathFamily;
use crate::net::{Network, ParamVec};

/// Passes over the training images where `--epochs` says nothing.
pub(super) const DEFAULT_EPOCHS: usize = 30;

#[derive(Args, Clone, Debug)]
pub(super) struct FitOptions {
    /// Passes over the training images
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<usize>,
    #[arg(long, value_enum, default_value_t = OptimizerName::Sgd)]
    optimizer: OptimizerName,
    /// Learning rate at the start: 0.05 for sgd, 0.001 for adam unless given
    #[arg(long, value_name = "RATE", value_parser = positive_real)]
    lr: Option<f64>,
    /// Nesterov momentum of sgd
    #[arg(long, value_name = "M", default_value_t = 0.9, value_parser = share)]
    momentum: f64,
    /// L2 factor: half of it times |weights|^2 is added to the loss
    #[arg(long, value_name = "L2", default_value_t = 5e-4, value_parser = non_negative_real)]
    weight_decay: f64,
    /// Images a step
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    batch: usize,
    /// The learning rate over the epochs
    #[arg(long, value_enum, default_value_t = ScheduleName::Garipov)]
    schedule: ScheduleName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    /// Stochastic gradient descent with Nesterov momentum
    Sgd,
    /// Kingma & Ba 2015
    Adam,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScheduleName {
    Constant,
    /// Full for half of the epochs, then linearly down to a hundredth (Garipov et al. 2018)
    Garipov,
    /// Halved every 20 epochs (Tatro et al. 2020)
    Halving,
    /// Half a cosine
    Cosine,
}

impl ScheduleName {
    fn schedule(self) -> Schedule {
        match self {
            Self::Constant => Schedule::Constant,
            Self::Garipov => Schedule::Garipov,
            Self::Halving => Schedule::Halving,
            Self::Cosine => Schedule::Cosine,
        }
    }
}

/// What is fitted, beside how.
pub(super) struct FitTarget {
    pub(super) network: Arc<Network>,
    /// `None` trains the one vector of `basis`.
    pub(super) family: Option<PathFamily>,
    pub(super) basis: Vec<Arc<ParamVec>>,
    pub(super) data: DataRef,
    pub(super) sampling: TSampling,
    pub(super) seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            epochs: None,
            optimizer: OptimizerName::Sgd,
            lr: None,
            momentum: 0.9,
            weight_decay: 5e-4,
            batch: 128,
            schedule: ScheduleName::Garipov,
        }
    }
}

impl FitOptions {
    pub(super) fn spec(&self, target: FitTarget, epochs: usize) -> FitSpec {
        let FitTarget { network, family, basis, data, sampling, seed } = target;
        FitSpec {
            network,
            family,
            basis,
            data,
            epochs,
            first_epoch: 0,
            batch_size: self.batch,
            optimizer: self.optimizer(),
            learning_rate: self.learning_rate(),
            schedule: self.schedule.schedule(),
            weight_decay: self.weight_decay,
            sampling,
            seed,
        }
    }

    fn optimizer(&self) -> Optimizer {
        match self.optimizer {
            OptimizerName::Sgd => Optimizer::Sgd { momentum: self.momentum },
            OptimizerName::Adam => Optimizer::Adam,
        }
    }

    fn learning_rate(&self) -> f64 {
        self.lr.unwrap_or(match self.optimizer {
            OptimizerName::Sgd => 0.05,
            OptimizerName::Adam => 0.001,
        })
    }

    /// All of it as options, so that whoever reads it can do it again.
    pub(super) fn as_arguments(&self, epochs: usize) -> String {
        let optimizer = match self.optimizer {
            OptimizerName::Sgd => format!("sgd --momentum {}", self.momentum),
            OptimizerName::Adam => "adam".to_owned(),
        };
        format!(
            "--epochs {epochs} --optimizer {optimizer} --lr {} --weight-decay {} --batch {} --schedule {}",
            self.learning_rate(),
            self.weight_decay,
            self.batch,
            self.schedule.schedule().name()
        )
    }
}

/// Reads `one` or `stratified:N`.
pub(super) fn t_sampling(text: &str) -> Result<TSampling, String> {
    if text == "one" {
        return Ok(TSampling::One);
    }
    match text.strip_prefix("stratified:") {
        Some(n) => Ok(TSampling::Stratified { n: positive(n)? }),
        None => Err("expected `one` or `stratified:N`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_draw_t_are_read() {
        assert_eq!(t_sampling("one"), Ok(TSampling::One));
        assert_eq!(t_sampling("stratified:4"), Ok(TSampling::Stratified { n: 4 }));
        for text in ["stratified", "stratified:0", "two", ""] {
            assert!(t_sampling(text).is_err(), "{text}");
        }
    }
}
