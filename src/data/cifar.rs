//! CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009) in their binary version (records of one or two label bytes and 3 x 32 x 32
//! pixels) and their Python version (pickled dictionaries).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{DataError, Dataset, ImageShape, Split, Values};
use crate::checkpoint::read_pickled_dict;
use crate::files;

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const N_TEST: usize = 10_000;
/// The largest file, in bytes; the largest there is has 154 MB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// How a file holds its images.
enum Layout {
    /// Records that start with this many label bytes; the last is the class.
    Records { label_bytes: usize },
    /// A pickled dictionary with the array `data` of shape `[n, 3072]` and a list of labels under `labels_key`. The names of
    /// the classes are pickled too, under `names_key`.
    Pickled { labels_key: &'static str, names_key: &'static str },
}

/// One of the two sets in one of its two layouts.
struct Version {
    name: &'static str,
    train_files: &'static [&'static str],
    test_file: &'static str,
    /// Images of each training file.
    n_per_file: usize,
    n_classes: usize,
    layout: Layout,
    names_file: &'static str,
}

const VERSIONS: [Version; 4] = [
    Version {
        name: "CIFAR-10",
        train_files: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test_file: "test_batch.bin",
        n_per_file: 10_000,
        n_classes: 10,
        layout: Layout::Records { label_bytes: 1 },
        names_file: "batches.meta.txt",
    },
    Version {
        name: "CIFAR-100",
        train_files: &["train.bin"],
        test_file: "test.bin",
        n_per_file: 50_000,
        n_classes: 100,
        layout: Layout::Records { label_bytes: 2 },
        names_file: "fine_label_names.txt",
    },
    Version {
        name: "CIFAR-10",
        train_files: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test_file: "test_batch",
        n_per_file: 10_000,
        n_classes: 10,
        layout: Layout::Pickled { labels_key: "labels", names_key: "label_names" },
        names_file: "batches.meta",
    },
    Version {
        name: "CIFAR-100",
        train_files: &["train"],
        test_file: "test",
        n_per_file: 50_000,
        n_classes: 100,
        layout: Layout::Pickled { labels_key: "fine_labels", names_key: "fine_label_names" },
        names_file: "meta",
    },
];

/// Opens the set whose files are among a folder's `entries`; `None` if there is neither.
pub(super) fn open(folder: &Path, entries: &[PathBuf]) -> Result<Option<Dataset>, DataError> {
    // Folders of images may be called `train` and `test` like the files of CIFAR-100's Python version.
    let named = |name: &str| entries.iter().find(|path| path.file_name() == Some(OsStr::new(name)) && path.is_file());
    for version in &VERSIONS {
        let train: Vec<&PathBuf> = version.train_files.iter().filter_map(|name| named(name)).collect();
        match (train.is_empty(), named(version.test_file)) {
            (true, None) => {}
            (false, Some(test)) => return version.open(folder, &train, test, named(version.names_file)).map(Some),
            (_, test) => {
                let missing = if test.is_some() { version.train_files[0] } else { version.test_file };
                let (path, what) = (folder.to_owned(), version.name);
                return Err(DataError::MissingFile { path, what, missing });
            }
        }
    }
    Ok(None)
}

impl Version {
    fn open(
        &self,
        folder: &Path,
        train_files: &[&PathBuf],
        test_file: &Path,
        names: Option<&PathBuf>,
    ) -> Result<Dataset, DataError> {
        let mut train = Records::default();
        for path in train_files {
            self.read(path, &mut train)?;
        }
        let mut test = Records::default();
        self.read(test_file, &mut test)?;
        let mut notes = Vec::new();
        let whole = [
            ("training", train.labels.len(), self.train_files.len() * self.n_per_file),
            ("test", test.labels.len(), N_TEST),
        ];
        for (split, found, expected) in whole {
            if found != expected {
                notes.push(format!("{found} of the {expected} {split} images of {} are there", self.name));
            }
        }
        let class_names = match names {
            Some(path) => self.class_names(path)?,
            None => (0..self.n_classes).map(|class| class.to_string()).collect(),
        };
        Ok(Dataset {
            name: self.name.to_owned(),
            source: folder.display().to_string(),
            shape: SHAPE,
            max_value: u8::MAX,
            class_names,
            train: train.into_split(),
            test: test.into_split(),
            notes,
        })
    }

