//! How alike the units of two networks are, from streamed sums over their activations (Tatro et al. 2020, cross-correlation
//! of post-activations), and the assignment that makes the most of it.

use super::{Assignment, AssignmentError, Permutation, Similarity};

/// Added to standard deviations, so that dead units correlate with nothing instead of with NaN. (Tatro et al.'s code adds
/// 1e-5, which lowers the correlations of quiet units visibly.)
const EPS: f64 = 1e-8;

/// First and second moments of the `n` units of A and B over samples seen so far, in f64.
///
/// Values are counted from a shift per unit, a mean over a few samples, which keeps the sums free of cancellation.
#[derive(Clone, Debug)]
pub struct CrossMoments {
    n_units: usize,
    pub n_samples: usize,
    pub a: UnitMoments,
    pub b: UnitMoments,
    /// `[n, n]`, row-major: sum of a_i b_j.
    pub products: Vec<f64>,
}

/// Sums over samples, one value a unit, of values counted from `shifts`.
#[derive(Clone, Debug)]
pub struct UnitMoments {
    pub shifts: Vec<f64>,
    pub sums: Vec<f64>,
    pub squares: Vec<f64>,
}

impl UnitMoments {
    fn new(n_units: usize) -> Self {
        Self { shifts: vec![0.0; n_units], sums: vec![0.0; n_units], squares: vec![0.0; n_units] }
    }

    /// Mean (counted from the shift) and population standard deviation of each unit over `n` samples.
    fn mean_and_deviation(&self, n: f64) -> (Vec<f64>, Vec<f64>) {
        let mean: Vec<f64> = self.sums.iter().map(|s| s / n).collect();
        let deviation = self.squares.iter().zip(&mean).map(|(s, m)| (s / n - m * m).max(0.0).sqrt()).collect();
        (mean, deviation)
    }

    /// Which units give the same for all of `n_samples`, but for rounding.
    pub fn dead(&self, n_samples: usize) -> Vec<bool> {
        let (mean, deviation) = self.mean_and_deviation(n_samples.max(1) as f64);
        let size = mean.iter().zip(&self.shifts).map(|(mean, shift)| (mean + shift).abs());
        size.zip(deviation).map(|(size, deviation)| deviation <= EPS.max(size * f64::from(f32::EPSILON))).collect()
    }
}

impl CrossMoments {
    pub fn new(n_units: usize) -> Self {
        Self {
            n_units,
            n_samples: 0,
            a: UnitMoments::new(n_units),
            b: UnitMoments::new(n_units),
            products: vec![0.0; n_units * n_units],
        }
    }

    /// Adds the sums over a block of samples: of each unit, of its square, and of the products `[n, n]`.
    pub fn add(&mut self, n_samples: usize, a: UnitSums<'_>, b: UnitSums<'_>, products: &[f32]) {
        self.n_samples += n_samples;
        for (total, part) in [
            (&mut self.a.sums, a.sums),
            (&mut self.a.squares, a.squares),
            (&mut self.b.sums, b.sums),
            (&mut self.b.squares, b.squares),
            (&mut self.products, products),
        ] {
            assert_eq!(total.len(), part.len(), "one sum a unit");
            for (t, &p) in total.iter_mut().zip(part) {
                *t += f64::from(p);
            }
        }
    }

    /// Says from where the values of A's and B's units are counted, `[n]` each.
    pub fn count_from(&mut self, shifts: [&[f32]; 2]) {
        for (moments, shifts) in [&mut self.a, &mut self.b].into_iter().zip(shifts) {
            moments.shifts = shifts.iter().map(|&shift| f64::from(shift)).collect();
        }
    }

    /// Correlation of unit i of A with unit j of B: `[n, n]`, row-major. Units that never vary have 0. NaN activations give
    /// NaN.
    pub fn correlation(&self) -> Vec<f64> {
        let n = self.n_samples.max(1) as f64;
        let (mean_a, deviation_a) = self.a.mean_and_deviation(n);
        let (mean_b, deviation_b) = self.b.mean_and_deviation(n);
        self.each_pair(|i, j, product| {
            (product / n - mean_a[i] * mean_b[j]) / ((deviation_a[i] + EPS) * (deviation_b[j] + EPS))
        })
    }

