//! The container of `torch.save` before PyTorch 1.6: five pickles after each other (a magic number, a version, facts about
//! the machine, the values, the keys of the storages), then each storage in the order of the keys: its number of elements
//! and its bytes. Nothing in it has a checksum.

use std::collections::BTreeMap;

use thiserror::Error;

use super::pickle::{Heap, MAX_BYTES, Object, PickleFault};
use super::tensor::Storage;
use crate::checkpoint::shown;

/// The only version there ever was.
const PROTOCOL_VERSION: i64 = 1001;

#[derive(Debug, Error)]
pub enum LegacyFault {
    #[error("{fault} (byte {at} of the file)")]
    Pickle { at: usize, fault: PickleFault },
    #[error("expected version 1001 of the legacy PyTorch format, found {found}")]
    Version { found: String },
    #[error("saved on a machine with another byte order, only little-endian is supported")]
    BigEndian,
    #[error("expected a list of the keys of storages, found {found}")]
    Keys { found: String },
    #[error("storage `{key}` is in the file, but no tensor says what its elements are")]
    UnknownStorage { key: String },
    #[error("storage `{key}` is described in two ways")]
    Contradiction { key: String },
    #[error("storage `{key}` has {found} elements, its tensors declare {expected}")]
    StorageSize { key: String, expected: u64, found: u64 },
    #[error("file ends after {found} of at least {expected} bytes; storage `{key}` incomplete")]
    Cut { found: usize, expected: u64, key: String },
    #[error("{extra} bytes follow the last storage")]
    TrailingBytes { extra: usize },
}

/// The bytes of each storage by its key.
pub(super) type Storages<'a> = BTreeMap<&'a str, &'a [u8]>;

/// Reads the container: the values, and the storages they refer to.
pub(super) fn open(bytes: &[u8]) -> Result<(Heap<'_>, Storages<'_>), LegacyFault> {
    let mut file = File { bytes, rest: bytes };
    file.pickle()?; // The magic number, by which the format was recognized.
    let version = file.pickle()?;
    if version.int(version.root()) != Some(PROTOCOL_VERSION) {
        let found = version.get(version.root()).describe();
        return Err(LegacyFault::Version { found });
    }
    check_byte_order(&file.pickle()?)?;
    let values = file.pickle()?;
    let keys = file.pickle()?;
    let keys = keys_in(&keys)?;
    let storages = file.storages(&declared(&values)?, keys)?;
    Ok((values, storages))
}

fn check_byte_order(facts: &Heap<'_>) -> Result<(), LegacyFault> {
    let Object::Dict(items) = facts.get(facts.root()) else {
        return Ok(());
    };
    let is_big = items.iter().any(|(key, value)| {
        facts.text(*key) == Some("little_endian") && matches!(facts.get(*value), Object::Bool(false))
    });
    if is_big { Err(LegacyFault::BigEndian) } else { Ok(()) }
}

fn keys_in<'a>(keys: &Heap<'a>) -> Result<Vec<&'a str>, LegacyFault> {
    let root = keys.get(keys.root());
    let fail = || LegacyFault::Keys { found: root.describe() };
    let Object::List(items) = root else {
        return Err(fail());
    };
    let text = |id| keys.text(id).ok_or_else(fail);
    items.iter().map(|id| text(*id)).collect()
}

/// What the values say about each storage.
fn declared<'h, 'a>(values: &'h Heap<'a>) -> Result<BTreeMap<&'a str, &'h Storage<'a>>, LegacyFault> {
    let mut declared = BTreeMap::new();
    for storage in values.storages() {
        let before = declared.insert(storage.key, storage);
        if before.is_some_and(|before| before != storage) {
            return Err(LegacyFault::Contradiction { key: shown(storage.key) });
        }
    }
    Ok(declared)
}

struct File<'a> {
    bytes: &'a [u8],
    /// What was not read yet.
    rest: &'a [u8],
}

impl<'a> File<'a> {
    fn position(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    fn pickle(&mut self) -> Result<Heap<'a>, LegacyFault> {
        let start = self.position();
        let (heap, rest) = Heap::load_first(self.rest, MAX_BYTES)
            .map_err(|(at, fault)| LegacyFault::Pickle { at: start + at, fault })?;
        self.rest = rest;
        Ok(heap)
    }

    fn storages(
        mut self,
        declared: &BTreeMap<&'a str, &Storage<'a>>,
        keys: Vec<&'a str>,
    ) -> Result<Storages<'a>, LegacyFault> {
        let mut storages = Storages::new();
        for key in keys {
            let Some(storage) = declared.get(key) else {
                return Err(LegacyFault::UnknownStorage { key: shown(key) });
            };
            let data = self.storage(storage)?;
            if storages.insert(key, data).is_some() {
                return Err(LegacyFault::Contradiction { key: shown(key) });
            }
        }
        match self.rest.len() {
            0 => Ok(storages),
            extra => Err(LegacyFault::TrailingBytes { extra }),
        }
    }

    fn storage(&mut self, storage: &Storage<'_>) -> Result<&'a [u8], LegacyFault> {
        const LENGTH_BYTES: usize = 8;
        let Storage { key, dtype, n_elements } = *storage;
        let n_bytes = n_elements.saturating_mul(dtype.size() as u64);
        let cut = |start: usize| LegacyFault::Cut {
            found: self.bytes.len(),
            expected: n_bytes.saturating_add((start + LENGTH_BYTES) as u64),
            key: shown(key),
        };
        let start = self.position();
        let (length, rest) = self.rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| cut(start))?;
        let found = u64::from_le_bytes(*length);
        if found != n_elements {
            return Err(LegacyFault::StorageSize { key: shown(key), expected: n_elements, found });
        }
        let n_bytes = usize::try_from(n_bytes).ok();
        let (data, rest) = n_bytes.and_then(|n| rest.split_at_checked(n)).ok_or_else(|| cut(start))?;
        self.rest = rest;
        Ok(data)
    }
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
