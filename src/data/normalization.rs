//! From bytes to the inputs a network was trained on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DataError, Dataset, ImageShape, Values};

/// Per channel: `x = (byte / max_value - mean) / std`, and for floats `x = (value - mean) / std`.
///
/// The commonest reason why a sound network scores like a guess is that it was trained with another one than this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// `[channels]`
    pub mean: Vec<f32>,
    /// `[channels]`, positive.
    pub std: Vec<f32>,
}

/// Printed as [`Normalization::parse`] reads it.
impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[f32]| numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
        write!(f, "{}/{}", list(&self.mean), list(&self.std))
    }
}

impl Normalization {
    /// Pixels between 0 and 1, floats as they are, and nothing else.
    pub fn identity(channels: usize) -> Self {
        Self::same(channels, 0.0, 1.0)
    }

    fn same(channels: usize, mean: f32, std: f32) -> Self {
        Self { mean: vec![mean; channels], std: vec![std; channels] }
    }

    /// Reads means and standard deviations like `0.1307/0.3081` or `0.49,0.48,0.44/0.24,0.24,0.26`. One number stands for
    /// all channels.
    pub fn parse(text: &str, channels: usize) -> Result<Self, DataError> {
        let fail = |problem| DataError::Normalization { text: text.to_owned(), channels, problem };
        let (mean, std) = text.split_once('/').ok_or_else(|| fail("no `/` between means and deviations"))?;
        let numbers = |list: &str| -> Result<Vec<f32>, DataError> {
            let numbers: Vec<f32> = list
                .split(',')
                .map(|number| number.trim().parse().map_err(|_not_a_number| fail("not a number")))
                .collect::<Result<_, _>>()?;
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(fail("not a finite number"));
            }
            match numbers.as_slice() {
                [one] => Ok(vec![*one; channels]),
                all if all.len() == channels => Ok(numbers),
                _ => Err(fail("another number of channels")),
            }
        };
        let found = Self { mean: numbers(mean)?, std: numbers(std)? };
        if !found.std.iter().all(|std| usable_deviation(*std)) {
            return Err(fail("a standard deviation must be positive"));
        }
        Ok(found)
    }

    /// Mean and (population) standard deviation of each channel of the training images, in units of `max_value` for
    /// bytes. A channel that never changes gets a deviation of 1.
    pub fn of_train(dataset: &Dataset) -> Self {
        let (mean, std) = match &dataset.train.values {
            Values::Bytes(bytes) => {
                let histograms = histograms(dataset.shape, bytes);
                histograms.iter().map(|counts| mean_and_std(counts, dataset.max_value)).unzip()
            }
            Values::Floats(floats) => float_statistics(dataset.shape, floats).into_iter().unzip(),
        };
        Self { mean, std }
    }

    /// What networks for such images are usually trained with, each with a name: the candidates to try when an accuracy is
    /// no better than chance.
    pub fn usual(dataset: &Dataset) -> Vec<(String, Self)> {
        let channels = dataset.shape.channels;
        if matches!(dataset.train.values, Values::Floats(_)) {
            let statistics = ("mean and deviation of the training values".to_owned(), Self::of_train(dataset));
            return vec![("values as they are".to_owned(), Self::identity(channels)), statistics];
        }
        let max = dataset.max_value;
        let mut usual = vec![(format!("pixels / {max}"), Self::identity(channels))];
        let mut add = |name: &str, mean: &[f32], std: &[f32]| {
            usual.push((name.to_owned(), Self { mean: mean.to_vec(), std: std.to_vec() }));
        };
        match channels {
            1 => {
                add("MNIST", &[0.1307], &[0.3081]);
                add("Fashion-MNIST", &[0.2860], &[0.3530]);
            }
            3 => {
                add("CIFAR-10", &[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]);
                add("ImageNet", &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
            }
            _ => {}
        }
        usual.push(("(pixels - 0.5) / 0.5".to_owned(), Self::same(channels, 0.5, 0.5)));
        usual.push(("mean and deviation of the training images".to_owned(), Self::of_train(dataset)));
        usual.push((format!("pixels 0 to {max}"), Self::same(channels, 0.0, 1.0 / f32::from(max.max(1)))));
        usual
    }
}

/// How often each byte occurs, a histogram a channel.
fn histograms(shape: ImageShape, bytes: &[u8]) -> Vec<[u64; 256]> {
    let mut counts = vec![[0_u64; 256]; shape.channels];
    let side = (shape.height * shape.width).max(1);
    for image in bytes.chunks_exact(shape.pixels().max(1)) {
        for (channel, counts) in image.chunks_exact(side).zip(&mut counts) {
            for byte in channel {
                // A byte is always below 256.
                counts[usize::from(*byte)] += 1;
            }
        }
    }
    counts
}

