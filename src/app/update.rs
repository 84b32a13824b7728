//! What happens when the user asks for something.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use super::action::Export;
use super::compare_tasks::FOUR_CURVES;
use super::jobs::Purpose;
use super::state::{DataState, ModeState};
use super::{
    Action, Adversary, AppState, Effect, ModeId, Notice, Settings, ThirdPoint, alignment, bending, by_hand, candidates,
    compare, ensemble, flow_training, inspection, predictions, refresh, repaired, runs, search, training, trajectories,
};
use crate::data::{Attack, SplitName};
use crate::geometry::Family;
use crate::worker::{Command, DiskRequest};

/// Changes the state and returns the work that follows.
pub fn on_action(state: &mut AppState, action: Action) -> Vec<Effect> {
    let mut effects = Vec::new();
    match action {
        Action::Open(paths) => effects.push(Effect::Disk(DiskRequest::Open(paths))),
        Action::OpenMended { path, mends, description } => {
            effects.push(Effect::Disk(DiskRequest::OpenMended { path, mends, description }));
        }
        Action::OpenBends(paths) => effects.push(Effect::Disk(DiskRequest::OpenBends(paths))),
        Action::TrainFlow => effects.extend(flow_training::begin(state)),
        Action::OpenFlow(path) => effects.push(Effect::Disk(DiskRequest::OpenFlow(path))),
        Action::OpenData(spec) => effects.push(Effect::Disk(DiskRequest::OpenData(spec))),
        Action::Normalize(normalization) => {
            stop(state, Purpose::FindPath, &mut effects);
            if let Some(data) = state.data.clone() {
                set_data(state, DataState { normalization, ..data });
            }
        }
        Action::DismissSuggestion => state.suggestion = None,
        Action::RemoveTrajectory(id) => trajectories::remove(state, id),
        Action::TakeCheckpoint(id, index) => trajectories::take_mode(state, id, index),
        Action::TakeAs(id, other) => candidates::choose(state, id, other, &mut effects),
        Action::RemoveMode(id) => remove_mode(state, id, &mut effects),
        Action::SetEndpoints { a, b } => {
            stop(state, Purpose::FindPath, &mut effects);
            state.endpoints = Some((a, b));
            state.use_aligned = state.current_alignment().is_some();
            state.look = None;
        }
        Action::ChangeSettings(settings) => change_settings(state, *settings, &mut effects),
        Action::Align => effects.extend(alignment::begin(state)),
        Action::OpenPermutation(path) => effects.extend(alignment::open(state, &path)),
        Action::EditPermutation { edits, done } => {
            stop(state, Purpose::FindPath, &mut effects);
            by_hand::edit(state, edits, done);
        }
        Action::UndoEdit => {
            stop(state, Purpose::FindPath, &mut effects);
            by_hand::undo(state);
        }
        Action::ResetPermutation => {
            stop(state, Purpose::FindPath, &mut effects);
            by_hand::reset(state);
        }
        Action::SweepLayers => {
            stop(state, Purpose::FindPath, &mut effects);
            by_hand::sweep(state);
        }
        Action::UseAligned(aligned) => {
            stop(state, Purpose::FindPath, &mut effects);
            state.use_aligned = aligned;
            state.look = None;
        }
        Action::FindPath => effects.extend(search::find_path(state)),
        Action::ResetPath => {
            stop(state, Purpose::FindPath, &mut effects);
            state.path = None;
        }
        Action::DragBend { bend, x, y, done } => bending::drag(state, bend, (x, y), done, &mut effects),
        Action::Look(look) => {
            state.look = look.filter(|[x0, x1, y0, y1]| x0 < x1 && y0 < y1);
        }
        Action::KeepRun => runs::record(state),
        Action::ShowPredictions(shown) => predictions::show(state, shown),
        Action::ShowRepaired(shown) => repaired::show(state, shown, &mut effects),
        Action::Excite(pairs) => inspection::excite(state, pairs, &mut effects),
        Action::CompareWeights(weights) => inspection::compare_weights(state, weights, &mut effects),
        Action::SetT(t) => state.t = t.clamp(0.0, 1.0),
        Action::Restore(id) => {
            runs::restore(state, id, &mut effects);
        }
        Action::Pin(id, pinned) => {
            if let Some(run) = state.runs.iter_mut().find(|run| run.id == id) {
                run.pinned = pinned;
            }
        }
        Action::RemoveRun(id) => state.runs.retain(|run| run.id != id),
        Action::ChangeEnsemble(form) => ensemble::change(state, *form),
        Action::AskTogether => ensemble::ask(state),
        Action::TakeAverage => ensemble::take_average(state),
        Action::Compare(over) => compare::begin_families(state, over),
        Action::CompareFourCurves(over) => compare::begin(state, &FOUR_CURVES, over),
        Action::LeaveOut(family, left_out) => {
            if left_out {
                state.compare.left_out.insert(family);
            } else {
                state.compare.left_out.remove(&family);
            }
        }
        Action::CancelAll => {
            compare::stop(state);
            ensemble::end(state);
            training::end(state, true, &mut effects);
            let jobs: Vec<_> = state.jobs.keys().copied().collect();
            effects.extend(jobs.into_iter().map(|job| Effect::Compute(Command::Cancel { job })));
        }
        Action::UseDevice(choice) => {
            state.device.choice = choice;
            effects.push(Effect::Compute(Command::UseDevice(choice)));
        }
        Action::ShowTraining(open) => state.training.open = open,
        Action::ChangeTraining(form) => state.training.form = *form,
        Action::TrainDescribed(path) => state.training.form.network = path.to_string_lossy().into_owned(),
        Action::SaveTrajectory(folder) => state.training.form.trajectory = folder.to_string_lossy().into_owned(),
        Action::KeepTrainings(folder) => {
            effects.push(Effect::Disk(DiskRequest::ListTrainings(folder.clone())));
            state.training.kept_in = Some(folder);
        }
        Action::GoOnTraining(index) => training::go_on(state, index),
        Action::ForgetTraining(index) => training::forget(state, index),
        Action::Train => training::begin(state),
        Action::StopTraining { keep } => training::end(state, keep, &mut effects),
        Action::DismissNotice(index) => {
            if index < state.notices.len() {
                state.notices.remove(index);
            }
        }
        Action::DismissNotices => state.notices.clear(),
        Action::Save(path, export) => effects.extend(save(state, &path, &export)),
        Action::SaveBytes(path, bytes) => effects.push(Effect::Disk(DiskRequest::SaveBytes { path, bytes })),
    }
    effects.extend(refresh::refresh(state));
    effects
}

