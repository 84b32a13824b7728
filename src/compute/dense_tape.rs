//! Loss and gradient of fully connected networks on the CPU: written out by hand, and every pass over weights and activations
//! made once.
//!
//! For a layer `z = W x + b` with the loss's derivative dz: `db = sum dz`, `dW = sum dz x^T` over the images, and
//! `dx = W^T dz` where a ReLU let x through. The first layer needs no dx.
//!
//! Units lie along the vector's lanes, [`PANEL`] of them a row. Activations are panels of units, in each a row an image; a
//! layer's weights are panels of outputs, in each a row of biases and then a row an input. All points of weight space share
//! that layout, so combining, decaying and moving weights go value by value. What fills up a panel stays zero throughout.

use std::ops::Range;
use std::sync::Arc;

use macerator::{AutoArch, Scalar as _, Simd, Vector, WithSimd};
use rayon::prelude::*;

use super::batches::Examples;
use super::forward::{DenseLayer, dense_layers};
use super::simd::{lanes, load, relu, store};
use crate::net::{Network, ParamLayout, ParamVec};

/// Units of a panel.
pub(super) const PANEL: usize = 32;
/// Images (or inputs) whose sums are kept in registers at a time, two vectors of units each.
const BLOCK: usize = 8;
/// The same for dot products, which are blocks of `DOTS x DOTS`.
const DOTS: usize = 4;

pub(super) type Row = [f32; PANEL];

struct Layer {
    shape: DenseLayer,
    /// Its place in packed weights.
    rows: Range<usize>,
}

impl Layer {
    /// Inputs, filled up to whole blocks.
    fn inputs(&self) -> usize {
        self.shape.n_in.next_multiple_of(BLOCK)
    }

    /// Rows of one panel.
    fn panel_rows(&self) -> usize {
        1 + self.inputs()
    }
}

/// A fully connected network laid out for gradients, and its values at the last images.
pub(super) struct DenseTape {
    layers: Vec<Layer>,
    layout: Arc<ParamLayout>,
    /// The inputs of each layer, and at the end the logits.
    activations: Vec<Vec<Row>>,
}

impl DenseTape {
    /// `None` if the network is not a chain of linear layers and ReLUs.
    pub(super) fn new(network: &Network) -> Option<Self> {
        let mut start = 0;
        let place = |shape: DenseLayer| {
            let mut layer = Layer { shape, rows: 0..0 };
            layer.rows = start..start + shape.n_out.div_ceil(PANEL) * layer.panel_rows();
            start = layer.rows.end;
            layer
        };
        let layers: Vec<Layer> = dense_layers(network)?.into_iter().map(place).collect();
        let activations = vec![Vec::new(); layers.len() + 1];
        Some(Self { layout: Arc::clone(network.layout()), activations, layers })
    }

