//! What happens when another thread reports something.

use std::sync::Arc;

use super::jobs::Purpose;
use super::state::{DataState, ModeState, PathState, Suggestion};
use super::update::{choose_family, set_data, stop};
use super::{
    AppState, Effect, ModeId, Notice, Remedy, Scored, Severity, alignment, bending, by_hand, candidates, compare,
    decisions, ensemble, flow_training, inspection, kept_trainings, placing, planes, predictions, refresh, repaired,
    robust, runs, search, training, trajectories,
};
use crate::checkpoint::Mode;
use crate::compute::{Connection, GroupCheck, PointValue};
use crate::data::{Dataset, Normalization};
use crate::geometry::{Family, Path};
use crate::worker::{DiskEvent, Event, JobId};

/// Another normalisation is offered from this gain in accuracy on.
const WORTH_OFFERING: f64 = 0.02;

/// Changes the state and returns the work that follows. Events of jobs that are no longer wanted change nothing.
pub fn on_event(state: &mut AppState, event: Event) -> Vec<Effect> {
    take_in(state, event);
    refresh::refresh(state)
}

fn take_in(state: &mut AppState, event: Event) {
    match event {
        Event::Device { name, is_gpu, failed } => {
            state.device.name = name;
            state.device.is_gpu = is_gpu;
            if let Some(reason) = failed {
                state.notify(Notice::warning("Computing on the CPU").with_details(vec![reason]));
            }
            refresh::restart_interrupted(state);
        }
        Event::Started { .. } => {}
        Event::FlowTrained { job, trained } => flow_training::on_trained(state, job, trained),
        Event::Continued { job, continued } => ensemble::on_continued(state, job, *continued),
        Event::HeadsMade { job, members } => ensemble::on_heads_made(state, job, members),
        Event::EnsembleScored { job, ensemble } => ensemble::on_scored(state, job, *ensemble),
        Event::Progress { job, done } => {
            if let Some(info) = state.jobs.get_mut(&job) {
                info.done = done;
            }
        }
        Event::Values { job, values } => on_values(state, job, &values),
        Event::FitStep { job, report } => {
            training::on_step(state, job, report);
            ensemble::on_step(state, job, report);
            let (Some(info), Some(path)) = (state.jobs.get_mut(&job), &mut state.path) else {
                return;
            };
            let Some(fit) = path.fit.filter(|fit| fit.job == job) else {
                return;
            };
            info.label = format!("Fitting the path: epoch {}/{}, loss {:.3}", report.epoch + 1, fit.until, report.loss);
            let start = path.losses.last().map_or(0.0, |l| l.0).floor();
            let within = report.n_steps.max(1) as f64 / fit.epochs.max(1) as f64;
            let epoch = report.epoch as f64 + (report.step as f64 % within) / within;
            path.losses.push((epoch.max(start), report.loss));
            path.last_step = Some(report);
        }
        Event::Trained { job, vectors, path, epochs_done } => {
            training::on_trained(state, job, &vectors);
            if let Some(path) = path.filter(|_| state.jobs.contains_key(&job)) {
                move_bends(state, job, path, epochs_done);
            }
        }
        Event::Checkpoint { job, checkpoint } => training::on_checkpoint(state, job, *checkpoint),
        Event::Bent { job, path, placed } => bending::on_bent(state, job, path, placed),
        Event::PointsPlaced { job, points } => trajectories::on_placed(state, job, points),
        Event::Placed { job, placed } => placing::on_placed(state, job, placed),
        Event::PathPlane { job, found } => planes::on_found(state, job, found),
        Event::Aligned { job, alignment } => {
            if state.jobs.contains_key(&job) {
                alignment::on_aligned(state, *alignment);
            }
        }
        Event::Rearranged { job, alignment } => {
            if state.jobs.contains_key(&job) {
                by_hand::on_rearranged(state, *alignment);
            }
        }
        Event::ConnectStep { job, note, path } => on_connect_step(state, job, note, path),
        Event::Connected { job, connection } => on_connected(state, job, *connection),
        Event::Classified { job, logits } => {
            predictions::on_classified(state, job, &logits);
            decisions::on_classified(state, job, logits);
        }
        Event::Excited { job, excited } => inspection::on_excited(state, job, *excited),
        Event::WeightsCompared { job, matrices } => inspection::on_weights(state, job, *matrices),
        Event::Verified { job, check } => on_verified(state, job, check),
        Event::Finished { job } => on_finished(state, job),
        Event::Cancelled { job } => {
            if let Some(info) = state.jobs.remove(&job) {
                placing::on_cancelled(state, job);
                search::add_seconds(state, job, &info);
                on_interrupted(state, info.purpose);
            }
        }
        Event::Failed { job, error } => {
            if let Some(info) = state.jobs.remove(&job) {
                on_interrupted(state, info.purpose);
                trajectories::on_failed(state, job);
                compare::on_failed(state, info.purpose, error.to_string());
                state.notify(Notice::error(format!("{} failed", info.label), &error));
            }
        }
    }
}

