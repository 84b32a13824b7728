//! The pass through the graph and back.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::buffers::Buffers;
use super::conv::{ConvSizes, Gather};
use super::norm::{self, ImageNorm, Moments};
use super::pool::Pool;
use super::tile::Scalars;
use super::weights::WeightGradient;
use super::{LANES, Map, Row, activation};
use crate::net::{Activation, Network, NodeId, Op, ParamId};

/// Images to learn from.
#[derive(Clone, Copy, Debug)]
pub(in crate::compute) struct Examples<'a> {
    /// `[n_images][input shape]`, normalised.
    pub(in crate::compute) images: &'a [f32],
    pub(in crate::compute) labels: &'a [u16],
    /// Images of the whole minibatch, which the mean loss divides by.
    pub(in crate::compute) n_total: usize,
}

/// What a batch norm measured on the last minibatch.
pub(in crate::compute) struct Statistics {
    /// Where its running statistics lie in the parameters.
    pub(in crate::compute) mean_id: ParamId,
    pub(in crate::compute) var_id: ParamId,
    pub(in crate::compute) mean: Vec<f64>,
    /// Unbiased, which is what PyTorch keeps.
    pub(in crate::compute) var: Vec<f64>,
}

/// A layer with weights.
#[derive(Debug)]
struct Conv {
    sizes: ConvSizes,
    weight: ParamId,
    bias: Option<ParamId>,
    forward: Gather,
    backward: Gather,
    weights: WeightGradient,
    packed: Vec<Scalars>,
}

/// What is laid out once for a node.
#[derive(Debug)]
enum Plan {
    Conv(Box<Conv>),
    Pool(Pool),
    /// Statistics of the last minibatch.
    BatchNorm(Moments),
    /// Values take the place of the input's, which nobody else reads.
    InPlace,
    Plain,
}

/// A network laid out for gradients, and its values at the last minibatch.
#[derive(Debug)]
pub(in crate::compute) struct Tape {
    network: Arc<Network>,
    maps: Vec<Map>,
    plans: Vec<Plan>,
    /// Nodes that a loss depends on.
    is_used: Vec<bool>,
    /// Nodes whose gradient a parameter, or the images where that is wanted, depends on.
    has_params: Vec<bool>,
    /// Outputs and the weights of their losses; the first are the logits.
    heads: Vec<(NodeId, f32)>,
    values: Vec<Vec<Row>>,
    gradients: Vec<Option<Vec<Row>>>,
    /// The images' gradient at the last minibatch, where it is wanted.
    of_images: Vec<Row>,
    buffers: Buffers,
}

impl Tape {
    pub(in crate::compute) fn new(network: &Arc<Network>) -> Self {
        Self::laid_out(network, false)
    }

    /// For [`Self::input_gradient`] too.
    pub(in crate::compute) fn with_input_gradient(network: &Arc<Network>) -> Self {
        Self::laid_out(network, true)
    }

