//! What the controls are set to.

use serde::{Deserialize, Serialize};

use crate::compute::{BATCH_NORM_IMAGES, TSampling};
use crate::data::SplitName;
use crate::geometry::PathFamily;
use crate::recipe::Descent;

/// All controls that shape results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub align: AlignSettings,
    pub path: PathSettings,
    pub plane: PlaneSettings,
    pub batch_norm: BatchNormSettings,
}

/// The running statistics of batch norm at points of paths and planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchNormSettings {
    /// Measured anew at every point; otherwise combined as they are stored.
    pub recompute: bool,
    /// Training images that they are measured on, the first ones.
    pub n_images: usize,
}

impl Default for BatchNormSettings {
    fn default() -> Self {
        Self { recompute: true, n_images: BATCH_NORM_IMAGES }
    }
}

/// How B is lined up with A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignSettings {
    /// Images whose activations are correlated, the first ones of the split.
    pub n_samples: usize,
    pub split: SplitName,
}

impl Default for AlignSettings {
    /// Tatro et al. 2020: the first 10,000 training images.
    fn default() -> Self {
        Self { n_samples: 10_000, split: SplitName::Train }
    }
}

/// A path family in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    Linear,
    Arc,
    Chain,
    Bezier,
}

impl Family {
    pub const ALL: [Self; 4] = [Self::Linear, Self::Arc, Self::Chain, Self::Bezier];

    pub fn label(self) -> &'static str {
        match self {
            Self::Linear => "Linear",
            Self::Arc => "Arc",
            Self::Chain => "Polygonal chain",
            Self::Bezier => "Bézier curve",
        }
    }

    /// One line for the tooltip.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Linear => "The straight line (1 - t) A + t B. Nothing is trained.",
            Self::Arc => {
                "Every neuron moves on a quarter ellipse about the mean neuron, which keeps the neurons' spread. Nothing is \
                 trained. Meant for networks that are not aligned: after alignment the spread grows on the way."
            }
            Self::Chain => "Straight segments through trained bends (Garipov et al. 2018).",
            Self::Bezier => "A smooth curve pulled by trained bends (Garipov et al. 2018, Tatro et al. 2020).",
        }
    }

    pub fn is_trained(self) -> bool {
        matches!(self, Self::Chain | Self::Bezier)
    }
}

/// The path and how it is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathSettings {
    pub family: Family,
    pub n_bends: usize,
    /// Points along t at which the path is evaluated.
    pub n_points: usize,
    pub fit: FitSettings,
}

impl Default for PathSettings {
    fn default() -> Self {
        Self { family: Family::Bezier, n_bends: 1, n_points: 33, fit: FitSettings::default() }
    }
}

impl PathSettings {
    pub fn path_family(&self) -> PathFamily {
        match self.family {
            Family::Linear => PathFamily::Linear,
            Family::Arc => PathFamily::Arc,
            Family::Chain => PathFamily::Chain { n_bends: self.n_bends },
            Family::Bezier => PathFamily::Bezier { n_bends: self.n_bends },
        }
    }
}

/// How bends are fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitSettings {
    pub descent: Descent,
    pub sampling: TSampling,
    pub seed: u64,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self { descent: Descent::default(), sampling: TSampling::One, seed: 0 }
    }
}

/// The third point of the plane, beside A and B.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ThirdPoint {
    /// The bend that is farthest from the straight line; the mean neuron while there is none off it.
    #[default]
    Bend,
    /// The network all of whose neurons are the mean neuron: straight lines and arcs lie exactly in this plane.
    MeanNeuron,
    /// Another mode, by its number in the list.
    Mode(usize),
    /// B as it was loaded, beside aligned B.
    OriginalB,
    /// A random direction, by its seed.
    Random(u64),
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metric {
    #[default]
    Loss,
    Accuracy,
}

/// Where and how finely the plane is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaneSettings {
    pub third: ThirdPoint,
    pub nx: usize,
    pub ny: usize,
    /// Beyond the points, in shares of |B - A| and of the third point's height.
    pub margin: f64,
    pub split: SplitName,
    pub metric: Metric,
}

impl Default for PlaneSettings {
    fn default() -> Self {
        Self {
            third: ThirdPoint::default(),
            nx: 41,
            ny: 41,
            margin: 0.25,
            split: SplitName::Test,
            metric: Metric::Loss,
        }
    }
}
