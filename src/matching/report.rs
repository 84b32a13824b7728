//! What an alignment is worth, unit by unit: the numbers behind the table of layers, the view of permutations and the report.

use std::sync::Arc;

use super::{Evidence, OVERVIEW_CELLS, Permutation, pool, seriate};

/// Values in rows, `[n_rows, n_columns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    n_columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// `values`: row-major, whole rows of `n_columns`.
    pub fn new(n_columns: usize, values: Vec<f32>) -> Self {
        assert!(values.len().is_multiple_of(n_columns.max(1)), "whole rows");
        Self { n_columns, values }
    }

    pub fn n_rows(&self) -> usize {
        self.values.len() / self.n_columns.max(1)
    }

    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.n_columns + column]
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_columns..][..self.n_columns]
    }

    /// Row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Where a set of values lies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
}

impl Spread {
    /// Quantiles interpolate linearly between neighbours, as NumPy's do. All 0 for no values.
    pub fn of(values: impl IntoIterator<Item = f32>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().map(f64::from).collect();
        if sorted.is_empty() {
            return Self::default();
        }
        sorted.sort_by(f64::total_cmp);
        Self {
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            upper_quartile: quantile(&sorted, 0.75),
        }
    }
}

/// The value that a share of others, 0..1, stays below: linear between neighbours, as NumPy's. `sorted`: at least one value.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = share * last as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[last.min(below as usize + 1)]);
    low + (place - below) * (high - low)
}

/// One unit of A and its partner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitMatch {
    /// The unit of B that is put in its place.
    pub source: usize,
    /// Its correlation with B's unit of the same number.
    pub before: f32,
    /// Its correlation with its partner.
    pub after: f32,
    /// The unit of B that it correlates most with, whoever else wants it, and that correlation.
    pub best_source: usize,
    pub best: f32,
    /// `after` less the best correlation with any other unit: negative where its partner is not its first choice. 0 in
    /// groups of a single unit.
    pub margin: f32,
    /// Whether the unit of A, and its partner, give the same for every sample.
    pub is_dead: bool,
    pub is_source_dead: bool,
}

/// What was found for the units of one permutation group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupReport {
    pub name: String,
    /// `source(i)` is the unit of B that is put in place i.
    pub permutation: Permutation,
    /// Correlations of A's units (rows) with B's in their own order (columns), the mean over the group's readings; 0 where
    /// they are not finite.
    pub correlation: Arc<Matrix>,
    /// Units of A in order.
    pub units: Vec<UnitMatch>,
    /// Of the correlations of pairs before and after B's units were moved, and of every unit's best unconstrained match.
    pub before: Spread,
    pub after: Spread,
    pub best: Spread,
    pub margin: Spread,
    /// What the best assignment reaches where each sample of A meets another sample of B: what chance alone gives. `None`
    /// where it was not asked for, or there are too few images.
    pub null: Option<Spread>,
    /// The correlations that `null` sums up, from low to high; empty without one.
    pub null_sorted: Vec<f64>,
    /// Correlations that were NaN or infinite.
    pub n_non_finite: usize,
    /// Units of A and of B that give the same for every sample.
    pub n_dead: [usize; 2],
    /// Units of A in an order that brings like ones together: the order to draw them in.
    pub order: Vec<usize>,
    /// Pictures of `correlation` with A's units in `order`.
    pub overview: Overview,
    /// The same with A's units in their own order.
    pub unordered_overview: Overview,
}

/// Correlations pooled to at most [`OVERVIEW_CELLS`] rows and columns: each cell has the value of largest magnitude of those
/// it stands for. Smaller matrices are whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// B's units by the same numbers as A's.
    pub before: Arc<Matrix>,
    /// B's units at the places of their partners.
    pub after: Arc<Matrix>,
}

impl Overview {
    /// `order`: A's units.
    fn new(correlation: &Matrix, permutation: &Permutation, order: &[usize]) -> Self {
        let before = || Arc::new(pool(correlation, order, order, OVERVIEW_CELLS));
        let (before, after) = rayon::join(before, || Self::after(correlation, permutation, order));
        Self { before, after }
    }

    /// The same units of A with others of B at their places.
    fn with_permutation(&self, correlation: &Matrix, permutation: &Permutation, order: &[usize]) -> Self {
        Self { before: Arc::clone(&self.before), after: Self::after(correlation, permutation, order) }
    }

