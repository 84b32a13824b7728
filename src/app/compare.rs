//! Ways to connect the current pair tried one after another: each goes through the same jobs as if the user had chosen it and
//! pressed the buttons, and leaves its card among the runs.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::state::Purpose;
use super::{AlignedBy, AppState, Effect, ModeId, alignment, refresh, search, update};
use crate::data::SplitName;
use crate::geometry::Family;
use crate::matching::AlignMethod;
use crate::net::ParamVec;

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

/// Which families are compared, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct CompareState {
    /// Families that the user took out; all others that suit the networks are run.
    pub left_out: BTreeSet<Family>,
    pub running: Option<RunningComparison>,
    /// Ways of the last comparison that found no path, with the reason.
    pub failures: Vec<(Way, String)>,
}

/// A comparison that is under way.
#[derive(Clone, Debug)]
pub struct RunningComparison {
    /// The one that is at work.
    pub way: Way,
    /// Counts from 1.
    pub number: usize,
    pub n_ways: usize,
    queue: VecDeque<Way>,
    step: Step,
    ends: (ModeId, ModeId),
    /// Where the path ends, once that is known.
    end: Option<Arc<ParamVec>>,
    data_revision: u64,
}

/// What a way waits for.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// An alignment that is to be started.
    Unaligned(AlignMethod),
    Aligning,
    /// A fresh path of its family.
    Fresh,
    Searching,
    Evaluating,
    Failed(String),
}

impl AppState {
    /// The families that a comparison would run, in the order of the menu.
    pub fn compared_families(&self) -> Vec<Family> {
        let possible = Family::ALL.into_iter().filter(|family| self.obstacle(*family).is_none());
        possible.filter(|family| !self.compare.left_out.contains(family)).collect()
    }
}

/// The chosen families, to where the path ends now.
pub(super) fn families(state: &AppState) -> VecDeque<Way> {
    state.compared_families().into_iter().map(|family| Way { end: EndAt::Current, family }).collect()
}

/// Starts with the first of these ways.
pub(super) fn begin(state: &mut AppState, mut queue: VecDeque<Way>) {
    let (Some(_), Some(ends)) = (refresh::fitting_pair(state), state.endpoints) else {
        return;
    };
    let (Some(data), Some(way)) = (&state.data, queue.pop_front()) else {
        return;
    };
    if state.is_fitting() || state.runs_job(Purpose::Align) || state.compare.running.is_some() {
        return;
    }
    let (data_revision, n_ways) = (data.revision, queue.len() + 1);
    state.compare.failures.clear();
    let running =
        RunningComparison { way, number: 1, n_ways, queue, step: Step::Fresh, ends, end: None, data_revision };
    state.compare.running = Some(running);
    set_up(state, way);
}

/// Ends the comparison; what was found stays.
pub(super) fn end(state: &mut AppState) {
    state.compare.running = None;
}

/// Goes on to the next way when one is done, or ends when something else was set up meanwhile.
pub(super) fn advance(state: &mut AppState) {
    let Some(running) = &state.compare.running else {
        return;
    };
    if !still_stands(state, running) {
        end(state);
        return;
    }
    match &running.step {
        Step::Unaligned(_) | Step::Fresh => {}
        Step::Aligning if state.runs_job(Purpose::Align) => {}
        Step::Aligning => find_end(state),
        Step::Searching if state.is_fitting() => {}
        Step::Searching => set_step(state, Step::Evaluating),
        Step::Evaluating => match evaluation(state) {
            Evaluation::Running => {}
            Evaluation::Complete => next(state),
            Evaluation::Broken => fail(state, "its points could not be evaluated".to_owned()),
        },
        Step::Failed(reason) => fail(state, reason.clone()),
    }
}

/// Starts what the way at work needs next: its alignment, or the search for its path once a fresh one stands.
pub(super) fn start_work(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(running) = &state.compare.running else {
        return;
    };
    let family = running.way.family;
    let (started, step) = match running.step {
        Step::Unaligned(method) => {
            state.settings.align.options.method = method;
            (alignment::begin(state), Step::Aligning)
        }
        Step::Fresh if !family.is_fitted() && !family.is_connected() => {
            set_step(state, Step::Evaluating);
            return;
        }
        Step::Fresh => (search::find_path(state), Step::Searching),
        _ => return,
    };
    set_step(state, if started.is_some() { step } else { Step::Failed("it could not start".to_owned()) });
    effects.extend(started);
}

/// An alignment or a search for a path failed: the next way has its turn.
pub(super) fn on_failed(state: &mut AppState, purpose: Purpose, reason: String) {
    if matches!(purpose, Purpose::FindPath | Purpose::Align) && state.compare.running.is_some() {
        set_step(state, Step::Failed(reason));
    }
}

fn still_stands(state: &AppState, running: &RunningComparison) -> bool {
    state.endpoints == Some(running.ends)
        && state.settings.path.family == running.way.family
        && running.end.as_ref().is_none_or(|end| state.path_end().is_some_and(|now| Arc::ptr_eq(&now, end)))
        && state.data.as_ref().is_some_and(|data| data.revision == running.data_revision)
}

/// How far the values along the path are.
enum Evaluation {
    Running,
    Complete,
    Broken,
}

fn evaluation(state: &AppState) -> Evaluation {
    let purposes = [Purpose::Curve(SplitName::Test), Purpose::Curve(SplitName::Train), Purpose::Robust];
    let works = purposes.into_iter().any(|purpose| state.runs_job(purpose));
    let current = state.curve.as_ref().zip(state.path.as_ref());
    let current = current.filter(|(curve, path)| curve.key.path_revision == path.revision && !curve.key.quick);
    match current {
        Some(_) if works => Evaluation::Running,
        Some((curve, _)) if curve.is_complete() => Evaluation::Complete,
        Some(_) => Evaluation::Broken,
        None => Evaluation::Running,
    }
}

fn fail(state: &mut AppState, reason: String) {
    if let Some(running) = &state.compare.running {
        state.compare.failures.push((running.way, reason));
    }
    next(state);
}

fn next(state: &mut AppState) {
    let Some(running) = &mut state.compare.running else {
        return;
    };
    let Some(way) = running.queue.pop_front() else {
        end(state);
        return;
    };
    running.way = way;
    running.number += 1;
    set_up(state, way);
}

/// A fresh path of the way's family takes the place of the present one, once its end is known.
fn set_up(state: &mut AppState, way: Way) {
    update::choose_family(&mut state.settings, way.family);
    state.path = None;
    match way.end {
        EndAt::Current => find_end(state),
        EndAt::Loaded => {
            state.use_aligned = false;
            find_end(state);
        }
        EndAt::Aligned(method) => {
            if let Some(running) = &mut state.compare.running {
                running.end = None;
            }
            set_step(state, Step::Unaligned(method));
        }
    }
}

/// The path is to end where it would end now.
fn find_end(state: &mut AppState) {
    let end = state.path_end();
    if let Some(running) = &mut state.compare.running {
        running.end = end;
        running.step = Step::Fresh;
    }
}

fn set_step(state: &mut AppState, step: Step) {
    if let Some(running) = &mut state.compare.running {
        running.step = step;
    }
}