    /// `wants_images`: whether the gradient is taken back to the images.
    fn laid_out(network: &Arc<Network>, wants_images: bool) -> Self {
        let nodes = network.nodes();
        let heads: Vec<(NodeId, f32)> =
            std::iter::once((NodeId(nodes.len() - 1), 1.0)).chain(network.aux_heads().iter().copied()).collect();
        let mut is_used = vec![false; nodes.len()];
        heads.iter().for_each(|(head, _)| is_used[head.0] = true);
        for (index, node) in nodes.iter().enumerate().rev() {
            if is_used[index] {
                node.inputs.iter().for_each(|input| is_used[input.0] = true);
            }
        }
        let mut has_params = vec![false; nodes.len()];
        let mut n_readers = vec![0; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let is_trained = |id: &ParamId| network.layout().spec(*id).kind.is_trained();
            let is_wanted = wants_images && node.op == Op::Input;
            let has_own = node.op.params().iter().any(is_trained);
            has_params[index] = is_wanted || has_own || node.inputs.iter().any(|i| has_params[i.0]);
            if is_used[index] {
                node.inputs.iter().for_each(|input| n_readers[input.0] += 1);
            }
        }
        heads.iter().for_each(|(head, _)| n_readers[head.0] += 1);
        let maps: Vec<Map> = nodes.iter().map(|node| Map::of(&node.shape)).collect();
        let plan = |(index, node): (usize, &crate::net::Node)| {
            let output = maps[index];
            let input = node.inputs.first().map_or(output, |input| maps[input.0]);
            match &node.op {
                Op::Linear { weight, bias } => conv(ConvSizes::linear(input.c, output.c), *weight, *bias),
                Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
                    let shape = &network.layout().spec(*weight).shape;
                    let (stride, dilation, groups) = (*stride, *dilation, *groups);
                    let padding = [padding[0][0], padding[1][0]];
                    let kernel = [shape[2], shape[3]];
                    let sizes = ConvSizes { input, output, kernel, stride, padding, dilation, groups };
                    conv(sizes, *weight, *bias)
                }
                Op::MaxPool(window) => Plan::Pool(Pool::sliding(input, output, window, false)),
                Op::AvgPool { window, count_padding } => {
                    Plan::Pool(Pool::sliding(input, output, window, *count_padding))
                }
                Op::AdaptiveMaxPool { .. } | Op::AdaptiveAvgPool { .. } => Plan::Pool(Pool::adaptive(input, output)),
                Op::BatchNorm { .. } => Plan::BatchNorm(Moments { mean: Vec::new(), var: Vec::new(), n_values: 0 }),
                // A ReLU's derivative can be read off its output.
                Op::Activation(Activation::Relu)
                    if n_readers[node.inputs[0].0] == 1 && !needs_output(&nodes[node.inputs[0].0].op) =>
                {
                    Plan::InPlace
                }
                _ => Plan::Plain,
            }
        };
        Self {
            plans: nodes.iter().enumerate().map(plan).collect(),
            values: vec![Vec::new(); nodes.len()],
            gradients: vec![None; nodes.len()],
            of_images: Vec::new(),
            buffers: Buffers::default(),
            network: Arc::clone(network),
            maps,
            is_used,
            has_params,
            heads,
        }
    }

    /// The loss's gradient at `params` (the flat vector, of which the running statistics are not read).
    ///
    /// `gradient`: one value a trained parameter, overwritten. Returns the logits' cross-entropy, summed over the images,
    /// in nats; auxiliary losses and `n_total` only count in the gradient.
    pub(in crate::compute) fn gradient(&mut self, params: &[f32], examples: Examples<'_>, gradient: &mut [f32]) -> f64 {
        gradient.fill(0.0);
        self.forth_and_back(params, examples, Some(gradient))
    }

    /// `gradient`: what a trained parameter's is added to, where it is wanted. Returns the logits' loss.
    fn forth_and_back(&mut self, params: &[f32], examples: Examples<'_>, gradient: Option<&mut [f32]>) -> f64 {
        self.forward(params, examples);
        let mut losses = Vec::with_capacity(self.heads.len());
        for (head, weight) in self.heads.clone() {
            let mut slope = self.buffers.take(self.values[head.0].len());
            losses.push(cross_entropy(&self.values[head.0], self.maps[head.0].c, examples, weight, &mut slope));
            self.give(head, slope);
        }
        self.backward(params, examples.labels.len(), gradient);
        losses[0]
    }

    /// The cross-entropy that [`Self::gradient`] returns.
    pub(in crate::compute) fn loss(&mut self, params: &[f32], examples: Examples<'_>) -> f64 {
        self.forward(params, examples);
        let logits = self.heads[0].0.0;
        let mut slope = self.buffers.take(self.values[logits].len());
        let loss = cross_entropy(&self.values[logits], self.maps[logits].c, examples, 1.0, &mut slope);
        self.buffers.give(slope);
        loss
    }

    /// The loss's gradient by the images at `params`: `[n_images][input shape]`, as they are given. Only of tapes that were made
    /// for it.
    pub(in crate::compute) fn input_gradient(&mut self, params: &[f32], examples: Examples<'_>) -> Vec<f32> {
        self.forth_and_back(params, examples, None);
        images_of_blocks(&self.of_images, self.maps[0], examples.labels.len())
    }

    /// What each batch norm measured, in order of depth.
    pub(in crate::compute) fn statistics(&self) -> impl Iterator<Item = Statistics> {
        self.network.nodes().iter().zip(&self.plans).filter_map(|(node, plan)| match (&node.op, plan) {
            (&Op::BatchNorm { mean: mean_id, var: var_id, .. }, Plan::BatchNorm(moments)) => {
                let n = moments.n_values as f64;
                let unbiased = if 1.0 < n { n / (n - 1.0) } else { 1.0 };
                let var = moments.var.iter().map(|var| var * unbiased).collect();
                Some(Statistics { mean_id, var_id, mean: moments.mean.clone(), var })
            }
            _ => None,
        })
    }

    fn tensor<'a>(&self, params: &'a [f32], id: ParamId) -> &'a [f32] {
        &params[self.range(id)]
    }

    /// A tensor's place in the flat vector.
    fn range(&self, id: ParamId) -> Range<usize> {
        let spec = self.network.layout().spec(id);
        spec.offset..spec.offset + spec.n_values()
    }

    fn forward(&mut self, params: &[f32], examples: Examples<'_>) {
        let network = Arc::clone(&self.network);
        let n_images = examples.labels.len();
        let n_blocks = n_images.div_ceil(LANES);
        for (index, node) in network.nodes().iter().enumerate().filter(|(index, _)| self.is_used[*index]) {
            let map = self.maps[index];
            let input = node.inputs.first().map_or(0, |id| id.0);
            let mut plan = std::mem::replace(&mut self.plans[index], Plan::Plain);
            let mut y = match &plan {
                Plan::InPlace => std::mem::take(&mut self.values[input]),
                _ => self.buffers.take(n_blocks * map.rows()),
            };
            let x = self.values[input].as_slice();
            let from = self.maps[input];
            let tensor = |id: &Option<ParamId>| id.map(|id| self.tensor(params, id));
            match (&node.op, &mut plan) {
                (Op::Input, _) => blocks_of_images(examples.images, map, &mut y),
                (_, Plan::Conv(conv)) => {
                    let (sizes, weight) = (conv.sizes, self.tensor(params, conv.weight));
                    conv.forward.pack(&mut conv.packed, |group, output, tap, input| {
                        let output = group * sizes.group_out() + output;
                        weight[(output * sizes.group_in() + input) * sizes.n_taps() + tap]
                    });
                    conv.forward.apply(x, &conv.packed, tensor(&conv.bias), &mut y);
                }
                (Op::BatchNorm { scale, shift, eps, .. }, Plan::BatchNorm(moments)) => {
                    *moments = Moments::of(x, map, n_images);
                    norm::batch_norm((x, &mut y), map, moments, *eps, (tensor(scale), tensor(shift)));
                }
                (op @ (Op::LayerNorm { .. } | Op::GroupNorm { .. }), _) => {
                    if let Some(norm) = self.image_norm(op, map, params) {
                        norm.forward(x, &mut y);
                    }
                }
                (Op::MaxPool(_) | Op::AdaptiveMaxPool { .. }, Plan::Pool(pool)) => pool.max(x, &mut y),
                (_, Plan::Pool(pool)) => pool.mean(x, &mut y),
                (Op::Activation(activation), _) => {
                    if !matches!(plan, Plan::InPlace) {
                        y.copy_from_slice(x);
                    }
                    activation::forward(*activation, &mut y);
                }
                (Op::Flatten, _) => reorder(x, from, &mut y, |row| flat_row(from, row)),
                (Op::Add, _) => {
                    y.copy_from_slice(x);
                    node.inputs[1..].iter().for_each(|other| add(&mut y, &self.values[other.0]));
                }
                (Op::Scale(factor), _) => {
                    y.copy_from_slice(x);
                    scale_by(&mut y, *factor);
                }
                (op, _) => {
                    y.fill(bytemuck::Zeroable::zeroed());
                    for (id, to, from) in channel_parts(op, &node.inputs, &self.maps) {
                        copy_channels((&self.values[id.0], self.maps[id.0], from), (&mut y, map, to));
                    }
                }
            }
            self.plans[index] = plan;
            let old = std::mem::replace(&mut self.values[index], y);
            self.buffers.give(old);
        }
    }

    fn backward(&mut self, params: &[f32], n_images: usize, mut gradient: Option<&mut [f32]>) {
        let network = Arc::clone(&self.network);
        for (index, node) in network.nodes().iter().enumerate().rev() {
            let y = std::mem::take(&mut self.values[index]);
            let Some(mut dy) = self.gradients[index].take() else {
                self.buffers.give(y);
                continue;
            };
            let Some(&input) = node.inputs.first() else {
                self.buffers.give(y);
                self.buffers.give(std::mem::replace(&mut self.of_images, dy));
                continue;
            };
            let mut plan = std::mem::replace(&mut self.plans[index], Plan::Plain);
            let (map, from) = (self.maps[index], self.maps[input.0]);
            let n_blocks = dy.len() / map.rows();
            let wants_input = self.has_params[input.0];
            // Where the input's gradient is not that of the output, changed in place.
            let mut dx = match (&node.op, &plan) {
                (Op::Flatten, _) | (_, Plan::Conv(_) | Plan::Pool(_)) if wants_input => {
                    Some(self.buffers.take(n_blocks * from.rows()))
                }
                _ => None,
            };
            let x = self.values[input.0].as_slice();
            match (&node.op, &mut plan) {
                (_, Plan::Conv(conv)) => {
                    if let Some(gradient) = &mut gradient {
                        let range = self.range(conv.weight);
                        conv.weights.add(x, &dy, &mut self.buffers, &mut gradient[range]);
                        if let Some(bias) = conv.bias {
                            add_channel_sums(&dy, map, &mut gradient[self.range(bias)]);
                        }
                    }
                    if let Some(dx) = &mut dx {
                        let (sizes, weight) = (conv.sizes, self.tensor(params, conv.weight));
                        conv.backward.pack(&mut conv.packed, |group, input, tap, output| {
                            let output = group * sizes.group_out() + output;
                            weight[(output * sizes.group_in() + input + 1) * sizes.n_taps() - 1 - tap]
                        });
                        conv.backward.apply(&dy, &conv.packed, None, dx);
                    }
                }
                (Op::BatchNorm { scale, shift, eps, .. }, Plan::BatchNorm(moments)) => {
                    let factors = scale.map(|id| self.tensor(params, id));
                    let found = norm::batch_norm_backward((x, &mut dy), map, moments, *eps, factors, n_images);
                    self.put([*scale, *shift], found, gradient.as_deref_mut());
                }
                (op @ (Op::LayerNorm { scale, shift, .. } | Op::GroupNorm { scale, shift, .. }), _) => {
                    if let Some(norm) = self.image_norm(op, map, params) {
                        let found = norm.backward(x, &mut dy);
                        self.put([*scale, *shift], found, gradient.as_deref_mut());
                    }
                }
                (Op::MaxPool(_) | Op::AdaptiveMaxPool { .. }, Plan::Pool(pool)) => {
                    if let Some(dx) = &mut dx {
                        pool.max_backward((x, &y), &dy, dx);
                    }
                }
                (_, Plan::Pool(pool)) => {
                    if let Some(dx) = &mut dx {
                        pool.mean_backward(&dy, dx);
                    }
                }
                (Op::Activation(activation), _) => {
                    let known = if matches!(plan, Plan::InPlace) { &y } else { x };
                    activation::backward(*activation, known, &mut dy);
                }
                (Op::Flatten, _) => {
                    if let Some(dx) = &mut dx {
                        reorder(&dy, map, dx, |row| map_row(from, row));
                    }
                }
                (Op::Add, _) => {
                    for &other in &node.inputs[1..] {
                        if self.has_params[other.0] {
                            let mut copy = self.buffers.take(dy.len());
                            copy.copy_from_slice(&dy);
                            self.give(other, copy);
                        }
                    }
                }
                (Op::Scale(factor), _) => scale_by(&mut dy, *factor),
                (op, _) => {
                    for (id, of_output, of_input) in channel_parts(op, &node.inputs, &self.maps) {
                        let map_in = self.maps[id.0];
                        let mut dx = self.buffers.take(n_blocks * map_in.rows());
                        dx.fill(bytemuck::Zeroable::zeroed());
                        copy_channels((&dy, map, of_output), (&mut dx, map_in, of_input));
                        self.give(id, dx);
                    }
                }
            }
            let passes_dy = !matches!(node.op, Op::Concat | Op::Slice { .. } | Op::Pad { .. }) && wants_input;
            match dx {
                Some(dx) => {
                    self.buffers.give(dy);
                    self.give(input, dx);
                }
                None if passes_dy => self.give(input, dy),
                None => self.buffers.give(dy),
            }
            self.plans[index] = plan;
            self.buffers.give(y);
        }
    }

    /// Adds to the gradient of a node's values.
    fn give(&mut self, id: NodeId, rows: Vec<Row>) {
        if !self.has_params[id.0] {
            self.buffers.give(rows);
        } else if let Some(sum) = &mut self.gradients[id.0] {
            add(sum, &rows);
            self.buffers.give(rows);
        } else {
            self.gradients[id.0] = Some(rows);
        }
    }

    /// Gradients by scale and shift, where there are such tensors and they are wanted.
    fn put(&self, ids: [Option<ParamId>; 2], found: (Vec<f32>, Vec<f32>), gradient: Option<&mut [f32]>) {
        let Some(gradient) = gradient else { return };
        for (id, found) in ids.into_iter().zip([found.0, found.1]) {
            if let Some(id) = id {
                gradient[self.range(id)].iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
            }
        }
    }

    /// A layer or group norm.
    fn image_norm<'a>(&self, op: &Op, map: Map, params: &'a [f32]) -> Option<ImageNorm<'a>> {
        let tensor = |id: &Option<ParamId>| id.map(|id| self.tensor(params, id));
        match op {
            Op::LayerNorm { scale, shift, eps } => {
                let (scale, shift) = (tensor(scale), tensor(shift));
                Some(ImageNorm { map, n_groups: 1, eps: *eps, scale, shift, by_value: true })
            }
            Op::GroupNorm { n_groups, scale, shift, eps } => {
                let (scale, shift) = (tensor(scale), tensor(shift));
                Some(ImageNorm { map, n_groups: *n_groups, eps: *eps, scale, shift, by_value: false })
            }
            _ => None,
        }
    }
}

