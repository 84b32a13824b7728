//! Options that several commands share, and how their texts are read.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueEnum};

use crate::checkpoint::Mends;
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
    /// A folder of IDX files (MNIST), of CIFAR's batches (binary or Python), of images (`train/CLASS/*.png`, `test` or
    /// `val`), or of train.csv and test.csv; a .csv or .npz file; or what is in the program: optdigits, moons, spirals,
    /// blobs
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
    /// What the checkpoints must be: a network's name such as `784-512-10`, `resnet20-a` or `vgg16-bn`, a description
    /// (`FILE.toml`), or a checkpoint to compare with. Without it a description beside the checkpoint (`NAME.network.toml`)
    /// counts, or the network is recognised from names and shapes
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) network: Option<String>,
    /// Changes to names and shapes of a file's tensors that do not fit: `strip:PREFIX`, `add:PREFIX`, `transpose` (every
    /// matrix), `by-order` (places by order and shapes instead of names); separated by commas
    #[arg(long, value_name = "CHANGE,..", value_delimiter = ',', value_parser = mend)]
    pub(super) mend: Vec<Mend>,
    /// Running statistics of batch norm at points of paths and planes: recomputed there (the default), or combined as they
    /// are stored
    #[arg(long, value_enum)]
    pub(super) bn: Option<BatchNormChoice>,
    /// Training images that running statistics are recomputed on, the first ones [default: 2048]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) bn_images: Option<usize>,
}

/// One change to the tensors of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    Strip(String),
    Add(String),
    Transpose,
    ByOrder,
}

impl NetworkOptions {
    /// All changes that are asked for.
    pub(super) fn mends(&self) -> Mends {
        let mut mends = Mends::default();
        for mend in &self.mend {
            match mend {
                Mend::Strip(prefix) => mends.strip_prefix = Some(prefix.clone()),
                Mend::Add(prefix) => mends.add_prefix = Some(prefix.clone()),
                Mend::Transpose => mends.transpose = true,
                Mend::ByOrder => mends.by_order = true,
            }
        }
        mends
    }
}

fn mend(text: &str) -> Result<Mend, String> {
    match text.split_once(':') {
        Some(("strip", prefix)) => Ok(Mend::Strip(prefix.to_owned())),
        Some(("add", prefix)) => Ok(Mend::Add(prefix.to_owned())),
        None if text == "transpose" => Ok(Mend::Transpose),
        None if text == "by-order" => Ok(Mend::ByOrder),
        _ => Err("expected strip:PREFIX, add:PREFIX, transpose or by-order".to_owned()),
    }
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
