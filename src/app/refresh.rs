//! What must be computed for the picture to be true: compares what is shown with what the document says and starts the jobs
//! that close the gap. Called after every action and event, so that no control needs to know what depends on it.

use std::sync::Arc;
use std::time::Instant;

use super::state::{
    CurveKey, CurveState, JobInfo, NormalizationTrial, Pair, PathState, PlaneChoice, PlaneState, Purpose,
};
use super::{AppState, Effect, ModeId, ThirdPoint};
use crate::compute::{EvaluateSpec, FitSpec};
use crate::data::SplitName;
use crate::geometry::{Axis, Grid, Path, PathFamily, Plane, arc_centre};
use crate::net::ParamVec;
use crate::worker::{Command, JobId, Lane, Request};

/// Images for pictures of what is on the move.
const QUICK_IMAGES: usize = 1024;
/// Images on which normalisations are compared.
const TRIAL_IMAGES: usize = 1000;
/// Points of the first, coarse picture along each axis.
pub(super) const COARSE: usize = 9;
/// Width of the region that is evaluated over its height, at least and at most.
const PICTURE_ASPECT: f64 = 1.9;
/// Distance off the plane, in shares of |B - A|, up to which the bend counts as lying in it.
const ON_PLANE: f64 = 1e-4;

/// The effects that bring everything up to date.
pub(super) fn refresh(state: &mut AppState) -> Vec<Effect> {
    let mut effects = Vec::new();
    sync_pair(state);
    sync_path(state);
    refresh_scores(state, &mut effects);
    refresh_curve(state, &mut effects);
    refresh_plane(state, &mut effects);
    effects
}

/// Registers a job and makes the command that starts it.
pub(super) fn start(state: &mut AppState, purpose: Purpose, lane: Lane, label: String, request: Request) -> Effect {
    // The lane ends the older job; its events are of no interest any more.
    if purpose != Purpose::Fit {
        state.jobs.retain(|_, job| job.purpose != purpose);
    }
    let job = JobId(state.fresh());
    state.jobs.insert(job, JobInfo { purpose, label, done: 0.0, started: Instant::now() });
    Effect::Compute(Command::Start { job, lane, request: Box::new(request) })
}

/// Ends a job whose results are not wanted any more.
fn drop_job(state: &mut AppState, purpose: Purpose, effects: &mut Vec<Effect>) {
    if let Some(job) = state.job_of(purpose) {
        state.jobs.remove(&job);
        effects.push(Effect::Compute(Command::Cancel { job }));
    }
}

/// The endpoints in one layout, whenever the choice of endpoints changed.
fn sync_pair(state: &mut AppState) {
    if state.endpoints.is_none()
        && let [a, b, ..] = state.modes.as_slice()
    {
        state.endpoints = Some((a.id, b.id));
    }
    let modes = state
        .endpoints
        .and_then(|ends| Some((ends, state.mode(ends.0)?.mode.clone(), state.mode(ends.1)?.mode.clone())));
    let Some((ends, a, b)) = modes else {
        state.pair = None;
        return;
    };
    // A mode never changes, so neither does a pair of them.
    if state.joined().is_some_and(|pair| pair.ends == ends) {
        return;
    }
    state.pair = Some(match b.params_for(&a.network) {
        Ok(b) => Ok(Pair { ends, network: Arc::clone(&a.network), a: Arc::clone(&a.params), b }),
        Err(error) => Err(error.to_string()),
    });
}

