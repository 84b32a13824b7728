//! NumPy's `.npz`: a zip file of arrays, stored or deflated.
//!
//! What an array inflates to is known from its header before memory is asked for, and bounded by the size of the file.

mod npy;
mod write;

use std::borrow::Cow;
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::DeflateDecoder;
use thiserror::Error;

pub(super) use self::npy::NPY_MAGIC;
pub use self::npy::NpyFault;
use self::npy::{Header, MAX_PREFIX_BYTES};
pub use self::write::NpzWriter;
use super::archive::{Archive, ArchiveFault, CompressionMethod};
use super::{Checkpoint, CheckpointError, Dtype, Format, MAX_VALUES, RawTensor, is_plain_name, shown};

/// How many times larger than the file its arrays may become, together. Data rarely shrinks to a fifth.
const MAX_RATIO: u64 = 200;
/// Small files may hold a few arrays of zeros, which shrink to a thousandth.
const MAX_INFLATED_AT_LEAST: u64 = 64 << 20;
/// The most bytes of all arrays together.
const MAX_INFLATED: u64 = 4 << 30;

#[derive(Debug, Error)]
pub enum NpzFault {
    #[error("the array name `{name}` is empty, too long or has control characters")]
    Name { name: String },
    #[error("the array `{name}`: {fault}")]
    Array { name: String, fault: NpyFault },
    #[error("the array `{name}` cannot be inflated ({source})")]
    Inflate { name: String, source: io::Error },
    #[error("the array `{name}` inflates to another size than the {declared} bytes declared")]
    InflatedSize { name: String, declared: u64 },
    #[error("the arrays declare {declared} bytes, {limit} are allowed for a file of this size")]
    Bomb { declared: u64, limit: u64 },
    #[error("expected at most {limit} values in all arrays together, the file has more")]
    TooManyValues { limit: u64 },
    #[error("not enough memory for {bytes} bytes of the array `{name}`")]
    OutOfMemory { name: String, bytes: u64 },
    #[error("expected arrays, found an empty file")]
    Empty,
}

/// One array of an `.npz` file.
#[derive(Debug, PartialEq, Eq)]
pub struct NpyArray<'a> {
    /// The key it was saved under.
    pub name: String,
    /// Empty for a scalar; any dimension may be 0.
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    /// `[product of shape]` elements of [`Dtype::size`] bytes, little-endian and row-major whatever the file had. A view of
    /// the file where it can be.
    pub bytes: Cow<'a, [u8]>,
}

impl NpyArray<'_> {
    /// The elements as `f32`, rounded where they must be: `[product of shape]`.
    pub fn widened(&self) -> Vec<f32> {
        let mut values = Vec::new();
        self.dtype.widen(&self.bytes, &mut values);
        values
    }
}

/// Reads all arrays of an `.npz` file from its bytes. `path` is only named in errors.
pub fn arrays<'a>(bytes: &'a [u8], path: &Path) -> Result<Vec<NpyArray<'a>>, CheckpointError> {
    let in_archive = |fault| CheckpointError::Archive { path: path.to_owned(), fault };
    let mut archive = Archive::open(bytes).map_err(in_archive)?;
    read_arrays(&mut archive, bytes.len(), path, Ok)
}

/// Whether everything in the container is an array.
pub(super) fn is_npz(archive: &Archive<'_>) -> bool {
    let entries = archive.entries();
    !entries.is_empty() && entries.iter().all(|entry| entry.name.ends_with(".npy"))
}

/// Reads a checkpoint from its container, which has `file_bytes` bytes.
pub(super) fn parse(mut archive: Archive<'_>, file_bytes: usize, path: &Path) -> Result<Checkpoint, CheckpointError> {
    let mut budget = MAX_VALUES;
    let tensors = read_arrays(&mut archive, file_bytes, path, |array| raw_tensor(array, &mut budget))?;
    Ok(Checkpoint { path: path.to_owned(), format: Format::Npz, tensors, notes: Vec::new() })
}

/// Converts one array. `budget`: how many values may still be read.
fn raw_tensor(array: NpyArray<'_>, budget: &mut u64) -> Result<RawTensor, NpzFault> {
    let NpyArray { name, shape, dtype, bytes } = array;
    let n = bytes.len() / dtype.size();
    *budget = budget.checked_sub(n as u64).ok_or(NpzFault::TooManyValues { limit: MAX_VALUES })?;
    let mut values = Vec::new();
    if values.try_reserve_exact(n).is_err() {
        return Err(NpzFault::OutOfMemory { name, bytes: 4 * n as u64 });
    }
    dtype.widen(&bytes, &mut values);
    Ok(RawTensor { name, shape, dtype, values })
}

