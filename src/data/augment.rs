//! Training images changed at random, as the papers' code (torchvision) changes them.
//!
//! Everything happens on values between 0 and 1, before they are normalised: what comes in from outside an image is black.

use std::fmt;

use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

use super::{DataError, Dataset, ImageShape, Values};

/// The share of each colour in the brightness of a pixel (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// One random change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Left and right exchanged, half of the time.
    Flip,
    /// The image moved by at most `padding` pixels in either direction.
    Crop { padding: usize },
    /// Rotated about the centre by at most `degrees` either way and scaled by a factor between the two; each pixel takes the
    /// nearest of the image, which is torchvision's default.
    Affine { degrees: f32, scale: [f32; 2] },
    /// Contrast and saturation multiplied by factors from `1 - strength` to `1 + strength`, in either order.
    Jitter { strength: f32 },
}

/// Random changes, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    pub changes: Vec<Change>,
}

impl Augmentation {
    /// Images as they are.
    pub fn none() -> Self {
        Self::default()
    }

    /// CIFAR in Garipov et al. (2018).
    pub fn cifar() -> Self {
        Self { changes: vec![Change::Flip, Change::Crop { padding: 4 }] }
    }

    /// CIFAR in Tatro et al. (2020).
    pub fn neuron_alignment_cifar() -> Self {
        Self { changes: vec![Change::rotation(15.0), Change::Flip, Change::Crop { padding: 4 }] }
    }

    /// Tiny ImageNet in Tatro et al. (2020).
    pub fn tiny_imagenet() -> Self {
        let affine = Change::Affine { degrees: 30.0, scale: [0.8, 1.2] };
        Self { changes: vec![Change::Flip, Change::Crop { padding: 8 }, affine, Change::Jitter { strength: 0.25 }] }
    }

    pub fn is_none(&self) -> bool {
        self.changes.is_empty()
    }

    /// Reads a list like `flip,crop:4,affine:30:0.8:1.2,jitter:0.25`, or `none`.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        let fail = |problem| DataError::Augmentation { text: text.to_owned(), problem };
        if text.trim() == "none" {
            return Ok(Self::none());
        }
        let changes = text.split(',').map(|part| Change::parse(part.trim()).map_err(fail));
        Ok(Self { changes: changes.collect::<Result<_, _>>()? })
    }

    /// Checks that the changes make sense for a data set.
    pub fn check(&self, dataset: &Dataset) -> Result<(), DataError> {
        let fail = |problem| Err(DataError::Augmentation { text: self.to_string(), problem });
        let ImageShape { channels, height, width } = dataset.shape;
        for change in &self.changes {
            match *change {
                _ if height * width <= 1 => return fail("the data set has no images"),
                Change::Crop { padding } if padding >= height.min(width) => {
                    return fail("the padding is as large as the images");
                }
                Change::Jitter { .. } if matches!(dataset.train.values, Values::Floats(_)) => {
                    return fail("colours need images of bytes");
                }
                Change::Jitter { .. } if channels != 1 && channels != 3 => {
                    return fail("colours need images of 1 or 3 channels");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Changes one image `[channels, height, width]` of values between 0 and 1 in place.
    pub(super) fn apply(&self, shape: ImageShape, rng: &mut impl Rng, image: &mut [f32]) {
        for change in &self.changes {
            match *change {
                Change::Flip => {
                    if rng.random() {
                        image.chunks_exact_mut(shape.width).for_each(<[f32]>::reverse);
                    }
                }
                Change::Crop { padding } => {
                    let [down, right] = std::array::from_fn(|_| rng.random_range(0..=2 * padding) as isize);
                    let padding = padding as isize;
                    shift(shape, [padding - down, padding - right], image);
                }
                Change::Affine { degrees, scale } => {
                    let angle = rng.random_range(-degrees..=degrees);
                    rotate(shape, angle, rng.random_range(scale[0]..=scale[1]), image);
                }
                Change::Jitter { strength } => {
                    let factors: [f32; 2] = std::array::from_fn(|_| rng.random_range(1.0 - strength..=1.0 + strength));
                    let contrast_first: bool = rng.random();
                    if contrast_first {
                        contrast(shape, factors[0], image);
                    }
                    saturation(shape, factors[1], image);
                    if !contrast_first {
                        contrast(shape, factors[0], image);
                    }
                }
            }
        }
    }
}

impl Change {
    fn rotation(degrees: f32) -> Self {
        Self::Affine { degrees, scale: [1.0, 1.0] }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let numbers: Vec<f32> = parts
            .map(|part| part.parse::<f32>().ok().filter(|number| number.is_finite() && *number >= 0.0))
            .collect::<Option<_>>()
            .ok_or("expected numbers from 0 on behind each `:`")?;
        match (name, numbers.as_slice()) {
            ("flip", []) => Ok(Self::Flip),
            ("crop", &[padding]) if padding.fract() == 0.0 && (1.0..=1024.0).contains(&padding) => {
                Ok(Self::Crop { padding: padding as usize })
            }
            ("affine", &[degrees]) if degrees <= 180.0 => Ok(Self::rotation(degrees)),
            ("affine", &[degrees, low, high]) if degrees <= 180.0 && 0.0 < low && low <= high => {
                Ok(Self::Affine { degrees, scale: [low, high] })
            }
            ("jitter", &[strength]) if strength <= 1.0 => Ok(Self::Jitter { strength }),
            ("flip", _) => Err("`flip` takes no number"),
            ("crop", _) => Err("`crop` takes a whole number of pixels from 1 to 1024"),
            ("affine", _) => Err("`affine` takes degrees up to 180, and optionally the smallest and the largest scale"),
            ("jitter", _) => Err("`jitter` takes a number up to 1"),
            _ => Err("no such change"),
        }
    }
}

/// Printed as [`Augmentation::parse`] reads it.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        for (index, change) in self.changes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Flip => f.write_str("flip"),
            Self::Crop { padding } => write!(f, "crop:{padding}"),
            Self::Affine { degrees, .. } if *self == Self::rotation(degrees) => write!(f, "affine:{degrees}"),
            Self::Affine { degrees, scale: [low, high] } => write!(f, "affine:{degrees}:{low}:{high}"),
            Self::Jitter { strength } => write!(f, "jitter:{strength}"),
        }
    }
}

