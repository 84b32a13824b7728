//! Batch norm's statistics at one point of weight space, measured in one pass over some images.
//!
//! The pass cannot score the point as well, not even where the very images are scored that it measures on. While it measures,
//! each batch norm divides by the variance of its images; the network that is scored divides by the running variance, which
//! PyTorch stores without bias: larger by n / (n - 1), where n is images times pixels. That is 5e-4 for 2,048 flat inputs and
//! 8e-6 for 2,048 maps of 8x8, in every layer, where rounding is 6e-8: other logits. What is the same is what lies before
//! the first batch norm, a ResNet-20's stem with 1 % of its products, and it is not worth keeping.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use super::forward::{Buffers, group_blocks, run_steps};
use super::norm::ChannelMoments;
use super::packed::{Packed, StepParams, affine_of_statistics};
use super::program::Program;
use super::{LANES, Row};
use crate::net::{Op, ParamVec};

/// What the values of all images that are normalised together may fill.
const SET_BYTES: usize = 1 << 30;

/// Measures every batch norm over all images at once: they all go as far as a batch norm, its mean and variance are taken over
/// images and pixels, then they are normalised by them (by the biased variance, as PyTorch does in training) and go on.
///
/// Where not all images fit into memory, equal sets of them are normalised each by its own statistics; what comes out is their
/// average. The result does not depend on the number of threads or on how the work is cut into slices.
pub(crate) struct StatisticsRun {
    program: Arc<Program>,
    params: ParamVec,
    packed: Packed,
    images: Arc<Vec<Row>>,
    n_images: usize,
    /// Blocks of the sets, and the one at work.
    sets: Vec<Range<usize>>,
    set: usize,
    /// The steps that are batch norms, and which of them is at work.
    norms: Vec<usize>,
    norm: usize,
    /// The set's blocks on their way, and how many groups are before the batch norm already.
    groups: Vec<Buffers>,
    next_group: usize,
    moments: ChannelMoments,
    /// For each batch norm the means and unbiased variances, summed over the sets before by their shares of the images.
    totals: Vec<[Vec<f64>; 2]>,
}

impl StatisticsRun {
    /// `program`: with measured batch norms. `images`: `[block][h][w][c]`, of which the first `n_images` count.
    pub(crate) fn new(program: Arc<Program>, params: ParamVec, images: Arc<Vec<Row>>, n_images: usize) -> Self {
        let n_blocks = n_images.div_ceil(LANES);
        let n_sets = n_blocks.div_ceil((SET_BYTES / program.bytes_a_block().max(1)).max(1));
        let is_norm =
            |&step: &usize| matches!(program.network().nodes()[program.steps[step].node.0].op, Op::BatchNorm { .. });
        let norms: Vec<usize> = (0..program.steps.len()).filter(is_norm).collect();
        let mut run = Self {
            packed: Packed::new(&program, &params),
            params,
            images,
            n_images,
            sets: (0..n_sets).map(|i| i * n_blocks / n_sets..(i + 1) * n_blocks / n_sets).collect(),
            set: 0,
            totals: vec![[Vec::new(), Vec::new()]; norms.len()],
            norms,
            norm: 0,
            groups: Vec::new(),
            next_group: 0,
            moments: ChannelMoments::default(),
            program,
        };
        run.load_set();
        run
    }

    /// Works until `deadline`, at least a little; whether everything is measured.
    pub(crate) fn step(&mut self, deadline: Instant) -> bool {
        while !self.is_finished() {
            self.advance();
            if deadline <= Instant::now() {
                break;
            }
        }
        self.is_finished()
    }

    /// The parameters with the measured statistics in place of their own, once everything is measured.
    pub(crate) fn into_params(self) -> ParamVec {
        let mut params = self.params;
        for (&step, [means, vars]) in self.norms.iter().zip(self.totals) {
            if let Op::BatchNorm { mean, var, .. } = self.program.network().nodes()[self.program.steps[step].node.0].op
            {
                for (id, values) in [(mean, means), (var, vars)] {
                    params.tensor_mut(id).iter_mut().zip(values).for_each(|(p, v)| *p = v as f32);
                }
            }
        }
        params
    }

