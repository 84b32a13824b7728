//! The curve along the path with every unit's statistics put right (REPAIR), beside the raw one.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{drop_job, fitting_pair, start};
use super::state::{CurveKey, CurveState};
use super::{AppState, Effect, Metric};
use crate::compute::{PointValue, RepairSpec};
use crate::data::SplitName;
use crate::geometry::{Curve, Summary};
use crate::worker::{Lane, Request};

/// The repaired curve that is shown.
#[derive(Clone, Debug, Default)]
pub struct RepairedState {
    /// On the test images, at the curve's t.
    pub values: Vec<Option<PointValue>>,
    asked: Option<CurveKey>,
}

impl RepairedState {
    /// Statistics of the loss, when every point has a value. `curve`: the raw one.
    pub fn loss_summary(&self, curve: &CurveState) -> Option<Summary> {
        curve.summary(&self.values, Metric::Loss)
    }
}

impl AppState {
    /// Whether the path can be repaired: a curve of a network that has no batch norm of its own to measure anew.
    pub fn can_repair(&self) -> bool {
        let has_statistics = |network: &crate::net::Network| network.layout().has_statistics();
        let curve = self.path.as_ref().and_then(|path| path.path.curve());
        curve.is_some_and(|curve| curve != Curve::Arc)
            && self.joined().is_some_and(|pair| !has_statistics(&pair.network))
    }
}

/// Shows the repaired curve, or no longer.
pub(super) fn show(state: &mut AppState, shown: bool, effects: &mut Vec<Effect>) {
    state.repaired = shown.then(RepairedState::default);
    if !shown {
        drop_job(state, Purpose::Repair, effects);
    }
}

/// Has the curve worked out that belongs to the raw one, once the path is at rest.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.repaired.is_none() {
        return;
    }
    let pair = fitting_pair(state).filter(|_| state.can_repair());
    let (Some(pair), Some(data), Some(path), Some(curve)) = (pair, &state.data, &state.path, &state.curve) else {
        drop_job(state, Purpose::Repair, effects);
        state.repaired = Some(RepairedState::default());
        return;
    };
    let key = curve.key;
    if key.quick || state.repaired.as_ref().is_some_and(|repaired| repaired.asked == Some(key)) {
        return;
    }
    let spec = RepairSpec {
        network: pair.network,
        path: Arc::clone(&path.path),
        ts: curve.ts.clone(),
        data: data.split(SplitName::Test, None),
        samples: data.split(SplitName::Train, Some(state.settings.batch_norm.n_images)),
    };
    state.repaired = Some(RepairedState { values: vec![None; spec.ts.len()], asked: Some(key) });
    let label = "Evaluating the repaired path".to_owned();
    effects.push(start(state, Purpose::Repair, Lane::Repair, label, Request::Repair(spec)));
}

pub(super) fn on_values(state: &mut AppState, values: &[(usize, PointValue)]) {
    if let Some(repaired) = &mut state.repaired {
        for &(point, value) in values {
            repaired.values[point] = Some(value);
        }
    }
}

/// A curve that was not finished is asked for again.
pub(super) fn on_interrupted(state: &mut AppState) {
    if let Some(repaired) = &mut state.repaired {
        repaired.asked = None;
    }
}
