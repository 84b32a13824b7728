//! Networks out of a training that goes on from a mode, as [`Averaging`] collects them.

use std::sync::Arc;
use std::time::Duration;

use super::averaging::{Averaging, RunningMean};
use super::connect::gradient_flops;
use super::fit::{Fit, FitSpec, StepReport};
use super::{ComputeError, Cost, Engine};
use crate::net::ParamVec;

/// A training that goes on, and which of its networks count.
#[derive(Clone, Debug)]
pub struct ContinueSpec {
    /// Of a single vector: the mode.
    pub fit: FitSpec,
    pub averaging: Averaging,
}

impl ContinueSpec {
    /// What the whole training will take, and the networks that are kept: for a mean its sum.
    pub fn cost(&self) -> Cost {
        let FitSpec { network, epochs, data, .. } = &self.fit;
        let of_network = match self.averaging {
            Averaging::Predictions { .. } => self.averaging.n_collected(*epochs) * size_of::<f32>(),
            Averaging::Weights { .. } => size_of::<f64>(),
        };
        Cost {
            flops: (epochs * data.n_images()) as f64 * gradient_flops(network),
            bytes: of_network * network.layout().len(),
        }
    }
}

/// What a training that went on has collected.
#[derive(Clone, Debug)]
pub struct Continued {
    pub collected: Collected,
    /// The newest network, counted or not.
    pub last: Arc<ParamVec>,
    pub epochs_done: usize,
}

/// The networks that count.
#[derive(Clone, Debug)]
pub enum Collected {
    /// Those that are asked together, with the number of epochs behind each.
    Networks(Vec<(usize, Arc<ParamVec>)>),
    /// The mean of so many.
    Mean(Arc<ParamVec>, usize),
}

/// A running continuation; call [`Self::step`] until it returns `None`.
pub struct Continue {
    fit: Fit,
    averaging: Averaging,
    networks: Vec<(usize, Arc<ParamVec>)>,
    mean: RunningMean,
    n_averaged: usize,
}

impl Continue {
    /// # Errors
    /// Where the fit cannot start, and where it trains something else than one network.
    pub fn new(engine: &Engine, spec: ContinueSpec) -> Result<Self, ComputeError> {
        let ContinueSpec { fit, averaging } = spec;
        if fit.family.is_some() {
            return Err(ComputeError::Start("expected one network to train on, found a path".to_owned()));
        }
        let mean = RunningMean::new(fit.network.layout());
        Ok(Self { fit: Fit::new(engine, fit)?, averaging, networks: Vec::new(), mean, n_averaged: 0 })
    }

    /// Trains for about `budget`: what it saw. `None` when all epochs are done.
    pub fn step(&mut self, budget: Duration) -> Result<Option<StepReport>, ComputeError> {
        let slice = self.fit.slice(budget, true)?;
        if slice.epoch_ended && self.averaging.collects(self.fit.epochs_done()) {
            let network = self.newest()?;
            match self.averaging {
                Averaging::Predictions { .. } => self.networks.push((self.fit.epochs_done(), network)),
                Averaging::Weights { .. } => {
                    self.mean.add(&network);
                    self.n_averaged += 1;
                }
            }
        }
        Ok(slice.report)
    }

    fn newest(&self) -> Result<Arc<ParamVec>, ComputeError> {
        let newest = self.fit.trained()?.into_iter().next();
        newest.ok_or_else(|| ComputeError::Start("expected one network to train on, found none".to_owned()))
    }