    fn is_finished(&self) -> bool {
        self.norms.is_empty() || self.set == self.sets.len()
    }

    /// Takes a few groups of blocks as far as the batch norm, and measures it when all are there.
    fn advance(&mut self) {
        let first_step = if self.norm == 0 { 0 } else { self.norms[self.norm - 1] };
        let norm = self.norms[self.norm];
        let step = &self.program.steps[norm];
        let n_channels = self.program.input_shape(step)[0];
        let end = self.groups.len().min(self.next_group + 2 * rayon::current_num_threads());
        // Images before the set, and those of each block of it that count.
        let set = &self.sets[self.set];
        let mut block = set.start + self.groups[..self.next_group].iter().map(Buffers::n_blocks).sum::<usize>();
        let mut firsts = Vec::new();
        for group in &self.groups[self.next_group..end] {
            firsts.push(block);
            block += group.n_blocks();
        }
        let (program, packed, n_images) = (&self.program, &self.packed, self.n_images);
        let measure = |(buffers, first): (&mut Buffers, usize)| -> Vec<ChannelMoments> {
            run_steps(program, packed, first_step..norm, buffers);
            let rows = buffers.input(program, step);
            let blocks = rows.chunks_exact(rows.len() / buffers.n_blocks()).enumerate();
            let counts = |index: usize| (n_images - (first + index) * LANES).min(LANES);
            blocks.map(|(index, rows)| ChannelMoments::of_block(n_channels, counts(index), rows)).collect()
        };
        let groups = self.groups[self.next_group..end].par_iter_mut().zip(firsts);
        let found: Vec<Vec<ChannelMoments>> = groups.map(measure).collect();
        for moments in found.into_iter().flatten() {
            self.moments = std::mem::take(&mut self.moments).join(moments);
        }
        self.next_group = end;
        if self.next_group == self.groups.len() {
            self.close_norm();
        }
    }

    /// All images of the set were measured: the next step normalises them.
    fn close_norm(&mut self) {
        let moments = std::mem::take(&mut self.moments);
        let norm = self.norms[self.norm];
        let op = &self.program.network().nodes()[self.program.steps[norm].node.0].op;
        if let Some(affine) = affine_of_statistics(op, &self.params, &moments.mean, &moments.variance(false)) {
            self.packed.steps[norm] = StepParams::Affine(affine);
        }
        let set = &self.sets[self.set];
        let n_images = self.n_images.min(set.end * LANES) - set.start * LANES;
        let share = n_images as f64 / self.n_images as f64;
        let found = [&moments.mean, &moments.variance(true)];
        for (total, values) in self.totals[self.norm].iter_mut().zip(found) {
            total.resize(values.len(), 0.0);
            total.iter_mut().zip(values).for_each(|(t, v)| *t += share * v);
        }
        self.next_group = 0;
        self.norm += 1;
        if self.norm == self.norms.len() {
            self.norm = 0;
            self.set += 1;
            self.load_set();
        }
    }

    /// Puts the set's images at the start.
    fn load_set(&mut self) {
        self.groups.clear();
        let Some(set) = self.sets.get(self.set) else {
            return;
        };
        let block_rows = self.program.n_input_rows();
        let rows = &self.images[set.start * block_rows..set.end * block_rows];
        let blocks = group_blocks(set.len(), rayon::current_num_threads());
        let load = |images: &[Row]| {
            let mut buffers = Buffers::new(&self.program, images.len() / block_rows);
            buffers.load(&self.program, images);
            buffers
        };
        self.groups = rows.par_chunks(blocks * block_rows).map(load).collect();
    }
}
