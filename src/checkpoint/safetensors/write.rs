//! Writing safetensors. Written here rather than by the crate, whose header lists metadata in a random order: the same
//! weights must give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer as _};

use super::error::WriteFault;
use super::header::METADATA_KEY;
use crate::checkpoint::{TensorOut, is_plain_name, shown};

/// The header is padded with spaces so that the data starts at a multiple of this many bytes.
const ALIGNMENT: usize = 8;

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

pub(in crate::checkpoint) fn to_bytes(
    tensors: &[TensorOut<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WriteFault> {
    check(tensors)?;
    let header = header(tensors, metadata)?;
    let n_values: usize = tensors.iter().map(|tensor| tensor.values.len()).sum();
    let mut bytes = Vec::with_capacity(8 + header.len() + 4 * n_values);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for tensor in tensors {
        bytes.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(bytes)
}

fn header(tensors: &[TensorOut<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, WriteFault> {
    let mut header = Vec::new();
    let mut json = serde_json::Serializer::new(&mut header);
    let mut map = json.serialize_map(None)?;
    if !metadata.is_empty() {
        map.serialize_entry(METADATA_KEY, metadata)?;
    }
    let mut start = 0;
    for tensor in tensors {
        let end = start + size_of_val(tensor.values);
        map.serialize_entry(tensor.name, &Entry { dtype: "F32", shape: tensor.shape, data_offsets: [start, end] })?;
        start = end;
    }
    map.end()?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(header)
}

fn check(tensors: &[TensorOut<'_>]) -> Result<(), WriteFault> {
    let mut names = BTreeSet::new();
    for tensor in tensors {
        if tensor.name.is_empty() || tensor.name == METADATA_KEY || !is_plain_name(tensor.name) {
            return Err(WriteFault::Name { name: shown(tensor.name) });
        }
        if !names.insert(tensor.name) {
            return Err(WriteFault::Duplicate { name: tensor.name.to_owned() });
        }
        let expected = tensor.shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side));
        if expected != Some(tensor.values.len()) {
            return Err(WriteFault::Shape {
                name: tensor.name.to_owned(),
                shape: tensor.shape.to_vec(),
                expected: expected.map_or_else(|| "more than can be counted".to_owned(), |n| n.to_string()),
                found: tensor.values.len(),
            });
        }
    }
    Ok(())
}