    /// Rows of a packed vector.
    pub(super) fn n_rows(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.rows.end)
    }

    /// A vector in the layout of the layers.
    pub(super) fn pack(&self, w: &ParamVec) -> Vec<Row> {
        let mut packed = vec![[0.0; PANEL]; self.n_rows()];
        for layer in &self.layers {
            let rows = &mut packed[layer.rows.clone()];
            let mut put = |output: usize, i: usize, value: f32| {
                rows[output / PANEL * layer.panel_rows() + i][output % PANEL] = value;
            };
            let weight = w.tensor(layer.shape.weight);
            for (output, weights) in weight.chunks_exact(layer.shape.n_in).enumerate() {
                for (input, &w) in weights.iter().enumerate() {
                    put(output, 1 + input, w);
                }
            }
            for (output, &b) in layer.shape.bias.iter().flat_map(|&id| w.tensor(id)).enumerate() {
                put(output, 0, b);
            }
        }
        packed
    }

    /// Packed rows as values in the network's layout.
    pub(super) fn unpack(&self, packed: &[Row]) -> Vec<f32> {
        let mut found = ParamVec::zeros(Arc::clone(&self.layout));
        for layer in &self.layers {
            let rows = &packed[layer.rows.clone()];
            let row = |output: usize, i: usize| rows[output / PANEL * layer.panel_rows() + i][output % PANEL];
            let weight = found.tensor_mut(layer.shape.weight);
            for (output, weights) in weight.chunks_exact_mut(layer.shape.n_in).enumerate() {
                for (input, w) in weights.iter_mut().enumerate() {
                    *w = row(output, 1 + input);
                }
            }
            if let Some(bias) = layer.shape.bias {
                for (output, b) in found.tensor_mut(bias).iter_mut().enumerate() {
                    *b = row(output, 0);
                }
            }
        }
        found.values().to_vec()
    }

    /// The gradient at the packed `weights` with `decay` times them, overwritten; the loss summed over the images.
    ///
    /// The gradient is that of the sum over `n_total`, which counts these images and others.
    pub(super) fn gradient(
        &mut self,
        weights: &[Row],
        examples: &Examples<'_>,
        indices: &[u32],
        n_total: usize,
        decay: f32,
        gradient: &mut Vec<Row>,
    ) -> f64 {
        self.forward(examples, indices, weights);
        let labels: Vec<usize> = indices.iter().map(|&i| usize::from(examples.label(i))).collect();
        let loss = self.logits_to_gradient(&labels, n_total);
        gradient.resize(weights.len(), [0.0; PANEL]);
        self.backward(indices.len().next_multiple_of(BLOCK), decay, weights, gradient);
        loss
    }

    /// The loss at the packed `weights`, summed over the images.
    pub(super) fn loss(&mut self, weights: &[Row], examples: &Examples<'_>, indices: &[u32]) -> f64 {
        self.forward(examples, indices, weights);
        let labels: Vec<usize> = indices.iter().map(|&i| usize::from(examples.label(i))).collect();
        self.logits_to_gradient(&labels, labels.len())
    }

    /// Fills `activations` from the images to the logits.
    fn forward(&mut self, examples: &Examples<'_>, indices: &[u32], weights: &[Row]) {
        let n_images = indices.len().next_multiple_of(BLOCK);
        image_panels(examples, indices, n_images, &mut self.activations[0]);
        for (index, layer) in self.layers.iter().enumerate() {
            let (inputs, outputs) = self.activations.split_at_mut(index + 1);
            let (inputs, outputs) = (&inputs[index], &mut outputs[0]);
            outputs.resize(layer.shape.n_out.div_ceil(PANEL) * n_images, [0.0; PANEL]);
            let panels = weights[layer.rows.clone()].par_chunks_exact(layer.panel_rows());
            let outputs = outputs.par_chunks_exact_mut(n_images);
            outputs.zip(panels).for_each(|(outputs, panel)| {
                let with_relu = layer.shape.relu;
                AutoArch::new().dispatch(Forward { panel, inputs, outputs, with_relu });
            });
        }
    }

    /// Replaces the logits by the loss's derivatives, `(softmax - one-hot) / n_total`; the loss summed over the images.
    fn logits_to_gradient(&mut self, labels: &[usize], n_total: usize) -> f64 {
        let n_images = labels.len().next_multiple_of(BLOCK);
        let n_classes = self.layers.last().map_or(0, |layer| layer.shape.n_out);
        let logits = self.activations.last_mut().expect("a network has layers");
        let scale = 1.0 / n_total as f32;
        let mut loss = 0.0;
        let mut probabilities = vec![0.0_f32; n_classes];
        for (image, &label) in labels.iter().enumerate() {
            let at = |class: usize| class / PANEL * n_images + image;
            let z = |class: usize| logits[at(class)][class % PANEL];
            let max = (0..n_classes).map(z).fold(f32::NEG_INFINITY, f32::max);
            for (class, p) in probabilities.iter_mut().enumerate() {
                *p = (z(class) - max).exp();
            }
            let sum: f32 = probabilities.iter().sum();
            loss += f64::from(sum.ln() - (z(label) - max));
            for (class, p) in probabilities.iter().enumerate() {
                let hit = f32::from(u8::from(class == label));
                logits[at(class)][class % PANEL] = (p / sum - hit) * scale;
            }
        }
        // Images that only fill up the last block pull at nothing.
        for panel in logits.chunks_exact_mut(n_images) {
            panel[labels.len()..].fill([0.0; PANEL]);
        }
        loss
    }

    /// From the logits' derivatives to the gradient at `weights`, with `decay` times them.
    fn backward(&mut self, n_images: usize, decay: f32, weights: &[Row], gradient: &mut [Row]) {
        let mut dz = std::mem::take(&mut self.activations[self.layers.len()]);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let inputs = &self.activations[index];
            let weights = &weights[layer.rows.clone()];
            let gradients = gradient[layer.rows.clone()].par_chunks_exact_mut(layer.panel_rows());
            let panels = weights.par_chunks_exact(layer.panel_rows());
            let dzs = dz.par_chunks_exact(n_images);
            gradients.zip(panels).zip(dzs).for_each(|((gradient, panel), dz)| {
                let with_bias = layer.shape.bias.is_some();
                AutoArch::new().dispatch(WeightGradient { inputs, dz, panel, decay, with_bias, gradient });
            });
            if 0 < index {
                let mut dx = vec![[0.0; PANEL]; inputs.len()];
                let with_relu = self.layers[index - 1].shape.relu;
                let panels = dx.par_chunks_exact_mut(n_images).zip(inputs.par_chunks_exact(n_images));
                panels.enumerate().for_each(|(place, (dx, inputs))| {
                    let first_input = place * PANEL;
                    let dz = &dz;
                    AutoArch::new().dispatch(InputGradient { layer, weights, dz, first_input, dx });
                    if with_relu {
                        for (dx, x) in dx.as_flattened_mut().iter_mut().zip(inputs.as_flattened()) {
                            *dx = if *x == 0.0 { 0.0 } else { *dx };
                        }
                    }
                });
                self.activations[self.layers.len()] = std::mem::replace(&mut dz, dx);
            }
        }
    }
}

