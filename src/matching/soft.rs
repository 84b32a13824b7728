//! Permutations relaxed to doubly stochastic matrices, which gradients can move: how they act on parameters, how they are
//! brought back to the Birkhoff polytope, and which permutations they are made of (Tatro et al. 2020, proximal alternating
//! minimisation; METHODS-ALIGNMENT, section 2.6).

use rand::RngExt as _;

use super::{AssignmentError, Permutation, maximise};
use crate::net::{AxisUse, Network, ParamId, ParamVec};

/// Rounds of the approximate projection.
const PROJECTION_ROUNDS: usize = 20;
/// Entries below this count as 0 in a decomposition.
const NEGLIGIBLE: f64 = 5e-4;
/// The most permutations of a decomposition that are kept.
const MAX_TERMS: usize = 11;

/// What multiplies matrices.
pub trait MatrixProducts {
    type Error;

    /// `a b`, `[m, n]`; `a` `[m, k]`, `b` `[k, n]`, all row-major, for `[m, k, n]`.
    fn product(&self, a: &[f32], b: &[f32], shape: [usize; 3]) -> Result<Vec<f32>, Self::Error>;
}

/// `[n, n]`, row-major: row i says how much of each unit goes to place i. Rows and columns sum to about 1.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftPermutation {
    n: usize,
    values: Vec<f32>,
}

/// Permutations with their shares, the largest first; the shares sum to 1.
pub type Decomposition = Vec<(f64, Permutation)>;

impl SoftPermutation {
    pub fn identity(n: usize) -> Self {
        let mut values = vec![0.0; n * n];
        values.iter_mut().step_by(n + 1).for_each(|value| *value = 1.0);
        Self { n, values }
    }

    /// Row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One proximal step: down the gradient, then towards `anchor` by `pull = rate / nu`, then back to the polytope.
    ///
    /// `gradient`: `[n, n]`, row-major.
    pub fn step(&mut self, gradient: &[f32], rate: f64, pull: f64, anchor: &Self) {
        let moved = self.values.iter().zip(gradient).zip(&anchor.values);
        let moved =
            moved.map(|((p, g), old)| (f64::from(*p) - rate * f64::from(*g) + pull * f64::from(*old)) / (1.0 + pull));
        let moved: Vec<f64> = moved.collect();
        self.values = project(&moved, self.n).into_iter().map(|value| value as f32).collect();
    }

    /// The permutation that it is nearest to.
    pub fn round(&self) -> Result<Permutation, AssignmentError> {
        maximise(&self.values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), self.n)
    }

    /// Birkhoff and von Neumann: a mixture of permutations that it is made of, of the largest shares.
    pub fn decompose(&self) -> Result<Decomposition, AssignmentError> {
        let n = self.n;
        let mut rest: Vec<f64> = self.values.iter().map(|&value| f64::from(value)).collect();
        let mut terms: Decomposition = Vec::new();
        // Each round empties an entry at least.
        for _ in 0..n * n {
            rest.iter_mut().filter(|value| **value < NEGLIGIBLE).for_each(|value| *value = 0.0);
            let permutation = widest(&rest, n)?;
            let share = (0..n).map(|i| rest[i * n + permutation.source(i)]).fold(f64::INFINITY, f64::min);
            if share <= 0.0 || !share.is_finite() {
                break;
            }
            (0..n).for_each(|i| rest[i * n + permutation.source(i)] -= share);
            terms.push((share, permutation));
            terms.sort_by(|x, y| y.0.total_cmp(&x.0));
            // No later share can be more than what is left of a row.
            let left = rest.chunks_exact(n).map(|row| row.iter().sum()).fold(f64::INFINITY, f64::min);
            if terms.get(MAX_TERMS - 1).is_some_and(|(least, _)| left <= *least) {
                break;
            }
        }
        terms.truncate(MAX_TERMS);
        let total: f64 = terms.iter().map(|(share, _)| share).sum();
        if terms.is_empty() {
            return Ok(vec![(1.0, self.round()?)]);
        }
        terms.iter_mut().for_each(|(share, _)| *share /= total);
        Ok(terms)
    }
}

/// The assignment that leans on no empty entry, if there is one.
fn widest(rest: &[f64], n: usize) -> Result<Permutation, AssignmentError> {
    // An empty entry costs more than all others could bring.
    let scores: Vec<f64> = rest.iter().map(|&value| if value == 0.0 { -(n as f64) - 1.0 } else { value }).collect();
    maximise(&scores, n)
}

/// Draws a permutation with the probability of its share.
pub fn draw(terms: &Decomposition, rng: &mut impl rand::Rng) -> Option<Permutation> {
    let mut left = rng.random::<f64>();
    let found = terms.iter().find(|(share, _)| {
        left -= share;
        left < 0.0
    });
    found.or_else(|| terms.last()).map(|(_, permutation)| permutation.clone())
}

