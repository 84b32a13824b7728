//! Products of two matrices of which both have their columns in panels: what lies between packing and adding up.
//!
//! [`A_UNITS`] units of A or [`B_UNITS`] of B stand side by side, a row a sample, so that the sums over the samples stay in
//! registers until they are added to f64.

#[cfg(test)]
mod tests;

use bytemuck::Pod;
use macerator::{AutoArch, Simd, VMulAdd, Vector, WithSimd};

use super::super::simd::{load_of, store_of};
use super::LANES;

/// Units of A and B whose products are summed at a time: with vectors of 16, two of B times twelve units of A and their
/// operands fit 32 registers.
pub(crate) const A_UNITS: usize = 12;
pub(crate) const B_UNITS: usize = 32;
/// Panels of A that share the reading of a panel of B, so that all of them stay in a core's second cache.
pub(crate) const STRIP: usize = 4;

/// Adds the products of a few panels of A with panels of B to rows of a matrix. All panels lie behind each other,
/// `[panel][sample]`.
pub(crate) struct StripProducts<'a, T> {
    pub(crate) a: &'a [[T; A_UNITS]],
    pub(crate) b: &'a [[T; B_UNITS]],
    /// Samples that a panel has room for, and those of them that count.
    pub(crate) room: usize,
    pub(crate) n_samples: usize,
    /// `[units of A][row_len]`, or fewer rows than the panels have units.
    pub(crate) products: &'a mut [f64],
    pub(crate) row_len: usize,
    /// The column of B's first unit. What lies behind the row's end is left out.
    pub(crate) first_column: usize,
}

impl<T: VMulAdd + Pod + Into<f64>> StripProducts<'_, T> {
    /// Computes and adds them, on this thread.
    pub(crate) fn add(self) {
        AutoArch::new().dispatch(self);
    }

    /// All tiles; those for many registers if `wide`.
    #[inline(always)]
    fn sweep<S: Simd>(mut self, wide: bool) {
        for b_panel in 0..self.b.len() / self.room {
            for a_panel in 0..self.a.len() / self.room {
                for part in 0..B_UNITS / (2 * T::lanes::<S>()) {
                    if wide {
                        self.tile::<S, 12, 0>(a_panel, b_panel, part);
                    } else {
                        self.tile::<S, 6, 0>(a_panel, b_panel, part);
                        self.tile::<S, 6, 6>(a_panel, b_panel, part);
                    }
                }
            }
        }
    }

    /// P units of A from the panel's unit number FIRST on with two vectors of units of B.
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const FIRST: usize>(&mut self, a_panel: usize, b_panel: usize, part: usize) {
        let lanes = T::lanes::<S>();
        let a = &self.a[a_panel * self.room..][..self.n_samples];
        let b = &self.b[b_panel * self.room..][..self.n_samples];
        let first = 2 * part * lanes;
        let sums = accumulate::<S, T, P, FIRST>([[T::zeroed().splat::<S>(); 2]; P], a, b, first);
        // Through memory, so that the sums themselves are indexed by constants alone and stay in registers until here.
        let mut tile = [[T::zeroed(); B_UNITS]; P];
        for p in 0..P {
            store_of(&mut tile[p][..lanes], sums[p][0]);
            store_of(&mut tile[p][lanes..2 * lanes], sums[p][1]);
        }
        let column = self.first_column + b_panel * B_UNITS + first;
        let n_columns = self.row_len.saturating_sub(column).min(2 * lanes);
        let rows = self.products.chunks_exact_mut(self.row_len).skip(a_panel * A_UNITS + FIRST);
        if n_columns == B_UNITS {
            for (row, sums) in rows.zip(&tile) {
                add_to(&mut row[column..][..B_UNITS], sums);
            }
        } else if 0 < n_columns {
            for (row, sums) in rows.zip(&tile) {
                add_to(&mut row[column..][..n_columns], &sums[..n_columns]);
            }
        }
    }
}

impl<T: VMulAdd + Pod + Into<f64>> WithSimd for StripProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // Registers of 16 f32 come by 32.
        self.sweep::<S>(size_of::<S::Register>() == LANES * size_of::<f32>());
    }
}

#[inline(always)]
fn add_to<T: Copy + Into<f64>>(totals: &mut [f64], sums: &[T]) {
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total += (*sum).into();
    }
}

/// `sums + a b^T` over the samples, for the units of B from `first` on. As in convolutions, sums go in and out by value and rows
/// are walked without indices, so that all sums stay in registers.
#[inline(always)]
fn accumulate<S: Simd, T: VMulAdd, const P: usize, const FIRST: usize>(
    mut sums: [[Vector<S, T>; 2]; P],
    a: &[[T; A_UNITS]],
    b: &[[T; B_UNITS]],
    first: usize,
) -> [[Vector<S, T>; 2]; P] {
    let lanes = T::lanes::<S>();
    for (a, b) in a.iter().zip(b) {
        let values = [load_of::<S, T>(&b[first..][..lanes]), load_of::<S, T>(&b[first + lanes..][..lanes])];
        for p in 0..P {
            let factor = a[FIRST + p].splat::<S>();
            sums[p][0] = values[0].mul_add(factor, sums[p][0]);
            sums[p][1] = values[1].mul_add(factor, sums[p][1]);
        }
    }
    sums
}
