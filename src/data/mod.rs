//! Data sets: images and labels in memory, as bytes, with what is needed to turn them into the inputs of a network.

mod error;
mod folder;
mod idx;
mod normalization;
mod optdigits;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use self::error::DataError;
pub use self::idx::{IdxImages, parse_idx_images, parse_idx_labels};
pub use self::normalization::Normalization;
pub use self::optdigits::optdigits;

/// What [`open`] calls the set that is part of the program.
pub const EMBEDDED: &str = "optdigits";

/// The size of every image of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl ImageShape {
    /// Values of one image.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.channels, self.height, self.width)
    }
}

/// Some images with their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// `[n, channels, height, width]`, row-major.
    pub pixels: Vec<u8>,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u16>,
}

impl Split {
    /// How many images.
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

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// A checked data set: both splits have images, all of the same shape, as many labels, and labels of known classes.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: String,
    /// The folder it was read from, or "embedded".
    pub source: String,
    pub shape: ImageShape,
    /// The byte that stands for 1: 255, and 16 for optdigits.
    pub max_value: u8,
    /// One for each class, in the order of the labels.
    pub class_names: Vec<String>,
    pub train: Split,
    pub test: Split,
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

/// Opens a data set: `optdigits` is the one in the program; anything else is a folder of IDX files, or one of those files.
pub fn open(spec: &str) -> Result<Dataset, DataError> {
    if spec == EMBEDDED { Ok(optdigits()) } else { folder::open(Path::new(spec)) }
}

#[cfg(test)]
mod tests;
