//! Which matches can be trusted: against chance, and against the alternatives.

use super::report::quantile;
use super::{GroupReport, UnitMatch};

/// Margin below which another partner would be nearly as good.
pub const AMBIGUOUS_MARGIN: f32 = 0.05;

impl UnitMatch {
    /// Whether either unit gives the same for every sample, so that nothing speaks for or against the match.
    pub fn has_dead(&self) -> bool {
        self.is_dead || self.is_source_dead
    }

    /// Whether no unit of B correlates more with its unit of A.
    pub fn is_first_choice(&self) -> bool {
        self.best <= self.after
    }

    /// Whether another partner would be nearly as good, or better.
    pub fn is_ambiguous(&self) -> bool {
        !self.has_dead() && self.margin < AMBIGUOUS_MARGIN
    }
}

impl GroupReport {
    /// Units of A whose pair has no dead unit, in order.
    pub fn live(&self) -> impl Iterator<Item = (usize, &UnitMatch)> {
        self.units.iter().enumerate().filter(|(_, unit)| !unit.has_dead())
    }

    /// The correlation that a share of the pairs of shuffled samples stays below, 0..1. `None` without a null.
    pub fn null_quantile(&self, share: f64) -> Option<f64> {
        (!self.null_sorted.is_empty()).then(|| quantile(&self.null_sorted, share))
    }

    /// Live pairs that correlate more than this.
    pub fn n_above(&self, correlation: f64) -> usize {
        self.live().filter(|(_, unit)| correlation < f64::from(unit.after)).count()
    }

    /// One a unit of A: whether it got another than its first choice, or its partner is the first choice of others too. Never
    /// of pairs with a dead unit, and dead units want nobody.
    pub fn contested(&self) -> Vec<bool> {
        let mut is_wanted_by_others = vec![false; self.n_units()];
        for (_, unit) in self.live().filter(|(_, unit)| !unit.is_first_choice()) {
            is_wanted_by_others[unit.best_source] = true;
        }
        let contested =
            |unit: &UnitMatch| !unit.has_dead() && (!unit.is_first_choice() || is_wanted_by_others[unit.source]);
        self.units.iter().map(contested).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;

    fn report(correlation: &[f64], dead_a: &[bool], null: Option<&[f64]>) -> GroupReport {
        let n = dead_a.len();
        let dead_b = vec![false; n];
        GroupReport::new("layer".to_owned(), Permutation::identity(n), correlation, [dead_a, &dead_b], null)
    }

    #[test]
    fn both_sides_of_a_contest_are_contested() {
        // Unit 1 of A wants B's unit 0, which unit 0 got; unit 2 and its partner want each other.
        let found = report(&[0.9, 0.2, 0.0, 0.8, 0.5, 0.1, 0.0, 0.0, 0.7], &[false; 3], None);
        assert_eq!(found.contested(), [true, true, false]);
        assert_eq!(found.units.iter().map(UnitMatch::is_ambiguous).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn dead_units_want_nobody_and_are_neither_ambiguous_nor_contested() {
        let found = report(&[0.9, 0.2, 0.0, 0.0], &[false, true], None);
        assert_eq!(found.contested(), [false, false]);
        assert!(!found.units[1].is_ambiguous() && found.units[1].has_dead());
        assert_eq!(found.live().map(|(place, _)| place).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn equally_good_alternatives_make_a_match_ambiguous_but_not_contested() {
        let found = report(&[0.6, 0.6, 0.1, 0.9], &[false; 2], None);
        assert!(found.units[0].is_ambiguous() && found.units[0].is_first_choice());
        assert_eq!(found.contested(), [false, false]);
    }

    #[test]
    fn pairs_are_held_against_the_quantiles_of_the_null() {
        let found = report(&[0.9, 0.2, 0.1, 0.3], &[false; 2], Some(&[0.4, 0.2]));
        assert_eq!(found.null_sorted, [0.2, 0.4]);
        let most = found.null_quantile(0.99).unwrap();
        assert!((most - 0.398).abs() < 1e-12);
        assert_eq!((found.n_above(most), found.n_above(0.0)), (1, 2));
        assert_eq!(report(&[1.0], &[false], None).null_quantile(0.99), None);
    }
}