    /// How alike unit i of A and unit j of B are, the more the larger: `[n, n]`, row-major. The correlation, the mean product,
    /// or minus the mean squared difference.
    pub fn similarity(&self, similarity: Similarity) -> Vec<f64> {
        let n = self.n_samples.max(1) as f64;
        let (a, b) = (&self.a, &self.b);
        // Of values x + s, where the sums are those of x: the mean of their product, and of their squares.
        let mean_product = |i: usize, j: usize, product: f64| {
            (product + a.shifts[i] * b.sums[j] + b.shifts[j] * a.sums[i]) / n + a.shifts[i] * b.shifts[j]
        };
        let mean_square =
            |x: &UnitMoments, i: usize| (x.squares[i] + 2.0 * x.shifts[i] * x.sums[i]) / n + x.shifts[i].powi(2);
        match similarity {
            Similarity::Correlation => self.correlation(),
            Similarity::Product => self.each_pair(mean_product),
            Similarity::L2 => {
                self.each_pair(|i, j, p| 2.0 * mean_product(i, j, p) - mean_square(a, i) - mean_square(b, j))
            }
        }
    }

    /// One value a pair of units, from the sum of their products.
    fn each_pair(&self, value: impl Fn(usize, usize, f64) -> f64) -> Vec<f64> {
        let n = self.n_units.max(1);
        self.products.iter().enumerate().map(|(at, &product)| value(at / n, at % n, product)).collect()
    }
}

/// Sums over a block of samples, one value a unit.
#[derive(Clone, Copy)]
pub struct UnitSums<'a> {
    pub sums: &'a [f32],
    pub squares: &'a [f32],
}

/// What a unit's own place is worth among equals, as a share of the largest score: far below the noise of a correlation.
const STAYING: f64 = 1e-7;

/// `argmax_P sum_i S[i, P(i)]`; among equals, units stay where they are. Scores that are not finite count as 0.
///
/// `scores`: `[n, n]`, row-major, rows are units of A. `source(i)` of the result is the unit of B that is put in place i.
pub fn match_units(scores: &[f64], n: usize) -> Result<Permutation, AssignmentError> {
    let mut search = assign_units(scores, n)?;
    while !search.step(usize::MAX) {}
    search.finish()
}

