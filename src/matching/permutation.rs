//! Relabellings of hidden units, and how they move parameters.

use std::sync::Arc;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::net::{Network, ParamVec, PermutationGroup};

/// A bijection on `0..n`: `source(i)` is the old unit that is put in place `i`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Permutation(Vec<usize>);

impl Permutation {
    /// Checks that every unit of `0..n` appears once.
    pub fn new(sources: Vec<usize>) -> Option<Self> {
        let mut seen = vec![false; sources.len()];
        for &unit in &sources {
            let place = seen.get_mut(unit)?;
            if std::mem::replace(place, true) {
                return None;
            }
        }
        Some(Self(sources))
    }

    pub fn identity(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// Uniform over all permutations of `n` units.
    pub fn random(n: usize, rng: &mut impl rand::Rng) -> Self {
        let mut sources: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            sources.swap(i, rng.random_range(0..=i));
        }
        Self(sources)
    }

    /// The old unit in place `i`.
    pub fn source(&self, i: usize) -> usize {
        self.0[i]
    }

    pub fn sources(&self) -> &[usize] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn inverse(&self) -> Self {
        let mut places = vec![0; self.0.len()];
        for (i, &unit) in self.0.iter().enumerate() {
            places[unit] = i;
        }
        Self(places)
    }

    /// This permutation, and then `next`: place `i` gets what this one put in place `next.source(i)`.
    pub fn then(&self, next: &Self) -> Self {
        Self(next.0.iter().map(|&place| self.0[place]).collect())
    }

    /// Units that stay where they are.
    pub fn n_fixed(&self) -> usize {
        self.0.iter().enumerate().filter(|(i, unit)| i == *unit).count()
    }
}

impl TryFrom<Vec<usize>> for Permutation {
    type Error = &'static str;

    fn try_from(sources: Vec<usize>) -> Result<Self, Self::Error> {
        Self::new(sources).ok_or("not a permutation: some unit is missing, repeated or out of range")
    }
}

impl From<Permutation> for Vec<usize> {
    fn from(permutation: Permutation) -> Self {
        permutation.0
    }
}

/// Moves the units of every group: place `i` of group g gets unit `permutations[g].source(i)`, on every parameter axis that
/// carries the group. The network computes the same function before and after.
///
/// `permutations`: one for each of `network.groups()`, of that group's size.
pub fn permute(network: &Network, params: &ParamVec, permutations: &[Permutation]) -> ParamVec {
    assert_eq!(network.groups().len(), permutations.len(), "one permutation a group");
    let mut moved = params.clone();
    for (group, permutation) in network.groups().iter().zip(permutations) {
        gather(group, &mut moved, permutation.sources());
    }
    moved
}

/// Puts into each place i of a group what unit `sources[i]` has, on every parameter axis that carries the group. Units may
/// come twice or not at all.
pub(crate) fn gather(group: &PermutationGroup, params: &mut ParamVec, sources: &[usize]) {
    let layout = Arc::clone(params.layout());
    for axis_use in &group.axes {
        let shape = &layout.spec(axis_use.param).shape;
        let before = params.tensor(axis_use.param).to_vec();
        let after = params.tensor_mut(axis_use.param);
        for run in 0..axis_use.n_runs(shape) {
            for (place, &source) in sources.iter().enumerate() {
                after[axis_use.run(shape, place, run)].copy_from_slice(&before[axis_use.run(shape, source, run)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{reference, zoo};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn only_bijections_are_permutations() {
        assert!(Permutation::new(vec![2, 0, 1]).is_some());
        assert!(Permutation::new(vec![0, 0, 1]).is_none());
        assert!(Permutation::new(vec![0, 3, 1]).is_none());
    }

    #[test]
    fn permuting_and_permuting_back_restores_every_weight() {
        let network = zoo::mlp(&[6, 9, 7, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let params = ParamVec::random(network.layout().clone(), &mut rng);
        let forth: Vec<_> = network.groups().iter().map(|g| Permutation::random(g.n_units, &mut rng)).collect();
        let back: Vec<_> = forth.iter().map(Permutation::inverse).collect();
        let moved = permute(&network, &params, &forth);
        assert_ne!(moved, params);
        assert_eq!(permute(&network, &moved, &back), params);
    }

    #[test]
    fn rows_biases_and_next_columns_move_together() {
        let network = zoo::mlp(&[2, 3, 2], true).unwrap();
        let values = (0..network.layout().len()).map(|v| v as f32).collect();
        let params = ParamVec::new(network.layout().clone(), values).unwrap();
        let moved = permute(&network, &params, &[Permutation::new(vec![2, 0, 1]).unwrap()]);
        assert_eq!(moved.values(), [4., 5., 0., 1., 2., 3., 8., 6., 7., 11., 9., 10., 14., 12., 13., 15., 16.]);
    }

    /// Ainsworth et al. 2023, appendix A.6: two networks 2-2-2-1 that both compute `-(relu(x1) + relu(-x2))` near the origin.
    #[test]
    fn no_permutation_connects_the_counter_example_of_git_re_basin() {
        let network = zoo::mlp(&[2, 2, 2, 1], true).unwrap();
        let params = |values: [f32; 15]| ParamVec::new(network.layout().clone(), values.to_vec()).unwrap();
        // Rows of a layer's weights, then its biases.
        let a = params([-1., 0., 0., -1., 1., 0., -1., 0., 0., 1., 1., 0., -1., -1., 0.]);
        let b = params([1., 0., 0., 1., 0., 1., 1., 0., 0., -1., 0., 1., -1., -1., 0.]);
        let accuracy = |params: &ParamVec| {
            let places = (0..20).map(|i| (f64::from(i) + 0.5) / 10.0 - 1.0);
            let points: Vec<[f64; 2]> = places.clone().flat_map(|x| places.clone().map(move |y| [x, y])).collect();
            let is_right = |[x, y]: &&[f64; 2]| {
                let is_inside = *x < 0.0 && 0.0 < *y;
                (0.0 <= reference::logits(&network, params, &[*x as f32, *y as f32])[0]) == is_inside
            };
            points.iter().filter(is_right).count() as f64 / points.len() as f64
        };
        assert_eq!((accuracy(&a), accuracy(&b)), (1.0, 1.0));
        let orders = || [[0, 1], [1, 0]].map(|order| Permutation::new(order.to_vec()).unwrap());
        for first in orders() {
            for second in orders() {
                let moved = permute(&network, &b, &[first.clone(), second]);
                let middle = ParamVec::combination(&[Arc::new(a.clone()), Arc::new(moved.clone())], &[0.5, 0.5]);
                assert_eq!(accuracy(&moved), 1.0);
                assert!(accuracy(&middle) <= 0.75, "{first:?}");
            }
        }
    }
}
