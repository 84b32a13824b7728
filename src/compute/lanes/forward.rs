//! Carries out the steps of a program for a few blocks of images at a time.

use std::ops::Range;

use super::activation::activate;
use super::conv::convolve;
use super::norm::normalise;
use super::packed::{Packed, StepParams};
use super::pointwise::{add, apply_affine, copy_channels, flatten, scale};
use super::pool::{Pooling, Windows, pool};
use super::program::{Program, Step, works_in_place};
use super::{LANES, Row};
use crate::net::op::adaptive_bin;
use crate::net::{NodeId, Op};

/// Most blocks that go through a network together: they share the reading of its weights.
const MAX_GROUP: usize = 8;

/// Blocks that one thread best takes at a time when `n_blocks` are shared by `n_threads`. Even, since the kernels work on
/// pairs of blocks.
pub(crate) fn group_blocks(n_blocks: usize, n_threads: usize) -> usize {
    n_blocks.div_ceil(n_threads.max(1)).next_multiple_of(2).clamp(2, MAX_GROUP)
}

/// The values of all nodes that are alive, for a few blocks.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    n_blocks: usize,
    slots: Vec<Vec<Row>>,
}

impl Buffers {
    pub(crate) fn new(program: &Program, n_blocks: usize) -> Self {
        let slots = program.slots.iter().map(|n_rows| vec![[0.0; LANES]; n_rows * n_blocks]).collect();
        Self { n_blocks, slots }
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.n_blocks
    }

    /// Puts images in: `[block][h][w][c]` of as many blocks as the buffers hold, or fewer, which are then all that count.
    pub(crate) fn load(&mut self, program: &Program, images: &[Row]) {
        self.n_blocks = images.len() / program.n_input_rows();
        self.slots[0][..images.len()].copy_from_slice(images);
    }

    /// The logits `[block][class]` once all steps are done.
    pub(crate) fn logits(&self, program: &Program) -> &[Row] {
        self.values(program, program.output_node()).unwrap_or(&[])
    }

    /// The values `[block][h][w][c]` of a node that the program keeps.
    pub(crate) fn values(&self, program: &Program, node: NodeId) -> Option<&[Row]> {
        program.place(node).map(|slot| &self.slots[slot][..self.n_blocks * program.n_rows(node)])
    }

    /// The first input of a step, `[block][h][w][c]`.
    pub(super) fn input(&self, program: &Program, step: &Step) -> &[Row] {
        &self.slots[step.inputs[0]][..self.n_blocks * program.input_shape(step).iter().product::<usize>()]
    }
}

/// All steps, on images that were put in.
pub(crate) fn run_blocks(program: &Program, params: &Packed, buffers: &mut Buffers) {
    run_steps(program, params, 0..program.steps.len(), buffers);
}

/// The steps up to a node that the program keeps.
pub(crate) fn run_blocks_to(program: &Program, params: &Packed, node: NodeId, buffers: &mut Buffers) {
    run_steps(program, params, 0..program.n_steps_to(node), buffers);
}

/// Some of the steps.
pub(super) fn run_steps(program: &Program, params: &Packed, steps: Range<usize>, buffers: &mut Buffers) {
    for index in steps {
        let step = &program.steps[index];
        let mut output = std::mem::take(&mut buffers.slots[step.output]);
        let n_rows = buffers.n_blocks * program.n_rows(step.node);
        run_step(program, step, &params.steps[index], buffers, &mut output[..n_rows]);
        buffers.slots[step.output] = output;
    }
}

