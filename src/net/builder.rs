//! Builds a [`Network`] node by node, inferring and checking shapes on the way.

use std::sync::Arc;

use thiserror::Error;

use super::{Network, Node, NodeId, Op, ParamLayout, groups};

/// Why a graph could not be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    #[error("layer `{layer}` wants a flat input, but gets shape {found:?}: flatten it first")]
    NotFlat { layer: String, found: Vec<usize> },
    #[error("layer `{layer}` has no units")]
    Empty { layer: String },
    #[error("the network's output must be a flat vector of logits, but has shape {found:?}")]
    Output { found: Vec<usize> },
}

/// Names of a layer's tensors in the checkpoint they come from.
#[derive(Clone, Debug)]
pub(super) struct LinearNames {
    pub(super) weight: String,
    pub(super) bias: Option<String>,
}

/// Grows a graph; every call returns the node it added.
pub struct GraphBuilder {
    nodes: Vec<Node>,
    layout: ParamLayout,
}

impl GraphBuilder {
    /// Starts from the shape of one example, `[channels, height, width]` or `[features]`.
    pub fn new(input_shape: &[usize]) -> (Self, NodeId) {
        let input = Node { op: Op::Input, inputs: Vec::new(), shape: input_shape.to_vec() };
        (Self { nodes: vec![input], layout: ParamLayout::default() }, NodeId(0))
    }

    pub fn flatten(&mut self, x: NodeId) -> NodeId {
        let size = self.shape(x).iter().product();
        self.push(Op::Flatten, x, vec![size])
    }

    pub fn relu(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).to_vec();
        self.push(Op::Relu, x, shape)
    }

    /// A dense layer with `n_units` outputs and parameters `NAME.weight` and, if `bias`, `NAME.bias`.
    pub fn linear(&mut self, x: NodeId, name: &str, n_units: usize, bias: bool) -> Result<NodeId, ShapeError> {
        let bias = bias.then(|| format!("{name}.bias"));
        self.linear_named(x, LinearNames { weight: format!("{name}.weight"), bias }, n_units)
    }

    pub(super) fn linear_named(&mut self, x: NodeId, names: LinearNames, n_units: usize) -> Result<NodeId, ShapeError> {
        let &[n_in] = self.shape(x) else {
            return Err(ShapeError::NotFlat { layer: names.weight, found: self.shape(x).to_vec() });
        };
        if n_in == 0 || n_units == 0 {
            return Err(ShapeError::Empty { layer: names.weight });
        }
        let weight = self.layout.push(names.weight, vec![n_units, n_in], n_in);
        let bias = names.bias.map(|name| self.layout.push(name, vec![n_units], n_in));
        Ok(self.push(Op::Linear { weight, bias }, x, vec![n_units]))
    }

    /// Closes the graph; the last node added is the output.
    pub fn finish(self, name: impl Into<String>) -> Result<Network, ShapeError> {
        let output = &self.nodes[self.nodes.len() - 1].shape;
        if output.len() != 1 {
            return Err(ShapeError::Output { found: output.clone() });
        }
        let groups = groups::derive(&self.nodes, &self.layout);
        Ok(Network { name: name.into(), nodes: self.nodes, layout: Arc::new(self.layout), groups })
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    fn push(&mut self, op: Op, input: NodeId, shape: Vec<usize>) -> NodeId {
        self.nodes.push(Node { op, inputs: vec![input], shape });
        NodeId(self.nodes.len() - 1)
    }
}