/// Whether the way back reads what the operation computed.
fn needs_output(op: &Op) -> bool {
    matches!(op, Op::Input | Op::Activation(_) | Op::MaxPool(_) | Op::AdaptiveMaxPool { .. })
}

fn conv(sizes: ConvSizes, weight: ParamId, bias: Option<ParamId>) -> Plan {
    let (forward, backward) = (Gather::forward(&sizes), Gather::backward(&sizes));
    let weights = WeightGradient::new(&sizes);
    Plan::Conv(Box::new(Conv { sizes, weight, bias, forward, backward, weights, packed: Vec::new() }))
}

/// Images `[c, h, w]`, one after the other, as blocks; what fills up the last block is zero.
fn blocks_of_images(images: &[f32], map: Map, blocks: &mut [Row]) {
    blocks.par_chunks_exact_mut(map.rows()).enumerate().for_each(|(block, rows)| {
        let images = &images[block * LANES * map.rows()..];
        let images: Vec<&[f32]> = images.chunks_exact(map.rows()).take(LANES).collect();
        for (row, values) in rows.iter_mut().enumerate() {
            values.0 = [0.0; LANES];
            let flat = flat_row(map, row);
            for (value, image) in values.0.iter_mut().zip(&images) {
                *value = image[flat];
            }
        }
    });
}