fn run_step(program: &Program, step: &Step, params: &StepParams, buffers: &Buffers, output: &mut [Row]) {
    let node = &program.network().nodes()[step.node.0];
    let input = |i: usize| -> &[Row] {
        let n_rows = program.n_rows(node.inputs[i]);
        &buffers.slots[step.inputs[i]][..buffers.n_blocks * n_rows]
    };
    let residual = step.residual.map(|slot| &buffers.slots[slot][..output.len()]);
    if works_in_place(&node.op) && step.inputs[0] != step.output {
        output.copy_from_slice(input(0));
    }
    let shape = program.input_shape(step);
    let [n_in, n_out] = [shape[0], program.shape(step.node)[0]];
    let block_rows = program.n_rows(step.node);
    let in_blocks = || input(0).chunks_exact(shape.iter().product());
    match (&node.op, params) {
        (Op::Conv2d { .. } | Op::Linear { .. }, StepParams::Conv(geometry, weights)) => {
            convolve(geometry, weights, input(0), residual, step.relu, output);
        }
        (Op::BatchNorm { .. }, StepParams::Affine(affine)) => apply_affine(affine, residual, step.relu, output),
        (Op::LayerNorm { eps, .. }, StepParams::Affine(affine)) => {
            output.chunks_exact_mut(block_rows).for_each(|rows| normalise(affine, *eps, n_in, n_in, rows));
        }
        (Op::GroupNorm { n_groups, eps, .. }, StepParams::Affine(affine)) => {
            let run = n_in / n_groups;
            output.chunks_exact_mut(block_rows).for_each(|rows| normalise(affine, *eps, run, n_in, rows));
        }
        (Op::Activation(activation), _) => activate(*activation, output),
        (Op::Add, _) => {
            let others: Vec<&[Row]> = (1..node.inputs.len()).map(input).collect();
            add(&others, step.relu, output);
        }
        (Op::Scale(factor), _) => scale(*factor, output),
        (Op::Flatten, _) => {
            in_blocks().zip(output.chunks_exact_mut(block_rows)).for_each(|(x, y)| flatten(shape, x, y));
        }
        (Op::Concat, _) => {
            let mut to = 0;
            for (i, &id) in node.inputs.iter().enumerate() {
                let n = program.shape(id)[0];
                copy_channels(input(i), [n, 0], output, [n_out, to], n);
                to += n;
            }
        }
        (Op::Slice { start, .. }, _) => copy_channels(input(0), [n_in, *start], output, [n_out, 0], n_out),
        (Op::Pad { before, .. }, _) => {
            output.fill([0.0; LANES]);
            copy_channels(input(0), [n_in, 0], output, [n_out, *before], n_in);
        }
        (op, _) => {
            if let Some((pooling, windows)) = pooling_of(op, shape) {
                for (x, y) in in_blocks().zip(output.chunks_exact_mut(block_rows)) {
                    pool(pooling, [&windows[0], &windows[1]], [n_in, shape[2]], x, y);
                }
            }
        }
    }
}

/// The windows of a pooling on a map, vertical and horizontal; `None` for other operations.
fn pooling_of(op: &Op, [_, height, width]: [usize; 3]) -> Option<(Pooling, [Windows; 2])> {
    let sides = [(0, height), (1, width)];
    let bins = |size: &[usize; 2]| {
        sides.map(|(axis, length)| {
            let bin = |bin| adaptive_bin(bin, size[axis], length);
            Windows((0..size[axis]).map(|i| (bin(i), bin(i).len())).collect())
        })
    };
    match op {
        Op::MaxPool(window) | Op::AvgPool { window, .. } => {
            let count_padding = matches!(op, Op::AvgPool { count_padding: true, .. });
            let windows = sides.map(|(axis, length)| {
                let one = |position| {
                    let covered = window.covered(axis, position, length);
                    let n = if count_padding { window.counted(axis, position, length) } else { covered.len() };
                    (covered, n)
                };
                Windows((0..window.positions(axis, length).unwrap_or(0)).map(one).collect())
            });
            let is_max = matches!(op, Op::MaxPool(_));
            Some((if is_max { Pooling::Max } else { Pooling::Mean }, windows))
        }
        Op::AdaptiveMaxPool { size } => Some((Pooling::Max, bins(size))),
        Op::AdaptiveAvgPool { size } => Some((Pooling::Mean, bins(size))),
        _ => None,
    }
}
