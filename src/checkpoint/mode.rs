//! A checkpoint as a mode: the network recognised, every tensor in its place, and a report of what was found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Checkpoint, CheckpointError, TensorOut, read, write_safetensors};
use crate::net::{Network, ParamId, ParamVec, RecogniseError, recognise};

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

/// Why a file is no mode.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    #[error(transparent)]
    Read(#[from] CheckpointError),
    #[error("{path}: {source}", path = path.display())]
    Recognise { path: PathBuf, source: RecogniseError },
    #[error("{path} does not fit: {difference}", path = path.display())]
    Architecture { path: PathBuf, difference: String },
}

impl Mode {
    /// Reads and recognises a checkpoint.
    pub fn open(path: &Path) -> Result<Self, ModeError> {
        Self::from_checkpoint(read(path)?)
    }

    /// Recognises a checkpoint that was read.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, ModeError> {
        let Checkpoint { path, tensors, notes: mut remarks, .. } = checkpoint;
        let shapes: Vec<(&str, &[usize])> = tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
        let candidates =
            recognise(&shapes, None).map_err(|source| ModeError::Recognise { path: path.clone(), source })?;
        let found = candidates.into_iter().next().expect("recognition finds a network or says why not");
        let layout = Arc::clone(found.network.layout());
        let mut params = ParamVec::zeros(layout);
        for (id, &index) in found.tensors.iter().enumerate() {
            params.tensor_mut(ParamId(id)).copy_from_slice(&tensors[index].values);
        }
        if !found.unused.is_empty() {
            remarks.push(format!("not used: {}", found.unused.join(", ")));
        }
        let (n_bad, where_bad) = params.non_finite();
        if 0 < n_bad {
            remarks.push(format!("{n_bad} weights are NaN or infinite, in {}", where_bad.join(", ")));
        }
        let name = path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
        Ok(Self { name, path: Some(path), network: Arc::new(found.network), params: Arc::new(params), notes: remarks })
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
