//! What maps are trained for.

use std::f64::consts::{FRAC_PI_2, PI};

use burn::tensor::{Int, Tensor};

use super::super::forward::{Activations, PointTensors, forward_training};
use super::super::gradient_tensors::cross_entropy;
use super::map::{FlowMap, Latent};
use crate::geometry::Neurons;
use crate::net::Network;

/// Mean over neurons of `-ln rho(nu(theta)) - ln |det d nu / d theta|`, rho the standard Gaussian; nats a neuron.
pub(super) fn negative_log_likelihood(latent: &Latent) -> Tensor<1> {
    let [_, dim] = latent.values.dims();
    let constant = 0.5 * dim as f64 * (2.0 * PI).ln();
    let squares = (latent.values.clone() * latent.values.clone()).sum_dim(1) * 0.5;
    (squares - latent.log_det.clone()).mean() + constant
}

/// cos and sin of `pi t / 2`, the weights of A and B on a normalising-map path; exact at both ends.
pub(super) fn mixing(t: f64) -> (f64, f64) {
    if t == 1.0 { (0.0, 1.0) } else { ((FRAC_PI_2 * t).cos(), (FRAC_PI_2 * t).sin()) }
}

/// The output's bias on the path, which belongs to no neuron: on the arc about the mean of both ends, so that the path
/// begins at A and ends at B. (The paper's code keeps it at the mean over the training networks, and misses both.)
pub(super) fn output_bias(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    let (cos, sin) = mixing(t);
    let between = |(&a, &b): (&f32, &f32)| {
        let (a, b) = (f64::from(a), f64::from(b));
        let mean = 0.5 * (a + b);
        (mean + cos * (a - mean) + sin * (b - mean)) as f32
    };
    a.iter().zip(b).map(between).collect()
}

/// Two networks whose path is to have a low loss, and where on it.
pub(super) struct PathPoint {
    /// Neurons of A, then of B: `[2 n, dim]`.
    pub(super) neurons: Tensor<2>,
    /// The output's bias at `t`, `[1, n_outputs]`.
    pub(super) output_bias: Option<Tensor<2>>,
    pub(super) t: f64,
}

/// Cross-entropy at a point of the path, and the latent neurons of both networks. Everything tracks gradients.
pub(super) fn path_loss(
    map: &FlowMap,
    network: &Network,
    neurons: &Neurons,
    point: PathPoint,
    images: Tensor<3>,
    labels: Tensor<3, Int>,
) -> (Tensor<1>, Latent) {
    let latent = map.forward(point.neurons);
    let (cos, sin) = mixing(point.t);
    let of = |rows: std::ops::Range<usize>| latent.values.clone().slice_dim(0, rows);
    let mixed = of(0..neurons.n) * cos + of(neurons.n..2 * neurons.n) * sin;
    let params = params_of(neurons, map.inverse(mixed), point.output_bias);
    let logits = forward_training(network, Activations::images(network, images), &params).logits;
    (cross_entropy(logits, labels), latent)
}

/// Neuron vectors `[n, dim]` as the weights of a network, in the order of its layout.
fn params_of(neurons: &Neurons, rows: Tensor<2>, output_bias: Option<Tensor<2>>) -> PointTensors {
    let [_, dim] = rows.dims();
    let (n_inputs, n_outputs) = (neurons.shape.n_inputs, neurons.shape.n_outputs);
    let columns = |range: std::ops::Range<usize>| rows.clone().slice_dim(1, range);
    let parts = [
        Some((neurons.incoming, columns(0..n_inputs))),
        neurons.bias.map(|id| (id, columns(n_inputs..n_inputs + 1).swap_dims(0, 1))),
        Some((neurons.outgoing, columns(dim - n_outputs..dim).swap_dims(0, 1))),
        neurons.output_bias.zip(output_bias),
    ];
    let mut parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.sort_by_key(|(id, _)| *id);
    parts.into_iter().map(|(_, tensor)| Some(tensor.unsqueeze_dim(0))).collect()
}
