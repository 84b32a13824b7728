//! Why a data set could not be read. Each message says what was expected and found, and names the file last.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{ImageShape, SplitName};
use crate::checkpoint::CheckpointError;
use crate::files::FileError;

#[derive(Debug, Error)]
pub enum DataError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Checkpoint(#[from] Box<CheckpointError>),
    #[error(
        "expected bytes of shape [n, 3072] under `data` and a list of integers under `{labels_key}`, found {found}: {}",
        path.display()
    )]
    Batch { path: PathBuf, labels_key: &'static str, found: String },
    #[error(
        "expected arrays `x_train`, `y_train`, `x_test` and `y_test`, or `x` and `y`, found {found}: {}", path.display()
    )]
    Arrays { path: PathBuf, found: String },
    #[error("array `{name}`: expected {expected}, found {found}: {}", path.display())]
    Array { path: PathBuf, name: String, expected: &'static str, found: String },
    #[error("no such file or folder (`optdigits`, `moons`, `spirals` and `blobs` are in the program): {}", path.display())]
    NotFound { path: PathBuf },
    #[error(
        "expected train-images-idx3-ubyte and its companions, CIFAR's data_batch_1.bin or train.bin, train.csv and test.csv, or image folders train and test, found {found}: {}",
        path.display()
    )]
    Unrecognized { path: PathBuf, found: String },
    #[error("expected {what}'s {missing} beside its other files: {}", path.display())]
    MissingFile { path: PathBuf, what: &'static str, missing: &'static str },
    #[error("expected {split} examples, found none: {}", path.display())]
    EmptySplit { path: PathBuf, split: SplitName },
    #[error("expected examples of at least two classes, all have the same: {}", path.display())]
    OneClass { path: PathBuf },
    #[error("expected examples, found none: {}", path.display())]
    NoExamples { path: PathBuf },
    #[error("expected records of {record_bytes} bytes each, found {found} bytes: {}", path.display())]
    Records { path: PathBuf, record_bytes: usize, found: usize },
    #[error("expected labels below {n_classes}, found {found} for example {index}: {}", path.display())]
    Label { path: PathBuf, index: usize, found: i64, n_classes: usize },
    #[error("expected {expected} names of classes, found {found}: {}", path.display())]
    ClassNames { path: PathBuf, expected: usize, found: usize },
    #[error("expected PNG or JPEG files in a folder for each class, found {found}: {}", path.display())]
    NoImages { path: PathBuf, found: String },
    #[error("the class `{}` has no training images: {}", name.escape_debug(), path.display())]
    UnknownClass { path: PathBuf, name: String },
    #[error("line {line}: expected a file's name and the name of a class with training images, found `{found}`: {}", path.display())]
    Annotation { path: PathBuf, line: usize, found: String },
    #[error("the image cannot be read ({source}): {}", path.display())]
    Image { path: PathBuf, source: image::ImageError },
    #[error("expected an image of at most {limit} pixels, its header declares {found}: {}", path.display())]
    ImageTooLarge { path: PathBuf, found: u64, limit: u64 },
    #[error(
        "expected images of one size, found {} x {} pixels where {} has {} x {}: {}",
        found[0], found[1], first.display(), expected[0], expected[1], path.display()
    )]
    ImageSizes { path: PathBuf, found: [usize; 2], first: PathBuf, expected: [usize; 2] },
    #[error("the table cannot be read ({source}): {}", path.display())]
    Csv { path: PathBuf, source: csv::Error },
    #[error("expected columns of numbers and one of labels, separated by commas, found one column: {}", path.display())]
    OneColumn { path: PathBuf },
    #[error("line {line}: expected {expected} columns, found {found}: {}", path.display())]
    Columns { path: PathBuf, line: u64, expected: usize, found: usize },
    #[error("line {line}, column {column}: expected {expected}, found `{found}`: {}", path.display())]
    Cell { path: PathBuf, line: u64, column: String, expected: &'static str, found: String },
    #[error("expected at most {limit} classes, the labels need {found}: {}", path.display())]
    TooManyClasses { path: PathBuf, found: usize, limit: usize },
    #[error(
        "expected a share of labels between 0 and 1 and at least 2 classes, found {fraction} of {n_classes} classes"
    )]
    LabelNoise { fraction: f64, n_classes: usize },
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
