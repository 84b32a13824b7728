//! Folders of PNG and JPEG files, one folder a class: `train/CLASS/*` and `test/CLASS/*` or `val/CLASS/*`, as torchvision's
//! `ImageFolder` reads them, and Tiny ImageNet as it is distributed.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageDecoder as _, ImageReader};
use rayon::prelude::*;

use super::detect::{has_extension, list, listed, named};
use super::{DataError, Dataset, ImageShape, Split, Values};
use crate::files;

/// The most images of one class and of one split.
const MAX_CLASS_FILES: usize = 1_000_000;
const MAX_FILES: usize = 4_000_000;
const MAX_CLASSES: usize = 10_000;
/// The largest file of an image, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The most pixels of an image: 4096 x 4096.
const MAX_PIXELS: u64 = 1 << 24;
/// The most decoded bytes of a split.
const MAX_SPLIT_BYTES: u64 = 8 << 30;
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
/// Tiny ImageNet's folder of images in a class, and its lists.
const INNER_FOLDER: &str = "images";
const ANNOTATIONS: &str = "val_annotations.txt";
const WORDS: &str = "words.txt";
const MAX_LIST_BYTES: u64 = 64 << 20;

/// Opens the folder whose `entries` have `train` and `test` or `val`; `None` without them.
pub(super) fn open(folder: &Path, entries: &[PathBuf]) -> Result<Option<Dataset>, DataError> {
    let split_folder = |name: &str| named(entries, name).filter(|path| path.is_dir());
    let Some(train_folder) = split_folder("train") else {
        return Ok(None);
    };
    // Tiny ImageNet's `test` has no labels: `val` goes first where both are.
    let Some(test_folder) = split_folder("val").or_else(|| split_folder("test")) else {
        return Ok(None);
    };
    let classes: Vec<PathBuf> = list(train_folder, MAX_CLASSES)?.into_iter().filter(|path| path.is_dir()).collect();
    if classes.is_empty() {
        return Err(DataError::NoImages {
            path: train_folder.to_owned(),
            found: listed(&list(train_folder, MAX_CLASSES)?),
        });
    }
    let places: BTreeMap<String, u16> = classes.iter().map(|path| own_name(path)).zip(0..).collect();
    let train = labelled(&classes, &places, train_folder)?;
    let annotations = test_folder.join(ANNOTATIONS);
    let test = if annotations.is_file() {
        annotated(&annotations, &places)?
    } else {
        let folders: Vec<PathBuf> = list(test_folder, MAX_CLASSES)?.into_iter().filter(|path| path.is_dir()).collect();
        labelled(&folders, &places, test_folder)?
    };
    let headers = [headers(&train)?, headers(&test)?];
    let shape = common_shape([&train, &test], &headers)?;
    let class_names = class_names(classes.iter().map(|path| own_name(path)).collect(), named(entries, WORDS))?;
    Ok(Some(Dataset {
        name: own_name(&std::fs::canonicalize(folder).unwrap_or_else(|_gone| folder.to_owned())),
        source: folder.display().to_string(),
        shape,
        max_value: u8::MAX,
        class_names,
        train: decode(train, shape, train_folder)?,
        test: decode(test, shape, test_folder)?,
        notes: Vec::new(),
    }))
}

/// Image files and their labels.
#[derive(Default)]
struct Labelled {
    paths: Vec<PathBuf>,
    labels: Vec<u16>,
}

/// The images in some classes' folders of a split.
fn labelled(classes: &[PathBuf], places: &BTreeMap<String, u16>, split: &Path) -> Result<Labelled, DataError> {
    let mut found = Labelled::default();
    for class in classes {
        let Some(&label) = places.get(&own_name(class)) else {
            return Err(DataError::UnknownClass { path: class.clone(), name: own_name(class) });
        };
        let mut files = images(list(class, MAX_CLASS_FILES)?);
        let inner = class.join(INNER_FOLDER);
        if files.is_empty() && inner.is_dir() {
            files = images(list(&inner, MAX_CLASS_FILES)?);
        }
        found.labels.resize(found.labels.len() + files.len(), label);
        found.paths.extend(files);
        if found.paths.len() > MAX_FILES {
            return Err(DataError::FolderTooLarge { path: split.to_owned(), limit: MAX_FILES });
        }
    }
    if found.paths.is_empty() {
        return Err(DataError::NoImages { path: split.to_owned(), found: listed(classes) });
    }
    Ok(found)
}

fn images(entries: Vec<PathBuf>) -> Vec<PathBuf> {
    entries.into_iter().filter(|path| has_extension(path, &EXTENSIONS)).collect()
}

/// The images of a list with lines like `val_0.JPEG n03444034 0 32 44 62`, tabs between, which lie in `images` beside it.
fn annotated(list: &Path, places: &BTreeMap<String, u16>) -> Result<Labelled, DataError> {
    let bytes = files::read_limited(list, MAX_LIST_BYTES)?;
    let folder = list.with_file_name(INNER_FOLDER);
    let mut found = Labelled::default();
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let mut fields = line.split('\t');
        let (file, class) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        // A name alone: nothing outside the folder is read.
        let is_name = !file.is_empty() && !file.contains(['/', '\\']) && file != "..";
        match places.get(class).filter(|_| is_name) {
            Some(&label) => {
                found.paths.push(folder.join(file));
                found.labels.push(label);
            }
            None => {
                let found = line.chars().take(80).collect::<String>().escape_debug().to_string();
                return Err(DataError::Annotation { path: list.to_owned(), line: index + 1, found });
            }
        }
    }
    if found.paths.is_empty() {
        return Err(DataError::NoExamples { path: list.to_owned() });
    }
    Ok(found)
}

