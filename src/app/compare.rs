//! Ways to connect networks tried one after another: each goes through the same jobs as if the user had chosen it and
//! pressed the buttons, and leaves its card among the runs.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::compare_tasks::{CompareOver, EndAt, Task, Way, tasks};
use super::jobs::Purpose;
use super::state::AlignmentState;
use super::{AppState, ByHandState, Effect, ModeId, alignment, refresh, search, update};
use crate::data::SplitName;
use crate::geometry::Family;
use crate::matching::AlignMethod;
use crate::net::ParamVec;

/// Which families are compared, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct CompareState {
    /// Families that the user took out; all others that suit the networks are run.
    pub left_out: BTreeSet<Family>,
    pub running: Option<RunningComparison>,
    /// Runs of the last comparison that found no path, with the reason.
    pub failures: Vec<(Task, String)>,
}

/// A comparison that is under way.
#[derive(Clone, Debug)]
pub struct RunningComparison {
    /// The one that is at work.
    pub task: Task,
    /// Counts from 1.
    pub number: usize,
    pub n_tasks: usize,
    queue: VecDeque<Task>,
    step: Step,
    /// Where the path ends, once that is known.
    end: Option<Arc<ParamVec>>,
    /// The last alignment that was made for it.
    aligned: Option<((ModeId, ModeId), AlignMethod)>,
    data_revision: u64,
    before: Before,
}

/// What was set before a comparison.
#[derive(Clone, Debug)]
struct Before {
    ends: (ModeId, ModeId),
    use_aligned: bool,
    alignment: Option<AlignmentState>,
    by_hand: Option<ByHandState>,
    /// Of fits and of connections.
    seeds: [u64; 2],
}

/// What a run waits for.
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

/// Starts with the first of the runs: the chosen families, to where the path ends now.
pub(super) fn begin_families(state: &mut AppState, over: CompareOver) {
    let families = state.compared_families().into_iter();
    let ways: Vec<Way> = families.map(|family| Way { end: EndAt::Current, family }).collect();
    begin(state, &ways, over);
}

/// Starts with the first of the runs of these ways.
pub(super) fn begin(state: &mut AppState, ways: &[Way], over: CompareOver) {
    let (Some(_), Some(ends)) = (refresh::fitting_pair(state), state.endpoints) else {
        return;
    };
    let mut queue = tasks(state, ways, over);
    let (Some(data), Some(task)) = (&state.data, queue.pop_front()) else {
        return;
    };
    if state.is_fitting() || state.runs_job(Purpose::Align) || state.compare.running.is_some() {
        return;
    }
    let (data_revision, n_tasks) = (data.revision, queue.len() + 1);
    state.compare.failures.clear();
    let seeds = [state.settings.path.fit.seed, state.settings.path.connect.seed];
    state.compare.running = Some(RunningComparison {
        task,
        number: 1,
        n_tasks,
        queue,
        step: Step::Fresh,
        end: None,
        aligned: None,
        data_revision,
        before: Before {
            ends,
            use_aligned: state.use_aligned,
            alignment: state.alignment.clone(),
            by_hand: state.by_hand.as_ref().map(ByHandState::at_rest),
            seeds,
        },
    });
    set_up(state, task);
}

/// Ends the comparison and comes back to the pair that it began with; what was found stays.
pub(super) fn stop(state: &mut AppState) {
    let Some(before) = end(state) else { return };
    if state.endpoints != Some(before.ends) {
        turn_to(state, before.ends);
        (state.alignment, state.by_hand, state.use_aligned) = (before.alignment, before.by_hand, before.use_aligned);
    }
}

/// Ends the comparison where it is; what was found stays, and the seeds are again what they were.
fn end(state: &mut AppState) -> Option<Before> {
    let before = state.compare.running.take()?.before;
    [state.settings.path.fit.seed, state.settings.path.connect.seed] = before.seeds;
    Some(before)
}

/// Goes on to the next run when one is done, or ends when something else was set up meanwhile.
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
        Step::Aligning => {
            if let Some(RunningComparison { task, aligned, .. }) = &mut state.compare.running {
                *aligned = match task.way.end {
                    EndAt::Aligned(method) => Some((task.ends, method)),
                    EndAt::Current | EndAt::Loaded => None,
                };
            }
            find_end(state);
        }
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

/// Starts what the run at work needs next: its alignment, or the search for its path once a fresh one stands.
pub(super) fn start_work(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(running) = &state.compare.running else {
        return;
    };
    let family = running.task.way.family;
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

/// An alignment or a search for a path failed: the next run has its turn.
pub(super) fn on_failed(state: &mut AppState, purpose: Purpose, reason: String) {
    if matches!(purpose, Purpose::FindPath | Purpose::Align) && state.compare.running.is_some() {
        set_step(state, Step::Failed(reason));
    }
}

fn still_stands(state: &AppState, running: &RunningComparison) -> bool {
    state.endpoints == Some(running.task.ends)
        && state.settings.path.family == running.task.way.family
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
        state.compare.failures.push((running.task, reason));
    }
    next(state);
}

fn next(state: &mut AppState) {
    let Some(running) = &mut state.compare.running else {
        return;
    };
    let Some(task) = running.queue.pop_front() else {
        stop(state);
        return;
    };
    running.task = task;
    running.number += 1;
    set_up(state, task);
}

/// Makes this the current pair, if it is not.
fn turn_to(state: &mut AppState, ends: (ModeId, ModeId)) {
    if state.endpoints != Some(ends) {
        state.endpoints = Some(ends);
        refresh::sync_pair(state);
    }
}

/// A fresh path of the run's family takes the place of the present one, once its end is known.
fn set_up(state: &mut AppState, task: Task) {
    turn_to(state, task.ends);
    let Some(running) = &mut state.compare.running else {
        return;
    };
    running.end = None;
    let is_aligned = |method| running.aligned == Some((task.ends, method));
    let [fit, connect] = running.before.seeds.map(|seed| seed.wrapping_add(task.seed));
    let to_align = match task.way.end {
        EndAt::Aligned(method) if !is_aligned(method) => Some(method),
        EndAt::Aligned(_) | EndAt::Current | EndAt::Loaded => None,
    };
    update::choose_family(&mut state.settings, task.way.family);
    (state.settings.path.fit.seed, state.settings.path.connect.seed) = (fit, connect);
    state.path = None;
    match (task.way.end, to_align) {
        (EndAt::Current, _) => {}
        (EndAt::Loaded, _) => state.use_aligned = false,
        (EndAt::Aligned(_), None) => state.use_aligned = true,
        (EndAt::Aligned(_), Some(method)) => return set_step(state, Step::Unaligned(method)),
    }
    find_end(state);
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
