//! Data sets in NumPy's `.npz`: `x_train, y_train, x_test, y_test`, or `x, y` of which a fifth is held out.

use std::path::Path;

use super::{DataError, Dataset, ImageShape, Split, Values, holdout};
use crate::checkpoint::Dtype;
use crate::checkpoint::npz::{NpyArray, arrays};
use crate::files;

/// The largest file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 30;
/// As many classes as labels of 16 bits can name.
const MAX_CLASSES: usize = 1 << 16;
/// Names under which examples and labels are saved: of training, of testing, and of both together.
const TRAIN: [(&str, &str); 4] =
    [("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"), ("train_data", "train_labels")];
const TEST: [(&str, &str); 4] =
    [("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"), ("test_data", "test_labels")];
const BOTH: [(&str, &str); 4] = [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "labels")];

/// Whether the arrays of an `.npz` file are a data set and no checkpoint.
pub(super) fn is_data(bytes: &[u8], path: &Path) -> bool {
    let is_pair = |[x, _]: [&NpyArray<'_>; 2]| 1 < x.shape.len();
    arrays(bytes, path)
        .is_ok_and(|found| TRAIN.iter().chain(&BOTH).any(|names| pair(&found, *names).is_some_and(is_pair)))
}

/// Opens an `.npz` file as a data set.
pub(super) fn open_file(path: &Path) -> Result<Dataset, DataError> {
    let bytes = files::read_limited(path, MAX_FILE_BYTES)?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Dataset, DataError> {
    let found = arrays(bytes, path).map_err(Box::new)?;
    let of = |names: &[(&str, &str)]| names.iter().find_map(|names| pair(&found, *names));
    let (train, test, notes) = match (of(&TRAIN), of(&TEST), of(&BOTH)) {
        (Some(train), Some(test), _) => (split(train, path)?, split(test, path)?, Vec::new()),
        (_, _, Some(both)) => {
            let (shape, all) = split(both, path)?;
            let [train, test] = holdout::hold_out(&all, shape.pixels());
            ((shape, train), (shape, test), vec![holdout::NOTE.to_owned()])
        }
        _ => {
            let names: Vec<String> = found.iter().map(|array| format!("`{}`", array.name.escape_debug())).collect();
            return Err(DataError::Arrays { path: path.to_owned(), found: names.join(", ") });
        }
    };
    if train.0 != test.0 {
        return Err(DataError::Shapes { path: path.to_owned(), train: train.0, test: test.0 });
    }
    let ((shape, train), (_, test)) = (train, test);
    let n_classes = train.labels.iter().chain(&test.labels).max().map_or(0, |largest| usize::from(*largest) + 1);
    Ok(Dataset {
        name: path.file_stem().map_or_else(|| "arrays".to_owned(), |name| name.to_string_lossy().into_owned()),
        source: path.display().to_string(),
        shape,
        max_value: u8::MAX,
        class_names: (0..n_classes).map(|class| class.to_string()).collect(),
        train,
        test,
        notes,
    })
}

/// Examples and labels of these names, if both are there.
fn pair<'a, 'b>(found: &'a [NpyArray<'b>], (x, y): (&str, &str)) -> Option<[&'a NpyArray<'b>; 2]> {
    let named = |name: &str| found.iter().find(|array| array.name == name);
    Some([named(x)?, named(y)?])
}

fn split([x, y]: [&NpyArray<'_>; 2], path: &Path) -> Result<(ImageShape, Split), DataError> {
    let wrong = |array: &NpyArray<'_>, expected: &'static str| DataError::Array {
        path: path.to_owned(),
        name: array.name.clone(),
        expected,
        found: format!("{} of shape {:?}", array.dtype, array.shape),
    };
    let (shape, is_channels_last) = match *x.shape {
        [_, n] => (ImageShape::tabular(n), false),
        [_, height, width] => (ImageShape { channels: 1, height, width }, false),
        [_, height, width, channels @ (1 | 3)] => (ImageShape { channels, height, width }, true),
        [_, channels, height, width] => (ImageShape { channels, height, width }, false),
        _ => {
            return Err(wrong(x, "examples of shape [n, values], [n, h, w], [n, h, w, 1 or 3] or [n, channels, h, w]"));
        }
    };
    let (n, n_values) = (x.shape[0], shape.pixels());
    if n == 0 || n_values == 0 {
        return Err(wrong(x, "at least one example of at least one value"));
    }
    let values = match x.dtype {
        Dtype::U8 if is_channels_last => Values::Bytes(channels_first(&x.bytes, shape)),
        Dtype::U8 => Values::Bytes(x.bytes.to_vec()),
        _ if is_channels_last => Values::Floats(channels_first(&x.widened(), shape)),
        _ => Values::Floats(x.widened()),
    };
    if !matches!(*y.shape, [_] | [_, 1]) {
        return Err(wrong(y, "labels of shape [n]"));
    }
    let labels = y.widened();
    if labels.len() != n {
        return Err(DataError::Counts { path: path.to_owned(), images: n, labels: labels.len() });
    }
    let label = |(index, value): (usize, &f32)| match *value {
        whole if whole.fract() == 0.0 && (0.0..MAX_CLASSES as f32).contains(&whole) => Ok(whole as u16),
        // Infinite and NaN labels are shown as the largest whole number.
        other => Err(DataError::Label { path: path.to_owned(), index, found: other as i64, n_classes: MAX_CLASSES }),
    };
    let labels = labels.iter().enumerate().map(label).collect::<Result<_, _>>()?;
    Ok((shape, Split { values, labels }))
}

/// From `[n, height, width, channels]` to `[n, channels, height, width]`.
fn channels_first<T: Copy>(values: &[T], shape: ImageShape) -> Vec<T> {
    let mut sorted = Vec::with_capacity(values.len());
    for image in values.chunks_exact(shape.pixels()) {
        for channel in 0..shape.channels {
            sorted.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    sorted
}

#[cfg(test)]
mod tests;