/// The inverse of [`blocks_of_images`].
fn images_of_blocks(blocks: &[Row], map: Map, n_images: usize) -> Vec<f32> {
    let mut images = vec![0.0; n_images * map.rows()];
    for (image, values) in images.chunks_exact_mut(map.rows()).enumerate() {
        for (row, value) in blocks[image / LANES * map.rows()..][..map.rows()].iter().enumerate() {
            values[flat_row(map, row)] = value.0[image % LANES];
        }
    }
    images
}

/// `(softmax - one-hot) * weight / n_total` of each image into `slope`; the sum of the cross-entropies.
fn cross_entropy(logits: &[Row], n_classes: usize, examples: Examples<'_>, weight: f32, slope: &mut [Row]) -> f64 {
    let factor = weight / examples.n_total as f32;
    let mut loss = 0.0;
    slope.fill(bytemuck::Zeroable::zeroed());
    for (image, &label) in examples.labels.iter().enumerate() {
        let (rows, lane) = (image / LANES * n_classes, image % LANES);
        let z = |class: usize| logits[rows + class].0[lane];
        let max = (0..n_classes).map(z).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = (0..n_classes).map(|class| (z(class) - max).exp()).sum();
        loss += f64::from(sum.ln() - (z(usize::from(label)) - max));
        for class in 0..n_classes {
            let hit = f32::from(u8::from(class == usize::from(label)));
            slope[rows + class].0[lane] = ((z(class) - max).exp() / sum - hit) * factor;
        }
    }
    loss
}

