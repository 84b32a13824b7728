//! Fully connected networks on the CPU: everything behind the first layer in one pass that stays in a core's cache.
//!
//! For a point c, an image x and basis vectors w_i, the first layer is `sum_i c_i (W_1i x + b_1i)`, whose terms are computed
//! once a block of images. Each further layer is `W(c) relu(h) + b(c)` with `W(c) = sum_i c_i W_i`, and the logits become a
//! loss at once: no tensor of the size points x images x units is ever written to memory.
//!
//! Images lie along the vector's lanes, [`TILE`] of them in each [`Row`], a row a unit: products need no transposition, and
//! few outputs (ten classes) fill the registers as well as many. Weights lie in panels of [`PANEL`] outputs, all of one input
//! side by side, a bias before them: a basis vector laid out once can be combined value by value.
//!
//! Agrees with `forward_from` and `score` but for rounding. A coefficient of zero leaves its vector out, as in
//! [`ParamVec::combination`], even if the vector is not finite.

use std::ops::Range;
use std::sync::Arc;

use macerator::{AutoArch, Scalar as _, Simd, Vector, WithSimd};
use rayon::prelude::*;

use super::evaluate::DataRef;
use super::forward::{DenseLayer, dense_layers};
use super::score::Score;
use super::simd::{self, exp_of_negative, lanes, load, relu, store};
use crate::data::Inputs;
use crate::net::{Network, ParamVec};

/// Images of a tile.
const TILE: usize = 32;
/// Outputs that are summed at a time: with two vectors of images each, they and their operands fit 32 registers.
const PANEL: usize = 10;
/// Points that one thread takes at a time, and the memory that their weights may take.
const GROUP_POINTS: usize = 16;
const GROUP_BYTES: usize = 4 << 20;

/// One unit's values for the images of a tile.
type Row = [f32; TILE];
/// One input's weights to the outputs of a panel.
type PanelRow = [f32; PANEL];

struct Layer {
    shape: DenseLayer,
    /// Its place in packed weights.
    rows: Range<usize>,
}

/// A network of linear layers and ReLUs, and a basis laid out for it.
pub(super) struct Dense {
    layers: Vec<Layer>,
    /// Per basis vector, all layers: per panel a row of biases, then a row an input.
    packed: Vec<Vec<PanelRow>>,
    /// Whether the first layer is computed per basis vector instead of per point.
    share_first_layer: bool,
}

/// Images, or their first-layer products, and their labels.
pub(super) struct DenseBlock {
    tiles: Vec<DenseTile>,
}

struct DenseTile {
    labels: Vec<u16>,
    /// A row a pixel; or, per basis vector, a row a unit of the first layer.
    rows: Vec<Row>,
}

/// What a point needs: its basis vectors, and the weights that are its own.
struct Point {
    terms: Vec<(usize, f32)>,
    weights: Vec<PanelRow>,
}

/// Activations of the layer before and of this one.
#[derive(Default)]
struct Scratch(Vec<Row>, Vec<Row>);

impl Dense {
    /// `None` if the network is not such a chain of layers.
    pub(super) fn new(network: &Network, basis: &[Arc<ParamVec>], share_first_layer: bool) -> Option<Self> {
        let layers = layers_of(network)?;
        let pack = |w: &Arc<ParamVec>| layers.iter().flat_map(|layer| pack(layer, w)).collect();
        Some(Self { packed: basis.par_iter().map(pack).collect(), layers, share_first_layer })
    }

    /// Points that are best handed over together.
    pub(super) fn group(&self) -> usize {
        let own = self.own_rows();
        let bytes = (own.len() * size_of::<PanelRow>()).max(1);
        (GROUP_BYTES / bytes).clamp(1, GROUP_POINTS)
    }

    /// The packed weights that a point has for itself.
    fn own_rows(&self) -> Range<usize> {
        let end = self.layers.last().map_or(0, |layer| layer.rows.end);
        let shared = &self.layers[0].rows;
        if self.share_first_layer { shared.end..end } else { 0..end }
    }

