//! The table of a group's units: which rows it has, in which order, and the same as CSV.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::matching::{GroupReport, UnitMatch};

/// The table's columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitColumn {
    #[default]
    Unit,
    Partner,
    Before,
    After,
    Margin,
    BestPartner,
    Best,
    Flags,
}

impl UnitColumn {
    pub const ALL: [Self; 8] = [
        Self::Unit,
        Self::Partner,
        Self::Before,
        Self::After,
        Self::Margin,
        Self::BestPartner,
        Self::Best,
        Self::Flags,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Unit => "unit of A",
            Self::Partner => "unit of B",
            Self::Before => "before",
            Self::After => "after",
            Self::Margin => "margin",
            Self::BestPartner => "best unit",
            Self::Best => "best",
            Self::Flags => "flags",
        }
    }

    pub fn explanation(self) -> &'static str {
        match self {
            Self::Unit => "The unit of A, counted from 0",
            Self::Partner => "The unit of B that is put in its place",
            Self::Before => "Correlation with B's unit of the same number",
            Self::After => "Correlation with its partner",
            Self::Margin => {
                "Correlation with its partner less the best with any other unit of B: negative where its partner is not \
                 its first choice"
            }
            Self::BestPartner => "The unit of B that it correlates most with, whoever else wants it",
            Self::Best => "Correlation with that unit",
            Self::Flags => {
                "Dead: it or its partner gives the same for every image. Contested: it did not get its first choice, or \
                 others wanted its partner too. Moved: its partner had another number"
            }
        }
    }

    /// Whether values are correlations, or differences of them.
    pub fn is_correlation(self) -> bool {
        matches!(self, Self::Before | Self::After | Self::Margin | Self::Best)
    }
}

/// Which units have rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitFilter {
    #[default]
    All,
    Selected,
    Moved,
    Contested,
    Dead,
}

impl UnitFilter {
    pub const ALL: [Self; 5] = [Self::All, Self::Selected, Self::Moved, Self::Contested, Self::Dead];

    pub fn label(self) -> &'static str {
        match self {
            Self::All => "All units",
            Self::Selected => "Selected",
            Self::Moved => "Moved",
            Self::Contested => "Contested",
            Self::Dead => "Dead",
        }
    }
}

/// What is asked of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitQuery {
    pub filter: UnitFilter,
    /// Numbers of units, of A or of B; all where there is none.
    pub numbers: String,
    pub column: UnitColumn,
    pub highest_first: bool,
}

/// A group's units with what the table says of each.
#[derive(Clone, Copy)]
pub struct Units<'a> {
    pub group: &'a GroupReport,
    /// One a unit, of [`GroupReport::contested`].
    pub contested: &'a [bool],
}

