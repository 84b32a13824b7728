//! A checkpoint as a mode: the network recognised, every tensor in its place, and a report of what was found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{LoadReport, Mends, Offered, helpful_mends, is_counter, transposed};
use super::{Checkpoint, CheckpointError, RawTensor, TensorOut, read, write_safetensors};
use crate::net::{Network, ParamId, ParamVec, RecogniseError, Recognised, ShapeError, fit, recognise};

/// A trained solution read from a file, or made from others.
#[derive(Clone, Debug)]
pub struct Mode {
    /// For people: the file's name, or what the mode was made of.
    pub name: String,
    /// Where it was read from.
    pub path: Option<PathBuf>,
    /// With the names of the file it came from.
    pub network: Arc<Network>,
    pub params: Arc<ParamVec>,
    /// Remarks of the reader: nested keys, tensors not used, weights that are not finite.
    pub notes: Vec<String>,
}

/// How a checkpoint is opened. By default its network is recognised and nothing is mended.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The network that the file's tensors belong to.
    pub network: Option<Arc<Network>>,
    /// The shape of one input example, where the file leaves it open: `[channels, height, width]` or `[features]`.
    pub input: Option<Vec<usize>>,
    pub mends: Mends,
}

/// Why a file is no mode.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    #[error(transparent)]
    Read(#[from] CheckpointError),
    #[error("{path}: {source}", path = path.display())]
    Recognise { path: PathBuf, source: RecogniseError },
    #[error("{path} does not fit the network: {report}", path = path.display())]
    DoesNotFit { path: PathBuf, report: Box<LoadReport> },
    #[error("{path} does not take inputs of the given shape: {source}", path = path.display())]
    Input { path: PathBuf, source: ShapeError },
    #[error("{path} does not fit: {difference}", path = path.display())]
    Architecture { path: PathBuf, difference: String },
}

impl Mode {
    /// Reads and recognises a checkpoint.
    pub fn open(path: &Path) -> Result<Self, ModeError> {
        Self::from_checkpoint(read(path)?)
    }

    /// Reads a checkpoint into the network that `options` name, or into the one that is recognised. Also returns what became
    /// of its tensors.
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<(Self, LoadReport), ModeError> {
        Self::from_checkpoint_with(read(path)?, options)
    }

    /// Recognises a checkpoint that was read.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, ModeError> {
        Self::from_checkpoint_with(checkpoint, &OpenOptions::default()).map(|(mode, _)| mode)
    }

    /// [`Self::open_with`] for a checkpoint that was read.
    pub fn from_checkpoint_with(
        checkpoint: Checkpoint,
        options: &OpenOptions,
    ) -> Result<(Self, LoadReport), ModeError> {
        let found = placements(&checkpoint, options)?;
        let others: Vec<&str> = found.iter().skip(1).map(|other| other.network.name()).collect();
        let note = (!others.is_empty()).then(|| format!("the file also fits {}", others.join(", ")));
        let best = found.into_iter().next().expect("a checkpoint fits a network or is refused");
        let (mut mode, report) = Self::placed(&checkpoint, &options.mends, best);
        mode.notes.extend(note);
        Ok((mode, report))
    }

    /// Every network that the checkpoint fits, best first, at least one: they differ in what names and shapes cannot tell.
    pub fn candidates(checkpoint: &Checkpoint, options: &OpenOptions) -> Result<Vec<(Self, LoadReport)>, ModeError> {
        let found = placements(checkpoint, options)?;
        Ok(found.into_iter().map(|placement| Self::placed(checkpoint, &options.mends, placement)).collect())
    }

    fn placed(checkpoint: &Checkpoint, mends: &Mends, placement: Placement) -> (Self, LoadReport) {
        let Placement { network, places, report } = placement;
        let mut params = ParamVec::zeros(Arc::clone(network.layout()));
        for (id, &index) in places.iter().enumerate() {
            let RawTensor { shape, values, .. } = &checkpoint.tensors[index];
            let place = params.tensor_mut(ParamId(id));
            match shape.as_slice() {
                [rows, _] if mends.transpose => place.copy_from_slice(&transposed(values, *rows)),
                _ => place.copy_from_slice(values),
            }
        }
        let mut notes = checkpoint.notes.clone();
        if *mends != Mends::default() {
            notes.push(format!("mended as asked: {mends}"));
        }
        if !report.unused.is_empty() {
            let names: Vec<&str> = report.unused.iter().map(|(name, _)| name.as_str()).collect();
            notes.push(format!("not used: {}", names.join(", ")));
        }
        let (n_bad, where_bad) = params.non_finite();
        if 0 < n_bad {
            notes.push(format!("{n_bad} weights are NaN or infinite, in {}", where_bad.join(", ")));
        }
        let path = &checkpoint.path;
        let name = path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
        (Self { name, path: Some(path.clone()), network, params: Arc::new(params), notes }, report)
    }

    /// Parameters of this mode in the layout of `network`, which names the same tensors differently at most.
    pub fn params_for(&self, network: &Network) -> Result<Arc<ParamVec>, ModeError> {
        let path = || self.path.clone().unwrap_or_else(|| PathBuf::from(&self.name));
        if let Some(difference) = network.difference(&self.network) {
            return Err(ModeError::Architecture { path: path(), difference });
        }
        if **network.layout() == **self.network.layout() {
            return Ok(Arc::clone(&self.params));
        }
        let renamed = self.params.renamed(Arc::clone(network.layout()));
        let renamed = renamed.expect("networks of the same architecture have layouts of the same length");
        Ok(Arc::new(renamed))
    }
}

