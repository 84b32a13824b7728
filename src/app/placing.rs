//! Where the path falls on the plane that is drawn. The compute thread works it out, since it passes over all weights; while a
//! path moves, the last answer is shown until the next one comes.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::start;
use super::{AppState, Effect, planes};
use crate::geometry::{Placement, Plane};
use crate::worker::{JobId, Lane, Request};

/// What was asked: the last question about a plane, and the last one about a bend.
#[derive(Clone, Debug)]
pub(super) struct Placing {
    job: JobId,
    path_revision: u64,
    /// `None`: one through a bend.
    plane: Option<Arc<Plane>>,
}

/// Has the path placed on the plane that is drawn, unless that is known.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let (Some(path), Some(shown)) = (&state.path, &state.plane) else {
        return;
    };
    let is_of_now =
        |(revision, placed): &(u64, Placement)| *revision == path.revision && Arc::ptr_eq(&placed.plane, &shown.plane);
    let is_known = path.own_plane().is_some_and(|own| Arc::ptr_eq(&own.plane, &shown.plane))
        || path.placed.as_ref().is_some_and(is_of_now);
    if !is_known {
        let plane = Arc::clone(&shown.plane);
        ask(state, Some(plane), effects);
    }
}

/// Asks for the path's place on a plane, or on one through a bend; what is being worked out comes first.
pub(super) fn ask(state: &mut AppState, plane: Option<Arc<Plane>>, effects: &mut Vec<Effect>) {
    let Some(path) = state.path.as_ref().filter(|_| !state.runs_job(Purpose::PlacePath)) else {
        return;
    };
    let (path_revision, path) = (path.revision, Arc::clone(&path.path));
    let is_asked = state.placing.iter().any(|asked| {
        let same_plane = match (&asked.plane, &plane) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        asked.path_revision == path_revision && same_plane
    });
    // What failed once, or has no answer, is not tried again.
    if is_asked {
        return;
    }
    let request = Request::PlacePath { path, plane: plane.clone() };
    let label = "Placing the path on the plane".to_owned();
    effects.push(start(state, Purpose::PlacePath, Lane::Placement, label, request));
    state.placing.retain(|asked| asked.plane.is_some() != plane.is_some());
    state.placing.extend(state.job_of(Purpose::PlacePath).map(|job| Placing { job, path_revision, plane }));
}

/// Whether it was found out that no plane goes through the ends and a bend of the path as it is.
pub(super) fn has_no_bend_plane(state: &AppState, path_revision: u64) -> bool {
    state.placing.iter().any(|asked| {
        asked.plane.is_none() && asked.path_revision == path_revision && !state.jobs.contains_key(&asked.job)
    })
}

/// The path was placed; where it has given way to another one, that is of no interest.
pub(super) fn on_placed(state: &mut AppState, job: JobId, placed: Option<Placement>) {
    // Where there is no such plane the question stays, so that it is not asked again.
    let asked = state.placing.iter().position(|asked| asked.job == job);
    let (Some(asked), Some(placed)) = (asked, placed) else {
        return;
    };
    let asked = state.placing.remove(asked);
    let is_fitting = state.is_fitting();
    let Some(path) = state.path.as_mut() else { return };
    if path.revision != asked.path_revision && !is_fitting {
        return;
    }
    if placed.projection.bends.len() != path.path.bends().len() {
        return;
    }
    path.placed = Some((asked.path_revision, placed.clone()));
    if let Some(bend) = placed.through {
        planes::choose_placed(state, &placed.plane, bend);
    }
    // A card that was made meanwhile is to be restored without asking again.
    for run in state.runs.iter_mut().filter(|run| run.path.revision == asked.path_revision) {
        run.path.placed = Some((asked.path_revision, placed.clone()));
    }
}

/// It may be asked again.
pub(super) fn on_cancelled(state: &mut AppState, job: JobId) {
    state.placing.retain(|asked| asked.job != job);
}
