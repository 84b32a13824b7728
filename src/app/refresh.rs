//! What must be computed for the picture to be true: compares what is shown with what the document says and starts the jobs
//! that close the gap. Called after every action and event, so that no control needs to know what depends on it.

use std::sync::Arc;
use std::time::Instant;

use super::jobs::{JobInfo, Purpose};
use super::planes::{self, chosen_plane, grid_around};
use super::state::{CurveKey, CurveState, NormalizationTrial, Pair, PathState, PlaneState};
use super::{
    Adversary, AppState, BatchNormSettings, Effect, ModeId, bending, by_hand, candidates, compare, decisions, ensemble,
    placing, predictions, repaired, robust, training, trajectories,
};
use crate::compute::{EvaluateSpec, RobustSpec};
use crate::data::SplitName;
use crate::geometry::{Curve, Path};
use crate::net::ParamVec;
use crate::worker::{AlongSpec, Command, JobId, Lane, Request};

/// Images for pictures of what is on the move.
const QUICK_IMAGES: usize = 1024;
/// Images on which normalisations are compared.
const TRIAL_IMAGES: usize = 1000;
/// Points of the first, coarse picture along each axis, and of one whose points need statistics measured first.
const COARSE: usize = 9;
const COARSE_MEASURED: usize = 5;
/// Points of the path from which a picture grows.
const GROWTH_POINTS: usize = 33;

/// Points of the first, coarse picture along each axis, at most.
pub(super) fn coarse_points(batch_norm: Option<BatchNormSettings>) -> usize {
    if batch_norm.is_some_and(|settings| settings.recompute) { COARSE_MEASURED } else { COARSE }
}

/// The effects that bring everything up to date.
pub(super) fn refresh(state: &mut AppState) -> Vec<Effect> {
    let mut effects = Vec::new();
    candidates::follow_images(state);
    candidates::try_candidates(state, &mut effects);
    if sync_pair(state) {
        drop_job(state, Purpose::Align, &mut effects);
    }
    by_hand::forget_stale(state, &mut effects);
    compare::advance(state);
    sync_path(state);
    let stray =
        state.job_of(Purpose::FindPath).is_some_and(|job| state.path.as_ref().is_none_or(|p| !p.is_found_by(job)));
    if stray {
        drop_job(state, Purpose::FindPath, &mut effects);
    }
    compare::start_work(state, &mut effects);
    refresh_scores(state, &mut effects);
    verify_groups(state, &mut effects);
    refresh_curve(state, &mut effects);
    by_hand::refresh(state, &mut effects);
    planes::seek_own(state, &mut effects);
    refresh_plane(state, &mut effects);
    bending::refresh(state, &mut effects);
    placing::refresh(state, &mut effects);
    decisions::refresh(state, &mut effects);
    predictions::refresh(state, &mut effects);
    ensemble::refresh(state, &mut effects);
    repaired::refresh(state, &mut effects);
    robust::refresh(state, &mut effects);
    trajectories::refresh(state, &mut effects);
    training::refresh(state, &mut effects);
    effects
}

/// Registers a job and makes the command that starts it.
pub(super) fn start(state: &mut AppState, purpose: Purpose, lane: Lane, label: String, request: Request) -> Effect {
    // The lane ends the older job; its events are of no interest any more.
    if purpose != Purpose::FindPath {
        state.jobs.retain(|_, job| job.purpose != purpose);
    }
    let job = JobId(state.fresh());
    state.jobs.insert(job, JobInfo { purpose, label, note: String::new(), done: 0.0, started: Instant::now() });
    Effect::Compute(Command::Start { job, lane, request: Box::new(request) })
}

/// Ends a job whose results are not wanted any more.
pub(super) fn drop_job(state: &mut AppState, purpose: Purpose, effects: &mut Vec<Effect>) {
    if let Some(job) = state.job_of(purpose) {
        state.jobs.remove(&job);
        effects.push(Effect::Compute(Command::Cancel { job }));
    }
}

