//! One permutation group: its correlations, its assignment in slices, and what both come to.

use super::super::ComputeError;
use super::super::correlate::ReadingMoments;
use crate::matching::{Assignment, GroupReport, Permutation, Similarity, assign_units};

/// Scores that one slice of an assignment looks at: about 20 ms.
const SLICE_VALUES: usize = 10_000_000;

/// A group at work; call [`Self::step`] until it says that all is there.
pub(super) struct GroupMatch {
    /// `[n, n]`, row-major, the mean over the group's readings.
    correlation: Vec<f64>,
    /// Units of A and of B that give the same for every sample.
    dead: [Vec<bool>; 2],
    units: Units,
    /// The best assignment on shuffled samples, and what the units correlate there.
    null: Option<(Assignment<'static>, Vec<f64>)>,
}

/// Who takes whose place.
enum Units {
    Known(Permutation),
    Searched(Box<Assignment<'static>>),
}

impl GroupMatch {
    /// `known`: the permutation where it is not to be found from the activations.
    pub(super) fn new(
        readings: &[&ReadingMoments],
        n_units: usize,
        similarity: Similarity,
        known: Option<Permutation>,
    ) -> Result<Self, ComputeError> {
        let dead = |dead_in: fn(&ReadingMoments) -> Vec<bool>| -> Vec<bool> {
            let each: Vec<Vec<bool>> = readings.iter().map(|moments| dead_in(moments)).collect();
            (0..n_units).map(|unit| each.iter().all(|dead| dead[unit])).collect()
        };
        let units = match known {
            Some(permutation) => Units::Known(permutation),
            None => Units::Searched(Box::new(assign_units(&scores(readings, n_units, similarity), n_units)?)),
        };
        Ok(Self {
            correlation: mean(readings, n_units, |moments| moments.matched.correlation()),
            dead: [
                dead(|moments| moments.matched.a.dead(moments.matched.n_samples)),
                dead(|moments| moments.matched.b.dead(moments.matched.n_samples)),
            ],
            units,
            null: null(readings, n_units)?,
        })
    }

    /// Works a little; whether everything is there.
    pub(super) fn step(&mut self) -> bool {
        if let Units::Searched(search) = &mut self.units
            && !search.step(SLICE_VALUES)
        {
            return false;
        }
        self.null.as_mut().is_none_or(|(search, _)| search.step(SLICE_VALUES))
    }

    /// What was found, once [`Self::step`] has said that it is all.
    ///
    /// `pair_dead`: the permutation with its pairs of dead units told apart, given those units of A and of B; not asked where
    /// the permutation was known.
    pub(super) fn finish(
        self,
        name: String,
        pair_dead: impl FnOnce(&Permutation, [&[bool]; 2]) -> Permutation,
    ) -> Result<GroupReport, ComputeError> {
        let [dead_a, dead_b] = &self.dead;
        let permutation = match self.units {
            Units::Known(permutation) => permutation,
            Units::Searched(search) => pair_dead(&search.finish()?, [dead_a, dead_b]),
        };
        let null = match self.null {
            None => None,
            Some((search, correlation)) => {
                let (best, n) = (search.finish()?, permutation.len());
                Some((0..n).map(|unit| correlation[unit * n + best.source(unit)]).collect::<Vec<f64>>())
            }
        };
        Ok(GroupReport::new(name, permutation, &self.correlation, [dead_a, dead_b], null.as_deref()))
    }
}

/// How alike the units of a group are, `[n_units, n_units]`, the mean over its readings.
pub(super) fn scores(readings: &[&ReadingMoments], n_units: usize, similarity: Similarity) -> Vec<f64> {
    mean(readings, n_units, |moments| moments.matched.similarity(similarity))
}

/// The search on shuffled samples, and the correlations there; `None` if they were not measured.
fn null(readings: &[&ReadingMoments], n_units: usize) -> Result<Option<(Assignment<'static>, Vec<f64>)>, ComputeError> {
    if !readings.iter().all(|moments| moments.shuffled.as_ref().is_some_and(|shuffled| 0 < shuffled.n_samples)) {
        return Ok(None);
    }
    let correlation = mean(readings, n_units, |moments| {
        moments.shuffled.as_ref().map_or_else(Vec::new, |shuffled| shuffled.correlation())
    });
    Ok(Some((assign_units(&correlation, n_units)?, correlation)))
}

/// Mean over a group's readings of `[n_units, n_units]` values.
fn mean(readings: &[&ReadingMoments], n_units: usize, of: impl Fn(&ReadingMoments) -> Vec<f64>) -> Vec<f64> {
    let mut mean = vec![0.0; n_units * n_units];
    for moments in readings {
        for (total, value) in mean.iter_mut().zip(of(moments)) {
            *total += value / readings.len() as f64;
        }
    }
    mean
}