    fn read(&self, path: &Path, records: &mut Records) -> Result<(), DataError> {
        let bytes = files::read_limited(path, MAX_FILE_BYTES)?;
        match self.layout {
            Layout::Records { label_bytes } => self.read_records(path, &bytes, label_bytes, records),
            Layout::Pickled { labels_key, .. } => self.read_pickled(path, &bytes, labels_key, records),
        }
    }

    fn read_records(
        &self,
        path: &Path,
        bytes: &[u8],
        label_bytes: usize,
        records: &mut Records,
    ) -> Result<(), DataError> {
        let record_bytes = label_bytes + SHAPE.pixels();
        if bytes.is_empty() || !bytes.len().is_multiple_of(record_bytes) {
            return Err(DataError::Records { path: path.to_owned(), record_bytes, found: bytes.len() });
        }
        records.reserve(path, bytes.len() / record_bytes)?;
        for (index, record) in bytes.chunks_exact(record_bytes).enumerate() {
            let (labels, pixels) = record.split_at(label_bytes);
            records.labels.push(self.label(path, index, i64::from(labels[label_bytes - 1]))?);
            records.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }

    fn read_pickled(
        &self,
        path: &Path,
        bytes: &[u8],
        labels_key: &'static str,
        records: &mut Records,
    ) -> Result<(), DataError> {
        let dict = read_pickled_dict(bytes, path).map_err(Box::new)?;
        let (Some(([n, columns], pixels)), Some(labels)) = (dict.array_u8("data"), dict.ints(labels_key)) else {
            return Err(DataError::Batch { path: path.to_owned(), labels_key, found: dict.found() });
        };
        if *columns != SHAPE.pixels() {
            return Err(DataError::Batch { path: path.to_owned(), labels_key, found: dict.found() });
        }
        if *n != labels.len() {
            return Err(DataError::Counts { path: path.to_owned(), images: *n, labels: labels.len() });
        }
        records.reserve(path, *n)?;
        for (index, label) in labels.iter().enumerate() {
            records.labels.push(self.label(path, index, *label)?);
        }
        records.pixels.extend_from_slice(pixels);
        Ok(())
    }

    /// The label of a file's example `index`, checked.
    fn label(&self, path: &Path, index: usize, found: i64) -> Result<u16, DataError> {
        let n_classes = self.n_classes;
        u16::try_from(found).ok().filter(|label| usize::from(*label) < n_classes).ok_or_else(|| DataError::Label {
            path: path.to_owned(),
            index,
            found,
            n_classes,
        })
    }

    fn class_names(&self, path: &Path) -> Result<Vec<String>, DataError> {
        const MAX_BYTES: u64 = 1 << 16;
        let bytes = files::read_limited(path, MAX_BYTES)?;
        let names: Vec<String> = match self.layout {
            Layout::Records { .. } => {
                let text = String::from_utf8_lossy(&bytes);
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
            Layout::Pickled { names_key, .. } => {
                let dict = read_pickled_dict(&bytes, path).map_err(Box::new)?;
                let names = dict.texts(names_key).unwrap_or_default();
                names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
        };
        if names.len() != self.n_classes {
            let (expected, found) = (self.n_classes, names.len());
            return Err(DataError::ClassNames { path: path.to_owned(), expected, found });
        }
        Ok(names)
    }
}

#[derive(Default)]
struct Records {
    pixels: Vec<u8>,
    labels: Vec<u16>,
}

impl Records {
    /// Makes room for the pixels of `n` more images.
    fn reserve(&mut self, path: &Path, n: usize) -> Result<(), DataError> {
        self.pixels.try_reserve_exact(n * SHAPE.pixels()).map_err(|_refused| DataError::OutOfMemory {
            path: path.to_owned(),
            what: "images",
            bytes: (n * SHAPE.pixels()) as u64,
        })
    }

    fn into_split(self) -> Split {
        Split { values: Values::Bytes(self.pixels), labels: self.labels }
    }
}

#[cfg(test)]
mod tests;