/// Mean and deviation of each channel in two passes, so that a large mean takes nothing from the deviation.
fn float_statistics(shape: ImageShape, floats: &[f32]) -> Vec<(f32, f32)> {
    let side = (shape.height * shape.width).max(1);
    let mean_of = |channel: usize, term: &dyn Fn(f64) -> f64| -> f64 {
        let channels = floats.chunks_exact(side).skip(channel).step_by(shape.channels);
        let n = (floats.len() / shape.channels.max(1)).max(1);
        channels.flatten().map(|value| term(f64::from(*value))).sum::<f64>() / n as f64
    };
    let statistics = |channel| {
        let mean = mean_of(channel, &|value| value);
        let std = mean_of(channel, &|value| (value - mean).powi(2)).sqrt() as f32;
        (mean as f32, if usable_deviation(std) { std } else { 1.0 })
    };
    (0..shape.channels).map(statistics).collect()
}

/// A deviation whose inverse is infinite would make every input so.
fn usable_deviation(std: f32) -> bool {
    std > 0.0 && std.recip().is_finite()
}

/// Exact sums over a histogram of bytes, then one division.
fn mean_and_std(counts: &[u64; 256], max_value: u8) -> (f32, f32) {
    let n: u64 = counts.iter().sum();
    if n == 0 {
        return (0.0, 1.0);
    }
    let moment = |power: i32| -> f64 {
        let sum: f64 = (0_u8..=255).zip(counts).map(|(byte, count)| f64::from(byte).powi(power) * *count as f64).sum();
        sum / n as f64
    };
    let scale = f64::from(max_value.max(1));
    let variance = (moment(2) - moment(1) * moment(1)).max(0.0);
    let std = (variance.sqrt() / scale) as f32;
    ((moment(1) / scale) as f32, if usable_deviation(std) { std } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    fn two_channels() -> Dataset {
        let split = Split { values: Values::Bytes(vec![0, 255, 51, 51, 255, 0, 51, 51]), labels: vec![0, 1] };
        Dataset {
            name: "two".to_owned(),
            source: "embedded".to_owned(),
            shape: ImageShape { channels: 2, height: 1, width: 2 },
            max_value: 255,
            class_names: vec!["0".to_owned(), "1".to_owned()],
            train: split.clone(),
            test: split,
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for (text, channels) in [("0.1307/0.3081", 1), ("0.49,0.48,0.44/0.24,0.24,0.26", 3), ("-1,2/0.5,1000000", 2)] {
            let parsed = Normalization::parse(text, channels).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(Normalization::parse(&parsed.to_string(), channels).unwrap(), parsed);
        }
    }

    #[test]
    fn one_number_stands_for_all_channels() {
        let parsed = Normalization::parse(" 0.5 / 0.25 ", 3).unwrap();
        assert_eq!(parsed, Normalization { mean: vec![0.5; 3], std: vec![0.25; 3] });
    }

    #[test]
    fn a_normalization_that_makes_no_sense_is_refused() {
        for (text, part) in [
            ("0.5", "no `/`"),
            ("a/1", "not a number"),
            ("", "no `/`"),
            ("/", "not a number"),
            ("0.5/0", "must be positive"),
            ("0.5/-1", "must be positive"),
            ("0.5/1e-40", "must be positive"),
            ("nan/1", "not a finite number"),
            ("0/inf", "not a finite number"),
            ("1,2/1", "another number of channels"),
            ("1/1/1", "not a number"),
        ] {
            let message = Normalization::parse(text, 3).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains(&format!("found `{text}`")), "{message}");
        }
    }

    #[test]
    fn statistics_of_the_training_images_are_per_channel() {
        let found = Normalization::of_train(&two_channels());
        assert_eq!(found, Normalization { mean: vec![0.5, 0.2], std: vec![0.5, 1.0] });
    }

    #[test]
    fn statistics_of_floats_lose_nothing_to_a_large_mean() {
        let mut dataset = two_channels();
        dataset.shape = ImageShape::tabular(2);
        dataset.train.values = Values::Floats(vec![1e6, 3.0, 1e6 + 1.0, 3.0, 1e6 + 2.0, 3.0, 1e6 + 1.0, 3.0]);
        let found = Normalization::of_train(&dataset);
        // A column that never changes is only shifted.
        assert_eq!(found, Normalization { mean: vec![1e6 + 1.0, 3.0], std: vec![0.5_f32.sqrt(), 1.0] });
    }

    #[test]
    fn floats_are_offered_as_they_are_first() {
        let mut dataset = two_channels();
        dataset.train.values = Values::Floats(vec![0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Normalization::usual(&dataset)[0].1, Normalization::identity(2));
    }

    #[test]
    fn every_usual_normalization_fits_the_channels() {
        let dataset = two_channels();
        for (name, usual) in Normalization::usual(&dataset) {
            assert_eq!((usual.mean.len(), usual.std.len()), (2, 2), "{name}");
            assert_eq!(Normalization::parse(&usual.to_string(), 2).unwrap(), usual, "{name}");
        }
    }
}
