//! A pickled dictionary of NumPy arrays and lists of numbers, as CIFAR's batches for Python are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use thiserror::Error;

use super::torch::pickle::{Heap, Object, PickledArray};
use super::{CheckpointError, MAX_RANK, shown};

/// The longest pickle of data, in bytes: three times CIFAR-100's training set.
const MAX_BYTES: usize = 512 << 20;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PickledDictFault {
    #[error("expected a pickled dictionary, found {found}")]
    NoDict { found: String },
    #[error("the key `{key}` occurs twice")]
    DuplicateKey { key: String },
    #[error("the array `{key}` has shape {shape:?}, but {found} bytes of elements")]
    ArraySize { key: String, shape: Vec<i64>, found: usize },
    #[error("the values up to `{key}` repeat what is in the file too often")]
    Repeated { key: String },
    #[error("the array `{key}` is stored column by column, expected row by row")]
    Fortran { key: String },
}

/// What a pickled dictionary has of bytes and numbers.
#[derive(Debug, Default)]
pub struct PickledDict<'a> {
    values: BTreeMap<String, Value<'a>>,
}

#[derive(Debug)]
enum Value<'a> {
    ArrayU8 {
        shape: Vec<usize>,
        data: Cow<'a, [u8]>,
    },
    Ints(Vec<i64>),
    Texts(Vec<Cow<'a, [u8]>>),
    /// Described for messages.
    Other(String),
}

impl<'a> PickledDict<'a> {
    /// The array of bytes under `key`: its shape, and its elements in row-major order (as many as the shape says).
    pub fn array_u8(&self, key: &str) -> Option<(&[usize], &[u8])> {
        match self.values.get(key)? {
            Value::ArrayU8 { shape, data } => Some((shape, data)),
            _ => None,
        }
    }

    /// The list of integers under `key`.
    pub fn ints(&self, key: &str) -> Option<&[i64]> {
        match self.values.get(key)? {
            Value::Ints(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// The list of texts under `key`, encoded as they are in the file.
    pub fn texts(&self, key: &str) -> Option<&[Cow<'a, [u8]>]> {
        match self.values.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// All keys with what is under them, for messages.
    pub fn found(&self) -> String {
        let entries = self.values.iter().map(|(key, value)| match value {
            Value::ArrayU8 { shape, .. } => format!("`{}` (bytes of shape {shape:?})", shown(key)),
            Value::Ints(numbers) => format!("`{}` ({} integers)", shown(key), numbers.len()),
            Value::Texts(texts) => format!("`{}` ({} texts)", shown(key), texts.len()),
            Value::Other(what) => format!("`{}` ({what})", shown(key)),
        });
        entries.collect::<Vec<_>>().join(", ")
    }
}

/// Reads the pickle of a dictionary of any protocol, written by Python 2 or 3. Keys are texts or bytes. `path` is only named
/// in errors. Nothing in the pickle is called; the arrays are views of `bytes` where they can be.
pub fn read_pickled_dict<'a>(bytes: &'a [u8], path: &Path) -> Result<PickledDict<'a>, CheckpointError> {
    let heap = Heap::load(bytes, MAX_BYTES).map_err(|(at, fault)| CheckpointError::Pickle {
        path: path.to_owned(),
        at,
        fault,
    })?;
    dict(&heap, bytes.len()).map_err(|fault| CheckpointError::PickledDict { path: path.to_owned(), fault })
}

/// `budget`: how many bytes and numbers may be copied out of the heap. In an honest file each takes a byte at least; but one
/// list can be put under any number of keys.
fn dict<'a>(heap: &Heap<'a>, mut budget: usize) -> Result<PickledDict<'a>, PickledDictFault> {
    let Object::Dict(items) = heap.get(heap.root()) else {
        return Err(PickledDictFault::NoDict { found: heap.get(heap.root()).describe() });
    };
    let mut values = BTreeMap::new();
    for (key, value) in items {
        let Some(key) = heap.bytes(*key) else {
            continue;
        };
        let key = String::from_utf8_lossy(&key).into_owned();
        let object = heap.get(*value);
        budget = budget
            .checked_sub(n_copied(heap, object))
            .ok_or_else(|| PickledDictFault::Repeated { key: shown(&key) })?;
        let value = self::value(heap, &key, object)?;
        if values.insert(key.clone(), value).is_some() {
            return Err(PickledDictFault::DuplicateKey { key: shown(&key) });
        }
    }
    Ok(PickledDict { values })
}

/// How much [`value`] copies at most.
fn n_copied(heap: &Heap<'_>, object: &Object<'_>) -> usize {
    match object {
        Object::List(items) => items.iter().map(|item| n_copied_item(heap.get(*item))).sum(),
        Object::Array(array) => match heap.get(array.data) {
            Object::Latin1(text) => text.len(),
            _ => 0,
        },
        _ => 0,
    }
}

fn n_copied_item(item: &Object<'_>) -> usize {
    match item {
        Object::Latin1(text) => text.len().max(1),
        _ => 1,
    }
}

fn value<'a>(heap: &Heap<'a>, key: &str, object: &Object<'a>) -> Result<Value<'a>, PickledDictFault> {
    Ok(match object {
        Object::Array(array) if array.dtype.code == "u1" => array_u8(heap, key, array)?,
        Object::List(items) => match items.iter().map(|item| heap.int(*item)).collect() {
            Some(numbers) => Value::Ints(numbers),
            None => match items.iter().map(|item| heap.bytes(*item)).collect() {
                Some(texts) => Value::Texts(texts),
                None => Value::Other(object.describe()),
            },
        },
        _ => Value::Other(object.describe()),
    })
}

fn array_u8<'a>(heap: &Heap<'a>, key: &str, array: &PickledArray<'a>) -> Result<Value<'a>, PickledDictFault> {
    let data = heap.bytes(array.data).unwrap_or_default();
    let bad_size = || PickledDictFault::ArraySize { key: shown(key), shape: array.shape.clone(), found: data.len() };
    let shape: Option<Vec<usize>> = array.shape.iter().map(|side| usize::try_from(*side).ok()).collect();
    let shape = shape.filter(|shape| shape.len() <= MAX_RANK).ok_or_else(bad_size)?;
    let n = shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side));
    if n != Some(data.len()) {
        return Err(bad_size());
    }
    if array.is_fortran && shape.iter().filter(|side| **side != 1).count() > 1 {
        return Err(PickledDictFault::Fortran { key: shown(key) });
    }
    Ok(Value::ArrayU8 { shape, data })
}

#[cfg(test)]
mod tests;
