//! Losses and gradients against a plain f64 computation of the same network and its differences.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Examples, Tape};
use crate::net::op::{Window, adaptive_bin};
use crate::net::{Activation, Conv, GraphBuilder, Network, NodeId, Op, ParamId, ParamVec};

/// A value of the output from an image's input values, for a channel, line and column.
type AtPlace<'a> = dyn Fn(&[f64], usize, usize, usize) -> f64 + 'a;

/// Values `[image][channel][y][x]` of a node, in f64.
struct Plain<'a> {
    network: &'a Network,
    params: &'a [f64],
    values: Vec<Vec<Vec<f64>>>,
}

impl Plain<'_> {
    fn tensor(&self, id: ParamId) -> &[f64] {
        let spec = self.network.layout().spec(id);
        &self.params[spec.offset..spec.offset + spec.n_values()]
    }

    fn factor(&self, id: &Option<ParamId>, at: usize, otherwise: f64) -> f64 {
        id.map_or(otherwise, |id| self.tensor(id)[at])
    }

    /// Mean over the minibatch of the weighted cross-entropies of all heads, and that of the logits alone.
    fn loss(network: &Network, params: &[f64], images: &[f32], labels: &[u16]) -> (f64, f64) {
        let mut plain = Plain { network, params, values: Vec::new() };
        for index in 0..network.nodes().len() {
            let values = plain.node(index, images, labels.len());
            plain.values.push(values);
        }
        let mean = |head: NodeId| {
            let images = plain.values[head.0].iter().zip(labels);
            let losses = images.map(|(z, &label)| z.iter().map(|v| v.exp()).sum::<f64>().ln() - z[usize::from(label)]);
            losses.sum::<f64>() / labels.len() as f64
        };
        let logits = mean(NodeId(network.nodes().len() - 1));
        let aux: f64 = network.aux_heads().iter().map(|&(head, weight)| f64::from(weight) * mean(head)).sum();
        (logits + aux, logits)
    }

    fn node(&self, index: usize, images: &[f32], n: usize) -> Vec<Vec<f64>> {
        let node = &self.network.nodes()[index];
        let shape = |id: NodeId| match *self.network.nodes()[id.0].shape {
            [c, h, w] => [c, h, w],
            ref flat => [flat.iter().product(), 1, 1],
        };
        let [c, h, w] = shape(NodeId(index));
        let out_size = c * h * w;
        if node.op == Op::Input {
            return images.chunks(out_size).map(|image| image.iter().map(|&v| f64::from(v)).collect()).collect();
        }
        let x = &self.values[node.inputs[0].0];
        let [ci, hi, wi] = shape(node.inputs[0]);
        let each = |f: &AtPlace<'_>| -> Vec<Vec<f64>> {
            let places = |x: &Vec<f64>| (0..out_size).map(|i| f(x, i / (h * w), i / w % h, i % w)).collect();
            x.iter().map(places).collect()
        };
        let pool = |x: &[f64], ch: usize, ys: std::ops::Range<usize>, xs: std::ops::Range<usize>| -> Vec<f64> {
            ys.flat_map(|y| xs.clone().map(move |x| (y, x))).map(|(y, x0)| x[(ch * hi + y) * wi + x0]).collect()
        };
        match &node.op {
            Op::Input => Vec::new(),
            Op::Flatten => x.clone(),
            Op::Linear { weight, bias } => each(&|x, o, _, _| {
                let row = &self.tensor(*weight)[o * ci..][..ci];
                row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + self.factor(bias, o, 0.0)
            }),
            Op::Conv2d { weight, bias, stride, padding, dilation, groups } => {
                let kernel = &self.network.layout().spec(*weight).shape;
                let (gi, go) = (ci / groups, c / groups);
                each(&|x, o, y, x0| {
                    let mut sum = self.factor(bias, o, 0.0);
                    for i in 0..gi {
                        for ky in 0..kernel[2] {
                            for kx in 0..kernel[3] {
                                let iy = (y * stride[0] + ky * dilation[0]).wrapping_sub(padding[0][0]);
                                let ix = (x0 * stride[1] + kx * dilation[1]).wrapping_sub(padding[1][0]);
                                if iy < hi && ix < wi {
                                    let weight = self.tensor(*weight)[((o * gi + i) * kernel[2] + ky) * kernel[3] + kx];
                                    sum += weight * x[((o / go * gi + i) * hi + iy) * wi + ix];
                                }
                            }
                        }
                    }
                    sum
                })
            }
            Op::BatchNorm { scale, shift, eps, .. } => {
                let moments: Vec<(f64, f64)> = (0..c)
                    .map(|ch| moments(x.iter().flat_map(|x| x[ch * h * w..(ch + 1) * h * w].iter().copied())))
                    .collect();
                each(&|x, ch, y, x0| {
                    let (mean, var) = moments[ch];
                    let z = (x[(ch * h + y) * w + x0] - mean) / (var + f64::from(*eps)).sqrt();
                    z * self.factor(scale, ch, 1.0) + self.factor(shift, ch, 0.0)
                })
            }
            Op::LayerNorm { scale, shift, eps } => each(&|x, ch, y, x0| {
                let (mean, var) = moments(x.iter().copied());
                let at = (ch * h + y) * w + x0;
                (x[at] - mean) / (var + f64::from(*eps)).sqrt() * self.factor(scale, at, 1.0)
                    + self.factor(shift, at, 0.0)
            }),
            Op::GroupNorm { n_groups, scale, shift, eps } => each(&|x, ch, y, x0| {
                let size = out_size / n_groups;
                let at = (ch * h + y) * w + x0;
                let (mean, var) = moments(x[at / size * size..][..size].iter().copied());
                (x[at] - mean) / (var + f64::from(*eps)).sqrt() * self.factor(scale, ch, 1.0)
                    + self.factor(shift, ch, 0.0)
            }),
            Op::Activation(activation) => each(&|x, ch, y, x0| value(*activation, x[(ch * h + y) * w + x0])),
            Op::MaxPool(window) => each(&|x, ch, y, x0| {
                let values = pool(x, ch, window.covered(0, y, hi), window.covered(1, x0, wi));
                values.into_iter().fold(f64::NEG_INFINITY, f64::max)
            }),
            Op::AvgPool { window, count_padding } => each(&|x, ch, y, x0| {
                let values = pool(x, ch, window.covered(0, y, hi), window.covered(1, x0, wi));
                let counted = window.counted(0, y, hi) * window.counted(1, x0, wi);
                values.iter().sum::<f64>() / if *count_padding { counted } else { values.len() } as f64
            }),
            Op::AdaptiveMaxPool { .. } => each(&|x, ch, y, x0| {
                let values = pool(x, ch, adaptive_bin(y, h, hi), adaptive_bin(x0, w, wi));
                values.into_iter().fold(f64::NEG_INFINITY, f64::max)
            }),
            Op::AdaptiveAvgPool { .. } => each(&|x, ch, y, x0| {
                let values = pool(x, ch, adaptive_bin(y, h, hi), adaptive_bin(x0, w, wi));
                values.iter().sum::<f64>() / values.len() as f64
            }),
            Op::Scale(factor) => each(&|x, ch, y, x0| x[(ch * h + y) * w + x0] * f64::from(*factor)),
            Op::Slice { start, .. } => each(&|x, ch, y, x0| x[((start + ch) * h + y) * w + x0]),
            Op::Pad { before, behind } => each(&|x, ch, y, x0| {
                let is_inside = *before <= ch && ch < c - behind;
                if is_inside { x[((ch - before) * h + y) * w + x0] } else { 0.0 }
            }),
            Op::Add => {
                let sum = |i: usize, at: usize| node.inputs.iter().map(|id| self.values[id.0][i][at]).sum();
                (0..n).map(|i| (0..out_size).map(|at| sum(i, at)).collect()).collect()
            }
            Op::Concat => {
                (0..n).map(|i| node.inputs.iter().flat_map(|id| self.values[id.0][i].clone()).collect()).collect()
            }
        }
    }
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (mean, values.map(|v| (v - mean).powi(2)).sum::<f64>() / n)
}

