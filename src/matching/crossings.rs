//! How often the strands of a matching cross, and how often those of a random one would.

/// Pairs of strands that cross where strand i runs from place i to place `ends[i]`: the inversions of the list, counted by
/// merging in O(n log n). Strands that end in the same place do not cross.
pub fn n_crossings(ends: &[usize]) -> u64 {
    let mut ends = ends.to_vec();
    let mut merged = ends.clone();
    sort_and_count(&mut ends, &mut merged)
}

/// Sorts `ends`; `merged` is room of the same length.
fn sort_and_count(ends: &mut [usize], merged: &mut [usize]) -> u64 {
    if ends.len() < 2 {
        return 0;
    }
    let middle = ends.len() / 2;
    let (left, right) = ends.split_at_mut(middle);
    let mut crossings = sort_and_count(left, &mut merged[..middle]) + sort_and_count(right, &mut merged[middle..]);
    let (mut i, mut j) = (0, 0);
    for place in merged.iter_mut() {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            *place = left[i];
            i += 1;
        } else {
            // It ends above all that is left of those that begin above it.
            crossings += (left.len() - i) as u64;
            *place = right[j];
            j += 1;
        }
    }
    ends.copy_from_slice(merged);
    crossings
}

/// What to expect of the crossings of a matching of `n_strands` that is drawn uniformly: a sum of independent uniform
/// numbers on 0..k for k below n, one a strand (Feller, An Introduction to Probability Theory, vol. 1, X.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomCrossings {
    pub n_strands: usize,
}

impl RandomCrossings {
    /// `n (n - 1) / 4`: half of all pairs.
    pub fn mean(self) -> f64 {
        let n = self.n_strands as f64;
        n * (n - 1.0) / 4.0
    }

    /// `sqrt(n (n - 1) (2 n + 5) / 72)`.
    pub fn deviation(self) -> f64 {
        let n = self.n_strands as f64;
        (n * (n - 1.0) * (2.0 * n + 5.0) / 72.0).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    /// Looks at every pair.
    fn counted(ends: &[usize]) -> u64 {
        let pairs = (0..ends.len()).flat_map(|i| (i + 1..ends.len()).map(move |j| (i, j)));
        pairs.filter(|&(i, j)| ends[j] < ends[i]).count() as u64
    }

    #[test]
    fn crossings_are_the_pairs_that_change_order() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n in 0..40 {
            let ends = Permutation::random(n, &mut rng);
            assert_eq!(n_crossings(ends.sources()), counted(ends.sources()), "{ends:?}");
        }
        assert_eq!(n_crossings(&[5, 900, 7, 7]), 2, "some of many strands: only their order counts");
    }

    #[test]
    fn parallel_strands_never_cross_and_reversed_ones_all_do() {
        let n = 2000;
        assert_eq!(n_crossings(Permutation::identity(n).sources()), 0);
        let reversed: Vec<usize> = (0..n).rev().collect();
        assert_eq!(n_crossings(&reversed), (n * (n - 1) / 2) as u64);
    }

    #[test]
    fn expectations_are_the_means_over_all_orders_of_three() {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let counts = orders.map(|order| n_crossings(&order) as f64);
        let mean = counts.iter().sum::<f64>() / 6.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 6.0;
        let expected = RandomCrossings { n_strands: 3 };
        assert!((expected.mean() - mean).abs() < 1e-12 && (expected.deviation() - variance.sqrt()).abs() < 1e-12);
        assert_eq!(RandomCrossings { n_strands: 0 }.deviation(), 0.0);
    }
}
