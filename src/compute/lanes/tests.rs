//! Networks of single operations against plain loops in f64; what a program computes does not depend on how it is planned.

use std::sync::Arc;
use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::program::BatchNormMode::{Known, Measured};
use super::{Buffers, LANES, Packed, Program, Row, StatisticsRun, group_blocks, map_shape, run_blocks};
use crate::net::op::{Window, adaptive_bin};
use crate::net::{Activation, Conv, GraphBuilder, Network, NodeId, Op, ParamVec, zoo};

/// One image's values of every node, channel-major, by the definitions.
fn by_loops(network: &Network, params: &ParamVec, image: &[f64]) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = vec![image.to_vec()];
    for node in &network.nodes()[1..] {
        let inputs: Vec<&[f64]> = node.inputs.iter().map(|id| values[id.0].as_slice()).collect();
        let from = map_shape(&network.nodes()[node.inputs[0].0].shape);
        let result = node_by_loops(network, params, &node.op, (&inputs, from), map_shape(&node.shape));
        values.push(result);
    }
    values
}

fn node_by_loops(
    network: &Network,
    params: &ParamVec,
    op: &Op,
    (inputs, [c, h, w]): (&[&[f64]], [usize; 3]),
    [out_c, out_h, out_w]: [usize; 3],
) -> Vec<f64> {
    let x = inputs[0];
    let param = |id, index: usize| f64::from(params.tensor(id)[index]);
    let or = |id: &Option<_>, index: usize, default: f64| id.map_or(default, |id| param(id, index));
    let outputs = || (0..out_c * out_h * out_w).map(|i| [i / (out_h * out_w), i / out_w % out_h, i % out_w]);
    let pooled = |ranges: &dyn Fn(usize, usize, usize) -> (std::ops::Range<usize>, usize), max: bool| -> Vec<f64> {
        let one = |[ch, y, x_out]: [usize; 3]| {
            let ((lines, n_y), (columns, n_x)) = (ranges(0, y, h), ranges(1, x_out, w));
            let inside = lines.flat_map(|i| columns.clone().map(move |j| (i, j))).map(|(i, j)| x[(ch * h + i) * w + j]);
            if max { inside.fold(f64::NEG_INFINITY, f64::max) } else { inside.sum::<f64>() / (n_y * n_x) as f64 }
        };
        outputs().map(one).collect()
    };
    let normal = |range: std::ops::Range<usize>, eps: f32| {
        let n = range.len() as f64;
        let mean = x[range.clone()].iter().sum::<f64>() / n;
        let var = x[range].iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        (mean, 1.0 / (var + f64::from(eps)).sqrt())
    };
    match op {
        Op::Input => unreachable!("the first node"),
        Op::Flatten => x.to_vec(),
        Op::Linear { weight, bias } => (0..out_c)
            .map(|o| or(bias, o, 0.0) + x.iter().enumerate().map(|(i, v)| v * param(*weight, o * x.len() + i)).sum::<f64>())
            .collect(),
        Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
            let shape = &network.layout().spec(*weight).shape;
            let [n_in, kh, kw] = [shape[1], shape[2], shape[3]];
            let one = |[o, y, x_out]: [usize; 3]| {
                let mut sum = or(bias, o, 0.0);
                for i in 0..n_in {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let line = (y * stride[0] + ky * dilation[0]).checked_sub(padding[0][0]);
                            let column = (x_out * stride[1] + kx * dilation[1]).checked_sub(padding[1][0]);
                            let (Some(line), Some(column)) = (line, column) else { continue };
                            if line < h && column < w {
                                let channel = o / (out_c / groups) * n_in + i;
                                sum += param(*weight, ((o * n_in + i) * kh + ky) * kw + kx)
                                    * x[(channel * h + line) * w + column];
                            }
                        }
                    }
                }
                sum
            };
            outputs().map(one).collect()
        }
        Op::BatchNorm { scale, shift, mean, var, eps } => (0..x.len())
            .map(|i| {
                let unit = i / (h * w);
                let normed = (x[i] - param(*mean, unit)) / (param(*var, unit) + f64::from(*eps)).sqrt();
                normed * or(scale, unit, 1.0) + or(shift, unit, 0.0)
            })
            .collect(),
        Op::LayerNorm { scale, shift, eps } => {
            let (mean, inverse) = normal(0..x.len(), *eps);
            (0..x.len()).map(|i| (x[i] - mean) * inverse * or(scale, i, 1.0) + or(shift, i, 0.0)).collect()
        }
        Op::GroupNorm { n_groups, scale, shift, eps } => {
            let run = x.len() / n_groups;
            (0..x.len())
                .map(|i| {
                    let (mean, inverse) = normal(i / run * run..(i / run + 1) * run, *eps);
                    let unit = i / (h * w);
                    (x[i] - mean) * inverse * or(scale, unit, 1.0) + or(shift, unit, 0.0)
                })
                .collect()
        }
        Op::Activation(activation) => x.iter().map(|&v| activation_by_definition(*activation, v)).collect(),
        Op::MaxPool(window) => pooled(&|axis, p, n| (window.covered(axis, p, n), 1), true),
        Op::AvgPool { window, count_padding } => {
            let ranges = |axis: usize, p: usize, n: usize| {
                let covered = window.covered(axis, p, n);
                let count = if *count_padding { window.counted(axis, p, n) } else { covered.len() };
                (covered, count)
            };
            pooled(&ranges, false)
        }
        Op::AdaptiveMaxPool { size } => pooled(&|axis, p, n| (adaptive_bin(p, size[axis], n), 1), true),
        Op::AdaptiveAvgPool { size } => {
            pooled(&|axis, p, n| (adaptive_bin(p, size[axis], n), adaptive_bin(p, size[axis], n).len()), false)
        }
        Op::Add => (0..x.len()).map(|i| inputs.iter().map(|x| x[i]).sum()).collect(),
        Op::Concat => inputs.concat(),
        Op::Slice { start, end } => x[start * h * w..end * h * w].to_vec(),
        Op::Pad { before, behind } => [vec![0.0; before * h * w], x.to_vec(), vec![0.0; behind * h * w]].concat(),
        Op::Scale(factor) => x.iter().map(|v| v * f64::from(*factor)).collect(),
    }
    .into_iter()
    .inspect(|_| debug_assert!(c > 0))
    .collect()
}

