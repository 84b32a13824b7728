use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::test_data::params;
use super::super::verify_groups;
use super::*;
use crate::net::op::Window;
use crate::net::{Conv, GraphBuilder, ShapeError, reference, zoo};

const N_CLASSES: usize = 3;

/// Adds a layer behind a node.
type Layer = dyn Fn(&mut GraphBuilder, NodeId) -> Result<NodeId, ShapeError>;

/// A network of a convolution, one layer of maps `[4, 7, 6]`, put in by `layer`, and a classifier.
fn over_maps(name: &str, layer: impl Fn(&mut GraphBuilder, NodeId) -> Result<NodeId, ShapeError>) -> Network {
    let (mut graph, input) = GraphBuilder::new(&[4, 7, 6]);
    let x = graph.conv(input, "first", Conv::new(4, 1)).unwrap();
    let x = layer(&mut graph, x).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "classifier", N_CLASSES, true).unwrap();
    graph.finish(name).unwrap()
}

/// The same for flat values `[12]`.
fn over_flat(name: &str, layer: impl Fn(&mut GraphBuilder, NodeId) -> Result<NodeId, ShapeError>) -> Network {
    let (mut graph, input) = GraphBuilder::new(&[12]);
    let x = graph.linear(input, "first", 8, true).unwrap();
    let x = layer(&mut graph, x).unwrap();
    graph.linear(x, "classifier", N_CLASSES, false).unwrap();
    graph.finish(name).unwrap()
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Tanh,
    Activation::Sigmoid,
];

