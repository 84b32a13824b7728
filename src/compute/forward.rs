//! The forward pass of any network, for many points of weight space at once.
//!
//! Activations are `[n_points, n_images, n_units]`. Evaluation uses many points without gradients; fitting uses one point
//! with them. There is no other forward pass.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData, activation};

use super::Engine;
use crate::net::{Activation, Network, NodeId, Op, ParamId, ParamVec};

/// One tensor of a network's parameters at `n_points` points: weights `[n_points, out, in]`, biases `[n_points, 1, out]`.
pub(super) type PointTensors = Vec<Option<Tensor<3>>>;

/// A basis of weight space on the device.
pub(super) struct Basis {
    /// One tensor a parameter, `[n_basis, n_values]`.
    tensors: Vec<Tensor<2>>,
    shapes: Vec<[usize; 2]>,
    n_basis: usize,
}

/// A parameter as a matrix: `[rows, columns]`, biases as a single row.
fn matrix_shape(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [n] => [1, n],
        _ => [shape[0], shape[1..].iter().product()],
    }
}

impl Basis {
    /// Uploads the vectors.
    pub(super) fn new(engine: &Engine, basis: &[Arc<ParamVec>]) -> Self {
        let layout = basis[0].layout();
        let tensors = (0..layout.specs().len())
            .map(|index| {
                let id = ParamId(index);
                let n_values = layout.spec(id).n_values();
                let values: Vec<f32> = basis.iter().flat_map(|w| w.tensor(id)).copied().collect();
                Tensor::from_data(TensorData::new(values, [basis.len(), n_values]), &engine.device)
            })
            .collect();
        let shapes = layout.specs().iter().map(|spec| matrix_shape(&spec.shape)).collect();
        Self { tensors, shapes, n_basis: basis.len() }
    }

    /// `sum_i c_i w_i` for each row c of `coefficients` `[n_points, n_basis]`; parameters for which `wanted` is false are
    /// left out.
    pub(super) fn combine(&self, coefficients: &Tensor<2>, wanted: impl Fn(ParamId) -> bool) -> PointTensors {
        let [n_points, _] = coefficients.dims();
        (0..self.tensors.len())
            .map(|index| {
                wanted(ParamId(index)).then(|| {
                    let [rows, columns] = self.shapes[index];
                    coefficients.clone().matmul(self.tensors[index].clone()).reshape([n_points, rows, columns])
                })
            })
            .collect()
    }

    /// All basis vectors as points of their own: `[n_basis, ..]`.
    pub(super) fn as_points(&self) -> PointTensors {
        let tensors = self.tensors.iter().zip(&self.shapes);
        tensors.map(|(t, &[rows, columns])| Some(t.clone().reshape([self.n_basis, rows, columns]))).collect()
    }
}

/// Coefficients on the device: `[n_points, n_basis]`.
pub(super) fn coefficient_tensor(engine: &Engine, rows: &[&[f64]]) -> Tensor<2> {
    let n_basis = rows.first().map_or(0, |row| row.len());
    let values: Vec<f32> = rows.iter().flat_map(|row| row.iter()).map(|&c| c as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len(), n_basis]), &engine.device)
}

/// The first linear layer, if only flattening stands before it: its output is linear in the coefficients.
pub(super) fn first_linear(network: &Network) -> Option<NodeId> {
    for (index, node) in network.nodes().iter().enumerate() {
        match node.op {
            Op::Input | Op::Flatten => {}
            Op::Linear { .. } => return Some(NodeId(index)),
            _ => return None,
        }
    }
    None
}

/// A linear layer of a fully connected network.
#[derive(Clone, Copy, Debug)]
pub(super) struct DenseLayer {
    pub(super) weight: ParamId,
    pub(super) bias: Option<ParamId>,
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    /// Whether a ReLU follows.
    pub(super) relu: bool,
}

/// The layers, if the network is nothing but a chain of linear layers with ReLUs behind them.
pub(super) fn dense_layers(network: &Network) -> Option<Vec<DenseLayer>> {
    let mut layers: Vec<DenseLayer> = Vec::new();
    for (index, node) in network.nodes().iter().enumerate().skip(1) {
        if node.inputs != [NodeId(index - 1)] {
            return None;
        }
        match node.op {
            Op::Flatten => {}
            Op::Activation(Activation::Relu) => layers.last_mut()?.relu = true,
            Op::Linear { weight, bias } => {
                let &[n_out, n_in] = network.layout().spec(weight).shape.as_slice() else {
                    return None;
                };
                layers.push(DenseLayer { weight, bias, n_in, n_out, relu: false });
            }
            _ => return None,
        }
    }
    (!layers.is_empty()).then_some(layers)
}

/// The parameters of the node `id`.
pub(super) fn params_of(network: &Network, id: NodeId) -> Vec<ParamId> {
    network.nodes()[id.0].op.params()
}

/// Runs the graph from the output of node `from` to the logits `[n_points, n_images, n_classes]`.
///
/// `value`: that output, `[n_points, n_images, n_units]` (the images themselves: `from` = the input node). `visit` sees the
/// output of every node behind `from`.
pub(super) fn forward_from(
    network: &Network,
    from: NodeId,
    value: Tensor<3>,
    params: &PointTensors,
    mut visit: impl FnMut(NodeId, &Tensor<3>),
) -> Tensor<3> {
    let nodes = network.nodes();
    let mut last_use = vec![0; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for input in &node.inputs {
            last_use[input.0] = index;
        }
    }
    let mut outputs: Vec<Option<Tensor<3>>> = vec![None; nodes.len()];
    outputs[from.0] = Some(value);
    for (index, node) in nodes.iter().enumerate().skip(from.0 + 1) {
        let input = node.inputs[0].0;
        // Taking the tensor at its last use lets the device work in place.
        let x = if last_use[input] == index { outputs[input].take() } else { outputs[input].clone() };
        let x = x.expect("nodes are in an order in which they can be computed");
        let y = apply(&node.op, x, params);
        visit(NodeId(index), &y);
        outputs[index] = Some(y);
    }
    outputs.pop().flatten().expect("the last node is the output")
}

fn apply(op: &Op, x: Tensor<3>, params: &PointTensors) -> Tensor<3> {
    match op {
        Op::Input | Op::Flatten => x,
        Op::Activation(Activation::Relu) => activation::relu(x),
        Op::Linear { weight, bias } => linear(x, tensor(params, *weight), bias.map(|id| tensor(params, id))),
        other => unreachable!("{} is not recognised yet", other.name()),
    }
}

/// `x W^T + b` for each point; images shared by all points (`n_points` = 1) are broadcast.
pub(super) fn linear(x: Tensor<3>, weight: &Tensor<3>, bias: Option<&Tensor<3>>) -> Tensor<3> {
    let y = x.matmul(weight.clone().swap_dims(1, 2));
    match bias {
        Some(bias) => y + bias.clone(),
        None => y,
    }
}

pub(super) fn tensor(params: &PointTensors, id: ParamId) -> &Tensor<3> {
    params[id.0].as_ref().expect("every parameter of the nodes that run was combined")
}
