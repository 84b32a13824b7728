//! Maps of neurons trained in the window, for the families that go through one: on the open modes besides A and B, so that these
//! are new to it, or on all where there are too few others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::jobs::Purpose;
use super::refresh::{fitting_pair, start};
use super::search::EXPECTED_SPEED;
use super::{AppState, Effect, FlowSettings, ModeId};
use crate::compute::{FlowSpec, TrainedFlow};
use crate::data::SplitName;
use crate::geometry::{Family, FlowConfig, FlowKind, FlowObjective, Neurons};
use crate::worker::{DiskRequest, JobId, Lane, Request};

impl AppState {
    /// The modes that a map would be trained on, and whether A and B are none of them.
    pub fn flow_modes(&self) -> (Vec<ModeId>, bool) {
        let all = self.ensemble_modes();
        let is_end = |id: &ModeId| self.endpoints.is_some_and(|(a, b)| *id == a || *id == b);
        let others: Vec<ModeId> = all.iter().copied().filter(|id| !is_end(id)).collect();
        if 2 <= others.len() { (others, true) } else { (all, false) }
    }

    /// How long training a map will take.
    pub fn flow_training_time(&self) -> Option<Duration> {
        let spec = spec(self)?;
        Duration::try_from_secs_f64(spec.flops_per_step() * spec.steps as f64 / EXPECTED_SPEED).ok()
    }
}

/// Trains a map for the family that is set.
pub(super) fn begin(state: &mut AppState) -> Option<Effect> {
    let spec = spec(state)?;
    if state.is_fitting() || state.runs_job(Purpose::TrainFlow) {
        return None;
    }
    let label = format!("Training a map on {} modes", spec.networks.len());
    Some(start(state, Purpose::TrainFlow, Lane::Flow, label, Request::TrainFlow(spec)))
}

fn spec(state: &AppState) -> Option<FlowSpec> {
    let (pair, data) = (fitting_pair(state)?, state.data.as_ref()?);
    let settings = &state.settings.path;
    let neurons = Neurons::of(&pair.network).ok()?;
    let FlowSettings { kind, hidden, epochs, learning_rate, n_images, seed } = settings.connect.flow;
    let (objective, kind) = match settings.family {
        Family::Flow => (FlowObjective::Likelihood, kind),
        Family::Bijection => (FlowObjective::Bijection, FlowKind::RealNvp),
        _ => return None,
    };
    let config = FlowConfig { hidden, ..FlowConfig::of_paper(kind, objective, neurons.shape) };
    let modes = state.flow_modes().0.into_iter();
    let networks = modes.map(|id| state.mode(id)?.mode.params_for(&pair.network).ok()).collect::<Option<_>>()?;
    let mut spec = FlowSpec {
        network: pair.network,
        networks,
        held_out: Vec::new(),
        data: data.split(SplitName::Train, n_images),
        config,
        objective,
        steps: 0,
        batch_size: objective.usual_batch_size(),
        learning_rate,
        seed,
        start: None,
    };
    spec.steps = epochs * spec.steps_per_epoch();
    Some(spec)
}

/// The map is used as far as it is.
pub(super) fn on_trained(state: &mut AppState, job: JobId, trained: TrainedFlow) {
    if state.jobs.get(&job).is_some_and(|info| info.purpose == Purpose::TrainFlow) {
        state.settings.path.connect.options.flow = Some(trained.model);
    }
}

/// Saves the map that is in use.
pub(super) fn save(state: &AppState, path: PathBuf) -> Option<Effect> {
    let model = Arc::clone(state.settings.path.connect.options.flow.as_ref()?);
    Some(Effect::Disk(DiskRequest::SaveFlow { path, model }))
}
