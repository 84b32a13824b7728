//! Training that goes on from a mode to have more than one network of it: fast geometric ensembling (Garipov et al. 2018,
//! section 4) and stochastic weight averaging (Izmailov et al. 2018).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Descent, Recipe};
use crate::compute::{Averaging, ContinueSpec, DataRef, FitSpec};
use crate::data::Augmentation;
use crate::net::{Network, ParamVec};

/// How a training goes on, and which networks of it count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    pub collect: Collect,
    /// The schedule follows from what is collected.
    pub descent: Descent,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
}

/// Which networks count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Collect {
    /// Those at the minima of a learning rate that goes down to the lowest and up again in so many epochs; they are asked
    /// together.
    Fge { cycle: usize, lowest_rate: f64 },
    /// Those after every so many epochs, at a constant learning rate; their weights are averaged.
    Swa { every: usize },
}

/// Why a training cannot go on so.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ContinuationError {
    #[error("expected an even number of epochs a cycle, found {found}")]
    OddCycle { found: usize },
    #[error("expected a lowest learning rate of at most the highest, which is {highest}, found {found}")]
    LowestRate { found: f64, highest: f64 },
    #[error("expected at least {least} epochs, after which the first network is collected, found {found}")]
    TooShort { found: usize, least: usize },
}

impl Continuation {
    /// FGE in cycles of 4 epochs from 0.05 down to 0.0001, 20 epochs in all.
    pub fn fge() -> Self {
        Self::new(Collect::Fge { cycle: 4, lowest_rate: 1e-4 }, 0.05)
    }

    /// SWA of the networks after each of 20 epochs at 0.01.
    pub fn swa() -> Self {
        Self::new(Collect::Swa { every: 1 }, 0.01)
    }

    fn new(collect: Collect, learning_rate: f64) -> Self {
        let descent = Descent { epochs: 20, learning_rate, ..Descent::default() };
        Self { collect, descent, augmentation: Augmentation::none() }
    }

    /// How many networks count.
    pub fn n_collected(&self) -> usize {
        self.averaging().n_collected(self.descent.epochs)
    }

    /// Whether networks can be collected so.
    pub fn check(&self) -> Result<(), ContinuationError> {
        let Descent { epochs: found, learning_rate: highest, .. } = self.descent;
        let least = match self.collect {
            Collect::Fge { cycle, .. } if cycle == 0 || !cycle.is_multiple_of(2) => {
                return Err(ContinuationError::OddCycle { found: cycle });
            }
            Collect::Fge { lowest_rate, .. } if highest < lowest_rate => {
                return Err(ContinuationError::LowestRate { found: lowest_rate, highest });
            }
            Collect::Fge { cycle, .. } => cycle / 2,
            Collect::Swa { every } => every,
        };
        if self.n_collected() == 0 {
            return Err(ContinuationError::TooShort { found, least });
        }
        Ok(())
    }

    /// The training that goes on from a mode.
    pub fn spec(&self, network: &Arc<Network>, mode: &Arc<ParamVec>, data: DataRef, seed: u64) -> ContinueSpec {
        let averaging = self.averaging();
        let descent = Descent { schedule: averaging.schedule(), ..self.descent.clone() };
        let recipe = Recipe { descent, augmentation: self.augmentation.clone(), init: None };
        let fit = FitSpec { basis: vec![Arc::clone(mode)], checkpoints: false, ..recipe.fit(network, data, seed) };
        ContinueSpec { fit, averaging }
    }

    fn averaging(&self) -> Averaging {
        match self.collect {
            Collect::Fge { cycle, lowest_rate } => {
                Averaging::Predictions { cycle, lowest: lowest_rate / self.descent.learning_rate }
            }
            Collect::Swa { every } => Averaging::Weights { every },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Schedule;
    use crate::data::{Normalization, SplitName, optdigits};
    use crate::net::zoo;

    #[test]
    fn the_settings_that_are_offered_first_collect_networks() {
        assert_eq!((Continuation::fge().check(), Continuation::fge().n_collected()), (Ok(()), 5));
        assert_eq!((Continuation::swa().check(), Continuation::swa().n_collected()), (Ok(()), 20));
    }

    #[test]
    fn settings_that_collect_nothing_or_make_no_sense_are_refused() {
        let fge = |epochs, cycle, lowest_rate| {
            let usual = Continuation::fge();
            let descent = Descent { epochs, ..usual.descent };
            Continuation { collect: Collect::Fge { cycle, lowest_rate }, descent, ..usual }.check()
        };
        assert_eq!(fge(20, 3, 1e-4), Err(ContinuationError::OddCycle { found: 3 }));
        assert_eq!(fge(20, 0, 1e-4), Err(ContinuationError::OddCycle { found: 0 }));
        assert_eq!(fge(20, 4, 0.1), Err(ContinuationError::LowestRate { found: 0.1, highest: 0.05 }));
        assert_eq!(fge(1, 4, 1e-4), Err(ContinuationError::TooShort { found: 1, least: 2 }));
        assert_eq!(fge(2, 4, 1e-4), Ok(()));
        let swa = Continuation { collect: Collect::Swa { every: 21 }, ..Continuation::swa() };
        assert_eq!(swa.check(), Err(ContinuationError::TooShort { found: 20, least: 21 }));
    }

    #[test]
    fn a_training_goes_on_from_the_mode_at_the_rates_of_its_kind() {
        let network = Arc::new(zoo::mlp(&[64, 5, 10], true).unwrap());
        let mode = Recipe::default().initial_weights(&network, 9);
        let data = DataRef {
            dataset: Arc::new(optdigits()),
            split: SplitName::Train,
            normalization: Normalization::identity(1),
            limit: None,
        };
        let [fge, swa] = [Continuation::fge(), Continuation::swa()].map(|c| c.spec(&network, &mode, data.clone(), 3));
        assert!(Arc::ptr_eq(&fge.fit.basis[0], &mode) && Arc::ptr_eq(&swa.fit.basis[0], &mode));
        assert_eq!((fge.fit.learning_rate, swa.fit.learning_rate), (0.05, 0.01));
        assert_eq!(swa.fit.schedule, Schedule::Constant);
        let Schedule::Cyclic { lowest, epochs: 4 } = fge.fit.schedule else { panic!("{:?}", fge.fit.schedule) };
        assert!((lowest - 1e-4 / 0.05).abs() < 1e-12);
    }
}