/// Moves an image down and to the right by so many pixels.
fn shift(shape: ImageShape, [down, right]: [isize; 2], image: &mut [f32]) {
    let from = |to: usize, by: isize, size: usize| to.checked_add_signed(-by).filter(|from| *from < size);
    for channel in image.chunks_exact_mut(shape.height * shape.width) {
        // A row is overwritten only after the rows that come from it are written.
        for step in 0..shape.height {
            let row = if down > 0 { shape.height - 1 - step } else { step };
            let Some(source) = from(row, down, shape.height) else {
                channel[row * shape.width..][..shape.width].fill(0.0);
                continue;
            };
            channel.copy_within(source * shape.width..(source + 1) * shape.width, row * shape.width);
            let row = &mut channel[row * shape.width..][..shape.width];
            let by = right.unsigned_abs().min(shape.width);
            if right > 0 {
                row.copy_within(..shape.width - by, by);
                row[..by].fill(0.0);
            } else {
                row.copy_within(by.., 0);
                row[shape.width - by..].fill(0.0);
            }
        }
    }
}

/// Rotates an image about its centre, clockwise as it is seen, and enlarges it by `scale`.
fn rotate(shape: ImageShape, degrees: f32, scale: f32, image: &mut [f32]) {
    let ImageShape { height, width, .. } = shape;
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = [height as f32 / 2.0, width as f32 / 2.0];
    let original = image.to_vec();
    for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
        // From the middle of a pixel back to where it came from.
        let [y, x] = [row as f32 + 0.5 - centre[0], column as f32 + 0.5 - centre[1]];
        let from_x = ((cos * x + sin * y) / scale + centre[1]).floor();
        let from_y = ((cos * y - sin * x) / scale + centre[0]).floor();
        let inside = (0.0..height as f32).contains(&from_y) && (0.0..width as f32).contains(&from_x);
        let places = image.chunks_exact_mut(height * width).zip(original.chunks_exact(height * width));
        for (channel, original) in places {
            channel[row * width + column] =
                if inside { original[from_y as usize * width + from_x as usize] } else { 0.0 };
        }
    }
}

/// Moves every value away from the mean brightness, or towards it.
fn contrast(shape: ImageShape, factor: f32, image: &mut [f32]) {
    let per_channel = shape.height * shape.width;
    let sum: f32 = (0..per_channel).map(|pixel| brightness(image, per_channel, pixel)).sum();
    let mean = sum / per_channel as f32;
    image.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
}

/// Moves every colour away from grey, or towards it. Grey images stay as they are.
fn saturation(shape: ImageShape, factor: f32, image: &mut [f32]) {
    let per_channel = shape.height * shape.width;
    if shape.channels != GREY.len() {
        return;
    }
    for pixel in 0..per_channel {
        let grey = brightness(image, per_channel, pixel);
        for value in image[pixel..].iter_mut().step_by(per_channel) {
            *value = blend(*value, grey, factor);
        }
    }
}

fn brightness(image: &[f32], per_channel: usize, pixel: usize) -> f32 {
    if image.len() == per_channel {
        return image[pixel];
    }
    image[pixel..].iter().step_by(per_channel).zip(GREY).map(|(value, share)| value * share).sum()
}

fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (factor * value + (1.0 - factor) * other).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