/// Takes a data set or another normalisation into use: everything evaluated so far is void.
pub(super) fn set_data(state: &mut AppState, data: DataState) {
    let revision = state.fresh();
    let usual = |data: &DataState| Attack::usual(data.dataset.shape);
    let was_usual = state.data.as_ref().map_or(Adversary::default().attack, usual);
    // An attack that the user chose stays.
    let attack = &mut state.settings.robust.adversary.attack;
    if *attack == was_usual {
        *attack = usual(&data);
    }
    state.data = Some(DataState { revision, ..data });
    state.trial = None;
    state.suggestion = None;
}

/// Asks for the end of a job of this purpose; its events stay welcome until it says that it ended.
pub(super) fn stop(state: &AppState, purpose: Purpose, effects: &mut Vec<Effect>) {
    if let Some(job) = state.job_of(purpose) {
        effects.push(Effect::Compute(Command::Cancel { job }));
    }
}

fn remove_mode(state: &mut AppState, id: ModeId, effects: &mut Vec<Effect>) {
    let Some(place) = state.modes.iter().position(|m| m.id == id) else {
        return;
    };
    state.modes.remove(place);
    for split in [SplitName::Test, SplitName::Train] {
        refresh::drop_job(state, Purpose::Score { mode: id, split }, effects);
    }
    let third = &mut state.settings.plane.third;
    match *third {
        ThirdPoint::Mode(index) if index == place => *third = ThirdPoint::default(),
        ThirdPoint::Mode(index) if place < index => *third = ThirdPoint::Mode(index - 1),
        _ => {}
    }
    if state.endpoints.is_some_and(|(a, b)| a == id || b == id) {
        stop(state, Purpose::FindPath, effects);
        state.endpoints = match state.modes.as_slice() {
            [a, b, ..] => Some((a.id, b.id)),
            _ => None,
        };
    }
}

