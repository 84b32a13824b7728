//! The table of path families: what the menu, `--family` and the JSON call them, where they come from, and which networks
//! they can connect.

use serde::{Deserialize, Serialize};

use super::{Curve, Neurons};
use crate::net::{Network, Sequence};

/// A way to connect two modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    #[serde(rename = "linear")]
    Linear,
    #[serde(rename = "arc")]
    Arc,
    #[serde(rename = "chain")]
    Chain,
    #[serde(rename = "bezier")]
    Bezier,
    #[serde(rename = "ot")]
    Transport,
    #[serde(rename = "linear+wa")]
    LinearAdjusted,
    #[serde(rename = "arc+wa")]
    ArcAdjusted,
    #[serde(rename = "ot+wa")]
    TransportAdjusted,
    #[serde(rename = "linear+butterfly")]
    LinearButterfly,
    #[serde(rename = "arc+butterfly")]
    ArcButterfly,
    #[serde(rename = "ot+butterfly")]
    TransportButterfly,
    #[serde(rename = "flow")]
    Flow,
    #[serde(rename = "bijection")]
    Bijection,
    #[serde(rename = "autoneb")]
    AutoNeb,
    #[serde(rename = "simplex")]
    Simplex,
    #[serde(rename = "layerwise")]
    Layerwise,
}

/// One line of the table.
struct Entry {
    name: &'static str,
    label: &'static str,
    explanation: &'static str,
    source: &'static str,
}

const ANOKHIN: &str = "Anokhin & Yarotsky 2020";
const GARIPOV: &str = "Garipov et al. 2018, arXiv:1802.10026";

impl Family {
    pub const ALL: [Self; 16] = [
        Self::Linear,
        Self::Arc,
        Self::Chain,
        Self::Bezier,
        Self::Transport,
        Self::LinearAdjusted,
        Self::ArcAdjusted,
        Self::TransportAdjusted,
        Self::LinearButterfly,
        Self::ArcButterfly,
        Self::TransportButterfly,
        Self::Flow,
        Self::Bijection,
        Self::AutoNeb,
        Self::Simplex,
        Self::Layerwise,
    ];