/// Row of a flattened map's value that stands in row `row` of the map.
fn flat_row(map: Map, row: usize) -> usize {
    row % map.c * map.places() + row / map.c
}

/// The inverse of [`flat_row`].
fn map_row(map: Map, flat: usize) -> usize {
    flat % map.places() * map.c + flat / map.places()
}

/// `to[place(row)] = from[row]` in each block.
fn reorder(from: &[Row], map: Map, to: &mut [Row], place: impl Fn(usize) -> usize + Sync) {
    to.par_chunks_exact_mut(map.rows()).zip(from.par_chunks_exact(map.rows())).for_each(|(to, from)| {
        for (row, values) in from.iter().enumerate() {
            to[place(row)] = *values;
        }
    });
}

fn add(sum: &mut [Row], rows: &[Row]) {
    sum.par_chunks_mut(1024).zip(rows.par_chunks(1024)).for_each(|(sum, rows)| {
        for (sum, row) in sum.iter_mut().zip(rows) {
            for (sum, value) in sum.0.iter_mut().zip(row.0) {
                *sum += value;
            }
        }
    });
}

fn scale_by(rows: &mut [Row], factor: f32) {
    rows.par_chunks_mut(1024).for_each(|rows| rows.iter_mut().for_each(|row| row.0 = row.0.map(|v| v * factor)));
}

