//! What a comparison runs: ways to connect networks, on one pair or on several, from one seed or from several.

use std::collections::VecDeque;

use super::compare_table::Scope;
use super::{AlignedBy, AppState, ModeId};
use crate::geometry::Family;
use crate::matching::AlignMethod;

/// A way to connect two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub end: EndAt,
    pub family: Family,
}

/// Which network a path ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndAt {
    /// The one that is set.
    Current,
    /// B as it was loaded.
    Loaded,
    /// B lined up anew by a method.
    Aligned(AlignMethod),
}

/// The four curves of Tatro et al. 2020: unaligned, aligned, PAM unaligned and PAM aligned.
pub(super) const FOUR_CURVES: [Way; 4] = [
    Way { end: EndAt::Loaded, family: Family::Bezier },
    Way { end: EndAt::Aligned(AlignMethod::Activation), family: Family::Bezier },
    Way { end: EndAt::Aligned(AlignMethod::Pam), family: Family::Bezier },
    Way { end: EndAt::Aligned(AlignMethod::PamAligned), family: Family::Bezier },
];

impl Way {
    /// "Bézier curve, PAM aligned".
    pub fn title(self) -> String {
        let family = self.family.label();
        match self.end {
            EndAt::Current => family.to_owned(),
            EndAt::Loaded => format!("{family}, unaligned"),
            EndAt::Aligned(method) => format!("{family}, {}", AlignedBy::Method(method).phrase()),
        }
    }
}

/// Which networks a comparison connects, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareOver {
    pub scope: Scope,
    /// Runs of each way that chance plays a part in, with seeds that follow each other from the one that is set.
    pub n_seeds: usize,
}

impl CompareOver {
    /// The current pair, once.
    pub const ONCE: Self = Self { scope: Scope::ThisPair, n_seeds: 1 };
}

/// One run of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub way: Way,
    pub ends: (ModeId, ModeId),
    /// Added to the seeds that are set.
    pub seed: u64,
}

impl AppState {
    /// The families that a comparison would run, in the order of the menu.
    pub fn compared_families(&self) -> Vec<Family> {
        let possible = Family::ALL.into_iter().filter(|family| self.obstacle(*family).is_none());
        possible.filter(|family| !self.compare.left_out.contains(family)).collect()
    }

    /// The pairs that a comparison would connect: the current one, and of the open modes of its architecture all others.
    pub fn compared_pairs(&self, scope: Scope) -> Vec<(ModeId, ModeId)> {
        let Some((a, b)) = self.endpoints.filter(|_| self.joined().is_some()) else { return Vec::new() };
        let mut pairs = vec![(a, b)];
        if scope == Scope::AllPairs {
            let modes = self.ensemble_modes();
            for (place, &one) in modes.iter().enumerate() {
                let others = modes[place + 1..].iter().map(|&other| (one, other));
                pairs.extend(others.filter(|&(one, other)| (one, other) != (a, b) && (other, one) != (a, b)));
            }
        }
        pairs
    }

    /// "Arc, aligned, A to C, seed 2".
    pub fn describe_task(&self, task: Task) -> String {
        let (a, b) = (self.letter(task.ends.0), self.letter(task.ends.1));
        let seed = if task.seed == 0 { String::new() } else { format!(", seed {}", task.seed + 1) };
        format!("{}, {a} to {b}{seed}", task.way.title())
    }
}

/// The runs of a comparison in their order: pair after pair, way after way, seed after seed.
pub(super) fn tasks(state: &AppState, ways: &[Way], over: CompareOver) -> VecDeque<Task> {
    let mut tasks = VecDeque::new();
    for ends in state.compared_pairs(over.scope) {
        for way in ways.iter().map(|way| on_pair(state, *way, ends)) {
            let n_seeds = if way.family.is_random() { over.n_seeds.max(1) } else { 1 };
            tasks.extend((0..n_seeds as u64).map(|seed| Task { way, ends, seed }));
        }
    }
    tasks
}

/// Where the paths of the current pair end at aligned B, so do those of other pairs.
fn on_pair(state: &AppState, way: Way, ends: (ModeId, ModeId)) -> Way {
    if way.end != EndAt::Current || state.endpoints == Some(ends) {
        return way;
    }
    let is_aligned = state.use_aligned && state.current_alignment().is_some() && !state.is_changed_by_hand();
    match state.alignment.as_ref().map(|alignment| &alignment.by) {
        Some(AlignedBy::Method(method)) if is_aligned => Way { end: EndAt::Aligned(*method), ..way },
        _ => Way { end: EndAt::Loaded, ..way },
    }
}