/// Normalised images in panels of pixels; `n_images` with those that fill up the last block, which stay zero.
fn image_panels(examples: &Examples<'_>, indices: &[u32], n_images: usize, panels: &mut Vec<Row>) {
    let n_values = examples.n_values();
    panels.resize(n_values.div_ceil(PANEL) * n_images, [0.0; PANEL]);
    // Changes are made to whole images, which are then dealt out to the panels.
    let changed = examples.are_changed().then(|| {
        let mut values = vec![0.0_f32; indices.len() * n_values];
        examples.read_all(indices, &mut values);
        values
    });
    panels.par_chunks_exact_mut(n_images).enumerate().for_each(|(panel, rows)| {
        let first = panel * PANEL;
        let n = PANEL.min(n_values - first);
        rows[indices.len()..].fill([0.0; PANEL]);
        for (place, (row, &index)) in rows.iter_mut().zip(indices).enumerate() {
            match &changed {
                None => examples.read_unchanged(index, first, &mut row[..n]),
                Some(values) => row[..n].copy_from_slice(&values[place * n_values + first..][..n]),
            }
        }
    });
}

/// Calls `by::<S, 2>` where vectors of 16 come with 32 registers, `by::<S, 1>` elsewhere.
macro_rules! with_vectors {
    ($self:ident.$by:ident::<$S:ident>) => {
        if lanes::<$S>() == 16 { $self.$by::<$S, 2>() } else { $self.$by::<$S, 1>() }
    };
}

/// One panel of a layer's outputs for all images.
struct Forward<'a> {
    panel: &'a [Row],
    inputs: &'a [Row],
    outputs: &'a mut [Row],
    with_relu: bool,
}

impl Forward<'_> {
    #[inline(always)]
    fn by<S: Simd, const V: usize>(self) {
        let n_images = self.outputs.len();
        for part in 0..PANEL / (V * lanes::<S>()) {
            let place = |v: usize| (part * V + v) * lanes::<S>()..(part * V + v + 1) * lanes::<S>();
            let mut bias = [0.0_f32.splat::<S>(); V];
            for (v, bias) in bias.iter_mut().enumerate() {
                *bias = load(&self.panel[0][place(v)]);
            }
            for (block, outputs) in self.outputs.chunks_exact_mut(BLOCK).enumerate() {
                let mut sums = [bias; BLOCK];
                let inputs = self.inputs.chunks_exact(n_images);
                for (weights, inputs) in self.panel[1..].chunks(PANEL).zip(inputs) {
                    let inputs: &[Row; BLOCK] = inputs[block * BLOCK..].first_chunk().expect("whole blocks");
                    for (lane, weights) in weights.iter().enumerate() {
                        let mut w = [0.0_f32.splat::<S>(); V];
                        for v in 0..V {
                            w[v] = load(&weights[place(v)]);
                        }
                        for i in 0..BLOCK {
                            let x = inputs[i][lane % PANEL].splat::<S>();
                            for v in 0..V {
                                sums[i][v] = x.mul_add(w[v], sums[i][v]);
                            }
                        }
                    }
                }
                for (output, sums) in outputs.iter_mut().zip(sums) {
                    for v in 0..V {
                        let sum = if self.with_relu { relu(sums[v]) } else { sums[v] };
                        store(&mut output[place(v)], sum);
                    }
                }
            }
        }
    }
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        with_vectors!(self.by::<S>);
    }
}

