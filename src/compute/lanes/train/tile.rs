//! The one product that convolutions are made of, forward and backward: a few rows of vectors times a panel of scalars,
//! summed over runs of rows.

use macerator::{Scalar as _, Simd, Vector};

use super::Row;
use crate::compute::lanes::LANES;
use crate::compute::simd::{lanes, load, store};

/// Scalars of a panel.
pub(super) const PANEL: usize = 8;
/// Rows of vectors of a full tile: with a panel they make 16 sums, as many as AVX2 has registers and enough to keep
/// AVX-512 busy.
pub(super) const TILE: usize = 2;

/// Scalars that are multiplied with one row.
pub(super) type Scalars = [f32; PANEL];

/// `len` consecutive rows and the scalars they are multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) row: usize,
    pub(super) scalars: usize,
    pub(super) len: usize,
}

impl Run {
    /// Appends a run, as part of the last one if it goes on where that ends.
    pub(super) fn push(self, runs: &mut Vec<Self>, first: usize) {
        match runs[first..].last_mut() {
            Some(last) if last.row + last.len == self.row && last.scalars + last.len == self.scalars => {
                last.len += self.len;
            }
            _ => runs.push(self),
        }
    }
}

/// What the sums of a tile begin with.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// One value a scalar of the panel.
    Values(&'a Scalars),
    /// What is already in the output.
    Output,
}

/// Where a tile's rows lie: the first, and how far the second is from it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) first: usize,
    pub(super) step: usize,
}

/// `out[o(t) + p] = start + sum_runs sum_k rows[x(t) + run.row + k] * scalars[run.scalars + k][p]` for `p < n_out` and the
/// `T` rows `x(t) = x.first + t * x.step`, `o(t)` alike.
#[inline(always)]
pub(super) fn product<S: Simd, const T: usize>(
    (rows, x): (&[Row], Place),
    (scalars, runs): (&[Scalars], &[Run]),
    start: Start<'_>,
    (out, o): (&mut [Row], Place),
    n_out: usize,
) {
    for part in 0..LANES / lanes::<S>() {
        let part = part * lanes::<S>()..(part + 1) * lanes::<S>();
        let mut sums = [[0.0_f32.splat::<S>(); T]; PANEL];
        match start {
            Start::Values(values) => {
                for p in 0..PANEL {
                    sums[p] = [values[p].splat::<S>(); T];
                }
            }
            Start::Output => {
                for t in 0..T {
                    for p in 0..n_out {
                        sums[p][t] = load(&out[o.first + t * o.step + p].0[part.clone()]);
                    }
                }
            }
        }
        for run in runs {
            let mut xs: [&[Row]; T] = [&[]; T];
            for t in 0..T {
                xs[t] = &rows[x.first + t * x.step + run.row..][..run.len];
            }
            let scalars = &scalars[run.scalars..][..run.len];
            for k in 0..run.len {
                let mut v: [Vector<S, f32>; T] = [0.0_f32.splat::<S>(); T];
                for t in 0..T {
                    v[t] = load(&xs[t][k].0[part.clone()]);
                }
                for p in 0..PANEL {
                    let w = scalars[k][p].splat::<S>();
                    for t in 0..T {
                        sums[p][t] = v[t].mul_add(w, sums[p][t]);
                    }
                }
            }
        }
        for t in 0..T {
            for p in 0..n_out {
                store(&mut out[o.first + t * o.step + p].0[part.clone()], sums[p][t]);
            }
        }
    }
}
