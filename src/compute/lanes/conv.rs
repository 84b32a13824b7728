//! Convolutions and linear layers (convolutions of one pixel) in the lanes layout.

use std::ops::Range;

use macerator::{AutoArch, Scalar as _, Simd, Vector, WithSimd};
use rayon::prelude::*;

use super::super::simd::{lanes, load, relu, store};
use super::{LANES, Row};
use crate::net::op::Padding;

/// Outputs whose weights stand side by side.
pub(crate) const PANEL: usize = 8;
/// What the input rows of one sweep over the outputs may fill, so that they stay in a core's second cache.
const SWEEP_BYTES: usize = 512 << 10;

/// The weights of one input at one tap to the outputs of a panel.
pub(crate) type PanelRow = [f32; PANEL];

/// Which input pixels and channels an output reads. Shapes are `[channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvGeometry {
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: Padding,
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
}

impl ConvGeometry {
    /// A linear layer.
    pub(crate) fn linear(n_in: usize, n_out: usize) -> Self {
        Self {
            input: [n_in, 1, 1],
            output: [n_out, 1, 1],
            kernel: [1; 2],
            stride: [1; 2],
            padding: [[0; 2]; 2],
            dilation: [1; 2],
            groups: 1,
        }
    }

    /// Input channels that one output reads.
    pub(crate) fn n_in_group(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Output channels that read the same inputs.
    pub(crate) fn n_out_group(&self) -> usize {
        self.output[0] / self.groups
    }

    /// Panels of one group.
    pub(crate) fn n_panels(&self) -> usize {
        self.n_out_group().div_ceil(PANEL)
    }

    /// Taps along `axis` (0 vertical, 1 horizontal) that lie on the map for output position `position`.
    pub(crate) fn taps(&self, axis: usize, position: usize) -> Range<usize> {
        let start = position * self.stride[axis];
        let before = self.padding[axis][0];
        let dilation = self.dilation[axis];
        let first = before.saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        let end = (self.input[1 + axis] + before).saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        first..end.max(first)
    }

    /// Place along `axis` that `tap` of output `position` reads; only for [`Self::taps`].
    pub(crate) fn place(&self, axis: usize, position: usize, tap: usize) -> usize {
        position * self.stride[axis] + tap * self.dilation[axis] - self.padding[axis][0]
    }

    /// Multiplications for one image, padding included.
    pub(crate) fn n_products(&self) -> usize {
        self.output.iter().product::<usize>() * self.n_in_group() * self.kernel[0] * self.kernel[1]
    }
}

/// Weights as [`convolve`] reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConvWeights {
    /// `[groups][panel][ky][kx][input channel of the group]`.
    pub(crate) rows: Vec<PanelRow>,
    /// `[groups][panel]`.
    pub(crate) bias: Vec<PanelRow>,
}

impl ConvWeights {
    /// Lays out `weight` `[out, in / groups, kernel height, kernel width]` and `bias` `[out]`, each output's weights
    /// multiplied by its `factor`.
    pub(crate) fn new(
        geometry: &ConvGeometry,
        weight: &[f32],
        bias: impl Fn(usize) -> f32 + Sync,
        factor: impl Fn(usize) -> f32 + Sync,
    ) -> Self {
        let (n_in, n_out) = (geometry.n_in_group(), geometry.n_out_group());
        let taps = geometry.kernel[0] * geometry.kernel[1];
        let n_panels = geometry.groups * geometry.n_panels();
        let mut rows = vec![[0.0; PANEL]; n_panels * taps * n_in];
        let mut biases = vec![[0.0; PANEL]; n_panels];
        let panels = rows.par_chunks_exact_mut((taps * n_in).max(1)).zip(&mut biases).enumerate();
        panels.for_each(|(index, (rows, biases))| {
            let (group, panel) = (index / geometry.n_panels(), index % geometry.n_panels());
            for unit in panel * PANEL..n_out.min((panel + 1) * PANEL) {
                let (output, column) = (group * n_out + unit, unit % PANEL);
                biases[column] = bias(output);
                let factor = factor(output);
                let weights = &weight[output * n_in * taps..][..n_in * taps];
                for (channel, of_channel) in weights.chunks_exact(taps).enumerate() {
                    for (tap, &w) in of_channel.iter().enumerate() {
                        rows[tap * n_in + channel][column] = factor * w;
                    }
                }
            }
        });
        Self { rows, bias: biases }
    }
}

/// `outputs = W * inputs + b`, plus `residual` if there is one, and the ReLU of that if `relu`, for whole blocks: inputs
/// `[block][h][w][c]`, outputs and residual `[block][h'][w'][c']`.
pub(crate) fn convolve(
    geometry: &ConvGeometry,
    weights: &ConvWeights,
    inputs: &[Row],
    residual: Option<&[Row]>,
    relu: bool,
    outputs: &mut [Row],
) {
    AutoArch::new().dispatch(Convolution { geometry, weights, inputs, residual, relu, outputs });
}

