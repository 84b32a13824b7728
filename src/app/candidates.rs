//! Which network a file is where names and shapes leave that open, and for images of which size: settled on the data.

use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{drop_job, start};
use super::state::ModeState;
use super::{AppState, Effect, ModeId, Notice, Scored};
use crate::checkpoint::Mode;
use crate::compute::EvaluateSpec;
use crate::data::{ImageShape, SplitName};
use crate::net::Network;
use crate::worker::{Lane, Request};

/// Test images on which the networks that a file fits are compared.
const CHOICE_IMAGES: usize = 500;

/// Accuracies of the networks that a file fits, on some data: the present one first, the others in their order.
#[derive(Clone, Debug)]
pub(super) struct CandidateTrial {
    data_revision: u64,
    accuracies: Vec<Option<f64>>,
}

/// Convolutional networks take the size of the images that are open.
pub(super) fn follow_images(state: &mut AppState) {
    let Some(data) = &state.data else {
        return;
    };
    let ImageShape { channels, height, width } = data.dataset.shape;
    let shape = [channels, height, width];
    for index in 0..state.modes.len() {
        let mode = &state.modes[index].mode;
        if let Some(reshaped) = reshaped(mode, &shape) {
            replace(state, index, reshaped);
        }
    }
}

/// The mode for images of another shape, if it is not for those already and can be.
fn reshaped(mode: &Mode, shape: &[usize; 3]) -> Option<Mode> {
    let takes_maps = mode.network.input_shape().len() == shape.len();
    if !takes_maps || mode.network.input_shape() == shape {
        return None;
    }
    let network = Arc::new(mode.network.with_input_shape(shape).ok()?);
    let others = mode.others.iter().filter_map(|other| {
        let network = other.network.with_input_shape(shape).ok()?;
        Some(Mode { network: Arc::new(network), ..other.clone() })
    });
    Some(Mode { network, others: others.collect(), ..mode.clone() })
}

/// Starts comparing the networks of files that fit several.
pub(super) fn try_candidates(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(data) = state.data.clone() else {
        return;
    };
    for index in 0..state.modes.len() {
        let entry = &state.modes[index];
        let (id, mode) = (entry.id, Arc::clone(&entry.mode));
        let is_tried = entry.trial.as_ref().is_some_and(|trial| trial.data_revision == data.revision);
        if mode.others.is_empty() || entry.is_chosen || is_tried || data.misfit(&mode.network).is_some() {
            continue;
        }
        let candidates: Vec<Arc<Network>> = networks(&mode).map(Arc::clone).collect();
        state.modes[index].trial =
            Some(CandidateTrial { data_revision: data.revision, accuracies: vec![None; candidates.len()] });
        for (candidate, network) in candidates.into_iter().enumerate() {
            let params = if candidate == 0 { &mode.params } else { &mode.others[candidate - 1].params };
            let images = data.split(SplitName::Test, Some(CHOICE_IMAGES));
            let label = format!("Trying {} as {}", mode.name, network.name());
            let spec = EvaluateSpec {
                progressive: false,
                ..EvaluateSpec::new(network, vec![Arc::clone(params)], vec![vec![1.0]], images)
            };
            let lane = Lane::Candidate { mode: id.0, candidate };
            effects.push(start(
                state,
                Purpose::TryCandidate { mode: id, candidate },
                lane,
                label,
                Request::Evaluate(spec),
            ));
        }
    }
}

/// The present network and the others.
fn networks(mode: &Mode) -> impl Iterator<Item = &Arc<Network>> {
    std::iter::once(&mode.network).chain(mode.others.iter().map(|other| &other.network))
}

pub(super) fn on_accuracy(state: &mut AppState, id: ModeId, candidate: usize, accuracy: f64) {
    let entry = state.modes.iter_mut().find(|entry| entry.id == id);
    if let Some(slot) =
        entry.and_then(|entry| entry.trial.as_mut()).and_then(|trial| trial.accuracies.get_mut(candidate))
    {
        *slot = Some(accuracy);
    }
}

/// When all networks of a file are scored, takes the best; what the user chose stays.
pub(super) fn settle(state: &mut AppState, id: ModeId) {
    let Some(index) = state.modes.iter().position(|entry| entry.id == id) else {
        return;
    };
    let entry = &state.modes[index];
    let accuracies: Option<Vec<f64>> =
        entry.trial.as_ref().and_then(|trial| trial.accuracies.iter().copied().collect());
    let Some(accuracies) = accuracies.filter(|_| !entry.is_chosen) else {
        return;
    };
    let best = (0..accuracies.len()).fold(0, |best, i| if accuracies[best] < accuracies[i] { i } else { best });
    let mode = &entry.mode;
    let details = networks(mode).zip(&accuracies);
    let details = details.map(|(network, accuracy)| format!("{}: {:.1} % right", network.name(), 100.0 * accuracy));
    let details: Vec<String> = details.collect();
    let name = mode.name.clone();
    let revision = entry.trial.as_ref().map(|trial| trial.data_revision);
    if 0 < best {
        take_as(state, index, best - 1);
        // The order of the networks has changed with the choice; it need not be tried again.
        let n = accuracies.len();
        state.modes[index].trial =
            revision.map(|data_revision| CandidateTrial { data_revision, accuracies: vec![None; n] });
    }
    let taken = state.modes[index].mode.network.name().to_owned();
    let headline =
        format!("{name} is taken as {taken}, the best on the data of {} networks that it fits", accuracies.len());
    state.notify(Notice::info(headline).with_details(details));
}

/// The user takes a file as another of the networks that it fits.
pub(super) fn choose(state: &mut AppState, id: ModeId, other: usize, effects: &mut Vec<Effect>) {
    let Some(index) = state.modes.iter().position(|entry| entry.id == id) else {
        return;
    };
    if other < state.modes[index].mode.others.len() {
        for candidate in 0..=state.modes[index].mode.others.len() {
            drop_job(state, Purpose::TryCandidate { mode: id, candidate }, effects);
        }
        state.modes[index].is_chosen = true;
        take_as(state, index, other);
    }
}

fn take_as(state: &mut AppState, index: usize, other: usize) {
    let mode = Mode::clone(&state.modes[index].mode).taken_as(other);
    replace(state, index, mode);
}

/// Another network in the place of a mode: all that was found with the old one is void.
fn replace(state: &mut AppState, index: usize, mode: Mode) {
    let entry = &mut state.modes[index];
    let id = entry.id;
    *entry = ModeState {
        mode: Arc::new(mode),
        scores: Scored::default(),
        scored_on: None,
        check: None,
        check_asked: false,
        trial: entry.trial.take(),
        id,
        is_chosen: entry.is_chosen,
    };
    if state.endpoints.is_some_and(|(a, b)| a == id || b == id) {
        state.pair = None;
        state.alignment = None;
        state.use_aligned = false;
    }
}