/// Reads one array after the other and hands each to `convert`, so that only one is held inflated.
fn read_arrays<'a, T>(
    archive: &mut Archive<'a>,
    file_bytes: usize,
    path: &Path,
    mut convert: impl FnMut(NpyArray<'a>) -> Result<T, NpzFault>,
) -> Result<Vec<T>, CheckpointError> {
    let in_npz = |fault| CheckpointError::Npz { path: path.to_owned(), fault };
    let in_archive = |fault| CheckpointError::Archive { path: path.to_owned(), fault };
    check_declared(archive, file_bytes).map_err(in_npz)?;
    let mut converted = Vec::new();
    for index in 0..archive.entries().len() {
        let raw = archive.raw(index).map_err(in_archive)?;
        let Some(entry) = archive.entries().get(index) else {
            break;
        };
        let name = entry.name.strip_suffix(".npy").unwrap_or(&entry.name).to_owned();
        if name.is_empty() || !is_plain_name(&name) {
            return Err(in_npz(NpzFault::Name { name: shown(&name) }));
        }
        let in_array = |fault| in_npz(NpzFault::Array { name: shown(&name), fault });
        let (header, content) = match entry.method {
            CompressionMethod::Stored => (Header::parse(raw, entry.n_bytes).map_err(in_array)?, Cow::Borrowed(raw)),
            CompressionMethod::DEFLATE => {
                let (header, content) = inflate(raw, entry.n_bytes, &name).map_err(in_npz)?;
                (header, Cow::Owned(content))
            }
            other => {
                let (method, expected) = (other.to_string(), "stored or deflated arrays");
                return Err(in_archive(ArchiveFault::Compressed { name: shown(&name), method, expected }));
            }
        };
        archive.check_crc(index, &content).map_err(in_archive)?;
        let data = match content {
            Cow::Borrowed(content) => Cow::Borrowed(content.get(header.data_start..).unwrap_or_default()),
            Cow::Owned(mut content) => {
                content.drain(..header.data_start.min(content.len()));
                Cow::Owned(content)
            }
        };
        let bytes = header.normalized(data);
        let array = NpyArray { name, shape: header.shape, dtype: header.dtype, bytes };
        converted.push(convert(array).map_err(in_npz)?);
    }
    Ok(converted)
}

/// Checks what all arrays together declare, before one is inflated.
fn check_declared(archive: &Archive<'_>, file_bytes: usize) -> Result<(), NpzFault> {
    if archive.entries().is_empty() {
        return Err(NpzFault::Empty);
    }
    let declared = archive.entries().iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.n_bytes));
    let limit = (file_bytes as u64).saturating_mul(MAX_RATIO).clamp(MAX_INFLATED_AT_LEAST, MAX_INFLATED);
    if declared > limit { Err(NpzFault::Bomb { declared, limit }) } else { Ok(()) }
}

/// Inflates an array of `declared` bytes. The rest is inflated only if the header fits that size.
fn inflate(raw: &[u8], declared: u64, name: &str) -> Result<(Header, Vec<u8>), NpzFault> {
    let in_stream = |source| NpzFault::Inflate { name: shown(name), source };
    let mut stream = DeflateDecoder::new(raw);
    let mut content = Vec::new();
    stream.by_ref().take(MAX_PREFIX_BYTES as u64).read_to_end(&mut content).map_err(in_stream)?;
    let header = Header::parse(&content, declared).map_err(|fault| NpzFault::Array { name: shown(name), fault })?;
    let rest = declared.saturating_sub(content.len() as u64);
    let room = usize::try_from(rest).ok().and_then(|rest| content.try_reserve_exact(rest).ok());
    room.ok_or_else(|| NpzFault::OutOfMemory { name: shown(name), bytes: declared })?;
    stream.by_ref().take(rest).read_to_end(&mut content).map_err(in_stream)?;
    let is_at_end = stream.read(&mut [0]).map_err(in_stream)? == 0 && stream.total_in() == raw.len() as u64;
    if content.len() as u64 != declared || !is_at_end {
        return Err(NpzFault::InflatedSize { name: shown(name), declared });
    }
    Ok((header, content))
}

#[cfg(test)]
mod tests;