impl Units<'_> {
    /// Places of the units that the query asks for, in its order; units that are alike stay in theirs.
    pub fn places(self, selected: &BTreeSet<usize>, query: &UnitQuery) -> Vec<usize> {
        let numbers = numbers(&query.numbers);
        let is_wanted = |&place: &usize| {
            let unit = &self.group.units[place];
            let is_named = numbers.is_empty()
                || numbers.iter().any(|number| matches!(number, Some(n) if *n == place || *n == unit.source));
            is_named
                && match query.filter {
                    UnitFilter::All => true,
                    UnitFilter::Selected => selected.contains(&place),
                    UnitFilter::Moved => unit.source != place,
                    UnitFilter::Contested => self.contested[place],
                    UnitFilter::Dead => unit.has_dead(),
                }
        };
        let mut places: Vec<usize> = (0..self.group.n_units()).filter(is_wanted).collect();
        places.sort_by(|&a, &b| {
            let order = self.compare(a, b, query.column);
            if query.highest_first { order.reverse() } else { order }
        });
        places
    }

    fn compare(self, a: usize, b: usize, column: UnitColumn) -> Ordering {
        let (one, other) = (&self.group.units[a], &self.group.units[b]);
        let by = |value: fn(&UnitMatch) -> f32| value(one).total_cmp(&value(other));
        match column {
            UnitColumn::Unit => a.cmp(&b),
            UnitColumn::Partner => one.source.cmp(&other.source),
            UnitColumn::Before => by(|unit| unit.before),
            UnitColumn::After => by(|unit| unit.after),
            UnitColumn::Margin => by(|unit| unit.margin),
            UnitColumn::BestPartner => one.best_source.cmp(&other.best_source),
            UnitColumn::Best => by(|unit| unit.best),
            UnitColumn::Flags => {
                let flags =
                    |place: usize| (self.group.units[place].has_dead(), self.contested[place], self.is_moved(place));
                flags(a).cmp(&flags(b))
            }
        }
    }

    fn is_moved(self, place: usize) -> bool {
        self.group.units[place].source != place
    }

    /// `dead, contested, moved`, as far as they hold.
    pub fn flags(self, place: usize) -> String {
        let unit = &self.group.units[place];
        let dead = match (unit.is_dead, unit.is_source_dead) {
            (true, true) => "both dead",
            (true, false) => "dead in A",
            (false, true) => "dead in B",
            (false, false) => "",
        };
        let contested = if self.contested[place] { "contested" } else { "" };
        let moved = if self.is_moved(place) { "moved" } else { "" };
        [dead, contested, moved].into_iter().filter(|flag| !flag.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// The units at these places, unrounded; one row each.
    pub fn to_csv(self, places: impl IntoIterator<Item = usize>) -> String {
        let mut text = "unit,source,before,after,margin,best source,best,dead,source dead,contested\n".to_owned();
        for place in places {
            let UnitMatch { source, before, after, best_source, best, margin, is_dead, is_source_dead } =
                self.group.units[place];
            text += &format!(
                "{place},{source},{before},{after},{margin},{best_source},{best},{is_dead},{is_source_dead},{}\n",
                self.contested[place]
            );
        }
        text
    }
}

/// What stands in the field, number by number; `None` for what is none.
fn numbers(text: &str) -> Vec<Option<usize>> {
    text.split([' ', ',', ';']).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;

    /// A 0 keeps its place, A 1 and A 2 change theirs; A 2 wanted what A 0 got; A 3 is dead.
    fn group() -> GroupReport {
        let correlation = [
            0.9, 0.2, 0.1, 0.0, //
            0.1, 0.3, 0.8, 0.0, //
            0.7, 0.5, 0.2, 0.0, //
            0.0, 0.0, 0.0, 0.0,
        ];
        let dead = [&[false, false, false, true][..], &[false; 4]];
        let permutation = Permutation::new(vec![0, 2, 1, 3]).unwrap();
        GroupReport::new("layer".to_owned(), permutation, &correlation, dead, None)
    }

    fn found(query: &UnitQuery, selected: &[usize]) -> Vec<usize> {
        let group = group();
        let contested = group.contested();
        Units { group: &group, contested: &contested }.places(&selected.iter().copied().collect(), query)
    }

    fn of(filter: UnitFilter) -> UnitQuery {
        UnitQuery { filter, ..UnitQuery::default() }
    }

    #[test]
    fn filters_keep_the_units_they_name() {
        assert_eq!(found(&of(UnitFilter::All), &[]), [0, 1, 2, 3]);
        assert_eq!(found(&of(UnitFilter::Selected), &[3, 1]), [1, 3]);
        assert_eq!(found(&of(UnitFilter::Moved), &[]), [1, 2]);
        assert_eq!(found(&of(UnitFilter::Contested), &[]), [0, 2]);
        assert_eq!(found(&of(UnitFilter::Dead), &[]), [3]);
    }

    #[test]
    fn a_number_finds_units_of_either_network() {
        let of = |numbers: &str| found(&UnitQuery { numbers: numbers.to_owned(), ..UnitQuery::default() }, &[]);
        assert_eq!(of("2"), [1, 2], "unit 2 of A, and the unit whose partner is B's unit 2");
        assert_eq!(of(" 0, 3"), [0, 3]);
        assert_eq!(of("17"), [0; 0]);
        assert_eq!(of("many"), [0; 0], "what is no number finds nothing");
        assert_eq!(of(" "), [0, 1, 2, 3]);
    }

    #[test]
    fn every_column_orders_the_rows_both_ways() {
        let by = |column, highest_first| found(&UnitQuery { column, highest_first, ..UnitQuery::default() }, &[]);
        assert_eq!(by(UnitColumn::After, true), [0, 1, 2, 3]);
        assert_eq!(by(UnitColumn::After, false), [3, 2, 1, 0]);
        assert_eq!(by(UnitColumn::Before, false), [3, 2, 1, 0]);
        assert_eq!(by(UnitColumn::Margin, false), [2, 3, 1, 0]);
        assert_eq!(by(UnitColumn::Partner, true), [3, 1, 2, 0]);
        assert_eq!(by(UnitColumn::BestPartner, false), [0, 2, 3, 1], "alike: in their own order");
        assert_eq!(by(UnitColumn::Flags, true), [3, 2, 0, 1]);
        assert_eq!(by(UnitColumn::Unit, true), [3, 2, 1, 0]);
    }

    #[test]
    fn the_csv_has_a_row_for_each_place_in_the_given_order() {
        let group = group();
        let contested = group.contested();
        let units = Units { group: &group, contested: &contested };
        let csv = units.to_csv([2, 3]);
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows[1..], ["2,1,0.2,0.5,-0.19999999,0,0.7,false,false,true", "3,3,0,0,0,0,0,true,false,false"]);
        assert_eq!(rows[0].split(',').count(), rows[1].split(',').count());
        assert_eq!(
            (units.flags(2), units.flags(3), units.flags(0)),
            ("contested, moved".into(), "dead in A".into(), "contested".into())
        );
    }
}
