//! The weights of a group's units in A and in aligned B side by side, small enough to be drawn.

use std::ops::Range;
use std::sync::Arc;

use super::{Matrix, OVERVIEW_CELLS, pooled_lines};
use crate::net::{Network, ParamVec};

/// Share of cells that lie within the limits of the colours.
const WITHIN_LIMIT: f64 = 0.995;

/// What to compare.
#[derive(Clone, Debug)]
pub struct WeightSpec {
    pub network: Arc<Network>,
    pub a: Arc<ParamVec>,
    /// B as it was loaded, and with its units in A's order; both in A's layout.
    pub b: Arc<ParamVec>,
    pub aligned: Arc<ParamVec>,
    /// The permutation group, and the place of a tensor's axis among the group's.
    pub group: usize,
    pub axis: usize,
    /// Units of A in the order in which their rows are shown.
    pub order: Vec<usize>,
}

/// Weights as pictures: rows are units in the spec's order, from the first one on, columns what the tensor holds for each.
/// Where there are more than 1,024 of either, a cell stands for several and shows the one of largest magnitude.
#[derive(Clone, Debug)]
pub struct WeightMatrices {
    pub a: Matrix,
    pub aligned: Matrix,
    /// Aligned B less A.
    pub difference: Matrix,
    /// Weights of a unit.
    pub n_weights: usize,
    /// Units of A in the order of their rows.
    pub order: Vec<usize>,
    /// Where the colours end: see [`color_limit`], of the cells of A and aligned B.
    pub limit: f32,
    /// Frobenius norms: of A's weights, of B's less A's, and of aligned B's less A's.
    pub norm: f64,
    pub distance_before: f64,
    pub distance_after: f64,
}

/// A comparison at work; call [`Self::advance`] until everything is done.
pub struct WeightComparison {
    spec: WeightSpec,
    /// Rows taken in so far.
    n_done: usize,
    a: Pooling,
    aligned: Pooling,
    difference: Pooling,
    /// Sums of squares.
    norm: f64,
    before: f64,
    after: f64,
    rows: [Vec<f32>; 3],
}

impl WeightComparison {
    /// `None` if the network has no such group or the group no such axis, or the order names other units.
    pub fn new(spec: WeightSpec) -> Option<Self> {
        let group = spec.network.groups().get(spec.group)?;
        let on = group.axes.get(spec.axis)?;
        if spec.order.iter().any(|&unit| group.n_units <= unit) {
            return None;
        }
        let shape = &spec.network.layout().spec(on.param).shape;
        let (n_rows, n_columns) = (spec.order.len(), on.n_runs(shape) * on.run_length(shape));
        let pooling = || Pooling::new(n_rows, n_columns);
        let (a, aligned, difference) = (pooling(), pooling(), pooling());
        let rows = [Vec::new(), Vec::new(), Vec::new()];
        Some(Self { spec, n_done: 0, a, aligned, difference, norm: 0.0, before: 0.0, after: 0.0, rows })
    }

    /// Takes in about so many weights, at least one unit's; the share that is done, 0..1.
    pub fn advance(&mut self, n_weights: usize) -> f64 {
        let Self { spec, n_done, rows: [a, b, aligned], .. } = self;
        let on = &spec.network.groups()[spec.group].axes[spec.axis];
        let end = spec.order.len().min(*n_done + (n_weights / self.a.n_columns.max(1)).max(1));
        for row in *n_done..end {
            let unit = spec.order[row];
            spec.a.read_unit(on, unit, a);
            spec.b.read_unit(on, unit, b);
            spec.aligned.read_unit(on, unit, aligned);
            for ((&a, &b), &aligned) in a.iter().zip(&*b).zip(&*aligned) {
                let [a, b, aligned] = [a, b, aligned].map(f64::from);
                self.norm += a * a;
                self.before += (b - a).powi(2);
                self.after += (aligned - a).powi(2);
            }
            self.a.add(row, a);
            self.aligned.add(row, aligned);
            aligned.iter_mut().zip(&*a).for_each(|(aligned, a)| *aligned -= a);
            self.difference.add(row, aligned);
        }
        *n_done = end;
        if spec.order.is_empty() { 1.0 } else { end as f64 / spec.order.len() as f64 }
    }

