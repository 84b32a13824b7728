//! Responses of units on the CPU by [`super::lanes`].
//!
//! Agrees with `excite_tensors.rs` but for rounding.

use rayon::prelude::*;

use super::evaluate::DataRef;
use super::evaluate_lanes::{block_images_of, load_images};
use super::excite::{ExciteSpec, Responses, channels_of};
use super::lanes::{BatchNormMode, Buffers, LANES, Packed, Program, Row, group_blocks, map_shape, run_blocks_to};
use crate::net::{NodeId, Reading};

/// What computes the responses of some units of A and aligned B.
pub(super) struct LanesResponses {
    program: Program,
    packed: [Packed; 2],
    node: NodeId,
    channels: Vec<usize>,
    block_images: usize,
}

impl LanesResponses {
    pub(super) fn new(spec: &ExciteSpec, reading: &Reading) -> Self {
        let program = Program::new(&spec.network, BatchNormMode::Known, &[reading.node]);
        Self {
            packed: [&spec.a, &spec.aligned].map(|params| Packed::new(&program, params)),
            node: reading.node,
            channels: channels_of(spec, reading),
            block_images: block_images_of(&spec.network),
            program,
        }
    }

    pub(super) fn block_images(&self) -> usize {
        self.block_images
    }

    /// Of A and of aligned B.
    pub(super) fn responses(&self, data: &DataRef, indices: &[u32]) -> [Responses; 2] {
        let program = &self.program;
        let images = load_images(program.network(), &data.inputs(), indices);
        let n_blocks = images.n_images.div_ceil(LANES);
        let blocks = group_blocks(n_blocks, rayon::current_num_threads());
        let run_group = |buffers: &mut Buffers, rows: &[Row]| {
            self.packed.each_ref().map(|packed| {
                buffers.load(program, rows);
                run_blocks_to(program, packed, self.node, buffers);
                self.of_blocks(buffers.values(program, self.node).unwrap_or(&[]))
            })
        };
        let groups = images.rows.par_chunks(blocks * program.n_input_rows());
        let found: Vec<[Vec<Vec<[Row; 2]>>; 2]> =
            groups.map_init(|| Buffers::new(program, blocks), run_group).collect();
        [0, 1].map(|network| {
            let blocks: Vec<&Vec<[Row; 2]>> = found.iter().flat_map(|group| &group[network]).collect();
            let of = |which: usize| {
                let unit = |unit: usize| blocks.iter().flat_map(move |block| block[unit][which]).take(indices.len());
                (0..self.channels.len()).flat_map(unit).collect()
            };
            Responses { peaks: of(0), means: of(1) }
        })
    }

    /// For each block and unit the peak and the mean of its images, from the node's values `[block][h][w][c]`.
    fn of_blocks(&self, values: &[Row]) -> Vec<Vec<[Row; 2]>> {
        let [n_channels, height, width] = map_shape(&self.program.network().nodes()[self.node.0].shape);
        let n_pixels = height * width;
        let of_unit = |rows: &[Row], channel: usize| {
            let (mut peak, mut mean) = ([f32::NEG_INFINITY; LANES], [0.0_f32; LANES]);
            for row in rows.iter().skip(channel).step_by(n_channels) {
                for lane in 0..LANES {
                    peak[lane] = peak[lane].max(row[lane]);
                    mean[lane] += row[lane];
                }
            }
            [peak, mean.map(|sum| sum / n_pixels as f32)]
        };
        let blocks = values.chunks_exact((n_pixels * n_channels).max(1));
        blocks.map(|rows| self.channels.iter().map(|&channel| of_unit(rows, channel)).collect()).collect()
    }
}