struct Convolution<'a> {
    geometry: &'a ConvGeometry,
    weights: &'a ConvWeights,
    inputs: &'a [Row],
    residual: Option<&'a [Row]>,
    relu: bool,
    outputs: &'a mut [Row],
}

/// Where a panel of outputs stands.
struct Panel<'a> {
    weights: &'a [PanelRow],
    bias: &'a PanelRow,
    /// First input channel, first output channel, number of outputs.
    input: usize,
    output: usize,
    n: usize,
}

/// What a tile covers: a pixel of the blocks from `block` on, and which vector of each row.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    part: usize,
    y: usize,
    x: usize,
}

impl WithSimd for Convolution<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // Vectors of 16 come with 32 registers.
        self.sweep::<S>(lanes::<S>() == LANES);
    }
}

impl<'a> Convolution<'a> {
    /// All panels of outputs over parts of the inputs that stay in the cache; with tiles for many registers if `wide`.
    #[inline(always)]
    fn sweep<S: Simd>(mut self, wide: bool) {
        let n_blocks = self.outputs.len() / self.geometry.output.iter().product::<usize>();
        let (n_pairs, height) = (n_blocks.div_ceil(2), self.geometry.output[1]);
        let [channels, rows, width] = self.geometry.input;
        let pair_bytes = 2 * size_of::<Row>() * channels * rows * width;
        let pairs = (SWEEP_BYTES / pair_bytes.max(1)).max(1);
        // Whole maps where they fit, some lines of one pair of blocks otherwise.
        let lines = (SWEEP_BYTES * height / pair_bytes.max(1)).clamp(1, height);
        for first_pair in (0..n_pairs).step_by(pairs) {
            for first_line in (0..height).step_by(lines) {
                for index in 0..self.weights.bias.len() {
                    let panel = self.panel(index);
                    for pair in first_pair..n_pairs.min(first_pair + pairs) {
                        for y in first_line..height.min(first_line + lines) {
                            self.line::<S>(&panel, wide, 2 * pair, n_blocks, y);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn panel(&self, index: usize) -> Panel<'a> {
        let geometry = self.geometry;
        let (group, panel) = (index / geometry.n_panels(), index % geometry.n_panels());
        let n_rows = geometry.n_in_group() * geometry.kernel[0] * geometry.kernel[1];
        Panel {
            weights: &self.weights.rows[index * n_rows..][..n_rows],
            bias: &self.weights.bias[index],
            input: group * geometry.n_in_group(),
            output: group * geometry.n_out_group() + panel * PANEL,
            n: PANEL.min(geometry.n_out_group() - panel * PANEL),
        }
    }

    /// One line of outputs of one panel, for two blocks or the last one.
    #[inline(always)]
    fn line<S: Simd>(&mut self, panel: &Panel<'_>, wide: bool, block: usize, n_blocks: usize, y: usize) {
        let is_pair = block + 1 < n_blocks;
        for x in 0..self.geometry.output[2] {
            for part in 0..LANES / lanes::<S>() {
                let place = Place { block, part, y, x };
                // Sums and operands fit into the registers: 32 if wide, 16 otherwise.
                match (wide, is_pair) {
                    _ if panel.n == 1 && is_pair => self.tile::<S, 1, 0, 2>(panel, place),
                    _ if panel.n == 1 => self.tile::<S, 1, 0, 1>(panel, place),
                    (true, true) => self.tile::<S, 8, 0, 2>(panel, place),
                    (true, false) => self.tile::<S, 8, 0, 1>(panel, place),
                    (false, true) => {
                        self.tile::<S, 4, 0, 2>(panel, place);
                        if 4 < panel.n {
                            self.tile::<S, 4, 4, 2>(panel, place);
                        }
                    }
                    (false, false) => {
                        self.tile::<S, 4, 0, 1>(panel, place);
                        if 4 < panel.n {
                            self.tile::<S, 4, 4, 1>(panel, place);
                        }
                    }
                }
            }
        }
    }

    /// P outputs from the panel's output number FIRST on, at one pixel of B blocks: one vector each.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "sums indexed by counters with constant bounds stay in registers")]
    fn tile<S: Simd, const P: usize, const FIRST: usize, const B: usize>(&mut self, panel: &Panel<'_>, place: Place) {
        let Place { block, part, y, x } = place;
        let geometry = self.geometry;
        let mut sums = [[0.0_f32.splat::<S>(); B]; P];
        for p in 0..P {
            sums[p] = [panel.bias[FIRST + p].splat::<S>(); B];
        }
        let [channels, height, width] = geometry.input;
        let n_in = geometry.n_in_group();
        let (taps_y, taps_x) = (geometry.taps(0, y), geometry.taps(1, x));
        // Neighbouring taps are one run of rows.
        let run = if geometry.groups == 1 && geometry.dilation[1] == 1 { taps_x.len() } else { 1 };
        for tap_y in taps_y {
            let line = geometry.place(0, y, tap_y) * width;
            for tap_x in taps_x.clone().step_by(run.max(1)) {
                let start = (line + geometry.place(1, x, tap_x)) * channels + panel.input;
                let weights = &panel.weights[(tap_y * geometry.kernel[1] + tap_x) * n_in..][..run * n_in];
                let mut rows: [&[Row]; B] = [&[]; B];
                for b in 0..B {
                    rows[b] = &self.inputs[(block + b) * channels * height * width + start..][..weights.len()];
                }
                sums = accumulate::<S, P, FIRST, B>(sums, weights, rows, part);
            }
        }
        // Through memory, so that the sums themselves are indexed by constants alone and stay in registers until here.
        let mut tile = [[[0.0; LANES]; B]; P];
        for p in 0..P {
            for b in 0..B {
                store_part(&mut tile[p][b], part, sums[p][b]);
            }
        }
        let [n_out, out_height, out_width] = geometry.output;
        let n = P.min(panel.n - FIRST);
        for b in 0..B {
            let start = (((block + b) * out_height + y) * out_width + x) * n_out + panel.output + FIRST;
            for (p, output) in self.outputs[start..start + n].iter_mut().enumerate() {
                let mut sum = load_part::<S>(&tile[p][b], part);
                if let Some(residual) = self.residual {
                    sum += load_part(&residual[start + p], part);
                }
                store_part(output, part, if self.relu { relu(sum) } else { sum });
            }
        }
    }
}

/// Vector number `part` of a row.
#[inline(always)]
fn load_part<S: Simd>(row: &Row, part: usize) -> Vector<S, f32> {
    if lanes::<S>() == LANES { bytemuck::cast(*row) } else { load(&row[part * lanes::<S>()..][..lanes::<S>()]) }
}

#[inline(always)]
fn store_part<S: Simd>(row: &mut Row, part: usize, vector: Vector<S, f32>) {
    if lanes::<S>() == LANES {
        *row = bytemuck::cast(vector);
    } else {
        store(&mut row[part * lanes::<S>()..][..lanes::<S>()], vector);
    }
}

/// `sums + W x` for P outputs of B blocks. Sums go in and out by value and rows are walked without indices: all sums then stay in
/// registers, which makes this loop two to three times faster.
#[inline(always)]
fn accumulate<S: Simd, const P: usize, const FIRST: usize, const B: usize>(
    mut sums: [[Vector<S, f32>; B]; P],
    weights: &[PanelRow],
    rows: [&[Row]; B],
    part: usize,
) -> [[Vector<S, f32>; B]; P] {
    // B is 1 or 2.
    for ((w, first), last) in weights.iter().zip(rows[0]).zip(rows[B - 1]) {
        let mut values = [load_part::<S>(first, part); B];
        if B == 2 {
            values[1] = load_part(last, part);
        }
        for p in 0..P {
            let w = w[FIRST + p].splat::<S>();
            for b in 0..B {
                sums[p][b] = values[b].mul_add(w, sums[p][b]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on a processor with 16 registers.
    struct Narrow<'a>(Convolution<'a>);

    impl WithSimd for Narrow<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self) {
            self.0.sweep::<S>(false);
        }
    }

    #[test]
    fn tiles_for_few_registers_give_the_same() {
        let geometry = ConvGeometry {
            input: [5, 6, 7],
            output: [11, 6, 7],
            kernel: [3; 2],
            stride: [1; 2],
            padding: [[1; 2]; 2],
            dilation: [1; 2],
            groups: 1,
        };
        let value = |i: usize| ((i * 7919) % 23) as f32 / 23.0 - 0.5;
        let weight: Vec<f32> = (0..11 * 5 * 9).map(value).collect();
        let weights = ConvWeights::new(&geometry, &weight, value, |_| 1.0);
        let row = |i: usize| std::array::from_fn(|lane| value(i * LANES + lane));
        for n_blocks in [1, 3] {
            let inputs: Vec<Row> = (0..n_blocks * 5 * 42).map(row).collect();
            let residual: Vec<Row> = (0..n_blocks * 11 * 42).map(row).collect();
            let mut wide = vec![[0.0; LANES]; residual.len()];
            let mut narrow = wide.clone();
            convolve(&geometry, &weights, &inputs, Some(&residual), true, &mut wide);
            let (geometry, weights, inputs, residual) = (&geometry, &weights, &inputs, Some(residual.as_slice()));
            let outputs = &mut narrow;
            let narrowly = Convolution { geometry, weights, inputs, residual, relu: true, outputs };
            AutoArch::new().dispatch(Narrow(narrowly));
            assert_eq!(wide, narrow);
        }
    }
}