/// A straight path whenever the current one joins something else than what is set up.
fn sync_path(state: &mut AppState) {
    let Some(pair) = state.joined().cloned() else {
        state.path = None;
        return;
    };
    let Some(end) = state.path_end() else { return };
    let family = state.settings.path.path_family();
    let fits = state.path.as_ref().is_some_and(|p| {
        p.path.family() == family && Arc::ptr_eq(p.path.start(), &pair.a) && Arc::ptr_eq(p.path.end(), &end)
    });
    if fits {
        return;
    }
    let aligned = state.current_alignment().is_some_and(|alignment| Arc::ptr_eq(&alignment.aligned, &end));
    let path = Path::straight(&pair.network, family, pair.a, end);
    state.path = Some(PathState {
        path: Arc::new(path),
        aligned,
        revision: state.fresh(),
        epochs_done: 0,
        losses: Vec::new(),
        last_step: None,
        from_files: false,
        by_hand: false,
        dragging: false,
    });
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
            let label = format!("Scoring {} on the {split} images", mode.name);
            let lane = Lane::Score { mode: id.0, split };
            effects.push(start(state, Purpose::Score { mode: id, split }, lane, label, Request::Evaluate(spec)));
        }
        if state.trial.as_ref().is_none_or(|trial| trial.data_revision != data.revision) {
            try_normalizations(state, id, effects);
        }
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
        return;
    };
    let quick = state.is_path_moving();
    let key = CurveKey {
        path_revision: path.revision,
        data_revision: data.revision,
        n_points: state.settings.path.n_points,
        quick,
    };
    if state.curve.as_ref().is_some_and(|curve| curve.key == key) {
        return;
    }
    let ts = PathFamily::even_ts(key.n_points);
    let coefficients: Vec<Vec<f64>> = ts.iter().map(|&t| path.path.coefficients(t)).collect();
    let splits: &[SplitName] = if quick { &[SplitName::Test] } else { &[SplitName::Test, SplitName::Train] };
    for purpose in [SplitName::Test, SplitName::Train].map(Purpose::Curve) {
        drop_job(state, purpose, effects);
    }
    for &split in splits {
        let images = data.split(split, quick.then_some(QUICK_IMAGES));
        let spec =
            EvaluateSpec::new(Arc::clone(&pair.network), path.path.basis().to_vec(), coefficients.clone(), images);
        let label = format!("Evaluating the path on the {split} images");
        effects.push(start(state, Purpose::Curve(split), Lane::Curve(split), label, Request::Evaluate(spec)));
    }
    let empty = vec![None; ts.len()];
    let curve = CurveState { steps: path.path.steps(&ts), test: empty.clone(), train: empty, ts, key };
    state.curve = Some(match state.curve.take() {
        // While the path moves, and when it comes to rest, old values stay until new ones come: no flicker.
        Some(old)
            if (quick || old.key.quick)
                && old.ts.len() == curve.ts.len()
                && old.key.data_revision == key.data_revision =>
        {
            CurveState { test: old.test, ..curve }
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
    // Behind a moving bend the picture keeps its pace: the next plane starts when the last one stands.
    if quick && state.runs_job(Purpose::Plane) {
        return;
    }
    let Some((plane, third)) = chosen_plane(state, &pair, &path) else {
        state.plane = None;
        drop_job(state, Purpose::Plane, effects);
        return;
    };
    let grid = grid_around(&plane, state, &path);
    if let Some(shown) = &state.plane {
        let same_plane = Arc::ptr_eq(&shown.plane, &plane);
        let same_values = shown.grid == grid && shown.split == settings.split && shown.data_revision == data.revision;
        let fine_enough = quick || !shown.quick;
        if same_plane && same_values && fine_enough {
            return;
        }
    }
    let coefficients = grid.points().iter().map(|&(x, y)| plane.coefficients(x, y).to_vec()).collect();
    let images = data.split(settings.split, quick.then_some(QUICK_IMAGES));
    let spec = EvaluateSpec {
        levels: grid.levels(COARSE),
        ..EvaluateSpec::new(Arc::clone(&pair.network), plane.basis().to_vec(), coefficients, images)
    };
    let label = format!("Evaluating the plane, {} x {}", grid.x.n, grid.y.n);
    effects.push(start(state, Purpose::Plane, Lane::Plane, label, Request::Evaluate(spec)));
    let empty = vec![None; grid.len()];
    let follows = |old: &PlaneState| {
        let same_ends = (0..2).all(|end| Arc::ptr_eq(&old.plane.basis()[end], &plane.basis()[end]));
        (quick || old.quick) && same_ends && old.grid.len() == grid.len() && old.split == settings.split
    };
    let values = match state.plane.take() {
        // Behind a moving bend the last picture stays until the new values come: no flicker.
        Some(old) if follows(&old) => old.values,
        _ => empty,
    };
    state.plane = Some(PlaneState {
        plane,
        third,
        grid,
        split: settings.split,
        values,
        revision: state.next_id,
        data_revision: data.revision,
        quick,
    });
}

/// The pair, if its networks take the images.
fn fitting_pair(state: &AppState) -> Option<Pair> {
    let pair = state.joined()?;
    let data = state.data.as_ref()?;
    data.misfit(&pair.network).is_none().then(|| pair.clone())
}

/// The plane that the settings ask for and the name of its third point, worked out once for each path.
fn chosen_plane(state: &mut AppState, pair: &Pair, path: &PathState) -> Option<(Arc<Plane>, String)> {
    let (third, n_modes) = (state.settings.plane.third, state.modes.len());
    if let Some(choice) = &state.plane_choice
        && (choice.path_revision, choice.third, choice.n_modes) == (path.revision, third, n_modes)
    {
        return Some((Arc::clone(&choice.plane), choice.name.clone()));
    }
    let (plane, name) = choose_plane(state, pair, path)?;
    let choice = PlaneChoice { path_revision: path.revision, third, n_modes, plane, name };
    let found = (Arc::clone(&choice.plane), choice.name.clone());
    state.plane_choice = Some(choice);
    Some(found)
}

/// The plane that the settings ask for; the one shown now if it still serves.
fn choose_plane(state: &AppState, pair: &Pair, path: &PathState) -> Option<(Arc<Plane>, String)> {
    let (a, b) = (path.path.start(), path.path.end());
    let (third, name): (Option<Arc<ParamVec>>, String) = match state.settings.plane.third {
        ThirdPoint::Bend => match farthest_bend(path) {
            Some((index, bend)) => (Some(bend), format!("bend {}", index + 1)),
            None => (None, String::new()),
        },
        ThirdPoint::MeanNeuron | ThirdPoint::Random(_) => (None, String::new()),
        ThirdPoint::Mode(index) => {
            let mode = state.modes.get(index)?;
            (mode.mode.params_for(&pair.network).ok(), state.letter(mode.id))
        }
        ThirdPoint::OriginalB => (Some(Arc::clone(&pair.b)), "B as loaded".to_owned()),
    };
    let shown = state.plane.as_ref();
    if let Some(c) = third {
        let reusable = shown
            .filter(|s| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a) && Arc::ptr_eq(&s.plane.basis()[1], b));
        if let Some(shown) = reusable {
            let spot = shown.plane.project(std::slice::from_ref(&c)).at(&[1.0]);
            if spot.off <= ON_PLANE * shown.plane.length() {
                return Some((Arc::clone(&shown.plane), name));
            }
        }
        if let Ok(plane) = Plane::through(Arc::clone(a), Arc::clone(b), c) {
            return Some((Arc::new(plane), name));
        }
    }
    if let ThirdPoint::Random(seed) = state.settings.plane.third {
        return random_plane(shown, a, b, seed);
    }
    let name = "mean neuron".to_owned();
    let keeps =
        |s: &&PlaneState| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a) && Arc::ptr_eq(&s.plane.basis()[1], b);
    if let Some(shown) = shown.filter(keeps) {
        return Some((Arc::clone(&shown.plane), name));
    }
    let centre = Arc::new(arc_centre(&pair.network, a, b));
    match Plane::through(Arc::clone(a), Arc::clone(b), centre) {
        Ok(plane) => Some((Arc::new(plane), name)),
        Err(_flat) => random_plane(shown, a, b, 0),
    }
}

