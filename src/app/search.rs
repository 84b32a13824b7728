//! Searches for paths: what they are asked for, what they will take, and what they took.

use std::sync::Arc;
use std::time::Duration;

use super::jobs::{JobInfo, Purpose};
use super::refresh::{fitting_pair, start};
use super::state::FitOf;
use super::{AppState, Effect, alignment};
use crate::compute::{ConnectSpec, Cost, FitSpec, FitStart, estimate};
use crate::data::{Augmentation, SplitName};
use crate::geometry::{Family, FlowModel};
use crate::worker::{JobId, Lane, Request};

/// Operations a second that are counted on before a family was tried: what two cores of a laptop do.
pub(super) const EXPECTED_SPEED: f64 = 2e10;

/// Fits the bends of the current path from where they are, or works out a path of the family that is set.
pub(super) fn find_path(state: &mut AppState) -> Option<Effect> {
    if state.settings.path.family.is_connected() { start_connect(state) } else { start_fit(state) }
}

fn start_fit(state: &mut AppState) -> Option<Effect> {
    let pair = fitting_pair(state)?;
    let data = state.data.clone()?;
    let proximal = alignment::proximal(state);
    let path = state.path.as_mut()?;
    let curve = path.path.curve()?;
    if path.path.bends().is_empty() || state.jobs.values().any(|job| job.purpose == Purpose::FindPath) {
        return None;
    }
    let fit = state.settings.path.fit.clone();
    let spec = FitSpec {
        network: pair.network,
        family: Some(curve),
        basis: path.path.basis().to_vec(),
        data: data.split(SplitName::Train, None),
        augmentation: Augmentation::none(),
        epochs: fit.descent.epochs,
        start: FitStart::at_epoch(path.epochs_done),
        batch_size: fit.descent.batch_size,
        optimizer: fit.descent.optimizer,
        learning_rate: fit.descent.learning_rate,
        schedule: fit.descent.schedule,
        weight_decay: fit.descent.weight_decay,
        attack: fit.descent.attack,
        sampling: fit.sampling,
        proximal,
        seed: fit.seed,
        checkpoints: false,
    };
    path.by_hand = false;
    path.dragging = false;
    let (epochs, until) = (spec.epochs, spec.start.epoch + spec.epochs);
    let effect = start(state, Purpose::FindPath, Lane::Path, "Fitting the path".to_owned(), Request::Fit(spec));
    let job = state.job_of(Purpose::FindPath)?;
    if let Some(path) = &mut state.path {
        path.fit = Some(FitOf { job, epochs, until });
        path.attack = fit.descent.attack;
        path.seed = Some(fit.seed);
    }
    Some(effect)
}

fn start_connect(state: &mut AppState) -> Option<Effect> {
    let spec = connect_spec(state)?;
    if state.runs_job(Purpose::FindPath) {
        return None;
    }
    let label = format!("Finding a path: {}", spec.family.label());
    let seed = spec.family.is_random().then_some(spec.seed);
    let effect = start(state, Purpose::FindPath, Lane::Path, label, Request::Connect(spec));
    let job = state.job_of(Purpose::FindPath)?;
    if let Some(path) = &mut state.path {
        path.connect = Some(job);
        path.seconds = 0.0;
        path.seed = seed;
    }
    Some(effect)
}

/// What connecting the endpoints by the family that is set would be asked for.
fn connect_spec(state: &AppState) -> Option<ConnectSpec> {
    let pair = fitting_pair(state)?;
    let (data, path) = (state.data.as_ref()?, state.path.as_ref()?);
    let settings = &state.settings.path;
    let connect = &settings.connect;
    settings.family.is_connected().then(|| ConnectSpec {
        family: settings.family,
        network: pair.network,
        a: Arc::clone(&path.ends.0),
        b: Arc::clone(&path.ends.1),
        train: data.split(SplitName::Train, connect.n_images),
        points: connect.points,
        seed: connect.seed,
        options: connect.options.clone(),
    })
}

/// "of 795 values a neuron, for the family Trained bijection".
pub(super) fn served_families(model: &FlowModel) -> String {
    let family = model.family();
    format!("of {} values a neuron, for the family {}", model.config().neuron.dim(), family.label())
}

impl AppState {
    /// Why no path of a family can be found now, if none can: it does not suit the networks, or needs a map first.
    pub fn obstacle(&self, family: Family) -> Option<String> {
        let network = &self.joined()?.network;
        family.unsuited(network).or_else(|| {
            if !family.takes_map() {
                return None;
            }
            let map = self.settings.path.connect.options.flow.as_ref();
            match map {
                Some(map) if map.family() == family => None,
                Some(map) => Some(format!("the map that is open is for the family {}", map.family().label())),
                None => Some("it needs a map: train one, or open its file".to_owned()),
            }
        })
    }
}

/// What a connection, or making the members of an ensemble, will take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// `None` where that cannot be told.
    pub time: Option<Duration>,
    /// Memory at the worst moment, beside the endpoints.
    pub bytes: usize,
}

impl AppState {
    /// What finding a path of the family that is set will take; `None` for families that are not worked out.
    ///
    /// The time rests on how fast this family's last connection went.
    pub fn expectation(&self) -> Option<Expectation> {
        let spec = connect_spec(self)?;
        Some(expected(estimate(&spec), self.speeds.get(&spec.family).copied()))
    }
}

/// `speed`: of the last of its kind, operations a second.
pub(super) fn expected(cost: Cost, speed: Option<f64>) -> Expectation {
    let speed = speed.unwrap_or(EXPECTED_SPEED);
    let time = (0.0 < cost.flops).then(|| Duration::try_from_secs_f64(cost.flops / speed).ok()).flatten();
    Expectation { time, bytes: cost.bytes }
}

/// Counts the time of a search towards the path that it was for.
pub(super) fn add_seconds(state: &mut AppState, job: JobId, info: &JobInfo) {
    if let Some(path) = state.path.as_mut().filter(|path| path.is_found_by(job)) {
        path.seconds += info.started.elapsed().as_secs_f64();
    }
}

/// Remembers how fast a family's connection went.
pub(super) fn learn_speed(state: &mut AppState, job: JobId) {
    let Some(spec) = connect_spec(state) else { return };
    let (Some(info), Some(path)) = (state.jobs.get(&job), &state.path) else {
        return;
    };
    let (flops, seconds) = (estimate(&spec).flops, info.started.elapsed().as_secs_f64());
    if path.is_found_by(job) && 0.0 < flops && 0.0 < seconds {
        state.speeds.insert(spec.family, flops / seconds);
    }
}
