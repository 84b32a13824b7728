//! Normalisations in training: batch norm by the statistics of the minibatch, layer and group norm by those of each image,
//! and the gradients through mean and variance.

use rayon::prelude::*;

use super::{Map, Row};
use crate::compute::lanes::LANES;

/// Mean and biased variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: Vec<f64>,
    pub(super) var: Vec<f64>,
    /// Values of a channel: images times places.
    pub(super) n_values: usize,
}

impl Moments {
    /// Over all places and the first `n_images` images of `x`, whose blocks have the shape `map`.
    pub(super) fn of(x: &[Row], map: Map, n_images: usize) -> Self {
        // Sums of differences from a value of the channel lose nothing where the mean is large beside the deviation.
        let pivots: Vec<f32> = x[..map.c].iter().map(|row| row.0[0]).collect();
        let sums = channel_sums(x, map, n_images, |_, channel, x| {
            let d: [f32; LANES] = std::array::from_fn(|i| x.0[i] - pivots[channel]);
            [d, std::array::from_fn(|i| d[i] * d[i])]
        });
        let n_values = n_images * map.places();
        let n = n_values as f64;
        let moments = pivots.iter().zip(sums).map(|(&pivot, [sum, squares])| {
            let mean = sum / n;
            (f64::from(pivot) + mean, (squares / n - mean * mean).max(0.0))
        });
        let (mean, var) = moments.unzip();
        Self { mean, var, n_values }
    }

    fn inverse_deviation(&self, channel: usize, eps: f32) -> f32 {
        (self.var[channel] + f64::from(eps)).sqrt().recip() as f32
    }
}

/// Two sums a channel over the first `n_images` images: in f32 over the places of a block, in f64 over lanes and blocks, in
/// an order that does not depend on the number of threads.
fn channel_sums(
    x: &[Row],
    map: Map,
    n_images: usize,
    terms: impl Fn(usize, usize, &Row) -> [[f32; LANES]; 2] + Sync,
) -> Vec<[f64; 2]> {
    let blocks = x.par_chunks_exact(map.rows()).enumerate().map(|(block, x)| {
        let mut sums = vec![[[0.0_f32; LANES]; 2]; map.c];
        for (place, rows) in x.chunks_exact(map.c).enumerate() {
            let first = block * map.rows() + place * map.c;
            for (channel, (row, sums)) in rows.iter().zip(&mut sums).enumerate() {
                for (sum, term) in sums.iter_mut().zip(terms(first + channel, channel, row)) {
                    for (sum, term) in sum.iter_mut().zip(term) {
                        *sum += term;
                    }
                }
            }
        }
        let n = LANES.min(n_images - block * LANES);
        let total = |sum: [f32; LANES]| sum[..n].iter().map(|&v| f64::from(v)).sum::<f64>();
        sums.into_iter().map(|sums| sums.map(total)).collect::<Vec<_>>()
    });
    let blocks: Vec<Vec<[f64; 2]>> = blocks.collect();
    let mut sums = vec![[0.0; 2]; map.c];
    for block in blocks {
        for (sum, part) in sums.iter_mut().zip(block) {
            *sum = [sum[0] + part[0], sum[1] + part[1]];
        }
    }
    sums
}

/// `y = (x - mean) / sqrt(var + eps) * scale + shift`
pub(super) fn batch_norm(
    (x, y): (&[Row], &mut [Row]),
    map: Map,
    moments: &Moments,
    eps: f32,
    (scale, shift): (Option<&[f32]>, Option<&[f32]>),
) {
    let factors: Vec<[f32; 2]> = (0..map.c)
        .map(|channel| {
            let factor = moments.inverse_deviation(channel, eps) * scale.map_or(1.0, |scale| scale[channel]);
            let shift = shift.map_or(0.0, |shift| f64::from(shift[channel]));
            [factor, (shift - moments.mean[channel] * f64::from(factor)) as f32]
        })
        .collect();
    let lines = map.w * map.c;
    y.par_chunks_exact_mut(lines).zip(x.par_chunks_exact(lines)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(map.c).zip(x.chunks_exact(map.c)) {
            for ((y, x), [factor, summand]) in y.iter_mut().zip(x).zip(&factors) {
                for (y, x) in y.0.iter_mut().zip(x.0) {
                    *y = x * factor + summand;
                }
            }
        }
    });
}

/// Replaces the output's gradient `dy` by the input's; returns the gradients by scale and shift.
pub(super) fn batch_norm_backward(
    (x, dy): (&[Row], &mut [Row]),
    map: Map,
    moments: &Moments,
    eps: f32,
    scale: Option<&[f32]>,
    n_images: usize,
) -> (Vec<f32>, Vec<f32>) {
    let deviations: Vec<[f32; 2]> = (0..map.c)
        .map(|channel| {
            let inverse = moments.inverse_deviation(channel, eps);
            [inverse, (-moments.mean[channel] * f64::from(inverse)) as f32]
        })
        .collect();
    let sums = channel_sums(dy, map, n_images, |index, channel, dy| {
        let [factor, summand] = deviations[channel];
        [dy.0, std::array::from_fn(|i| dy.0[i] * (x[index].0[i] * factor + summand))]
    });
    let n = moments.n_values as f64;
    // dx = scale / deviation * (dy - mean(dy) - normalised * mean(dy * normalised)), which is linear in dy and x.
    let factors: Vec<[f32; 3]> = (0..map.c)
        .map(|channel| {
            let [factor, summand] = deviations[channel].map(f64::from);
            let outer = factor * scale.map_or(1.0, |scale| f64::from(scale[channel]));
            let [mean, product] = sums[channel].map(|sum| sum / n);
            [outer, -outer * product * factor, -outer * (mean + product * summand)].map(|v| v as f32)
        })
        .collect();
    dy.par_chunks_exact_mut(map.rows()).zip(x.par_chunks_exact(map.rows())).enumerate().for_each(|(block, (dy, x))| {
        for (dy, x) in dy.chunks_exact_mut(map.c).zip(x.chunks_exact(map.c)) {
            for ((dy, x), [by_dy, by_x, summand]) in dy.iter_mut().zip(x).zip(&factors) {
                for (dy, x) in dy.0.iter_mut().zip(x.0) {
                    *dy = *dy * by_dy + x * by_x + summand;
                }
            }
        }
        let n = LANES.min(n_images - block * LANES);
        // Images that only fill up the block pull at nothing.
        if n < LANES {
            dy.iter_mut().for_each(|row| row.0[n..].fill(0.0));
        }
    });
    sums.into_iter().map(|[shift, scale]| (scale as f32, shift as f32)).unzip()
}

