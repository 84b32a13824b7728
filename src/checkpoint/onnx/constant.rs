//! Tensors that are known from the file alone: weights, and the small integers that shapes are computed from.

use super::fault::OnnxFault;
use super::proto;
use crate::checkpoint::{MAX_RANK, MAX_VALUES, shown};

/// Stands for the batch size in shapes, where the model leaves it open.
pub(super) const BATCH: i64 = i64::MIN;

/// A named tensor, row-major.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Values,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

impl Constant {
    /// Integers along one axis.
    pub(super) fn ints(name: &str, ints: Vec<i64>) -> Self {
        Self { name: name.to_owned(), shape: vec![ints.len()], values: Values::Ints(ints) }
    }

    /// A single integer or float.
    pub(super) fn scalar(name: &str, values: Values) -> Self {
        Self { name: name.to_owned(), shape: Vec::new(), values }
    }

    /// Widens a tensor of the file, after checking its declared size against the values that are there.
    pub(super) fn read(tensor: &proto::Tensor) -> Result<Self, OnnxFault> {
        let name = || shown(&tensor.name);
        if tensor.data_location != 0 || !tensor.external_data.is_empty() {
            let location = tensor.external_data.iter().find(|entry| entry.key == "location");
            let location = location.map_or_else(|| "not said".to_owned(), |entry| shown(&entry.value));
            return Err(OnnxFault::External { tensor: name(), location });
        }
        let wrong = |expected: String, found: String| OnnxFault::Tensor { tensor: name(), expected, found };
        if MAX_RANK < tensor.dims.len() {
            return Err(wrong(format!("at most {MAX_RANK} dimensions"), format!("{}", tensor.dims.len())));
        }
        let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        // A 0 must not hide that other dimensions are too large: loops go over each of them.
        let is_bounded = |shape: &Vec<usize>| {
            let without_zeros: Vec<usize> = shape.iter().map(|&dim| dim.max(1)).collect();
            product(&without_zeros).is_some_and(|n| n as u64 <= MAX_VALUES)
        };
        let Some(shape) = shape.filter(is_bounded) else {
            return Err(wrong(format!("at most {MAX_VALUES} values"), format!("shape {:?}", tensor.dims)));
        };
        let n_values: usize = shape.iter().product();
        let values = values(tensor, n_values)?;
        let n_found = values.len();
        if n_found != n_values {
            return Err(wrong(format!("{n_values} values for shape {shape:?}"), format!("{n_found}")));
        }
        Ok(Self { name: tensor.name.clone(), shape, values })
    }

    /// The one value, if there is just one.
    pub(super) fn single(&self) -> Option<f64> {
        match &self.values {
            Values::Floats(values) if values.len() == 1 => Some(f64::from(values[0])),
            Values::Ints(values) if values.len() == 1 => Some(values[0] as f64),
            _ => None,
        }
    }

    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Ints(ints) => Some(ints),
            Values::Floats(_) => None,
        }
    }

    /// The values as floats; `None` for integers.
    pub(super) fn as_floats(&self) -> Option<&[f32]> {
        match &self.values {
            Values::Floats(values) => Some(values),
            Values::Ints(_) => None,
        }
    }

    /// The same values in another shape; `None` if their number differs.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        (product(&shape)? == self.values.len()).then(|| Self { shape, ..self.clone() })
    }

    /// The values at `indices` in `shape`; an index beyond the end gives `None`.
    fn picked(&self, shape: Vec<usize>, indices: impl Iterator<Item = usize>) -> Option<Self> {
        let values = match &self.values {
            Values::Floats(v) => Values::Floats(indices.map(|i| v.get(i).copied()).collect::<Option<_>>()?),
            Values::Ints(v) => Values::Ints(indices.map(|i| v.get(i).copied()).collect::<Option<_>>()?),
        };
        Some(Self { name: self.name.clone(), shape, values })
    }

    /// Rows and columns exchanged; `None` unless it is a matrix with values.
    pub(super) fn transposed(&self) -> Option<Self> {
        let &[n, m] = self.shape.as_slice() else { return None };
        if self.values.len() == 0 {
            return None;
        }
        self.picked(vec![m, n], (0..m).flat_map(|j| (0..n).map(move |i| i * m + j)))
    }

    /// Rows `rows` of the leading axis, in that order; without that axis where `is_scalar`. `None` for rows that are not there, and
    /// for more values than there are: no graph may multiply them by reading rows again and again.
    pub(super) fn rows(&self, rows: &[usize], is_scalar: bool) -> Option<Self> {
        let (&n, rest) = self.shape.split_first()?;
        if rows.iter().any(|&row| n <= row) {
            return None;
        }
        let size = product(rest)?;
        rows.len().checked_mul(size).filter(|&n_values| n_values <= self.values.len())?;
        let leading = (!is_scalar).then_some(rows.len());
        let shape = leading.into_iter().chain(rest.iter().copied()).collect();
        self.picked(shape, rows.iter().flat_map(|&row| row * size..(row + 1) * size))
    }
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Ints(values) => values.len(),
        }
    }
}

