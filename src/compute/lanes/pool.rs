//! Pooling: each output pixel is made of the rows of one window.

use std::ops::Range;

use macerator::{AutoArch, Simd, WithSimd};

use super::{LANES, Row};

/// What becomes of the values of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pooling {
    /// Their maximum; NaN if one is NaN.
    Max,
    Mean,
}

/// Windows along one axis: the places that each covers, and by how many values its mean divides.
#[derive(Clone, Debug)]
pub(super) struct Windows(pub(super) Vec<(Range<usize>, usize)>);

/// Pools one block's map of `n_channels`, `width` pixels wide.
pub(super) fn pool(
    pooling: Pooling,
    windows: [&Windows; 2],
    [n_channels, width]: [usize; 2],
    input: &[Row],
    output: &mut [Row],
) {
    AutoArch::new().dispatch(Pool { pooling, windows, n_channels, width, input, output });
}

struct Pool<'a> {
    pooling: Pooling,
    windows: [&'a Windows; 2],
    n_channels: usize,
    width: usize,
    input: &'a [Row],
    output: &'a mut [Row],
}

impl WithSimd for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { pooling, windows: [vertical, horizontal], n_channels, width, input, output } = self;
        let mut pixels = output.chunks_exact_mut(n_channels);
        for (lines, n_lines) in &vertical.0 {
            for ((columns, n_columns), output) in horizontal.0.iter().zip(&mut pixels) {
                output.fill([if pooling == Pooling::Max { f32::NEG_INFINITY } else { 0.0 }; LANES]);
                for line in lines.clone() {
                    for column in columns.clone() {
                        let rows = &input[(line * width + column) * n_channels..][..n_channels];
                        take_in(pooling, rows, output);
                    }
                }
                if pooling == Pooling::Mean {
                    let share = 1.0 / (n_lines * n_columns) as f32;
                    output.as_flattened_mut().iter_mut().for_each(|x| *x *= share);
                }
            }
        }
    }
}

#[inline(always)]
fn take_in(pooling: Pooling, rows: &[Row], output: &mut [Row]) {
    for (x, &value) in output.as_flattened_mut().iter_mut().zip(rows.as_flattened()) {
        *x = match pooling {
            Pooling::Max if *x < value || value.is_nan() => value,
            Pooling::Max => *x,
            Pooling::Mean => *x + value,
        };
    }
}