/// Takes in what the disk thread read or wrote.
pub fn on_disk_event(state: &mut AppState, event: DiskEvent) -> Vec<Effect> {
    let mut effects = Vec::new();
    match event {
        DiskEvent::Mode(mode) => {
            if mode.path.is_some() {
                leave_demo(state);
            }
            add_mode(state, *mode);
        }
        DiskEvent::Trajectory { name, modes, notes } => trajectories::add(state, name, modes, notes),
        DiskEvent::Flow { name, model } => {
            state.notify(Notice::info(format!("{name}: a map {}", search::served_families(&model))));
            state.settings.path.connect.options.flow = Some(model);
        }
        DiskEvent::Permutations { path, permutations } => {
            effects.extend(alignment::apply(state, &path, permutations));
        }
        DiskEvent::Bends(bends) => set_bends(state, &bends),
        DiskEvent::Data { dataset, usual } => {
            stop(state, Purpose::FindPath, &mut effects);
            add_data(state, dataset, usual);
        }
        DiskEvent::Description { path, network } => training::on_description(state, &path, network),
        DiskEvent::Interrupted(found) => kept_trainings::offer(state, found),
        DiskEvent::TrainingLoaded(found) => training::on_loaded(state, found, &mut effects),
        DiskEvent::Saved(path) => state.notify(Notice::info(format!("Saved {}", path.display()))),
        DiskEvent::Failed { headline, details } => {
            state.notify(Notice { severity: Severity::Error, headline, details, remedy: None });
        }
        DiskEvent::Refused { path, headline, details, mends } => {
            let remedy = Some(Remedy { path, mends });
            state.notify(Notice { severity: Severity::Error, headline, details, remedy });
        }
    }
    effects.extend(refresh::refresh(state));
    effects
}

/// The user's first own network takes the place of the demo's, which came from no file and were not trained here.
pub(super) fn leave_demo(state: &mut AppState) {
    if state.training.n_finished == 0 && state.modes.iter().all(|m| m.mode.path.is_none()) {
        state.modes.clear();
        state.endpoints = None;
        state.alignment = None;
        state.use_aligned = false;
        state.look = None;
        state.runs.retain(|run| run.pinned);
    }
}

/// Appends a mode.
pub fn add_mode(state: &mut AppState, mode: Mode) {
    if !mode.notes.is_empty() {
        let notice = Notice::info(format!("{}: remarks on loading", mode.name));
        state.notify(notice.with_details(mode.notes.clone()));
    }
    let twin = state.modes.iter().find(|m| m.mode.params.values() == mode.params.values()).map(|m| m.mode.name.clone());
    if let Some(twin) = twin {
        state.notify(Notice::info(format!("{} and {twin} are the same network", mode.name)));
    }
    let id = ModeId(state.fresh());
    state.modes.push(ModeState {
        id,
        mode: Arc::new(mode),
        scores: Scored::default(),
        check: None,
        check_asked: false,
        trial: None,
        is_chosen: false,
        scored_on: None,
    });
}