fn change_settings(state: &mut AppState, settings: Settings, effects: &mut Vec<Effect>) {
    let before = &state.settings.path;
    if (before.family, before.n_bends) != (settings.path.family, settings.path.n_bends) {
        stop(state, Purpose::FindPath, effects);
    }
    if state.settings.plane.third != settings.plane.third || state.settings.plane.margin != settings.plane.margin {
        state.look = None;
    }
    let family = settings.path.family;
    let third = settings.plane.third;
    let was = std::mem::replace(&mut state.settings, settings);
    if was.path.family != family && was.plane.third == third {
        state.settings.path.family = was.path.family;
        choose_family(&mut state.settings, family);
    }
}

/// Sets a family; the plane that shows the last one best gives way to the one that shows this best.
pub(super) fn choose_family(settings: &mut Settings, family: Family) {
    if settings.plane.third == ThirdPoint::of_family(settings.path.family) {
        settings.plane.third = ThirdPoint::of_family(family);
    }
    settings.path.family = family;
}

fn save(state: &mut AppState, path: &FilePath, export: &Export) -> Vec<Effect> {
    let one = |path: PathBuf, params, network, description: String| {
        Effect::Disk(DiskRequest::SaveParams { path, network, params, description })
    };
    // A mode can be saved by itself; all else belongs to a pair.
    match (export, state.joined().cloned()) {
        (Export::Mode(id), _) => {
            let saved = state.mode(*id).map(|ModeState { mode, .. }| {
                let (params, network) = (Arc::clone(&mode.params), Arc::clone(&mode.network));
                one(path.to_owned(), params, network, format!("mode {}", mode.name))
            });
            saved.into_iter().collect()
        }
        (_, None) => {
            state.notify(Notice::warning("There is nothing to save yet"));
            Vec::new()
        }
        (Export::Flow, Some(_)) => flow_training::save(state, path.to_owned()).into_iter().collect(),
        (Export::Permutation, Some(_)) => alignment::save(state, path).into_iter().collect(),
        (Export::AlignedB, Some(pair)) => match state.shown_alignment() {
            Some(alignment) => {
                let network = state.endpoints.and_then(|(_, b)| state.mode(b)).map(|m| Arc::clone(&m.mode.network));
                let network = network.unwrap_or(pair.network);
                vec![one(path.to_owned(), Arc::clone(&alignment.aligned), network, "B aligned to A".to_owned())]
            }
            None => Vec::new(),
        },
        (Export::PathPoint, Some(pair)) => match &state.path {
            Some(p) => {
                let description = format!("{} path at t = {}", p.path.family().name(), state.t);
                vec![one(path.to_owned(), Arc::new(p.path.point(state.t)), pair.network, description)]
            }
            None => Vec::new(),
        },
        (Export::Bends, Some(pair)) => match &state.path {
            Some(p) => {
                let bends = p.path.bends().iter().enumerate();
                bends
                    .map(|(index, bend)| {
                        let description = format!("bend {} of a {} path", index + 1, p.path.family().name());
                        let path = path.with_extension(format!("{}.safetensors", index + 1));
                        one(path, Arc::clone(bend), Arc::clone(&pair.network), description)
                    })
                    .collect()
            }
            None => Vec::new(),
        },
    }
}
