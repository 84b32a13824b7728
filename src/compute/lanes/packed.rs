//! The parameters of one point of weight space, laid out for a program.

use super::conv::{ConvGeometry, ConvWeights};
use super::program::{Program, Step};
use crate::net::{Op, ParamId, ParamVec};

/// What each step of a program multiplies with and adds.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) steps: Vec<StepParams>,
}

#[derive(Clone, Debug)]
pub(super) enum StepParams {
    None,
    Conv(ConvGeometry, ConvWeights),
    /// A factor and a summand for each channel; for layer norm one for each row.
    Affine(Affine),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Affine {
    pub(super) factor: Vec<f32>,
    pub(super) summand: Vec<f32>,
}

impl Packed {
    /// Lays out `params` for `program`; batch norm takes its statistics from them.
    pub fn new(program: &Program, params: &ParamVec) -> Self {
        Self { steps: program.steps.iter().map(|step| pack(program, step, params)).collect() }
    }
}

fn pack(program: &Program, step: &Step, params: &ParamVec) -> StepParams {
    let nodes = program.network().nodes();
    let values = |id: &Option<ParamId>| id.map(|id| params.tensor(id));
    match &nodes[step.node.0].op {
        Op::Conv2d { weight, bias, .. } | Op::Linear { weight, bias } => {
            let geometry = geometry(program, step);
            let norm = step.norm.and_then(|norm| batch_norm(&nodes[norm.0].op, params));
            let bias = |unit: usize| values(bias).map_or(0.0, |bias| bias[unit]);
            let weight = params.tensor(*weight);
            let weights = match norm {
                Some(Affine { factor, summand }) => {
                    let bias = |unit: usize| bias(unit).mul_add(factor[unit], summand[unit]);
                    ConvWeights::new(&geometry, weight, bias, |unit| factor[unit])
                }
                None => ConvWeights::new(&geometry, weight, bias, |_| 1.0),
            };
            StepParams::Conv(geometry, weights)
        }
        op @ Op::BatchNorm { .. } => batch_norm(op, params).map_or(StepParams::None, StepParams::Affine),
        Op::LayerNorm { scale, shift, .. } => {
            let [c, h, w] = program.input_shape(step);
            let in_rows = |values: Option<&[f32]>, default: f32| -> Vec<f32> {
                let at = |row: usize| values.map_or(default, |v| v[row % c * h * w + row / c]);
                (0..c * h * w).map(at).collect()
            };
            StepParams::Affine(Affine { factor: in_rows(values(scale), 1.0), summand: in_rows(values(shift), 0.0) })
        }
        Op::GroupNorm { scale, shift, .. } => {
            let n_units = program.input_shape(step)[0];
            let or = |v: Option<&[f32]>, default: f32| v.map_or_else(|| vec![default; n_units], <[f32]>::to_vec);
            StepParams::Affine(Affine { factor: or(values(scale), 1.0), summand: or(values(shift), 0.0) })
        }
        _ => StepParams::None,
    }
}

fn geometry(program: &Program, step: &Step) -> ConvGeometry {
    let [input, output] = [program.input_shape(step), program.shape(step.node)];
    let node = &program.network().nodes()[step.node.0];
    match node.op {
        Op::Conv2d { weight, stride, padding, dilation, groups, .. } => {
            let shape = &program.network().layout().spec(weight).shape;
            ConvGeometry { input, output, kernel: [shape[2], shape[3]], stride, padding, dilation, groups }
        }
        _ => ConvGeometry::linear(input[0], output[0]),
    }
}

/// Batch norm with the statistics in `params`; `None` for other operations.
fn batch_norm(op: &Op, params: &ParamVec) -> Option<Affine> {
    let &Op::BatchNorm { mean, var, .. } = op else {
        return None;
    };
    let widen = |id| params.tensor(id).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    affine_of_statistics(op, params, &widen(mean), &widen(var))
}

/// Batch norm with these statistics; `None` for other operations.
pub(super) fn affine_of_statistics(op: &Op, params: &ParamVec, mean: &[f64], var: &[f64]) -> Option<Affine> {
    let &Op::BatchNorm { scale, shift, eps, .. } = op else {
        return None;
    };
    let mut affine = Affine::default();
    for (unit, (mean, var)) in mean.iter().zip(var).enumerate() {
        let at = |id: Option<ParamId>, default: f64| id.map_or(default, |id| f64::from(params.tensor(id)[unit]));
        let factor = at(scale, 1.0) / (var + f64::from(eps)).sqrt();
        affine.factor.push(factor as f32);
        affine.summand.push((at(shift, 0.0) - mean * factor) as f32);
    }
    Some(affine)
}