/// Adds the sum over images and places of each channel.
fn add_channel_sums(dy: &[Row], map: Map, sums: &mut [f32]) {
    let block = |dy: &[Row]| {
        let mut sums = vec![[0.0_f32; LANES]; map.c];
        for rows in dy.chunks_exact(map.c) {
            for (sum, row) in sums.iter_mut().zip(rows) {
                for (sum, value) in sum.iter_mut().zip(row.0) {
                    *sum += value;
                }
            }
        }
        sums.into_iter().map(|lanes| lanes.iter().sum()).collect()
    };
    let blocks: Vec<Vec<f32>> = dy.par_chunks_exact(map.rows()).map(block).collect();
    for (channel, sum) in sums.iter_mut().enumerate() {
        *sum += blocks.iter().map(|block| block[channel]).sum::<f32>();
    }
}

/// For operations that only move channels: input, first channel in the output, channels of the input that go there.
fn channel_parts(op: &Op, inputs: &[NodeId], maps: &[Map]) -> Vec<(NodeId, Range<usize>, Range<usize>)> {
    match op {
        Op::Slice { start, end } => vec![(inputs[0], 0..end - start, *start..*end)],
        Op::Pad { before, .. } => {
            let c = maps[inputs[0].0].c;
            vec![(inputs[0], *before..before + c, 0..c)]
        }
        _ => {
            let mut first = 0;
            let part = |&id: &NodeId| {
                let c = maps[id.0].c;
                first += c;
                (id, first - c..first, 0..c)
            };
            inputs.iter().map(part).collect()
        }
    }
}

/// Copies channels, at every place, to equally many others.
fn copy_channels(
    (from, from_map, from_channels): (&[Row], Map, Range<usize>),
    (to, to_map, to_channels): (&mut [Row], Map, Range<usize>),
) {
    to.par_chunks_exact_mut(to_map.c).zip(from.par_chunks_exact(from_map.c)).with_min_len(64).for_each(|(to, from)| {
        to[to_channels.clone()].copy_from_slice(&from[from_channels.clone()]);
    });
}