/// A network that a file fits.
struct Placement {
    network: Arc<Network>,
    /// For each tensor of the layout, the index of its tensor in the file.
    places: Vec<usize>,
    report: LoadReport,
}

/// All networks that a file fits, best first; only the given one, if `options` name one.
fn placements(checkpoint: &Checkpoint, options: &OpenOptions) -> Result<Vec<Placement>, ModeError> {
    let path = || checkpoint.path.clone();
    let recognise_error = |source| ModeError::Recognise { path: path(), source };
    let offered = Offered::new(&checkpoint.tensors, &options.mends);
    let mut found = match &options.network {
        Some(network) if options.mends.by_order => {
            let fitted = fit(network, &offered.shapes()).map_err(recognise_error)?;
            vec![recognised(&offered, fitted)]
        }
        Some(network) => vec![
            given(&checkpoint.tensors, &offered, network, &options.mends)
                .map_err(|report| ModeError::DoesNotFit { path: path(), report })?,
        ],
        None => {
            let found = recognise(&offered.shapes(), options.input.as_deref()).map_err(recognise_error)?;
            found.into_iter().map(|found| recognised(&offered, found)).collect()
        }
    };
    if let Some(shape) = &options.input {
        for placement in found.iter_mut().filter(|placement| shape != placement.network.input_shape()) {
            let reshaped = placement.network.with_input_shape(shape);
            placement.network = Arc::new(reshaped.map_err(|source| ModeError::Input { path: path(), source })?);
        }
    }
    Ok(found)
}

/// A given network with the tensors of its names; the report if some are not in the file.
fn given(
    tensors: &[RawTensor],
    offered: &Offered,
    network: &Arc<Network>,
    mends: &Mends,
) -> Result<Placement, Box<LoadReport>> {
    let (mut report, places) = offered.fit(network.layout());
    match places.into_iter().collect() {
        Some(places) => Ok(Placement { network: Arc::clone(network), places, report }),
        None => {
            report.helpful = helpful_mends(tensors, network).filter(|helpful| helpful != mends);
            Err(Box::new(report))
        }
    }
}

/// A network that was found behind the names and shapes.
fn recognised(offered: &Offered, found: Recognised) -> Placement {
    let shapes = offered.shapes();
    let shape_of = |name: &String| {
        let shape = shapes.iter().find(|(other, _)| other == name).map_or(&[][..], |(_, shape)| *shape);
        (name.clone(), shape.to_vec())
    };
    let report = LoadReport {
        applied: found.network.layout().specs().iter().map(|spec| spec.name.clone()).collect(),
        unused: found.unused.iter().filter(|name| !is_counter(name)).map(shape_of).collect(),
        ..LoadReport::default()
    };
    Placement { network: Arc::new(found.network), places: found.tensors, report }
}

/// Saves parameters under the names of `network`, so that PyTorch loads them back into the model they came from.
pub fn save_params(
    path: &Path,
    network: &Network,
    params: &ParamVec,
    metadata: &BTreeMap<String, String>,
) -> Result<(), CheckpointError> {
    let specs = network.layout().specs();
    let tensors: Vec<TensorOut<'_>> = specs
        .iter()
        .map(|spec| TensorOut {
            name: &spec.name,
            shape: &spec.shape,
            values: &params.values()[spec.offset..spec.offset + spec.n_values()],
        })
        .collect();
    write_safetensors(path, &tensors, metadata)
}
