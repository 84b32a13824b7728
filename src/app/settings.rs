//! What the controls are set to.

use serde::{Deserialize, Serialize};

use crate::compute::{BATCH_NORM_IMAGES, ConnectOptions, PointValue, TSampling};
use crate::data::{Attack, SplitName};
use crate::geometry::{Curve, Family, FlowKind};
use crate::matching::MatchOptions;
use crate::recipe::Descent;

/// All controls that shape results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub align: AlignSettings,
    pub path: PathSettings,
    pub plane: PlaneSettings,
    pub batch_norm: BatchNormSettings,
    pub robust: RobustSettings,
}

/// Evaluation against an adversary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RobustSettings {
    /// Whether the path is evaluated under attack too.
    pub along_path: bool,
    /// Of the path, and of planes under attack.
    pub adversary: Adversary,
}

/// What moves images at every point before they are scored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adversary {
    pub attack: Attack,
    /// Images that are moved, the first ones of the split: each costs several passes through the network and back.
    pub n_images: usize,
}

impl Default for Adversary {
    fn default() -> Self {
        Self { attack: Attack::COLOUR, n_images: 1000 }
    }
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
    pub options: MatchOptions,
    /// Activations are those on each network's own adversarial examples (for pairs of robust networks).
    pub attack: Option<Attack>,
}

impl Default for AlignSettings {
    /// Tatro et al. 2020: the first 10,000 training images.
    fn default() -> Self {
        Self { n_samples: 10_000, split: SplitName::Train, options: MatchOptions::default(), attack: None }
    }
}

/// The path and how it is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathSettings {
    pub family: Family,
    pub n_bends: usize,
    /// Points along t at which the path is evaluated.
    pub n_points: usize,
    pub fit: FitSettings,
    pub connect: ConnectSettings,
}

impl Default for PathSettings {
    fn default() -> Self {
        Self {
            family: Family::Bezier,
            n_bends: 1,
            n_points: 33,
            fit: FitSettings::default(),
            connect: ConnectSettings::default(),
        }
    }
}

impl PathSettings {
    /// The curve that is drawn before anything is found: the family's own, or the straight line.
    pub fn first_curve(&self) -> Curve {
        self.family.curve(self.n_bends).unwrap_or(Curve::Linear)
    }
}

/// How paths of families that are worked out are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectSettings {
    /// Points of each stage, both ends included.
    pub points: usize,
    /// Training images that weights are fitted on, the first ones; all where `None`.
    pub n_images: Option<usize>,
    pub seed: u64,
    pub options: ConnectOptions,
    #[serde(default)]
    pub flow: FlowSettings,
}

/// How a map of neurons is trained; everything else is as in Anokhin & Yarotsky 2020.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowSettings {
    /// Of a map for the family flow; the bijection is RealNVP.
    pub kind: FlowKind,
    /// Units of each hidden layer of the networks in the invertible layers.
    pub hidden: usize,
    /// Passes over the training images, or over the neurons.
    pub epochs: usize,
    /// Of Adam.
    pub learning_rate: f64,
    /// Training images, the first ones; all where `None`.
    pub n_images: Option<usize>,
    pub seed: u64,
}

impl Default for FlowSettings {
    /// Much smaller than the paper's, whose training takes hours on a processor, and with larger steps.
    fn default() -> Self {
        Self { kind: FlowKind::default(), hidden: 100, epochs: 5, learning_rate: 1e-3, n_images: None, seed: 0 }
    }
}

impl Default for ConnectSettings {
    fn default() -> Self {
        Self { points: 21, n_images: None, seed: 0, options: ConnectOptions::default(), flow: FlowSettings::default() }
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
    /// None: the plane through A and B that the whole path stays nearest to.
    BestOfPath,
    /// The network all of whose neurons are the mean neuron: straight lines and arcs lie exactly in this plane.
    MeanNeuron,
    /// Another mode, by its number in the list.
    Mode(usize),
    /// B as it was loaded, beside aligned B.
    OriginalB,
    /// A random direction, by its seed.
    Random(u64),
}

impl ThirdPoint {
    /// What shows a family's paths best: paths with bends, arcs and straight lines lie near or in a plane of their own.
    pub fn of_family(family: Family) -> Self {
        if family.is_connected() && family != Family::Simplex { Self::BestOfPath } else { Self::Bend }
    }
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metric {
    #[default]
    Loss,
    Accuracy,
}

impl Metric {
    /// Nats, or 0..1.
    pub fn of(self, value: PointValue) -> f64 {
        match self {
            Self::Loss => value.loss,
            Self::Accuracy => value.accuracy,
        }
    }
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
    /// Whether the adversary moves the images at every point.
    pub under_attack: bool,
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
            under_attack: false,
            metric: Metric::Loss,
        }
    }
}
