//! Systems of linear equations with a symmetric positive definite matrix, `G X = C`, in f64: a Cholesky factorisation
//! `G = L L'` in blocks (Golub & Van Loan, "Matrix computations", 4.2) whose work is products by the kernels of the lanes.

#[cfg(test)]
mod tests;

use std::ops::Range;

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::lanes::{A_UNITS, B_UNITS, STRIP, StripProducts};

/// Columns that are factored before the rest of the matrix hears of them.
const BLOCK: usize = 128;
/// Rows of the factor that are substituted together.
const ROWS: usize = STRIP * A_UNITS;

/// The matrix has no Cholesky factor: it is not positive definite, or not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPositive;

/// A matrix on its way to its factor.
pub(super) struct Cholesky {
    n: usize,
    /// `[n, n]`: the factor in the first columns, what is left of the matrix in the others. Nothing right of the diagonal
    /// counts.
    matrix: Vec<f64>,
    /// Columns that are factored.
    done: usize,
    /// Columns of the block at work below its square, in panels; A's with the other sign.
    a: Vec<[f64; A_UNITS]>,
    b: Vec<[f64; B_UNITS]>,
}

impl Cholesky {
    /// `matrix`: `[n, n]`, of which the lower triangle counts.
    pub(super) fn new(matrix: Vec<f64>, n: usize) -> Self {
        Self { n, matrix, done: 0, a: Vec::new(), b: Vec::new() }
    }

    /// The memory of the matrix, for another one.
    pub(super) fn into_matrix(self) -> Vec<f64> {
        self.matrix
    }

    /// Share of the work done, 0..1.
    pub(super) fn share_done(&self) -> f64 {
        1.0 - (1.0 - self.done as f64 / self.n.max(1) as f64).powi(3)
    }

    /// Factors the next block of columns, on all cores; whether it was the last.
    pub(super) fn step(&mut self) -> Result<bool, NotPositive> {
        let Self { n, done, .. } = *self;
        let end = n.min(done + BLOCK);
        let width = end - done;
        factor_square(&mut self.matrix[done * n..end * n], n, done, width)?;
        self.done = end;
        let n_below = n - end;
        if n_below == 0 {
            return Ok(true);
        }
        self.pack_below(done, width);
        let (a, b) = (&self.a, &self.b);
        let strips = self.matrix[end * n..].par_chunks_mut(ROWS * n).zip(a.par_chunks(STRIP * width)).enumerate();
        strips.for_each(|(index, (rows, a))| {
            // Only what lies left of the diagonal.
            let n_panels = ((index + 1) * ROWS).min(n_below).div_ceil(B_UNITS);
            let b = &b[..n_panels * width];
            let (row_len, first_column) = (n, end);
            StripProducts { a, b, room: width, n_samples: width, products: rows, row_len, first_column }.add();
        });
        Ok(false)
    }

    /// Divides the columns below a square that is factored by its transpose, and packs them for the rest of the matrix.
    fn pack_below(&mut self, first: usize, width: usize) {
        let Self { n, matrix, a, b, .. } = self;
        let (n, end) = (*n, first + width);
        let (square, below) = matrix.split_at_mut(end * n);
        let square = &square[first * n..];
        b.clear();
        b.resize((n - end).div_ceil(B_UNITS) * width, [0.0; B_UNITS]);
        below.par_chunks_mut(B_UNITS * n).zip(b.par_chunks_mut(width)).for_each(|(rows, panel)| {
            for (unit, row) in rows.chunks_exact(n).enumerate() {
                panel.iter_mut().zip(&row[first..end]).for_each(|(column, value)| column[unit] = *value);
            }
            AutoArch::new().dispatch(Substitution { factor: square, row_len: n, first, values: panel });
            for (unit, row) in rows.chunks_exact_mut(n).enumerate() {
                panel.iter().zip(&mut row[first..end]).for_each(|(column, value)| *value = column[unit]);
            }
        });
        a.clear();
        a.resize((n - end).div_ceil(A_UNITS) * width, [0.0; A_UNITS]);
        below.par_chunks(A_UNITS * n).zip(a.par_chunks_mut(width)).for_each(|(rows, panel)| {
            for (unit, row) in rows.chunks_exact(n).enumerate() {
                panel.iter_mut().zip(&row[first..end]).for_each(|(column, value)| column[unit] = -*value);
            }
        });
    }

    /// Strips of rows that are substituted one after another.
    pub(super) fn n_strips(&self) -> usize {
        self.n.div_ceil(ROWS)
    }

