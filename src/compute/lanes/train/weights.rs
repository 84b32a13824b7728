//! The gradient by a convolution's weights: sums over places and images of input times the output's gradient.
//!
//! Both are transposed first, so that channels lie along the lanes and images follow each other. The sums are then the
//! same product as the layer's own, with places and images in the role of input channels.

use std::ops::Range;

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::Row;
use super::buffers::Buffers;
use super::conv::ConvSizes;
use super::tile::{PANEL, Place, Run, Scalars, Start, TILE, product};
use crate::compute::lanes::LANES;

/// Rows of one sweep, so that they stay in a thread's cache for all weights.
const SWEEP_ROWS: usize = 2048;
/// Blocks are summed in so many parts (for the threads) where the weights alone make few tasks.
const MANY_TASKS: usize = 8;

/// Sums over the places of an output map, laid out once.
#[derive(Debug)]
pub(super) struct WeightGradient {
    sizes: ConvSizes,
    /// `[sweep][tap]`: places of the map that lie under the tap.
    sweeps: Vec<Vec<Vec<Run>>>,
}

impl WeightGradient {
    pub(super) fn new(sizes: &ConvSizes) -> Self {
        let lines = (SWEEP_ROWS / (sizes.output.w * LANES)).clamp(1, sizes.output.h);
        let sweep = |first: usize| {
            let lines = first..sizes.output.h.min(first + lines);
            let taps = (0..sizes.kernel[0]).flat_map(|ky| (0..sizes.kernel[1]).map(move |kx| [ky, kx]));
            taps.map(|tap| runs(sizes, lines.clone(), tap)).collect()
        };
        Self { sizes: *sizes, sweeps: (0..sizes.output.h).step_by(lines).map(sweep).collect() }
    }

    /// Vectors of one group's input channels.
    fn n_vectors(&self) -> usize {
        self.sizes.group_in().div_ceil(LANES)
    }

    fn n_panels(&self) -> usize {
        self.sizes.group_out().div_ceil(PANEL)
    }

    /// Adds to `gradient` `[out, in / groups, kernel height, kernel width]`.
    ///
    /// `x` and `dy`: `n_blocks` blocks of the input and of the output's gradient.
    pub(super) fn add(&self, x: &[Row], dy: &[Row], buffers: &mut Buffers, gradient: &mut [f32]) {
        let sizes = &self.sizes;
        let n_blocks = x.len() / sizes.input.rows();
        let columns = self.columns();
        let vector_rows = sizes.input.h * columns * LANES;
        let panel_rows = sizes.output.places() * LANES;
        let mut inputs = buffers.take(n_blocks * sizes.groups * self.n_vectors() * vector_rows);
        let n_scalars = n_blocks * sizes.groups * self.n_panels() * panel_rows;
        let mut slopes = buffers.take(n_scalars / (LANES / PANEL));
        let scalars: &mut [Scalars] = bytemuck::cast_slice_mut(&mut slopes);
        inputs.par_chunks_exact_mut(vector_rows).enumerate().for_each(|(index, to)| {
            let (block, vector) =
                (index / (sizes.groups * self.n_vectors()), index % (sizes.groups * self.n_vectors()));
            let first = vector / self.n_vectors() * sizes.group_in() + vector % self.n_vectors() * LANES;
            let n = LANES.min((vector / self.n_vectors() + 1) * sizes.group_in() - first);
            let x = &x[block * sizes.input.rows()..][..sizes.input.rows()];
            for (place, from) in x.chunks_exact(sizes.input.c).enumerate() {
                let (line, column) = (place / sizes.input.w, self.column(place % sizes.input.w));
                let to = &mut to[(line * columns + column) * LANES..][..LANES];
                transpose::<LANES>(&from[first..first + n], bytemuck::cast_slice_mut(to));
            }
        });
        scalars.par_chunks_exact_mut(panel_rows).enumerate().for_each(|(index, to)| {
            let (block, panel) = (index / (sizes.groups * self.n_panels()), index % (sizes.groups * self.n_panels()));
            let first = panel / self.n_panels() * sizes.group_out() + panel % self.n_panels() * PANEL;
            let n = PANEL.min((panel / self.n_panels() + 1) * sizes.group_out() - first);
            let dy = &dy[block * sizes.output.rows()..][..sizes.output.rows()];
            for (from, to) in dy.chunks_exact(sizes.output.c).zip(to.chunks_exact_mut(LANES)) {
                transpose(&from[first..first + n], to);
            }
        });
        self.sum(&inputs, scalars, n_blocks, gradient);
        buffers.give(inputs);
        buffers.give(slopes);
    }

    /// Columns of a transposed line: those that one tap meets one after the other stand side by side.
    fn columns(&self) -> usize {
        self.sizes.input.w.next_multiple_of(self.sizes.stride[1])
    }

    fn column(&self, x: usize) -> usize {
        column(&self.sizes, x)
    }

