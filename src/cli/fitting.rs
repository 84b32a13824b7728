//! How weights are trained: options shared by `path` and `train`.

use std::str::FromStr as _;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::options::{non_negative_real, positive, positive_real, share};
use crate::compute::{DataRef, FitSpec, FitStart, Optimizer, Schedule, TSampling};
use crate::data::{Attack, Augmentation};
use crate::geometry::Curve;
use crate::net::{Network, ParamVec};
use crate::recipe::Descent;

/// What is said about weights being moved; the rest is as the command or its preset has it.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct FitOptions {
    /// Passes over the training images; 30 unless something else is said
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<usize>,
    /// The optimiser; sgd unless something else is said
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerName>,
    /// Learning rate at the start: 0.05 for sgd, 0.001 for adam unless something else is said
    #[arg(long, value_name = "RATE", value_parser = positive_real)]
    lr: Option<f64>,
    /// Momentum of sgd; 0.9 unless something else is said
    #[arg(long, value_name = "M", value_parser = share)]
    momentum: Option<f64>,
    /// Whether the momentum is Nesterov's; true unless something else is said
    #[arg(long, value_name = "true|false")]
    nesterov: Option<bool>,
    /// L2 factor: half of it times |weights|^2 is added to the loss; 0.0005 unless something else is said
    #[arg(long, value_name = "L2", value_parser = non_negative_real)]
    weight_decay: Option<f64>,
    /// Images a step; 128 unless something else is said
    #[arg(long, alias = "batch", value_name = "N", value_parser = positive)]
    batch_size: Option<usize>,
    /// The learning rate over the epochs: `constant`; `garipov`: full for half of them, then linearly down to a hundredth
    /// (Garipov et al. 2018); `halving`: halved every 20 (Tatro et al. 2020); `cosine`: half a cosine; times a factor from
    /// some epochs on, such as `steps:0.1@150,225`; or down to a factor and back in some epochs, `cyclic:0.002@4`. `garipov` unless something else is said
    #[arg(long, value_name = "SCHEDULE", value_parser = Schedule::from_str)]
    pub(super) schedule: Option<Schedule>,
    /// Trains on images that an adversary has moved by projected gradient descent: at most EPS a pixel (of 0 to 1), STEPS times
    /// STEP, such as 8/255,2/255,5 (Madry et al. 2018). Along a path the scores under this attack are reported too
    #[arg(long, value_name = "EPS,STEP,STEPS", value_parser = Attack::from_str)]
    pub(super) pgd: Option<Attack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    /// Stochastic gradient descent with momentum
    Sgd,
    /// Kingma & Ba 2015
    Adam,
}

/// What is fitted, beside how.
pub(super) struct FitTarget {
    pub(super) network: Arc<Network>,
    pub(super) family: Curve,
    pub(super) basis: Vec<Arc<ParamVec>>,
    pub(super) data: DataRef,
    pub(super) sampling: TSampling,
    pub(super) seed: u64,
}

impl FitOptions {
    /// The fit of a path.
    pub(super) fn spec(&self, target: FitTarget, epochs: usize) -> FitSpec {
        let FitTarget { network, family, basis, data, sampling, seed } = target;
        let descent = self.over(Descent::default());
        FitSpec {
            network,
            family: Some(family),
            basis,
            data,
            augmentation: Augmentation::none(),
            epochs,
            start: FitStart::default(),
            batch_size: descent.batch_size,
            optimizer: descent.optimizer,
            learning_rate: descent.learning_rate,
            schedule: descent.schedule,
            weight_decay: descent.weight_decay,
            attack: descent.attack,
            sampling,
            proximal: None,
            seed,
            checkpoints: false,
        }
    }

    /// `base` but for what was said otherwise.
    pub(super) fn over(&self, base: Descent) -> Descent {
        let (momentum, nesterov) = match base.optimizer {
            Optimizer::Sgd { momentum, nesterov } => (momentum, nesterov),
            Optimizer::Adam => (0.9, true),
        };
        let sgd =
            Optimizer::Sgd { momentum: self.momentum.unwrap_or(momentum), nesterov: self.nesterov.unwrap_or(nesterov) };
        let (optimizer, rate) = match (self.optimizer, base.optimizer) {
            (Some(OptimizerName::Adam), Optimizer::Sgd { .. }) => {
                (Optimizer::Adam, Descent::usual_rate(Optimizer::Adam))
            }
            (Some(OptimizerName::Sgd), Optimizer::Adam) => (sgd, Descent::usual_rate(sgd)),
            (Some(OptimizerName::Adam) | None, Optimizer::Adam) => (Optimizer::Adam, base.learning_rate),
            (Some(OptimizerName::Sgd) | None, Optimizer::Sgd { .. }) => (sgd, base.learning_rate),
        };
        Descent {
            epochs: self.epochs.unwrap_or(base.epochs),
            batch_size: self.batch_size.unwrap_or(base.batch_size),
            optimizer,
            learning_rate: self.lr.unwrap_or(rate),
            schedule: self.schedule.clone().unwrap_or(base.schedule),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            attack: self.pgd.or(base.attack),
        }
    }
}

/// Options and their values as they are typed.
pub(super) fn as_arguments(options: &[(&'static str, String)]) -> String {
    options.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" ")
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

    #[test]
    fn another_optimizer_brings_its_usual_rate_and_what_is_not_said_stays() {
        let base = Descent { epochs: 7, learning_rate: 0.3, ..Descent::default() };
        assert_eq!(FitOptions::default().over(base.clone()), base);
        let adam = FitOptions { optimizer: Some(OptimizerName::Adam), ..FitOptions::default() }.over(base.clone());
        assert_eq!((adam.optimizer, adam.learning_rate, adam.epochs), (Optimizer::Adam, 0.001, 7));
        let plain = FitOptions { nesterov: Some(false), ..FitOptions::default() }.over(base);
        assert_eq!(plain.optimizer, Optimizer::Sgd { momentum: 0.9, nesterov: false });
        assert_eq!(plain.learning_rate, 0.3);
    }
}