    fn entry(self) -> Entry {
        let (name, label, explanation, source) = match self {
            Self::Linear => ("linear", "Linear", "The straight line (1 - t) A + t B. Nothing is trained.", ANOKHIN),
            Self::Arc => (
                "arc",
                "Arc",
                "Every neuron moves on a quarter ellipse about the mean neuron, which keeps the neurons' spread. Nothing is \
                 trained. Meant for networks that are not aligned: after alignment the spread grows on the way.",
                ANOKHIN,
            ),
            Self::Chain => (
                "chain",
                "Polygonal chain",
                "Straight segments through trained bends. One bend is the papers' Garipov (3), three are Garipov (5).",
                GARIPOV,
            ),
            Self::Bezier => (
                "bezier",
                "Bézier curve",
                "A smooth curve pulled by trained bends.",
                "Garipov et al. 2018, arXiv:1802.10026; Tatro et al. 2020, arXiv:2009.02439",
            ),
            Self::Transport => (
                "ot",
                "Optimal transport",
                "B's neurons are given to A's so that they travel least; then they go straight. A second stage walks them \
                 back to their own places, one by one, at constant loss. Nothing is trained.",
                ANOKHIN,
            ),
            Self::LinearAdjusted => (
                "linear+wa",
                "Linear + weight adjustment",
                "One layer goes straight to B's while the next is fitted, at every t, to pass on what A computed.",
                ANOKHIN,
            ),
            Self::ArcAdjusted => (
                "arc+wa",
                "Arc + weight adjustment",
                "One layer goes to B's on arcs while the next is fitted, at every t, to pass on what A computed.",
                ANOKHIN,
            ),
            Self::TransportAdjusted => (
                "ot+wa",
                "Transport + weight adjustment",
                "One layer's neurons go to the nearest of B's while the next layer is fitted, at every t, to pass on what \
                 A computed. The best of the methods that train nothing.",
                ANOKHIN,
            ),
            Self::LinearButterfly => (
                "linear+butterfly",
                "Linear butterfly",
                "Layer by layer: a layer goes straight to B's while the next one goes to a fit that passes on what A computed.",
                ANOKHIN,
            ),
            Self::ArcButterfly => (
                "arc+butterfly",
                "Arc butterfly",
                "Layer by layer: a layer goes to B's on arcs while the next one goes to a fit that passes on what A computed.",
                ANOKHIN,
            ),
            Self::TransportButterfly => (
                "ot+butterfly",
                "Transport butterfly",
                "Layer by layer, with each layer's neurons going to the nearest of B's.",
                ANOKHIN,
            ),
            Self::Flow => (
                "flow",
                "Normalising flow",
                "An invertible map makes the neurons' distribution normal; the arc is drawn there. The papers found it no \
                 better than the straight line.",
                ANOKHIN,
            ),
            Self::Bijection => (
                "bijection",
                "Trained bijection",
                "An invertible map is trained so that arcs drawn through it have low loss; it then serves any pair. The one \
                 by RealNVP is the one that works.",
                ANOKHIN,
            ),
            Self::AutoNeb => (
                "autoneb",
                "AutoNEB",
                "A band of pivots slides down to the lowest pass between A and B; pivots are added where the loss is high.",
                "Draxler et al. 2018, arXiv:1803.00885",
            ),
            Self::Simplex => (
                "simplex",
                "Simplex",
                "Connectors are trained so that all that lies between them and A, and between them and B, has low loss, and is \
                 large. Two connectors make a triangle with each end.",
                "Benton et al. 2021, arXiv:2102.13042",
            ),
            Self::Layerwise => (
                "layerwise",
                "Layer-wise",
                "Small moves towards B, layer group by layer group, with training in between whenever the loss rises.",
                "Tian et al. 2026, arXiv:2505.02604",
            ),
        };
        Entry { name, label, explanation, source }
    }

    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// The name in menus.
    pub fn label(self) -> &'static str {
        self.entry().label
    }

    /// One line for tooltips and help.
    pub fn explanation(self) -> &'static str {
        self.entry().explanation
    }

    /// The paper that it comes from.
    pub fn source(self) -> &'static str {
        self.entry().source
    }

    /// The curve that it is; `None` for families whose points are worked out by `compute::connect`.
    ///
    /// `n_bends`: taken by families whose bends are fitted.
    pub fn curve(self, n_bends: usize) -> Option<Curve> {
        match self {
            Self::Linear => Some(Curve::Linear),
            Self::Arc => Some(Curve::Arc),
            Self::Chain => Some(Curve::Chain { n_bends }),
            Self::Bezier => Some(Curve::Bezier { n_bends }),
            _ => None,
        }
    }

    /// Its bends are trained by descent on the loss along the curve.
    pub fn is_fitted(self) -> bool {
        matches!(self, Self::Chain | Self::Bezier)
    }

    /// Chance plays a part in finding it: other seeds find other paths.
    pub fn is_random(self) -> bool {
        self.is_fitted() || matches!(self, Self::AutoNeb | Self::Simplex | Self::Layerwise)
    }

    /// It goes through a trained map of neurons.
    pub fn takes_map(self) -> bool {
        matches!(self, Self::Flow | Self::Bijection)
    }

    /// Its points are worked out from the networks and the data, or trained, by `compute::connect`.
    pub fn is_connected(self) -> bool {
        self.curve(0).is_none()
    }

    /// What a stage of one of its paths does; `stage` counts from 0.
    pub fn stage_name(self, stage: usize) -> String {
        match (self, stage) {
            (Self::Transport, _) => "to B with its units moved".to_owned(),
            (
                Self::LinearAdjusted
                | Self::ArcAdjusted
                | Self::TransportAdjusted
                | Self::LinearButterfly
                | Self::ArcButterfly
                | Self::TransportButterfly,
                layer,
            ) => format!("layer {}", layer + 1),
            _ => self.label().to_owned(),
        }
    }

    /// Why it cannot connect networks of this architecture, if it cannot.
    pub fn unsuited(self, network: &Network) -> Option<String> {
        match self {
            Self::LinearAdjusted
            | Self::ArcAdjusted
            | Self::TransportAdjusted
            | Self::LinearButterfly
            | Self::ArcButterfly
            | Self::TransportButterfly => Sequence::of(network).err(),
            Self::Transport => network
                .groups()
                .is_empty()
                .then(|| format!("{} has no hidden units that can change places", network.name())),
            Self::Flow | Self::Bijection => Neurons::of(network).err(),
            _ => None,
        }
    }
}

impl From<Curve> for Family {
    fn from(curve: Curve) -> Self {
        match curve {
            Curve::Linear => Self::Linear,
            Curve::Arc => Self::Arc,
            Curve::Chain { .. } => Self::Chain,
            Curve::Bezier { .. } => Self::Bezier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_differ() {
        for family in Family::ALL {
            assert_eq!(Family::from_name(family.name()), Some(family));
            let json = serde_json::to_string(&family).unwrap();
            assert_eq!(json, format!("\"{}\"", family.name()));
        }
        assert_eq!(Family::from_name("no such family"), None);
    }

    #[test]
    fn a_family_is_a_curve_or_worked_out_and_only_curves_have_bends_to_fit() {
        for family in Family::ALL {
            assert_eq!(family.is_connected(), family.curve(1).is_none(), "{family:?}");
            assert_eq!(family.is_fitted(), family.curve(1).is_some_and(|curve| curve.n_bends() == 1), "{family:?}");
        }
    }
}