    /// Reads images and, if the first layer is shared, multiplies them with every basis vector's first weights.
    pub(super) fn load(&self, data: &DataRef, indices: &[u32]) -> DenseBlock {
        let inputs = data.inputs();
        let load_tile = |indices: &[u32]| {
            let images = image_rows(&inputs, indices);
            let rows = if self.share_first_layer {
                AutoArch::new().dispatch(Products { dense: self, images: &images })
            } else {
                images
            };
            DenseTile { labels: indices.iter().map(|&index| inputs.label(index as usize)).collect(), rows }
        };
        DenseBlock { tiles: indices.par_chunks(TILE).map(load_tile).collect() }
    }

    /// One score a point, over all images of the block.
    pub(super) fn score(&self, block: &DenseBlock, points: &[&[f64]]) -> Vec<Score> {
        let score_group = |group: &[&[f64]]| {
            let group: Vec<Point> = group.par_iter().map(|c| self.point(c)).collect();
            let score_tile = |scratch: &mut Scratch, tile: &DenseTile| {
                let points = &group;
                AutoArch::new().dispatch(ScoreTile { dense: self, points, tile, scratch })
            };
            let parts: Vec<Vec<Score>> = block.tiles.par_iter().map_init(Scratch::default, score_tile).collect();
            // Tiles are added in their order whatever thread computed them: the same sums every time.
            let mut totals = vec![Score::default(); group.len()];
            for part in parts {
                Score::add_all(&mut totals, &part);
            }
            totals
        };
        points.par_chunks(self.group()).flat_map_iter(score_group).collect()
    }

    /// `sum_i c_i w_i` of the weights that are the point's own.
    fn point(&self, coefficients: &[f64]) -> Point {
        let terms: Vec<(usize, f32)> =
            coefficients.iter().enumerate().filter(|&(_, &c)| c != 0.0).map(|(i, &c)| (i, c as f32)).collect();
        let rows = self.own_rows();
        let mut weights = vec![[0.0; PANEL]; rows.len()];
        for &(i, c) in &terms {
            let own = self.packed[i][rows.clone()].as_flattened();
            simd::add_scaled(weights.as_flattened_mut(), c, own);
        }
        Point { terms, weights }
    }
}

/// The network's layers with their places in packed weights.
fn layers_of(network: &Network) -> Option<Vec<Layer>> {
    let mut start = 0;
    let place = |shape: DenseLayer| {
        let rows = start..start + shape.n_out.div_ceil(PANEL) * (1 + shape.n_in);
        start = rows.end;
        Layer { shape, rows }
    };
    Some(dense_layers(network)?.into_iter().map(place).collect())
}

/// One layer of `w` in panels.
fn pack(layer: &Layer, w: &ParamVec) -> Vec<PanelRow> {
    let weight = w.tensor(layer.shape.weight);
    let bias = layer.shape.bias.map(|id| w.tensor(id));
    let mut rows = vec![[0.0; PANEL]; layer.rows.len()];
    for (index, panel) in rows.chunks_exact_mut(1 + layer.shape.n_in).enumerate() {
        let first = index * PANEL;
        for output in first..layer.shape.n_out.min(first + PANEL) {
            panel[0][output - first] = bias.map_or(0.0, |bias| bias[output]);
            let inputs = &weight[output * layer.shape.n_in..][..layer.shape.n_in];
            for (row, &w) in panel[1..].iter_mut().zip(inputs) {
                row[output - first] = w;
            }
        }
    }
    rows
}

/// A row a pixel; images that fill up the last tile are zero.
fn image_rows(inputs: &Inputs<'_>, indices: &[u32]) -> Vec<Row> {
    let mut rows = vec![[0.0; TILE]; inputs.n_values()];
    let mut image = vec![0.0; inputs.n_values()];
    for (place, &index) in indices.iter().enumerate() {
        inputs.read(index as usize, &mut image);
        for (row, &value) in rows.iter_mut().zip(&image) {
            row[place] = value;
        }
    }
    rows
}