fn windows() -> [(&'static str, Window); 6] {
    let uneven = Window { kernel: [3, 2], stride: [2, 1], padding: [[1, 1], [0, 0]], ceil: false };
    [
        ("plain", Window::square(2)),
        ("overlapping", Window::square(3).stride(2)),
        ("padded", Window::square(3).stride(2).padding(1)),
        ("ceil", Window::square(2).ceil()),
        ("padded ceil", Window { ceil: true, stride: [3, 2], ..uneven }),
        ("asymmetric", Window { padding: [[1, 0], [0, 1]], ..uneven }),
    ]
}

fn convolutions() -> [(&'static str, Conv); 5] {
    [
        ("conv", Conv::new(5, 3).padding(1)),
        ("strided conv", Conv::new(6, 3).stride(2).padding(1).no_bias()),
        ("dilated conv", Conv { dilation: [2, 1], kernel: [2, 3], ..Conv::new(3, 1) }),
        ("grouped conv, asymmetric", Conv { padding: [[1, 0], [0, 2]], ..Conv::new(6, 2).groups(2) }),
        ("depthwise conv", Conv { stride: [1, 2], ..Conv::new(8, 3).padding(1).groups(4) }),
    ]
}

/// A small network for every operation, on maps and on flat values where it takes both.
fn every_operation() -> Vec<Network> {
    let mut networks = Vec::new();
    for (name, conv) in convolutions() {
        networks.push(over_maps(name, |graph, x| graph.conv(x, "conv", conv)));
    }
    for (name, window) in windows() {
        networks.push(over_maps(&format!("max pool, {name}"), |graph, x| graph.max_pool(x, window)));
        for count_padding in [true, false] {
            let name = format!("average pool, {name}, {count_padding}");
            networks.push(over_maps(&name, |graph, x| graph.apply(Op::AvgPool { window, count_padding }, &[x])));
        }
    }
    for size in [[1, 1], [3, 2], [4, 5], [7, 6]] {
        networks.push(over_maps("adaptive max pool", |graph, x| graph.apply(Op::AdaptiveMaxPool { size }, &[x])));
        networks.push(over_maps("adaptive average pool", |graph, x| graph.apply(Op::AdaptiveAvgPool { size }, &[x])));
    }
    let everywhere: &[(&str, &Layer)] = &[
        ("batch norm", &|graph, x| graph.batch_norm(x, "norm")),
        ("batch norm, large epsilon", &|graph, x| graph.batch_norm_eps(x, "norm", 0.3)),
        ("layer norm", &|graph, x| graph.layer_norm(x, "norm", 1e-5)),
        ("group norm", &|graph, x| graph.group_norm(x, "norm", 2, 1e-3)),
        ("sum of three", &|graph, x| {
            let y = graph.relu(x)?;
            graph.apply(Op::Add, &[x, y, x])
        }),
        ("concatenation", &|graph, x| {
            let y = graph.relu(x)?;
            graph.concat(&[y, x, y])
        }),
        ("slice", &|graph, x| graph.apply(Op::Slice { start: 1, end: 3 }, &[x])),
        ("zero units", &|graph, x| graph.apply(Op::Pad { before: 2, behind: 1 }, &[x])),
        ("constant factor", &|graph, x| graph.apply(Op::Scale(-1.5), &[x])),
    ];
    for (name, layer) in everywhere {
        networks.push(over_maps(&format!("{name}, maps"), layer));
        networks.push(over_flat(&format!("{name}, flat"), layer));
    }
    networks.push(over_maps("auxiliary head", |graph, x| {
        let y = graph.global_avg_pool(x)?;
        let head = graph.linear(y, "head", N_CLASSES, true)?;
        graph.aux_head(head, 0.3);
        graph.relu(x)
    }));
    for activation in ACTIVATIONS {
        networks.push(over_maps(activation.name(), |graph, x| graph.activation(x, activation)));
        networks.push(over_flat(activation.name(), |graph, x| graph.activation(x, activation)));
    }
    networks
}

fn noise(network: &Network, n_images: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..n_images * network.n_inputs()).map(|_| rng.random_range(-2.0..2.0)).collect()
}

fn upload(values: Vec<f32>, n_images: usize) -> Tensor<3> {
    let n_pixels = values.len() / n_images;
    Tensor::from_data(TensorData::new(values, [1, n_images, n_pixels]), &Device::flex())
}

/// Mean cross-entropy with every auxiliary head at its weight; all in f64.
fn loss(network: &Network, images: &Tensor<3>, params: &PointTensors) -> Tensor<1> {
    let found = forward_training(network, Activations::images(network, images.clone()), params);
    let n_images = images.dims()[1];
    let labels: Vec<i64> = (0..n_images as i64).map(|i| i % N_CLASSES as i64).collect();
    let labels = Tensor::<3, Int>::from_data(TensorData::new(labels, [1, n_images, 1]), &images.device());
    let entropy =
        |logits: Tensor<3>| burn::tensor::activation::log_softmax(logits, 2).gather(2, labels.clone()).mean().neg();
    let mut loss = entropy(found.logits);
    for (logits, weight) in found.heads {
        loss = loss + entropy(logits) * weight;
    }
    loss
}

fn value(loss: Tensor<1>) -> f64 {
    loss.into_data().try_into_vec::<f64>().unwrap()[0]
}

/// Compares the gradient of up to eight values of every trained parameter with differences of the loss.
fn assert_gradient_is_true(network: &Network) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let n_images = 5;
    let params = params(network, 7);
    let images = upload(noise(network, n_images, &mut rng), n_images).cast(DType::F64);
    let point: PointTensors = Basis::new(&Engine::cpu(), &[params])
        .as_points()
        .into_iter()
        .map(|tensor| tensor.map(|tensor| tensor.cast(DType::F64)))
        .collect();
    let leaves: PointTensors = point.iter().map(|w| w.as_ref().map(|w| w.clone().autodiff().require_grad())).collect();
    let mut gradients = loss(network, &images.clone().autodiff(), &leaves).backward();
    for (index, spec) in network.layout().specs().iter().enumerate().filter(|(_, spec)| spec.kind.is_trained()) {
        let gradient = tensor(&leaves, ParamId(index)).grad_remove(&mut gradients).unwrap();
        let gradient = gradient.into_data().try_into_vec::<f64>().unwrap();
        let middle = tensor(&point, ParamId(index)).clone();
        let values = middle.clone().into_data().try_into_vec::<f64>().unwrap();
        for place in (0..values.len()).step_by(values.len().div_ceil(8)) {
            let at = |step: f64| {
                let mut moved = values.clone();
                moved[place] += step;
                let mut point = point.clone();
                let moved = TensorData::new(moved, middle.dims());
                point[index] = Some(Tensor::from_data(moved, (&Device::flex(), DType::F64)));
                value(loss(network, &images, &point))
            };
            let step = 1e-5;
            let difference = (at(step) - at(-step)) / (2.0 * step);
            assert!(
                (gradient[place] - difference).abs() < 1e-7,
                "{}, {} at {place}: gradient {}, difference {difference}",
                network.name(),
                spec.name,
                gradient[place]
            );
        }
    }
}

