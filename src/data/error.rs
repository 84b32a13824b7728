//! Why a data set could not be read. Each message says what was expected and found, and names the file last.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::ImageShape;
use crate::files::FileError;

#[derive(Debug, Error)]
pub enum DataError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("no such file or folder (`optdigits` is the embedded data set): {}", path.display())]
    NotFound { path: PathBuf },
    #[error("could not list the folder ({source}): {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("more than {limit} files in the folder, choose the one with the images: {}", path.display())]
    FolderTooLarge { path: PathBuf, limit: usize },
    #[error("expected {} (with or without .gz, here or in `raw`), found {found}: {}", missing.join(" and "), path.display())]
    Missing { path: PathBuf, missing: Vec<&'static str>, found: String },
    #[error("expected IDX {expected}, whose first bytes are {magic:08x}, found {found}: {}", path.display())]
    Magic { path: PathBuf, expected: &'static str, magic: u32, found: String },
    #[error("expected {expected} bytes of {what}, the file ends after {found}: {}", path.display())]
    Cut { path: PathBuf, what: &'static str, expected: u64, found: u64 },
    #[error("expected {expected} bytes of {what}, more bytes follow: {}", path.display())]
    TrailingBytes { path: PathBuf, what: &'static str, expected: u64 },
    #[error("expected at least one image of at least one pixel, found {count} of {height} x {width}: {}", path.display())]
    Empty { path: PathBuf, count: u32, height: u32, width: u32 },
    #[error("expected at most {limit} bytes of {what}, the header declares {found}: {}", path.display())]
    TooLarge { path: PathBuf, what: &'static str, found: u64, limit: u64 },
    #[error("not enough memory for {bytes} bytes of {what}: {}", path.display())]
    OutOfMemory { path: PathBuf, what: &'static str, bytes: u64 },
    #[error("the gzip data is damaged ({source}): {}", path.display())]
    Gzip { path: PathBuf, source: io::Error },
    #[error("expected one label for each of {images} images, found {labels} labels: {}", path.display())]
    Counts { path: PathBuf, images: usize, labels: usize },
    #[error("expected test images of {train} like the training images, found {test}: {}", path.display())]
    Shapes { path: PathBuf, train: ImageShape, test: ImageShape },
    #[error("line {line}: expected {expected} whole numbers up to {limit}, found `{found}`: {}", path.display())]
    Row { path: PathBuf, line: usize, expected: usize, limit: u8, found: String },
    #[error(
        "expected a normalization like `0.1307/0.3081` with one mean and one positive standard deviation, or {channels} of each, found `{text}`: {problem}"
    )]
    Normalization { text: String, channels: usize, problem: &'static str },
    #[error(
        "expected random changes like `flip,crop:4,affine:15,jitter:0.25` that fit the data set, or `none`, found `{text}`: {problem}"
    )]
    Augmentation { text: String, problem: &'static str },
}