fn value(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2.0_f64.sqrt())),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

/// Checks loss and gradient of `network` at random weights on `n` random images.
fn check(network: Network, n: usize) {
    let name = network.name().to_owned();
    let network = Arc::new(network);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut params = ParamVec::random(Arc::clone(network.layout()), &mut rng);
    // Normalisations that are not the identity.
    params.values_mut().iter_mut().for_each(|v| *v += rng.random_range(-0.3..0.3));
    let images: Vec<f32> = (0..n * network.n_inputs()).map(|_| rng.random_range(-1.0..1.0)).collect();
    let labels: Vec<u16> = (0..n).map(|_| rng.random_range(0..network.n_classes() as u16)).collect();
    let mut tape = Tape::new(&network);
    let mut found = vec![f32::NAN; network.layout().n_trained()];
    let examples = Examples { images: &images, labels: &labels, n_total: n };
    let loss = tape.gradient(params.values(), examples, &mut found) / n as f64;
    let wide: Vec<f64> = params.values().iter().map(|&v| f64::from(v)).collect();
    let (_, expected) = Plain::loss(&network, &wide, &images, &labels);
    assert!((loss - expected).abs() < 1e-5 * (1.0 + expected), "{name}: loss {loss}, expected {expected}");
    // As many coordinates as a quick test can afford, spread over all tensors.
    let stride = network.layout().n_trained().div_ceil(150);
    let largest = found.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    let mut again = vec![0.0; found.len()];
    tape.gradient(params.values(), examples, &mut again);
    assert_eq!(found, again, "{name}: memory used again changes nothing");
    for at in (0..network.layout().n_trained()).step_by(stride) {
        let moved = |by: f64| {
            let mut params = wide.clone();
            params[at] += by;
            Plain::loss(&network, &params, &images, &labels).0
        };
        let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        let error = (f64::from(found[at]) - expected).abs();
        let spec = network.layout().specs().iter().find(|s| s.offset <= at && at < s.offset + s.n_values()).unwrap();
        assert!(
            error < 2e-5 * f64::from(largest).max(0.1),
            "{name}, {}[{}]: {} instead of {expected}",
            spec.name,
            at - spec.offset,
            found[at]
        );
    }
}

