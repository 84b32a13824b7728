//! Sums of products of the units of two networks over samples: the moments that correlations are made of.
//!
//! Samples are transposed first into the panels of `panels.rs`: what remains is an ordinary product of matrices.

#[cfg(test)]
mod tests;

use std::ops::Range;

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::panels::{A_UNITS, B_UNITS, STRIP, StripProducts};
use super::{LANES, Row};
use crate::matching::{CrossMoments, UnitMoments};

/// Pixels whose samples are summed in f32.
const CHUNK_PIXELS: usize = 32;
const CHUNK: usize = CHUNK_PIXELS * LANES;

/// What some channels of a node show for some images: one sample an image and pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples<'a> {
    /// The node's values, `[block][h][w][channel]`, by groups of `group_blocks` blocks; the last may hold fewer.
    pub(crate) groups: &'a [&'a [Row]],
    pub(crate) group_blocks: usize,
    /// Channels of the node.
    pub(crate) n_channels: usize,
    /// Pixels of one block's map, and those of them that count.
    pub(crate) map_pixels: usize,
    pub(crate) pixels: &'a [usize],
    /// The images that count: all but those that fill up the last block.
    pub(crate) n_images: usize,
    /// `[n_units]`: the channel that shows each unit.
    pub(crate) channels: &'a [usize],
    /// Blocks by which the images are turned round: 0 leaves them in order. Only whole blocks can be turned.
    pub(crate) turn: usize,
}

impl<'a> Samples<'a> {
    pub(crate) fn n_samples(&self) -> usize {
        self.n_images * self.pixels.len()
    }

    /// Mean of each unit, `[n_units]`.
    pub(crate) fn means(&self) -> Vec<f32> {
        let mut sums = vec![0.0_f64; self.channels.len()];
        for pixel in 0..self.n_pixels() {
            let (rows, n_images) = self.pixel(pixel);
            for (sum, &channel) in sums.iter_mut().zip(self.channels) {
                *sum += f64::from(rows[channel][..n_images].iter().sum::<f32>());
            }
        }
        sums.into_iter().map(|sum| (sum / self.n_samples().max(1) as f64) as f32).collect()
    }

    /// Pixels of all blocks.
    fn n_pixels(&self) -> usize {
        self.n_images.div_ceil(LANES) * self.pixels.len()
    }

    /// All channels at pixel number `index` of [`Self::n_pixels`], and how many of its images count.
    fn pixel(&self, index: usize) -> (&'a [Row], usize) {
        let n_blocks = self.n_images.div_ceil(LANES);
        let block = (index / self.pixels.len() + self.turn) % n_blocks;
        let pixel = self.pixels[index % self.pixels.len()];
        let group = self.groups[block / self.group_blocks];
        let start = (block % self.group_blocks * self.map_pixels + pixel) * self.n_channels;
        (&group[start..][..self.n_channels], LANES.min(self.n_images - block * LANES))
    }
}

/// The samples of a chunk, transposed: memory that is used again for each.
#[derive(Clone, Debug)]
pub(crate) struct CrossProducts {
    /// `[panel][sample]`; what fills up the last panel is zero.
    a: Vec<[f32; A_UNITS]>,
    b: Vec<[f32; B_UNITS]>,
}

impl CrossProducts {
    pub(crate) fn new(n_units: usize) -> Self {
        Self {
            a: vec![[0.0; A_UNITS]; n_units.div_ceil(A_UNITS) * CHUNK],
            b: vec![[0.0; B_UNITS]; n_units.div_ceil(B_UNITS) * CHUNK],
        }
    }

    /// Adds the moments of the same samples of A and B, counted from `shifts` (one a unit, of A and of B), on all cores. The
    /// sums do not depend on the number of threads.
    pub(crate) fn add(&mut self, [a, b]: [Samples<'_>; 2], shifts: [&[f32]; 2], moments: &mut CrossMoments) {
        let n_units = a.channels.len();
        for first in (0..a.n_pixels()).step_by(CHUNK_PIXELS) {
            let pixels = first..a.n_pixels().min(first + CHUNK_PIXELS);
            let n_rows = pixels.len() * LANES;
            rayon::join(
                || transpose(a, pixels.clone(), shifts[0], &mut self.a, &mut moments.a),
                || transpose(b, pixels.clone(), shifts[1], &mut self.b, &mut moments.b),
            );
            let strips = moments.products.par_chunks_mut(STRIP * A_UNITS * n_units);
            strips.zip(self.a.par_chunks(STRIP * CHUNK)).for_each(|(products, a)| {
                let b = &self.b;
                StripProducts { a, b, room: CHUNK, n_samples: n_rows, products, row_len: n_units, first_column: 0 }
                    .add();
            });
        }
        moments.n_samples += a.n_samples();
    }
}

/// Lays out the samples of some pixels in panels of P units, and adds up each unit and its square.
fn transpose<const P: usize>(
    samples: Samples<'_>,
    pixels: Range<usize>,
    shifts: &[f32],
    panels: &mut [[f32; P]],
    moments: &mut UnitMoments,
) {
    let panels = panels.par_chunks_mut(CHUNK).zip(samples.channels.par_chunks(P)).zip(shifts.par_chunks(P));
    let totals = moments.sums.par_chunks_mut(P).zip(moments.squares.par_chunks_mut(P));
    panels.zip(totals).for_each(|(((panel, channels), shifts), (sums, squares))| {
        let pixels = pixels.clone().map(|pixel| samples.pixel(pixel));
        AutoArch::new().dispatch(Transposition { pixels, channels, shifts, panel, sums, squares });
    });
}

/// One panel: pixels of all channels with their images that count, to rows of P units.
struct Transposition<'a, const P: usize, I> {
    pixels: I,
    channels: &'a [usize],
    shifts: &'a [f32],
    panel: &'a mut [[f32; P]],
    sums: &'a mut [f64],
    squares: &'a mut [f64],
}

impl<'a, const P: usize, I: Iterator<Item = (&'a [Row], usize)>> WithSimd for Transposition<'a, P, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // The compiler makes vectors of it.
        let mut sums = [0.0_f32; P];
        let mut squares = [0.0_f32; P];
        for ((rows, n_images), panel) in self.pixels.zip(self.panel.chunks_exact_mut(LANES)) {
            for (unit, (&channel, &shift)) in self.channels.iter().zip(self.shifts).enumerate() {
                for (sample, value) in panel.iter_mut().zip(&rows[channel]) {
                    sample[unit] = value - shift;
                }
            }
            panel[n_images..].fill([0.0; P]);
            for sample in panel.iter() {
                for unit in 0..P {
                    sums[unit] += sample[unit];
                    squares[unit] += sample[unit] * sample[unit];
                }
            }
        }
        let totals = self.sums.iter_mut().zip(self.squares);
        for ((total, square), (sum, squares)) in totals.zip(sums.iter().zip(&squares)) {
            *total += f64::from(*sum);
            *square += f64::from(*squares);
        }
    }
}
