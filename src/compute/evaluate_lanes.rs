//! Evaluation of any network on the CPU by [`super::lanes`]: a point at a time, the blocks of images on all cores.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::evaluate::DataRef;
use super::lanes::{
    BatchNormMode, Buffers, LANES, Packed, Program, Row, StatisticsRun, group_blocks, map_shape, run_blocks,
};
use super::score::Score;
use super::score_rows::score_rows;
use crate::data::Inputs;
use crate::net::{Network, ParamVec};

/// Multiplications of one point on the images that are loaded together: about a tenth of a second on two cores, so that
/// whoever wants something else need not wait.
const BLOCK_PRODUCTS: usize = 10_000_000_000;
const BLOCK_IMAGES: std::ops::RangeInclusive<usize> = 64..=1024;

/// A network and a basis of its weight space.
pub(super) struct Lanes {
    program: Program,
    basis: Vec<Arc<ParamVec>>,
    measured: Option<MeasuredStatistics>,
}

/// Images in the lanes layout and their labels.
pub(super) struct LanesBlock {
    images: Images,
    labels: Vec<u16>,
}

/// `[block][h][w][c]`, of which the first `n_images` count.
#[derive(Clone)]
pub(super) struct Images {
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) n_images: usize,
}

/// Statistics of batch norm at points of weight space, measured when a point is first wanted.
struct MeasuredStatistics {
    program: Arc<Program>,
    images: Images,
    /// By the bits of the point's coefficients: the parameters that are not trained.
    known: HashMap<Vec<u64>, Vec<f32>>,
    /// The point at work.
    running: Option<(Vec<u64>, StatisticsRun)>,
}

impl Lanes {
    /// `recompute`: images on which the statistics of batch norm are measured at each point.
    pub(super) fn new(network: &Arc<Network>, basis: &[Arc<ParamVec>], recompute: Option<&DataRef>) -> Self {
        let measured = recompute.filter(|_| network.layout().has_statistics()).map(|data| {
            let indices: Vec<u32> = (0..data.n_images() as u32).collect();
            MeasuredStatistics {
                program: Arc::new(Program::new(network, BatchNormMode::Measured, &[])),
                images: load_images(network, &data.inputs(), &indices),
                known: HashMap::new(),
                running: None,
            }
        });
        Self { program: Program::new(network, BatchNormMode::Known, &[]), basis: basis.to_vec(), measured }
    }

    /// Images that are best loaded together.
    pub(super) fn block_images(&self) -> usize {
        block_images(&self.program)
    }

    pub(super) fn load(&self, data: &DataRef, indices: &[u32]) -> LanesBlock {
        let inputs = data.inputs();
        LanesBlock {
            images: load_images(self.program.network(), &inputs, indices),
            labels: indices.iter().map(|&index| inputs.label(index as usize)).collect(),
        }
    }

    /// Measures what the point `coefficients` needs, until `deadline`, at least a little; whether it can be scored.
    pub(super) fn prepare(&mut self, coefficients: &[f64], deadline: Instant) -> bool {
        let Some(measured) = &mut self.measured else {
            return true;
        };
        let key = key_of(coefficients);
        if measured.known.contains_key(&key) {
            return true;
        }
        let mut run = match measured.running.take() {
            Some((running, run)) if running == key => run,
            _ => {
                let params = ParamVec::combination(&self.basis, coefficients);
                let Images { rows, n_images } = measured.images.clone();
                StatisticsRun::new(Arc::clone(&measured.program), params, rows, n_images)
            }
        };
        if !run.step(deadline) {
            measured.running = Some((key, run));
            return false;
        }
        let params = run.into_params();
        measured.known.insert(key, params.values()[params.layout().n_trained()..].to_vec());
        true
    }

    /// One score a point, over all images of the block; each point was prepared.
    pub(super) fn score(&self, block: &LanesBlock, points: &[&[f64]]) -> Vec<Score> {
        points.iter().map(|coefficients| self.score_point(block, &self.params(coefficients))).collect()
    }

    /// The point `coefficients`, with the statistics that were measured for it.
    pub(super) fn params(&self, coefficients: &[f64]) -> ParamVec {
        let mut params = ParamVec::combination(&self.basis, coefficients);
        let statistics = self.measured.as_ref().and_then(|measured| measured.known.get(&key_of(coefficients)));
        if let Some(statistics) = statistics {
            let n_trained = params.layout().n_trained();
            params.values_mut()[n_trained..].copy_from_slice(statistics);
        }
        params
    }

