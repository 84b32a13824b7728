//! Weight matching: a permutation of B's units that brings B's weights as close to A's as coordinate descent can
//! (Ainsworth et al. 2023, algorithm 1). Needs no data.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{AssignmentError, Permutation, maximise, permute};
use crate::net::{AxisUse, Network, ParamVec, PermutationGroup};

/// Sweeps after which the descent ends even if it still gains.
const MAX_SWEEPS: usize = 100;
/// The smallest gain, as a share of the group's objective, that counts: smaller ones are rounding of `f32` products.
const WORTHWHILE: f64 = 1e-9;
/// Units whose weights are collected at a time.
const UNITS_AT_ONCE: usize = 256;

/// One running descent: maximises `<A, P(B)>` over the permutations of one group at a time, the others fixed, in sweeps of
/// random order, until a sweep gains nothing.
///
/// Ends at a local optimum, which depends on the order: several seeds are worth a try.
pub struct WeightMatching {
    network: Arc<Network>,
    a: Arc<ParamVec>,
    b: Arc<ParamVec>,
    permutations: Vec<Permutation>,
    /// B with all permutations found so far.
    moved: ParamVec,
    rng: ChaCha8Rng,
    /// Groups in the order of this sweep, and how many of them are done.
    order: Vec<usize>,
    done: usize,
    gained: bool,
    finished: bool,
    objective: f64,
    trace: Vec<f64>,
}

/// The weights of a group's units in two networks, row-major `[n_units, n_weights]`: incoming and outgoing ones, biases and
/// those of norms.
pub struct UnitWeights {
    pub n_units: usize,
    pub n_weights: usize,
    pub a: Vec<f32>,
    pub b: Vec<f32>,
}

impl WeightMatching {
    /// `a` and `b`: parameters of `network`, in one layout.
    pub fn new(network: Arc<Network>, a: Arc<ParamVec>, b: Arc<ParamVec>, seed: u64) -> Self {
        let identity = |group: &PermutationGroup| Permutation::identity(group.n_units);
        let objective = inner_product(&a, &b);
        let mut matching = Self {
            permutations: network.groups().iter().map(identity).collect(),
            moved: (*b).clone(),
            order: (0..network.groups().len()).collect(),
            done: 0,
            gained: false,
            finished: network.groups().is_empty(),
            objective,
            trace: vec![objective],
            rng: ChaCha8Rng::seed_from_u64(seed),
            network,
            a,
            b,
        };
        matching.shuffle();
        matching
    }

    /// Whether the last sweep gained nothing, or there have been too many.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Sweeps done, with the share of the one that runs.
    pub fn sweeps(&self) -> f64 {
        (self.trace.len() - 1) as f64 + self.done as f64 / self.order.len().max(1) as f64
    }

    /// The weights that the next group's units have in A and in B as it is permuted now.
    pub fn next_weights(&self) -> UnitWeights {
        UnitWeights::of(&self.network.groups()[self.order[self.done]], &self.a, &self.moved)
    }

    /// Assigns the next group's units. `products`: `A B^T` of [`Self::next_weights`], `[n_units, n_units]`.
    pub fn step(&mut self, products: &[f32]) -> Result<(), AssignmentError> {
        let index = self.order[self.done];
        let n = self.network.groups()[index].n_units;
        let scores: Vec<f64> = products.iter().map(|&p| if p.is_finite() { f64::from(p) } else { 0.0 }).collect();
        let found = maximise(&scores, n)?;
        let before: f64 = (0..n).map(|i| scores[i * n + i]).sum();
        let after: f64 = (0..n).map(|i| scores[i * n + found.source(i)]).sum();
        if WORTHWHILE * before.abs().max(after.abs()) < after - before {
            let mut permutations = self.permutations.clone();
            permutations[index] = permutations[index].then(&found);
            let moved = permute(&self.network, &self.b, &permutations);
            let objective = inner_product(&self.a, &moved);
            // A group on two axes of one tensor is not linear: what its assignment promises may not come.
            if self.objective < objective {
                (self.permutations, self.moved, self.objective) = (permutations, moved, objective);
                self.gained = true;
            }
        }
        self.done += 1;
        if self.done == self.order.len() {
            self.trace.push(self.objective);
            self.done = 0;
            self.finished = !self.gained || MAX_SWEEPS < self.trace.len();
            self.gained = false;
            self.shuffle();
        }
        Ok(())
    }

    /// One a group of the network.
    pub fn permutations(&self) -> &[Permutation] {
        &self.permutations
    }

    /// `<A, P(B)>` over the trained values.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// The objective before the first sweep and after each.
    pub fn trace(&self) -> &[f64] {
        &self.trace
    }

    fn shuffle(&mut self) {
        for i in (1..self.order.len()).rev() {
            self.order.swap(i, self.rng.random_range(0..=i));
        }
    }
}

impl UnitWeights {
    /// What the units of `group` have on the axes of it in two networks of one layout.
    pub fn of(group: &PermutationGroup, a: &ParamVec, b: &ParamVec) -> Self {
        let [(a, n_weights), (b, _)] = [a, b].map(|params| unit_weights(group, params, |_| true));
        Self { n_units: group.n_units, n_weights, a, b }
    }
}

