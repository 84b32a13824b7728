//! The zip container of `torch.save`. Stricter than the `zip` crate: a file that two readers could understand in two ways
//! is refused.

use std::io::{self, Cursor};

use thiserror::Error;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::checkpoint::shown;

/// The most entries: PyTorch writes one for each storage and a handful more.
const MAX_ENTRIES: u64 = 20_000;

#[derive(Debug, Error)]
pub enum ArchiveFault {
    #[error("the zip directory is not where it should be, at the end: the file was cut, or something was added")]
    NoDirectory,
    #[error("expected at most {limit} zip entries, the directory lists {found}")]
    TooManyEntries { found: u64, limit: u64 },
    #[error("two zip entries have the same name")]
    DuplicateNames,
    #[error("the zip entry `{name}` is encrypted")]
    Encrypted { name: String },
    #[error("the zip entry `{name}` is compressed ({method}), expected the plain storage of torch.save")]
    Compressed { name: String, method: String },
    #[error("the zip entry `{name}` declares {compressed} bytes stored and {plain} bytes of content")]
    SizesDiffer { name: String, compressed: u64, plain: u64 },
    #[error("the zip entry `{name}` has a name that leads out of the archive")]
    UnsafeName { name: String },
    #[error("the zip entry `{name}` is a folder or a link")]
    NotAFile { name: String },
    #[error("the zip entries lie under `{first}` and under `{other}`, expected one folder")]
    SeveralRoots { first: String, other: String },
    #[error("expected a file of torch.save, found a zip file without `data.pkl`{hint}")]
    NotTorch { hint: &'static str },
    #[error("the record `{name}` is missing")]
    MissingRecord { name: String },
    #[error("the record `{name}` is damaged: its checksum differs")]
    Checksum { name: String },
    #[error("saved on a machine with byte order `{found}`, only `little` is supported")]
    ByteOrder { found: String },
    #[error("not a sound zip file ({0})")]
    Zip(#[from] ZipError),
    #[error("the zip file could not be read ({0})")]
    Io(#[from] io::Error),
}

/// A checked container over the bytes of a whole file.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder inside the archive that everything lies in, with its slash.
    root: String,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ArchiveFault> {
        // Before the crate sees the directory, since it asks for memory by the declared count.
        check_count(declared_entries(bytes)?)?;
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut zip = ZipArchive::with_config(config, Cursor::new(bytes))?;
        check_count(zip.len() as u64)?;
        if zip.has_duplicate_names() {
            return Err(ArchiveFault::DuplicateNames);
        }
        if zip.file_names_raw().any(|name| name.ends_with(b"/constants.pkl")) {
            return Err(ArchiveFault::NotTorch { hint: TORCHSCRIPT_HINT });
        }
        let root = check_entries(&zip)?;
        // Local headers equal to the directory's, nothing overlapping, nothing hidden between entries.
        zip.validate_header_consistency()?;
        if zip.index_for_name(&format!("{root}data.pkl")).is_none() {
            return Err(ArchiveFault::NotTorch { hint: "" });
        }
        Ok(Self { bytes, zip, root })
    }

    /// The bytes of a record, whose checksum is verified.
    pub(super) fn record(&mut self, name: &str) -> Result<&'a [u8], ArchiveFault> {
        let missing = || ArchiveFault::MissingRecord { name: shown(name) };
        let index = self.zip.index_for_name(&format!("{}{name}", self.root)).ok_or_else(missing)?;
        let mut entry = self.zip.by_index(index)?;
        // Reading to the end verifies the checksum; the entry is stored as it is, so its bytes need no copy.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => ArchiveFault::Checksum { name: shown(name) },
            _ => ArchiveFault::Io(error),
        })?;
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok()).ok_or_else(missing)?;
        let size = usize::try_from(entry.size()).ok().ok_or_else(missing)?;
        let data = start.checked_add(size).and_then(|end| self.bytes.get(start..end));
        data.ok_or_else(missing)
    }

    /// The names of all records, in the order of the directory.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        let raw = self.zip.file_names_raw().map(String::from_utf8_lossy);
        raw.map(|name| name.trim_start_matches(&self.root).to_owned()).collect()
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

fn check_count(found: u64) -> Result<(), ArchiveFault> {
    if found > MAX_ENTRIES {
        return Err(ArchiveFault::TooManyEntries { found, limit: MAX_ENTRIES });
    }
    Ok(())
}

