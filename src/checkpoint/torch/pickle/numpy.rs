//! NumPy's arrays, scalars and element types as pickles describe them. Like all names here: recognized, never called.

use super::fault::PickleFault;
use super::heap::{Heap, Object, ObjectId};
use crate::checkpoint::{Dtype, shown};

/// What a pickle may name of NumPy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum NumpyName {
    /// Makes an empty array, which its state fills afterwards.
    Reconstruct,
    Scalar,
    Ndarray,
    Dtype,
}

/// An element type: its kind and size as NumPy writes them (`u1`, `f8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct ArrayDtype<'a> {
    pub(in crate::checkpoint) code: &'a str,
}

/// An array, or a scalar as an array without dimensions. Nothing of it is checked yet.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct PickledArray<'a> {
    pub(in crate::checkpoint) shape: Vec<i64>,
    pub(in crate::checkpoint) dtype: ArrayDtype<'a>,
    /// The first index varies fastest.
    pub(in crate::checkpoint) is_fortran: bool,
    /// The text or bytes of the elements.
    pub(in crate::checkpoint) data: ObjectId,
}

impl NumpyName {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            // The module was renamed in NumPy 2.
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::Reconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::Scalar,
            ("numpy", "ndarray") => Self::Ndarray,
            ("numpy", "dtype") => Self::Dtype,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reconstruct => "numpy.core.multiarray._reconstruct",
            Self::Scalar => "numpy.core.multiarray.scalar",
            Self::Ndarray => "numpy.ndarray",
            Self::Dtype => "numpy.dtype",
        }
    }

    /// The value NumPy would make of `arguments`; `None` where it never writes such arguments.
    pub(super) fn apply<'a>(self, heap: &Heap<'a>, arguments: &[ObjectId]) -> Result<Option<Object<'a>>, PickleFault> {
        let is_ndarray = |id| matches!(heap.get(id), Object::Global(global) if global.is_ndarray());
        Ok(match (self, arguments) {
            (Self::Dtype, [code, ..]) => match heap.text(*code) {
                Some(code) if Dtype::of_numpy(code).is_some() => Some(Object::ArrayDtype(ArrayDtype { code })),
                Some(code) => return Err(PickleFault::ArrayDtype { code: shown(code) }),
                None => None,
            },
            (Self::Reconstruct, [class, ..]) if is_ndarray(*class) => Some(Object::EmptyArray),
            (Self::Scalar, [dtype, data]) => match heap.get(*dtype) {
                Object::ArrayDtype(dtype) => Some(Object::Array(PickledArray {
                    shape: Vec::new(),
                    dtype: *dtype,
                    is_fortran: false,
                    data: *data,
                })),
                _ => None,
            },
            _ => None,
        })
    }
}

/// `(version, shape, dtype, is_fortran, data)`, the state of an array.
pub(super) fn array<'a>(heap: &Heap<'a>, state: ObjectId) -> Option<PickledArray<'a>> {
    let Object::Tuple(parts) = heap.get(state) else {
        return None;
    };
    let [_version, shape, dtype, is_fortran, data] = parts.as_slice() else {
        return None;
    };
    match (heap.get(*dtype), heap.get(*is_fortran)) {
        (Object::ArrayDtype(dtype), Object::Bool(is_fortran)) => {
            Some(PickledArray { shape: heap.ints(*shape)?, dtype: *dtype, is_fortran: *is_fortran, data: *data })
        }
        _ => None,
    }
}
