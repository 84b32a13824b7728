//! Sums over the activations of two networks on the CPU by [`super::lanes`]: the blocks of images on all cores, then the
//! readings.
//!
//! Agrees with `correlate_tensors.rs` but for rounding.

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::correlate::{CorrelateSpec, Images, ReadingMoments};
use super::evaluate_lanes::load_images;
use super::forward::LARGE_MAP;
use super::lanes::{
    BatchNormMode, Buffers, CrossProducts, LANES, Packed, Program, Row, Samples, group_blocks, map_shape, run_blocks,
};
use crate::net::{NodeId, Reading};

/// Multiplications of one step: about 50 ms on two cores, so that whoever cancels need not wait.
const STEP_PRODUCTS: usize = 4_000_000_000;
/// What the values of both networks that are kept for one step may fill.
const STEP_BYTES: usize = 128 << 20;
const STEP_IMAGES: usize = 512;

/// The moments of all readings of two networks.
pub(super) struct LanesMoments {
    program: Program,
    /// The weights of A and B.
    packed: [Packed; 2],
    /// The values of A and B, a group of blocks each: memory that is used again in each step.
    buffers: [Vec<Buffers>; 2],
    group_blocks: usize,
    step_images: usize,
    /// In the order of the groups and their readings.
    readings: Vec<LanesReading>,
}

/// One reading of one permutation group, and its moments.
struct LanesReading {
    group: usize,
    reading: Reading,
    /// Channels and pixels of the node's map, and those of the pixels that are samples.
    n_channels: usize,
    map_pixels: usize,
    pixels: Vec<usize>,
    /// Means of the first step's samples of A and B, one a unit; subtracted from all, which keeps sums of f32 exact enough.
    shifts: Option<[Vec<f32>; 2]>,
    products: CrossProducts,
    moments: ReadingMoments,
}

impl LanesMoments {
    pub(super) fn new(spec: &CorrelateSpec) -> Self {
        let groups = spec.readings.iter().enumerate();
        let readings: Vec<LanesReading> = groups
            .flat_map(|(index, readings)| readings.iter().map(move |reading| (index, reading)))
            .map(|(group, reading)| LanesReading::new(spec, group, reading))
            .collect();
        let nodes: Vec<NodeId> = readings.iter().map(|reading| reading.reading.node).collect();
        let program = Program::new(&spec.network, BatchNormMode::Known, &nodes);
        let step_images = step_images(&program, &readings);
        let n_blocks = step_images / LANES;
        let group_blocks = group_blocks(2 * n_blocks, rayon::current_num_threads()).min(n_blocks);
        let buffers = || vec![Buffers::new(&program, group_blocks); n_blocks.div_ceil(group_blocks)];
        Self {
            packed: [&spec.a, &spec.b].map(|params| Packed::new(&program, params)),
            buffers: [buffers(), buffers()],
            group_blocks,
            step_images,
            readings,
            program,
        }
    }

    /// Images of one step.
    pub(super) fn block_images(&self) -> usize {
        self.step_images
    }

    pub(super) fn of_group(&self, group: usize) -> Vec<&ReadingMoments> {
        let readings = self.readings.iter().filter(|reading| reading.group == group);
        readings.map(|reading| &reading.moments).collect()
    }

    /// Adds the moments over at most [`Self::block_images`] images, as A and as B sees them.
    pub(super) fn add(&mut self, images: [Images<'_>; 2]) {
        let Self { program, packed, buffers, group_blocks, readings, .. } = self;
        let program = &*program;
        let load = |images: Images<'_>| load_images(program.network(), &images.data.inputs(), images.indices);
        let of_a = load(images[0]);
        let of_b = if std::ptr::eq(images[0].data, images[1].data) { of_a.clone() } else { load(images[1]) };
        let n_images = of_a.n_images;
        let [a, b] = buffers;
        let group_rows = *group_blocks * program.n_input_rows();
        let of_a =
            of_a.rows.par_chunks(group_rows).zip(a.par_iter_mut()).map(|(rows, buffers)| (rows, &packed[0], buffers));
        let of_b =
            of_b.rows.par_chunks(group_rows).zip(b.par_iter_mut()).map(|(rows, buffers)| (rows, &packed[1], buffers));
        of_a.chain(of_b).for_each(|(rows, packed, buffers)| {
            buffers.load(program, rows);
            run_blocks(program, packed, buffers);
        });
        let n_groups = n_images.div_ceil(LANES * *group_blocks);
        let [a, b] = [&a[..n_groups], &b[..n_groups]];
        readings.par_iter_mut().for_each(|reading| {
            let groups = [a, b].map(|buffers| values(program, buffers, reading.reading.node));
            reading.add([&groups[0], &groups[1]], *group_blocks, n_images);
        });
    }
}

/// A node's values, `[block][h][w][c]`, in each group of blocks.
fn values<'a>(program: &Program, buffers: &'a [Buffers], node: NodeId) -> Vec<&'a [Row]> {
    buffers.iter().filter_map(|buffers| buffers.values(program, node)).collect()
}

/// Images of one step: whole blocks.
fn step_images(program: &Program, readings: &[LanesReading]) -> usize {
    let of_readings = readings.iter().map(|reading| reading.pixels.len() * reading.reading.channels.len().pow(2));
    let n_products = 2 * program.n_products() + of_readings.sum::<usize>();
    let by_memory = STEP_BYTES / (2 * program.bytes_a_block()).max(1) * LANES;
    (STEP_PRODUCTS / n_products.max(1)).min(by_memory).clamp(LANES, STEP_IMAGES) / LANES * LANES
}

impl LanesReading {
    fn new(spec: &CorrelateSpec, group: usize, reading: &Reading) -> Self {
        let [n_channels, height, width] = map_shape(&spec.network.nodes()[reading.node.0].shape);
        let n_units = reading.channels.len();
        let places = |length: usize| (0..length).step_by(if LARGE_MAP < length { 2 } else { 1 });
        Self {
            group,
            reading: reading.clone(),
            n_channels,
            map_pixels: height * width,
            pixels: places(height).flat_map(|y| places(width).map(move |x| y * width + x)).collect(),
            shifts: None,
            products: CrossProducts::new(n_units),
            moments: ReadingMoments::new(n_units, spec.with_null),
        }
    }

    /// Adds the moments over the node's values for A and B, by groups of blocks.
    fn add(&mut self, groups: [&[&[Row]]; 2], group_blocks: usize, n_images: usize) {
        let samples = groups.map(|groups| Samples {
            groups,
            group_blocks,
            n_channels: self.n_channels,
            map_pixels: self.map_pixels,
            pixels: &self.pixels,
            n_images,
            channels: &self.reading.channels,
            turn: 0,
        });
        let [a, b] = &*self.shifts.get_or_insert_with(|| samples.map(|samples| samples.means()));
        self.moments.count_from([a, b]);
        self.products.add(samples, [a, b], &mut self.moments.matched);
        let n_whole = n_images / LANES;
        if let Some(shuffled) = self.moments.shuffled.as_mut().filter(|_| 1 < n_whole) {
            let [of_a, of_b] = samples.map(|samples| Samples { n_images: n_whole * LANES, ..samples });
            self.products.add([of_a, Samples { turn: n_whole / 2, ..of_b }], [a, b], shuffled);
        }
    }
}
