//! Burn's own records (`.bpk`), by the `burn-pack` crate. It reads from bytes in memory and checks every declared size
//! against them before memory is asked for; our limits come on top.

use std::path::Path;

use burn_pack::{Bytes, DType, MAGIC_NUMBER, Reader, Tensor};
use thiserror::Error;

use super::{Checkpoint, CheckpointError, Dtype, Format, MAX_RANK, MAX_VALUES, RawTensor, is_plain_name, shown};

/// What a file begins with.
pub(super) const MAGIC: &[u8] = &MAGIC_NUMBER.to_le_bytes();

#[derive(Debug, Error)]
pub enum BurnPackFault {
    #[error("not a sound record of Burn ({0})")]
    Invalid(burn_pack::Error),
    #[error("the tensor name `{name}` is too long or has control characters")]
    Name { name: String },
    #[error("tensor `{name}` has {found} dimensions, expected at most {limit}")]
    Rank { name: String, found: usize, limit: usize },
    #[error("tensor `{name}` has elements of type {dtype}, which is not supported")]
    UnsupportedDtype { name: String, dtype: String },
    #[error("tensor `{name}` has {found} bytes, its shape {shape:?} needs another number")]
    Size { name: String, shape: Vec<usize>, found: usize },
    #[error("expected at most {limit} values in all tensors together, the file has more")]
    TooManyValues { limit: u64 },
    #[error("not enough memory for {bytes} bytes of weights")]
    OutOfMemory { bytes: u64 },
    #[error("expected a file with tensors, found none")]
    Empty,
}

pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let tensors = tensors(bytes).map_err(|fault| CheckpointError::BurnPack { path: path.to_owned(), fault })?;
    let has_matrix = tensors.iter().any(|tensor| tensor.shape.len() == 2);
    let notes = has_matrix.then(|| "Burn stores the weights of linear layers as [inputs, outputs]".to_owned());
    Ok(Checkpoint { path: path.to_owned(), format: Format::BurnPack, tensors, notes: notes.into_iter().collect() })
}

/// All tensors, by name.
fn tensors(bytes: &[u8]) -> Result<Vec<RawTensor>, BurnPackFault> {
    // The crate wants to own the bytes.
    let mut owned = Vec::new();
    owned
        .try_reserve_exact(bytes.len())
        .map_err(|_allocator_refused| BurnPackFault::OutOfMemory { bytes: bytes.len() as u64 })?;
    owned.extend_from_slice(bytes);
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(owned)).map_err(BurnPackFault::Invalid)?;
    let tensors = reader.into_tensors().map_err(BurnPackFault::Invalid)?;
    if tensors.is_empty() {
        return Err(BurnPackFault::Empty);
    }
    let mut budget = MAX_VALUES;
    tensors.into_iter().map(|tensor| raw_tensor(tensor, &mut budget)).collect()
}

/// Converts one tensor. `budget`: how many values may still be read.
fn raw_tensor(tensor: Tensor, budget: &mut u64) -> Result<RawTensor, BurnPackFault> {
    let name = tensor.name.clone();
    if !is_plain_name(&name) {
        return Err(BurnPackFault::Name { name: shown(&name) });
    }
    let shape = tensor.shape.to_vec();
    if shape.len() > MAX_RANK {
        return Err(BurnPackFault::Rank { name, found: shape.len(), limit: MAX_RANK });
    }
    let Some(dtype) = dtype_of(tensor.dtype) else {
        return Err(BurnPackFault::UnsupportedDtype { name, dtype: format!("{:?}", tensor.dtype) });
    };
    let data = tensor.into_bytes().map_err(BurnPackFault::Invalid)?;
    let n = data.len() / dtype.size();
    let declared = shape.iter().try_fold(dtype.size(), |n, side| n.checked_mul(*side));
    if declared != Some(data.len()) {
        return Err(BurnPackFault::Size { name, shape, found: data.len() });
    }
    *budget = budget.checked_sub(n as u64).ok_or(BurnPackFault::TooManyValues { limit: MAX_VALUES })?;
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|_allocator_refused| BurnPackFault::OutOfMemory { bytes: 4 * n as u64 })?;
    dtype.widen(&data, &mut values);
    Ok(RawTensor { name, shape, dtype, values })
}

/// `None` for quantized types, and for truth values of a size that our [`Dtype::Bool`] does not have.
fn dtype_of(dtype: DType) -> Option<Dtype> {
    Some(match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 | DType::Flex32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool(_) if dtype.size() == 1 => Dtype::Bool,
        DType::Bool(_) | DType::QFloat(_) => return None,
    })
}

#[cfg(test)]
mod tests;