/// The search of [`match_units`], to be carried out in slices.
pub fn assign_units(scores: &[f64], n: usize) -> Result<Assignment<'static>, AssignmentError> {
    // Units that are dead in both networks are like nothing wherever they stand: they stay.
    let mut preferred: Vec<f64> = scores.iter().map(|&s| if s.is_finite() { s } else { 0.0 }).collect();
    let largest = preferred.iter().fold(0.0_f64, |largest, s| largest.max(s.abs()));
    for i in 0..n {
        preferred[i * n + i] += STAYING * largest;
    }
    Assignment::new(preferred, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// Streams `[n_samples, n]` activations in blocks of 7.
    fn moments(a: &[f32], b: &[f32], n: usize) -> CrossMoments {
        let mut moments = CrossMoments::new(n);
        for (block_a, block_b) in a.chunks(7 * n).zip(b.chunks(7 * n)) {
            let sums = |block: &[f32], square: bool| -> Vec<f32> {
                (0..n).map(|i| block.iter().skip(i).step_by(n).map(|v| if square { v * v } else { *v }).sum()).collect()
            };
            let mut products = vec![0.0; n * n];
            for (ra, rb) in block_a.chunks(n).zip(block_b.chunks(n)) {
                for i in 0..n {
                    for j in 0..n {
                        products[i * n + j] += ra[i] * rb[j];
                    }
                }
            }
            let (sa, saa, sb, sbb) =
                (sums(block_a, false), sums(block_a, true), sums(block_b, false), sums(block_b, true));
            moments.add(
                block_a.len() / n,
                UnitSums { sums: &sa, squares: &saa },
                UnitSums { sums: &sb, squares: &sbb },
                &products,
            );
        }
        moments
    }

    #[test]
    fn shuffled_units_correlate_fully_after_matching() {
        let (n, n_samples) = (12, 100);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let planted = Permutation::random(n, &mut rng);
        let a: Vec<f32> = (0..n * n_samples).map(|_| rng.random_range(0.0_f32..1.0)).collect();
        // Unit planted(i) of B behaves as unit i of A, scaled and shifted.
        let mut b = vec![0.0; a.len()];
        for (ra, rb) in a.chunks(n).zip(b.chunks_mut(n)) {
            for i in 0..n {
                rb[planted.source(i)] = 3.0 * ra[i] + 1.0;
            }
        }
        let correlation = moments(&a, &b, n).correlation();
        let found = match_units(&correlation, n).unwrap();
        assert_eq!(found, planted);
        let mean = |p: &Permutation| (0..n).map(|i| correlation[i * n + p.source(i)]).sum::<f64>() / n as f64;
        assert!((mean(&found) - 1.0).abs() < 1e-3, "{}", mean(&found));
        assert!(mean(&Permutation::identity(n)) < 0.6);
    }

    #[test]
    fn units_that_nothing_tells_apart_stay_where_they_are() {
        // Units 1 to 4 are dead in both networks; 0 and 5 have changed places.
        let n = 6;
        let mut correlation = vec![0.0; n * n];
        correlation[5] = 0.9;
        correlation[5 * n] = 0.8;
        assert_eq!(match_units(&correlation, n).unwrap().sources(), [5, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn dead_units_correlate_with_nothing() {
        let a = [0.0, 1.0, 0.0, 2.0, 0.0, 4.0];
        let correlation = moments(&a, &a, 2).correlation();
        assert_eq!(&correlation[..3], &[0.0, 0.0, 0.0]);
        assert!((correlation[3] - 1.0).abs() < 1e-4);
    }

    #[test]
    fn scores_that_are_not_finite_are_matched_last() {
        assert_eq!(match_units(&[f64::NAN, f64::NAN, 0.2, 0.9], 2).unwrap().sources(), [0, 1]);
    }

    #[test]
    fn similarities_are_those_of_the_values_wherever_they_are_counted_from() {
        let (n, n_samples) = (3, 40);
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut draw = || -> Vec<f32> { (0..n * n_samples).map(|_| rng.random_range(0.0_f32..2.0)).collect() };
        let (a, b) = (draw(), draw());
        let shifts = [[0.5_f32, 1.0, 0.25], [1.5, 0.0, -1.0]];
        let shifted = |x: &[f32], shifts: &[f32]| -> Vec<f32> {
            x.iter().enumerate().map(|(at, x)| x - shifts[at % n]).collect()
        };
        let mut found = moments(&shifted(&a, &shifts[0]), &shifted(&b, &shifts[1]), n);
        found.count_from([&shifts[0], &shifts[1]]);
        let mean = |i: usize, j: usize, f: fn(f64, f64) -> f64| {
            let pairs = a.chunks(n).zip(b.chunks(n)).map(|(a, b)| f(f64::from(a[i]), f64::from(b[j])));
            pairs.sum::<f64>() / n_samples as f64
        };
        let (products, distances) = (found.similarity(Similarity::Product), found.similarity(Similarity::L2));
        for (at, (product, distance)) in products.iter().zip(&distances).enumerate() {
            let (i, j) = (at / n, at % n);
            assert!((product - mean(i, j, |a, b| a * b)).abs() < 1e-5, "{i} {j}");
            assert!((distance + mean(i, j, |a, b| (a - b).powi(2))).abs() < 1e-5, "{i} {j}");
        }
        let best = match_units(&distances, n).unwrap();
        assert_eq!(match_units(&products, n).unwrap(), best, "both find the same assignment");
    }

    #[test]
    fn only_units_that_never_vary_are_dead() {
        let a = [0.0, 1.0, 3.0, 0.0, 2.0, 3.0, 0.0, 4.0, 3.0];
        let found = moments(&a, &a, 3);
        assert_eq!(found.a.dead(found.n_samples), [true, false, true]);
    }
}