/// How many entries the end records declare.
///
/// The directory, the 64-bit record with its locator, and the end record must follow each other without a gap and be the
/// last bytes of the file. Anything else (a comment, another archive appended) would let another reader, which searches
/// for them, find a different directory.
fn declared_entries(bytes: &[u8]) -> Result<u64, ArchiveFault> {
    const END_BYTES: usize = 22;
    const LOCATOR_BYTES: usize = 20;
    const END64_BYTES: usize = 56;
    let no_directory = || ArchiveFault::NoDirectory;

    let (before, end) = bytes.split_last_chunk::<END_BYTES>().ok_or_else(no_directory)?;
    if !end.starts_with(b"PK\x05\x06") || !end.ends_with(&[0, 0]) {
        return Err(ArchiveFault::NoDirectory);
    }
    let end32 = (number::<2>(end, 10), number::<4>(end, 12), number::<4>(end, 16));
    let (Some(entries), Some(size), Some(start)) = end32 else {
        return Err(no_directory());
    };
    let Some((before, locator)) =
        before.split_last_chunk::<LOCATOR_BYTES>().filter(|(_, locator)| locator.starts_with(b"PK\x06\x07"))
    else {
        check_adjacent(start, size, before.len())?;
        return Ok(entries);
    };

    let (before, end64) = before.split_last_chunk::<END64_BYTES>().ok_or_else(no_directory)?;
    if !end64.starts_with(b"PK\x06\x06") || number::<8>(locator, 8) != Some(before.len() as u64) {
        return Err(ArchiveFault::NoDirectory);
    }
    let end64 = (number::<8>(end64, 32), number::<8>(end64, 40), number::<8>(end64, 48));
    let (Some(entries64), Some(size64), Some(start64)) = end64 else {
        return Err(no_directory());
    };
    // The ordinary record either agrees or says "see the other" with all bits set.
    let agrees = |short: u64, long: u64, all_set: u64| short == long || short == all_set;
    if !agrees(entries, entries64, 0xffff) || !agrees(size, size64, 0xffff_ffff) || !agrees(start, start64, 0xffff_ffff)
    {
        return Err(ArchiveFault::NoDirectory);
    }
    check_adjacent(start64, size64, before.len())?;
    Ok(entries64)
}

/// Checks that a directory of `size` bytes at `start` ends where the end records begin.
fn check_adjacent(start: u64, size: u64, end: usize) -> Result<(), ArchiveFault> {
    if start.checked_add(size) == Some(end as u64) { Ok(()) } else { Err(ArchiveFault::NoDirectory) }
}

/// The little-endian number of `N` bytes at `at`.
fn number<const N: usize>(record: &[u8], at: usize) -> Option<u64> {
    let bytes = record.get(at..)?.first_chunk::<N>()?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Checks every entry and returns the folder that all of them lie in, with its slash.
fn check_entries(zip: &ZipArchive<Cursor<&[u8]>>) -> Result<String, ArchiveFault> {
    let mut root: Option<String> = None;
    for index in 0..zip.len() {
        let entry = zip.by_index_data(index)?;
        let raw_name = entry.name()?;
        let name = || shown(&raw_name);
        let components = raw_name.split('/');
        if components.clone().any(|part| matches!(part, "" | "." | "..")) || raw_name.contains(['\\', '\0', ':']) {
            return Err(ArchiveFault::UnsafeName { name: name() });
        }
        if entry.encrypted() {
            return Err(ArchiveFault::Encrypted { name: name() });
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(ArchiveFault::Compressed { name: name(), method: entry.compression().to_string() });
        }
        if entry.compressed_size() != entry.size() {
            let (compressed, plain) = (entry.compressed_size(), entry.size());
            return Err(ArchiveFault::SizesDiffer { name: name(), compressed, plain });
        }
        if !entry.is_file() {
            return Err(ArchiveFault::NotAFile { name: name() });
        }
        let Some((folder, _)) = raw_name.split_once('/') else {
            return Err(ArchiveFault::NotTorch { hint: "" });
        };
        match &root {
            None => root = Some(format!("{folder}/")),
            Some(first) if first.trim_end_matches('/') == folder => {}
            Some(first) => {
                let (first, other) = (shown(first), shown(&format!("{folder}/")));
                return Err(ArchiveFault::SeveralRoots { first, other });
            }
        }
    }
    root.ok_or(ArchiveFault::NotTorch { hint: "" })
}
