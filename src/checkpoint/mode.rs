//! A checkpoint as a mode: the network recognised, every tensor in its place, and a report of what was found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{LoadReport, Mends, Offered, helpful_mends, is_counter, transposed};
use super::{Checkpoint, CheckpointError, RawTensor, TensorOut, read, write_safetensors};
use crate::net::{Network, ParamId, ParamVec, RecogniseError, ShapeError, recognise};

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
        let Checkpoint { path, tensors, notes: mut remarks, .. } = checkpoint;
        let offered = Offered::new(&tensors, &options.mends);
        let (network, places, report) = match &options.network {
            Some(network) => {
                let (report, places) = given(&tensors, &offered, network, options)
                    .map_err(|report| ModeError::DoesNotFit { path: path.clone(), report })?;
                (Arc::clone(network), places, report)
            }
            None => recognised(&offered).map_err(|source| ModeError::Recognise { path: path.clone(), source })?,
        };
        let network = match &options.input {
            Some(shape) if shape != network.input_shape() => {
                let reshaped = network.with_input_shape(shape);
                Arc::new(reshaped.map_err(|source| ModeError::Input { path: path.clone(), source })?)
            }
            _ => network,
        };
        let mut params = ParamVec::zeros(Arc::clone(network.layout()));
        for (id, &index) in places.iter().enumerate() {
            let RawTensor { shape, values, .. } = &tensors[index];
            let place = params.tensor_mut(ParamId(id));
            match shape.as_slice() {
                [rows, _] if options.mends.transpose => place.copy_from_slice(&transposed(values, *rows)),
                _ => place.copy_from_slice(values),
            }
        }
        if options.mends != Mends::default() {
            remarks.push(format!("mended as asked: {}", options.mends));
        }
        if !report.unused.is_empty() {
            let names: Vec<&str> = report.unused.iter().map(|(name, _)| name.as_str()).collect();
            remarks.push(format!("not used: {}", names.join(", ")));
        }
        let (n_bad, where_bad) = params.non_finite();
        if 0 < n_bad {
            remarks.push(format!("{n_bad} weights are NaN or infinite, in {}", where_bad.join(", ")));
        }
        let name = path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
        Ok((Self { name, path: Some(path), network, params: Arc::new(params), notes: remarks }, report))
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

/// The places of a given network's tensors in the file; the report if some have none.
fn given(
    tensors: &[RawTensor],
    offered: &Offered,
    network: &Network,
    options: &OpenOptions,
) -> Result<(LoadReport, Vec<usize>), Box<LoadReport>> {
    let (mut report, places) = offered.fit(network.layout());
    match places.into_iter().collect() {
        Some(places) => Ok((report, places)),
        None => {
            report.helpful = helpful_mends(tensors, network.layout()).filter(|mends| *mends != options.mends);
            Err(Box::new(report))
        }
    }
}

/// The network behind the names and shapes, with the places of its tensors in the file.
fn recognised(offered: &Offered) -> Result<(Arc<Network>, Vec<usize>, LoadReport), RecogniseError> {
    let shapes = offered.shapes();
    let found = recognise(&shapes)?;
    let shape_of = |name: &String| {
        let shape = shapes.iter().find(|(other, _)| other == name).map_or(&[][..], |(_, shape)| *shape);
        (name.clone(), shape.to_vec())
    };
    let report = LoadReport {
        applied: found.network.layout().specs().iter().map(|spec| spec.name.clone()).collect(),
        unused: found.unused.iter().filter(|name| !is_counter(name)).map(shape_of).collect(),
        ..LoadReport::default()
    };
    Ok((Arc::new(found.network), found.tensors, report))
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