/// Approximately the nearest doubly stochastic matrix: in turn what is negative becomes 0, and rows and columns are shifted to
/// sums of 1. `values`: `[n, n]`.
fn project(values: &[f64], n: usize) -> Vec<f64> {
    let mut p = values.to_vec();
    let size = n as f64;
    for _ in 0..PROJECTION_ROUNDS {
        p.iter_mut().for_each(|value| *value = value.max(0.0));
        let rows: Vec<f64> = p.chunks_exact(n.max(1)).map(|row| row.iter().sum()).collect();
        let mut columns = vec![0.0; n];
        for row in p.chunks_exact(n.max(1)) {
            columns.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let total: f64 = rows.iter().sum();
        for (row, sum) in p.chunks_exact_mut(n.max(1)).zip(&rows) {
            for (value, column) in row.iter_mut().zip(&columns) {
                *value += -(sum - 1.0) / size - (column - 1.0) / size + (total - size) / (size * size);
            }
        }
    }
    p
}

/// A parameter axis that carries a group.
struct Carried<'a> {
    group: usize,
    axis_use: &'a AxisUse,
}

/// The axes of each parameter that carry groups.
fn carried(network: &Network) -> Vec<Vec<Carried<'_>>> {
    let mut found: Vec<Vec<Carried<'_>>> = network.layout().specs().iter().map(|_| Vec::new()).collect();
    for (group, of_group) in network.groups().iter().enumerate() {
        for axis_use in &of_group.axes {
            found[axis_use.param.0].push(Carried { group, axis_use });
        }
    }
    found
}

/// Moves the units of every group as [`super::permute`] does, by matrices: place i of a group gets `sum_j P_ij` times unit j.
pub fn permute_softly<P: MatrixProducts>(
    network: &Network,
    params: &ParamVec,
    soft: &[SoftPermutation],
    products: &P,
) -> Result<ParamVec, P::Error> {
    let mut moved = params.clone();
    for (param, uses) in carried(network).into_iter().enumerate() {
        for axis in uses {
            transform(&mut moved, ParamId(param), &axis, soft, products)?;
        }
    }
    Ok(moved)
}

/// The gradient by each matrix, `[n, n]` a group, of a loss whose gradient by the permuted parameters is `gradient` (one value
/// a trained parameter).
pub fn soft_gradients<P: MatrixProducts>(
    network: &Network,
    params: &ParamVec,
    soft: &[SoftPermutation],
    gradient: &[f32],
    products: &P,
) -> Result<Vec<Vec<f32>>, P::Error> {
    let layout = params.layout();
    let mut found: Vec<Vec<f32>> = soft.iter().map(|p| vec![0.0; p.n * p.n]).collect();
    for (param, uses) in carried(network).iter().enumerate() {
        let spec = &layout.specs()[param];
        if !spec.kind.is_trained() {
            continue;
        }
        for (index, axis) in uses.iter().enumerate() {
            // The tensor as its other axes leave it: the permuted one is linear in this axis's matrix.
            let mut others = ParamVec::zeros(layout.clone());
            others.tensor_mut(ParamId(param)).copy_from_slice(params.tensor(ParamId(param)));
            for other in uses.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other) {
                transform(&mut others, ParamId(param), other, soft, products)?;
            }
            let n = soft[axis.group].n;
            let slopes = rows(axis.axis_use, &spec.shape, &gradient[spec.offset..spec.offset + spec.n_values()], n);
            let units = rows(axis.axis_use, &spec.shape, others.tensor(ParamId(param)), n);
            let m = units.len() / n.max(1);
            let part = products.product(&slopes, &transposed(&units, n, m), [n, m, n])?;
            found[axis.group].iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
    Ok(found)
}

/// Multiplies one axis of one tensor by its group's matrix.
fn transform<P: MatrixProducts>(
    params: &mut ParamVec,
    param: ParamId,
    axis: &Carried<'_>,
    soft: &[SoftPermutation],
    products: &P,
) -> Result<(), P::Error> {
    let SoftPermutation { n, values } = &soft[axis.group];
    let shape = params.layout().spec(param).shape.clone();
    let units = rows(axis.axis_use, &shape, params.tensor(param), *n);
    let moved = products.product(values, &units, [*n, *n, units.len() / (*n).max(1)])?;
    put_rows(axis.axis_use, &shape, &moved, *n, params.tensor_mut(param));
    Ok(())
}

/// What each of `n` units has along an axis, `[n, ..]`.
fn rows(axis_use: &AxisUse, shape: &[usize], values: &[f32], n: usize) -> Vec<f32> {
    (0..n).flat_map(|unit| axis_use.runs(shape, unit)).flat_map(|range| values[range].iter().copied()).collect()
}

/// The inverse of [`rows`].
fn put_rows(axis_use: &AxisUse, shape: &[usize], rows: &[f32], n: usize, values: &mut [f32]) {
    let mut rest = rows;
    for range in (0..n).flat_map(|unit| axis_use.runs(shape, unit)) {
        let (piece, behind) = rest.split_at(range.len());
        values[range].copy_from_slice(piece);
        rest = behind;
    }
}

/// `[n, m]` to `[m, n]`.
fn transposed(values: &[f32], n: usize, m: usize) -> Vec<f32> {
    (0..n * m).map(|at| values[at % n * m + at / n]).collect()
}

#[cfg(test)]
mod tests;
