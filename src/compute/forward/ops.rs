//! What a node computes from its inputs, by tensor operations that can be differentiated.

use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Tensor, activation, s};

use super::norms::{self, BatchNorm};
use super::{PointTensors, pools, tensor};
use crate::net::op::Padding;
use crate::net::{Activation, Network, NodeId, Op, ParamId};

/// Sides beyond which not every position of a map is a sample.
pub(in crate::compute) const LARGE_MAP: usize = 32;

/// Output of a node for some images.
#[derive(Clone, Debug)]
pub(in crate::compute) enum Activations {
    /// `[n_points, n_images, n_units]`: flat values at several points of weight space, or the same for all (`n_points` = 1).
    Flat(Tensor<3>),
    /// `[n_images, channels, height, width]`: maps at a single point.
    Maps(Tensor<4>),
}

impl Activations {
    /// Images `[n_points, n_images, n_pixels]` as `network` takes them; for networks of maps `n_points` is 1.
    pub(in crate::compute) fn images(network: &Network, pixels: Tensor<3>) -> Self {
        if is_flat(network) {
            return Self::Flat(pixels);
        }
        let [_, n_images, n_pixels] = pixels.dims();
        let shape = network.input_shape();
        let (channels, height) = (shape[0], shape.get(1).copied().unwrap_or(1));
        Self::Maps(pixels.reshape([n_images, channels, height, n_pixels / (channels * height)]))
    }

    /// Flat values; maps are flattened channel by channel.
    pub(in crate::compute) fn flatten(self) -> Tensor<3> {
        match self {
            Self::Flat(x) => x,
            Self::Maps(x) => {
                let [n_images, channels, height, width] = x.dims();
                x.reshape([1, n_images, channels * height * width])
            }
        }
    }

    /// Each image, or each position of its map, as a sample of all units at a single point: `[n_samples, n_units]`. Of large
    /// maps every other row and column.
    pub(in crate::compute) fn samples(&self) -> Tensor<2> {
        match self.clone() {
            Self::Flat(x) => {
                let [_, n_images, n_units] = x.dims();
                x.reshape([n_images, n_units])
            }
            Self::Maps(x) => {
                let x = every_other(every_other(x, 2), 3);
                let [n_images, channels, height, width] = x.dims();
                x.permute([0, 2, 3, 1]).reshape([n_images * height * width, channels])
            }
        }
    }

    pub(super) fn maps(self) -> Tensor<4> {
        match self {
            Self::Maps(x) => x,
            Self::Flat(_) => unreachable!("shape inference lets only maps through to operations on maps"),
        }
    }

    /// Adds one value a unit, `[n_points, 1, n_units]`.
    pub(super) fn plus_units(self, values: Tensor<3>) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x + values),
            Self::Maps(x) => Self::Maps(x + over_maps(values)),
        }
    }

    /// Multiplies with one value a unit, `[n_points, 1, n_units]`.
    pub(super) fn times_units(self, values: Tensor<3>) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x * values),
            Self::Maps(x) => Self::Maps(x * over_maps(values)),
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Flat(x), Self::Flat(y)) => Self::Flat(x + y),
            (x, y) => Self::Maps(x.maps() + y.maps()),
        }
    }

    fn scaled(self, factor: f32) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x * factor),
            Self::Maps(x) => Self::Maps(x * factor),
        }
    }

    fn activated(self, function: Activation) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(activate(function, x)),
            Self::Maps(x) => Self::Maps(activate(function, x)),
        }
    }

    /// Units `start..end`.
    fn units(self, start: usize, end: usize) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x.slice_dim(2, start..end)),
            Self::Maps(x) => Self::Maps(x.slice_dim(1, start..end)),
        }
    }

    /// Zero units before and behind.
    fn padded(self, before: usize, behind: usize) -> Self {
        let zeros = PadMode::Constant(0.0);
        match self {
            Self::Flat(x) => Self::Flat(x.pad([(before, behind)], zeros)),
            Self::Maps(x) => Self::Maps(x.pad([(before, behind), (0, 0), (0, 0)], zeros)),
        }
    }

    /// Units of all inputs behind each other.
    fn concat(inputs: Vec<Self>) -> Self {
        if let Some(Self::Flat(_)) = inputs.first() {
            return Self::Flat(Tensor::cat(inputs.into_iter().map(Self::flatten).collect(), 2));
        }
        Self::Maps(Tensor::cat(inputs.into_iter().map(Self::maps).collect(), 1))
    }
}

