//! Every operation in plain loops and f64, after its definition: what the tests hold readers and executors against.

use super::op::{Activation, Padding, Window, adaptive_bin};
use super::{Network, Node, Op, ParamId, ParamVec};

/// The logits of one image, `[n_classes]`.
pub(crate) fn logits(network: &Network, params: &ParamVec, image: &[f32]) -> Vec<f64> {
    outputs(network, params, image).pop().unwrap()
}

/// What each node gives for one image, row-major.
pub(crate) fn outputs(network: &Network, params: &ParamVec, image: &[f32]) -> Vec<Vec<f64>> {
    let mut outputs: Vec<Vec<f64>> = Vec::new();
    for node in network.nodes() {
        let inputs: Vec<&[f64]> = node.inputs.iter().map(|id| outputs[id.0].as_slice()).collect();
        let in_shape = node.inputs.first().map_or(&node.shape, |id| &network.nodes()[id.0].shape);
        let output = match node.op {
            Op::Input => image.iter().map(|&v| f64::from(v)).collect(),
            _ => apply(node, in_shape, &inputs, params),
        };
        assert_eq!(output.len(), node.shape.iter().product::<usize>(), "{}", node.op.name());
        outputs.push(output);
    }
    outputs
}

fn apply(node: &Node, in_shape: &[usize], inputs: &[&[f64]], params: &ParamVec) -> Vec<f64> {
    let x = inputs[0];
    let tensor = |id: ParamId| params.tensor(id).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let or = |id: Option<ParamId>, n: usize, default: f64| id.map_or(vec![default; n], tensor);
    let n_units = in_shape[0];
    let size = x.len() / n_units;
    match &node.op {
        Op::Input | Op::Flatten => x.to_vec(),
        Op::Linear { weight, bias } => {
            let (w, b) = (tensor(*weight), or(*bias, node.shape[0], 0.0));
            w.chunks(x.len()).zip(b).map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
        }
        Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
            let shape = &params.layout().spec(*weight).shape;
            let (w, b) = (tensor(*weight), or(*bias, shape[0], 0.0));
            conv(x, in_shape, &w, shape, &b, &node.shape, (*stride, padding, *dilation, *groups))
        }
        Op::BatchNorm { scale, shift, mean, var, eps } => {
            let (scale, shift) = (or(*scale, n_units, 1.0), or(*shift, n_units, 0.0));
            let (mean, var) = (tensor(*mean), tensor(*var));
            let norm = |c: usize, v: f64| (v - mean[c]) / (var[c] + f64::from(*eps)).sqrt() * scale[c] + shift[c];
            x.iter().enumerate().map(|(i, &v)| norm(i / size, v)).collect()
        }
        Op::LayerNorm { scale, shift, eps } => {
            let (scale, shift) = (or(*scale, x.len(), 1.0), or(*shift, x.len(), 0.0));
            normalized(x, *eps).zip(scale.iter().zip(shift)).map(|(v, (a, b))| v * a + b).collect()
        }
        Op::GroupNorm { n_groups, scale, shift, eps } => {
            let (scale, shift) = (or(*scale, n_units, 1.0), or(*shift, n_units, 0.0));
            let values = x.chunks(x.len() / n_groups).flat_map(|run| normalized(run, *eps));
            values.enumerate().map(|(i, v)| v * scale[i / size] + shift[i / size]).collect()
        }
        Op::Activation(activation) => x.iter().map(|&v| activate(*activation, v)).collect(),
        Op::MaxPool(window) => pool(
            x,
            in_shape,
            &node.shape,
            |_, _, values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            |axis, i| window.covered(axis, i, in_shape[1 + axis]),
        ),
        Op::AvgPool { window, count_padding } => {
            let count = |axis: usize, i: usize| counted(window, *count_padding, axis, i, in_shape[1 + axis]);
            pool(
                x,
                in_shape,
                &node.shape,
                |y, x, values| values.iter().sum::<f64>() / (count(0, y) * count(1, x)) as f64,
                |axis, i| window.covered(axis, i, in_shape[1 + axis]),
            )
        }
        Op::AdaptiveMaxPool { size } => pool(
            x,
            in_shape,
            &node.shape,
            |_, _, values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            |axis, i| adaptive_bin(i, size[axis], in_shape[1 + axis]),
        ),
        Op::AdaptiveAvgPool { size } => pool(
            x,
            in_shape,
            &node.shape,
            |_, _, values| values.iter().sum::<f64>() / values.len() as f64,
            |axis, i| adaptive_bin(i, size[axis], in_shape[1 + axis]),
        ),
        Op::Add => (0..x.len()).map(|i| inputs.iter().map(|input| input[i]).sum()).collect(),
        Op::Concat => inputs.concat(),
        Op::Slice { start, end } => x[start * size..end * size].to_vec(),
        Op::Pad { before, behind } => [vec![0.0; before * size], x.to_vec(), vec![0.0; behind * size]].concat(),
        Op::Scale(factor) => x.iter().map(|v| v * f64::from(*factor)).collect(),
    }
}

