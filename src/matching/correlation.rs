//! Pearson correlation of the units of two networks from streamed sums (Tatro et al. 2020, cross-correlation of
//! post-activations), and the assignment that maximises it.

use super::{AssignmentError, Permutation, maximise};

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

/// Sums over samples, one value a unit.
#[derive(Clone, Debug)]
pub struct UnitMoments {
    pub sums: Vec<f64>,
    pub squares: Vec<f64>,
}

impl UnitMoments {
    fn new(n_units: usize) -> Self {
        Self { sums: vec![0.0; n_units], squares: vec![0.0; n_units] }
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

    /// Correlation of unit i of A with unit j of B: `[n, n]`, row-major. Units that never vary have 0. NaN activations give
    /// NaN.
    pub fn correlation(&self) -> Vec<f64> {
        let n = self.n_samples.max(1) as f64;
        let deviation = |moments: &UnitMoments| -> (Vec<f64>, Vec<f64>) {
            let mean: Vec<f64> = moments.sums.iter().map(|s| s / n).collect();
            let sd = moments.squares.iter().zip(&mean).map(|(s, m)| (s / n - m * m).max(0.0).sqrt() + EPS);
            let sd = sd.collect();
            (mean, sd)
        };
        let (mean_a, sd_a) = deviation(&self.a);
        let (mean_b, sd_b) = deviation(&self.b);
        let mut correlation = vec![0.0; self.products.len()];
        for (i, row) in correlation.chunks_exact_mut(self.n_units.max(1)).enumerate() {
            let products = &self.products[i * self.n_units..];
            for (j, c) in row.iter_mut().enumerate() {
                *c = (products[j] / n - mean_a[i] * mean_b[j]) / (sd_a[i] * sd_b[j]);
            }
        }
        correlation
    }
}

/// Sums over a block of samples, one value a unit.
#[derive(Clone, Copy)]
pub struct UnitSums<'a> {
    pub sums: &'a [f32],
    pub squares: &'a [f32],
}

/// The assignment of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerMatch {
    /// `source(i)` is the unit of B that is put in place i.
    pub permutation: Permutation,
    /// Mean of the correlations of unit i of A with unit i of B.
    pub mean_before: f64,
    /// The same after permuting B.
    pub mean_after: f64,
    /// Units of either network with a correlation that is not finite, counted as 0.
    pub n_non_finite: usize,
}

/// What a unit's own place is worth among equals: far below the noise of a correlation.
const STAYING: f64 = 1e-7;

/// `argmax_P sum_i C[i, P(i)]`; among equals, units stay where they are.
///
/// `correlation`: `[n, n]`, row-major, rows are units of A.
pub fn match_by_correlation(correlation: &[f64], n: usize) -> Result<LayerMatch, AssignmentError> {
    let n_non_finite = correlation.iter().filter(|c| !c.is_finite()).count();
    let scores: Vec<f64> = correlation.iter().map(|&c| if c.is_finite() { c } else { 0.0 }).collect();
    // Units that are dead in both networks correlate with nothing wherever they stand: they stay.
    let mut preferred = scores.clone();
    for i in 0..n {
        preferred[i * n + i] += STAYING;
    }
    let permutation = maximise(&preferred, n)?;
    let mean = |p: &Permutation| (0..n).map(|i| scores[i * n + p.source(i)]).sum::<f64>() / n.max(1) as f64;
    Ok(LayerMatch {
        mean_before: mean(&Permutation::identity(n)),
        mean_after: mean(&permutation),
        permutation,
        n_non_finite,
    })
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
        let found = match_by_correlation(&moments(&a, &b, n).correlation(), n).unwrap();
        assert_eq!(found.permutation, planted);
        assert!((found.mean_after - 1.0).abs() < 1e-3, "{}", found.mean_after);
        assert!(found.mean_before < 0.6);
    }

    #[test]
    fn units_that_nothing_tells_apart_stay_where_they_are() {
        // Units 1 to 4 are dead in both networks; 0 and 5 have changed places.
        let n = 6;
        let mut correlation = vec![0.0; n * n];
        correlation[5] = 0.9;
        correlation[5 * n] = 0.8;
        let found = match_by_correlation(&correlation, n).unwrap();
        assert_eq!(found.permutation.sources(), [5, 1, 2, 3, 4, 0]);
        assert!((found.mean_after - 1.7 / 6.0).abs() < 1e-12, "the preference is no correlation");
    }

    #[test]
    fn dead_units_correlate_with_nothing() {
        let a = [0.0, 1.0, 0.0, 2.0, 0.0, 4.0];
        let correlation = moments(&a, &a, 2).correlation();
        assert_eq!(&correlation[..3], &[0.0, 0.0, 0.0]);
        assert!((correlation[3] - 1.0).abs() < 1e-4);
    }

    #[test]
    fn activations_that_are_not_finite_are_counted_and_matched_last() {
        let found = match_by_correlation(&[f64::NAN, f64::NAN, 0.2, 0.9], 2).unwrap();
        assert_eq!((found.n_non_finite, found.permutation.sources()), (2, [0, 1].as_slice()));
    }
}
