//! A network is data: a graph of named operations over named parameters, validated when built. The forward pass, the
//! permutation groups, the places where activations are read and what a checkpoint must contain are all derived from it.
//! Pure: no files, no tensors, no threads.

mod builder;
mod groups;
mod params;
mod recognise;
pub mod zoo;

pub use builder::{GraphBuilder, ShapeError};
pub use groups::{AxisUse, PermutationGroup};
pub use params::{ParamId, ParamLayout, ParamSpec, ParamVec};
pub use recognise::{RecogniseError, Recognised, recognise};

use std::sync::Arc;

/// Index of a node in [`Network::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// What a node computes from its inputs. Shapes below are those of one example, without the batch axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The images: `[channels, height, width]`, or `[features]`.
    Input,
    /// Row-major flattening, channel-major as in PyTorch: `[c, h, w]` to `[c * h * w]`.
    Flatten,
    /// `y = W x + b`; W `[out, in]`, b `[out]`.
    Linear { weight: ParamId, bias: Option<ParamId> },
    /// `max(x, 0)`.
    Relu,
}

/// One operation of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub op: Op,
    /// Nodes it reads, all earlier in the list.
    pub inputs: Vec<NodeId>,
    /// Shape of its output for one example.
    pub shape: Vec<usize>,
}

/// A feed-forward network, valid by construction (see [`GraphBuilder`]).
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    nodes: Vec<Node>,
    layout: Arc<ParamLayout>,
    groups: Vec<PermutationGroup>,
}

impl Network {
    /// A readable name, such as `mlp 784-512-10`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operations, in an order in which they can be computed. The last node is the output (the logits).
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Names, shapes and offsets of the parameters.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// Sets of parameter axes that must be permuted together, in order of depth.
    pub fn groups(&self) -> &[PermutationGroup] {
        &self.groups
    }

    /// Number of values of one input example.
    pub fn n_inputs(&self) -> usize {
        self.nodes[0].shape.iter().product()
    }

    /// Number of logits.
    pub fn n_classes(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.shape[0])
    }

    /// Whether two networks differ at most in the names of their parameters.
    pub fn same_architecture(&self, other: &Self) -> bool {
        self.nodes == other.nodes
            && self.layout.len() == other.layout.len()
            && self.layout.specs().iter().zip(other.layout.specs()).all(|(a, b)| a.shape == b.shape)
    }

    /// The first layer where two architectures part, in words; `None` if they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.same_architecture(other) {
            return None;
        }
        let pairs = self.layout.specs().iter().zip(other.layout.specs());
        for (a, b) in pairs {
            if a.shape != b.shape {
                return Some(format!("`{}` has shape {:?}, `{}` has shape {:?}", a.name, a.shape, b.name, b.shape));
            }
        }
        Some(format!(
            "{} has {} tensors in {} operations, {} has {} in {}",
            self.name,
            self.layout.specs().len(),
            self.nodes.len(),
            other.name,
            other.layout.specs().len(),
            other.nodes.len()
        ))
    }
}
