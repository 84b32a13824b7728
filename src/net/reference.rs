//! Every operation in plain loops and f64: what the engines are checked against. Slow, for tests only.

use super::op::{Padding, Window, adaptive_bin};
use super::{Activation, Network, Node, Op, ParamId, ParamVec};

/// The logits for one image, whose values are in the order of the network's input.
pub(crate) fn logits(network: &Network, params: &ParamVec, image: &[f32]) -> Vec<f64> {
    outputs(network, params, image).pop().unwrap()
}

/// The output of every node for one image.
pub(crate) fn outputs(network: &Network, params: &ParamVec, image: &[f32]) -> Vec<Vec<f64>> {
    let mut outputs: Vec<Vec<f64>> = vec![image.iter().map(|&x| f64::from(x)).collect()];
    for node in &network.nodes()[1..] {
        let inputs: Vec<Map<'_>> =
            node.inputs.iter().map(|id| Map::new(&outputs[id.0], &network.nodes()[id.0].shape)).collect();
        let output = compute(node, &inputs, params);
        outputs.push(output);
    }
    outputs
}

/// Values of one image as `[units, height, width]`; flat values have maps of one pixel.
#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f64],
    height: usize,
    width: usize,
}

impl<'a> Map<'a> {
    fn new(values: &'a [f64], shape: &[usize]) -> Self {
        let side = |axis: usize| shape.get(axis).copied().unwrap_or(1);
        Self { values, height: side(1), width: side(2) }
    }

    fn at(&self, unit: usize, y: usize, x: usize) -> f64 {
        self.values[(unit * self.height + y) * self.width + x]
    }

    fn unit_len(&self) -> usize {
        self.height * self.width
    }
}

fn compute(node: &Node, inputs: &[Map<'_>], params: &ParamVec) -> Vec<f64> {
    let x = inputs[0];
    let value =
        |id: Option<ParamId>, index: usize, default: f64| id.map_or(default, |id| f64::from(params.tensor(id)[index]));
    match node.op {
        Op::Input | Op::Flatten => x.values.to_vec(),
        Op::Linear { weight, bias } => (0..node.shape[0])
            .map(|unit| {
                let row = &params.tensor(weight)[unit * x.values.len()..];
                row.iter().zip(x.values).map(|(&w, x)| f64::from(w) * x).sum::<f64>() + value(bias, unit, 0.0)
            })
            .collect(),
        Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
            let shape = &params.layout().spec(weight).shape;
            let conv = Conv { weight: params.tensor(weight), shape, stride, padding, dilation, groups };
            over_output(node, |unit, y, column| conv.at(x, unit, y, column) + value(bias, unit, 0.0))
        }
        Op::BatchNorm { scale, shift, mean, var, eps } => per_value(x, |unit, x| {
            let deviation = (value(Some(var), unit, 0.0) + f64::from(eps)).sqrt();
            (x - value(Some(mean), unit, 0.0)) / deviation * value(scale, unit, 1.0) + value(shift, unit, 0.0)
        }),
        Op::LayerNorm { scale, shift, eps } => {
            let standard = standardised(x.values, 1, eps);
            standard.iter().enumerate().map(|(i, x)| x * value(scale, i, 1.0) + value(shift, i, 0.0)).collect()
        }
        Op::GroupNorm { n_groups, scale, shift, eps } => {
            let standard = standardised(x.values, n_groups, eps);
            let standard = Map { values: &standard, ..x };
            per_value(standard, |unit, x| x * value(scale, unit, 1.0) + value(shift, unit, 0.0))
        }
        Op::Activation(activation) => x.values.iter().map(|&x| activate(activation, x)).collect(),
        Op::MaxPool(window) => over_windows(node, x, &window, |covered, _| covered.fold(f64::NEG_INFINITY, f64::max)),
        Op::AvgPool { window, count_padding } => over_windows(node, x, &window, |covered, counted| {
            let values: Vec<f64> = covered.collect();
            values.iter().sum::<f64>() / if count_padding { counted } else { values.len() } as f64
        }),
        Op::AdaptiveMaxPool { size } => {
            over_bins(node, x, size, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        }
        Op::AdaptiveAvgPool { size } => {
            over_bins(node, x, size, |values| values.iter().sum::<f64>() / values.len() as f64)
        }
        Op::Add => (0..x.values.len()).map(|i| inputs.iter().map(|input| input.values[i]).sum()).collect(),
        Op::Concat => inputs.iter().flat_map(|input| input.values).copied().collect(),
        Op::Slice { start, end } => x.values[start * x.unit_len()..end * x.unit_len()].to_vec(),
        Op::Pad { before, behind } => {
            let zeros = |units: usize| vec![0.0; units * x.unit_len()];
            [zeros(before), x.values.to_vec(), zeros(behind)].concat()
        }
        Op::Scale(factor) => x.values.iter().map(|x| x * f64::from(factor)).collect(),
    }
}

struct Conv<'a> {
    weight: &'a [f32],
    /// `[out, in / groups, kernel height, kernel width]`.
    shape: &'a [usize],
    stride: [usize; 2],
    padding: Padding,
    dilation: [usize; 2],
    groups: usize,
}

