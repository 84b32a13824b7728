//! The curve along the path under attack, beside the clean one (Tatro et al. 2020; METHODS-ALIGNMENT, section 5).

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{drop_job, fitting_pair, start};
use super::state::{CurveKey, CurveState};
use super::{Adversary, AppState, Effect};
use crate::compute::PointValue;
use crate::data::SplitName;
use crate::geometry::{RobustPoint, RobustSummary, summarise_robust};
use crate::worker::{AlongSpec, Lane, Request};

/// The curve under attack.
#[derive(Clone, Debug)]
pub struct RobustState {
    /// On the test images, at the curve's t.
    pub values: Vec<Option<PointValue>>,
    pub adversary: Adversary,
    /// The clean curve that it stands beside; `None` if it has to be asked for again.
    beside: Option<CurveKey>,
}

impl RobustState {
    /// Images that every value rests on, at least.
    pub fn n_images(&self) -> usize {
        self.values.iter().flatten().map(|value| value.n_images).min().unwrap_or(0)
    }

    /// What it comes to, when every point has both values. `clean`: the curve that it stands beside.
    pub fn summary(&self, clean: &CurveState) -> Option<RobustSummary> {
        let losses: Option<Vec<f64>> = self.values.iter().map(|value| Some((*value)?.loss)).collect();
        let values = clean.ts.iter().zip(&self.values).zip(&clean.test);
        let points: Option<Vec<RobustPoint>> = values
            .map(|((&t, robust), clean)| {
                Some(RobustPoint { t, accuracy: (*robust)?.accuracy, clean_accuracy: (*clean)?.accuracy })
            })
            .collect();
        summarise_robust(&losses?, &points?, &clean.steps)
    }

    /// Every point has a value, and they are of this very curve's path.
    pub(super) fn is_complete_for(&self, clean: &CurveState) -> bool {
        self.beside == Some(clean.key) && self.values.iter().all(Option::is_some)
    }
}

/// Has the curve worked out that belongs to the clean one, once the path is at rest.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let settings = state.settings.robust;
    let pair = fitting_pair(state).filter(|_| settings.along_path);
    let clean = state.curve.as_ref().filter(|curve| !curve.key.quick);
    let (Some(pair), Some(data), Some(path), Some(clean)) = (pair, &state.data, &state.path, clean) else {
        drop_job(state, Purpose::Robust, effects);
        state.robust = None;
        return;
    };
    let (adversary, beside) = (settings.adversary, Some(clean.key));
    if state.robust.as_ref().is_some_and(|robust| (robust.adversary, robust.beside) == (adversary, beside)) {
        return;
    }
    let spec = AlongSpec {
        network: pair.network,
        path: Arc::clone(&path.path),
        ts: clean.ts.clone(),
        data: data.split(SplitName::Test, Some(adversary.n_images)),
        batch_norm: data.batch_norm(clean.key.batch_norm),
        attack: Some(adversary.attack),
    };
    state.robust = Some(RobustState { values: vec![None; spec.ts.len()], adversary, beside });
    let label = "Evaluating the path under attack".to_owned();
    effects.push(start(state, Purpose::Robust, Lane::Robust, label, Request::EvaluatePath(spec)));
}

pub(super) fn on_values(state: &mut AppState, values: &[(usize, PointValue)]) {
    if let Some(robust) = &mut state.robust {
        for &(point, value) in values {
            robust.values[point] = Some(value);
        }
    }
}

/// A curve that was not finished is asked for again.
pub(super) fn on_interrupted(state: &mut AppState) {
    if let Some(robust) = state.robust.as_mut().filter(|robust| robust.values.contains(&None)) {
        robust.beside = None;
    }
}