    /// Hands over the pictures, of the units that were taken in.
    pub fn finish(&mut self) -> WeightMatrices {
        let n_weights = self.a.n_columns;
        let [a, aligned, difference] = [&mut self.a, &mut self.aligned, &mut self.difference].map(Pooling::take);
        WeightMatrices {
            limit: color_limit(a.values().iter().chain(aligned.values()).copied()),
            a,
            aligned,
            difference,
            n_weights,
            order: std::mem::take(&mut self.spec.order),
            norm: self.norm.sqrt(),
            distance_before: self.before.sqrt(),
            distance_after: self.after.sqrt(),
        }
    }
}

impl WeightMatrices {
    /// The units that a row of the pictures stands for, in their order.
    pub fn units_of(&self, row: usize) -> &[usize] {
        &self.order[pooled_lines(self.order.len(), self.a.n_rows(), row)]
    }

    /// The weights that a column of the pictures stands for.
    pub fn weights_of(&self, column: usize) -> Range<usize> {
        pooled_lines(self.n_weights, self.a.n_columns(), column)
    }

    /// The row of the pictures that stands for the unit in row `row` of the weights.
    pub fn cell_of(&self, row: usize) -> usize {
        cell_of(self.order.len(), self.a.n_rows(), row)
    }
}

/// The cell of [`pooled_lines`] that stands for line `line`.
fn cell_of(n: usize, n_cells: usize, line: usize) -> usize {
    ((line + 1) * n_cells - 1) / n
}

/// A matrix that is made smaller while its rows come in.
struct Pooling {
    n_rows: usize,
    n_columns: usize,
    /// Pooled rows and columns.
    size: [usize; 2],
    /// Values that are not finite count as 0.
    values: Vec<f32>,
}

impl Pooling {
    fn new(n_rows: usize, n_columns: usize) -> Self {
        let size = [n_rows, n_columns].map(|n| n.min(OVERVIEW_CELLS));
        Self { n_rows, n_columns, size, values: vec![0.0; size[0] * size[1]] }
    }

    fn add(&mut self, row: usize, values: &[f32]) {
        let [n_rows, n_columns] = self.size;
        let pooled = &mut self.values[cell_of(self.n_rows, n_rows, row) * n_columns..][..n_columns];
        for (cell, strongest) in pooled.iter_mut().enumerate() {
            let finite = values[pooled_lines(self.n_columns, n_columns, cell)].iter().filter(|value| value.is_finite());
            *strongest = finite.fold(*strongest, |one, &other| if one.abs() < other.abs() { other } else { one });
        }
    }

    fn take(&mut self) -> Matrix {
        Matrix::new(self.size[1], std::mem::take(&mut self.values))
    }
}

