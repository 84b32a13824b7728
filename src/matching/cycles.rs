//! The cycles of a permutation, and how many a random one would have.

use std::collections::BTreeMap;

use super::Permutation;

impl Permutation {
    /// The cycles in the order of their lowest places, places that keep their unit among them. Each begins at its lowest
    /// place i and goes on with `source(i)`, `source(source(i))`, ...
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.len()];
        let mut cycles = Vec::new();
        for start in 0..self.len() {
            let mut cycle = Vec::new();
            let mut place = start;
            while !std::mem::replace(&mut seen[place], true) {
                cycle.push(place);
                place = self.source(place);
            }
            if !cycle.is_empty() {
                cycles.push(cycle);
            }
        }
        cycles
    }
}

/// How many cycles of each length a permutation has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleType {
    counts: BTreeMap<usize, usize>,
}

impl CycleType {
    pub fn of(permutation: &Permutation) -> Self {
        let mut counts = BTreeMap::new();
        for cycle in permutation.cycles() {
            *counts.entry(cycle.len()).or_default() += 1;
        }
        Self { counts }
    }

    /// Lengths that occur, from short to long, and how many cycles have each.
    pub fn counts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.counts.iter().map(|(&length, &count)| (length, count))
    }

    /// Units that stay where they are.
    pub fn n_fixed(&self) -> usize {
        self.counts.get(&1).copied().unwrap_or(0)
    }

    pub fn n_cycles(&self) -> usize {
        self.counts.values().sum()
    }

    /// Units in the longest cycle; 0 for a permutation of nothing.
    pub fn longest(&self) -> usize {
        self.counts.last_key_value().map_or(0, |(&length, _)| length)
    }
}

/// The Golomb-Dickman constant: the limit, for many units, of the expected share of units in the longest cycle.
const GOLOMB_DICKMAN: f64 = 0.624_329_988_543_550_9;

/// What to expect of the cycles of a permutation of `n_units` that is drawn uniformly.
///
/// A given unit is in a cycle of length k with probability 1/n for every k, so that 1/k cycles of length k are expected.
/// Numbers of cycles are sums of independent indicators with means 1, 1/2, .., 1/n (Feller 1945).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomCycles {
    pub n_units: usize,
}

impl RandomCycles {
    /// Expected number of cycles of one length: `1 / length`.
    pub fn count(self, length: usize) -> f64 {
        if (1..=self.n_units).contains(&length) { (length as f64).recip() } else { 0.0 }
    }

    /// Expected number of units that stay: 1, whatever their number.
    pub fn n_fixed(self) -> f64 {
        self.count(1)
    }

    /// Expected number of cycles: the harmonic number `1 + 1/2 + .. + 1/n`.
    pub fn n_cycles(self) -> f64 {
        (1..=self.n_units).map(|k| (k as f64).recip()).sum()
    }

    /// Standard deviation of the number of cycles: `sqrt(sum_k 1/k - 1/k^2)`.
    pub fn n_cycles_deviation(self) -> f64 {
        (1..=self.n_units).map(|k| (k as f64).recip()).map(|p| p * (1.0 - p)).sum::<f64>().sqrt()
    }

    /// Expected length of the longest cycle, in the limit of many units: 0.6243 n.
    pub fn longest(self) -> f64 {
        GOLOMB_DICKMAN * self.n_units as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn cycles_follow_the_sources_from_the_lowest_place() {
        let permutation = Permutation::new(vec![2, 1, 4, 3, 0, 6, 5]).unwrap();
        assert_eq!(permutation.cycles(), [vec![0, 2, 4], vec![1], vec![3], vec![5, 6]]);
        let cycle_type = CycleType::of(&permutation);
        assert_eq!(cycle_type.counts().collect::<Vec<_>>(), [(1, 2), (2, 1), (3, 1)]);
        assert_eq!((cycle_type.n_fixed(), cycle_type.n_cycles(), cycle_type.longest()), (2, 4, 3));
    }

    #[test]
    fn the_identity_and_nothing_have_their_cycle_types() {
        let identity = CycleType::of(&Permutation::identity(5));
        assert_eq!((identity.n_fixed(), identity.n_cycles(), identity.longest()), (5, 5, 1));
        assert_eq!(CycleType::of(&Permutation::identity(0)), CycleType::default());
        assert_eq!(CycleType::default().longest(), 0);
    }

    /// Every permutation of `n` units.
    fn all(n: usize) -> Vec<Permutation> {
        let mut found = vec![Vec::new()];
        for _ in 0..n {
            let longer = |p: &Vec<usize>| {
                let p = p.clone();
                (0..n).filter(move |unit| !p.contains(unit)).collect::<Vec<_>>()
            };
            found = found.iter().flat_map(|p| longer(p).into_iter().map(|u| [p.as_slice(), &[u]].concat())).collect();
        }
        found.into_iter().map(|sources| Permutation::new(sources).unwrap()).collect()
    }

    #[test]
    fn expectations_are_the_means_over_all_permutations() {
        for n in 1..=6 {
            let types: Vec<CycleType> = all(n).iter().map(CycleType::of).collect();
            let mean = |value: &dyn Fn(&CycleType) -> f64| types.iter().map(value).sum::<f64>() / types.len() as f64;
            let expected = RandomCycles { n_units: n };
            let n_cycles = mean(&|t| t.n_cycles() as f64);
            assert!((n_cycles - expected.n_cycles()).abs() < 1e-12);
            assert!((mean(&|t| t.n_fixed() as f64) - expected.n_fixed()).abs() < 1e-12);
            let variance = mean(&|t| (t.n_cycles() as f64 - n_cycles).powi(2));
            assert!((variance.sqrt() - expected.n_cycles_deviation()).abs() < 1e-12);
            for length in 1..=n + 1 {
                let count = |t: &CycleType| t.counts().find(|(l, _)| *l == length).map_or(0, |(_, n)| n);
                assert!((mean(&|t| count(t) as f64) - expected.count(length)).abs() < 1e-12, "{n} {length}");
            }
        }
    }

    #[test]
    fn the_longest_cycle_of_many_units_nears_its_limit() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let n = 1000;
        let draws = 400;
        let longest = (0..draws).map(|_| CycleType::of(&Permutation::random(n, &mut rng)).longest() as f64);
        let mean = longest.sum::<f64>() / f64::from(draws);
        assert!((mean - RandomCycles { n_units: n }.longest()).abs() < 30.0, "{mean}");
    }
}