fn random_plane(
    shown: Option<&PlaneState>,
    a: &Arc<ParamVec>,
    b: &Arc<ParamVec>,
    seed: u64,
) -> Option<(Arc<Plane>, String)> {
    let name = format!("random direction {seed}");
    let keeps = |s: &&PlaneState| s.third == name && Arc::ptr_eq(&s.plane.basis()[0], a);
    if let Some(shown) = shown.filter(keeps) {
        return Some((Arc::clone(&shown.plane), name));
    }
    Plane::random(Arc::clone(a), Arc::clone(b), seed).ok().map(|plane| (Arc::new(plane), name))
}

/// The bend that stands farthest from the straight line, unless all stand on it.
fn farthest_bend(path: &PathState) -> Option<(usize, Arc<ParamVec>)> {
    let (a, b) = (path.path.start(), path.path.end());
    let mut farthest: Option<(usize, f64)> = None;
    for (index, bend) in path.path.bends().iter().enumerate() {
        if let Ok(plane) = Plane::through(Arc::clone(a), Arc::clone(b), Arc::clone(bend))
            && farthest.is_none_or(|(_, height)| height < plane.height())
        {
            farthest = Some((index, plane.height()));
        }
    }
    farthest.map(|(index, _)| (index, Arc::clone(&path.path.bends()[index])))
}