/// Layer norm (one group, a scale for each value) and group norm (a scale for each channel).
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageNorm<'a> {
    pub(super) map: Map,
    pub(super) n_groups: usize,
    pub(super) eps: f32,
    pub(super) scale: Option<&'a [f32]>,
    pub(super) shift: Option<&'a [f32]>,
    /// Whether scale and shift have the shape of the map instead of `[c]`.
    pub(super) by_value: bool,
}

impl ImageNorm<'_> {
    pub(super) fn forward(&self, x: &[Row], y: &mut [Row]) {
        let rows = self.map.rows();
        y.par_chunks_exact_mut(rows).zip(x.par_chunks_exact(rows)).for_each(|(y, x)| {
            for group in 0..self.n_groups {
                let (mean, inverse) = self.moments(x, group);
                for (row, at) in self.rows(group) {
                    let scale = self.scale.map_or(1.0, |scale| scale[at]);
                    let shift = self.shift.map_or(0.0, |shift| shift[at]);
                    for i in 0..LANES {
                        y[row].0[i] = (x[row].0[i] - mean[i]) * inverse[i] * scale + shift;
                    }
                }
            }
        });
    }

    /// Replaces the output's gradient `dy` by the input's; returns the gradients by scale and shift.
    pub(super) fn backward(&self, x: &[Row], dy: &mut [Row]) -> (Vec<f32>, Vec<f32>) {
        let rows = self.map.rows();
        let n_scales = if self.by_value { rows } else { self.map.c };
        let blocks: Vec<Vec<[f64; 2]>> = dy
            .par_chunks_exact_mut(rows)
            .zip(x.par_chunks_exact(rows))
            .map(|(dy, x)| {
                let mut sums = vec![[0.0_f64; 2]; n_scales];
                (0..self.n_groups).for_each(|group| self.group_backward(group, x, dy, &mut sums));
                sums
            })
            .collect();
        let total = |at: usize, which: usize| blocks.iter().map(|sums| sums[at][which]).sum::<f64>() as f32;
        (0..n_scales).map(|at| (total(at, 0), total(at, 1))).unzip()
    }

    /// One group of one block; adds to the sums by scale and shift.
    fn group_backward(&self, group: usize, x: &[Row], dy: &mut [Row], sums: &mut [[f64; 2]]) {
        let (mean, inverse) = self.moments(x, group);
        let n = (self.map.rows() / self.n_groups) as f32;
        let (mut sum, mut product) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (row, at) in self.rows(group) {
            let scale = self.scale.map_or(1.0, |scale| scale[at]);
            for i in 0..LANES {
                let normalised = (x[row].0[i] - mean[i]) * inverse[i];
                let d = dy[row].0[i];
                sums[at][0] += f64::from(d * normalised);
                sums[at][1] += f64::from(d);
                sum[i] += d * scale;
                product[i] += d * scale * normalised;
                dy[row].0[i] = d * scale;
            }
        }
        for (row, _) in self.rows(group) {
            for i in 0..LANES {
                let normalised = (x[row].0[i] - mean[i]) * inverse[i];
                dy[row].0[i] = inverse[i] * (dy[row].0[i] - sum[i] / n - normalised * product[i] / n);
            }
        }
    }

    /// Rows of a group, each with the index of its scale.
    fn rows(&self, group: usize) -> impl Iterator<Item = (usize, usize)> {
        let Self { map, n_groups, by_value, .. } = *self;
        let channels = map.c / n_groups;
        (0..map.places()).flat_map(move |place| {
            (group * channels..(group + 1) * channels).map(move |channel| {
                // Values of a map are channel-major in parameters.
                (place * map.c + channel, if by_value { channel * map.places() + place } else { channel })
            })
        })
    }

    /// Mean and inverse deviation of each image.
    fn moments(&self, x: &[Row], group: usize) -> ([f32; LANES], [f32; LANES]) {
        let n = (self.map.rows() / self.n_groups) as f32;
        let mut mean = [0.0_f32; LANES];
        for (row, _) in self.rows(group) {
            for (sum, x) in mean.iter_mut().zip(x[row].0) {
                *sum += x / n;
            }
        }
        let mut var = [0.0_f32; LANES];
        for (row, _) in self.rows(group) {
            for i in 0..LANES {
                var[i] += (x[row].0[i] - mean[i]).powi(2) / n;
            }
        }
        (mean, var.map(|var| (var + self.eps).sqrt().recip()))
    }
}