#[test]
fn every_operation_computes_what_plain_loops_compute() {
    for network in every_operation().into_iter().chain(zoo::samples()) {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let (n_images, params) = (3, params(&network, 5));
        let images = noise(&network, n_images, &mut rng);
        let point = Basis::new(&Engine::cpu(), std::slice::from_ref(&params)).as_points();
        let mut outputs: Vec<Vec<f32>> = vec![images.clone()];
        let input = Activations::images(&network, upload(images.clone(), n_images));
        visit_nodes(&network, input.clone(), &point, |_, value| {
            outputs.push(value.clone().flatten().into_data().try_into_vec().unwrap());
        });
        let logits = forward_from(&network, NodeId(0), input, &point);
        let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
        for (image, values) in images.chunks(network.n_inputs()).enumerate() {
            let expected = reference::logits(&network, &params, values);
            for (x, e) in logits[image * N_CLASSES..].iter().zip(expected) {
                assert!((f64::from(*x) - e).abs() < 1e-5 * e.abs().max(1.0), "{}: {x} {e}", network.name());
            }
            for (node, expected) in reference::outputs(&network, &params, values).iter().enumerate() {
                let found = &outputs[node][image * expected.len()..(image + 1) * expected.len()];
                let largest = expected.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
                for (x, e) in found.iter().zip(expected) {
                    let op = network.nodes()[node].op.name();
                    assert!((f64::from(*x) - e).abs() < 1e-5 * largest, "{}, {op}: {x} {e}", network.name());
                }
            }
        }
    }
}

#[test]
fn gradients_of_every_operation_are_those_of_finite_differences() {
    for network in every_operation() {
        assert_gradient_is_true(&network);
    }
}

#[test]
fn permuted_networks_of_the_zoo_compute_the_same() {
    for network in zoo::samples() {
        let name = network.name().to_owned();
        let params = params(&network, 2);
        let check = verify_groups(&Engine::cpu(), &Arc::new(network), &params).unwrap();
        assert!(check.holds() && 0 < check.n_groups, "{name}: {check:?}");
    }
}

#[test]
fn statistics_of_batches_together_are_those_of_all_images_at_once() {
    for network in every_operation().iter().chain(&zoo::samples()).filter(|n| n.layout().has_statistics()) {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let images = upload(noise(network, 9, &mut rng), 9);
        let point = Basis::new(&Engine::cpu(), &[params(network, 3)]).as_points();
        let in_batches = |n_images: usize| {
            let batches = images.clone().split(n_images, 1).into_iter();
            batch_statistics(network, batches.map(|batch| Activations::images(network, batch)).collect(), &point)
        };
        let (whole, parts) = (in_batches(9), in_batches(4));
        assert_eq!(whole.len(), parts.len());
        for ((_, whole), (_, parts)) in whole.iter().zip(&parts) {
            for (w, p) in [(&whole.mean, &parts.mean), (&whole.biased_var, &parts.biased_var)] {
                let difference = (w.clone() - p.clone()).abs().max().into_scalar::<f32>();
                let largest = w.clone().abs().max().into_scalar::<f32>().max(1.0);
                assert!(difference < 1e-5 * largest, "{}: {difference}", network.name());
            }
        }
    }
}

#[test]
fn batch_norm_measures_what_it_sees() {
    let (mut graph, x) = GraphBuilder::new(&[1, 2, 2]);
    let x = graph.batch_norm(x, "norm").unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "head", 2, true).unwrap();
    let network = graph.finish("batch norm").unwrap();
    let point = Basis::new(&Engine::cpu(), &[params(&network, 3)]).as_points();
    let images = upload(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 2);
    let found = batch_statistics(&network, vec![Activations::images(&network, images)], &point);
    // Of 1..8: the mean is 4.5, the squared deviations sum to 42.
    let (_, statistics) = &found[0];
    let values = [&statistics.mean, &statistics.biased_var, &statistics.unbiased_var()];
    for (found, expected) in values.into_iter().zip([4.5, 42.0 / 8.0, 42.0 / 7.0]) {
        let found = found.clone().into_scalar::<f32>();
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}
