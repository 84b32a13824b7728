//! Permutations that were changed by hand: pairs that are pinned, pairs that are taken apart, places that exchange their
//! units, and layers that are left out.
//!
//! Changes are made in this order. Pinned pairs stand, and the other units of their group are assigned anew by the group's
//! correlations. Of the pairs that are not pinned the worst matched are taken apart. Then places exchange their units, one
//! after another. Groups beyond the last layer that takes part get the identity, whatever else was changed about them.
//!
//! Any permutations of the groups leave the network's function as it is, so all of this does.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignment, AssignmentError, GroupReport, MatchReport, Permutation, assign_units};

/// Score of a pair that a pin rules out. Correlations are at least -1 and at most 1: a matching with a pinned row or column
/// elsewhere has two such pairs, and exchanging them for the pinned one and any other gains 4 or more.
const RULED_OUT: f64 = -3.0;

/// What is changed about the permutations of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// One a group of the report.
    pub groups: Vec<GroupEdits>,
    /// Groups, from the input on, whose permutation is applied; all where `None`.
    pub n_layers: Option<usize>,
}

/// What is changed about one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupEdits {
    /// Pairs of places that exchange their units, in order.
    pub swaps: Vec<(usize, usize)>,
    /// Place to unit of B.
    pins: BTreeMap<usize, usize>,
    /// The worst matched pairs that are taken apart: their places get the same units in B's own order.
    pub n_unmatched: usize,
}

impl Edits {
    /// Nothing changed about `n_groups` groups.
    pub fn none(n_groups: usize) -> Self {
        Self { groups: vec![GroupEdits::default(); n_groups], n_layers: None }
    }

    /// Nothing is changed.
    pub fn is_none(&self) -> bool {
        self.n_layers.is_none_or(|n| self.groups.len() <= n) && self.groups.iter().all(GroupEdits::is_none)
    }

    /// Whether these are of the groups of `report`, with places and units that they have.
    pub fn fit(&self, report: &MatchReport) -> bool {
        let fits = |(edits, group): (&GroupEdits, &GroupReport)| {
            let pairs = edits.swaps.iter().copied().chain(edits.pins.iter().map(|(&place, &unit)| (place, unit)));
            pairs.into_iter().all(|(one, other)| one.max(other) < group.n_units())
        };
        self.groups.len() == report.groups.len() && self.groups.iter().zip(&report.groups).all(fits)
    }

    /// Whether a group's permutation is applied at all.
    pub fn reaches(&self, group: usize) -> bool {
        self.n_layers.is_none_or(|n| group < n)
    }
}

impl GroupEdits {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Place to unit of B, by place; no unit comes twice.
    pub fn pins(&self) -> &BTreeMap<usize, usize> {
        &self.pins
    }

    /// Keeps a unit of B in a place, instead of what was pinned there and of where the unit was pinned.
    pub fn pin(&mut self, place: usize, unit: usize) {
        self.pins.retain(|_, pinned| *pinned != unit);
        self.pins.insert(place, unit);
    }

    pub fn unpin(&mut self, place: usize) {
        self.pins.remove(&place);
    }

    /// The search for the group's permutation around the pins; `None` where there are none.
    fn assignment(&self, group: &GroupReport) -> Result<Option<Assignment<'static>>, AssignmentError> {
        if self.pins.is_empty() {
            return Ok(None);
        }
        let n = group.n_units();
        let mut scores: Vec<f64> = group.correlation.values().iter().map(|&c| f64::from(c)).collect();
        for (&place, &unit) in &self.pins {
            scores[place * n..][..n].fill(RULED_OUT);
            scores.iter_mut().skip(unit).step_by(n).for_each(|score| *score = RULED_OUT);
        }
        for (&place, &unit) in &self.pins {
            scores[place * n + unit] = 1.0;
        }
        assign_units(&scores, n).map(Some)
    }

    /// Takes pairs apart and exchanges units of a permutation that the pins allow.
    fn rearranged(&self, group: &GroupReport, assigned: &Permutation) -> Permutation {
        let mut sources = assigned.sources().to_vec();
        let mut free: Vec<usize> = (0..sources.len()).filter(|place| !self.pins.contains_key(place)).collect();
        let matched = |place: &usize| group.correlation.at(*place, assigned.source(*place));
        free.sort_by(|one, other| matched(one).total_cmp(&matched(other)));
        free.truncate(self.n_unmatched);
        free.sort_unstable();
        let mut units: Vec<usize> = free.iter().map(|&place| sources[place]).collect();
        units.sort_unstable();
        for (&place, unit) in free.iter().zip(units) {
            sources[place] = unit;
        }
        for &(one, other) in &self.swaps {
            sources.swap(one, other);
        }
        // Exchanged units stay units: this is one whatever was asked for.
        Permutation::new(sources).unwrap_or_else(|| assigned.clone())
    }
}

/// Permutations being changed; call [`Self::step`] until it says that all are there.
pub struct Editing {
    report: Arc<MatchReport>,
    edits: Edits,
    /// The search around the pins of the next group.
    search: Option<Box<Assignment<'static>>>,
    found: Vec<Permutation>,
}

impl Editing {
    /// `edits`: those that fit `report`.
    pub fn new(report: Arc<MatchReport>, edits: Edits) -> Self {
        assert!(edits.fit(&report), "edits of this report");
        Self { report, edits, search: None, found: Vec::new() }
    }

    /// Looks at some `n_values` of a group's correlations. Whether all groups are done.
    pub fn step(&mut self, n_values: usize) -> Result<bool, AssignmentError> {
        let index = self.found.len();
        let Some(group) = self.report.groups.get(index) else {
            return Ok(true);
        };
        let edits = &self.edits.groups[index];
        let permutation = if !self.edits.reaches(index) {
            Permutation::identity(group.n_units())
        } else {
            let search = match self.search.take() {
                Some(search) => Some(search),
                None => edits.assignment(group)?.map(Box::new),
            };
            match search {
                None => edits.rearranged(group, &group.permutation),
                Some(mut search) => {
                    if !search.step(n_values) {
                        self.search = Some(search);
                        return Ok(false);
                    }
                    edits.rearranged(group, &search.finish()?)
                }
            }
        };
        self.found.push(permutation);
        Ok(self.found.len() == self.report.groups.len())
    }

    /// Share of the groups that are done, 0..1.
    pub fn done(&self) -> f64 {
        self.found.len() as f64 / self.report.groups.len().max(1) as f64
    }

    /// Of the groups that are done: of all, once [`Self::step`] has said so.
    pub fn found(&self) -> &[Permutation] {
        &self.found
    }
}

/// The permutations of a report, changed.
pub fn edited(report: &Arc<MatchReport>, edits: &Edits) -> Result<Vec<Permutation>, AssignmentError> {
    let mut editing = Editing::new(Arc::clone(report), edits.clone());
    while !editing.step(usize::MAX)? {}
    Ok(editing.found)
}

#[cfg(test)]
mod tests;
