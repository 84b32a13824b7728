//! Tensors as PyTorch stores them: a strided view of a storage.

use thiserror::Error;

use crate::checkpoint::archive::ArchiveFault;
use crate::checkpoint::{Dtype, MAX_RANK, MAX_VALUES};

#[derive(Debug, Error)]
pub enum TensorFault {
    #[error("its data (storage `{key}`) is not in the file")]
    MissingStorage { key: String },
    #[error("its data (storage `{key}`) cannot be read: {fault}")]
    Storage { key: String, fault: Box<ArchiveFault> },
    #[error("storage of {declared} elements of type {dtype} declared, found {found} bytes")]
    StorageSize { declared: u64, dtype: Dtype, found: u64 },
    #[error("{found} dimensions, expected at most {limit}")]
    Rank { found: usize, limit: usize },
    #[error("shape {shape:?} with strides {strides:?} is not a tensor")]
    Shape { shape: Vec<i64>, strides: Vec<i64> },
    #[error("shape {shape:?}, strides {strides:?} and offset {offset} reach beyond the {storage} elements stored")]
    OutOfRange { shape: Vec<i64>, strides: Vec<i64>, offset: i64, storage: u64 },
    #[error("shape {shape:?} repeats few stored values too often: {limit} values are allowed for a file of this size")]
    Expanded { shape: Vec<i64>, limit: u64 },
    #[error("not enough memory for {bytes} bytes of weights")]
    OutOfMemory { bytes: u64 },
}

/// A storage that the pickle refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct Storage<'a> {
    /// Its name in the container.
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    /// Declared length, in elements.
    pub(super) n_elements: u64,
}

/// A tensor as the pickle describes it; nothing of it is checked yet.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct TensorView<'a> {
    pub(super) storage: Storage<'a>,
    /// Place of the first element, in elements.
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    /// Elements from one index to the next, per dimension. 0 repeats (an expanded tensor).
    pub(super) strides: Vec<i64>,
}

/// How many values the tensors of one file may still unfold to.
///
/// A stride of 0 makes a tensor of any size out of one number. Bounding the sum by the size of the file bounds what a small
/// file can cost.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    const VALUES_PER_BYTE: u64 = 64;
    const AT_LEAST: u64 = 1 << 20;

    pub(super) fn for_file(bytes: u64) -> Self {
        let limit = bytes.saturating_mul(Self::VALUES_PER_BYTE).clamp(Self::AT_LEAST, MAX_VALUES);
        Self { limit, left: limit }
    }
}

/// A view whose numbers fit the storage: the element at index (i_0, ..) lies at `offset + sum_d i_d strides[d]`.
struct Checked {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    n: usize,
}

impl TensorView<'_> {
    /// The shape, and the values in row-major order. `storage`: the bytes of the whole storage.
    pub(super) fn gather(&self, storage: &[u8], budget: &mut Budget) -> Result<(Vec<usize>, Vec<f32>), TensorFault> {
        let Storage { dtype, n_elements, .. } = self.storage;
        let size = dtype.size();
        if n_elements.checked_mul(size as u64) != Some(storage.len() as u64) {
            let found = storage.len() as u64;
            return Err(TensorFault::StorageSize { declared: n_elements, dtype, found });
        }
        let view = self.check(budget)?;
        let mut values = Vec::new();
        values
            .try_reserve_exact(view.n)
            .map_err(|_allocator_refused| TensorFault::OutOfMemory { bytes: 4 * view.n as u64 })?;
        if view.n == 0 {
            return Ok((view.shape, values));
        }
        // Row by row along the last dimension; `index` counts the others like an odometer.
        let (row_length, row_stride) = match (view.shape.last(), view.strides.last()) {
            (Some(length), Some(stride)) => (*length, *stride),
            _ => (1, 0),
        };
        let mut index = vec![0_usize; view.shape.len().saturating_sub(1)];
        let mut start = view.offset;
        for _ in 0..view.n / row_length {
            let row = storage.get(start * size..).unwrap_or_default();
            if row_stride == 1 {
                dtype.widen(row.get(..row_length * size).unwrap_or_default(), &mut values);
            } else {
                for i in 0..row_length {
                    let at = i * row_stride * size;
                    dtype.widen(row.get(at..at + size).unwrap_or_default(), &mut values);
                }
            }
            for ((i, length), stride) in index.iter_mut().zip(&view.shape).zip(&view.strides).rev() {
                *i += 1;
                start += stride;
                if *i < *length {
                    break;
                }
                start -= *i * stride;
                *i = 0;
            }
        }
        // Cannot happen after the checks; a short tensor must not pass for a whole one if it does.
        if values.len() == view.n { Ok((view.shape, values)) } else { Err(self.out_of_range()) }
    }

    fn check(&self, budget: &mut Budget) -> Result<Checked, TensorFault> {
        if self.shape.len() > MAX_RANK {
            return Err(TensorFault::Rank { found: self.shape.len(), limit: MAX_RANK });
        }
        let not_a_tensor = || TensorFault::Shape { shape: self.shape.clone(), strides: self.strides.clone() };
        let unsigned = |numbers: &[i64]| -> Option<Vec<usize>> {
            numbers.iter().map(|number| usize::try_from(*number).ok()).collect()
        };
        let shape = unsigned(&self.shape).ok_or_else(not_a_tensor)?;
        let strides = unsigned(&self.strides).ok_or_else(not_a_tensor)?;
        let offset = usize::try_from(self.offset).ok().ok_or_else(not_a_tensor)?;
        if shape.len() != strides.len() {
            return Err(not_a_tensor());
        }
        let n = shape.iter().try_fold(1_u64, |n, side| n.checked_mul(*side as u64)).ok_or_else(not_a_tensor)?;
        if n > 0 {
            self.check_range(offset, &shape, &strides)?;
        }
        budget.left = budget
            .left
            .checked_sub(n)
            .ok_or_else(|| TensorFault::Expanded { shape: self.shape.clone(), limit: budget.limit })?;
        // A dimension of one index never takes its stride, which may then be any number.
        let strides = shape.iter().zip(strides).map(|(side, stride)| if *side == 1 { 0 } else { stride }).collect();
        // The budget is below 2^30, so `n` fits.
        Ok(Checked { offset, shape, strides, n: n as usize })
    }

    fn check_range(&self, offset: usize, shape: &[usize], strides: &[usize]) -> Result<(), TensorFault> {
        let last = shape.iter().zip(strides).try_fold(offset as u64, |last, (side, stride)| {
            let reach = (side.checked_sub(1)? as u64).checked_mul(*stride as u64)?;
            last.checked_add(reach)
        });
        match last {
            Some(last) if last < self.storage.n_elements => Ok(()),
            _ => Err(self.out_of_range()),
        }
    }

    fn out_of_range(&self) -> TensorFault {
        TensorFault::OutOfRange {
            shape: self.shape.clone(),
            strides: self.strides.clone(),
            offset: self.offset,
            storage: self.storage.n_elements,
        }
    }
}

#[cfg(test)]
#[path = "tensor_tests.rs"]
mod tests;