/// The magnitude that 99.5 % of the values do not exceed: where colours for them end. 1 where all are 0.
pub fn color_limit(values: impl IntoIterator<Item = f32>) -> f32 {
    let mut magnitudes: Vec<f32> = values.into_iter().map(f32::abs).filter(|magnitude| magnitude.is_finite()).collect();
    let Some(last) = magnitudes.len().checked_sub(1) else {
        return 1.0;
    };
    let (_, limit, above) = magnitudes.select_nth_unstable_by((WITHIN_LIMIT * last as f64) as usize, f32::total_cmp);
    let largest = above.iter().copied().fold(*limit, f32::max);
    // Where nearly all values are 0, the few others still show.
    match (*limit, largest) {
        (limit, _) if 0.0 < limit => limit,
        (_, largest) if 0.0 < largest => largest,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Permutation, permute};
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    /// A comparison of a network with itself shuffled, in slices of `n_weights`.
    fn compare(sizes: &[usize], axis: usize, n_weights: usize) -> WeightMatrices {
        let network = Arc::new(zoo::mlp(sizes, true).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let a = Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        let shuffle: Vec<_> = network.groups().iter().map(|g| Permutation::random(g.n_units, &mut rng)).collect();
        let b = Arc::new(permute(&network, &a, &shuffle));
        let order = (0..sizes[1]).rev().collect();
        let axis = network.groups()[0].matrices(network.layout())[axis].axis;
        let spec = WeightSpec { network, aligned: Arc::clone(&a), a, b, group: 0, axis, order };
        let mut comparison = WeightComparison::new(spec).unwrap();
        while comparison.advance(n_weights) < 1.0 {}
        comparison.finish()
    }

    #[test]
    fn a_shuffled_copy_is_far_away_before_and_equal_after() {
        for axis in [0, 1] {
            let found = compare(&[6, 9, 4], axis, 10);
            assert_eq!((found.a.n_rows(), found.a.n_columns()), (9, if axis == 0 { 6 } else { 4 }));
            assert_eq!(found.a, found.aligned);
            assert!(found.difference.values().iter().all(|&v| v == 0.0));
            assert_eq!(found.distance_after, 0.0);
            assert!(0.1 * found.norm < found.distance_before);
        }
    }

    #[test]
    fn rows_stand_in_the_order_that_was_asked_for() {
        let found = compare(&[3, 5, 2], 0, usize::MAX);
        let network = zoo::mlp(&[3, 5, 2], true).unwrap();
        let a = ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(found.a.row(0), &a.tensor(network.groups()[0].axes[0].param)[4 * 3..]);
    }

    #[test]
    fn large_matrices_keep_their_largest_weights_with_their_signs() {
        let found = compare(&[1500, 1100, 2], 0, 1 << 14);
        assert_eq!((found.a.n_rows(), found.a.n_columns()), (OVERVIEW_CELLS, OVERVIEW_CELLS));
        assert_eq!((found.order.len(), found.n_weights), (1100, 1500));
        let mut pooled = Pooling::new(1, 3000);
        let mut row = vec![0.0; 3000];
        (row[1776], row[1777], row[5]) = (1.0, -2.0, f32::NAN);
        pooled.add(0, &row);
        let pooled = pooled.take();
        let cell = cell_of(3000, OVERVIEW_CELLS, 1777);
        assert_eq!((pooled.at(0, cell), pooled.at(0, cell_of(3000, OVERVIEW_CELLS, 5))), (-2.0, 0.0));
        assert!(pooled.values().iter().filter(|&&value| value != 0.0).count() <= 2);
    }

    #[test]
    fn cells_and_the_values_behind_them_agree() {
        let found = compare(&[1500, 1100, 2], 0, 1 << 14);
        for row in 0..1100 {
            assert!(found.units_of(found.cell_of(row)).contains(&(1099 - row)));
        }
        let all: Vec<usize> = (0..OVERVIEW_CELLS).flat_map(|row| found.units_of(row)).copied().collect();
        assert_eq!(all, found.order);
        assert!(found.weights_of(OVERVIEW_CELLS - 1).contains(&1499));
    }

    #[test]
    fn colours_end_where_nearly_all_weights_do() {
        let mut values = vec![0.5; 1000];
        (values[7], values[8]) = (-40.0, f32::NAN);
        assert_eq!(color_limit(values), 0.5);
        assert_eq!(color_limit([0.0; 4]), 1.0);
        assert_eq!(color_limit([0.0, 0.0, -3.0]), 3.0);
        assert_eq!(color_limit([]), 1.0);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let network = Arc::new(zoo::mlp(&[2, 3, 2], true).unwrap());
        let a = Arc::new(ParamVec::zeros(network.layout().clone()));
        let spec = |group, axis, order| WeightSpec {
            network: Arc::clone(&network),
            a: Arc::clone(&a),
            b: Arc::clone(&a),
            aligned: Arc::clone(&a),
            group,
            axis,
            order,
        };
        assert!(WeightComparison::new(spec(0, 0, vec![2, 0])).is_some());
        assert!(WeightComparison::new(spec(1, 0, vec![0])).is_none());
        assert!(WeightComparison::new(spec(0, 9, vec![0])).is_none());
        assert!(WeightComparison::new(spec(0, 0, vec![3])).is_none());
    }
}
