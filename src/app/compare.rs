//! Families tried one after another on the current pair: each goes through the same jobs as if the user had chosen it and
//! pressed the button, and leaves its card among the runs.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::state::Purpose;
use super::{AppState, Effect, ModeId, refresh, search, update};
use crate::data::SplitName;
use crate::geometry::Family;
use crate::net::ParamVec;

/// Which families are compared, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct CompareState {
    /// Families that the user took out; all others that suit the networks are run.
    pub left_out: BTreeSet<Family>,
    pub running: Option<RunningComparison>,
    /// Families of the last comparison that found no path, with the reason.
    pub failures: Vec<(Family, String)>,
}

/// A comparison that is under way.
#[derive(Clone, Debug)]
pub struct RunningComparison {
    /// The family that is at work.
    pub family: Family,
    /// Counts from 1.
    pub number: usize,
    pub n_families: usize,
    queue: VecDeque<Family>,
    step: Step,
    ends: (ModeId, ModeId),
    end: Arc<ParamVec>,
    data_revision: u64,
}

/// What a family waits for.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// A fresh path of this family.
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

/// Starts with the first of the chosen families.
pub(super) fn begin(state: &mut AppState) {
    let (Some(_), Some(ends), Some(end)) = (refresh::fitting_pair(state), state.endpoints, state.path_end()) else {
        return;
    };
    let mut queue: VecDeque<Family> = state.compared_families().into();
    let (Some(data), Some(family)) = (&state.data, queue.pop_front()) else {
        return;
    };
    if state.is_fitting() || state.compare.running.is_some() {
        return;
    }
    let data_revision = data.revision;
    let n_families = queue.len() + 1;
    state.compare.failures.clear();
    let step = Step::Fresh;
    let running = RunningComparison { family, number: 1, n_families, queue, step, ends, end, data_revision };
    state.compare.running = Some(running);
    set_up(state, family);
}

/// Ends the comparison; what was found stays.
pub(super) fn end(state: &mut AppState) {
    state.compare.running = None;
}

/// Goes on to the next family when one is done, or ends when something else was set up meanwhile.
pub(super) fn advance(state: &mut AppState) {
    let Some(running) = &state.compare.running else {
        return;
    };
    if !still_stands(state, running) {
        end(state);
        return;
    }
    match &running.step {
        Step::Fresh => {}
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

/// Starts the search for the path of the family at work, once a fresh path stands.
pub(super) fn start_search(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(running) = state.compare.running.as_ref().filter(|running| running.step == Step::Fresh) else {
        return;
    };
    let family = running.family;
    if !family.is_fitted() && !family.is_connected() {
        set_step(state, Step::Evaluating);
        return;
    }
    let started = search::find_path(state);
    set_step(state, if started.is_some() { Step::Searching } else { Step::Failed("it could not start".to_owned()) });
    effects.extend(started);
}

/// The search for a path failed: the next family has its turn.
pub(super) fn on_failed(state: &mut AppState, purpose: Purpose, reason: String) {
    if purpose == Purpose::FindPath && state.compare.running.is_some() {
        set_step(state, Step::Failed(reason));
    }
}

fn still_stands(state: &AppState, running: &RunningComparison) -> bool {
    state.endpoints == Some(running.ends)
        && state.settings.path.family == running.family
        && state.path_end().is_some_and(|end| Arc::ptr_eq(&end, &running.end))
        && state.data.as_ref().is_some_and(|data| data.revision == running.data_revision)
}

/// How far the values along the path are.
enum Evaluation {
    Running,
    Complete,
    Broken,
}

fn evaluation(state: &AppState) -> Evaluation {
    let works = [SplitName::Test, SplitName::Train].into_iter().any(|split| state.runs_job(Purpose::Curve(split)));
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
        state.compare.failures.push((running.family, reason));
    }
    next(state);
}

fn next(state: &mut AppState) {
    let Some(running) = &mut state.compare.running else {
        return;
    };
    let Some(family) = running.queue.pop_front() else {
        end(state);
        return;
    };
    running.family = family;
    running.number += 1;
    running.step = Step::Fresh;
    set_up(state, family);
}

/// A fresh path of a family takes the place of the present one.
fn set_up(state: &mut AppState, family: Family) {
    update::choose_family(&mut state.settings, family);
    state.path = None;
}

fn set_step(state: &mut AppState, step: Step) {
    if let Some(running) = &mut state.compare.running {
        running.step = step;
    }
}
