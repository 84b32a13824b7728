//! Normalising maps in files: safetensors, with the sizes and the training as JSON in the header.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{CheckpointError, MAX_FILE_BYTES, RawTensor, TensorOut, safetensors, shown, write_safetensors};
use crate::files;
use crate::geometry::{FlowConfig, FlowModel, FlowTraining};

/// Where the header keeps [`FlowHeader`].
const KEY: &str = "lowroad.flow";
/// The longest such text, in bytes: it has a dozen numbers.
const MAX_HEADER_BYTES: usize = 4096;

#[derive(Debug, Error)]
pub enum FlowFileError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("expected a map trained by `lowroad flow train`, found a file without `{KEY}` in its header: {}", path.display())]
    NoFlow { path: PathBuf },
    #[error("the text `{KEY}` in the header has {found} bytes, expected at most {MAX_HEADER_BYTES}: {}", path.display())]
    LongHeader { path: PathBuf, found: usize },
    #[error("the text `{KEY}` in the header is not understood ({source}): {}", path.display())]
    Header { path: PathBuf, source: serde_json::Error },
    #[error("{fault}: {}", path.display())]
    Model { path: PathBuf, fault: String },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowHeader {
    config: FlowConfig,
    training: FlowTraining,
}

/// Saves a map; `metadata` joins its own in the header. Either all of it appears under `path` or nothing changes.
pub fn save_flow(path: &Path, model: &FlowModel, metadata: &BTreeMap<String, String>) -> Result<(), FlowFileError> {
    let header = FlowHeader { config: *model.config(), training: model.training.clone() };
    let header =
        serde_json::to_string(&header).map_err(|source| FlowFileError::Header { path: path.to_owned(), source })?;
    let mut metadata = metadata.clone();
    metadata.insert(KEY.to_owned(), header);
    let tensors = model.config().tensors();
    let tensors: Vec<TensorOut<'_>> = tensors
        .iter()
        .zip(model.values())
        .map(|(tensor, values)| TensorOut { name: &tensor.name, shape: &tensor.shape, values })
        .collect();
    Ok(write_safetensors(path, &tensors, &metadata)?)
}

/// Opens a map.
///
/// # Errors
/// A file that cannot be read, is none of ours, or whose tensors are not those that its header promises.
pub fn open_flow(path: &Path) -> Result<FlowModel, FlowFileError> {
    parse_flow(&files::read_limited(path, MAX_FILE_BYTES).map_err(CheckpointError::from)?, path)
}

/// Reads a map from the bytes of a file. `path` is only named in errors.
pub fn parse_flow(bytes: &[u8], path: &Path) -> Result<FlowModel, FlowFileError> {
    // Checks the declared sizes against the bytes that are there.
    let metadata = safetensors::metadata(bytes, path)?;
    let text = metadata.get(KEY).ok_or_else(|| FlowFileError::NoFlow { path: path.to_owned() })?;
    if MAX_HEADER_BYTES < text.len() {
        return Err(FlowFileError::LongHeader { path: path.to_owned(), found: text.len() });
    }
    let header: FlowHeader =
        serde_json::from_str(text).map_err(|source| FlowFileError::Header { path: path.to_owned(), source })?;
    let model = |fault| FlowFileError::Model { path: path.to_owned(), fault };
    // Before the list of tensors is made, which is as long as the header says.
    header.config.check().map_err(model)?;
    let found = safetensors::parse(bytes, path)?.tensors;
    let values = values(&header.config, found).map_err(model)?;
    FlowModel::new(header.config, header.training, values).map_err(model)
}

/// The values in the order of the config.
fn values(config: &FlowConfig, found: Vec<RawTensor>) -> Result<Vec<Vec<f32>>, String> {
    let mut found: BTreeMap<String, RawTensor> =
        found.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut values = Vec::new();
    for tensor in config.tensors() {
        let Some(raw) = found.remove(&tensor.name) else {
            return Err(format!("the tensor `{}` is missing", tensor.name));
        };
        if raw.shape != tensor.shape {
            return Err(format!("tensor `{}`: expected shape {:?}, found {:?}", tensor.name, tensor.shape, raw.shape));
        }
        values.push(raw.values);
    }
    match found.keys().next() {
        Some(name) => Err(format!("the tensor `{}` does not belong to the map", shown(name))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests;