/// A network of a convolution, `middle`, and a linear layer.
fn around(name: &str, middle: impl Fn(&mut GraphBuilder, NodeId) -> NodeId) -> Network {
    let (mut graph, input) = GraphBuilder::new(&[2, 5, 6]);
    let x = graph.conv(input, "first", Conv::new(4, 3).padding(1)).unwrap();
    let x = middle(&mut graph, x);
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "last", 3, true).unwrap();
    graph.finish(name).unwrap()
}

#[test]
fn convolutions_of_all_kinds() {
    let plain = Conv::new(4, 3);
    let uneven = Conv { padding: [[0, 2], [1, 0]], stride: [2, 1], dilation: [1, 2], ..Conv::new(11, 2) };
    for (name, conv) in [
        ("plain", plain),
        ("padded", plain.padding(1)),
        ("strided", plain.padding(1).stride(2)),
        ("1x1 strided", Conv::new(7, 1).stride(2)),
        ("depthwise", plain.groups(4).padding(1).no_bias()),
        ("grouped", Conv::new(6, 3).groups(2).stride(3).padding(2)),
        ("uneven", uneven),
        ("stride beyond the kernel", Conv::new(3, 1).stride(3)),
    ] {
        let network = around(name, |graph, x| graph.conv(x, "conv", conv).unwrap());
        check(network, 19);
    }
}

#[test]
fn many_channels_and_many_blocks() {
    let (mut graph, input) = GraphBuilder::new(&[3, 4, 3]);
    let x = graph.conv(input, "a", Conv::new(40, 3).padding(1)).unwrap();
    let x = graph.activation(x, Activation::Tanh).unwrap();
    let x = graph.conv(x, "b", Conv::new(70, 3).padding(1).no_bias()).unwrap();
    let x = graph.global_avg_pool(x).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "c", 5, true).unwrap();
    check(graph.finish("wide").unwrap(), 49);
}

#[test]
fn weights_that_go_through_panel_by_panel() {
    let (mut graph, input) = GraphBuilder::new(&[300]);
    let x = graph.linear(input, "a", 260, true).unwrap();
    let x = graph.relu(x).unwrap();
    let x = graph.linear(x, "b", 10, true).unwrap();
    graph.activation(x, Activation::Sigmoid).unwrap();
    check(graph.finish("mlp").unwrap(), 35);
}

#[test]
fn normalisations() {
    check(around("batch norm", |graph, x| graph.batch_norm(x, "norm").unwrap()), 21);
    check(around("layer norm", |graph, x| graph.layer_norm(x, "norm", 1e-5).unwrap()), 18);
    check(around("group norm", |graph, x| graph.group_norm(x, "norm", 2, 1e-5).unwrap()), 18);
    let (mut graph, input) = GraphBuilder::new(&[6]);
    let x = graph.linear(input, "a", 9, false).unwrap();
    let x = graph.batch_norm(x, "norm").unwrap();
    let x = graph.relu(x).unwrap();
    graph.linear(x, "b", 4, true).unwrap();
    check(graph.finish("batch norm of flat values").unwrap(), 33);
}

#[test]
fn activations() {
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Tanh,
        Activation::Sigmoid,
    ] {
        check(around(activation.name(), |graph, x| graph.activation(x, activation).unwrap()), 16);
    }
}

#[test]
fn pools() {
    let overlapping = Window::square(3).stride(2).padding(1).ceil();
    let avg = |window: Window, count_padding: bool| Op::AvgPool { window, count_padding };
    for op in [
        Op::MaxPool(Window::square(2)),
        Op::MaxPool(overlapping),
        avg(Window::square(2).ceil(), true),
        avg(overlapping, true),
        avg(overlapping, false),
        Op::AdaptiveMaxPool { size: [2, 4] },
        Op::AdaptiveAvgPool { size: [3, 4] },
    ] {
        check(around(&format!("{op:?}"), |graph, x| graph.apply(op.clone(), &[x]).unwrap()), 17);
        // A ReLU behind a pool must not overwrite what the pool's gradient needs.
        let with_relu = |graph: &mut GraphBuilder, x: NodeId| {
            let x = graph.apply(op.clone(), &[x]).unwrap();
            graph.relu(x).unwrap()
        };
        check(around(&format!("{op:?} and ReLU"), with_relu), 17);
    }
}

