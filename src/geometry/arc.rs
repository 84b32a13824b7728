//! The centre of an arc: the mean neuron of both endpoints.

use crate::net::{Network, Op, ParamId, ParamVec};

/// The network M every row of which is the mean row of its layer over both endpoints, so that
/// `M + cos (A - M) + sin (B - M)` arcs every neuron about the mean neuron (Anokhin & Yarotsky 2020).
///
/// A neuron is `[incoming row, bias]`; with one hidden layer it is `[incoming row, bias, outgoing column]` as in the paper,
/// and the output's bias, which belongs to no neuron, is arced about the mean of the two endpoints' biases. The rows of
/// deeper networks' last layers are arced as rows.
pub fn arc_centre(network: &Network, a: &ParamVec, b: &ParamVec) -> ParamVec {
    let mut centre = ParamVec::zeros(a.layout().clone());
    let layers: Vec<(ParamId, Option<ParamId>)> = network
        .nodes()
        .iter()
        .filter_map(|node| match node.op {
            Op::Linear { weight, bias } | Op::Conv2d { weight, bias, .. } => Some((weight, bias)),
            _ => None,
        })
        .collect();
    let two_layers = layers.len() == 2;
    for (depth, &(weight, bias)) in layers.iter().enumerate() {
        let outgoing = two_layers && depth == 1;
        if outgoing {
            fill_columns(&mut centre, a, b, weight);
        } else {
            fill_rows(&mut centre, a, b, weight);
        }
        let Some(bias) = bias else { continue };
        if outgoing {
            fill_elementwise(&mut centre, a, b, bias);
        } else {
            fill_rows(&mut centre, a, b, bias);
        }
    }
    centre
}

/// Every row becomes the mean of the rows of both.
fn fill_rows(centre: &mut ParamVec, a: &ParamVec, b: &ParamVec, id: ParamId) {
    let n_rows = a.layout().spec(id).shape[0];
    let row_len = a.tensor(id).len() / n_rows;
    let mut mean = vec![0.0_f64; row_len];
    for row in a.tensor(id).chunks_exact(row_len).chain(b.tensor(id).chunks_exact(row_len)) {
        for (m, &w) in mean.iter_mut().zip(row) {
            *m += f64::from(w) / (2 * n_rows) as f64;
        }
    }
    for row in centre.tensor_mut(id).chunks_exact_mut(row_len) {
        for (c, m) in row.iter_mut().zip(&mean) {
            *c = *m as f32;
        }
    }
}

/// Every column becomes the mean of the columns of both.
fn fill_columns(centre: &mut ParamVec, a: &ParamVec, b: &ParamVec, id: ParamId) {
    let row_len = a.layout().spec(id).shape[1];
    let rows = a.tensor(id).chunks_exact(row_len).zip(b.tensor(id).chunks_exact(row_len));
    let means: Vec<f32> = rows
        .map(|(ra, rb)| {
            let sum: f64 = ra.iter().chain(rb).map(|&w| f64::from(w)).sum();
            (sum / (2 * row_len) as f64) as f32
        })
        .collect();
    for (row, mean) in centre.tensor_mut(id).chunks_exact_mut(row_len).zip(means) {
        row.fill(mean);
    }
}

fn fill_elementwise(centre: &mut ParamVec, a: &ParamVec, b: &ParamVec, id: ParamId) {
    for ((c, &wa), &wb) in centre.tensor_mut(id).iter_mut().zip(a.tensor(id)).zip(b.tensor(id)) {
        *c = 0.5 * (wa + wb);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Curve, Path};
    use crate::net::zoo;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use std::sync::Arc;

    /// Closed form: for independent Gaussian neurons, an arc keeps mean and variance while a line halves the variance.
    #[test]
    fn arcs_keep_the_mean_and_variance_of_gaussian_neurons() {
        let n = 20_000;
        let network = zoo::mlp(&[1, n, 1], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut sample = || {
            let mut w = ParamVec::zeros(network.layout().clone());
            for v in w.values_mut() {
                let sum: f32 = (0..12).map(|_| rng.random_range(-0.5_f32..0.5)).sum();
                *v = 3.0 + 2.0 * sum;
            }
            Arc::new(w)
        };
        let (a, b) = (sample(), sample());
        let moments = |family, t| {
            let point = Path::straight(&network, family, a.clone(), b.clone()).point(t);
            let row = point.tensor(ParamId(0));
            let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            let var = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
            (mean, var)
        };
        let (mean, var) = moments(Curve::Arc, 0.5);
        assert!((mean - 3.0).abs() < 0.05 && (var - 4.0).abs() < 0.15, "{mean} {var}");
        let (_, var) = moments(Curve::Linear, 0.5);
        assert!((var - 2.0).abs() < 0.1, "{var}");
    }

    #[test]
    fn the_centre_of_a_two_layer_network_is_one_neuron_repeated() {
        let network = zoo::mlp(&[3, 4, 2], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let a = ParamVec::random(network.layout().clone(), &mut rng);
        let b = ParamVec::random(network.layout().clone(), &mut rng);
        let centre = arc_centre(&network, &a, &b);
        let incoming = centre.tensor(ParamId(0));
        assert!(incoming.chunks_exact(3).all(|row| row == &incoming[..3]));
        let outgoing = centre.tensor(ParamId(2));
        assert!(outgoing.chunks_exact(4).all(|row| row.iter().all(|v| *v == row[0])));
        assert_ne!(outgoing[0], outgoing[4]);
    }
}