fn activation_by_definition(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => if x < 0.0 { x * f64::from(slope) } else { x },
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2.0_f64.sqrt())),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
        }
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// Random parameters with statistics and norms that are not the identity.
fn params_of(network: &Network, rng: &mut ChaCha8Rng) -> ParamVec {
    let mut params = ParamVec::random(Arc::clone(network.layout()), rng);
    for (index, spec) in network.layout().specs().iter().enumerate() {
        let bounds = match spec.kind {
            crate::net::ParamKind::Scale | crate::net::ParamKind::RunningVar => 0.5..1.5,
            crate::net::ParamKind::Shift | crate::net::ParamKind::RunningMean => -0.5..0.5,
            _ => continue,
        };
        params.tensor_mut(crate::net::ParamId(index)).fill_with(|| rng.random_range(bounds.clone()));
    }
    params
}

/// Images `[image][channel-major]`.
fn images_of(network: &Network, n: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let one = |rng: &mut ChaCha8Rng| (0..network.n_inputs()).map(|_| f64::from(rng.random_range(-1.5_f32..1.5))).collect();
    (0..n).map(|_| one(rng)).collect()
}

/// The same in blocks.
fn in_lanes(network: &Network, images: &[Vec<f64>]) -> Vec<Row> {
    let [c, h, w] = map_shape(network.input_shape());
    let mut rows = vec![[0.0; LANES]; images.len().div_ceil(LANES) * c * h * w];
    for (index, image) in images.iter().enumerate() {
        for (place, &value) in image.iter().enumerate() {
            let row = (place % (h * w)) * c + place / (h * w);
            rows[index / LANES * c * h * w + row][index % LANES] = value as f32;
        }
    }
    rows
}

/// The values of a node for one image, channel-major.
fn of_image(buffers: &Buffers, program: &Program, node: NodeId, image: usize) -> Vec<f32> {
    let [c, h, w] = program.shape(node);
    let rows = &buffers.values(program, node).unwrap()[image / LANES * c * h * w..][..c * h * w];
    (0..c * h * w).map(|i| rows[i % (h * w) * c + i / (h * w)][image % LANES]).collect()
}

fn run(program: &Program, params: &ParamVec, images: &[Row]) -> Buffers {
    let mut buffers = Buffers::new(program, images.len() / program.n_input_rows());
    buffers.load(program, images);
    run_blocks(program, &Packed::new(program, params), &mut buffers);
    buffers
}

fn assert_close(found: &[f32], exact: &[f64], what: &str) {
    assert_eq!(found.len(), exact.len(), "{what}");
    for (index, (f, e)) in found.iter().zip(exact).enumerate() {
        assert!((f64::from(*f) - e).abs() <= 2e-5 * e.abs().max(1.0), "{what}, value {index}: {f} instead of {e}");
    }
}