/// What the header of an image says.
#[derive(Clone, Copy)]
struct Header {
    height: usize,
    width: usize,
    is_grey: bool,
}

/// The headers of all images; nothing is decoded.
fn headers(images: &Labelled) -> Result<Vec<Header>, DataError> {
    let header = |path: &PathBuf| {
        let bytes = files::read_limited(path, MAX_FILE_BYTES)?;
        let decoder = reader(&bytes).and_then(ImageReader::into_decoder);
        let decoder = decoder.map_err(|source| DataError::Image { path: path.clone(), source })?;
        let (width, height) = decoder.dimensions();
        let n_pixels = u64::from(width) * u64::from(height);
        if n_pixels > MAX_PIXELS {
            return Err(DataError::ImageTooLarge { path: path.clone(), found: n_pixels, limit: MAX_PIXELS });
        }
        let is_grey = matches!(decoder.color_type(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
        Ok(Header { height: height as usize, width: width as usize, is_grey })
    };
    // In order: the first file that cannot be read is named, whichever thread meets it.
    images.paths.par_iter().map(header).collect::<Vec<_>>().into_iter().collect()
}

/// A reader that knows the kind of image from its content.
fn reader(bytes: &[u8]) -> image::ImageResult<ImageReader<Cursor<&[u8]>>> {
    Ok(ImageReader::new(Cursor::new(bytes)).with_guessed_format()?)
}

/// One shape for all images of both splits: grey only if all are.
fn common_shape(splits: [&Labelled; 2], headers: &[Vec<Header>; 2]) -> Result<ImageShape, DataError> {
    let mut all = splits.iter().flat_map(|split| &split.paths).zip(headers.iter().flatten());
    let Some((first_path, first)) = all.next() else {
        return Ok(ImageShape::tabular(0));
    };
    let is_grey = headers.iter().flatten().all(|header| header.is_grey);
    for (path, header) in all {
        if (header.height, header.width) != (first.height, first.width) {
            return Err(DataError::ImageSizes {
                path: path.clone(),
                found: [header.height, header.width],
                first: first_path.clone(),
                expected: [first.height, first.width],
            });
        }
    }
    Ok(ImageShape { channels: if is_grey { 1 } else { 3 }, height: first.height, width: first.width })
}

/// Decodes all images of a split, on all cores.
fn decode(images: Labelled, shape: ImageShape, folder: &Path) -> Result<Split, DataError> {
    let n_bytes = (images.paths.len() as u64).saturating_mul(shape.pixels() as u64);
    let (path, what) = (folder.to_owned(), "decoded images");
    if n_bytes > MAX_SPLIT_BYTES {
        return Err(DataError::TooLarge { path, what, found: n_bytes, limit: MAX_SPLIT_BYTES });
    }
    let mut pixels: Vec<u8> = Vec::new();
    let refused = pixels.try_reserve_exact(n_bytes as usize).is_err();
    if refused {
        return Err(DataError::OutOfMemory { path, what, bytes: n_bytes });
    }
    pixels.resize(n_bytes as usize, 0);
    let faults: Vec<Result<(), DataError>> = pixels
        .par_chunks_exact_mut(shape.pixels())
        .zip(&images.paths)
        .map(|(out, path)| decode_one(path, shape, out))
        .collect();
    faults.into_iter().collect::<Result<(), _>>()?;
    Ok(Split { values: Values::Bytes(pixels), labels: images.labels })
}

/// Decodes one image to `[channels, height, width]`.
fn decode_one(path: &Path, shape: ImageShape, out: &mut [u8]) -> Result<(), DataError> {
    let bytes = files::read_limited(path, MAX_FILE_BYTES)?;
    let image = reader(&bytes).and_then(ImageReader::decode);
    let image: DynamicImage = image.map_err(|source| DataError::Image { path: path.to_owned(), source })?;
    let pixels = if shape.channels == 1 { image.into_luma8().into_raw() } else { image.into_rgb8().into_raw() };
    if pixels.len() != out.len() {
        let (expected, found) = (out.len() as u64, pixels.len() as u64);
        return Err(files::FileError::Changed { path: path.to_owned(), expected, found }.into());
    }
    let per_channel = shape.height * shape.width;
    for (channel, out) in out.chunks_exact_mut(per_channel).enumerate() {
        for (out, &value) in out.iter_mut().zip(pixels[channel..].iter().step_by(shape.channels)) {
            *out = value;
        }
    }
    Ok(())
}

/// The classes by the words of a list with lines like `n00001740 entity`, a tab between; classes that are not in it keep their name.
fn class_names(mut names: Vec<String>, words: Option<&Path>) -> Result<Vec<String>, DataError> {
    if let Some(path) = words {
        let bytes = files::read_limited(path, MAX_LIST_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let words: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('\t')).collect();
        for name in &mut names {
            if let Some(word) = words.get(name.as_str()) {
                *name = word.split(',').next().unwrap_or(word).trim().to_owned();
            }
        }
    }
    Ok(names)
}

fn own_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