/// Takes a data set into use; its pixels are only scaled to [0, 1] until something else is chosen of the `usual`.
pub fn add_data(state: &mut AppState, dataset: Arc<Dataset>, usual: Vec<(String, Normalization)>) {
    let normalization = Normalization::identity(dataset.shape.channels);
    set_data(state, DataState { dataset, normalization, usual: Arc::new(usual), revision: 0 });
}

/// Puts bends from files on the path; their number becomes the path's.
fn set_bends(state: &mut AppState, modes: &[Mode]) {
    let (Some(pair), Some(path)) = (state.joined().cloned(), state.path.clone()) else {
        state.notify(Notice::warning("Open two modes before their bends"));
        return;
    };
    let bends: Result<Vec<_>, _> = modes.iter().map(|mode| mode.params_for(&pair.network)).collect();
    let bends = match bends {
        Ok(bends) => bends,
        Err(error) => {
            state.notify(Notice::error("These bends do not fit the path", &error));
            return;
        }
    };
    if !state.settings.path.family.is_fitted() {
        choose_family(&mut state.settings, Family::Bezier);
    }
    let settings = &mut state.settings.path;
    settings.n_bends = bends.len();
    let family = settings.family;
    let (a, b) = path.ends.clone();
    let loaded = Path::new(&pair.network, settings.first_curve(), a, b, bends);
    let revision = state.fresh();
    state.path = Some(PathState {
        path: Arc::new(loaded),
        family,
        revision,
        epochs_done: 0,
        attack: None,
        losses: Vec::new(),
        last_step: None,
        traces: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.0,
        seed: None,
        from_files: true,
        by_hand: false,
        dragging: false,
        fit: None,
        placed: None,
        ..path
    });
}

fn on_values(state: &mut AppState, job: JobId, values: &[(usize, PointValue)]) {
    let Some(purpose) = state.jobs.get(&job).map(|info| info.purpose) else {
        return;
    };
    match purpose {
        Purpose::Score { mode, split } => {
            if let (Some(entry), Some((_, value))) = (state.modes.iter_mut().find(|m| m.id == mode), values.last()) {
                entry.scores.set(split, *value);
            }
        }
        Purpose::TryCandidate { mode, candidate } => {
            if let Some((_, value)) = values.last() {
                candidates::on_accuracy(state, mode, candidate, value.accuracy);
            }
        }
        Purpose::TryNormalization { candidate } => {
            // An earlier trial may have had more candidates.
            if let (Some(trial), Some((_, value))) = (&mut state.trial, values.last())
                && let Some(accuracy) = trial.accuracies.get_mut(candidate)
            {
                *accuracy = Some(value.accuracy);
            }
        }
        Purpose::Curve(split) => {
            if let Some(curve) = &mut state.curve {
                for &(point, value) in values {
                    curve.set(split, point, value);
                }
            }
        }
        Purpose::Plane => {
            let revision = state.fresh();
            if let Some(plane) = &mut state.plane {
                for &(point, value) in values {
                    plane.values[point] = Some(value);
                    plane.stale[point] = false;
                }
                plane.revision = revision;
            }
        }
        Purpose::Repair => repaired::on_values(state, values),
        Purpose::Robust => robust::on_values(state, values),
        Purpose::WatchTraining => {
            if let Some((_, value)) = values.last() {
                training::on_score(state, *value);
            }
        }
        Purpose::Align
        | Purpose::Rearrange
        | Purpose::FindPath
        | Purpose::TrainFlow
        | Purpose::PathPlane
        | Purpose::PlacePath
        | Purpose::BendPath
        | Purpose::PlaceTrajectory
        | Purpose::Train
        | Purpose::EstimateTraining
        | Purpose::Verify { .. }
        | Purpose::Decide
        | Purpose::Predict
        | Purpose::Ensemble
        | Purpose::Excite
        | Purpose::CompareWeights => {}
    }
}

/// What an older picture lent to one that will not be finished is taken back.
fn on_interrupted(state: &mut AppState, purpose: Purpose) {
    match purpose {
        Purpose::Curve(split) => {
            if let Some(curve) = &mut state.curve {
                curve.forget_stale(split);
            }
        }
        Purpose::Plane => {
            let revision = state.fresh();
            if let Some(plane) = &mut state.plane {
                plane.forget_stale();
                plane.revision = revision;
            }
        }
        Purpose::Train => training::on_end(state, false),
        Purpose::Ensemble => ensemble::on_interrupted(state),
        Purpose::Rearrange => by_hand::on_interrupted(state),
        Purpose::BendPath => bending::on_interrupted(state),
        _ => {}
    }
}

