//! How networks are trained, the papers' recipes by name, and what a training that was interrupted needs to go on. Shared by
//! the command line and the window.

mod continuation;
mod descent;
mod presets;
mod resume;
mod trajectory;

pub use continuation::{Collect, Continuation, ContinuationError};
pub use descent::Descent;
pub use presets::{PRESETS, Preset};
pub use resume::{Interrupted, RESUME_EVERY, Resume, ResumeError, interrupted};
pub use trajectory::{file_of_epoch, trajectory_of_seed};

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::compute::{DataRef, FitSpec, FitStart, TSampling};
use crate::data::{Augmentation, Dataset, ImageShape};
use crate::net::zoo::{self, NameError};
use crate::net::{Init, Network, ParamVec};

/// Seed of wrong labels: modes that are to be joined must be of one task.
pub const LABEL_NOISE_SEED: u64 = 0;

/// Stream of a seed's generator for initial weights; fits use the streams of their epochs.
const INITIAL_WEIGHTS: u64 = u64::MAX;

/// How a mode is trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    pub descent: Descent,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// How initial weights are drawn; `None`: as is usual for the network.
    pub init: Option<Init>,
}

impl Recipe {
    /// Initial weights of a seed.
    pub fn initial_weights(&self, network: &Network, seed: u64) -> Arc<ParamVec> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(INITIAL_WEIGHTS);
        Arc::new(self.init_of(network).draw(network.layout(), &mut rng))
    }

    /// How the initial weights of a network are drawn.
    pub fn init_of(&self, network: &Network) -> Init {
        self.init.unwrap_or_else(|| Init::usual(network))
    }

    /// The whole training of one mode, with checkpoints.
    pub fn fit(&self, network: &Arc<Network>, data: DataRef, seed: u64) -> FitSpec {
        FitSpec {
            basis: vec![self.initial_weights(network, seed)],
            network: Arc::clone(network),
            family: None,
            data,
            augmentation: self.augmentation.clone(),
            epochs: self.descent.epochs,
            start: FitStart::default(),
            batch_size: self.descent.batch_size,
            optimizer: self.descent.optimizer,
            learning_rate: self.descent.learning_rate,
            schedule: self.descent.schedule.clone(),
            weight_decay: self.descent.weight_decay,
            attack: self.descent.attack,
            sampling: TSampling::One,
            proximal: None,
            seed,
            checkpoints: true,
        }
    }

    /// What the weights depend on beside network, data and seed: options of `lowroad train` and their values.
    pub fn options(&self, network: &Network) -> Vec<(&'static str, String)> {
        let mut options = self.descent.options();
        options.push(("--augment", self.augmentation.to_string()));
        options.push(("--init", self.init_of(network).to_string()));
        options
    }
}

/// A network by its name for examples of this data set, as [`zoo::build`] reads names.
pub fn network_for(name: &str, dataset: &Dataset) -> Result<Network, NameError> {
    let ImageShape { channels, height, width } = dataset.shape;
    zoo::build(name, &[channels, height, width], dataset.n_classes())
}

#[cfg(test)]
mod tests;
