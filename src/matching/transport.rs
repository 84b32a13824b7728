//! Optimal transport of hidden units: the permutation of B's units whose vectors lie closest to A's (Anokhin & Yarotsky 2020,
//! section 1.6 of the methods). Needs no data.
//!
//! Units have equal masses, so that the optimal plan is a permutation and transport a linear assignment problem: minimise
//! `sum_i |a_i - b_p(i)|^2`. The vector of a unit is all that it has on the parameter axes of its group: incoming weights, bias,
//! outgoing weights, factors of norms; `[W1 row, b1, W2 column]` in a network of two layers.
//!
//! In deeper networks the groups follow each other in depth. Incoming weights of B are compared in the order in which the
//! groups before have left them, outgoing weights into a group that is yet to come in B's own order.

use std::sync::Arc;

use super::{Assignment, AssignmentError, CrossMoments, Permutation, UnitWeights, permute};
use crate::net::{Network, ParamVec};

/// What a unit's own place is worth among equals, as a share of the largest product: units that are dead in both networks
/// stay where they are.
const STAYING: f64 = 1e-9;

/// How the units of one group are paired.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTransport {
    /// `source(i)` is the unit of B that is put in place i.
    pub permutation: Permutation,
    /// Mean over the units of `|a_i - b_i|^2`, before and after.
    pub mean_cost_before: f64,
    pub mean_cost_after: f64,
}

/// A running search for the pairing of least cost.
pub struct Pairing {
    n_units: usize,
    /// `sum_i |a_i|^2 + |b_i|^2`, which no pairing changes.
    squares: f64,
    mean_cost_before: f64,
    assignment: Assignment<'static>,
}

impl Pairing {
    /// `moments`: products and squares of the units' vectors, the sums over the vectors' components.
    pub fn new(moments: CrossMoments) -> Result<Self, AssignmentError> {
        let n_units = moments.a.squares.len();
        let squares = moments.a.squares.iter().chain(&moments.b.squares).sum::<f64>();
        let mut products = moments.products;
        let before: f64 = (0..n_units).map(|i| products[i * n_units + i]).sum();
        // `|a - b|^2 = |a|^2 + |b|^2 - 2 a b`: the least cost is the largest sum of products.
        let largest = products.iter().fold(0.0, |largest, product| product.abs().max(largest));
        for i in 0..n_units {
            products[i * n_units + i] += STAYING * largest;
        }
        let assignment = Assignment::new(products, n_units)?;
        Ok(Self { n_units, squares, mean_cost_before: mean_cost(squares, before, n_units), assignment })
    }

    /// Looks at some `n_values` of the products. Whether all units are paired.
    pub fn step(&mut self, n_values: usize) -> bool {
        self.assignment.step(n_values)
    }

    /// Share of the units that are paired, 0..1.
    pub fn done(&self) -> f64 {
        self.assignment.done()
    }

    /// What was found, once [`Self::step`] has said that it is all.
    pub fn finish(self) -> Result<GroupTransport, AssignmentError> {
        let mean_cost_after = mean_cost(self.squares, self.assignment.objective(), self.n_units);
        let permutation = self.assignment.finish()?;
        Ok(GroupTransport { permutation, mean_cost_before: self.mean_cost_before, mean_cost_after })
    }
}

/// Never below zero, which rounding could bring it to.
fn mean_cost(squares: f64, products: f64, n_units: usize) -> f64 {
    ((squares - 2.0 * products) / n_units.max(1) as f64).max(0.0)
}

/// The transport of a whole network, one group after another in the order of depth.
pub struct Transport {
    network: Arc<Network>,
    a: Arc<ParamVec>,
    b: Arc<ParamVec>,
    /// B with the permutations found so far.
    moved: Arc<ParamVec>,
    groups: Vec<GroupTransport>,
}

impl Transport {
    /// `a` and `b`: parameters of `network`, in one layout.
    pub fn new(network: Arc<Network>, a: Arc<ParamVec>, b: Arc<ParamVec>) -> Self {
        Self { network, a, moved: Arc::clone(&b), b, groups: Vec::new() }
    }

    /// The vectors of the next group's units in A and in B as it is permuted now; `None` behind the last group.
    pub fn next_vectors(&self) -> Option<UnitWeights> {
        let group = self.network.groups().get(self.groups.len())?;
        Some(UnitWeights::of(group, &self.a, &self.moved))
    }

    /// Moves the units of the group that [`Self::next_vectors`] showed.
    pub fn settle(&mut self, found: GroupTransport) {
        self.groups.push(found);
        self.moved = Arc::new(permute(&self.network, &self.b, &self.permutations()));
    }

    /// One a group of the network; those that are not settled keep their places.
    pub fn permutations(&self) -> Vec<Permutation> {
        let settled = self.groups.iter().map(|group| group.permutation.clone());
        let waiting = &self.network.groups()[self.groups.len()..];
        settled.chain(waiting.iter().map(|group| Permutation::identity(group.n_units))).collect()
    }

    /// The groups that are settled, in the order of depth.
    pub fn groups(&self) -> &[GroupTransport] {
        &self.groups
    }

