//! One array of NumPy (`.npy`): a short header in Python's notation, then the elements.
//!
//! The header is read here rather than by a crate: it is a dictionary of three known keys, and a reader of all of Python's
//! literals nests as deep as the file wants.

use std::borrow::Cow;

use thiserror::Error;

use crate::checkpoint::{Dtype, MAX_RANK, shown};

pub(in crate::checkpoint) const NPY_MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header, in bytes. NumPy pads its own to a multiple of 64; one of a few numbers has 128.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// The most bytes that have to be read to know the header: magic, version, length, header.
pub(super) const MAX_PREFIX_BYTES: usize = NPY_MAGIC.len() + 2 + 4 + MAX_HEADER_BYTES;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum NpyFault {
    #[error("expected a NumPy array, found {found}")]
    Magic { found: String },
    #[error("version {major}.{minor} of the NumPy format, expected 1.0 to 3.0")]
    Version { major: u8, minor: u8 },
    #[error("ends inside the header")]
    HeaderCut,
    #[error("expected a header of at most {limit} bytes, it declares {found}")]
    HeaderTooLarge { found: u64, limit: usize },
    #[error("the header is not what NumPy writes: expected {expected}, found `{found}`")]
    Header { expected: &'static str, found: String },
    #[error("elements of type `{descr}` are pickled Python objects, which are not read")]
    Objects { descr: String },
    #[error("elements of type `{descr}` are not supported, expected numbers of at most 8 bytes")]
    Descr { descr: String },
    #[error("elements are structures of several fields, expected numbers")]
    Structure,
    #[error("{found} dimensions, expected at most {limit}")]
    Rank { found: usize, limit: usize },
    #[error("shape {shape:?} has more elements than can be counted")]
    Shape { shape: Vec<usize> },
    #[error("shape {shape:?} of {dtype} needs {expected} bytes with the header, found {found}")]
    Size { shape: Vec<usize>, dtype: Dtype, expected: u64, found: u64 },
}

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    is_big_endian: bool,
    /// The first index varies fastest.
    is_fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Where the elements begin.
    pub(super) data_start: usize,
}

impl Header {
    /// Reads the header from the beginning of a file of `n_bytes` bytes, whose size must be what the header implies.
    pub(super) fn parse(prefix: &[u8], n_bytes: u64) -> Result<Self, NpyFault> {
        let Some(rest) = prefix.strip_prefix(NPY_MAGIC) else {
            return Err(NpyFault::Magic { found: format!("{n_bytes} bytes of something else") });
        };
        let ([major, minor], rest) = rest.split_first_chunk().ok_or(NpyFault::HeaderCut)?;
        let (length, rest) = match (major, minor) {
            (1, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or(NpyFault::HeaderCut)?;
                (u64::from(u16::from_le_bytes(*length)), rest)
            }
            (2 | 3, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or(NpyFault::HeaderCut)?;
                (u64::from(u32::from_le_bytes(*length)), rest)
            }
            (major, minor) => return Err(NpyFault::Version { major: *major, minor: *minor }),
        };
        let too_large = || NpyFault::HeaderTooLarge { found: length, limit: MAX_HEADER_BYTES };
        let length = usize::try_from(length).ok().filter(|n| *n <= MAX_HEADER_BYTES).ok_or_else(too_large)?;
        let text = rest.get(..length).ok_or(NpyFault::HeaderCut)?;
        let fields = Fields::parse(&String::from_utf8_lossy(text))?;
        let data_start = prefix.len() - rest.len() + length;
        let header = fields.header(data_start)?;
        let n = header.n_elements().and_then(|n| n.checked_mul(header.dtype.size()));
        let expected = n.and_then(|n| n.checked_add(data_start));
        match expected {
            None => Err(NpyFault::Shape { shape: header.shape }),
            Some(expected) if expected as u64 != n_bytes => {
                let Self { shape, dtype, .. } = header;
                Err(NpyFault::Size { shape, dtype, expected: expected as u64, found: n_bytes })
            }
            Some(_) => Ok(header),
        }
    }

    fn n_elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side))
    }

    /// The elements little-endian and row by row. `data`: as in the file, of the size that [`Self::parse`] checked.
    pub(super) fn normalized<'a>(&self, data: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let size = self.dtype.size();
        let is_column_major = self.is_fortran && self.shape.iter().filter(|side| **side != 1).count() > 1;
        let mut data = if is_column_major { Cow::Owned(row_major(&data, &self.shape, size)) } else { data };
        if self.is_big_endian && size > 1 {
            data.to_mut().chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        data
    }
}