/// Every node of the network, each kept on its own and none fused, and the logits with all fused, for blocks of all kinds.
fn check(network: Network, seed: u64) {
    let network = Arc::new(network);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let params = params_of(&network, &mut rng);
    for n_images in [1, 16, 17, 40] {
        let images = images_of(&network, n_images, &mut rng);
        let rows = in_lanes(&network, &images);
        let all: Vec<NodeId> = (0..network.nodes().len()).map(NodeId).collect();
        let [fused, kept, measured] = [(Known, &[][..]), (Known, &all), (Measured, &[])]
            .map(|(mode, keep)| Program::new(&network, mode, keep));
        let found = [&fused, &kept, &measured].map(|program| run(program, &params, &rows));
        for image in [0, n_images / 2, n_images - 1] {
            let exact = by_loops(&network, &params, &images[image]);
            for (index, node) in network.nodes().iter().enumerate() {
                let what = format!("{} node {index} ({}), image {image} of {n_images}", network.name(), node.op.name());
                assert_close(&of_image(&found[1], &kept, NodeId(index), image), &exact[index], &what);
            }
            for (buffers, program) in [(&found[0], &fused), (&found[2], &measured)] {
                let logits = of_image(buffers, program, program.output_node(), image);
                assert_close(&logits, &exact[exact.len() - 1], network.name());
            }
        }
    }
}

/// A network that ends behind `x` in three logits.
fn finish(mut graph: GraphBuilder, x: NodeId, name: &str) -> Network {
    let flat = graph.flatten(x).unwrap();
    graph.linear(flat, "head", 3, true).unwrap();
    graph.finish(name).unwrap()
}

#[test]
fn convolutions_of_any_stride_padding_dilation_and_groups_are_right() {
    let plain = Conv::new(9, 3);
    let convs = [
        plain,
        plain.padding(1).no_bias(),
        plain.stride(2).padding(1),
        Conv { padding: [[2, 0], [1, 3]], ..plain },
        Conv { dilation: [2, 3], padding: [[2; 2]; 2], ..plain },
        Conv { kernel: [1, 4], stride: [3, 1], padding: [[0; 2], [2; 2]], ..plain },
        Conv::new(1, 1),
        Conv::new(17, 5).padding(4),
        Conv::new(6, 3).groups(6).padding(1),
        Conv::new(24, 3).groups(3).stride(2),
        Conv { dilation: [1, 2], ..Conv::new(12, 2).groups(2).padding(1) },
    ];
    for (index, conv) in convs.into_iter().enumerate() {
        for [h, w] in [[7, 8], [6, 7]] {
            let (mut graph, x) = GraphBuilder::new(&[6, h, w]);
            let x = graph.conv(x, "conv", conv).unwrap();
            check(finish(graph, x, &format!("{conv:?}")), index as u64);
        }
    }
}

#[test]
fn maps_that_do_not_fit_the_cache_are_swept_in_parts() {
    let (mut graph, x) = GraphBuilder::new(&[40, 20, 21]);
    let x = graph.conv(x, "conv", Conv::new(9, 3).padding(1)).unwrap();
    check(finish(graph, x, "large maps"), 3);
}

#[test]
fn pools_are_right() {
    let window = Window::square(3).stride(2);
    let pools = [
        Op::MaxPool(window),
        Op::MaxPool(window.padding(1).ceil()),
        Op::AvgPool { window: window.padding(1).ceil(), count_padding: true },
        Op::AvgPool { window: window.padding(1).ceil(), count_padding: false },
        Op::AdaptiveMaxPool { size: [3, 2] },
        Op::AdaptiveAvgPool { size: [3, 2] },
        Op::AdaptiveAvgPool { size: [1, 1] },
    ];
    for pool in pools {
        let (mut graph, x) = GraphBuilder::new(&[3, 8, 7]);
        let x = graph.apply(pool.clone(), &[x]).unwrap();
        check(finish(graph, x, pool.name()), 1);
    }
}

#[test]
fn norms_and_activations_are_right() {
    use Activation::{Gelu, GeluTanh, LeakyRelu, Relu, Sigmoid, Silu, Tanh};
    for activation in [Relu, LeakyRelu(0.1), Gelu, GeluTanh, Silu, Tanh, Sigmoid] {
        let (mut graph, x) = GraphBuilder::new(&[4, 3, 5]);
        let x = graph.layer_norm(x, "layer", 1e-5).unwrap();
        let x = graph.activation(x, activation).unwrap();
        let x = graph.group_norm(x, "group", 2, 1e-5).unwrap();
        let x = graph.batch_norm(x, "batch").unwrap();
        let x = graph.apply(Op::Scale(9.0), &[x]).unwrap();
        let x = graph.activation(x, activation).unwrap();
        check(finish(graph, x, activation.name()), 2);
    }
}

