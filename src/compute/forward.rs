//! The forward pass of any network by tensor operations, on any device.
//!
//! Networks whose values are all flat take many points of weight space at once; maps go through a point at a time, images in
//! batches. Evaluation, training and the statistics of batch norm all go through the one walk over the graph.

mod norms;
mod ops;
mod pools;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

pub(super) use self::norms::UnitStatistics;
pub(super) use self::ops::{Activations, LARGE_MAP, is_flat};

use self::norms::BatchNorm;
use super::Engine;
use crate::net::{Activation, Network, NodeId, Op, ParamId, ParamVec};

/// The tensors of a network's parameters at `n_points` points, each `[n_points, rows, columns]`: weights have a row for each
/// output, whatever has a single axis is one row.
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

/// Runs the graph from the output `value` of node `from` (the images: the input node) to the logits
/// `[n_points, n_images, n_classes]`. Batch norm uses the statistics in `params`.
pub(super) fn forward_from(network: &Network, from: NodeId, value: Activations, params: &PointTensors) -> Tensor<3> {
    let apply_all = |id, inputs: Vec<Vec<Activations>>| {
        inputs.into_iter().map(|inputs| ops::apply(network, id, inputs, params)).collect()
    };
    let mut outputs = walk(network, &network.needed(), from, vec![value], apply_all);
    take_flat(&mut outputs[0], NodeId(network.nodes().len() - 1))
}

/// Runs the whole graph, auxiliary heads too, on `images`; `visit` sees the output of every node behind the images.
pub(super) fn visit_nodes(
    network: &Network,
    images: Activations,
    params: &PointTensors,
    mut visit: impl FnMut(NodeId, &Activations),
) {
    let every = vec![true; network.nodes().len()];
    walk(network, &every, NodeId(0), vec![images], |id, inputs| {
        let outputs = inputs.into_iter().map(|inputs| {
            let output = ops::apply(network, id, inputs, params);
            visit(id, &output);
            output
        });
        outputs.collect()
    });
}

/// What training wants to know of a minibatch.
pub(super) struct TrainingOutputs {
    /// `[n_points, n_images, n_classes]`.
    pub(super) logits: Tensor<3>,
    /// Logits of the auxiliary heads, and the weights of their losses.
    pub(super) heads: Vec<(Tensor<3>, f32)>,
    /// What each batch norm found.
    pub(super) statistics: Vec<(NodeId, UnitStatistics)>,
}

/// Runs the whole graph on a minibatch; batch norm uses the minibatch's statistics.
pub(super) fn forward_training(network: &Network, images: Activations, params: &PointTensors) -> TrainingOutputs {
    let every = vec![true; network.nodes().len()];
    let (mut outputs, statistics) = walk_by_batch(network, &every, vec![images], params);
    let outputs = &mut outputs[0];
    let heads = network.aux_heads().iter().map(|&(head, weight)| (take_flat(outputs, head), weight)).collect();
    TrainingOutputs { logits: take_flat(outputs, NodeId(network.nodes().len() - 1)), heads, statistics }
}

/// Statistics of every batch norm over the images of all `chunks` together, layer by layer: each layer sees images that the
/// layers before it have normalised by their own new statistics.
pub(super) fn batch_statistics(
    network: &Network,
    chunks: Vec<Activations>,
    params: &PointTensors,
) -> Vec<(NodeId, UnitStatistics)> {
    let mut run = network.needed();
    let is_norm = |index: &usize| run[*index] && matches!(network.nodes()[*index].op, Op::BatchNorm { .. });
    let n_run = (0..run.len()).rfind(is_norm).map_or(0, |last| last + 1);
    run[n_run..].fill(false);
    walk_by_batch(network, &run, chunks, params).1
}

/// Outputs of the nodes for one chunk of images, as far as they are still wanted.
type Outputs = Vec<Option<Activations>>;

/// [`walk`] from the images, with batch norm by the statistics of all chunks.
fn walk_by_batch(
    network: &Network,
    run: &[bool],
    chunks: Vec<Activations>,
    params: &PointTensors,
) -> (Vec<Outputs>, Vec<(NodeId, UnitStatistics)>) {
    let mut statistics = Vec::new();
    let param = |id: ParamId| tensor(params, id).clone();
    let outputs = walk(network, run, NodeId(0), chunks, |id, inputs| match network.nodes()[id.0].op {
        Op::BatchNorm { scale, shift, eps, .. } => {
            let norm = BatchNorm { scale: scale.map(param), shift: shift.map(param), eps };
            let (outputs, found) = norm.by_batch(inputs.into_iter().flatten().collect());
            statistics.push((id, found));
            outputs
        }
        _ => inputs.into_iter().map(|inputs| ops::apply(network, id, inputs, params)).collect(),
    });
    (outputs, statistics)
}

/// Computes the nodes behind `from` for which `run` is true, each for all chunks of images before the next: `compute` gets
/// the inputs of a node for each chunk and returns its outputs. An output is dropped after its last use; those of the logits
/// and the auxiliary heads remain.
fn walk(
    network: &Network,
    run: &[bool],
    from: NodeId,
    values: Vec<Activations>,
    mut compute: impl FnMut(NodeId, Vec<Vec<Activations>>) -> Vec<Activations>,
) -> Vec<Outputs> {
    let nodes = network.nodes();
    let mut last_use = vec![0; nodes.len()];
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| run[*index]) {
        node.inputs.iter().for_each(|input| last_use[input.0] = index);
    }
    network.aux_heads().iter().for_each(|(head, _)| last_use[head.0] = usize::MAX);
    let start = |value| {
        let mut outputs: Outputs = vec![None; nodes.len()];
        outputs[from.0] = Some(value);
        outputs
    };
    let mut chunks: Vec<Outputs> = values.into_iter().map(start).collect();
    for index in (from.0 + 1..nodes.len()).filter(|&index| run[index]) {
        let inputs = chunks.iter_mut().map(|outputs| take_inputs(&nodes[index].inputs, index, outputs, &last_use));
        let values = compute(NodeId(index), inputs.collect());
        for (outputs, value) in chunks.iter_mut().zip(values) {
            outputs[index] = Some(value);
        }
    }
    chunks
}

/// The inputs of node `index`. Taking a tensor at its last use lets the device work in place.
fn take_inputs(inputs: &[NodeId], index: usize, outputs: &mut Outputs, last_use: &[usize]) -> Vec<Activations> {
    let take = |(place, input): (usize, &NodeId)| {
        let is_last = last_use[input.0] == index && !inputs[place + 1..].contains(input);
        let slot = &mut outputs[input.0];
        let value = if is_last { slot.take() } else { slot.clone() };
        value.expect("nodes are in an order in which they can be computed")
    };
    inputs.iter().enumerate().map(take).collect()
}

fn take_flat(outputs: &mut Outputs, id: NodeId) -> Tensor<3> {
    outputs[id.0].take().expect("the walk keeps the logits and the auxiliary heads").flatten()
}

pub(super) fn tensor(params: &PointTensors, id: ParamId) -> &Tensor<3> {
    params[id.0].as_ref().expect("every parameter of the nodes that run was combined")
}
