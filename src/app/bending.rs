//! A bend that the user drags over the plane. Where the path falls then is known at once; the path itself comes from the
//! compute thread, since making it passes over all weights.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::start;
use super::update::stop;
use super::{AppState, Effect};
use crate::geometry::{Path, Placement, Plane};
use crate::worker::{JobId, Lane, Request};

/// Where the user wants a bend.
#[derive(Clone, Debug)]
struct Tug {
    /// Of the path that is bent.
    path_revision: u64,
    bend: usize,
    plane: Arc<Plane>,
    at: (f64, f64),
    /// The mouse let go.
    done: bool,
}

/// The bend on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Bending {
    asked: Option<(JobId, Tug)>,
    /// The newest, which is asked for when the last one is there.
    next: Option<Tug>,
}

/// Only the part in the plane follows the mouse; a bend that stood off the plane comes down onto it.
pub(super) fn drag(state: &mut AppState, bend: usize, at: (f64, f64), done: bool, effects: &mut Vec<Effect>) {
    stop(state, Purpose::FindPath, effects);
    let (Some(path), Some(shown)) = (&mut state.path, &state.plane) else {
        return;
    };
    if path.path.bends().len() <= bend {
        return;
    }
    let plane = Arc::clone(&shown.plane);
    let moved = path.projection(&plane).and_then(|projection| projection.with_bend_at(bend, at));
    if let Some(projection) = moved.map(Arc::new) {
        path.placed = Some((path.revision, Placement { plane: Arc::clone(&plane), projection, through: None }));
    }
    path.fit = None;
    state.bending.next = Some(Tug { path_revision: path.revision, bend, plane, at, done });
}

/// Has the path made for the newest place of a bend, one at a time.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.runs_job(Purpose::BendPath) {
        return;
    }
    let Some(tug) = state.bending.next.take() else { return };
    let Some(path) = state.path.as_ref().filter(|path| path.revision == tug.path_revision) else {
        return;
    };
    let request =
        Request::BendPath { path: Arc::clone(&path.path), bend: tug.bend, plane: Arc::clone(&tug.plane), at: tug.at };
    effects.push(start(state, Purpose::BendPath, Lane::Bend, "Bending the path".to_owned(), request));
    state.bending.asked = state.job_of(Purpose::BendPath).map(|job| (job, tug));
}

/// The path goes through the bend; where it has given way to another one, that is of no interest.
pub(super) fn on_bent(state: &mut AppState, job: JobId, bent: Arc<Path>, placed: Placement) {
    let Some((_, tug)) = state.bending.asked.take_if(|(asked, _)| *asked == job) else {
        return;
    };
    let revision = state.fresh();
    let Some(path) = state.path.as_mut().filter(|path| path.revision == tug.path_revision) else {
        return;
    };
    path.path = bent;
    path.revision = revision;
    path.by_hand = true;
    match &mut state.bending.next {
        // The mouse is farther on: what is drawn is where it stands.
        Some(next) if next.path_revision == tug.path_revision => {
            next.path_revision = revision;
            path.dragging = true;
            if let Some((of, _)) = &mut path.placed {
                *of = revision;
            }
        }
        _ => {
            path.placed = Some((revision, placed));
            path.dragging = !tug.done;
        }
    }
}

/// The bend stays where the path has it.
pub(super) fn on_interrupted(state: &mut AppState) {
    state.bending = Bending::default();
    if let Some(path) = &mut state.path {
        path.dragging = false;
        path.placed = None;
    }
}
