//! A first pass over a safetensors header: limits, doubled names, and how long the file should be.
//!
//! The `safetensors` crate allows headers of 100 MB, keeps the last of two equal names, and does not say how much of a
//! cut file is missing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::error::SafetensorsFault;
use crate::checkpoint::{MAX_TENSORS, is_plain_name, shown};

/// The largest header, in bytes: enough for more than [`MAX_TENSORS`] entries of ordinary length.
const MAX_HEADER_BYTES: u64 = 16 << 20;
const LENGTH_BYTES: usize = 8;
/// The one key that is not a tensor.
pub(super) const METADATA_KEY: &str = "__metadata__";

/// Checks the header against the limits and the length of the file. Returns the names in the order of their data.
pub(super) fn check(bytes: &[u8]) -> Result<Vec<String>, SafetensorsFault> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(SafetensorsFault::HeaderCut { found: bytes.len(), expected: LENGTH_BYTES as u64 });
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(SafetensorsFault::HeaderTooLarge { found: length, limit: MAX_HEADER_BYTES });
    }
    let data_start = LENGTH_BYTES as u64 + length;
    // `length` is at most 16 MiB, so it fits a usize.
    let Some(header) = rest.get(..length as usize) else {
        return Err(SafetensorsFault::HeaderCut { found: bytes.len(), expected: data_start });
    };
    let spans = spans(header)?;
    check_length(bytes.len(), data_start, &spans)?;
    let mut names: Vec<(u64, String)> = spans.into_iter().map(|(name, [start, _])| (start, name)).collect();
    names.sort();
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

fn check_length(
    file_bytes: usize,
    data_start: u64,
    spans: &BTreeMap<String, [u64; 2]>,
) -> Result<(), SafetensorsFault> {
    let found = file_bytes as u64;
    let data_end = |[_, end]: [u64; 2]| data_start.saturating_add(end);
    let Some(last) = spans.values().map(|span| data_end(*span)).max() else {
        return Err(SafetensorsFault::Empty);
    };
    let first_cut = spans.iter().filter(|(_, span)| data_end(**span) > found).min_by_key(|(_, span)| span[0]);
    if let Some((name, _)) = first_cut {
        let tensor = name.clone();
        return Err(SafetensorsFault::DataCut { found: file_bytes, expected: last, tensor });
    }
    if found > last {
        return Err(SafetensorsFault::TrailingBytes { found: file_bytes, expected: last });
    }
    Ok(())
}

/// Where each tensor's data lies, by name: `[start, end)` in bytes after the header.
fn spans(header: &[u8]) -> Result<BTreeMap<String, [u64; 2]>, SafetensorsFault> {
    // serde_json carries only text through its errors; what went wrong is kept beside it.
    let fault = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(header);
    let result = SpansSeed { fault: &fault }.deserialize(&mut json).and_then(|spans| json.end().map(|()| spans));
    result.map_err(|error| fault.take().unwrap_or(SafetensorsFault::Header(error)))
}

#[derive(Deserialize)]
struct Entry {
    data_offsets: [u64; 2],
}

struct SpansSeed<'a> {
    fault: &'a RefCell<Option<SafetensorsFault>>,
}

impl SpansSeed<'_> {
    fn fail<E: serde::de::Error>(&self, fault: SafetensorsFault) -> E {
        let error = E::custom(&fault);
        *self.fault.borrow_mut() = Some(fault);
        error
    }
}

impl<'de> DeserializeSeed<'de> for SpansSeed<'_> {
    type Value = BTreeMap<String, [u64; 2]>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SpansSeed<'_> {
    type Value = BTreeMap<String, [u64; 2]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from tensor names to their type, shape and place")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut spans = BTreeMap::new();
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA_KEY {
                map.next_value::<IgnoredAny>()?;
                if std::mem::replace(&mut has_metadata, true) {
                    return Err(A::Error::custom("two metadata entries"));
                }
                continue;
            }
            if !is_plain_name(&name) {
                return Err(self.fail(SafetensorsFault::Name { name: shown(&name) }));
            }
            if spans.len() == MAX_TENSORS {
                return Err(self.fail(SafetensorsFault::TooManyTensors { limit: MAX_TENSORS }));
            }
            let Entry { data_offsets } = map.next_value()?;
            if spans.contains_key(&name) {
                return Err(A::Error::custom(format!("the tensor `{name}` is listed twice")));
            }
            spans.insert(name, data_offsets);
        }
        Ok(spans)
    }
}
