//! Element-wise functions on vectors.

use macerator::{AutoArch, Scalar as _, Simd, Vector, WithSimd};

use super::super::simd::{exp_of_negative, lanes, load, relu, store};
use super::Row;
use crate::net::Activation;

/// Applies an activation to every value.
pub(super) fn activate(activation: Activation, rows: &mut [Row]) {
    AutoArch::new().dispatch(Activate { activation, rows });
}

struct Activate<'a> {
    activation: Activation,
    rows: &'a mut [Row],
}

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { activation, rows } = self;
        match activation {
            Activation::Relu => each::<S>(rows, relu),
            Activation::LeakyRelu(slope) => each::<S>(rows, |x| x.lt(number::<S>(0.0)).select(x * number(slope), x)),
            Activation::Gelu => each::<S>(rows, gelu),
            Activation::GeluTanh => each::<S>(rows, gelu_tanh),
            Activation::Silu => each::<S>(rows, |x| x * sigmoid(x)),
            Activation::Tanh => each::<S>(rows, tanh),
            Activation::Sigmoid => each::<S>(rows, sigmoid),
        }
    }
}

#[inline(always)]
fn each<S: Simd>(rows: &mut [Row], function: impl Fn(Vector<S, f32>) -> Vector<S, f32>) {
    for values in rows.as_flattened_mut().chunks_exact_mut(lanes::<S>()) {
        let result = function(load(values));
        store(values, result);
    }
}

#[inline(always)]
fn number<S: Simd>(value: f32) -> Vector<S, f32> {
    value.splat::<S>()
}

/// `1 / (1 + exp(-x))`, from the exponential of a negative number, which cannot overflow.
#[inline(always)]
fn sigmoid<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    let e = exp_of_negative(number::<S>(0.0) - x.abs());
    let numerator = x.lt(number(0.0)).select(e, number(1.0));
    numerator / (e + number(1.0))
}

/// From `exp(-2|x|)`; near zero, where that cancels, from the series.
#[inline(always)]
fn tanh<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    let size = x.abs();
    let e = exp_of_negative(size * number::<S>(-2.0));
    let far = (number::<S>(1.0) - e) / (number::<S>(1.0) + e);
    let far = x.lt(number(0.0)).select(number::<S>(0.0) - far, far);
    let square = x * x;
    let series = square.mul_add(number(2.0 / 15.0), number(-1.0 / 3.0));
    let near = (series * square).mul_add(x, x);
    size.lt(number(0.1)).select(near, far)
}

/// `x Phi(x)`. The complementary error function is Abramowitz & Stegun 7.1.26, to 1.5e-7.
#[inline(always)]
fn gelu<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    let size = x.abs() * number(std::f32::consts::FRAC_1_SQRT_2);
    let t = number::<S>(1.0) / size.mul_add(number(0.327_591_1), number(1.0));
    let mut sum = number::<S>(1.061_405_4);
    for coefficient in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        sum = sum.mul_add(t, number(coefficient));
    }
    let tail = sum * t * exp_of_negative(number::<S>(0.0) - size * size) * x * number(0.5);
    x.lt(number(0.0)).select(tail, x - tail)
}

/// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
#[inline(always)]
fn gelu_tanh<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let cubic = (x * x).mul_add(number(0.044_715), number(1.0)) * x;
    let half = x * number(0.5);
    half.mul_add(tanh(cubic * number(SQRT_2_OVER_PI)), half)
}