/// One panel of a layer's weight gradient: sums over the images, and `decay` times the weights.
struct WeightGradient<'a> {
    inputs: &'a [Row],
    dz: &'a [Row],
    panel: &'a [Row],
    decay: f32,
    with_bias: bool,
    gradient: &'a mut [Row],
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn by<S: Simd, const V: usize>(self) {
        let n_images = self.dz.len();
        let decay = self.decay.splat::<S>();
        let (bias, gradient) = self.gradient.split_first_mut().expect("a panel begins with biases");
        for part in 0..PANEL / (V * lanes::<S>()) {
            let place = |v: usize| (part * V + v) * lanes::<S>()..(part * V + v + 1) * lanes::<S>();
            let weights = self.panel[1..].chunks(PANEL);
            let inputs = self.inputs.chunks_exact(n_images);
            for ((gradient, weights), inputs) in gradient.chunks_mut(PANEL).zip(weights).zip(inputs) {
                let blocks = gradient.chunks_exact_mut(BLOCK).zip(weights.chunks_exact(BLOCK));
                for (block, (gradient, weights)) in blocks.enumerate() {
                    let mut sums = [[0.0_f32.splat::<S>(); V]; BLOCK];
                    for i in 0..BLOCK {
                        for v in 0..V {
                            sums[i][v] = load::<S>(&weights[i][place(v)]) * decay;
                        }
                    }
                    for (inputs, dz) in inputs.iter().zip(self.dz) {
                        let x: &[f32; BLOCK] = inputs[block * BLOCK..].first_chunk().expect("whole blocks");
                        let mut d = [0.0_f32.splat::<S>(); V];
                        for v in 0..V {
                            d[v] = load(&dz[place(v)]);
                        }
                        for i in 0..BLOCK {
                            let x = x[i].splat::<S>();
                            for v in 0..V {
                                sums[i][v] = x.mul_add(d[v], sums[i][v]);
                            }
                        }
                    }
                    for (gradient, sums) in gradient.iter_mut().zip(sums) {
                        for v in 0..V {
                            store(&mut gradient[place(v)], sums[v]);
                        }
                    }
                }
            }
        }
        for place in 0..PANEL {
            let sum: f32 = self.dz.iter().map(|dz| dz[place]).sum();
            bias[place] = if self.with_bias { self.decay.mul_add(self.panel[0][place], sum) } else { 0.0 };
        }
    }
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        with_vectors!(self.by::<S>);
    }
}

/// One panel of a layer's input gradient: dot products over all its outputs.
struct InputGradient<'a> {
    layer: &'a Layer,
    weights: &'a [Row],
    dz: &'a [Row],
    first_input: usize,
    dx: &'a mut [Row],
}

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let n_images = self.dx.len();
        let n_inputs = PANEL.min(self.layer.inputs() - self.first_input);
        for (image_block, dx) in self.dx.chunks_exact_mut(DOTS).enumerate() {
            for first in (0..n_inputs).step_by(DOTS) {
                let mut sums = [[0.0_f32.splat::<S>(); DOTS]; DOTS];
                let panels = self.weights.chunks_exact(self.layer.panel_rows());
                for (panel, dz) in panels.zip(self.dz.chunks_exact(n_images)) {
                    let w: &[Row; DOTS] = panel[1 + self.first_input + first..].first_chunk().expect("whole blocks");
                    let dz: &[Row; DOTS] = dz[image_block * DOTS..].first_chunk().expect("whole blocks");
                    for part in 0..PANEL / lanes::<S>() {
                        let place = part * lanes::<S>()..(part + 1) * lanes::<S>();
                        let mut ws: [Vector<S, f32>; DOTS] = [0.0_f32.splat::<S>(); DOTS];
                        for i in 0..DOTS {
                            ws[i] = load(&w[i][place.clone()]);
                        }
                        for image in 0..DOTS {
                            let d = load::<S>(&dz[image][place.clone()]);
                            for i in 0..DOTS {
                                sums[image][i] = ws[i].mul_add(d, sums[image][i]);
                            }
                        }
                    }
                }
                for image in 0..DOTS {
                    for i in 0..DOTS {
                        dx[image][(first + i) % PANEL] = sums[image][i].reduce_add();
                    }
                }
            }
        }
    }
}
