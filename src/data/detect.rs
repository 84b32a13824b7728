//! What kind of data set a file or folder holds, by what is in it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{DataError, Dataset, cifar, idx_folder, image_folder, npz, table};
use crate::files;

/// The most entries of a folder that are looked at.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// How many of a folder's names a message lists.
const MAX_LISTED: usize = 12;
/// Folders that archives unpack to and torchvision makes, looked into if what is around them is no data set.
const INNER_FOLDERS: [&str; 5] =
    ["cifar-10-batches-bin", "cifar-100-binary", "cifar-10-batches-py", "cifar-100-python", "tiny-imagenet-200"];

/// Opens the data set in a file or folder, or the one that a file is part of.
pub(super) fn open(path: &Path) -> Result<Dataset, DataError> {
    let is_folder = match fs::metadata(path) {
        Ok(found) => found.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DataError::NotFound { path: path.to_owned() });
        }
        Err(source) => return Err(DataError::Folder { path: path.to_owned(), source }),
    };
    if is_folder {
        return open_folder(path);
    }
    if has_extension(path, &["csv", "tsv"]) {
        return table::open_file(path);
    }
    if has_extension(path, &["npz"]) {
        return npz::open_file(path);
    }
    open_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Whether a path, if it is no checkpoint, is to be opened as data: a folder, or a file that says so by its name or, where
/// both are kept alike, by its arrays.
pub(super) fn holds_data(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    path.is_dir()
        || name.contains("ubyte")
        || has_extension(path, &["csv", "tsv"])
        || has_extension(path, &["npz"])
            && files::read_limited(path, npz::MAX_FILE_BYTES).is_ok_and(|bytes| npz::is_data(&bytes, path))
}

fn open_folder(folder: &Path) -> Result<Dataset, DataError> {
    let entries = list(folder, MAX_ENTRIES)?;
    if let Some(found) = open_known(folder, &entries)? {
        return Ok(found);
    }
    for inner in INNER_FOLDERS {
        if let Some(inner) = named(&entries, inner).filter(|path| path.is_dir())
            && let Some(found) = open_known(inner, &list(inner, MAX_ENTRIES)?)?
        {
            return Ok(found);
        }
    }
    Err(DataError::Unrecognized { path: folder.to_owned(), found: listed(&entries) })
}

/// `None` if the folder has nothing of any kind.
fn open_known(folder: &Path, entries: &[PathBuf]) -> Result<Option<Dataset>, DataError> {
    if let Some(found) = cifar::open(folder, entries)? {
        return Ok(Some(found));
    }
    if let Some(found) = idx_folder::open(folder, entries)? {
        return Ok(Some(found));
    }
    if let (Some(train), Some(test)) = (named(entries, "train.csv"), named(entries, "test.csv")) {
        return table::open_pair(train, test).map(Some);
    }
    image_folder::open(folder, entries)
}

/// The entry of this name.
pub(super) fn named<'a>(entries: &'a [PathBuf], name: &str) -> Option<&'a Path> {
    entries.iter().map(PathBuf::as_path).find(|path| path.file_name() == Some(OsStr::new(name)))
}

pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let found = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension))
}

/// The entries of a folder in the order of their names, an error if there are more than `limit`.
pub(super) fn list(folder: &Path, limit: usize) -> Result<Vec<PathBuf>, DataError> {
    let in_folder = |source| DataError::Folder { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(in_folder)? {
        if entries.len() == limit {
            return Err(DataError::FolderTooLarge { path: folder.to_owned(), limit });
        }
        entries.push(entry.map_err(in_folder)?.path());
    }
    entries.sort();
    Ok(entries)
}

/// A few of a folder's names, for messages.
pub(super) fn listed(entries: &[PathBuf]) -> String {
    if entries.is_empty() {
        return "an empty folder".to_owned();
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
    let mut text = entries.iter().take(MAX_LISTED).map(name).collect::<Vec<_>>().join(", ");
    if entries.len() > MAX_LISTED {
        text.push_str(&format!(" and {} more", entries.len() - MAX_LISTED));
    }
    text
}

#[cfg(test)]
mod tests;
