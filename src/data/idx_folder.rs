//! Data sets as folders of IDX files, as MNIST is distributed and as torchvision stores it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::detect::{MAX_ENTRIES, list, listed, named};
use super::{DataError, Dataset, IdxImages, Split, Values, parse_idx_images, parse_idx_labels};
use crate::files;

/// The largest file, in bytes, compressed or not.
const MAX_FILE_BYTES: u64 = (1 << 30) + 16;
/// Images and labels of two splits.
const N_FILES: usize = 4;
/// Where torchvision puts the files.
const INNER_FOLDER: &str = "raw";

/// The names a file may have, without `.gz`, with `.` or `_` in place of any `-`. The first is the usual one.
const TRAIN_IMAGES: &[&str] = &["train-images-idx3-ubyte"];
const TRAIN_LABELS: &[&str] = &["train-labels-idx1-ubyte"];
const TEST_IMAGES: &[&str] = &["t10k-images-idx3-ubyte", "test-images-idx3-ubyte"];
const TEST_LABELS: &[&str] = &["t10k-labels-idx1-ubyte", "test-labels-idx1-ubyte"];

const FASHION_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// Opens the data set whose files are among a folder's `entries` or in `raw` there; `None` if there is none of them.
pub(super) fn open(folder: &Path, entries: &[PathBuf]) -> Result<Option<Dataset>, DataError> {
    let Some(files) = find(folder, entries)? else {
        return Ok(None);
    };
    let (train_images, train) = read_split(&files.train)?;
    let (test_images, test) = read_split(&files.test)?;
    if train_images != test_images {
        let path = files.test.images;
        return Err(DataError::Shapes { path, train: train_images, test: test_images });
    }
    let name = name(folder);
    let class_names = class_names(&name, &[&train, &test]);
    let source = folder.display().to_string();
    let notes = Vec::new();
    Ok(Some(Dataset { name, source, shape: train_images, max_value: u8::MAX, class_names, train, test, notes }))
}

struct SplitFiles {
    images: PathBuf,
    labels: PathBuf,
}

struct Files {
    train: SplitFiles,
    test: SplitFiles,
}

fn find(folder: &Path, entries: &[PathBuf]) -> Result<Option<Files>, DataError> {
    let mut entries = entries.to_vec();
    if let Some(inner) = named(&entries, INNER_FOLDER).filter(|path| path.is_dir()) {
        entries.extend(list(inner, MAX_ENTRIES)?);
    }
    let mut missing = Vec::new();
    let mut pick = |names: &[&'static str]| {
        let found = pick(&entries, names);
        if found.is_none() {
            missing.extend(names.first());
        }
        found.unwrap_or_default()
    };
    let files = Files {
        train: SplitFiles { images: pick(TRAIN_IMAGES), labels: pick(TRAIN_LABELS) },
        test: SplitFiles { images: pick(TEST_IMAGES), labels: pick(TEST_LABELS) },
    };
    match missing.len() {
        0 => return Ok(Some(files)),
        N_FILES => return Ok(None),
        _ => {}
    }
    Err(DataError::Missing { path: folder.to_owned(), missing, found: listed(&entries) })
}

/// The entry with one of the names. Plain files go before compressed ones, which sort after them.
fn pick(entries: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    let is_named = |path: &&PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        let plain = name.strip_suffix(".gz").unwrap_or(&name).replace(['.', '_'], "-");
        names.contains(&plain.as_str())
    };
    entries.iter().filter(is_named).min_by_key(|path| path.extension() == Some(OsStr::new("gz"))).cloned()
}

fn read_split(files: &SplitFiles) -> Result<(super::ImageShape, Split), DataError> {
    let IdxImages { n, shape, pixels } =
        parse_idx_images(&files::read_limited(&files.images, MAX_FILE_BYTES)?, &files.images)?;
    let labels = parse_idx_labels(&files::read_limited(&files.labels, MAX_FILE_BYTES)?, &files.labels)?;
    if labels.len() != n {
        return Err(DataError::Counts { path: files.labels.clone(), images: n, labels: labels.len() });
    }
    Ok((shape, Split { values: Values::Bytes(pixels), labels }))
}

/// The folder's own name, put right for the two sets that everyone has.
fn name(folder: &Path) -> String {
    let resolved = fs::canonicalize(folder).unwrap_or_else(|_gone| folder.to_owned());
    let own = |folder: &Path| folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = match own(&resolved) {
        Some(name) if name == INNER_FOLDER => resolved.parent().and_then(own),
        name => name,
    };
    match name {
        Some(name) if name.eq_ignore_ascii_case("mnist") => "MNIST".to_owned(),
        Some(name) if name.to_lowercase().contains("fashion") => "Fashion-MNIST".to_owned(),
        Some(name) => name,
        None => "images".to_owned(),
    }
}

/// One name for each label up to the largest.
fn class_names(dataset: &str, splits: &[&Split]) -> Vec<String> {
    let largest = splits.iter().flat_map(|split| &split.labels).max().copied().unwrap_or(0);
    let n = usize::from(largest) + 1;
    if dataset == "Fashion-MNIST" && n == FASHION_CLASSES.len() {
        return FASHION_CLASSES.map(str::to_owned).to_vec();
    }
    (0..n).map(|class| class.to_string()).collect()
}

#[cfg(test)]
mod tests;