    fn after(correlation: &Matrix, permutation: &Permutation, order: &[usize]) -> Arc<Matrix> {
        let partners: Vec<usize> = order.iter().map(|&unit| permutation.source(unit)).collect();
        Arc::new(pool(correlation, order, &partners, OVERVIEW_CELLS))
    }
}

impl GroupReport {
    /// `correlation`: `[n, n]`, row-major, rows are units of A. `dead`: `[n]` of A and of B. `null`: the correlations
    /// `[n]` of the pairs that are best where samples are shuffled.
    pub fn new(
        name: String,
        permutation: Permutation,
        correlation: &[f64],
        dead: [&[bool]; 2],
        null: Option<&[f64]>,
    ) -> Self {
        let n = permutation.len();
        let n_non_finite = correlation.iter().filter(|c| !c.is_finite()).count();
        let finite = correlation.iter().map(|&c| if c.is_finite() { c as f32 } else { 0.0 }).collect();
        let correlation = Arc::new(Matrix::new(n, finite));
        let units: Vec<UnitMatch> = (0..n).map(|unit| unit_match(&correlation, &permutation, dead, unit)).collect();
        let mut null_sorted = null.unwrap_or_default().to_vec();
        null_sorted.sort_by(f64::total_cmp);
        let order = seriate(&correlation, &permutation, dead[0]);
        Self {
            name,
            overview: Overview::new(&correlation, &permutation, &order),
            unordered_overview: Overview::new(&correlation, &permutation, &(0..n).collect::<Vec<_>>()),
            order,
            before: Spread::of(units.iter().map(|unit| unit.before)),
            after: Spread::of(units.iter().map(|unit| unit.after)),
            best: Spread::of(units.iter().map(|unit| unit.best)),
            margin: Spread::of(units.iter().map(|unit| unit.margin)),
            null: null.map(|null| Spread::of(null.iter().map(|&c| c as f32))),
            null_sorted,
            n_non_finite,
            n_dead: dead.map(|dead| dead.iter().filter(|dead| **dead).count()),
            permutation,
            correlation,
            units,
        }
    }

    /// The same correlations, shared, with B's units in another order. `permutation`: of the group's units.
    pub fn with_permutation(&self, permutation: Permutation) -> Self {
        let mut dead = [vec![false; self.n_units()], vec![false; self.n_units()]];
        for (place, unit) in self.units.iter().enumerate() {
            dead[0][place] = unit.is_dead;
            dead[1][unit.source] = unit.is_source_dead;
        }
        let dead = [&dead[0][..], &dead[1][..]];
        let match_of = |unit| unit_match(&self.correlation, &permutation, dead, unit);
        let units: Vec<UnitMatch> = (0..self.n_units()).map(match_of).collect();
        let own_order: Vec<usize> = (0..self.n_units()).collect();
        Self {
            overview: self.overview.with_permutation(&self.correlation, &permutation, &self.order),
            unordered_overview: self.unordered_overview.with_permutation(&self.correlation, &permutation, &own_order),
            after: Spread::of(units.iter().map(|unit| unit.after)),
            margin: Spread::of(units.iter().map(|unit| unit.margin)),
            permutation,
            units,
            ..self.clone()
        }
    }

    pub fn n_units(&self) -> usize {
        self.units.len()
    }

    /// Share of units that are not where they were, 0..1.
    pub fn share_moved(&self) -> f64 {
        1.0 - self.permutation.n_fixed() as f64 / self.n_units().max(1) as f64
    }
}

fn unit_match(correlation: &Matrix, permutation: &Permutation, dead: [&[bool]; 2], unit: usize) -> UnitMatch {
    let row = correlation.row(unit);
    let source = permutation.source(unit);
    let best_of = |skipped: Option<usize>| {
        let others = (0..row.len()).filter(|&other| Some(other) != skipped);
        others.reduce(|best, other| if row[best] < row[other] { other } else { best })
    };
    let best_source = best_of(None).unwrap_or(source);
    let alternative = best_of(Some(source));
    UnitMatch {
        source,
        before: row[unit],
        after: row[source],
        best_source,
        best: row[best_source],
        margin: alternative.map_or(0.0, |other| row[source] - row[other]),
        is_dead: dead[0][unit],
        is_source_dead: dead[1][source],
    }
}

/// What was found for all units of two networks.
#[derive(Clone, Debug)]
pub struct MatchReport {
    /// One a permutation group of the network, in order of depth.
    pub groups: Vec<GroupReport>,
    /// Images whose activations were correlated.
    pub n_images: usize,
    /// How the two networks are related, and what says so.
    pub evidence: Evidence,
}