impl Conv<'_> {
    fn at(&self, x: Map<'_>, unit: usize, y: usize, column: usize) -> f64 {
        let &[n_out, n_in, height, width] = self.shape else {
            unreachable!("weights of convolutions have four axes");
        };
        let first_unit = unit / (n_out / self.groups) * n_in;
        let place = |axis: usize, position: usize, tap: usize, length: usize| {
            let place = position * self.stride[axis] + tap * self.dilation[axis];
            place.checked_sub(self.padding[axis][0]).filter(|&place| place < length)
        };
        let mut sum = 0.0;
        for input in 0..n_in {
            for i in 0..height {
                for j in 0..width {
                    if let (Some(y), Some(column)) = (place(0, y, i, x.height), place(1, column, j, x.width)) {
                        let weight = self.weight[((unit * n_in + input) * height + i) * width + j];
                        sum += f64::from(weight) * x.at(first_unit + input, y, column);
                    }
                }
            }
        }
        sum
    }
}

/// `f(unit, row, column)` for every value of the node's output.
fn over_output(node: &Node, f: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
    let mut values = Vec::new();
    for unit in 0..node.shape[0] {
        for y in 0..node.shape[1] {
            values.extend((0..node.shape[2]).map(|x| f(unit, y, x)));
        }
    }
    values
}

/// `f(unit, value)` for every value.
fn per_value(x: Map<'_>, f: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    x.values.iter().enumerate().map(|(index, &value)| f(index / x.unit_len(), value)).collect()
}

/// Each of `n_runs` equal runs less its mean, over its standard deviation.
fn standardised(values: &[f64], n_runs: usize, eps: f32) -> Vec<f64> {
    let run = |run: &[f64]| {
        let n = run.len() as f64;
        let mean = run.iter().sum::<f64>() / n;
        let var = run.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        run.iter().map(|x| (x - mean) / (var + f64::from(eps)).sqrt()).collect::<Vec<f64>>()
    };
    values.chunks(values.len() / n_runs).flat_map(run).collect()
}

/// `f` of the values under each window, and of how many values padding makes it.
fn over_windows(
    node: &Node,
    x: Map<'_>,
    window: &Window,
    f: impl Fn(&mut dyn Iterator<Item = f64>, usize) -> f64,
) -> Vec<f64> {
    over_output(node, |unit, i, j| {
        let (rows, columns) = (window.covered(0, i, x.height), window.covered(1, j, x.width));
        let counted = window.counted(0, i, x.height) * window.counted(1, j, x.width);
        f(&mut rows.flat_map(|y| columns.clone().map(move |column| x.at(unit, y, column))), counted)
    })
}

fn over_bins(node: &Node, x: Map<'_>, size: [usize; 2], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    over_output(node, |unit, i, j| {
        let (rows, columns) = (adaptive_bin(i, size[0], x.height), adaptive_bin(j, size[1], x.width));
        let values: Vec<f64> = rows.flat_map(|y| columns.clone().map(move |column| x.at(unit, y, column))).collect();
        f(&values)
    })
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}
