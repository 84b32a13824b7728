//! Convolutions and linear layers (a convolution of 1 x 1 maps): values, gradient by the input.
//!
//! Both are sums over neighbouring places; which ones is worked out once, when the network is laid out.

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::tile::{PANEL, Place, Run, Scalars, Start, TILE, product};
use super::{Map, Row};

/// Scalars beyond which a layer's weights do not stay in a thread's cache beside its images.
const MANY_SCALARS: usize = 64 * 1024;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConvSizes {
    pub(super) input: Map,
    pub(super) output: Map,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Rows above and columns before the map.
    pub(super) padding: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) groups: usize,
}

impl ConvSizes {
    /// A linear layer.
    pub(super) fn linear(n_in: usize, n_out: usize) -> Self {
        Self {
            input: Map::flat(n_in),
            output: Map::flat(n_out),
            kernel: [1; 2],
            stride: [1; 2],
            padding: [0; 2],
            dilation: [1; 2],
            groups: 1,
        }
    }

    pub(super) fn n_taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Inputs of one group.
    pub(super) fn group_in(&self) -> usize {
        self.input.c / self.groups
    }

    /// Outputs of one group.
    pub(super) fn group_out(&self) -> usize {
        self.output.c / self.groups
    }

    /// The input's place under tap `k` of output place `o` along an axis; `None` on the padding.
    pub(super) fn under(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        let length = [self.input.h, self.input.w][axis];
        let place = (o * self.stride[axis] + k * self.dilation[axis]).checked_sub(self.padding[axis])?;
        (place < length).then_some(place)
    }

    /// The output's place whose tap `k` lies on input place `i` along an axis.
    fn over(&self, axis: usize, i: usize, k: usize) -> Option<usize> {
        let length = [self.output.h, self.output.w][axis];
        let place = (i + self.padding[axis]).checked_sub(k * self.dilation[axis])?;
        (place.is_multiple_of(self.stride[axis]) && place / self.stride[axis] < length)
            .then_some(place / self.stride[axis])
    }
}

/// One or two places whose sums go over the same weights.
#[derive(Clone, Copy, Debug)]
struct Pair {
    place: usize,
    /// The second one's place and the distance of their inputs, in rows.
    second: Option<(usize, usize)>,
}

/// A sum over neighbouring places, for each place of the output.
#[derive(Debug)]
pub(super) struct Gather {
    input: Map,
    output: Map,
    groups: usize,
    n_taps: usize,
    runs: Vec<Run>,
    /// Runs of each place.
    places: Vec<std::ops::Range<usize>>,
    /// Places of each line of the map in pairs.
    lines: Vec<Vec<Pair>>,
}

impl Gather {
    /// From a layer's input to its output; taps as they stand in the weights.
    pub(super) fn forward(sizes: &ConvSizes) -> Self {
        Self::new(sizes, sizes.input, sizes.output, |axis, o, k| sizes.under(axis, o, k))
    }

    /// From the output's gradient to the input's; taps from last to first, so that places follow each other upwards.
    pub(super) fn backward(sizes: &ConvSizes) -> Self {
        Self::new(sizes, sizes.output, sizes.input, |axis, i, k| sizes.over(axis, i, sizes.kernel[axis] - 1 - k))
    }

    fn new(sizes: &ConvSizes, input: Map, output: Map, read: impl Fn(usize, usize, usize) -> Option<usize>) -> Self {
        let n_in = input.c / sizes.groups;
        let mut runs = Vec::new();
        let mut places = Vec::new();
        for y in 0..output.h {
            for x in 0..output.w {
                let first = runs.len();
                for ky in 0..sizes.kernel[0] {
                    for kx in 0..sizes.kernel[1] {
                        if let (Some(iy), Some(ix)) = (read(0, y, ky), read(1, x, kx)) {
                            let row = (iy * input.w + ix) * input.c;
                            let scalars = (ky * sizes.kernel[1] + kx) * n_in;
                            Run { row, scalars, len: n_in }.push(&mut runs, first);
                        }
                    }
                }
                places.push(first..runs.len());
            }
        }
        let lines = (0..output.h).map(|y| pairs(y * output.w..(y + 1) * output.w, &places, &runs)).collect();
        Self { input, output, groups: sizes.groups, n_taps: sizes.n_taps(), runs, places, lines }
    }

