//! Builds a [`Network`] node by node, inferring and checking shapes on the way.
//!
//! Layers get a name; their tensors are named as PyTorch names them: `NAME.weight`, `NAME.bias`, `NAME.running_mean`, ...
//! [`Network::renamed`] renames them to those of a file.

use std::sync::{Arc, OnceLock};

use super::op::{Activation, Padding, Window};
use super::{Network, Node, NodeId, Op, ParamId, ParamKind, ParamLayout, ShapeError, shapes};

/// A convolution to be added: square and plain unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub n_units: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding,
    pub dilation: [usize; 2],
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// `n_units` outputs from a square kernel, with a bias.
    pub fn new(n_units: usize, kernel: usize) -> Self {
        Self {
            n_units,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [[0; 2]; 2],
            dilation: [1; 2],
            groups: 1,
            bias: true,
        }
    }

    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    pub fn padding(self, padding: usize) -> Self {
        Self { padding: [[padding; 2]; 2], ..self }
    }

    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

/// Grows a graph; every call returns the node it added.
pub struct GraphBuilder {
    nodes: Vec<Node>,
    layout: ParamLayout,
    aux_heads: Vec<(NodeId, f32)>,
}

impl GraphBuilder {
    /// Starts from the shape of one example, `[channels, height, width]` or `[features]`.
    pub fn new(input_shape: &[usize]) -> (Self, NodeId) {
        let input = Node { op: Op::Input, inputs: Vec::new(), shape: input_shape.to_vec() };
        (Self { nodes: vec![input], layout: ParamLayout::default(), aux_heads: Vec::new() }, NodeId(0))
    }

