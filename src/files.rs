//! Reading whole files within limits, and writing them so that a half-written file is never seen.
//!
//! Nothing here maps a file into memory: a file that shrinks while it is mapped kills the process.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file could not be read or written. Every message names the path, last.
#[derive(Debug, Error)]
pub enum FileError {
    #[error("no such file: {}", path.display())]
    NotFound { path: PathBuf },
    #[error("expected a regular file, found {found}: {}", path.display())]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("expected at most {limit} bytes, the file has {bytes}: {}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("not enough memory to read {bytes} bytes: {}", path.display())]
    OutOfMemory { path: PathBuf, bytes: u64 },
    #[error("expected {expected} bytes, found {found}: the file changed while it was read, try again: {}", path.display())]
    Changed { path: PathBuf, expected: u64, found: u64 },
    #[error("could not read ({source}): {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the folder to save into does not exist, create it or choose another: {}", folder.display())]
    NoFolder { folder: PathBuf },
    #[error("could not save {bytes} bytes ({source}); what was there before is untouched: {}", path.display())]
    Write { path: PathBuf, bytes: u64, source: io::Error },
}

/// Reads a whole regular file of at most `max_bytes` bytes.
///
/// Pipes, devices, sockets and folders are refused before they are opened, so nothing blocks. The size is checked before
/// memory is asked for, and memory that cannot be had is an error instead of an abort.
pub fn read_limited(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let read_error = |source| read_error(path, source);
    // Opening a pipe waits for a writer: look at the kind of file first.
    check_regular(path, &fs::metadata(path).map_err(read_error)?)?;
    let file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    check_regular(path, &metadata)?;

    let expected = metadata.len();
    if expected > max_bytes {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes: expected, limit: max_bytes });
    }
    let out_of_memory = || FileError::OutOfMemory { path: path.to_owned(), bytes: expected };
    let capacity = usize::try_from(expected).map_err(|_too_large_to_address| out_of_memory())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|_allocator_refused| out_of_memory())?;

    // One byte more than expected, to notice a file that is still being written.
    file.take(expected.saturating_add(1)).read_to_end(&mut bytes).map_err(read_error)?;
    let found = bytes.len() as u64;
    if found == expected { Ok(bytes) } else { Err(FileError::Changed { path: path.to_owned(), expected, found }) }
}

/// Reads at most `n_bytes` bytes from the start of a regular file. Like [`read_limited`], it never blocks.
pub fn read_head(path: &Path, n_bytes: u64) -> Result<Vec<u8>, FileError> {
    let read_error = |source| read_error(path, source);
    check_regular(path, &fs::metadata(path).map_err(read_error)?)?;
    let mut head = Vec::new();
    File::open(path).map_err(read_error)?.take(n_bytes).read_to_end(&mut head).map_err(read_error)?;
    Ok(head)
}

/// Writes a file so that its path holds either what it held before or all of `bytes`, whatever happens in between.
///
/// The bytes go to a temporary file in the same folder, are forced to the disk, and only then take the name. A symbolic
/// link stays one: the file it points to is replaced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_with(path, bytes.len() as u64, |file| file.write_all(bytes))
}

/// `write_atomic` with the writing itself as a parameter, so that tests can let it fail half-way.
fn replace_with(path: &Path, n_bytes: u64, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), FileError> {
    let write_error = |source| FileError::Write { path: path.to_owned(), bytes: n_bytes, source };
    let target = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path).map_err(write_error)?,
        _ => path.to_owned(),
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(FileError::NoFolder { folder: folder.to_owned() });
    }
    let existing = fs::metadata(&target).ok();
    if let Some(found) = &existing {
        check_regular(path, found)?;
    }

    let mut builder = tempfile::Builder::new();
    builder.prefix(".lowroad-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What an ordinary new file gets; the umask is applied to it. The crate's default is private to the user.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // Dropping the temporary file on any early return below deletes it.
    let mut temporary = builder.tempfile_in(folder).map_err(write_error)?;
    write(temporary.as_file_mut()).map_err(write_error)?;
    if let Some(found) = existing {
        temporary.as_file().set_permissions(found.permissions()).map_err(write_error)?;
    }
    temporary.as_file().sync_all().map_err(write_error)?;
    temporary.persist(&target).map_err(|error| write_error(error.error))?;
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        // The new name should survive a power cut too. A folder that cannot be synced still holds a whole file, old or new.
        drop(folder.sync_all());
    }
    Ok(())
}

fn read_error(path: &Path, source: io::Error) -> FileError {
    if source.kind() == io::ErrorKind::NotFound {
        FileError::NotFound { path: path.to_owned() }
    } else {
        FileError::Read { path: path.to_owned(), source }
    }
}

fn check_regular(path: &Path, metadata: &fs::Metadata) -> Result<(), FileError> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(FileError::NotAFile { path: path.to_owned(), found: kind_of(metadata) })
}

fn kind_of(metadata: &fs::Metadata) -> &'static str {
    if metadata.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something else"
}

#[cfg(test)]
mod tests;
