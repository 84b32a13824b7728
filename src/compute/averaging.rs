//! More than one network out of one training: fast geometric ensembling, which averages predictions of the networks that a
//! cyclic learning rate visits (Garipov et al. 2018, section 4), and stochastic weight averaging, which averages the weights
//! themselves (Izmailov et al. 2018, <https://arxiv.org/abs/1803.05407>).
//!
//! Both go on from a trained mode with an ordinary [`Fit`](super::Fit), see [`Continue`](super::Continue); what is here says at
//! what learning rates, which of the networks count, and what their mean is.

use std::sync::Arc;

use super::fit::Schedule;
use crate::net::{ParamLayout, ParamVec};

/// How networks are collected while a training goes on. Epochs count from where it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Averaging {
    /// The learning rate goes down to `lowest` times the highest and up again in `cycle` epochs; at each minimum, which an
    /// even cycle has between two epochs, the network joins an ensemble.
    Predictions { cycle: usize, lowest: f64 },
    /// The learning rate stays where it is; after every so many epochs the network joins a running mean.
    Weights { every: usize },
}

impl Averaging {
    /// The learning rate over the epochs.
    pub fn schedule(self) -> Schedule {
        match self {
            Self::Predictions { cycle, lowest } => Schedule::Cyclic { lowest, epochs: cycle },
            Self::Weights { .. } => Schedule::Constant,
        }
    }

    /// Whether the network after so many epochs is collected.
    pub fn collects(self, n_epochs: usize) -> bool {
        match self {
            Self::Predictions { cycle, .. } => n_epochs % cycle.max(1) == cycle / 2,
            Self::Weights { every } => 0 < n_epochs && n_epochs.is_multiple_of(every.max(1)),
        }
    }

    /// How many networks so many epochs give.
    pub fn n_collected(self, n_epochs: usize) -> usize {
        (1..=n_epochs).filter(|&n| self.collects(n)).count()
    }
}

/// The mean of networks that come one after another, in f64.
///
/// Running statistics of batch norm are averaged with the weights and fit the mean no better than those of any network:
/// measure them anew before it is used.
#[derive(Clone, Debug)]
pub(super) struct RunningMean {
    layout: Arc<ParamLayout>,
    mean: Vec<f64>,
    n: usize,
}

impl RunningMean {
    pub(super) fn new(layout: &Arc<ParamLayout>) -> Self {
        Self { layout: Arc::clone(layout), mean: vec![0.0; layout.len()], n: 0 }
    }

    /// `mean <- (n mean + w) / (n + 1)`.
    pub(super) fn add(&mut self, weights: &ParamVec) {
        self.n += 1;
        let share = 1.0 / self.n as f64;
        for (mean, &w) in self.mean.iter_mut().zip(weights.values()) {
            *mean += (f64::from(w) - *mean) * share;
        }
    }

    /// The mean so far; `None` of nothing.
    pub(super) fn mean(&self) -> Option<ParamVec> {
        let values = self.mean.iter().map(|&w| w as f32).collect();
        ParamVec::new(Arc::clone(&self.layout), values).filter(|_| 0 < self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{fit_spec, params};
    use super::super::{Engine, Fit};
    use super::*;
    use crate::net::zoo;

    #[test]
    fn networks_are_collected_where_the_learning_rate_is_lowest() {
        for cycle in [2, 4, 6] {
            let averaging = Averaging::Predictions { cycle, lowest: 0.1 };
            let schedule = averaging.schedule();
            let collected: Vec<usize> = (0..=3 * cycle).filter(|&n| averaging.collects(n)).collect();
            assert_eq!(collected, [0, 1, 2].map(|turn| turn * cycle + cycle / 2));
            assert_eq!(averaging.n_collected(3 * cycle), 3);
            for n in 0..3 * cycle {
                for part in [0.0, 0.25, 0.5, 0.75] {
                    let is_lowest = (schedule.factor(n, part, 3 * cycle) - 0.1).abs() < 1e-12;
                    assert_eq!(is_lowest, part == 0.0 && averaging.collects(n), "cycle {cycle}, epoch {n} + {part}");
                }
            }
        }
    }

    #[test]
    fn weights_are_collected_after_every_so_many_epochs_and_never_before_the_first() {
        let averaging = Averaging::Weights { every: 2 };
        assert_eq!((0..7).filter(|&n| averaging.collects(n)).collect::<Vec<_>>(), [2, 4, 6]);
        assert_eq!(averaging.schedule(), Schedule::Constant);
    }

    #[test]
    fn a_running_mean_is_the_mean_of_the_networks_of_a_fit() {
        let spec = fit_spec(zoo::mlp(&[12, 6, 4], true).unwrap(), None, 100);
        let mut mean = RunningMean::new(spec.network.layout());
        assert!(mean.mean().is_none());
        let mut fit = Fit::new(&Engine::cpu(), super::super::FitSpec { epochs: 3, ..spec }).unwrap();
        let mut collected = Vec::new();
        while fit.step(false).unwrap().is_some() {
            if fit.is_between_epochs() {
                let vectors = fit.trained().unwrap();
                mean.add(&vectors[0]);
                collected.extend(vectors);
            }
        }
        assert_eq!(collected.len(), 3);
        assert_ne!(collected[0], collected[2]);
        for (place, &found) in mean.mean().unwrap().values().iter().enumerate() {
            let expected = collected.iter().map(|w| f64::from(w.values()[place])).sum::<f64>() / 3.0;
            assert!((f64::from(found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn the_mean_of_one_network_is_that_network() {
        let w = params(&zoo::mlp(&[5, 4, 3], true).unwrap(), 1);
        let mut mean = RunningMean::new(w.layout());
        mean.add(&w);
        assert_eq!(mean.mean().unwrap(), *w);
    }
}