/// Number of values of a shape, if it can be counted.
pub(super) fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim))
}

fn values(tensor: &proto::Tensor, n_values: usize) -> Result<Values, OnnxFault> {
    let raw = tensor.raw_data.as_deref();
    let size_error = |bytes: &[u8], width: usize| OnnxFault::Tensor {
        tensor: shown(&tensor.name),
        expected: format!("{n_values} values of {width} bytes"),
        found: format!("{} bytes", bytes.len()),
    };
    macro_rules! read {
        ($type:ty, $width:literal, $convert:expr) => {
            raw.map(|bytes| match bytes.as_chunks::<$width>() {
                (chunks, []) if chunks.len() == n_values => {
                    Ok(chunks.iter().map(|&chunk| ($convert)(<$type>::from_le_bytes(chunk))).collect())
                }
                _ => Err(size_error(bytes, $width)),
            })
            .transpose()?
        };
    }
    let half = |bits: &i32| half::f16::from_bits(*bits as u16).to_f32();
    let brain = |bits: &i32| half::bf16::from_bits(*bits as u16).to_f32();
    let small = || tensor.int32_data.iter().map(|&value| i64::from(value)).collect();
    let floats = |read: Option<Vec<f32>>, fallback: Vec<f32>| Values::Floats(read.unwrap_or(fallback));
    let ints = |read: Option<Vec<i64>>, fallback: Vec<i64>| Values::Ints(read.unwrap_or(fallback));
    Ok(match tensor.data_type {
        1 => floats(read!(f32, 4, |v: f32| v), tensor.float_data.clone()),
        10 => floats(read!(half::f16, 2, half::f16::to_f32), tensor.int32_data.iter().map(half).collect()),
        16 => floats(read!(half::bf16, 2, half::bf16::to_f32), tensor.int32_data.iter().map(brain).collect()),
        11 => floats(read!(f64, 8, |v: f64| v as f32), tensor.double_data.iter().map(|&v| v as f32).collect()),
        2 | 9 => ints(read!(u8, 1, i64::from), small()),
        3 => ints(read!(i8, 1, i64::from), small()),
        6 => ints(read!(i32, 4, i64::from), small()),
        7 => ints(read!(i64, 8, |v: i64| v), tensor.int64_data.clone()),
        other => return Err(OnnxFault::Dtype { tensor: shown(&tensor.name), found: dtype_name(other) }),
    })
}

fn dtype_name(code: i32) -> String {
    const NAMES: [(i32, &str); 8] = [
        (0, "no type"),
        (4, "UINT16"),
        (5, "INT16"),
        (8, "STRING"),
        (12, "UINT32"),
        (13, "UINT64"),
        (14, "COMPLEX64"),
        (15, "COMPLEX128"),
    ];
    let name = NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("type {code}"))
}