fn counted(window: &Window, count_padding: bool, axis: usize, position: usize, length: usize) -> usize {
    if count_padding { window.counted(axis, position, length) } else { window.covered(axis, position, length).len() }
}

type ConvOptions<'a> = ([usize; 2], &'a Padding, [usize; 2], usize);

fn conv(
    x: &[f64],
    in_shape: &[usize],
    w: &[f64],
    w_shape: &[usize],
    b: &[f64],
    out: &[usize],
    (stride, padding, dilation, groups): ConvOptions<'_>,
) -> Vec<f64> {
    let (h, width) = (in_shape[1], in_shape[2]);
    let mut values = Vec::new();
    for (o, &bias) in b.iter().enumerate() {
        let first = o / (out[0] / groups) * w_shape[1];
        for (i, j) in (0..out[1]).flat_map(|i| (0..out[2]).map(move |j| (i, j))) {
            let mut sum = bias;
            for (c, u, v) in
                (0..w_shape[1]).flat_map(|c| (0..w_shape[2]).flat_map(move |u| (0..w_shape[3]).map(move |v| (c, u, v))))
            {
                let row = (i * stride[0] + u * dilation[0]).wrapping_sub(padding[0][0]);
                let column = (j * stride[1] + v * dilation[1]).wrapping_sub(padding[1][0]);
                if row < h && column < width {
                    let weight = w[((o * w_shape[1] + c) * w_shape[2] + u) * w_shape[3] + v];
                    sum += weight * x[((first + c) * h + row) * width + column];
                }
            }
            values.push(sum);
        }
    }
    values
}

/// `reduce` over the values in the ranges `covered(axis, position)`, for every position of the output.
fn pool(
    x: &[f64],
    in_shape: &[usize],
    out: &[usize],
    reduce: impl Fn(usize, usize, &[f64]) -> f64,
    covered: impl Fn(usize, usize) -> std::ops::Range<usize>,
) -> Vec<f64> {
    let mut values = Vec::new();
    for map in x.chunks(in_shape[1] * in_shape[2]) {
        for (i, j) in (0..out[1]).flat_map(|i| (0..out[2]).map(move |j| (i, j))) {
            let rows = covered(0, i).flat_map(|row| covered(1, j).map(move |column| (row, column)));
            let window: Vec<f64> = rows.map(|(row, column)| map[row * in_shape[2] + column]).collect();
            values.push(reduce(i, j, &window));
        }
    }
    values
}

fn normalized(x: &[f64], eps: f32) -> impl Iterator<Item = f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    x.iter().map(move |v| (v - mean) / (var + f64::from(eps)).sqrt())
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Activation::Gelu => x / 2.0 * libm::erfc(-x / 2.0_f64.sqrt()),
        Activation::GeluTanh => x / 2.0 * (1.0 + (0.797_884_560_802_865_4 * (x + 0.044_715 * x * x * x)).tanh()),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}
