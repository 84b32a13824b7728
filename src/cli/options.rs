//! Options that several commands share, and how their texts are read.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueEnum};

use crate::compute::DeviceChoice;
use crate::data::SplitName;

/// Wrong usage that only shows once a command looks at its options together; ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// What every command that evaluates networks takes.
#[derive(Args, Clone, Debug)]
pub(super) struct CommonOptions {
    #[command(flatten)]
    pub(super) data: DataOptions,
    #[command(flatten)]
    pub(super) score: ScoreOptions,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) device: DeviceOptions,
    #[command(flatten)]
    pub(super) json: JsonOptions,
}

/// Images and how they are fed to the networks.
#[derive(Args, Clone, Debug)]
pub(super) struct DataOptions {
    /// A folder of IDX files as MNIST is distributed, or `optdigits`, the embedded data set
    #[arg(long, value_name = "DATA", default_value = crate::data::EMBEDDED)]
    pub(super) data: String,
    /// Mean and standard deviation subtracted and divided by after pixels / 255, per channel: `0.1307/0.3081`. Without it
    /// pixels are between 0 and 1 and nothing else is done
    #[arg(long, value_name = "MEAN/STD", allow_hyphen_values = true)]
    pub(super) normalize: Option<String>,
}

/// Images that losses and accuracies are computed on.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct ScoreOptions {
    /// Images that losses and accuracies are computed on
    #[arg(long, value_enum, default_value_t = SplitChoice::Test)]
    pub(super) split: SplitChoice,
    /// Only the first N images of each split
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SplitChoice {
    Test,
    Train,
    Both,
}

impl SplitChoice {
    pub(super) fn splits(self) -> &'static [SplitName] {
        match self {
            Self::Test => &[SplitName::Test],
            Self::Train => &[SplitName::Train],
            Self::Both => &[SplitName::Test, SplitName::Train],
        }
    }
}

/// How checkpoints are understood.
#[derive(Args, Clone, Debug)]
pub(super) struct NetworkOptions {
    /// What the checkpoints must be: layer sizes such as `784-512-10` (`-nobias` behind them for layers without biases), or
    /// a checkpoint to compare with. Without it the network is recognised from names and shapes
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) network: Option<String>,
    /// Running statistics of batch norm at points of paths and planes: recomputed there (the default), or combined as they
    /// are stored
    #[arg(long, value_enum)]
    pub(super) bn: Option<BatchNormChoice>,
    /// Training images that running statistics are recomputed on, the first ones [default: 2048]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) bn_images: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BatchNormChoice {
    Recompute,
    Stored,
}

/// Where numbers are computed.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct DeviceOptions {
    /// `auto` takes a GPU if there is one, the CPU otherwise; `gpu` fails where there is none
    #[arg(long, value_name = "auto|gpu|cpu", default_value_t = DeviceChoice::Auto, value_parser = DeviceChoice::from_str)]
    pub(super) device: DeviceChoice,
}

/// Where numbers are written.
#[derive(Args, Clone, Debug)]
pub(super) struct JsonOptions {
    /// Writes the numbers, unrounded, as JSON (`-`: standard output). Numbers that JSON does not have are the strings "NaN",
    /// "inf" and "-inf"
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// A whole number from 1.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(error) => Err(format!("expected a whole number: {error}")),
    }
}

/// A finite number above zero.
pub(super) fn positive_real(text: &str) -> Result<f64, String> {
    real(text, |v| 0.0 < v, "a number above 0")
}

/// A finite number from zero.
pub(super) fn non_negative_real(text: &str) -> Result<f64, String> {
    real(text, |v| 0.0 <= v, "a number from 0")
}

/// A number from 0 to below 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    real(text, |v| (0.0..1.0).contains(&v), "a number from 0 to below 1")
}

fn real(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() && fits(v) => Ok(v),
        _ => Err(format!("expected {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(positive("3"), Ok(3));
        for text in ["0", "-1", "1.5", "", "x", "99999999999999999999999"] {
            assert!(positive(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "x"] {
            assert!(positive_real(text).is_err(), "{text}");
        }
        assert_eq!(non_negative_real("0"), Ok(0.0));
        assert_eq!(share("0.9"), Ok(0.9));
        assert!(share("1").is_err());
    }
}