/// Whatever was interrupted by a change of the device is asked for again by the next [`refresh`].
pub(super) fn restart_interrupted(state: &mut AppState) {
    let evaluates_curve =
        [SplitName::Test, SplitName::Train].into_iter().any(|split| state.runs_job(Purpose::Curve(split)));
    if !evaluates_curve && state.curve.as_ref().is_some_and(|curve| !curve.is_complete()) {
        state.curve = None;
    }
    if !state.runs_job(Purpose::PathPlane)
        && let Some(path) = state.path.as_mut().filter(|path| path.own_plane().is_none())
    {
        path.own_plane = None;
    }
    if !state.runs_job(Purpose::Plane) && state.plane.as_ref().is_some_and(|plane| !plane.is_complete()) {
        state.plane = None;
    }
    if !state.runs_job(Purpose::Decide) {
        decisions::on_interrupted(state);
    }
    if !state.runs_job(Purpose::Predict) {
        predictions::on_interrupted(state);
    }
    if !state.runs_job(Purpose::Repair) {
        repaired::on_interrupted(state);
    }
    if !state.runs_job(Purpose::Robust) {
        robust::on_interrupted(state);
    }
    if !state.runs_job(Purpose::Excite) {
        state.excitement.forget_question();
    }
    if !state.runs_job(Purpose::CompareWeights) {
        state.weight_matrices.forget_question();
    }
    for index in 0..state.modes.len() {
        let mode = state.modes[index].id;
        let missing = [SplitName::Test, SplitName::Train].into_iter().any(|split| {
            state.modes[index].scores.split(split).is_none() && !state.runs_job(Purpose::Score { mode, split })
        });
        if missing {
            state.modes[index].scored_on = None;
        }
        if state.modes[index].check.is_none() && !state.runs_job(Purpose::Verify { mode }) {
            state.modes[index].check_asked = false;
        }
    }
}

/// The endpoints in one layout, whenever the choice of endpoints changed; returns whether it did.
pub(super) fn sync_pair(state: &mut AppState) -> bool {
    if state.endpoints.is_none()
        && let [a, b, ..] = state.modes.as_slice()
    {
        state.endpoints = Some((a.id, b.id));
    }
    let modes = state
        .endpoints
        .and_then(|ends| Some((ends, state.mode(ends.0)?.mode.clone(), state.mode(ends.1)?.mode.clone())));
    let Some((ends, a, b)) = modes else {
        return state.pair.take().is_some();
    };
    // A mode never changes, so neither does a pair of them.
    if state.joined().is_some_and(|pair| pair.ends == ends) {
        return false;
    }
    state.pair = Some(match b.params_for(&a.network) {
        Ok(in_layout) => Ok(Pair { ends, network: Arc::clone(&a.network), a: Arc::clone(&a.params), b: in_layout }),
        Err(error) => Err(error.to_string()),
    });
    true
}

/// A straight path whenever the current one joins something else than what is set up.
fn sync_path(state: &mut AppState) {
    let Some(pair) = state.joined().cloned() else {
        state.path = None;
        return;
    };
    let Some(end) = state.path_end() else { return };
    let settings = &state.settings.path;
    let (family, curve) = (settings.family, settings.first_curve());
    let fits = state.path.as_ref().is_some_and(|p| {
        let same_bends = p.path.bends().len() == curve.n_bends() || family.is_connected();
        p.family == family && same_bends && same(&p.ends.0, &pair.a) && same(&p.ends.1, &end)
    });
    if fits {
        return;
    }
    let aligned = state.shown_alignment().is_some_and(|alignment| Arc::ptr_eq(&alignment.aligned, &end));
    let path = Path::straight(&pair.network, curve, Arc::clone(&pair.a), Arc::clone(&end));
    state.path = Some(PathState {
        path: Arc::new(path),
        ends: (pair.a, end),
        family,
        aligned,
        revision: state.fresh(),
        epochs_done: 0,
        attack: None,
        losses: Vec::new(),
        last_step: None,
        traces: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.0,
        seed: None,
        from_files: false,
        by_hand: false,
        dragging: false,
        fit: None,
        connect: None,
        own_plane: None,
        placed: None,
    });
}

/// The same point, if not the same copy of it.
fn same(one: &Arc<ParamVec>, other: &Arc<ParamVec>) -> bool {
    Arc::ptr_eq(one, other) || one.values() == other.values()
}

fn refresh_scores(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(data) = state.data.clone() else {
        return;
    };
    for index in 0..state.modes.len() {
        let entry = &mut state.modes[index];
        if entry.scored_on == Some(data.revision) {
            continue;
        }
        entry.scored_on = Some(data.revision);
        entry.scores = super::Scored::default();
        let (id, mode) = (entry.id, Arc::clone(&entry.mode));
        for split in [SplitName::Test, SplitName::Train] {
            drop_job(state, Purpose::Score { mode: id, split }, effects);
        }
        if data.misfit(&mode.network).is_some() {
            continue;
        }
        for split in [SplitName::Test, SplitName::Train] {
            let spec = EvaluateSpec::new(
                Arc::clone(&mode.network),
                vec![Arc::clone(&mode.params)],
                vec![vec![1.0]],
                data.split(split, None),
            );
            let label = format!("Scoring {} on the {}", mode.name, split.images());
            let lane = Lane::Score { mode: id.0, split };
            effects.push(start(state, Purpose::Score { mode: id, split }, lane, label, Request::Evaluate(spec)));
        }
        if state.trial.as_ref().is_none_or(|trial| trial.data_revision != data.revision) {
            try_normalizations(state, id, effects);
        }
    }
}