impl MatchReport {
    /// One a group.
    pub fn permutations(&self) -> Vec<Permutation> {
        self.groups.iter().map(|group| group.permutation.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_as_numpy_does() {
        let found = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(found, Spread { mean: 2.5, lower_quartile: 1.75, median: 2.5, upper_quartile: 3.25 });
        assert_eq!(Spread::of([]), Spread::default());
        assert_eq!(Spread::of([7.0]).upper_quartile, 7.0);
    }

    #[test]
    fn a_unit_that_gave_way_has_a_negative_margin() {
        // Both units of A want unit 0 of B most; unit 0 gets it.
        let correlation = [0.9, 0.2, 0.8, 0.5];
        let permutation = Permutation::identity(2);
        let dead = [&[false, false][..], &[false, true]];
        let found = GroupReport::new("layer".to_owned(), permutation, &correlation, dead, None);
        let [first, second] = found.units[..] else { panic!("two units") };
        assert!((first.margin - 0.7).abs() < 1e-6 && (second.margin + 0.3).abs() < 1e-6);
        assert_eq!((second.best_source, second.best, second.after), (0, 0.8, 0.5));
        assert_eq!((first.is_source_dead, second.is_source_dead, found.n_dead), (false, true, [0, 1]));
        assert_eq!(found.share_moved(), 0.0);
    }

    #[test]
    fn the_overviews_show_pairs_on_the_diagonal_after_and_not_before() {
        // Unit 2 of A is most like the two others; the partners are 1, 2 and 0 of B.
        let correlation = [0.1, 0.9, 0.2, 0.0, 0.1, 0.8, 0.7, 0.4, 0.3];
        let permutation = Permutation::new(vec![1, 2, 0]).unwrap();
        let dead = [&[false; 3][..], &[false; 3]];
        let found = GroupReport::new("layer".to_owned(), permutation, &correlation, dead, None);
        assert_eq!(found.order, [0, 2, 1]);
        let diagonal = |matrix: &Matrix| [0, 1, 2].map(|place| matrix.at(place, place));
        assert_eq!(diagonal(&found.overview.before), [0.1, 0.3, 0.1]);
        assert_eq!(diagonal(&found.overview.after), [0.9, 0.7, 0.8]);
        assert_eq!(*found.unordered_overview.before, *found.correlation);
        assert_eq!(diagonal(&found.unordered_overview.after), [0.9, 0.8, 0.7]);
    }

    #[test]
    fn another_permutation_is_judged_as_if_it_had_been_found() {
        let correlation = [0.9, 0.2, 0.1, 0.8, 0.5, 0.3, 0.0, 0.4, 0.6];
        let dead = [&[false, false, true][..], &[false, true, false]];
        let report = |sources: Vec<usize>| {
            let permutation = Permutation::new(sources).unwrap();
            GroupReport::new("layer".to_owned(), permutation, &correlation, dead, Some(&[0.1, 0.3, 0.2]))
        };
        let moved = Permutation::new(vec![2, 0, 1]).unwrap();
        let before = report(vec![1, 2, 0]);
        let found = before.with_permutation(moved);
        assert_eq!(found.order, before.order, "units stay where they are drawn");
        let drawn = found.order.iter().map(|&unit| found.units[unit].after).collect::<Vec<_>>();
        assert_eq!([0, 1, 2].map(|place| found.overview.after.at(place, place)), drawn[..]);
        let expected = report(vec![2, 0, 1]);
        let (order, overview) = (found.order.clone(), found.overview.clone());
        assert_eq!(found, GroupReport { order, overview, ..expected });
    }

    #[test]
    fn correlations_that_are_not_finite_are_counted_and_shown_as_0() {
        let swap = Permutation::new(vec![1, 0]).unwrap();
        let dead = [&[false, false][..], &[false, false]];
        let found =
            GroupReport::new("layer".to_owned(), swap, &[f64::NAN, 0.5, 0.5, f64::INFINITY], dead, Some(&[0.1, 0.3]));
        assert_eq!((found.n_non_finite, found.correlation.at(0, 0)), (2, 0.0));
        assert_eq!((found.after.mean, found.share_moved()), (0.5, 1.0));
        assert!((found.null.unwrap().mean - 0.2).abs() < 1e-6);
    }
}
