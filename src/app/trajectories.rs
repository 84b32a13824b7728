//! The checkpoints of one training run as a curve on the landscape.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::start;
use super::{AppState, Effect, Notice, events};
use crate::checkpoint::Mode;
use crate::geometry::{Plane, PlanePoint};
use crate::net::ParamVec;
use crate::worker::{JobId, Lane, Request};

/// Names a trajectory for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrajectoryId(pub u64);

/// The checkpoints of one run, in order.
#[derive(Clone, Debug)]
pub struct TrajectoryState {
    pub id: TrajectoryId,
    pub name: String,
    pub modes: Vec<Arc<Mode>>,
    /// Where the checkpoints lie on a plane; `None` before that is worked out, empty for another network.
    placed: Option<(Arc<Plane>, Vec<PlanePoint>)>,
}

impl TrajectoryState {
    /// Where the checkpoints lie on a plane; none if they are of another network, or before that is worked out.
    pub fn points(&self, plane: &Arc<Plane>) -> &[PlanePoint] {
        self.placed.as_ref().filter(|(on, _)| Arc::ptr_eq(on, plane)).map_or(&[], |(_, points)| points)
    }
}

/// The question that is with the compute thread.
#[derive(Clone, Debug)]
pub(super) struct PlacedTrajectory {
    job: JobId,
    id: TrajectoryId,
    plane: Arc<Plane>,
}

pub(super) fn add(state: &mut AppState, name: String, modes: Vec<Mode>, notes: Vec<String>) {
    let id = TrajectoryId(state.fresh());
    state.notify(Notice::info(format!("{name}: a trajectory of {} checkpoints", modes.len())).with_details(notes));
    let modes = modes.into_iter().map(Arc::new).collect();
    state.trajectories.push(TrajectoryState { id, name, modes, placed: None });
}

pub(super) fn remove(state: &mut AppState, id: TrajectoryId) {
    state.trajectories.retain(|trajectory| trajectory.id != id);
}

/// Makes one of the checkpoints a mode of the list.
pub(super) fn take_mode(state: &mut AppState, id: TrajectoryId, index: usize) {
    let found = state.trajectories.iter().find(|trajectory| trajectory.id == id);
    if let Some(mode) = found.and_then(|trajectory| trajectory.modes.get(index)).cloned() {
        events::add_mode(state, Mode::clone(&mode));
    }
}

/// Has the trajectories put on the plane that is shown, one after another.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let (Some(pair), Some(shown)) = (state.joined(), &state.plane) else {
        return;
    };
    let (network, plane) = (Arc::clone(&pair.network), Arc::clone(&shown.plane));
    let is_asked = state.runs_job(Purpose::PlaceTrajectory);
    let asked = state.placed_trajectory.as_ref().filter(|_| is_asked);
    // What is being worked out for this plane comes first; a plane that is gone is of no interest.
    if asked.is_some_and(|asked| Arc::ptr_eq(&asked.plane, &plane)) {
        return;
    }
    let is_elsewhere = |run: &&mut TrajectoryState| run.placed.as_ref().is_none_or(|(on, _)| !Arc::ptr_eq(on, &plane));
    for run in state.trajectories.iter_mut().filter(is_elsewhere) {
        let params: Result<Vec<Arc<ParamVec>>, _> = run.modes.iter().map(|mode| mode.params_for(&network)).collect();
        let Ok(points) = params else {
            // Of another network.
            run.placed = Some((Arc::clone(&plane), Vec::new()));
            continue;
        };
        let (id, label) = (run.id, format!("Placing {} on the plane", run.name));
        let request = Request::PlacePoints { points, plane: Arc::clone(&plane) };
        effects.push(start(state, Purpose::PlaceTrajectory, Lane::Trajectory, label, request));
        let job = state.job_of(Purpose::PlaceTrajectory);
        state.placed_trajectory = job.map(|job| PlacedTrajectory { job, id, plane });
        return;
    }
}

pub(super) fn on_placed(state: &mut AppState, job: JobId, points: Vec<PlanePoint>) {
    let Some(PlacedTrajectory { id, plane, .. }) = state.placed_trajectory.take_if(|asked| asked.job == job) else {
        return;
    };
    if let Some(run) = state.trajectories.iter_mut().find(|run| run.id == id) {
        run.placed = Some((plane, points));
    }
}

/// What failed once is not tried again on the same plane.
pub(super) fn on_failed(state: &mut AppState, job: JobId) {
    on_placed(state, job, Vec::new());
}