    /// One strip of `values <- L^-1 values`, once all columns are factored and the strips before it are done.
    ///
    /// `values`: `[n, m]` in panels of [`B_UNITS`] columns, `[panel][n]`.
    pub(super) fn solve_lower(&self, strip: usize, values: &mut [[f64; B_UNITS]]) {
        let n = self.n;
        let rows = self.rows(strip);
        let packed = pack(rows.len(), rows.start, |row, sample| -self.matrix[(rows.start + row) * n + sample]);
        let square = &self.matrix[rows.start * n..];
        values.par_chunks_mut(n).for_each(|panel| {
            let (known, values) = panel.split_at_mut(rows.start);
            let values = &mut values[..rows.len()];
            add_products(&packed, known, values);
            AutoArch::new().dispatch(Substitution { factor: square, row_len: n, first: rows.start, values });
        });
    }

    /// One strip of `values <- L'^-1 values`, once all columns are factored and the strips behind it are done; shapes as in
    /// [`Self::solve_lower`].
    pub(super) fn solve_upper(&self, strip: usize, values: &mut [[f64; B_UNITS]]) {
        let n = self.n;
        let rows = self.rows(strip);
        let packed =
            pack(rows.len(), n - rows.end, |row, sample| -self.matrix[(rows.end + sample) * n + rows.start + row]);
        let square = &self.matrix[rows.start * n..];
        values.par_chunks_mut(n).for_each(|panel| {
            let (values, known) = panel[rows.start..].split_at_mut(rows.len());
            add_products(&packed, known, values);
            AutoArch::new().dispatch(UpperSubstitution { factor: square, row_len: n, first: rows.start, values });
        });
    }

    fn rows(&self, strip: usize) -> Range<usize> {
        strip * ROWS..self.n.min((strip + 1) * ROWS)
    }
}

/// `n_rows` rows of `n_samples` values in panels of A.
fn pack(n_rows: usize, n_samples: usize, value: impl Fn(usize, usize) -> f64) -> Vec<[f64; A_UNITS]> {
    let mut packed = vec![[0.0; A_UNITS]; n_rows.div_ceil(A_UNITS) * n_samples];
    for row in 0..n_rows {
        for (sample, units) in packed[row / A_UNITS * n_samples..][..n_samples].iter_mut().enumerate() {
            units[row % A_UNITS] = value(row, sample);
        }
    }
    packed
}

/// `values += packed known`.
fn add_products(packed: &[[f64; A_UNITS]], known: &[[f64; B_UNITS]], values: &mut [[f64; B_UNITS]]) {
    let n_samples = known.len();
    if n_samples != 0 {
        let products = values.as_flattened_mut();
        let (row_len, first_column) = (B_UNITS, 0);
        StripProducts { a: packed, b: known, room: n_samples, n_samples, products, row_len, first_column }.add();
    }
}

/// Factors a square on the diagonal in its place.
///
/// `rows`: the rows of the matrix `[width, n]` that hold it, from column `first` on.
fn factor_square(rows: &mut [f64], n: usize, first: usize, width: usize) -> Result<(), NotPositive> {
    for i in 0..width {
        for j in 0..=i {
            let [x, y] = [i, j].map(|row| &rows[row * n + first..][..j]);
            let value = rows[i * n + first + j] - x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            rows[i * n + first + j] = if j < i {
                value / rows[j * n + first + j]
            } else if 0.0 < value && value.is_finite() {
                value.sqrt()
            } else {
                return Err(NotPositive);
            };
        }
    }
    Ok(())
}

/// `values <- D^-1 values` for the square D of a factor: `[width, row_len]` from column `first` on; one row of values a column.
struct Substitution<'a> {
    factor: &'a [f64],
    row_len: usize,
    first: usize,
    values: &'a mut [[f64; B_UNITS]],
}

impl WithSimd for Substitution<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // The compiler makes vectors of it.
        for i in 0..self.values.len() {
            let row = &self.factor[i * self.row_len + self.first..][..=i];
            let (known, values) = self.values.split_at_mut(i);
            let mut sums = values[0];
            for (known, factor) in known.iter().zip(row) {
                subtract_scaled(&mut sums, *factor, known);
            }
            values[0] = sums.map(|sum| sum / row[i]);
        }
    }
}

/// `values <- D'^-1 values`, as [`Substitution`].
struct UpperSubstitution<'a> {
    factor: &'a [f64],
    row_len: usize,
    first: usize,
    values: &'a mut [[f64; B_UNITS]],
}

impl WithSimd for UpperSubstitution<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // The compiler makes vectors of it.
        for i in (0..self.values.len()).rev() {
            let row = &self.factor[i * self.row_len + self.first..][..=i];
            let (others, values) = self.values.split_at_mut(i);
            let solved = values[0].map(|value| value / row[i]);
            values[0] = solved;
            for (other, factor) in others.iter_mut().zip(row) {
                subtract_scaled(other, *factor, &solved);
            }
        }
    }
}

#[inline(always)]
fn subtract_scaled(sums: &mut [f64; B_UNITS], factor: f64, values: &[f64; B_UNITS]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum -= factor * value;
    }
}
