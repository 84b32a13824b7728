//! Layer and group norm, and the moments that batch norm is measured by.

use macerator::{AutoArch, Simd, WithSimd};

use super::packed::Affine;
use super::{LANES, Row};

/// Normalises one block, image by image: runs of `run` channels of `n_channels`, over all pixels, in place. `affine` has a
/// constant for each channel or, if it is longer, for each row.
pub(super) fn normalise(affine: &Affine, eps: f32, run: usize, n_channels: usize, rows: &mut [Row]) {
    AutoArch::new().dispatch(Normalise { affine, eps, run, n_channels, rows });
}

struct Normalise<'a> {
    affine: &'a Affine,
    eps: f32,
    run: usize,
    n_channels: usize,
    rows: &'a mut [Row],
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { affine, eps, run, n_channels, rows } = self;
        let n_values = (rows.len() / n_channels * run) as f32;
        for first in (0..n_channels).step_by(run) {
            let runs = || rows.chunks_exact(n_channels).map(|pixel| &pixel[first..first + run]);
            let mut mean = sum_rows(runs(), |x, _| x, &[0.0; LANES]);
            mean.iter_mut().for_each(|x| *x /= n_values);
            let squares = sum_rows(runs(), |x, mean| (x - mean) * (x - mean), &mean);
            let mut inverse = [0.0; LANES];
            for i in 0..LANES {
                inverse[i] = 1.0 / (squares[i] / n_values + eps).sqrt();
            }
            for (pixel, rows) in rows.chunks_exact_mut(n_channels).enumerate() {
                for (offset, row) in rows[first..first + run].iter_mut().enumerate() {
                    let index = (pixel * n_channels + first + offset) % affine.factor.len();
                    let (factor, summand) = (affine.factor[index], affine.summand[index]);
                    for i in 0..LANES {
                        row[i] = ((row[i] - mean[i]) * inverse[i]).mul_add(factor, summand);
                    }
                }
            }
        }
    }
}

/// Sum of `function(x, constant)` for each lane; pixel by pixel first, which keeps rounding small.
#[inline(always)]
fn sum_rows<'a>(runs: impl Iterator<Item = &'a [Row]>, function: impl Fn(f32, f32) -> f32, constant: &Row) -> Row {
    let mut total = [0.0; LANES];
    for rows in runs {
        let mut sum = [0.0; LANES];
        for row in rows {
            for i in 0..LANES {
                sum[i] += function(row[i], constant[i]);
            }
        }
        for i in 0..LANES {
            total[i] += sum[i];
        }
    }
    total
}

/// Mean and summed squared deviations of each channel over the pixels of some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChannelMoments {
    pub(super) n: f64,
    pub(super) mean: Vec<f64>,
    pub(super) squares: Vec<f64>,
}

impl ChannelMoments {
    /// Of one block, whose first `n_images` lanes count.
    pub(super) fn of_block(n_channels: usize, n_images: usize, rows: &[Row]) -> Self {
        AutoArch::new().dispatch(BlockMoments { n_channels, n_images, rows })
    }

    /// Of both, by Chan et al. 1979: without cancellation however far apart their means.
    pub(super) fn join(self, other: Self) -> Self {
        if self.n == 0.0 {
            return other;
        }
        let n = self.n + other.n;
        let (mut mean, mut squares) = (self.mean, self.squares);
        for (unit, (mean, squares)) in mean.iter_mut().zip(&mut squares).enumerate() {
            let distance = other.mean[unit] - *mean;
            *squares += other.squares[unit] + distance * distance * self.n * other.n / n;
            *mean += distance * other.n / n;
        }
        Self { n, mean, squares }
    }

    /// Divided by the number of values, or by one less.
    pub(super) fn variance(&self, unbiased: bool) -> Vec<f64> {
        let n = if unbiased { (self.n - 1.0).max(1.0) } else { self.n };
        self.squares.iter().map(|s| s / n).collect()
    }
}

struct BlockMoments<'a> {
    n_channels: usize,
    n_images: usize,
    rows: &'a [Row],
}

impl WithSimd for BlockMoments<'_> {
    type Output = ChannelMoments;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> ChannelMoments {
        let Self { n_channels, n_images, rows } = self;
        let n = ((rows.len() / n_channels) * n_images) as f64;
        let total = |sums: &Row| sums[..n_images].iter().map(|&s| f64::from(s)).sum::<f64>();
        let mut sums = vec![[0.0; LANES]; n_channels];
        for pixel in rows.chunks_exact(n_channels) {
            for (sum, row) in sums.iter_mut().zip(pixel) {
                for i in 0..LANES {
                    sum[i] += row[i];
                }
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| total(sum) / n).collect();
        // The mean is rounded before it is subtracted; what that adds is taken out again below.
        let centres: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
        sums.fill([0.0; LANES]);
        for pixel in rows.chunks_exact(n_channels) {
            for ((sum, row), &centre) in sums.iter_mut().zip(pixel).zip(&centres) {
                for i in 0..LANES {
                    sum[i] += (row[i] - centre) * (row[i] - centre);
                }
            }
        }
        let off = |unit: usize| mean[unit] - f64::from(centres[unit]);
        let squares = sums.iter().enumerate().map(|(unit, sum)| total(sum) - n * off(unit) * off(unit));
        ChannelMoments { n, squares: squares.collect(), mean }
    }
}
