//! PyTorch's own files: a container of storages, a pickle that says how tensors lie in them, and the layout that people
//! give their checkpoints.
//!
//! `archive` opens the container of today (a zip file); a reader of the container before PyTorch 1.6 would sit beside it and
//! hand the same things on: the pickle's values, and the bytes of each storage by its key.

pub(super) mod archive;
mod layout;
pub(super) mod pickle;
pub(super) mod tensor;

use std::collections::BTreeMap;
use std::path::Path;

use self::archive::{Archive, ArchiveFault};
use self::pickle::Heap;
use self::tensor::{Budget, TensorFault};
use super::{Checkpoint, CheckpointError, Format, RawTensor, shown};

/// Reads a file of `torch.save` since PyTorch 1.6.
pub(super) fn parse_zip(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let in_archive = |fault| CheckpointError::Archive {
        path: path.to_owned(),
        fault,
    };
    let mut archive = Archive::open(bytes).map_err(in_archive)?;
    archive.check_byte_order().map_err(in_archive)?;
    let pickle = archive.record("data.pkl").map_err(in_archive)?;
    let heap = Heap::load(pickle).map_err(|(at, fault)| CheckpointError::Pickle {
        path: path.to_owned(),
        at,
        fault,
    })?;
    let found = layout::find(&heap, path)?;

    let mut storages = BTreeMap::new();
    let mut budget = Budget::for_file(bytes.len() as u64);
    let mut tensors = Vec::with_capacity(found.tensors.len());
    for (name, view) in found.tensors {
        let in_tensor = |fault| CheckpointError::Tensor {
            path: path.to_owned(),
            name: shown(name),
            fault,
        };
        let storage = match storages.get(view.storage.key) {
            Some(data) => *data,
            None => {
                let data = storage_bytes(&mut archive, view.storage.key).map_err(in_tensor)?;
                storages.insert(view.storage.key, data);
                data
            }
        };
        let (shape, values) = view.gather(storage, &mut budget).map_err(in_tensor)?;
        let dtype = view.storage.dtype;
        tensors.push(RawTensor {
            name: name.to_owned(),
            shape,
            dtype,
            values,
        });
    }
    Ok(Checkpoint {
        path: path.to_owned(),
        format: Format::TorchZip,
        tensors,
        notes: found.notes,
    })
}

/// The bytes of a storage, its checksum verified.
fn storage_bytes<'a>(archive: &mut Archive<'a>, key: &str) -> Result<&'a [u8], TensorFault> {
    archive
        .record(&format!("data/{key}"))
        .map_err(|fault| match fault {
            ArchiveFault::MissingRecord { .. } => TensorFault::MissingStorage { key: shown(key) },
            fault => TensorFault::Storage {
                key: shown(key),
                fault: Box::new(fault),
            },
        })
}

#[cfg(test)]
mod tests;
