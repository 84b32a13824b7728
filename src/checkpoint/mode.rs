//! A checkpoint as a mode: the network recognised, every tensor in its place, and a report of what was found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{LoadReport, Mends, Offered, helpful_mends, is_counter, transposed};
use super::{Checkpoint, CheckpointError, RawTensor, TensorOut, write_safetensors};
use crate::net::{DescribeError, Network, ParamId, ParamVec, RecogniseError, Recognised, ShapeError, fit, recognise};

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
    /// The same weights as other networks that the file fits as well: names and shapes cannot tell which it is.
    pub others: Vec<Self>,
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
    #[error("{path}: {source}", path = path.display())]
    Description { path: PathBuf, source: Box<DescribeError> },
}

impl Mode {
    /// Recognises a checkpoint that was read.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, ModeError> {
        Self::from_checkpoint_with(checkpoint, &OpenOptions::default()).map(|(mode, _)| mode)
    }

    /// A checkpoint that was read, in the network that `options` name, or in the one that is recognised. Also returns what
    /// became of its tensors.
    pub fn from_checkpoint_with(
        checkpoint: Checkpoint,
        options: &OpenOptions,
    ) -> Result<(Self, LoadReport), ModeError> {
        let mut found = placements(&checkpoint, options)?.into_iter();
        let best = found.next().expect("a checkpoint fits a network or is refused");
        let (mut mode, report) = Self::placed(&checkpoint, &options.mends, best);
        mode.others = found.map(|other| Self::placed(&checkpoint, &options.mends, other).0).collect();
        // Networks that differ in an operation alone share their weights.
        for other in &mut mode.others {
            if other.params.layout() == mode.params.layout() && other.params.values() == mode.params.values() {
                other.params = Arc::clone(&mode.params);
            }
        }
        Ok((mode, report))
    }

    /// The same file as the network of `others[index]`; the present one takes its place there.
    ///
    /// # Panics
    /// If there is no such other network.
    pub fn taken_as(mut self, index: usize) -> Self {
        let mut chosen = self.others.remove(index);
        let others = std::mem::take(&mut self.others);
        self.others = Vec::new();
        chosen.others = std::iter::once(self).chain(others).collect();
        chosen
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
        notes.extend(non_finite_note(&params));
        let path = &checkpoint.path;
        let mode = Self {
            name: name_of(path),
            path: Some(path.clone()),
            network,
            params: Arc::new(params),
            notes,
            others: Vec::new(),
        };
        (mode, report)
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

/// A file's name for people.
pub(super) fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// How many weights are not finite, and where.
pub(super) fn non_finite_note(params: &ParamVec) -> Option<String> {
    let (n_bad, where_bad) = params.non_finite();
    (0 < n_bad).then(|| format!("{n_bad} weights are NaN or infinite, in {}", where_bad.join(", ")))
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