/// What the user zoomed to, or the points with a margin around them.
fn grid_around(plane: &Plane, state: &AppState, path: &PathState) -> Grid {
    let (settings, shown) = (&state.settings.plane, state.plane.as_ref());
    if let Some([x0, x1, y0, y1]) = state.look {
        return Grid { x: Axis { min: x0, max: x1, n: settings.nx }, y: Axis { min: y0, max: y1, n: settings.ny } };
    }
    // While the user drags a bend the frame must not move under the mouse.
    if let Some(shown) = shown.filter(|s| path.by_hand && std::ptr::eq(&*s.plane, plane))
        && (shown.grid.x.n, shown.grid.y.n) == (settings.nx, settings.ny)
    {
        return shown.grid;
    }
    let [_, b, c] = plane.anchors();
    let (left, right) = (c.0.min(0.0), c.0.max(b.0));
    let (low, high) = (c.1.min(0.0), c.1.max(0.0));
    let (mx, my) = (settings.margin * plane.length(), settings.margin * plane.height());
    let (width, height) = (right - left + 2.0 * mx, high - low + 2.0 * my);
    // Widened to the shape of the picture: a bend near the straight line would otherwise leave a thin strip.
    let wider = 0.5 * (height * PICTURE_ASPECT - width).max(0.0);
    let higher = 0.5 * (width / PICTURE_ASPECT - height).max(0.0);
    Grid {
        x: Axis { min: left - mx - wider, max: right + mx + wider, n: settings.nx },
        y: Axis { min: low - my - higher, max: high + my + higher, n: settings.ny },
    }
}

/// Fits the bends of the current path, from where they are.
pub(super) fn start_fit(state: &mut AppState) -> Option<Effect> {
    let pair = fitting_pair(state)?;
    let data = state.data.clone()?;
    let path = state.path.as_mut()?;
    if path.path.bends().is_empty() || state.jobs.values().any(|job| job.purpose == Purpose::Fit) {
        return None;
    }
    let fit = state.settings.path.fit.clone();
    let spec = FitSpec {
        network: pair.network,
        family: Some(path.path.family()),
        basis: path.path.basis().to_vec(),
        data: data.split(SplitName::Train, None),
        epochs: fit.epochs,
        first_epoch: path.epochs_done,
        batch_size: fit.batch_size,
        optimizer: fit.optimizer,
        learning_rate: fit.learning_rate,
        schedule: fit.schedule,
        weight_decay: fit.weight_decay,
        sampling: fit.sampling,
        seed: fit.seed,
    };
    path.by_hand = false;
    path.dragging = false;
    Some(start(state, Purpose::Fit, Lane::Fit, "Fitting the path".to_owned(), Request::Fit(spec)))
}