/// Elements of `size` bytes, from column by column to row by row.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(data.len());
    let mut index = vec![0_usize; shape.len()];
    let mut at = 0;
    while ordered.len() < data.len() {
        ordered.extend_from_slice(data.get(at..at + size).unwrap_or_default());
        // The strides of the file grow from the first dimension to the last; `index` counts from the last.
        let mut stride = data.len();
        for (i, side) in index.iter_mut().zip(shape).rev() {
            stride /= side;
            *i += 1;
            at += stride;
            if *i < *side {
                break;
            }
            at -= *i * stride;
            *i = 0;
        }
    }
    ordered
}

/// The header's dictionary, `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
#[derive(Debug, Default)]
struct Fields {
    descr: Option<String>,
    is_fortran: Option<bool>,
    shape: Option<Vec<usize>>,
}

impl Fields {
    fn parse(text: &str) -> Result<Self, NpyFault> {
        let mut fields = Self::default();
        let mut rest = token(text, "{", "a dictionary")?;
        while let Some(after) = rest.trim_start().strip_prefix('\'') {
            let (key, after) = after.split_once('\'').ok_or_else(|| unexpected("a key", after))?;
            let value = token(after, ":", "a value")?.trim_start();
            rest = match key {
                "descr" if fields.descr.is_none() => fields.parse_descr(value)?,
                "fortran_order" if fields.is_fortran.is_none() => fields.parse_order(value)?,
                "shape" if fields.shape.is_none() => fields.parse_shape(value)?,
                _ => return Err(unexpected("`descr`, `fortran_order` and `shape`, each once", key)),
            };
            rest = match rest.trim_start().strip_prefix(',') {
                Some(after) => after,
                None => break,
            };
        }
        let rest = token(rest, "}", "the end of the dictionary")?;
        if rest.trim().is_empty() { Ok(fields) } else { Err(unexpected("nothing after the dictionary", rest)) }
    }

    fn parse_descr<'a>(&mut self, value: &'a str) -> Result<&'a str, NpyFault> {
        // A list describes a structure of several fields.
        if value.starts_with('[') {
            return Err(NpyFault::Structure);
        }
        let quoted = value.strip_prefix('\'').and_then(|value| value.split_once('\''));
        let (descr, rest) = quoted.ok_or_else(|| unexpected("an element type", value))?;
        self.descr = Some(descr.to_owned());
        Ok(rest)
    }

    fn parse_order<'a>(&mut self, value: &'a str) -> Result<&'a str, NpyFault> {
        let (is_fortran, rest) = match (value.strip_prefix("True"), value.strip_prefix("False")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(unexpected("True or False", value)),
        };
        self.is_fortran = Some(is_fortran);
        Ok(rest)
    }

    fn parse_shape<'a>(&mut self, value: &'a str) -> Result<&'a str, NpyFault> {
        let (sides, rest) =
            token(value, "(", "a shape")?.split_once(')').ok_or_else(|| unexpected("a shape", value))?;
        let mut shape = Vec::new();
        for side in sides.split(',').map(str::trim).filter(|side| !side.is_empty()) {
            // Python 2 marked long integers with an L.
            let digits = side.strip_suffix('L').unwrap_or(side);
            shape.push(digits.parse().map_err(|_not_a_number| unexpected("whole numbers", side))?);
            if shape.len() > MAX_RANK {
                return Err(NpyFault::Rank { found: sides.split(',').count(), limit: MAX_RANK });
            }
        }
        self.shape = Some(shape);
        Ok(rest)
    }

    fn header(self, data_start: usize) -> Result<Header, NpyFault> {
        let missing = |what| unexpected(what, "nothing");
        let descr = self.descr.ok_or_else(|| missing("`descr`"))?;
        let is_fortran = self.is_fortran.ok_or_else(|| missing("`fortran_order`"))?;
        let shape = self.shape.ok_or_else(|| missing("`shape`"))?;
        let (order, code) = descr.split_at_checked(1).unwrap_or(("", &descr));
        let dtype = match (order, code) {
            (_, "O" | "O8") => return Err(NpyFault::Objects { descr: shown(&descr) }),
            ("<" | ">" | "|", code) => Dtype::of_numpy(code),
            _ => None,
        };
        let dtype = dtype.ok_or_else(|| NpyFault::Descr { descr: shown(&descr) })?;
        Ok(Header { dtype, is_big_endian: order == ">", is_fortran, shape, data_start })
    }
}

fn token<'a>(text: &'a str, token: &'static str, expected: &'static str) -> Result<&'a str, NpyFault> {
    text.trim_start().strip_prefix(token).ok_or_else(|| unexpected(expected, text))
}

fn unexpected(expected: &'static str, found: &str) -> NpyFault {
    NpyFault::Header { expected, found: shown(found.trim()) }
}