/// First-layer outputs of every basis vector.
struct Products<'a> {
    dense: &'a Dense,
    images: &'a [Row],
}

impl WithSimd for Products<'_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Vec<Row> {
        let layer = &self.dense.layers[0];
        let n_basis = self.dense.packed.len();
        let mut rows = vec![[0.0; TILE]; layer.shape.n_out * n_basis];
        for (packed, rows) in self.dense.packed.iter().zip(rows.chunks_exact_mut(layer.shape.n_out)) {
            linear::<S>(&packed[layer.rows.clone()], self.images, rows, false);
        }
        rows
    }
}

/// Some points' scores on the images of one tile.
struct ScoreTile<'a> {
    dense: &'a Dense,
    points: &'a [Point],
    tile: &'a DenseTile,
    scratch: &'a mut Scratch,
}

impl WithSimd for ScoreTile<'_> {
    type Output = Vec<Score>;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Vec<Score> {
        let Self { dense, points, tile, scratch: Scratch(now, before) } = self;
        let mut scores = Vec::with_capacity(points.len());
        for point in points {
            let mut layers = dense.layers.as_slice();
            let mut start = 0;
            if dense.share_first_layer {
                let layer = &layers[0];
                now.resize(layer.shape.n_out, [0.0; TILE]);
                combine::<S>(&tile.rows, &point.terms, now, layer.shape.relu);
                layers = &layers[1..];
                start = layer.rows.end;
            }
            for layer in layers {
                std::mem::swap(now, before);
                now.resize(layer.shape.n_out, [0.0; TILE]);
                let inputs = if layer.rows.start == 0 { &tile.rows } else { &*before };
                let weights = &point.weights[layer.rows.start - start..layer.rows.end - start];
                linear::<S>(weights, inputs, now, layer.shape.relu);
            }
            scores.push(score::<S>(now, &tile.labels));
        }
        scores
    }
}

/// `sum_i c_i x_i` over basis vectors, whose rows stand behind each other.
#[inline(always)]
fn combine<S: Simd>(rows: &[Row], terms: &[(usize, f32)], outputs: &mut [Row], with_relu: bool) {
    let of = |&(i, _): &(usize, f32)| &rows[i * outputs.len()..][..outputs.len()];
    match terms {
        [a] => combine_some::<S, 1>([of(a)], [a.1], outputs, with_relu),
        [a, b] => combine_some::<S, 2>([of(a), of(b)], [a.1, b.1], outputs, with_relu),
        [a, b, c] => {
            let rows = [of(a), of(b), of(c)];
            combine_some::<S, 3>(rows, [a.1, b.1, c.1], outputs, with_relu);
        }
        // So many vectors are rare, and their sum may pass through the cache a few times.
        [first, others @ ..] => {
            combine_some::<S, 1>([of(first)], [first.1], outputs, false);
            for other in others {
                let rows = &rows[other.0 * outputs.len()..][..outputs.len()];
                add_scaled::<S>(rows, other.1, outputs);
            }
            if with_relu {
                outputs.as_flattened_mut().iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
            }
        }
        [] => outputs.fill([0.0; TILE]),
    }
}

#[inline(always)]
fn combine_some<S: Simd, const N: usize>(rows: [&[Row]; N], factors: [f32; N], outputs: &mut [Row], with_relu: bool) {
    let n_units = outputs.len();
    let rows = rows.map(|rows| &rows[..n_units]);
    for unit in 0..n_units {
        for block in 0..TILE / lanes::<S>() {
            let place = block * lanes::<S>()..(block + 1) * lanes::<S>();
            let mut sum = 0.0_f32.splat::<S>();
            for i in 0..N {
                let x = load::<S>(&rows[i][unit][place.clone()]);
                sum = x.mul_add(factors[i].splat::<S>(), sum);
            }
            let sum = if with_relu { relu(sum) } else { sum };
            store(&mut outputs[unit][place], sum);
        }
    }
}