/// One row a unit: its trained values on those of the group's axes that are wanted; and the length of a row.
pub(super) fn unit_weights(
    group: &PermutationGroup,
    params: &ParamVec,
    is_wanted: impl Fn(&AxisUse) -> bool,
) -> (Vec<f32>, usize) {
    let layout = params.layout();
    let shape = |axis_use: &AxisUse| layout.spec(axis_use.param).shape.as_slice();
    let axes =
        group.axes.iter().filter(|axis_use| layout.spec(axis_use.param).kind.is_trained() && is_wanted(axis_use));
    let axes: Vec<_> = axes.collect();
    let of_axis = |axis_use: &&AxisUse| axis_use.n_runs(shape(axis_use)) * axis_use.run_length(shape(axis_use));
    let n_weights: usize = axes.iter().map(of_axis).sum();
    let mut rows = vec![0.0; group.n_units * n_weights];
    // Few enough units at a time that what is written to stays in a cache.
    rows.par_chunks_mut(UNITS_AT_ONCE * n_weights.max(1)).enumerate().for_each(|(chunk, rows)| {
        let first = chunk * UNITS_AT_ONCE;
        let mut column = 0;
        for axis_use in &axes {
            let (shape, values) = (shape(axis_use), params.tensor(axis_use.param));
            let length = axis_use.run_length(shape);
            for run in 0..axis_use.n_runs(shape) {
                for (unit, row) in (first..).zip(rows.chunks_exact_mut(n_weights)) {
                    row[column..column + length].copy_from_slice(&values[axis_use.run(shape, unit, run)]);
                }
                column += length;
            }
        }
    });
    (rows, n_weights)
}

/// `<a, b>` over the trained values.
fn inner_product(a: &ParamVec, b: &ParamVec) -> f64 {
    a.trained().iter().zip(b.trained()).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Conv, GraphBuilder, zoo};

    fn products(weights: &UnitWeights) -> Vec<f32> {
        let row = |values: &[f32], i: usize| values[i * weights.n_weights..][..weights.n_weights].to_vec();
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum();
        (0..weights.n_units * weights.n_units)
            .map(|at| dot(&row(&weights.a, at / weights.n_units), &row(&weights.b, at % weights.n_units)))
            .collect()
    }

    fn descend(network: &Arc<Network>, a: &Arc<ParamVec>, b: &Arc<ParamVec>, seed: u64) -> WeightMatching {
        let mut matching = WeightMatching::new(Arc::clone(network), Arc::clone(a), Arc::clone(b), seed);
        while !matching.is_finished() {
            let products = products(&matching.next_weights());
            matching.step(&products).unwrap();
        }
        matching
    }

    fn residual() -> Network {
        let (mut g, x) = GraphBuilder::new(&[1, 6, 6]);
        let x = g.conv(x, "stem", Conv::new(6, 3).padding(1)).unwrap();
        let x = g.batch_norm(x, "norm").unwrap();
        let x = g.relu(x).unwrap();
        let y = g.conv(x, "inner", Conv::new(5, 3).padding(1)).unwrap();
        let y = g.relu(y).unwrap();
        let y = g.conv(y, "outer", Conv::new(6, 3).padding(1)).unwrap();
        let sum = g.add(x, y).unwrap();
        let flat = g.flatten(sum).unwrap();
        g.linear(flat, "head", 3, true).unwrap();
        g.finish("residual").unwrap()
    }

    #[test]
    fn a_shuffled_network_is_put_back_exactly() {
        for network in [zoo::mlp(&[10, 9, 8, 7, 3], true).unwrap(), residual()] {
            let network = Arc::new(network);
            for seed in 0..5 {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let a = Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng));
                let shuffle: Vec<Permutation> =
                    network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect();
                let b = Arc::new(permute(&network, &a, &shuffle));
                let matching = descend(&network, &a, &b, seed);
                assert_eq!(permute(&network, &b, matching.permutations()).values(), a.values(), "{}", network.name());
            }
        }
    }

    #[test]
    fn the_objective_never_falls_and_is_that_of_the_permuted_network() {
        let network = Arc::new(residual());
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut random = || Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng));
        let (a, b) = (random(), random());
        let matching = descend(&network, &a, &b, 1);
        assert!(matching.trace().windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", matching.trace());
        assert!(matching.trace()[0] < matching.objective());
        let moved = permute(&network, &b, matching.permutations());
        assert!((inner_product(&a, &moved) - matching.objective()).abs() < 1e-9);
    }

    #[test]
    fn no_permutation_of_one_group_alone_does_better() {
        // 3 units: all 6 permutations of either group can be tried.
        let network = Arc::new(zoo::mlp(&[4, 3, 3, 2], true).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut random = || Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng));
        let (a, b) = (random(), random());
        let matching = descend(&network, &a, &b, 0);
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for group in 0..2 {
            for order in orders {
                let mut other = matching.permutations().to_vec();
                other[group] = Permutation::new(order.to_vec()).unwrap();
                assert!(inner_product(&a, &permute(&network, &b, &other)) <= matching.objective() + 1e-6);
            }
        }
    }
}
