//! What enters a layer of a chain and what it gives, sample by sample: the rows of its least-squares problem.
//!
//! A sample is an image for linear layers, an image and a place of the map for convolutions, whose inputs are then the patch
//! that the kernel lies on. Values are read by the lanes on the processor, whatever the engine.

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use rayon::prelude::*;

use super::super::DataRef;
use super::super::evaluate_lanes::load_images;
use super::super::lanes::{
    B_UNITS, BatchNormMode, Buffers, ConvGeometry, LANES, Packed, Program, Row, group_blocks, map_shape, run_blocks_to,
};
use crate::net::{ConvWindow, Network, NodeId, ParamVec, SequenceLayer};

/// Samples of a convolution: about as many as the authors' code takes of 50,000 images.
const MAX_SAMPLES: usize = 100_000;
/// Most places that are sampled of an image's map.
const MAX_PLACES: usize = 64;
/// Blocks of images times places of a chunk, whose products are summed in f32.
const CHUNK_PLACES: usize = 64;
/// The same for layers with so many inputs that a chunk would take long.
const LONG_CHUNK_PLACES: usize = 32;
const LONG_INPUTS: usize = 4096;
/// Blocks of images of a chunk, whatever the number of places, so that all cores have some.
const MIN_BLOCKS: usize = 4;
/// What the values of the images of a chunk may fill.
const CHUNK_BYTES: usize = 128 << 20;

/// Which of a layer's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// What its weights are multiplied with: `[in]`, or `[in, kernel height, kernel width]`.
    Inputs,
    /// What it gives, with its bias: `[out]`.
    Outputs,
}

/// Reads the samples of a layer in chunks of images.
pub(super) struct LayerSamples {
    program: Program,
    data: DataRef,
    n_images: usize,
    input: NodeId,
    output: NodeId,
    geometry: ConvGeometry,
    /// Places sampled in each image.
    n_places: usize,
    chunk_blocks: usize,
    group_blocks: usize,
    /// A group of blocks each, for one chunk.
    buffers: Vec<Buffers>,
}

/// The images of a block at one place of the layer's output map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Number of the block in its chunk.
    block: usize,
    /// Images of the block that count.
    n_images: usize,
    /// Vertical and horizontal.
    at: [usize; 2],
}

impl LayerSamples {
    /// The samples of `layer`, one of `network`'s, over all images of `data`.
    pub(super) fn new(network: &Arc<Network>, layer: &SequenceLayer, data: &DataRef) -> Self {
        let geometry = geometry(network, layer);
        let program = Program::new(network, BatchNormMode::Known, &[layer.input, layer.node]);
        let n_images = data.n_images();
        let n_places = places_an_image(&geometry, n_images);
        let places = if LONG_INPUTS < n_inputs(&geometry) { LONG_CHUNK_PLACES } else { CHUNK_PLACES };
        let by_memory = (CHUNK_BYTES / program.bytes_a_block()).max(1);
        let chunk_blocks = (places / n_places).max(MIN_BLOCKS).min(by_memory).min(n_images.div_ceil(LANES)).max(1);
        let group_blocks = group_blocks(chunk_blocks, rayon::current_num_threads());
        let buffers = vec![Buffers::new(&program, group_blocks); chunk_blocks.div_ceil(group_blocks)];
        Self {
            program,
            data: data.clone(),
            n_images,
            input: layer.input,
            output: layer.node,
            geometry,
            n_places,
            chunk_blocks,
            group_blocks,
            buffers,
        }
    }

    pub(super) fn n_chunks(&self) -> usize {
        self.n_images.div_ceil(LANES * self.chunk_blocks)
    }

    pub(super) fn n_samples(&self) -> usize {
        n_samples(&self.geometry, self.n_images)
    }

    /// Whether only some places of the maps are samples.
    pub(super) fn is_partial(&self) -> bool {
        self.n_places < self.geometry.output[1] * self.geometry.output[2]
    }

    /// Values of a sample.
    pub(super) fn n_values(&self, side: Side) -> usize {
        match side {
            Side::Inputs => n_inputs(&self.geometry),
            Side::Outputs => self.geometry.output[0],
        }
    }

    /// Lays out the parameters that the samples are read with.
    pub(super) fn pack(&self, params: &ParamVec) -> Packed {
        Packed::new(&self.program, params)
    }

    /// Sends the images of a chunk through the network, as far as `side` needs it.
    pub(super) fn run(&mut self, chunk: usize, packed: &Packed, side: Side) {
        let node = self.node(side);
        let Self { program, buffers, .. } = self;
        let first = chunk * self.chunk_blocks * LANES;
        let end = self.n_images.min(first + self.chunk_blocks * LANES);
        let indices: Vec<u32> = (first as u32..end as u32).collect();
        let images = load_images(program.network(), &self.data.inputs(), &indices);
        let groups = images.rows.par_chunks(self.group_blocks * program.n_input_rows()).zip(buffers);
        groups.for_each(|(rows, buffers)| {
            buffers.load(program, rows);
            run_blocks_to(program, packed, node, buffers);
        });
    }