    fn sum(&self, inputs: &[Row], scalars: &[Scalars], n_blocks: usize, gradient: &mut [f32]) {
        let sizes = &self.sizes;
        let pairs_per_group = self.n_vectors().div_ceil(TILE);
        let n_pairs = sizes.groups * pairs_per_group;
        let n_parts = if n_pairs < MANY_TASKS { MANY_TASKS.min(n_blocks) } else { 1 };
        let blocks_per_part = n_blocks.div_ceil(n_parts);
        let tasks: Vec<(usize, usize)> = (0..n_pairs).flat_map(|pair| (0..n_parts).map(move |p| (pair, p))).collect();
        let sums: Vec<Vec<Row>> = tasks
            .into_par_iter()
            .map(|(pair, part)| {
                let (group, vector) = (pair / pairs_per_group, pair % pairs_per_group * TILE);
                let blocks = part * blocks_per_part..n_blocks.min((part + 1) * blocks_per_part);
                let n = TILE.min(self.n_vectors() - vector);
                let mut sums = vec![bytemuck::Zeroable::zeroed(); self.n_panels() * sizes.n_taps() * n * PANEL];
                let task = Task { of: self, inputs, scalars, group, vector, blocks, sums: &mut sums };
                AutoArch::new().dispatch(task);
                sums
            })
            .collect();
        // `[out][in][tap]`, in the order of the tasks whatever thread computed them.
        let (group_in, group_out, n_taps) = (sizes.group_in(), sizes.group_out(), sizes.n_taps());
        gradient.par_chunks_exact_mut(group_in * n_taps).enumerate().for_each(|(output, gradient)| {
            let (group, unit) = (output / group_out, output % group_out);
            for pair in 0..pairs_per_group {
                let n = TILE.min(self.n_vectors() - pair * TILE);
                for sums in &sums[(group * pairs_per_group + pair) * n_parts..][..n_parts] {
                    for tap in 0..n_taps {
                        for t in 0..n {
                            let row = ((unit / PANEL * n_taps + tap) * n + t) * PANEL + unit % PANEL;
                            let first = (pair * TILE + t) * LANES;
                            for (lane, sum) in sums[row].0[..LANES.min(group_in - first)].iter().enumerate() {
                                gradient[(first + lane) * n_taps + tap] += sum;
                            }
                        }
                    }
                }
            }
        });
    }
}

/// Place of column `x` in a transposed line.
fn column(sizes: &ConvSizes, x: usize) -> usize {
    let stride = sizes.stride[1];
    x % stride * sizes.input.w.div_ceil(stride) + x / stride
}

/// Places of `lines` of the output whose tap lies on the input, as runs of transposed rows.
fn runs(sizes: &ConvSizes, lines: Range<usize>, [ky, kx]: [usize; 2]) -> Vec<Run> {
    let columns = sizes.input.w.next_multiple_of(sizes.stride[1]);
    let mut runs = Vec::new();
    for y in lines {
        for x in 0..sizes.output.w {
            if let (Some(iy), Some(ix)) = (sizes.under(0, y, ky), sizes.under(1, x, kx)) {
                let row = (iy * columns + column(sizes, ix)) * LANES;
                Run { row, scalars: (y * sizes.output.w + x) * LANES, len: LANES }.push(&mut runs, 0);
            }
        }
    }
    runs
}

/// `to[image][channel] = from[channel][image]`, zeros for channels that there are not.
#[inline(always)]
fn transpose<const N: usize>(from: &[Row], to: &mut [[f32; N]]) {
    for (image, to) in to.iter_mut().enumerate() {
        *to = [0.0; N];
        for (value, from) in to.iter_mut().zip(from) {
            *value = from.0[image];
        }
    }
}

/// Two vectors of input channels with all outputs of their group, over some blocks.
struct Task<'a> {
    of: &'a WeightGradient,
    inputs: &'a [Row],
    scalars: &'a [Scalars],
    group: usize,
    vector: usize,
    blocks: Range<usize>,
    /// `[panel][tap][vector][PANEL]`
    sums: &'a mut [Row],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { of, inputs, scalars, group, vector, blocks, sums } = self;
        let vector_rows = of.sizes.input.h * of.columns() * LANES;
        let panel_rows = of.sizes.output.places() * LANES;
        let n = TILE.min(of.n_vectors() - vector);
        for block in blocks {
            let first_vector = (block * of.sizes.groups + group) * of.n_vectors() + vector;
            let from = Place { first: first_vector * vector_rows, step: vector_rows };
            for taps in &of.sweeps {
                for panel in 0..of.n_panels() {
                    let first_panel = (block * of.sizes.groups + group) * of.n_panels() + panel;
                    let scalars = &scalars[first_panel * panel_rows..][..panel_rows];
                    for (tap, runs) in taps.iter().enumerate() {
                        let to = Place { first: (panel * taps.len() + tap) * n * PANEL, step: PANEL };
                        let out = (&mut *sums, to);
                        if n == TILE {
                            product::<S, TILE>((inputs, from), (scalars, runs), Start::Output, out, PANEL);
                        } else {
                            product::<S, 1>((inputs, from), (scalars, runs), Start::Output, out, PANEL);
                        }
                    }
                }
            }
        }
    }
}