/// Every mode's permutation groups are tried once.
fn verify_groups(state: &mut AppState, effects: &mut Vec<Effect>) {
    for index in 0..state.modes.len() {
        let entry = &mut state.modes[index];
        if std::mem::replace(&mut entry.check_asked, true) {
            continue;
        }
        let (id, mode) = (entry.id, Arc::clone(&entry.mode));
        let request = Request::Verify { network: Arc::clone(&mode.network), params: Arc::clone(&mode.params) };
        let label = format!("Checking the permutation groups of {}", mode.name);
        effects.push(start(state, Purpose::Verify { mode: id }, Lane::Verify { mode: id.0 }, label, request));
    }
}

/// Scores a mode under the usual normalisations, on few images.
fn try_normalizations(state: &mut AppState, id: ModeId, effects: &mut Vec<Effect>) {
    let (Some(data), Some(mode)) = (state.data.clone(), state.mode(id).map(|m| Arc::clone(&m.mode))) else {
        return;
    };
    let mut candidates = vec![("now".to_owned(), data.normalization.clone())];
    candidates.extend(data.usual.iter().filter(|(_, n)| *n != data.normalization).cloned());
    for (candidate, (label, normalization)) in candidates.iter().enumerate() {
        let mut images = data.split(SplitName::Test, Some(TRIAL_IMAGES));
        images.normalization = normalization.clone();
        let spec = EvaluateSpec {
            progressive: false,
            ..EvaluateSpec::new(Arc::clone(&mode.network), vec![Arc::clone(&mode.params)], vec![vec![1.0]], images)
        };
        let lane = Lane::Trial(candidate);
        let label = format!("Trying the normalisation {label}");
        effects.push(start(state, Purpose::TryNormalization { candidate }, lane, label, Request::Evaluate(spec)));
    }
    let accuracies = vec![None; candidates.len()];
    state.trial = Some(NormalizationTrial { candidates, accuracies, data_revision: data.revision });
}

fn refresh_curve(state: &mut AppState, effects: &mut Vec<Effect>) {
    let ready = fitting_pair(state);
    let (Some(pair), Some(data), Some(path)) = (ready, state.data.clone(), state.path.clone()) else {
        state.curve = None;
        for purpose in [SplitName::Test, SplitName::Train].map(Purpose::Curve) {
            drop_job(state, purpose, effects);
        }
        return;
    };
    let quick = state.is_path_moving();
    let key = CurveKey {
        path_revision: path.revision,
        data_revision: data.revision,
        n_points: state.settings.path.n_points,
        batch_norm: batch_norm_of(state, &pair),
        quick,
    };
    if state.curve.as_ref().is_some_and(|curve| curve.key == key) {
        return;
    }
    let ts = Curve::even_ts(key.n_points);
    let splits: &[SplitName] = if quick { &[SplitName::Test] } else { &[SplitName::Test, SplitName::Train] };
    for purpose in [SplitName::Test, SplitName::Train].map(Purpose::Curve) {
        drop_job(state, purpose, effects);
    }
    for &split in splits {
        let spec = AlongSpec {
            network: Arc::clone(&pair.network),
            path: Arc::clone(&path.path),
            ts: ts.clone(),
            data: data.split(split, quick.then_some(QUICK_IMAGES)),
            batch_norm: data.batch_norm(key.batch_norm),
            attack: None,
        };
        let label = format!("Evaluating the path on the {}", split.images());
        effects.push(start(state, Purpose::Curve(split), Lane::Curve(split), label, Request::EvaluatePath(spec)));
    }
    let (empty, fresh) = (vec![None; ts.len()], vec![false; ts.len()]);
    let curve = CurveState {
        steps: path.path.steps(&ts),
        test: empty.clone(),
        train: empty,
        stale: (fresh.clone(), fresh),
        ts,
        key,
    };
    state.curve = Some(match state.curve.take() {
        // While the path moves, and when it comes to rest, old values stay until new ones come: no flicker.
        Some(old)
            if (quick || old.key.quick)
                && old.ts.len() == curve.ts.len()
                && old.key.data_revision == key.data_revision =>
        {
            CurveState { test: old.test, stale: (vec![true; curve.ts.len()], vec![false; curve.ts.len()]), ..curve }
        }
        _ => curve,
    });
}

