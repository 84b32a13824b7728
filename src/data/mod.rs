//! Data sets: examples and labels in memory, images as bytes, with what is needed to turn them into the inputs of a network.

mod attack;
mod augment;
mod cifar;
mod detect;
mod error;
mod holdout;
mod idx;
mod idx_folder;
mod image_folder;
mod inputs;
mod label_noise;
mod normalization;
mod npz;
mod optdigits;
mod table;
mod toys;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use self::attack::{Attack, Ball, in_shades, parse_shades};
pub use self::augment::{Augmentation, Change};
pub use self::error::DataError;
pub use self::idx::{IdxImages, parse_idx_images, parse_idx_labels};
pub use self::inputs::Inputs;
pub use self::normalization::Normalization;
pub use self::optdigits::optdigits;
pub use self::toys::Toy;

/// What [`open`] calls the set that is part of the program.
pub const EMBEDDED: &str = "optdigits";

/// The size of every image of a data set. Examples that are no images have one channel a value, and height and width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl ImageShape {
    /// The shape of examples that are no images.
    pub fn tabular(n_values: usize) -> Self {
        Self { channels: n_values, height: 1, width: 1 }
    }

    pub fn is_tabular(&self) -> bool {
        self.height == 1 && self.width == 1
    }

    /// Values of one image.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_tabular() {
            write!(f, "{} values", self.channels)
        } else {
            write!(f, "{} x {} x {}", self.channels, self.height, self.width)
        }
    }
}

/// The values of some examples, `[n, channels, height, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Pixels, from 0 to the data set's `max_value`.
    Bytes(Vec<u8>),
    /// Taken as they are, all finite.
    Floats(Vec<f32>),
}

impl Values {
    /// How many values all examples have together.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

/// Some examples with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    pub values: Values,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u16>,
}

impl Split {
    /// How many examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    Train,
    Test,
}

impl SplitName {
    /// For texts.
    pub fn images(self) -> &'static str {
        match self {
            Self::Train => "training images",
            Self::Test => "test images",
        }
    }
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// A checked data set: both splits have examples, all of the same shape, as many labels, and labels of known classes.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: String,
    /// The file or folder it was read from, or "embedded".
    pub source: String,
    pub shape: ImageShape,
    /// The byte that stands for 1: 255, and 16 for optdigits. Without meaning for floats.
    pub max_value: u8,
    /// One for each class, in the order of the labels.
    pub class_names: Vec<String>,
    pub train: Split,
    pub test: Split,
    /// What the user should know of how it was read.
    pub notes: Vec<String>,
}

impl Dataset {
    pub fn n_classes(&self) -> usize {
        self.class_names.len()
    }

    pub fn split(&self, name: SplitName) -> &Split {
        match name {
            SplitName::Train => &self.train,
            SplitName::Test => &self.test,
        }
    }
}

/// Opens a data set: `optdigits` and the [`Toy`]s are in the program; anything else is a file or folder, of the kind that its
/// content shows: IDX files, CIFAR's batches, folders of images, CSV, or `.npz`.
pub fn open(spec: &str) -> Result<Dataset, DataError> {
    if spec == EMBEDDED {
        return Ok(optdigits());
    }
    if let Some(toy) = Toy::by_name(spec) {
        return Ok(toy.dataset());
    }
    let path = Path::new(spec);
    check(detect::open(path)?, path)
}

/// Whether a path, unless it is a checkpoint or a folder of them, is to be opened as data.
pub fn holds_data(path: &Path) -> bool {
    detect::holds_data(path)
}

/// Checks what every kind of data set must have.
fn check(dataset: Dataset, path: &Path) -> Result<Dataset, DataError> {
    for (name, split) in [(SplitName::Train, &dataset.train), (SplitName::Test, &dataset.test)] {
        if split.is_empty() {
            return Err(DataError::EmptySplit { path: path.to_owned(), split: name });
        }
    }
    let first = dataset.train.labels.first();
    if dataset.train.labels.iter().all(|label| Some(label) == first) {
        return Err(DataError::OneClass { path: path.to_owned() });
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests;
