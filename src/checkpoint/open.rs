//! Opens a file as a mode, whatever brings its network: the file itself (ONNX), a description, or names and shapes alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MAX_FILE_BYTES, Mode, ModeError, OpenOptions, mode, onnx, parse};
use crate::files;
use crate::net::{Network, describe};

/// What a description beside a checkpoint is called: `NAME.network.toml` beside `NAME.pt`.
const SIDECAR_ENDING: &str = "network.toml";
/// Far above any description; a checkpoint that is taken for one is not read whole.
const MAX_DESCRIPTION_BYTES: u64 = 4 << 20;

impl Mode {
    /// Reads a checkpoint into the network that is described beside it, that it brings, or that is recognised.
    pub fn open(path: &Path) -> Result<Self, ModeError> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// The same, with the network that `options` name before all others. Other networks that the file fits are in
    /// [`Mode::others`].
    pub fn open_with(path: &Path, options: &OpenOptions) -> Result<Self, ModeError> {
        let bytes = files::read_limited(path, MAX_FILE_BYTES).map_err(super::CheckpointError::from)?;
        if onnx::is_onnx(&bytes) {
            return from_onnx(&bytes, path, options);
        }
        let checkpoint = parse(&bytes, path)?;
        drop(bytes);
        let mut options = options.clone();
        if options.network.is_none()
            && let Some(description) = sidecar(path)
        {
            options.network = Some(Arc::new(read_description(&description)?));
        }
        Self::from_checkpoint_with(checkpoint, &options).map(|(mode, _)| mode)
    }
}

/// Reads a network's description (see [`crate::net::describe`]).
pub fn read_description(path: &Path) -> Result<Network, ModeError> {
    let bytes = files::read_limited(path, MAX_DESCRIPTION_BYTES).map_err(super::CheckpointError::from)?;
    describe(&String::from_utf8_lossy(&bytes))
        .map_err(|source| ModeError::Description { path: path.to_owned(), source: Box::new(source) })
}

/// The description that lies beside a checkpoint.
fn sidecar(path: &Path) -> Option<PathBuf> {
    let beside = path.with_extension(SIDECAR_ENDING);
    fs::metadata(&beside).is_ok_and(|found| found.is_file()).then_some(beside)
}

/// A file with a graph of its own, which must be the given one if one is given.
fn from_onnx(bytes: &[u8], path: &Path, options: &OpenOptions) -> Result<Mode, ModeError> {
    let onnx::OnnxModel { network, params, mut notes } = onnx::parse(bytes, path)?;
    let difference = options.network.as_ref().and_then(|wanted| wanted.difference(&network));
    if let Some(difference) = difference {
        return Err(ModeError::Architecture { path: path.to_owned(), difference });
    }
    let network = match &options.input {
        Some(shape) if shape != network.input_shape() => {
            network.with_input_shape(shape).map_err(|source| ModeError::Input { path: path.to_owned(), source })?
        }
        _ => network,
    };
    notes.extend(mode::non_finite_note(&params));
    Ok(Mode {
        name: mode::name_of(path),
        path: Some(path.to_owned()),
        network: Arc::new(network),
        params: Arc::new(params),
        notes,
        others: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