    fn score_point(&self, block: &LanesBlock, params: &ParamVec) -> Score {
        let program = &self.program;
        let n_classes = program.network().n_classes();
        let score_group = |buffers: &Buffers, labels: &[u16]| -> Vec<Score> {
            let blocks = buffers.logits(program).chunks_exact(n_classes).zip(labels.chunks(LANES));
            blocks.map(|(logits, labels)| AutoArch::new().dispatch(ScoreBlock { logits, labels })).collect()
        };
        let packed = Packed::new(program, params);
        let parts = run_images(program, &packed, &block.images, |first, buffers| {
            score_group(buffers, &block.labels[first * LANES..])
        });
        // Blocks are added in their order whatever thread computed them: the same sums every time.
        let mut total = Score::default();
        parts.into_iter().flatten().for_each(|part| total.add(part));
        total
    }
}

/// Images that are best sent through a network together, so that whoever waits does not wait long.
pub(super) fn block_images_of(network: &Arc<Network>) -> usize {
    block_images(&Program::new(network, BatchNormMode::Known, &[]))
}

fn block_images(program: &Program) -> usize {
    let images = BLOCK_PRODUCTS / program.n_products().max(1);
    images.next_multiple_of(2 * LANES).clamp(*BLOCK_IMAGES.start(), *BLOCK_IMAGES.end())
}

/// One network with its weights laid out, for as many images as come.
pub(super) struct LanesClassifier {
    program: Program,
    packed: Packed,
}

impl LanesClassifier {
    pub(super) fn new(network: &Arc<Network>, params: &ParamVec) -> Self {
        let program = Program::new(network, BatchNormMode::Known, &[]);
        let packed = Packed::new(&program, params);
        Self { program, packed }
    }

    pub(super) fn network(&self) -> &Network {
        self.program.network()
    }

    /// `[indices.len(), n_classes]`, row-major.
    pub(super) fn logits(&self, data: &DataRef, indices: &[u32]) -> Vec<f32> {
        let Self { program, packed } = self;
        let images = load_images(program.network(), &data.inputs(), indices);
        let n_classes = program.network().n_classes();
        let parts = run_images(program, packed, &images, |_, buffers| {
            let blocks = buffers.logits(program).chunks_exact(n_classes);
            let of_block =
                |rows: &[Row]| (0..LANES).flat_map(|i| rows.iter().map(|row| row[i]).collect::<Vec<_>>()).collect();
            blocks.map(of_block).collect::<Vec<Vec<f32>>>()
        });
        let mut logits: Vec<f32> = parts.into_iter().flatten().flatten().collect();
        logits.truncate(indices.len() * n_classes);
        logits
    }
}

/// Sends images through a network on all cores; `read` gets the number of the first block of each group and what is left when
/// it is through.
fn run_images<T: Send>(
    program: &Program,
    packed: &Packed,
    images: &Images,
    read: impl Fn(usize, &Buffers) -> T + Sync,
) -> Vec<T> {
    let n_blocks = images.n_images.div_ceil(LANES);
    let blocks = group_blocks(n_blocks, rayon::current_num_threads());
    let groups = images.rows.par_chunks(blocks * program.n_input_rows()).enumerate();
    let run_group = |buffers: &mut Buffers, (index, rows): (usize, &[Row])| {
        buffers.load(program, rows);
        run_blocks(program, packed, buffers);
        read(index * blocks, buffers)
    };
    groups.map_init(|| Buffers::new(program, blocks), run_group).collect()
}

/// Images in blocks; those that fill up the last one are zero.
pub(super) fn load_images(network: &Network, inputs: &Inputs<'_>, indices: &[u32]) -> Images {
    let [channels, height, width] = map_shape(network.input_shape());
    let n_pixels = height * width;
    let mut rows = vec![[0.0; LANES]; indices.len().div_ceil(LANES) * channels * n_pixels];
    let load_block = |image: &mut Vec<f32>, (rows, indices): (&mut [Row], &[u32])| {
        for (lane, &index) in indices.iter().enumerate() {
            inputs.read(index as usize, image);
            for (place, &value) in image.iter().enumerate() {
                rows[place % n_pixels * channels + place / n_pixels][lane] = value;
            }
        }
    };
    let blocks = rows.par_chunks_mut(channels * n_pixels).zip(indices.par_chunks(LANES));
    blocks.for_each_init(|| vec![0.0; channels * n_pixels], load_block);
    Images { rows: Arc::new(rows), n_images: indices.len() }
}

fn key_of(coefficients: &[f64]) -> Vec<u64> {
    coefficients.iter().map(|c| c.to_bits()).collect()
}

/// The score of one block.
struct ScoreBlock<'a> {
    logits: &'a [Row],
    labels: &'a [u16],
}

impl WithSimd for ScoreBlock<'_> {
    type Output = Score;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Score {
        score_rows::<S, LANES>(self.logits, self.labels)
    }
}
