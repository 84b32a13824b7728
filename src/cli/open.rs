//! Opens what the arguments name: checkpoints as modes of one network, data sets with their normalisation.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::options::{BatchNormChoice, DataOptions, NetworkOptions, ScoreOptions, UsageError};
use super::output::say;
use crate::checkpoint::Mode;
use crate::compute::{BATCH_NORM_IMAGES, BatchNorm, DataRef};
use crate::data::{self, DataError, Dataset, Normalization, SplitName};
use crate::net::{Network, ParamVec, zoo};
use crate::recipe;

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
        let channels = dataset.shape.channels;
        let normalization = match &options.normalize {
            None => Normalization::identity(channels),
            Some(text) => Normalization::parse(text, channels).map_err(usage_of)?,
        };
        Ok(Self { dataset: Arc::new(dataset), normalization })
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

/// Opens a checkpoint, passes on what its reader remarked, and holds it against `--network`.
pub(super) fn open_mode(path: &Path, options: &NetworkOptions) -> Result<Mode> {
    let mode = Mode::open(path)?;
    for note in &mode.notes {
        say(&format!("note: {}: {note}", path.display()));
    }
    if let Some(wanted) = &options.network {
        let wanted = named_network(wanted)?;
        mode.params_for(&wanted)?;
    }
    Ok(mode)
}

/// A network by its layer sizes, or that of a checkpoint.
pub(super) fn named_network(wanted: &str) -> Result<Arc<Network>> {
    let path = Path::new(wanted);
    if path.exists() {
        return Ok(Mode::open(path)?.network);
    }
    match zoo::by_name(wanted) {
        Ok(network) => Ok(Arc::new(network)),
        Err(error) => Err(UsageError(format!("--network: {error}, or an existing checkpoint")).into()),
    }
}

/// A network for these images: by its name, or that of a checkpoint.
pub(super) fn network_for(wanted: &str, images: &Images) -> Result<Arc<Network>> {
    if Path::new(wanted).exists() {
        return named_network(wanted);
    }
    match recipe::network_for(wanted, &images.dataset) {
        Ok(network) => Ok(Arc::new(network)),
        Err(error) => Err(UsageError(format!("--network: {error}, or an existing checkpoint")).into()),
    }
}

/// Two modes of one architecture.
pub(super) struct Endpoints {
    pub(super) network: Arc<Network>,
    pub(super) a: Mode,
    pub(super) b: Mode,
    /// B's weights in A's layout.
    pub(super) b_params: Arc<ParamVec>,
}

impl Endpoints {
    pub(super) fn open(a: &Path, b: &Path, options: &NetworkOptions) -> Result<Self> {
        let a = open_mode(a, options)?;
        let b = open_mode(b, options)?;
        let b_params = fitting(&b, &a)?;
        warn_about_batch_norm(options, &a.network);
        Ok(Self { network: Arc::clone(&a.network), a, b, b_params })
    }
}

/// The weights of `mode` in the layout of `first`; the error names both files.
pub(super) fn fitting(mode: &Mode, first: &Mode) -> Result<Arc<ParamVec>> {
    mode.params_for(&first.network).map_err(|error| {
        anyhow::Error::new(error).context(format!(
            "{} ({}) and {} ({}) are not the same network",
            shown(first),
            first.network.name(),
            shown(mode),
            mode.network.name()
        ))
    })
}

fn shown(mode: &Mode) -> String {
    mode.path.as_deref().map_or_else(|| mode.name.clone(), |path| path.display().to_string())
}

/// Options about batch norm mean nothing to a network without it.
pub(super) fn warn_about_batch_norm(options: &NetworkOptions, network: &Network) {
    if (options.bn.is_some() || options.bn_images.is_some()) && !network.layout().has_statistics() {
        say("note: the network has no batch norm: --bn and --bn-images change nothing");
    }
}
