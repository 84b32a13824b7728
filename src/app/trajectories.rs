//! The checkpoints of one training run as a curve on the landscape.

use std::sync::Arc;

use super::{AppState, Notice, events};
use crate::checkpoint::Mode;
use crate::geometry::{Plane, PlanePoint};
use crate::net::ParamVec;

/// Names a trajectory for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrajectoryId(pub u64);

/// The checkpoints of one run, in order.
#[derive(Clone, Debug)]
pub struct TrajectoryState {
    pub id: TrajectoryId,
    pub name: String,
    pub modes: Vec<Arc<Mode>>,
    /// Where the checkpoints lie on the plane that is shown; `None` before that is worked out, empty for another network.
    projected: Option<(Arc<Plane>, Vec<PlanePoint>)>,
}

impl TrajectoryState {
    /// Where the checkpoints lie on the plane that is shown; none if they are of another network.
    pub fn points(&self) -> &[PlanePoint] {
        self.projected.as_ref().map_or(&[], |(_, points)| points)
    }
}

pub(super) fn add(state: &mut AppState, name: String, modes: Vec<Mode>, notes: Vec<String>) {
    let id = TrajectoryId(state.fresh());
    state.notify(Notice::info(format!("{name}: a trajectory of {} checkpoints", modes.len())).with_details(notes));
    let modes = modes.into_iter().map(Arc::new).collect();
    state.trajectories.push(TrajectoryState { id, name, modes, projected: None });
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

/// Puts every trajectory on the plane that is shown.
pub(super) fn project(state: &mut AppState) {
    let Some(network) = state.joined().map(|pair| Arc::clone(&pair.network)) else {
        return;
    };
    let Some(plane) = state.plane.as_ref().map(|shown| Arc::clone(&shown.plane)) else {
        return;
    };
    for trajectory in &mut state.trajectories {
        if trajectory.projected.as_ref().is_some_and(|(on, _)| Arc::ptr_eq(on, &plane)) {
            continue;
        }
        let params: Result<Vec<Arc<ParamVec>>, _> =
            trajectory.modes.iter().map(|mode| mode.params_for(&network)).collect();
        let points = params.map_or_else(|_another_network| Vec::new(), |params| project_all(&plane, &params));
        trajectory.projected = Some((Arc::clone(&plane), points));
    }
}

fn project_all(plane: &Plane, params: &[Arc<ParamVec>]) -> Vec<PlanePoint> {
    let projection = |params: &Arc<ParamVec>| plane.project(std::slice::from_ref(params)).at(&[1.0]);
    params.iter().map(projection).collect()
}
