//! Pooling: which places of the input each place of the output covers, worked out once.

use rayon::prelude::*;

use super::{Map, Row};
use crate::compute::lanes::LANES;
use crate::net::op::{Window, adaptive_bin};

/// Places of the input under each place of the output.
#[derive(Debug)]
pub(super) struct Pool {
    input: Map,
    output: Map,
    /// Places in reading order, and what a mean divides by.
    bins: Vec<(Vec<usize>, f32)>,
}

impl Pool {
    /// A sliding window; `count_padding`: whether padding counts in the mean.
    pub(super) fn sliding(input: Map, output: Map, window: &Window, count_padding: bool) -> Self {
        let bin = |y: usize, x: usize| {
            let (ys, xs) = (window.covered(0, y, input.h), window.covered(1, x, input.w));
            let n = match count_padding {
                true => window.counted(0, y, input.h) * window.counted(1, x, input.w),
                false => ys.len() * xs.len(),
            };
            (places(input, ys, xs), n as f32)
        };
        Self::new(input, output, bin)
    }

    /// Bins that cover the map evenly.
    pub(super) fn adaptive(input: Map, output: Map) -> Self {
        let bin = |y: usize, x: usize| {
            let places = places(input, adaptive_bin(y, output.h, input.h), adaptive_bin(x, output.w, input.w));
            let n = places.len() as f32;
            (places, n)
        };
        Self::new(input, output, bin)
    }

    fn new(input: Map, output: Map, bin: impl Fn(usize, usize) -> (Vec<usize>, f32)) -> Self {
        let places = (0..output.h).flat_map(|y| (0..output.w).map(move |x| (y, x)));
        Self { input, output, bins: places.map(|(y, x)| bin(y, x)).collect() }
    }

    pub(super) fn max(&self, x: &[Row], y: &mut [Row]) {
        self.each_forward(x, y, |x, bin, channel| {
            let mut max = x[bin.0[0] * self.input.c + channel].0;
            for place in &bin.0[1..] {
                for (max, x) in max.iter_mut().zip(x[place * self.input.c + channel].0) {
                    // NaN wins, as in PyTorch.
                    *max = if *max < x || x.is_nan() { x } else { *max };
                }
            }
            max
        });
    }

    pub(super) fn mean(&self, x: &[Row], y: &mut [Row]) {
        self.each_forward(x, y, |x, bin, channel| {
            let mut sum = [0.0; LANES];
            for place in &bin.0 {
                for (sum, x) in sum.iter_mut().zip(x[place * self.input.c + channel].0) {
                    *sum += x;
                }
            }
            sum.map(|sum| sum / bin.1)
        });
    }

    fn each_forward(
        &self,
        x: &[Row],
        y: &mut [Row],
        value: impl Fn(&[Row], &(Vec<usize>, f32), usize) -> [f32; LANES] + Sync,
    ) {
        let blocks = y.par_chunks_exact_mut(self.output.rows()).zip(x.par_chunks_exact(self.input.rows()));
        blocks.for_each(|(y, x)| {
            for (y, bin) in y.chunks_exact_mut(self.output.c).zip(&self.bins) {
                for (channel, y) in y.iter_mut().enumerate() {
                    y.0 = value(x, bin, channel);
                }
            }
        });
    }

    /// The gradient goes to the first place that holds the maximum; `dx` is overwritten.
    pub(super) fn max_backward(&self, (x, y): (&[Row], &[Row]), dy: &[Row], dx: &mut [Row]) {
        let (in_rows, out_rows) = (self.input.rows(), self.output.rows());
        let blocks = dx.par_chunks_exact_mut(in_rows).zip(x.par_chunks_exact(in_rows));
        let blocks = blocks.zip(y.par_chunks_exact(out_rows).zip(dy.par_chunks_exact(out_rows)));
        blocks.for_each(|((dx, x), (y, dy))| {
            dx.fill(bytemuck::Zeroable::zeroed());
            for (place, bin) in self.bins.iter().enumerate() {
                for channel in 0..self.output.c {
                    let out = place * self.output.c + channel;
                    let mut left = dy[out].0;
                    for from in bin.0.iter().map(|place| place * self.input.c + channel) {
                        let holds = x[from].0.iter().zip(&y[out].0);
                        for ((dx, left), (x, y)) in dx[from].0.iter_mut().zip(&mut left).zip(holds) {
                            let share = if x == y { *left } else { 0.0 };
                            *dx += share;
                            *left -= share;
                        }
                    }
                }
            }
        });
    }

    /// `dx` is overwritten.
    pub(super) fn mean_backward(&self, dy: &[Row], dx: &mut [Row]) {
        let blocks = dx.par_chunks_exact_mut(self.input.rows()).zip(dy.par_chunks_exact(self.output.rows()));
        blocks.for_each(|(dx, dy)| {
            dx.fill(bytemuck::Zeroable::zeroed());
            for (dy, (places, n)) in dy.chunks_exact(self.output.c).zip(&self.bins) {
                for place in places {
                    let dx = &mut dx[place * self.input.c..][..self.input.c];
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        for (dx, dy) in dx.0.iter_mut().zip(dy.0) {
                            *dx += dy / n;
                        }
                    }
                }
            }
        });
    }
}

fn places(map: Map, ys: std::ops::Range<usize>, xs: std::ops::Range<usize>) -> Vec<usize> {
    ys.flat_map(|y| xs.clone().map(move |x| y * map.w + x)).collect()
}