#[test]
fn branches_join() {
    let residual = around("residual", |graph, x| {
        let y = graph.conv(x, "conv", Conv::new(4, 3).padding(1)).unwrap();
        let y = graph.batch_norm(y, "norm").unwrap();
        let z = graph.apply(Op::Scale(-0.5), &[x]).unwrap();
        let sum = graph.apply(Op::Add, &[x, y, z, x]).unwrap();
        graph.relu(sum).unwrap()
    });
    check(residual, 18);
    let dense = around("dense", |graph, x| {
        let y = graph.conv(x, "conv", Conv::new(3, 3).padding(1)).unwrap();
        let joined = graph.concat(&[x, y, x]).unwrap();
        let part = graph.apply(Op::Slice { start: 2, end: 9 }, &[joined]).unwrap();
        graph.apply(Op::Pad { before: 1, behind: 2 }, &[part]).unwrap()
    });
    check(dense, 18);
}

#[test]
fn auxiliary_losses_count_in_the_gradient_alone() {
    let (mut graph, input) = GraphBuilder::new(&[6]);
    let x = graph.linear(input, "a", 9, true).unwrap();
    let x = graph.activation(x, Activation::Tanh).unwrap();
    let head = graph.linear(x, "aux", 4, true).unwrap();
    graph.linear(x, "b", 4, true).unwrap();
    graph.aux_head(head, 0.3);
    check(graph.finish("auxiliary").unwrap(), 20);
}

#[test]
fn running_variances_are_unbiased() {
    let network = Arc::new(around("batch norm", |graph, x| graph.batch_norm(x, "norm").unwrap()));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // A mean far above the deviation.
    let mut params = ParamVec::random(Arc::clone(network.layout()), &mut rng);
    params.tensor_mut(ParamId(1)).fill(100.0);
    let images: Vec<f32> = (0..20 * network.n_inputs()).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut tape = Tape::new(&network);
    let mut gradient = vec![0.0; network.layout().n_trained()];
    let examples = Examples { images: &images, labels: &[0; 20], n_total: 20 };
    tape.gradient(params.values(), examples, &mut gradient);
    let found = tape.statistics().next().unwrap();
    let wide: Vec<f64> = params.values().iter().map(|&v| f64::from(v)).collect();
    let mut plain = Plain { network: &network, params: &wide, values: Vec::new() };
    for index in 0..2 {
        let values = plain.node(index, &images, 20);
        plain.values.push(values);
    }
    for channel in 0..4 {
        let values = plain.values[1].iter().flat_map(|x| x[channel * 30..(channel + 1) * 30].iter().copied());
        let (mean, var) = moments(values);
        assert!((found.mean[channel] - mean).abs() < 1e-5 * mean);
        assert!((found.var[channel] - var * 600.0 / 599.0).abs() < 1e-3 * var, "{} {var}", found.var[channel]);
    }
}

#[test]
fn slopes_of_images_are_those_of_the_loss() {
    let (mut graph, x) = GraphBuilder::new(&[2, 5, 5]);
    let x = graph.conv(x, "conv", Conv::new(4, 3).padding(1)).unwrap();
    let x = graph.batch_norm(x, "norm").unwrap();
    let x = graph.relu(x).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "head", 3, true).unwrap();
    let network = Arc::new(graph.finish("small").unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let params = ParamVec::random(Arc::clone(network.layout()), &mut rng);
    let wide: Vec<f64> = params.values().iter().map(|&v| f64::from(v)).collect();
    let labels: Vec<u16> = (0..19).map(|i| i % 3).collect();
    let images: Vec<f32> = (0..labels.len() * 50).map(|_| rng.random_range(-1.0..1.0)).collect();
    let examples = Examples { images: &images, labels: &labels, n_total: labels.len() };
    let found = Tape::with_input_gradient(&network).input_gradient(params.values(), examples);
    assert_eq!(found.len(), images.len());
    for at in [0, 7, 49, 50, 16 * 50 + 3, 18 * 50 + 20] {
        let loss = |by: f32| {
            let mut images = images.clone();
            images[at] += by;
            Plain::loss(&network, &wide, &images, &labels).0
        };
        let expected = (loss(1e-3) - loss(-1e-3)) / 2e-3;
        assert!((f64::from(found[at]) - expected).abs() < 2e-4, "{at}: {} {expected}", found[at]);
    }
}
