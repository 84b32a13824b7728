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
            fill_columns(&mut centre, a, b, weight, a.layout().spec(weight).shape[1]);
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

/// The centre about which neurons are arced while all others stay: a is where they set out, b where they arrive.
///
/// `incoming`: tensors of which each row is a neuron's, weights and biases. `outgoing`: a weight whose axis 1 holds the neurons'
/// places, and their number. All else is the mean of both, which is where it is if it does not move.
pub fn neuron_centre(a: &ParamVec, b: &ParamVec, incoming: &[ParamId], outgoing: Option<(ParamId, usize)>) -> ParamVec {
    let mut centre = ParamVec::zeros(a.layout().clone());
    for ((c, &wa), &wb) in centre.values_mut().iter_mut().zip(a.values()).zip(b.values()) {
        *c = 0.5 * (wa + wb);
    }
    incoming.iter().for_each(|&id| fill_rows(&mut centre, a, b, id));
    if let Some((id, n_units)) = outgoing {
        fill_columns(&mut centre, a, b, id, n_units);
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

/// What leaves a unit becomes the mean of what leaves the units of both; axis 1 holds `n_units` units, one behind the other.
fn fill_columns(centre: &mut ParamVec, a: &ParamVec, b: &ParamVec, id: ParamId, n_units: usize) {
    let n_rows = a.layout().spec(id).shape[0];
    let row_len = a.tensor(id).len() / n_rows;
    let unit_len = row_len / n_units;
    let rows = a.tensor(id).chunks_exact(row_len).zip(b.tensor(id).chunks_exact(row_len));
    for ((ra, rb), row) in rows.zip(centre.tensor_mut(id).chunks_exact_mut(row_len)) {
        let mut mean = vec![0.0_f64; unit_len];
        for unit in ra.chunks_exact(unit_len).chain(rb.chunks_exact(unit_len)) {
            for (m, &w) in mean.iter_mut().zip(unit) {
                *m += f64::from(w) / (2 * n_units) as f64;
            }
        }
        for unit in row.chunks_exact_mut(unit_len) {
            for (c, m) in unit.iter_mut().zip(&mean) {
                *c = *m as f32;
            }
        }
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
    fn neurons_are_centred_alone_where_all_else_stays() {
        let network = zoo::mlp(&[3, 4, 2, 5], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let a = ParamVec::random(network.layout().clone(), &mut rng);
        let mut b = a.clone();
        [0, 1, 2].into_iter().for_each(|id| b.tensor_mut(ParamId(id)).fill_with(|| rng.random_range(-1.0..1.0)));
        // Weights of the first layer and its biases arrive at a row each; of the second, pairs of columns are units.
        let centre = neuron_centre(&a, &b, &[ParamId(0), ParamId(1)], Some((ParamId(2), 2)));
        assert!(centre.tensor(ParamId(0)).chunks_exact(3).all(|row| row == &centre.tensor(ParamId(0))[..3]));
        assert!(centre.tensor(ParamId(1)).iter().all(|v| *v == centre.tensor(ParamId(1))[0]));
        let values: Vec<f32> = [&a, &b].iter().flat_map(|p| [0, 2].map(|at| p.tensor(ParamId(2))[at])).collect();
        let first = centre.tensor(ParamId(2));
        assert!((first[0] - values.iter().sum::<f32>() / 4.0).abs() < 1e-6);
        assert_eq!(first[..2], first[2..4]);
        (3..6).for_each(|id| assert_eq!(centre.tensor(ParamId(id)), a.tensor(ParamId(id))));
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
