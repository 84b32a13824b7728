//! A network is data: a graph of named operations over named parameters, validated when built. The forward pass, the
//! permutation groups, the places where activations are read and what a checkpoint must contain are all derived from it.
//! Pure: no files, no tensors, no threads.

mod builder;
mod describe;
mod groups;
mod init;
pub mod op;
mod params;
mod recognise;
#[cfg(test)]
pub(crate) mod reference;
mod repaired;
mod sequence;
mod shapes;
mod summary;
mod unit_weights;
pub mod zoo;

pub use builder::{Conv, GraphBuilder};
pub use describe::{DescribeError, describe, description};
pub use groups::{AxisUse, PermutationGroup, Reading};
pub use init::Init;
pub use op::{Activation, Op};
pub use params::{ParamId, ParamKind, ParamLayout, ParamSpec, ParamVec};
pub use recognise::{RecogniseError, Recognised, fit, recognise};
pub use repaired::{Repaired, UnitDistribution};
pub use sequence::{ConvWindow, Sequence, SequenceLayer};
pub use shapes::ShapeError;
pub use unit_weights::{InputWeights, UnitMatrix, UnitRole};

use std::sync::{Arc, OnceLock};

/// Index of a node in [`Network::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// One operation of the graph.
#[derive(Clone, Debug, PartialEq)]
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
    /// Auxiliary outputs and the weights of their losses in training.
    aux_heads: Vec<(NodeId, f32)>,
    /// Derived when they are first asked for: most networks that recognition builds are dropped again.
    groups: OnceLock<Vec<PermutationGroup>>,
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

    /// Auxiliary outputs, which only training uses, with the weights of their losses.
    pub fn aux_heads(&self) -> &[(NodeId, f32)] {
        &self.aux_heads
    }

    /// The nodes that the logits depend on: without auxiliary heads.
    pub fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        if let Some(output) = needed.last_mut() {
            *output = true;
        }
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if needed[index] {
                node.inputs.iter().for_each(|input| needed[input.0] = true);
            }
        }
        needed
    }

    /// The same network under another name and, one a tensor of the layout, other names of its tensors.
    ///
    /// `None` if their number is not the layout's.
    pub fn renamed(self, name: impl Into<String>, tensors: Vec<String>) -> Option<Self> {
        let layout = Arc::new(self.layout.renamed(tensors)?);
        Some(Self { name: name.into(), layout, groups: OnceLock::new(), ..self })
    }

    /// The same network for examples of another shape: convolutions and pooling do not fix the size of the images.
    pub fn with_input_shape(&self, shape: &[usize]) -> Result<Self, ShapeError> {
        let mut reshaped = self.clone();
        reshaped.nodes[0].shape = shape.to_vec();
        for index in 1..reshaped.nodes.len() {
            let node = &reshaped.nodes[index];
            let inputs: Vec<&[usize]> = node.inputs.iter().map(|id| reshaped.nodes[id.0].shape.as_slice()).collect();
            let layer = match node.op.params().first() {
                Some(&id) => layer_name(&self.layout.spec(id).name).to_owned(),
                None => format!("{} (operation {index})", node.op.name()),
            };
            let found = shapes::infer(&node.op, &inputs, &self.layout, &layer)?;
            reshaped.nodes[index].shape = found;
        }
        reshaped.groups = OnceLock::new();
        Ok(reshaped)
    }

    /// Sets of parameter axes that must be permuted together, in order of depth.
    pub fn groups(&self) -> &[PermutationGroup] {
        self.groups.get_or_init(|| groups::derive(&self.nodes, &self.layout, &self.outputs()))
    }

    /// The auxiliary outputs and the output.
    fn outputs(&self) -> Vec<NodeId> {
        self.aux_heads.iter().map(|(head, _)| *head).chain([NodeId(self.nodes.len() - 1)]).collect()
    }

    /// Shape of one input example.
    pub fn input_shape(&self) -> &[usize] {
        &self.nodes[0].shape
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
            && self.aux_heads == other.aux_heads
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
                return Some(format!(
                    "expected `{}` of shape {:?} as in {}, found `{}` of shape {:?} as in {}",
                    a.name, a.shape, self.name, b.name, b.shape, other.name
                ));
            }
        }
        Some(format!(
            "expected {} ({} tensors, {} operations), found {} ({} tensors, {} operations)",
            self.name,
            self.layout.specs().len(),
            self.nodes.len(),
            other.name,
            other.layout.specs().len(),
            other.nodes.len()
        ))
    }
}

/// The name of the layer that a tensor belongs to: `conv1` for `conv1.weight`.
pub(crate) fn layer_name(tensor: &str) -> &str {
    [".weight", ".bias", ".running_mean", ".running_var"]
        .iter()
        .find_map(|end| tensor.strip_suffix(end))
        .unwrap_or(tensor)
}
