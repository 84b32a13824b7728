//! What is particular to the zip container of `torch.save`: one folder, nothing compressed, a pickle called `data.pkl`.

use crate::checkpoint::archive::{Archive, ArchiveFault, CompressionMethod, Entry};
use crate::checkpoint::shown;

/// A zip file in which everything is as `torch.save` leaves it.
#[derive(Debug)]
pub(super) struct TorchArchive<'a> {
    archive: Archive<'a>,
    /// The folder inside the archive that everything lies in, with its slash.
    root: String,
}

impl<'a> TorchArchive<'a> {
    pub(super) fn new(archive: Archive<'a>) -> Result<Self, ArchiveFault> {
        let entries = archive.entries();
        if entries.iter().any(|entry| entry.name.ends_with("/constants.pkl")) {
            return Err(ArchiveFault::NotTorch { hint: TORCHSCRIPT_HINT });
        }
        let root = root(entries)?;
        let data = format!("{root}data.pkl");
        if !entries.iter().any(|entry| entry.name == data) {
            return Err(ArchiveFault::NotTorch { hint: "" });
        }
        Ok(Self { archive, root })
    }

    /// The bytes of a record, whose checksum is verified.
    pub(super) fn record(&mut self, name: &str) -> Result<&'a [u8], ArchiveFault> {
        self.archive.stored(&format!("{}{name}", self.root))
    }

    /// The names of all records, in the order of the directory.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        self.archive.entries().iter().map(|entry| entry.name.trim_start_matches(&self.root).to_owned()).collect()
    }

    /// Refuses files of big-endian machines. Files before PyTorch 2.1 do not say; they are taken as little-endian, like
    /// PyTorch does.
    pub(super) fn check_byte_order(&mut self) -> Result<(), ArchiveFault> {
        match self.record("byteorder") {
            Ok(b"little") | Err(ArchiveFault::MissingRecord { .. }) => Ok(()),
            Ok(other) => Err(ArchiveFault::ByteOrder { found: shown(&String::from_utf8_lossy(other)) }),
            Err(fault) => Err(fault),
        }
    }
}

const TORCHSCRIPT_HINT: &str = " of its own: this is TorchScript; save the model's state_dict() instead";

/// The folder that all entries lie in, with its slash.
fn root(entries: &[Entry]) -> Result<String, ArchiveFault> {
    let mut root: Option<&str> = None;
    for entry in entries {
        let name = || shown(&entry.name);
        if entry.name.contains(':') {
            return Err(ArchiveFault::UnsafeName { name: name() });
        }
        if entry.method != CompressionMethod::Stored {
            let (method, expected) = (entry.method.to_string(), "the plain storage of torch.save");
            return Err(ArchiveFault::Compressed { name: name(), method, expected });
        }
        let Some((folder, _)) = entry.name.split_once('/') else {
            return Err(ArchiveFault::NotTorch { hint: "" });
        };
        match root {
            None => root = Some(folder),
            Some(first) if first == folder => {}
            Some(first) => {
                let (first, other) = (shown(&format!("{first}/")), shown(&format!("{folder}/")));
                return Err(ArchiveFault::SeveralRoots { first, other });
            }
        }
    }
    root.map(|folder| format!("{folder}/")).ok_or(ArchiveFault::NotTorch { hint: "" })
}
