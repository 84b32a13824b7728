//! Reading safetensors: our limits and messages first, then the checks of the `safetensors` crate.

pub(super) mod error;
mod header;
pub(super) mod write;

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

use self::error::SafetensorsFault;
use super::{Checkpoint, CheckpointError, Dtype, Format, MAX_RANK, MAX_VALUES, RawTensor};

pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let tensors = tensors(bytes).map_err(|fault| CheckpointError::Safetensors { path: path.to_owned(), fault })?;
    Ok(Checkpoint { path: path.to_owned(), format: Format::Safetensors, tensors, notes: Vec::new() })
}

/// The texts in the header that are not tensors.
pub(super) fn metadata(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    let read = || -> Result<_, SafetensorsFault> {
        header::check(bytes)?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        Ok(header.metadata().clone().unwrap_or_default().into_iter().collect())
    };
    read().map_err(|fault| CheckpointError::Safetensors { path: path.to_owned(), fault })
}

/// All tensors in the order of their data (tensors without data: by name).
fn tensors(bytes: &[u8]) -> Result<Vec<RawTensor>, SafetensorsFault> {
    let names = header::check(bytes)?;
    let file = SafeTensors::deserialize(bytes)?;
    let mut n_values = 0;
    names.into_iter().map(|name| raw_tensor(&file, name, &mut n_values)).collect()
}

/// Converts one tensor. `n_values` counts the values of all tensors so far.
fn raw_tensor(file: &SafeTensors<'_>, name: String, n_values: &mut u64) -> Result<RawTensor, SafetensorsFault> {
    let view = file.tensor(&name)?;
    let Some(dtype) = Dtype::of_safetensors(view.dtype()) else {
        return Err(SafetensorsFault::UnsupportedDtype { name, dtype: view.dtype().to_string() });
    };
    if view.shape().len() > MAX_RANK {
        return Err(SafetensorsFault::Rank { name, found: view.shape().len(), limit: MAX_RANK });
    }
    let n = view.data().len() / dtype.size();
    *n_values += n as u64;
    if *n_values > MAX_VALUES {
        return Err(SafetensorsFault::TooManyValues { limit: MAX_VALUES });
    }
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|_allocator_refused| SafetensorsFault::OutOfMemory { bytes: 4 * n as u64 })?;
    dtype.widen(view.data(), &mut values);
    Ok(RawTensor { name, shape: view.shape().to_vec(), dtype, values })
}

#[cfg(test)]
mod tests;