    /// The samples of the chunk that was [run](Self::run), in panels of values, `[panel][sample]`; what fills up the last
    /// panel and the last block of images is zero. Returns their number, with those that fill up.
    pub(super) fn gather(&self, chunk: usize, side: Side, panels: &mut Vec<[f32; B_UNITS]>) -> usize {
        let places = self.places(chunk);
        let n_samples = places.len() * LANES;
        panels.resize(self.n_values(side).div_ceil(B_UNITS) * n_samples, [0.0; B_UNITS]);
        panels.par_chunks_mut(n_samples).enumerate().for_each(|(index, panel)| {
            for (place, samples) in places.iter().zip(panel.chunks_exact_mut(LANES)) {
                let block = self.block(place.block, side);
                for unit in 0..B_UNITS {
                    let row = self.row(side, index * B_UNITS + unit, place.at);
                    let row = row.map_or([0.0; LANES], |row| block[row]);
                    for (sample, value) in samples.iter_mut().zip(row) {
                        sample[unit] = value;
                    }
                }
                samples[place.n_images..].fill([0.0; B_UNITS]);
            }
        });
        n_samples
    }

    fn node(&self, side: Side) -> NodeId {
        match side {
            Side::Inputs => self.input,
            Side::Outputs => self.output,
        }
    }

    /// The node's values of a block of the chunk, `[h][w][c]`.
    fn block(&self, block: usize, side: Side) -> &[Row] {
        let [c, h, w] = match side {
            Side::Inputs => self.geometry.input,
            Side::Outputs => self.geometry.output,
        };
        let group = self.buffers[block / self.group_blocks].values(&self.program, self.node(side)).unwrap_or(&[]);
        &group[block % self.group_blocks * c * h * w..][..c * h * w]
    }

    /// Where value number `index` of a sample stands in its block; `None` in the padding and behind the last value.
    fn row(&self, side: Side, index: usize, [y, x]: [usize; 2]) -> Option<usize> {
        if self.n_values(side) <= index {
            return None;
        }
        let geometry = &self.geometry;
        match side {
            Side::Outputs => Some((y * geometry.output[2] + x) * geometry.output[0] + index),
            Side::Inputs => {
                let [height, width] = geometry.kernel;
                let taps = [index / width % height, index % width];
                let is_inside = geometry.taps(0, y).contains(&taps[0]) && geometry.taps(1, x).contains(&taps[1]);
                let place = |axis: usize, position| geometry.place(axis, position, taps[axis]);
                is_inside.then(|| {
                    (place(0, y) * geometry.input[2] + place(1, x)) * geometry.input[0] + index / (height * width)
                })
            }
        }
    }

    fn places(&self, chunk: usize) -> Vec<Place> {
        let [_, height, width] = self.geometry.output;
        let first = chunk * self.chunk_blocks;
        let end = self.n_images.div_ceil(LANES).min(first + self.chunk_blocks);
        let of_block = |block: usize| {
            let n_images = LANES.min(self.n_images - block * LANES);
            // Evenly over the map, and from block to block one further on.
            (0..self.n_places).map(move |i| {
                let at = (block + i * height * width / self.n_places) % (height * width);
                Place { block: block - first, n_images, at: [at / width, at % width] }
            })
        };
        (first..end).flat_map(of_block).collect()
    }
}

/// Places of an image's map that are sampled: all, or as many as make [`MAX_SAMPLES`] in all images.
fn places_an_image(geometry: &ConvGeometry, n_images: usize) -> usize {
    let map = geometry.output[1] * geometry.output[2];
    (MAX_SAMPLES / n_images.max(1)).clamp(1, MAX_PLACES).min(map)
}

/// Where a layer reads: a linear layer is a convolution of one place.
pub(super) fn geometry(network: &Network, layer: &SequenceLayer) -> ConvGeometry {
    let [input, output] = [layer.input, layer.node].map(|node| map_shape(&network.nodes()[node.0].shape));
    match layer.window {
        None => ConvGeometry::linear(input[0], output[0]),
        Some(ConvWindow { kernel, stride, padding, dilation }) => {
            ConvGeometry { input, output, kernel, stride, padding, dilation, groups: 1 }
        }
    }
}

/// Inputs of a unit of a layer.
pub(super) fn n_inputs(geometry: &ConvGeometry) -> usize {
    geometry.input[0] * geometry.kernel[0] * geometry.kernel[1]
}

/// Samples of a layer over `n_images` images.
pub(super) fn n_samples(geometry: &ConvGeometry, n_images: usize) -> usize {
    n_images * places_an_image(geometry, n_images)
}