    /// Shape of a node's output for one example.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    /// An operation without parameters of its own, or whose parameters were added by [`Self::param`].
    pub fn apply(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, ShapeError> {
        let name = self.op_name(&op);
        let shape = {
            let inputs: Vec<&[usize]> = inputs.iter().map(|&id| self.shape(id)).collect();
            shapes::infer(&op, &inputs, &self.layout, &name)?
        };
        self.nodes.push(Node { op, inputs: inputs.to_vec(), shape });
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// A tensor for an operation that is added by [`Self::apply`].
    pub fn param(&mut self, name: impl Into<String>, kind: ParamKind, shape: Vec<usize>, fan_in: usize) -> ParamId {
        self.layout.push(name.into(), kind, shape, fan_in)
    }

    pub fn flatten(&mut self, x: NodeId) -> Result<NodeId, ShapeError> {
        self.apply(Op::Flatten, &[x])
    }

    pub fn relu(&mut self, x: NodeId) -> Result<NodeId, ShapeError> {
        self.activation(x, Activation::Relu)
    }

    pub fn activation(&mut self, x: NodeId, activation: Activation) -> Result<NodeId, ShapeError> {
        self.apply(Op::Activation(activation), &[x])
    }

    pub fn max_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId, ShapeError> {
        self.apply(Op::MaxPool(window), &[x])
    }

    pub fn avg_pool(&mut self, x: NodeId, window: Window) -> Result<NodeId, ShapeError> {
        self.apply(Op::AvgPool { window, count_padding: true }, &[x])
    }

    /// Mean over the whole map, flattened: `[c, h, w]` to `[c]`.
    pub fn global_avg_pool(&mut self, x: NodeId) -> Result<NodeId, ShapeError> {
        let pooled = self.apply(Op::AdaptiveAvgPool { size: [1, 1] }, &[x])?;
        self.flatten(pooled)
    }

    pub fn add(&mut self, x: NodeId, y: NodeId) -> Result<NodeId, ShapeError> {
        self.apply(Op::Add, &[x, y])
    }

    pub fn concat(&mut self, inputs: &[NodeId]) -> Result<NodeId, ShapeError> {
        self.apply(Op::Concat, inputs)
    }

    /// A dense layer with `n_units` outputs and parameters `NAME.weight` and, if `bias`, `NAME.bias`.
    pub fn linear(&mut self, x: NodeId, name: &str, n_units: usize, bias: bool) -> Result<NodeId, ShapeError> {
        let &[n_in] = self.shape(x) else {
            return Err(ShapeError::NotFlat { layer: name.to_owned(), found: self.shape(x).to_vec() });
        };
        if n_in == 0 || n_units == 0 {
            return Err(ShapeError::Empty { layer: name.to_owned() });
        }
        let weight = self.param(format!("{name}.weight"), ParamKind::Weight, vec![n_units, n_in], n_in);
        let bias = bias.then(|| self.param(format!("{name}.bias"), ParamKind::Bias, vec![n_units], n_in));
        self.apply(Op::Linear { weight, bias }, &[x])
    }

    /// A convolution with parameters `NAME.weight` and, if it has one, `NAME.bias`.
    pub fn conv(&mut self, x: NodeId, name: &str, conv: Conv) -> Result<NodeId, ShapeError> {
        let &[c, _, _] = self.shape(x) else {
            return Err(ShapeError::NotMap { layer: name.to_owned(), found: self.shape(x).to_vec() });
        };
        let Conv { n_units, kernel, stride, padding, dilation, groups, bias } = conv;
        if c == 0 || n_units == 0 || kernel.contains(&0) {
            return Err(ShapeError::Empty { layer: name.to_owned() });
        }
        if groups == 0 || !c.is_multiple_of(groups) || !n_units.is_multiple_of(groups) {
            return Err(ShapeError::Groups { layer: name.to_owned(), groups, n_units: c });
        }
        let shape = vec![n_units, c / groups, kernel[0], kernel[1]];
        let fan_in = shape[1..].iter().product();
        let weight = self.param(format!("{name}.weight"), ParamKind::Weight, shape, fan_in);
        let bias = bias.then(|| self.param(format!("{name}.bias"), ParamKind::Bias, vec![n_units], fan_in));
        self.apply(Op::Conv2d { weight, bias, stride, padding, dilation, groups }, &[x])
    }

    /// Batch norm over the leading axis, with PyTorch's epsilon of 1e-5.
    pub fn batch_norm(&mut self, x: NodeId, name: &str) -> Result<NodeId, ShapeError> {
        self.batch_norm_eps(x, name, 1e-5)
    }

    pub fn batch_norm_eps(&mut self, x: NodeId, name: &str, eps: f32) -> Result<NodeId, ShapeError> {
        let shape = vec![self.n_units(x, name)?];
        let (scale, shift) = self.affine(name, &shape);
        let mean = self.param(format!("{name}.running_mean"), ParamKind::RunningMean, shape.clone(), 0);
        let var = self.param(format!("{name}.running_var"), ParamKind::RunningVar, shape, 0);
        self.apply(Op::BatchNorm { scale: Some(scale), shift: Some(shift), mean, var, eps }, &[x])
    }

    /// Layer norm over the whole example.
    pub fn layer_norm(&mut self, x: NodeId, name: &str, eps: f32) -> Result<NodeId, ShapeError> {
        let shape = self.shape(x).to_vec();
        let (scale, shift) = self.affine(name, &shape);
        self.apply(Op::LayerNorm { scale: Some(scale), shift: Some(shift), eps }, &[x])
    }

    pub fn group_norm(&mut self, x: NodeId, name: &str, n_groups: usize, eps: f32) -> Result<NodeId, ShapeError> {
        let shape = vec![self.n_units(x, name)?];
        let (scale, shift) = self.affine(name, &shape);
        self.apply(Op::GroupNorm { n_groups, scale: Some(scale), shift: Some(shift), eps }, &[x])
    }

    /// Makes `head` an auxiliary output: in training its cross-entropy counts `weight` times, in evaluation it is left out.
    pub fn aux_head(&mut self, head: NodeId, weight: f32) {
        self.aux_heads.push((head, weight));
    }

    /// Closes the graph; the last node added is the output.
    pub fn finish(self, name: impl Into<String>) -> Result<Network, ShapeError> {
        let output = &self.nodes[self.nodes.len() - 1].shape;
        for shape in self.aux_heads.iter().map(|(head, _)| &self.nodes[head.0].shape).chain([output]) {
            if shape.len() != 1 || shape != output {
                return Err(ShapeError::Output { found: shape.clone() });
            }
        }
        Ok(Network {
            name: name.into(),
            nodes: self.nodes,
            layout: Arc::new(self.layout),
            aux_heads: self.aux_heads,
            groups: OnceLock::new(),
        })
    }

    /// `NAME.weight` and `NAME.bias` of a normalisation.
    fn affine(&mut self, name: &str, shape: &[usize]) -> (ParamId, ParamId) {
        let scale = self.param(format!("{name}.weight"), ParamKind::Scale, shape.to_vec(), 0);
        (scale, self.param(format!("{name}.bias"), ParamKind::Shift, shape.to_vec(), 0))
    }

    fn n_units(&self, x: NodeId, layer: &str) -> Result<usize, ShapeError> {
        self.shape(x).first().copied().ok_or_else(|| ShapeError::Empty { layer: layer.to_owned() })
    }

    /// The layer's name where it has tensors, the operation's otherwise.
    fn op_name(&self, op: &Op) -> String {
        match op.params().first() {
            Some(&id) => super::layer_name(&self.layout.spec(id).name).to_owned(),
            None => format!("{} (operation {})", op.name(), self.nodes.len()),
        }
    }
}