    /// What has been collected so far; `None` while that is nothing.
    pub fn collected(&self) -> Result<Option<Continued>, ComputeError> {
        let collected = match self.averaging {
            Averaging::Predictions { .. } => {
                Some(&self.networks).filter(|networks| !networks.is_empty()).map(|n| Collected::Networks(n.clone()))
            }
            Averaging::Weights { .. } => self.mean.mean().map(|mean| Collected::Mean(Arc::new(mean), self.n_averaged)),
        };
        let Some(collected) = collected else { return Ok(None) };
        Ok(Some(Continued { collected, last: self.newest()?, epochs_done: self.fit.epochs_done() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::fit_spec;
    use super::*;
    use crate::net::zoo;

    fn spec(averaging: Averaging, epochs: usize) -> ContinueSpec {
        let fit = fit_spec(zoo::mlp(&[12, 6, 4], true).unwrap(), None, 100);
        ContinueSpec { fit: FitSpec { epochs, schedule: averaging.schedule(), ..fit }, averaging }
    }

    fn run(spec: &ContinueSpec) -> Continued {
        let mut running = Continue::new(&Engine::cpu(), spec.clone()).unwrap();
        while running.step(Duration::ZERO).unwrap().is_some() {}
        running.collected().unwrap().unwrap()
    }

    /// The network after so many epochs of the same training.
    fn after(spec: &ContinueSpec, epochs: usize) -> ParamVec {
        let mut fit = Fit::new(&Engine::cpu(), spec.fit.clone()).unwrap();
        while fit.epochs_done() < epochs {
            fit.step(false).unwrap();
        }
        (*fit.trained().unwrap()[0]).clone()
    }

    #[test]
    fn the_networks_at_the_minima_of_the_learning_rate_are_collected() {
        let spec = spec(Averaging::Predictions { cycle: 2, lowest: 0.1 }, 5);
        let found = run(&spec);
        let Collected::Networks(networks) = found.collected else { panic!("{found:?}") };
        assert_eq!(networks.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [1, 3, 5]);
        for (epoch, network) in &networks {
            assert_eq!(**network, after(&spec, *epoch), "epoch {epoch}");
        }
        assert_eq!((found.epochs_done, &found.last), (5, &networks[2].1));
    }

    #[test]
    fn the_mean_is_of_the_networks_that_count_and_the_last_is_the_last() {
        let spec = spec(Averaging::Weights { every: 2 }, 5);
        let found = run(&spec);
        let Collected::Mean(mean, n) = found.collected else { panic!("{found:?}") };
        assert_eq!((n, &*found.last), (2, &after(&spec, 5)));
        let [one, other] = [2, 4].map(|epoch| after(&spec, epoch));
        for (place, &value) in mean.values().iter().enumerate() {
            let expected = f64::midpoint(f64::from(one.values()[place]), f64::from(other.values()[place]));
            assert!((f64::from(value) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn before_the_first_network_that_counts_there_is_nothing() {
        let mut running = Continue::new(&Engine::cpu(), spec(Averaging::Weights { every: 2 }, 2)).unwrap();
        running.step(Duration::ZERO).unwrap();
        assert!(running.collected().unwrap().is_none());
    }

    #[test]
    fn a_path_is_no_mode_to_go_on_from() {
        let fit = fit_spec(zoo::mlp(&[12, 6, 4], true).unwrap(), Some(crate::geometry::Curve::Linear), 100);
        let spec = ContinueSpec { fit, averaging: Averaging::Weights { every: 1 } };
        let error = Continue::new(&Engine::cpu(), spec).err().unwrap().to_string();
        assert!(error.contains("expected one network"), "{error}");
    }

    #[test]
    fn what_it_takes_grows_with_its_epochs_and_the_networks_that_are_kept() {
        let [one, three] = [1, 3].map(|epochs| spec(Averaging::Weights { every: 1 }, epochs).cost());
        assert!(0.0 < one.flops && (three.flops - 3.0 * one.flops).abs() < 1e-9 * three.flops);
        assert_eq!(one.bytes, three.bytes, "one mean is kept");
        let kept = |epochs| spec(Averaging::Predictions { cycle: 2, lowest: 0.1 }, epochs).cost().bytes;
        assert_eq!(3 * kept(2), kept(6));
    }
}
