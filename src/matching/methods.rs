//! The table of alignment methods and of their variants: what the menu, the command line and the JSON call them, and where
//! they come from.

use serde::{Deserialize, Serialize};

/// How the units of B are matched with those of A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlignMethod {
    #[default]
    Activation,
    Weight,
    Pam,
    PamAligned,
    Random,
    Identity,
}

/// What makes two units alike when activations are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    #[default]
    Correlation,
    L2,
    Product,
}

/// Where the activations of a layer are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadAt {
    #[default]
    Post,
    Pre,
}

/// Which readings of a residual stream, which shows the same units many times, decide about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamRule {
    #[default]
    Sum,
    Paper,
}

/// A choice that has a name, an explanation and a source.
pub trait Choice: Copy + PartialEq + 'static {
    /// All of them, in the order of menus.
    const ALL: &'static [Self];

    fn entry(self) -> Entry;

    /// The name used on the command line and in JSON.
    fn name(self) -> &'static str {
        self.entry().name
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// On the command line and in JSON.
    pub name: &'static str,
    /// In menus.
    pub label: &'static str,
    /// One line for tooltips and help.
    pub explanation: &'static str,
    /// The paper that it comes from; empty where there is none.
    pub source: &'static str,
}

const TATRO: &str = "Tatro et al. 2020, arXiv:2009.02439";
const AINSWORTH: &str = "Ainsworth et al. 2023, arXiv:2209.04836";

impl AlignMethod {
    /// Whether it is the permutation phase of proximal alternating minimisation, so that a curve phase follows.
    pub fn is_pam(self) -> bool {
        matches!(self, Self::Pam | Self::PamAligned)
    }
}

impl Choice for AlignMethod {
    const ALL: &'static [Self] =
        &[Self::Activation, Self::Weight, Self::Pam, Self::PamAligned, Self::Random, Self::Identity];

    fn entry(self) -> Entry {
        let (name, label, explanation, source) = match self {
            Self::Activation => (
                "activation",
                "Activations",
                "Pairs units that respond alike to the same images, each layer by itself",
                TATRO,
            ),
            Self::Weight => (
                "weight",
                "Weights",
                "Brings B's weights as close to A's as coordinate descent can; the images only measure the result",
                AINSWORTH,
            ),
            Self::Pam => (
                "pam",
                "PAM",
                "Lets the loss between A and B decide: permutations, relaxed, go down its gradient from where B's units are",
                TATRO,
            ),
            Self::PamAligned => {
                ("pam-aligned", "PAM, aligned", "The same, starting from the match of activations", TATRO)
            }
            Self::Random => ("random", "Random", "Shuffles the units, to see what an alignment is worth", ""),
            Self::Identity => ("identity", "Identity", "Leaves the units where they are", ""),
        };
        Entry { name, label, explanation, source }
    }
}

impl Choice for Similarity {
    const ALL: &'static [Self] = &[Self::Correlation, Self::L2, Self::Product];

    fn entry(self) -> Entry {
        let (name, label, explanation, source) = match self {
            Self::Correlation => ("correlation", "Correlation", "Pearson's correlation over the images", TATRO),
            Self::L2 => (
                "l2",
                "L2 distance",
                "Mean squared difference; what a unit's own size adds is the same whatever its partner, so this finds the \
                 assignment that `product` finds",
                TATRO,
            ),
            Self::Product => ("product", "Product", "Mean product, not centred", AINSWORTH),
        };
        Entry { name, label, explanation, source }
    }
}

impl Choice for ReadAt {
    const ALL: &'static [Self] = &[Self::Post, Self::Pre];

    fn entry(self) -> Entry {
        let (name, label, explanation) = match self {
            Self::Post => ("post", "After the nonlinearity", "What the next layers see"),
            Self::Pre => ("pre", "Before the nonlinearity", "What the nonlinearity sees"),
        };
        Entry { name, label, explanation, source: TATRO }
    }
}

impl Choice for StreamRule {
    const ALL: &'static [Self] = &[Self::Sum, Self::Paper];

    fn entry(self) -> Entry {
        let (name, label, explanation, source) = match self {
            Self::Sum => ("sum", "All of the stream", "The mean over everything that lives on the stream", AINSWORTH),
            Self::Paper => (
                "paper",
                "As in the paper",
                "A stream that a layer begins is matched by that layer alone, one that blocks begin by all of it",
                TATRO,
            ),
        };
        Entry { name, label, explanation, source }
    }
}

/// How [`AlignMethod::Pam`] looks for permutations; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PamOptions {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch_size: usize,
    /// At the start; halved every 20 epochs.
    pub learning_rate: f64,
    /// The proximal term pulls to the start by the learning rate divided by this.
    pub nu: f64,
    /// Permutations drawn as candidates when matrices are rounded.
    pub n_draws: usize,
    /// Only the first so many training images.
    pub n_images: Option<usize>,
    /// So many of them decide between the candidates when matrices are rounded; all in the paper.
    #[serde(default)]
    pub n_rounding_images: Option<usize>,
}

impl Default for PamOptions {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 128,
            learning_rate: 0.05,
            nu: 1e3,
            n_draws: 32,
            n_images: None,
            n_rounding_images: None,
        }
    }
}

/// A method with everything that can be chosen about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchOptions {
    pub method: AlignMethod,
    pub similarity: Similarity,
    pub read_at: ReadAt,
    pub stream: StreamRule,
    /// Descents of [`AlignMethod::Weight`] in different orders of the layers; the best is kept. At least 1.
    pub n_restarts: usize,
    pub pam: PamOptions,
    /// Of all methods but [`AlignMethod::Activation`] and [`AlignMethod::Identity`].
    pub seed: u64,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            method: AlignMethod::default(),
            similarity: Similarity::default(),
            read_at: ReadAt::default(),
            stream: StreamRule::default(),
            n_restarts: 1,
            pam: PamOptions::default(),
            seed: 0,
        }
    }
}

impl MatchOptions {
    /// A method with the defaults of all else.
    pub fn of(method: AlignMethod) -> Self {
        Self { method, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_consistent<T: Choice + Serialize + std::fmt::Debug>() {
        for &choice in T::ALL {
            assert_eq!(T::from_name(choice.name()), Some(choice));
            assert_eq!(serde_json::to_string(&choice).unwrap(), format!("\"{}\"", choice.name()));
            assert!(!choice.entry().label.is_empty() && !choice.entry().explanation.is_empty());
        }
        assert_eq!(T::from_name("no such choice"), None);
    }

    #[test]
    fn names_are_found_again_and_are_those_of_the_json() {
        assert_consistent::<AlignMethod>();
        assert_consistent::<Similarity>();
        assert_consistent::<ReadAt>();
        assert_consistent::<StreamRule>();
    }
}