#[inline(always)]
fn add_scaled<S: Simd>(rows: &[Row], factor: f32, outputs: &mut [Row]) {
    for (output, row) in outputs.iter_mut().zip(rows) {
        for block in 0..TILE / lanes::<S>() {
            let place = block * lanes::<S>()..(block + 1) * lanes::<S>();
            let sum = load::<S>(&output[place.clone()]);
            let sum = load::<S>(&row[place.clone()]).mul_add(factor.splat::<S>(), sum);
            store(&mut output[place], sum);
        }
    }
}

/// `W x + b` for the images of a tile.
#[inline(always)]
fn linear<S: Simd>(weights: &[PanelRow], inputs: &[Row], outputs: &mut [Row], with_relu: bool) {
    // Vectors of 16 come with 32 registers.
    if lanes::<S>() == 16 {
        linear_by::<S, 2>(weights, inputs, outputs, with_relu);
    } else {
        linear_by::<S, 1>(weights, inputs, outputs, with_relu);
    }
}

/// The same, V vectors of images at a time.
#[inline(always)]
fn linear_by<S: Simd, const V: usize>(weights: &[PanelRow], inputs: &[Row], outputs: &mut [Row], with_relu: bool) {
    let panels = weights.chunks_exact(1 + inputs.len());
    for (panel, outputs) in panels.zip(outputs.chunks_mut(PANEL)) {
        for block in 0..TILE / (V * lanes::<S>()) {
            let place = |v: usize| (block * V + v) * lanes::<S>()..(block * V + v + 1) * lanes::<S>();
            let mut sums = [[0.0_f32.splat::<S>(); V]; PANEL];
            for n in 0..PANEL {
                sums[n] = [panel[0][n].splat::<S>(); V];
            }
            for (weights, row) in panel[1..].iter().zip(inputs) {
                let mut x: [Vector<S, f32>; V] = [0.0_f32.splat::<S>(); V];
                for v in 0..V {
                    x[v] = load(&row[place(v)]);
                }
                for n in 0..PANEL {
                    let w = weights[n].splat::<S>();
                    for v in 0..V {
                        sums[n][v] = x[v].mul_add(w, sums[n][v]);
                    }
                }
            }
            for (output, sums) in outputs.iter_mut().zip(sums) {
                for v in 0..V {
                    let sum = if with_relu { relu(sums[v]) } else { sums[v] };
                    store(&mut output[place(v)], sum);
                }
            }
        }
    }
}

/// Cross-entropy and right answers over the images of a tile. `logits`: a row a class.
#[inline(always)]
fn score<S: Simd>(logits: &[Row], labels: &[u16]) -> Score {
    let (mut max, mut sum, mut best) = ([0.0; TILE], [0.0; TILE], [0.0; TILE]);
    for block in 0..TILE / lanes::<S>() {
        let place = block * lanes::<S>()..(block + 1) * lanes::<S>();
        let mut highest = load::<S>(&logits[0][place.clone()]);
        for row in &logits[1..] {
            highest = highest.max(load(&row[place.clone()]));
        }
        // A NaN anywhere, or only infinities, makes the sum NaN and with it the loss.
        let mut total = 0.0_f32.splat::<S>();
        let mut first = (-1.0_f32).splat::<S>();
        for (class, row) in logits.iter().enumerate().rev() {
            let z = load::<S>(&row[place.clone()]);
            total += exp_of_negative(z - highest);
            first = z.eq(highest).select((class as f32).splat::<S>(), first);
        }
        store(&mut max[place.clone()], highest);
        store(&mut sum[place.clone()], total);
        store(&mut best[place], first);
    }
    let mut score = Score::default();
    for (image, &label) in labels.iter().enumerate() {
        let below_max = logits[usize::from(label)][image] - max[image];
        score.loss += f64::from(sum[image].ln() - below_max);
        score.n_correct += u64::from(best[image] == f32::from(label) && !sum[image].is_nan());
    }
    score
}