    /// B with its units where they have been moved to.
    pub fn moved(&self) -> &Arc<ParamVec> {
        &self.moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{UnitSums, maximise};
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn row(values: &[f32], n: usize, i: usize) -> &[f32] {
        &values[i * n..][..n]
    }

    /// The moments of unit vectors by plain loops.
    fn moments(vectors: &UnitWeights) -> CrossMoments {
        let UnitWeights { n_units, n_weights, a, b } = vectors;
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        let squares = |v: &[f32]| -> Vec<f32> {
            (0..*n_units).map(|i| dot(row(v, *n_weights, i), row(v, *n_weights, i))).collect()
        };
        let products: Vec<f32> = (0..n_units * n_units)
            .map(|at| dot(row(a, *n_weights, at / n_units), row(b, *n_weights, at % n_units)))
            .collect();
        let zeros = vec![0.0; *n_units];
        let mut moments = CrossMoments::new(*n_units);
        let sums = |squares| UnitSums { sums: &zeros, squares };
        moments.add(*n_weights, sums(&squares(a)), sums(&squares(b)), &products);
        moments
    }

    fn pair(vectors: &UnitWeights) -> GroupTransport {
        let mut pairing = Pairing::new(moments(vectors)).unwrap();
        while !pairing.step(1) {}
        pairing.finish().unwrap()
    }

    fn run(network: &Arc<Network>, a: &Arc<ParamVec>, b: &Arc<ParamVec>) -> Transport {
        let mut transport = Transport::new(Arc::clone(network), Arc::clone(a), Arc::clone(b));
        while let Some(vectors) = transport.next_vectors() {
            transport.settle(pair(&vectors));
        }
        transport
    }

    fn random(network: &Network, seed: u64) -> Arc<ParamVec> {
        Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(seed)))
    }

    #[test]
    fn two_layers_are_paired_as_squared_distances_of_rows_biases_and_columns_say() {
        let network = Arc::new(zoo::mlp(&[4, 9, 3], true).unwrap());
        let (a, b) = (random(&network, 1), random(&network, 2));
        // W1 [9, 4], b1 [9], W2 [3, 9], b2 [3], one behind the other.
        let neuron = |p: &ParamVec, i: usize| -> Vec<f64> {
            let incoming = (4 * i..4 * i + 4).chain([36 + i]);
            incoming.chain((0..3).map(|k| 45 + 9 * k + i)).map(|at| f64::from(p.values()[at])).collect()
        };
        let cost = |i: usize, j: usize| -> f64 {
            neuron(&a, i).iter().zip(neuron(&b, j)).map(|(x, y)| (x - y) * (x - y)).sum()
        };
        let scores: Vec<f64> = (0..81).map(|at| -cost(at / 9, at % 9)).collect();
        let expected = maximise(&scores, 9).unwrap();
        let found = &run(&network, &a, &b).groups()[0].clone();
        assert_eq!(found.permutation, expected);
        let before: f64 = (0..9).map(|i| cost(i, i)).sum::<f64>() / 9.0;
        let after: f64 = (0..9).map(|i| cost(i, expected.source(i))).sum::<f64>() / 9.0;
        assert!((found.mean_cost_before - before).abs() < 1e-5);
        assert!((found.mean_cost_after - after).abs() < 1e-5);
    }

    #[test]
    fn a_shuffled_layer_is_put_back_exactly() {
        let network = Arc::new(zoo::mlp(&[10, 30, 4], true).unwrap());
        let a = random(&network, 3);
        let shuffle = Permutation::random(30, &mut ChaCha8Rng::seed_from_u64(4));
        let b = Arc::new(permute(&network, &a, &[shuffle]));
        let transport = run(&network, &a, &b);
        assert_eq!(transport.moved().values(), a.values());
        assert!(transport.groups()[0].mean_cost_after < 1e-6);
    }

    #[test]
    fn a_network_is_its_own_transport_even_where_units_are_dead() {
        let network = Arc::new(zoo::mlp(&[5, 12, 7, 3], true).unwrap());
        let mut a = (*random(&network, 5)).clone();
        for axis_use in &network.groups()[0].axes {
            let shape = &network.layout().spec(axis_use.param).shape;
            for range in (3..6).flat_map(|unit| axis_use.runs(shape, unit)) {
                a.tensor_mut(axis_use.param)[range].fill(0.0);
            }
        }
        let a = Arc::new(a);
        let transport = run(&network, &a, &a);
        for (permutation, group) in transport.permutations().iter().zip(network.groups()) {
            assert_eq!(*permutation, Permutation::identity(group.n_units));
        }
    }

    #[test]
    fn the_cost_never_grows_and_every_group_is_settled_in_turn() {
        let network = Arc::new(zoo::mlp(&[6, 11, 8, 5, 3], true).unwrap());
        let (a, b) = (random(&network, 6), random(&network, 7));
        let transport = run(&network, &a, &b);
        assert_eq!(transport.groups().len(), 3);
        assert!(transport.groups().iter().all(|group| group.mean_cost_after <= group.mean_cost_before));
        assert_eq!(*transport.moved().values(), *permute(&network, &b, &transport.permutations()).values());
        assert!(transport.moved().distance(&a) < b.distance(&a));
    }
}