/// Every other row or column along an axis that is long.
fn every_other(x: Tensor<4>, axis: usize) -> Tensor<4> {
    if LARGE_MAP < x.dims()[axis] { x.slice_dim(axis, s![..; 2]) } else { x }
}

/// `[1, 1, channels]` as it is broadcast over maps.
fn over_maps(values: Tensor<3>) -> Tensor<4> {
    let [_, _, channels] = values.dims();
    values.reshape([1, channels, 1, 1])
}

/// Whether all values behind the images are flat, so that many points go through at once.
pub(in crate::compute) fn is_flat(network: &Network) -> bool {
    network.nodes().iter().skip(1).all(|node| node.shape.len() == 1)
}

/// Output of the node `id`; batch norm uses the statistics in `params`.
pub(super) fn apply(network: &Network, id: NodeId, inputs: Vec<Activations>, params: &PointTensors) -> Activations {
    let op = &network.nodes()[id.0].op;
    if matches!(op, Op::Concat) {
        return Activations::concat(inputs);
    }
    let mut inputs = inputs.into_iter();
    let x = inputs.next().expect("every operation behind the images reads a node");
    let param = |id: ParamId| tensor(params, id).clone();
    match *op {
        Op::Input | Op::Concat => x,
        Op::Flatten => Activations::Flat(x.flatten()),
        Op::Linear { weight, bias } => Activations::Flat(linear(x.flatten(), &param(weight), bias.map(param).as_ref())),
        Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
            let options = ConvOptions::new_with_padding(stride, pairs(padding), dilation, groups);
            let shape = &network.layout().spec(weight).shape;
            let weight = param(weight).reshape([shape[0], shape[1], shape[2], shape[3]]);
            Activations::Maps(conv2d(x.maps(), weight, bias.map(|id| param(id).reshape([shape[0]])), options))
        }
        Op::BatchNorm { scale, shift, mean, var, eps } => {
            BatchNorm { scale: scale.map(param), shift: shift.map(param), eps }.by_stored(x, param(mean), param(var))
        }
        Op::LayerNorm { scale, shift, eps } => {
            norms::example_affine(norms::standardise_groups(x, 1, eps), scale.map(param), shift.map(param))
        }
        Op::GroupNorm { n_groups, scale, shift, eps } => {
            norms::unit_affine(norms::standardise_groups(x, n_groups, eps), scale.map(param), shift.map(param))
        }
        Op::Activation(function) => x.activated(function),
        Op::MaxPool(window) => Activations::Maps(pools::max_pool(x.maps(), &window)),
        Op::AvgPool { window, count_padding } => Activations::Maps(pools::avg_pool(x.maps(), &window, count_padding)),
        Op::AdaptiveMaxPool { size } => Activations::Maps(pools::adaptive_max_pool(x.maps(), size)),
        Op::AdaptiveAvgPool { size } => Activations::Maps(pools::adaptive_avg_pool(x.maps(), size)),
        Op::Add => inputs.fold(x, Activations::plus),
        Op::Slice { start, end } => x.units(start, end),
        Op::Pad { before, behind } => x.padded(before, behind),
        Op::Scale(factor) => x.scaled(factor),
    }
}

/// `x W^T + b` for each point; images shared by all points (`n_points` = 1) are broadcast.
fn linear(x: Tensor<3>, weight: &Tensor<3>, bias: Option<&Tensor<3>>) -> Tensor<3> {
    let y = x.matmul(weight.clone().swap_dims(1, 2));
    match bias {
        Some(bias) => y + bias.clone(),
        None => y,
    }
}

/// Padding as burn takes it.
pub(super) fn pairs(padding: Padding) -> [(usize, usize); 2] {
    padding.map(|[before, behind]| (before, behind))
}

fn activate<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    match function {
        Activation::Relu => activation::relu(x),
        Activation::LeakyRelu(slope) => activation::leaky_relu(x, f64::from(slope)),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => activation::tanh(x),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}