fn refresh_plane(state: &mut AppState, effects: &mut Vec<Effect>) {
    let ready = fitting_pair(state);
    let (Some(pair), Some(data), Some(path)) = (ready, state.data.clone(), state.path.clone()) else {
        state.plane = None;
        drop_job(state, Purpose::Plane, effects);
        return;
    };
    let quick = state.is_fitting();
    let settings = state.settings.plane.clone();
    // One end or family after another would leave a plane half done each; the last one gets its own.
    if state.compare.running.is_some() || state.is_end_moving() || state.runs_job(Purpose::PathPlane) {
        return;
    }
    // Behind a moving bend the picture keeps its pace: the next plane starts when the last one stands.
    if quick && state.runs_job(Purpose::Plane) {
        return;
    }
    if planes::awaits_bend_plane(state, &path) {
        placing::ask(state, None, effects);
        return;
    }
    let Some((plane, third)) = chosen_plane(state, &pair, &path) else {
        state.plane = None;
        drop_job(state, Purpose::Plane, effects);
        return;
    };
    let grid = grid_around(&plane, state, &path);
    let batch_norm = batch_norm_of(state, &pair);
    let adversary = settings.under_attack.then_some(state.settings.robust.adversary);
    if let Some(shown) = &state.plane {
        let same_plane = Arc::ptr_eq(&shown.plane, &plane);
        let same_values = shown.grid == grid
            && shown.split == settings.split
            && shown.adversary == adversary
            && shown.data_revision == data.revision
            && shown.batch_norm == batch_norm;
        let fine_enough = quick || !shown.quick;
        if same_plane && same_values && fine_enough {
            return;
        }
    }
    // Of a path that was not placed yet at least the ends are known.
    let near: Vec<(f64, f64)> = match path.projection(&plane) {
        Some(projection) => {
            let spots = Curve::even_ts(GROWTH_POINTS).into_iter().map(|t| projection.at(t));
            spots.map(|spot| (spot.x, spot.y)).collect()
        }
        None => plane.anchors()[..2].to_vec(),
    };
    let coefficients = grid.points().iter().map(|&(x, y)| plane.coefficients(x, y).to_vec()).collect();
    let limits = [quick.then_some(QUICK_IMAGES), adversary.map(|adversary| adversary.n_images)];
    let images = data.split(settings.split, limits.into_iter().flatten().min());
    let points = EvaluateSpec {
        levels: grid.levels(coarse_points(batch_norm), &near),
        batch_norm: data.batch_norm(batch_norm),
        ..EvaluateSpec::new(Arc::clone(&pair.network), plane.basis().to_vec(), coefficients, images)
    };
    let label = format!(
        "Evaluating the plane{}, {} x {}",
        if adversary.is_some() { " under attack" } else { "" },
        grid.x.n,
        grid.y.n
    );
    let request = match adversary {
        None => Request::Evaluate(points),
        Some(Adversary { attack, .. }) => Request::EvaluateRobustly(RobustSpec { points, attack }),
    };
    effects.push(start(state, Purpose::Plane, Lane::Plane, label, request));
    let empty = (vec![None; grid.len()], vec![false; grid.len()]);
    let follows = |old: &PlaneState| {
        let same_ends = (0..2).all(|end| Arc::ptr_eq(&old.plane.basis()[end], &plane.basis()[end]));
        (quick || old.quick)
            && same_ends
            && old.grid.len() == grid.len()
            && (old.split, old.adversary) == (settings.split, adversary)
    };
    let (values, stale) = match state.plane.take() {
        // Behind a moving bend the last picture stays until the new values come: no flicker.
        Some(old) if follows(&old) => (old.values, vec![true; grid.len()]),
        _ => empty,
    };
    state.plane = Some(PlaneState {
        plane,
        third,
        grid,
        split: settings.split,
        adversary,
        values,
        revision: state.next_id,
        data_revision: data.revision,
        batch_norm,
        statistics: batch_norm.map(|settings| data.batch_norm(Some(settings))),
        quick,
        stale,
    });
}

/// What is set for batch norm; `None` where the networks have none.
fn batch_norm_of(state: &AppState, pair: &Pair) -> Option<BatchNormSettings> {
    pair.network.layout().has_statistics().then_some(state.settings.batch_norm)
}

/// The pair, if its networks take the images.
pub(super) fn fitting_pair(state: &AppState) -> Option<Pair> {
    let pair = state.joined()?;
    let data = state.data.as_ref()?;
    data.misfit(&pair.network).is_none().then(|| pair.clone())
}