fn move_bends(state: &mut AppState, job: JobId, moved: Arc<Path>, epochs_done: usize) {
    let revision = state.fresh();
    let Some(state_path) = &mut state.path else {
        return;
    };
    // A path that was set up or taken in hand meanwhile is not this fit's.
    if !state_path.is_found_by(job) || moved.bends().len() != state_path.path.bends().len() {
        return;
    }
    state_path.path = moved;
    state_path.revision = revision;
    state_path.epochs_done = epochs_done;
}

/// What a connection does, and its path as far as it is known.
fn on_connect_step(state: &mut AppState, job: JobId, note: String, path: Option<Arc<Path>>) {
    if let Some(info) = state.jobs.get_mut(&job) {
        info.note = note;
    }
    if let Some(path) = path {
        take_path(state, job, path);
    }
}

fn on_connected(state: &mut AppState, job: JobId, connection: Connection) {
    search::learn_speed(state, job);
    take_path(state, job, connection.path);
    if let Some(path) = state.path.as_mut().filter(|path| path.is_found_by(job)) {
        path.traces = connection.traces;
        path.remarks = connection.notes;
    }
}

/// Shows what a connection found, unless another path was set up meanwhile.
fn take_path(state: &mut AppState, job: JobId, found: Arc<Path>) {
    let revision = state.fresh();
    if let Some(path) = state.path.as_mut().filter(|path| path.is_found_by(job)) {
        path.path = found;
        path.revision = revision;
    }
}

fn on_verified(state: &mut AppState, job: JobId, check: GroupCheck) {
    let Some(Purpose::Verify { mode }) = state.jobs.get(&job).map(|info| info.purpose) else {
        return;
    };
    let Some(entry) = state.modes.iter_mut().find(|entry| entry.id == mode) else {
        return;
    };
    let name = entry.mode.name.clone();
    if !check.holds() {
        let detail = if check.failed.is_empty() {
            "moved all at once, units change the logits; moved one group at a time, they do not".to_owned()
        } else {
            format!("moving the units of {} changes the logits", check.failed.join(", "))
        };
        let headline = format!("{name}: units cannot change places as its graph says; do not trust alignments of it");
        entry.check = Some(check);
        state.notify(Notice::warning(headline).with_details(vec![detail]));
    } else {
        entry.check = Some(check);
    }
}

fn on_finished(state: &mut AppState, job: JobId) {
    let Some(info) = state.jobs.remove(&job) else {
        return;
    };
    search::add_seconds(state, job, &info);
    match info.purpose {
        Purpose::TryCandidate { mode, .. } => candidates::settle(state, mode),
        Purpose::TryNormalization { .. } => suggest(state),
        Purpose::Train => training::on_end(state, true),
        Purpose::EstimateTraining => training::on_measured(state),
        Purpose::Ensemble => ensemble::on_finished(state, job),
        Purpose::Curve(_) | Purpose::Plane | Purpose::Robust => runs::record_if_complete(state),
        _ => {}
    }
}

/// When all candidates are scored, offers the best if it is clearly better than what is in use.
fn suggest(state: &mut AppState) {
    let Some(trial) = &state.trial else { return };
    let accuracies: Option<Vec<f64>> = trial.accuracies.iter().copied().collect();
    let Some(accuracies) = accuracies else { return };
    let best = (0..accuracies.len()).reduce(|best, i| if accuracies[best] < accuracies[i] { i } else { best });
    let (Some(best), Some(&now)) = (best, accuracies.first()) else {
        return;
    };
    if now + WORTH_OFFERING < accuracies[best] {
        let (label, normalization) = trial.candidates[best].clone();
        state.suggestion =
            Some(Suggestion { label, normalization, accuracy_now: now, accuracy_then: accuracies[best] });
    }
}
