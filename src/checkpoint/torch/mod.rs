//! PyTorch's own files: a container of storages, a pickle that says how tensors lie in them, and the layout that people
//! give their checkpoints.
//!
//! `archive` opens the container of today (a zip file), `legacy` the one before PyTorch 1.6. Both hand on the same things:
//! the values of the pickle, and the bytes of each storage by its key.

mod archive;
mod layout;
pub(super) mod legacy;
pub(super) mod pickle;
pub(super) mod tensor;

use std::collections::BTreeMap;
use std::path::Path;

use self::archive::TorchArchive;
use self::pickle::{Heap, MAX_BYTES};
use self::tensor::{Budget, TensorFault};
use super::archive::{Archive, ArchiveFault};
use super::{Checkpoint, CheckpointError, Format, RawTensor, shown};

/// Reads a file of `torch.save` since PyTorch 1.6 from its container, which has `file_bytes` bytes.
pub(super) fn parse_zip(archive: Archive<'_>, file_bytes: usize, path: &Path) -> Result<Checkpoint, CheckpointError> {
    let in_archive = |fault| CheckpointError::Archive { path: path.to_owned(), fault };
    let mut archive = TorchArchive::new(archive).map_err(in_archive)?;
    archive.check_byte_order().map_err(in_archive)?;
    let pickle = archive.record("data.pkl").map_err(in_archive)?;
    let heap = Heap::load(pickle, MAX_BYTES).map_err(|(at, fault)| CheckpointError::Pickle {
        path: path.to_owned(),
        at,
        fault,
    })?;
    let (tensors, notes) = read_tensors(&heap, file_bytes, path, |key| storage_bytes(&mut archive, key))?;
    Ok(Checkpoint { path: path.to_owned(), format: Format::TorchZip, tensors, notes })
}

/// Reads a file of `torch.save` before PyTorch 1.6.
pub(super) fn parse_legacy(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (heap, storages) =
        legacy::open(bytes).map_err(|fault| CheckpointError::LegacyTorch { path: path.to_owned(), fault })?;
    let (tensors, notes) = read_tensors(&heap, bytes.len(), path, |key| {
        let missing = || TensorFault::MissingStorage { key: shown(key) };
        storages.get(key).copied().ok_or_else(missing)
    })?;
    Ok(Checkpoint { path: path.to_owned(), format: Format::TorchLegacy, tensors, notes })
}

/// Finds the state dictionary among the values of a pickle and reads its tensors. `storage_of` gives a storage's bytes by
/// its key; it is asked once for each. Returns the tensors in the order of the dictionary, and the notes.
fn read_tensors<'a>(
    heap: &Heap<'_>,
    file_bytes: usize,
    path: &Path,
    mut storage_of: impl FnMut(&str) -> Result<&'a [u8], TensorFault>,
) -> Result<(Vec<RawTensor>, Vec<String>), CheckpointError> {
    let found = layout::find(heap, path)?;
    let mut storages = BTreeMap::new();
    let mut budget = Budget::for_file(file_bytes as u64);
    let mut tensors = Vec::with_capacity(found.tensors.len());
    for (name, view) in found.tensors {
        let in_tensor = |fault| CheckpointError::Tensor { path: path.to_owned(), name: shown(name), fault };
        let storage = match storages.get(view.storage.key) {
            Some(data) => *data,
            None => {
                let data = storage_of(view.storage.key).map_err(in_tensor)?;
                storages.insert(view.storage.key, data);
                data
            }
        };
        let (shape, values) = view.gather(storage, &mut budget).map_err(in_tensor)?;
        tensors.push(RawTensor { name: name.to_owned(), shape, dtype: view.storage.dtype, values });
    }
    Ok((tensors, found.notes))
}

/// The bytes of a storage, its checksum verified.
fn storage_bytes<'a>(archive: &mut TorchArchive<'a>, key: &str) -> Result<&'a [u8], TensorFault> {
    archive.record(&format!("data/{key}")).map_err(|fault| match fault {
        ArchiveFault::MissingRecord { .. } => TensorFault::MissingStorage { key: shown(key) },
        fault => TensorFault::Storage { key: shown(key), fault: Box::new(fault) },
    })
}

#[cfg(test)]
mod tests;
