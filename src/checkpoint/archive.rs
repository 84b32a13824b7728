//! Zip containers, of `torch.save` and of `numpy.savez`. Stricter than the `zip` crate: a file that two readers could
//! understand in two ways is refused.

use std::io::Cursor;

use flate2::Crc;

use thiserror::Error;
pub(super) use zip::CompressionMethod;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

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
    #[error("the zip entry `{name}` is compressed ({method}), expected {expected}")]
    Compressed { name: String, method: String, expected: &'static str },
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
    #[error("the zip entry `{name}` reaches beyond the file")]
    EntryCut { name: String },
    #[error("the record `{name}` is missing")]
    MissingRecord { name: String },
    #[error("the record `{name}` is damaged: its checksum differs")]
    Checksum { name: String },
    #[error("saved on a machine with byte order `{found}`, only `little` is supported")]
    ByteOrder { found: String },
    #[error("not a sound zip file ({0})")]
    Zip(#[from] ZipError),
}

/// One file of a container, as its directory describes it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Without `..`, empty parts and backslashes.
    pub(super) name: String,
    pub(super) method: CompressionMethod,
    /// Declared bytes of content; equal to what is stored where nothing is compressed.
    pub(super) n_bytes: u64,
    crc32: u32,
}

/// A checked container over the bytes of a whole file.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    entries: Vec<Entry>,
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
        let entries = (0..zip.len()).map(|index| entry(&zip, index)).collect::<Result<_, _>>()?;
        // Local headers equal to the directory's, nothing overlapping, nothing hidden between entries.
        zip.validate_header_consistency()?;
        Ok(Self { bytes, zip, entries })
    }

    /// In the order of the directory.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The content of the entry with this name, which is stored as it is; its checksum is verified.
    pub(super) fn stored(&mut self, name: &str) -> Result<&'a [u8], ArchiveFault> {
        let index = self.entries.iter().position(|entry| entry.name == name);
        let data = self.raw(index.ok_or_else(|| ArchiveFault::MissingRecord { name: shown(name) })?)?;
        self.check_crc(index.unwrap_or_default(), data)?;
        Ok(data)
    }

    /// The bytes of an entry as they are in the file, compressed or not.
    pub(super) fn raw(&mut self, index: usize) -> Result<&'a [u8], ArchiveFault> {
        let entry = self.zip.by_index_raw(index)?;
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
        let end = start.zip(usize::try_from(entry.compressed_size()).ok()).and_then(|(start, n)| start.checked_add(n));
        let data = start.zip(end).and_then(|(start, end)| self.bytes.get(start..end));
        data.ok_or_else(|| ArchiveFault::EntryCut { name: shown(&String::from_utf8_lossy(entry.name_raw())) })
    }

    /// Checks the content of an entry against its checksum.
    pub(super) fn check_crc(&self, index: usize, content: &[u8]) -> Result<(), ArchiveFault> {
        let mut crc = Crc::new();
        crc.update(content);
        match self.entries.get(index) {
            Some(entry) if entry.crc32 == crc.sum() => Ok(()),
            entry => Err(ArchiveFault::Checksum { name: entry.map_or_else(String::new, |entry| shown(&entry.name)) }),
        }
    }
}

fn entry(zip: &ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<Entry, ArchiveFault> {
    let entry = zip.by_index_data(index)?;
    let raw_name = entry.name()?;
    let name = || shown(&raw_name);
    if raw_name.split('/').any(|part| matches!(part, "" | "." | "..")) || raw_name.contains(['\\', '\0']) {
        return Err(ArchiveFault::UnsafeName { name: name() });
    }
    if entry.encrypted() {
        return Err(ArchiveFault::Encrypted { name: name() });
    }
    if !entry.is_file() {
        return Err(ArchiveFault::NotAFile { name: name() });
    }
    let method = entry.compression();
    if method == CompressionMethod::Stored && entry.compressed_size() != entry.size() {
        let (compressed, plain) = (entry.compressed_size(), entry.size());
        return Err(ArchiveFault::SizesDiffer { name: name(), compressed, plain });
    }
    Ok(Entry { name: raw_name.into_owned(), method, n_bytes: entry.size(), crc32: entry.crc32() })
}

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