#[test]
fn values_that_are_read_again_survive_fusion_and_reuse() {
    let (mut graph, x) = GraphBuilder::new(&[3, 5, 4]);
    let conv = Conv::new(8, 3).padding(1);
    let a = graph.conv(x, "a", conv).unwrap();
    let b = graph.conv(x, "b", conv).unwrap();
    let b = graph.batch_norm(b, "b.norm").unwrap();
    let sum = graph.add(a, b).unwrap();
    let sum = graph.relu(sum).unwrap();
    let twice = graph.add(sum, sum).unwrap();
    let c = graph.conv(twice, "c", conv).unwrap();
    let c = graph.batch_norm(c, "c.norm").unwrap();
    let c = graph.relu(c).unwrap();
    let c = graph.batch_norm(c, "d.norm").unwrap();
    let d = graph.add(c, twice).unwrap();
    let d = graph.relu(d).unwrap();
    let e = graph.apply(Op::Slice { start: 2, end: 5 }, &[d]).unwrap();
    let f = graph.apply(Op::Pad { before: 1, behind: 2 }, &[e]).unwrap();
    let g = graph.concat(&[f, d, x]).unwrap();
    let more = graph.apply(Op::Add, &[g, g, g]).unwrap();
    let more = graph.relu(more).unwrap();
    check(finish(graph, more, "branches"), 4);
}

#[test]
fn networks_of_the_zoo_are_right() {
    for name in ["lenet", "tinyten", "resnet8-a", "resnet8", "preresnet8"] {
        if let Ok(network) = zoo::build(name, &[3, 32, 32], 10) {
            check(network, 5);
        }
    }
}

/// Means and unbiased variances of the inputs of all batch norms, by the definition, each normalised by its biased variance.
fn statistics_by_loops(network: &Network, params: &ParamVec, images: &[Vec<f64>]) -> ParamVec {
    let mut biased = params.clone();
    let mut unbiased = params.clone();
    for (index, node) in network.nodes().iter().enumerate() {
        let Op::BatchNorm { mean, var, .. } = node.op else { continue };
        let [c, h, w] = map_shape(&node.shape);
        let values: Vec<Vec<f64>> =
            images.iter().map(|image| by_loops(network, &biased, image).swap_remove(node.inputs[0].0)).collect();
        for unit in 0..c {
            let of_unit = || values.iter().flat_map(|v| &v[unit * h * w..(unit + 1) * h * w]);
            let n = (images.len() * h * w) as f64;
            let m = of_unit().sum::<f64>() / n;
            let squares = of_unit().map(|v| (v - m) * (v - m)).sum::<f64>();
            for (params, var_value) in [(&mut biased, squares / n), (&mut unbiased, squares / (n - 1.0))] {
                params.tensor_mut(mean)[unit] = m as f32;
                params.tensor_mut(var)[unit] = var_value as f32;
            }
        }
        assert!(index > 0);
    }
    unbiased
}

#[test]
fn statistics_are_those_of_all_images_at_every_layer() {
    let (mut graph, x) = GraphBuilder::new(&[2, 6, 5]);
    let a = graph.conv(x, "a", Conv::new(9, 3).padding(1)).unwrap();
    let a = graph.batch_norm(a, "a.norm").unwrap();
    let a = graph.relu(a).unwrap();
    let b = graph.conv(a, "b", Conv::new(9, 3).padding(1)).unwrap();
    let b = graph.batch_norm(b, "b.norm").unwrap();
    let b = graph.add(a, b).unwrap();
    let b = graph.batch_norm(b, "c.norm").unwrap();
    let network = Arc::new(finish(graph, b, "norms"));
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let params = params_of(&network, &mut rng);
    for n_images in [3, 16, 75] {
        let images = images_of(&network, n_images, &mut rng);
        let exact = statistics_by_loops(&network, &params, &images);
        let program = Arc::new(Program::new(&network, Measured, &[]));
        let rows = Arc::new(in_lanes(&network, &images));
        let mut run = StatisticsRun::new(program, params.clone(), rows, n_images);
        while !run.step(Instant::now()) {}
        let exact: Vec<f64> = exact.values().iter().map(|&v| f64::from(v)).collect();
        assert_close(run.into_params().values(), &exact, &format!("{n_images} images"));
    }
}

#[test]
fn an_image_gives_the_same_whatever_stands_beside_it() {
    let network = Arc::new(zoo::build("lenet", &[3, 32, 32], 10).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let params = params_of(&network, &mut rng);
    let images = images_of(&network, 40, &mut rng);
    let program = Program::new(&network, Known, &[]);
    let together = run(&program, &params, &in_lanes(&network, &images));
    for image in [0, 20, 39] {
        let alone = run(&program, &params, &in_lanes(&network, &images[image..=image]));
        let output = program.output_node();
        assert_eq!(of_image(&alone, &program, output, 0), of_image(&together, &program, output, image));
    }
}

#[test]
fn groups_are_pairs_and_share_the_work() {
    assert_eq!([(1, 2), (8, 2), (128, 2), (8, 16), (3, 1)].map(|(n, t)| group_blocks(n, t)), [2, 4, 8, 2, 4]);
}