    fn n_in(&self) -> usize {
        self.input.c / self.groups
    }

    fn n_out(&self) -> usize {
        self.output.c / self.groups
    }

    fn panels_per_group(&self) -> usize {
        self.n_out().div_ceil(PANEL)
    }

    /// Scalars of one panel.
    fn panel_len(&self) -> usize {
        self.n_taps * self.n_in()
    }

    /// `weight(group, output, tap, input)`, counted within the group, in panels `[group][panel][tap][input][PANEL]`.
    pub(super) fn pack(&self, packed: &mut Vec<Scalars>, weight: impl Fn(usize, usize, usize, usize) -> f32 + Sync) {
        packed.resize(self.groups * self.panels_per_group() * self.panel_len(), [0.0; PANEL]);
        packed.par_chunks_exact_mut(self.panel_len()).enumerate().for_each(|(panel, scalars)| {
            let (group, first) = (panel / self.panels_per_group(), panel % self.panels_per_group() * PANEL);
            for (index, scalars) in scalars.iter_mut().enumerate() {
                for (p, w) in scalars.iter_mut().enumerate() {
                    *w = match first + p < self.n_out() {
                        true => weight(group, first + p, index / self.n_in(), index % self.n_in()),
                        false => 0.0,
                    };
                }
            }
        });
    }

    /// The sums for all blocks.
    ///
    /// `x`: `n_blocks` blocks of the input; `bias`: what the sums begin with, one a channel or nothing; `out`: as many
    /// blocks of the output.
    pub(super) fn apply(&self, x: &[Row], packed: &[Scalars], bias: Option<&[f32]>, out: &mut [Row]) {
        if self.groups * self.panels_per_group() * self.panel_len() < MANY_SCALARS / PANEL {
            self.line_by_line(x, packed, bias, out);
        } else {
            self.panel_by_panel(x, packed, bias, out);
        }
    }

    /// A thread takes a line of a map through all weights.
    fn line_by_line(&self, x: &[Row], packed: &[Scalars], bias: Option<&[f32]>, out: &mut [Row]) {
        let chunks = out.par_chunks_exact_mut(self.output.w * self.output.c).enumerate();
        chunks.for_each(|(chunk, out)| {
            let (block, y) = (chunk / self.output.h, chunk % self.output.h);
            let x = &x[block * self.input.rows()..][..self.input.rows()];
            AutoArch::new().dispatch(Line { gather: self, x, packed, bias, y, out });
        });
    }

    /// A thread takes a panel of weights through all images.
    fn panel_by_panel(&self, x: &[Row], packed: &[Scalars], bias: Option<&[f32]>, out: &mut [Row]) {
        let n_blocks = x.len() / self.input.rows();
        let n_panels = self.groups * self.panels_per_group();
        let columns: Vec<Vec<Row>> = (0..n_panels)
            .into_par_iter()
            .map(|panel| {
                let mut out = vec![bytemuck::Zeroable::zeroed(); n_blocks * self.places.len() * PANEL];
                AutoArch::new().dispatch(Column { gather: self, x, packed, bias, panel, n_blocks, out: &mut out });
                out
            })
            .collect();
        out.par_chunks_exact_mut(self.output.c).enumerate().with_min_len(16).for_each(|(place, out)| {
            for (panel, column) in columns.iter().enumerate() {
                let (first, n_out) = self.outputs(panel);
                out[first..first + n_out].copy_from_slice(&column[place * PANEL..][..n_out]);
            }
        });
    }

    /// First output of a panel and how many it has.
    fn outputs(&self, panel: usize) -> (usize, usize) {
        let (group, first) = (panel / self.panels_per_group(), panel % self.panels_per_group() * PANEL);
        (group * self.n_out() + first, PANEL.min(self.n_out() - first))
    }

