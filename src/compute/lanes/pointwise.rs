//! Operations that take rows one by one: batch norm, addition, scaling, and moving units about.

use macerator::{AutoArch, Simd, WithSimd};

use super::packed::Affine;
use super::{LANES, Row};

/// `factor x + summand` for each channel, plus `residual`, then the ReLU.
pub(super) fn apply_affine(affine: &Affine, residual: Option<&[Row]>, relu: bool, rows: &mut [Row]) {
    AutoArch::new().dispatch(ApplyAffine { affine, residual, relu, rows });
}

struct ApplyAffine<'a> {
    affine: &'a Affine,
    residual: Option<&'a [Row]>,
    relu: bool,
    rows: &'a mut [Row],
}

impl WithSimd for ApplyAffine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { affine, residual, relu, rows } = self;
        let n = affine.factor.len();
        let apply = |x: f32, factor: f32, summand: f32| x.mul_add(factor, summand);
        let last = |x: f32| if relu && x < 0.0 { 0.0 } else { x };
        for (pixel, rows) in rows.chunks_exact_mut(n).enumerate() {
            let constants = affine.factor.iter().zip(&affine.summand);
            match residual {
                Some(residual) => {
                    let residual = &residual[pixel * n..][..n];
                    for ((row, added), (&factor, &summand)) in rows.iter_mut().zip(residual).zip(constants) {
                        for i in 0..LANES {
                            row[i] = last(apply(row[i], factor, summand) + added[i]);
                        }
                    }
                }
                None => {
                    for (row, (&factor, &summand)) in rows.iter_mut().zip(constants) {
                        for x in row {
                            *x = last(apply(*x, factor, summand));
                        }
                    }
                }
            }
        }
    }
}

/// Adds the others to `rows`, then the ReLU.
pub(super) fn add(others: &[&[Row]], relu: bool, rows: &mut [Row]) {
    AutoArch::new().dispatch(AddRows { others, relu, rows });
}

struct AddRows<'a> {
    others: &'a [&'a [Row]],
    relu: bool,
    rows: &'a mut [Row],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { others, relu, rows } = self;
        let values = rows.as_flattened_mut();
        for (index, other) in others.iter().enumerate() {
            let relu = relu && index + 1 == others.len();
            for (x, added) in values.iter_mut().zip(other.as_flattened()) {
                let sum = *x + added;
                *x = if relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
    }
}

/// Multiplies every value by `factor`.
pub(super) fn scale(factor: f32, rows: &mut [Row]) {
    rows.as_flattened_mut().iter_mut().for_each(|x| *x *= factor);
}

/// Copies `n` channels of every pixel, from channel `from` of `inputs` to channel `to` of `outputs`.
pub(super) fn copy_channels(
    inputs: &[Row],
    [n_in, from]: [usize; 2],
    outputs: &mut [Row],
    [n_out, to]: [usize; 2],
    n: usize,
) {
    for (input, output) in inputs.chunks_exact(n_in).zip(outputs.chunks_exact_mut(n_out)) {
        output[to..to + n].copy_from_slice(&input[from..from + n]);
    }
}

/// Flattens one block's map `[channels, height, width]` as PyTorch does: channel by channel.
pub(super) fn flatten([c, h, w]: [usize; 3], input: &[Row], output: &mut [Row]) {
    for (pixel, rows) in input.chunks_exact(c).take(h * w).enumerate() {
        for (channel, row) in rows.iter().enumerate() {
            output[channel * h * w + pixel] = *row;
        }
    }
}
