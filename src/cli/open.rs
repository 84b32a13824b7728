//! Opens the data that the arguments name, with its normalisation.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::networks::shown;
use super::options::{BatchNormChoice, DataOptions, NetworkOptions, ScoreOptions, UsageError};
use super::output::say;
use crate::checkpoint::Mode;
use crate::compute::{BATCH_NORM_IMAGES, BatchNorm, DataRef};
use crate::data::{self, DataError, Dataset, Normalization, SplitName};

/// The images that points of weight space are measured on, and those for the statistics of batch norm.
pub(super) struct Measure {
    pub(super) data: Vec<DataRef>,
    pub(super) batch_norm: BatchNorm,
}

/// A data set ready to be fed to networks.
#[derive(Clone)]
pub(super) struct Images {
    pub(super) dataset: Arc<Dataset>,
    pub(super) normalization: Normalization,
}

impl Images {
    pub(super) fn open(options: &DataOptions) -> Result<Self> {
        let dataset = data::open(&options.data)?;
        for note in &dataset.notes {
            say(&format!("note: {}: {note}", dataset.name));
        }
        let channels = dataset.shape.channels;
        let normalization = match &options.normalize {
            None => Normalization::identity(channels),
            Some(text) => Normalization::parse(text, channels).map_err(usage_of)?,
        };
        Ok(Self { dataset: Arc::new(dataset), normalization })
    }

    /// Shape of one image as networks take it.
    pub(super) fn input_shape(&self) -> Vec<usize> {
        let shape = self.dataset.shape;
        vec![shape.channels, shape.height, shape.width]
    }

    /// Whether a network takes these images, named by its file; jobs check it again, without the name.
    pub(super) fn check(&self, mode: &Mode) -> Result<()> {
        let Dataset { name, shape, .. } = &*self.dataset;
        let network = &mode.network;
        if network.n_inputs() != shape.pixels() {
            bail!(
                "expected a network of {} inputs for the images of {name} ({shape}; --data names another data set), \
                 found {} of {} inputs: {}",
                shape.pixels(),
                network.name(),
                network.n_inputs(),
                shown(mode)
            );
        }
        if network.n_classes() < self.dataset.n_classes() {
            bail!(
                "expected a network of at least {} outputs for the labels of {name}, found {} of {} outputs: {}",
                self.dataset.n_classes(),
                network.name(),
                network.n_classes(),
                shown(mode)
            );
        }
        Ok(())
    }

    /// The first `limit` images of a split.
    pub(super) fn of(&self, split: SplitName, limit: Option<usize>) -> DataRef {
        DataRef { dataset: Arc::clone(&self.dataset), split, normalization: self.normalization.clone(), limit }
    }

    /// What points of weight space are measured with.
    pub(super) fn measure(&self, score: ScoreOptions, network: &NetworkOptions) -> Measure {
        let batch_norm = match network.bn.unwrap_or(BatchNormChoice::Recompute) {
            BatchNormChoice::Stored => BatchNorm::Stored,
            BatchNormChoice::Recompute => {
                BatchNorm::Recompute(self.of(SplitName::Train, Some(network.bn_images.unwrap_or(BATCH_NORM_IMAGES))))
            }
        };
        Measure { data: self.scored(score), batch_norm }
    }

    /// The splits that scores are wanted on.
    pub(super) fn scored(&self, options: ScoreOptions) -> Vec<DataRef> {
        let splits = options.split.splits().iter();
        splits.map(|&split| self.of(split, options.limit)).collect()
    }
}

fn usage_of(error: DataError) -> UsageError {
    UsageError(format!("--normalize: {error}"))
}