    /// A panel's weights, its first input, what its sums begin with, its first output and how many it has.
    fn panel<'a>(&self, packed: &'a [Scalars], bias: Option<&[f32]>, panel: usize) -> Panel<'a> {
        let (first, n_out) = self.outputs(panel);
        let mut start = [0.0; PANEL];
        if let Some(bias) = bias {
            start[..n_out].copy_from_slice(&bias[first..first + n_out]);
        }
        Panel {
            scalars: &packed[panel * self.panel_len()..][..self.panel_len()],
            first_input: panel / self.panels_per_group() * self.n_in(),
            start,
            first,
            n_out,
        }
    }
}

struct Panel<'a> {
    scalars: &'a [Scalars],
    first_input: usize,
    start: Scalars,
    first: usize,
    n_out: usize,
}

/// Pairs of `line`'s places whose runs differ by nothing but one distance.
fn pairs(line: std::ops::Range<usize>, places: &[std::ops::Range<usize>], runs: &[Run]) -> Vec<Pair> {
    let mut found = Vec::new();
    let mut is_taken = vec![false; line.len()];
    for place in line.clone() {
        if std::mem::replace(&mut is_taken[place - line.start], true) {
            continue;
        }
        let of = |place: usize| &runs[places[place].clone()];
        let distance = |other: usize| {
            let (a, b) = (of(place), of(other));
            let step = b.first()?.row.checked_sub(a.first()?.row)?;
            let same = |(a, b): (&Run, &Run)| Run { row: a.row + step, ..*a } == *b;
            (a.len() == b.len() && a.iter().zip(b).all(same)).then_some((other, step))
        };
        let second = (place + 1..line.end).filter(|p| !is_taken[p - line.start]).find_map(distance);
        if let Some((other, _)) = second {
            is_taken[other - line.start] = true;
        }
        found.push(Pair { place, second });
    }
    found
}

struct Line<'a> {
    gather: &'a Gather,
    x: &'a [Row],
    packed: &'a [Scalars],
    bias: Option<&'a [f32]>,
    y: usize,
    out: &'a mut [Row],
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { gather, x, packed, bias, y, out } = self;
        let line_start = y * gather.output.w;
        for panel in 0..gather.groups * gather.panels_per_group() {
            let panel = gather.panel(packed, bias, panel);
            let start = Start::Values(&panel.start);
            for pair in &gather.lines[y] {
                let runs = &gather.runs[gather.places[pair.place].clone()];
                let first = (pair.place - line_start) * gather.output.c + panel.first;
                let scalars = (panel.scalars, runs);
                match pair.second {
                    Some((other, step)) => {
                        let from = Place { first: panel.first_input, step };
                        let to = Place { first, step: (other - pair.place) * gather.output.c };
                        product::<S, TILE>((x, from), scalars, start, (&mut *out, to), panel.n_out);
                    }
                    None => {
                        let from = Place { first: panel.first_input, step: 0 };
                        product::<S, 1>((x, from), scalars, start, (&mut *out, Place { first, step: 0 }), panel.n_out);
                    }
                }
            }
        }
    }
}

/// One panel of outputs for all places of all blocks: `out` is `[block][place][PANEL]`.
struct Column<'a> {
    gather: &'a Gather,
    x: &'a [Row],
    packed: &'a [Scalars],
    bias: Option<&'a [f32]>,
    panel: usize,
    n_blocks: usize,
    out: &'a mut [Row],
}

impl WithSimd for Column<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { gather, x, packed, bias, panel, n_blocks, out } = self;
        let panel = gather.panel(packed, bias, panel);
        let start = Start::Values(&panel.start);
        let in_rows = gather.input.rows();
        let out_rows = gather.places.len() * PANEL;
        for block in (0..n_blocks).step_by(TILE) {
            for (place, runs) in gather.places.iter().enumerate() {
                let scalars = (panel.scalars, &gather.runs[runs.clone()]);
                let from = Place { first: block * in_rows + panel.first_input, step: in_rows };
                let to = Place { first: block * out_rows + place * PANEL, step: out_rows };
                if block + TILE <= n_blocks {
                    product::<S, TILE>((x, from), scalars, start, (&mut *out, to), panel.n_out);
                } else {
                    product::<S, 1>((x, from), scalars, start, (&mut *out, to), panel.n_out);
                }
            }
        }
    }
}
