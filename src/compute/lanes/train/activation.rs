//! Element-wise functions and their derivatives.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use rayon::prelude::*;

use super::Row;
use crate::net::Activation;

/// Rows that a thread takes at a time.
const CHUNK: usize = 1024;
/// GELU's tanh approximation: `0.5 x (1 + tanh(sqrt(2 / pi) (x + CUBIC x^3)))`.
const CUBIC: f32 = 0.044_715;
const SQRT_2_OVER_PI: f32 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// Applies `activation` to every value.
pub(super) fn forward(activation: Activation, values: &mut [Row]) {
    match activation {
        Activation::Relu => map(values, |x| if x < 0.0 { 0.0 } else { x }),
        Activation::LeakyRelu(slope) => map(values, |x| if x < 0.0 { slope * x } else { x }),
        Activation::Gelu => map(values, |x| x * normal_distribution(x)),
        Activation::GeluTanh => map(values, |x| 0.5 * x * (1.0 + inner(x).tanh())),
        Activation::Silu => map(values, |x| x * sigmoid(x)),
        Activation::Tanh => map(values, f32::tanh),
        Activation::Sigmoid => map(values, sigmoid),
    }
}

/// Multiplies the gradient with the derivative at `x`. For a ReLU `x` may be its output instead of its input.
pub(super) fn backward(activation: Activation, x: &[Row], gradient: &mut [Row]) {
    match activation {
        Activation::Relu => chain(x, gradient, |x| if 0.0 < x { 1.0 } else { 0.0 }),
        Activation::LeakyRelu(slope) => chain(x, gradient, |x| if 0.0 < x { 1.0 } else { slope }),
        Activation::Gelu => chain(x, gradient, |x| {
            let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (-0.5 * x * x).exp();
            normal_distribution(x) + x * density
        }),
        Activation::GeluTanh => chain(x, gradient, |x| {
            let t = inner(x).tanh();
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x)
        }),
        Activation::Silu => chain(x, gradient, |x| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))),
        Activation::Tanh => chain(x, gradient, |x| 1.0 - x.tanh().powi(2)),
        Activation::Sigmoid => chain(x, gradient, |x| sigmoid(x) * (1.0 - sigmoid(x))),
    }
}

fn normal_distribution(x: f32) -> f32 {
    0.5 * (1.0 + libm::erff(x * FRAC_1_SQRT_2))
}

fn inner(x: f32) -> f32 {
    SQRT_2_OVER_PI * (x + CUBIC * x * x * x)
}

fn sigmoid(x: f32) -> f32 {
    (1.0 + (-x).exp()).recip()
}

fn map(values: &mut [Row], function: impl Fn(f32) -> f32 + Sync) {
    values.par_chunks_mut(CHUNK).for_each(|rows| {
        rows.iter_mut().for_each(|row| row.0 = row.0.map(&function));
    });
}

fn chain(x: &[Row], gradient: &mut [Row], derivative: impl Fn(f32) -> f32 + Sync) {
    gradient.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(gradient, x)| {
        for (gradient, x) in gradient.iter_mut().zip(x) {
            for (gradient, &x) in gradient.0.iter_mut().zip(&x.0) {
                *gradient *= derivative(x);
            }
        }
    });
}
