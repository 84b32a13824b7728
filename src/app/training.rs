//! Training modes from the window: what is asked for, what runs, and what becomes of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::events::{add_mode, leave_demo};
use super::refresh::{drop_job, start};
use super::state::Purpose;
use super::{AppState, Effect};
use crate::checkpoint::Mode;
use crate::compute::{EvaluateSpec, FitCheckpoint, FitSpec, PointValue, StepReport};
use crate::data::SplitName;
use crate::net::{Network, ParamVec};
use crate::recipe::{Recipe, network_for};
use crate::worker::{JobId, Lane, Request};

/// Test images on which every epoch is scored.
const WATCHED: usize = 1000;
/// Units of the hidden layer of the network that is offered first.
const FIRST_HIDDEN: usize = 32;

/// What the panel is set to.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingForm {
    /// As the zoo reads names; empty until there is data to suggest one for.
    pub network: String,
    pub recipe: Recipe,
    /// Modes to train one after another, with seeds that follow each other.
    pub n_modes: usize,
    pub first_seed: u64,
}

impl Default for TrainingForm {
    fn default() -> Self {
        Self { network: String::new(), recipe: Recipe::default(), n_modes: 2, first_seed: 1 }
    }
}

/// The panel, and the trainings behind it.
#[derive(Clone, Debug, Default)]
pub struct TrainingState {
    /// Whether the panel is shown.
    pub open: bool,
    pub form: TrainingForm,
    /// The network that the form names, or why there is none.
    pub network: Option<Result<Arc<Network>, String>>,
    /// Why the form's image changes do not suit the data, if they do not.
    pub misfit: Option<String>,
    pub running: Option<RunningTraining>,
    /// Modes that were trained or stopped half-way since the program started.
    pub n_finished: usize,
    /// Name and data that `network` was made for.
    network_key: Option<(String, u64)>,
    queue: VecDeque<u64>,
    estimate: Option<Estimate>,
}

/// A mode that is being trained.
#[derive(Clone, Debug)]
pub struct RunningTraining {
    pub seed: u64,
    /// Of how many modes this is which, from 1.
    pub place: (usize, usize),
    pub n_epochs: usize,
    pub epochs_done: usize,
    /// (epoch, mean minibatch loss), in order.
    pub losses: Vec<(f64, f64)>,
    /// (epoch, values on the first test images), in order.
    pub scores: Vec<(usize, PointValue)>,
    pub(super) job: JobId,
    name: String,
    network: Arc<Network>,
    latest: Option<Arc<ParamVec>>,
    /// The mode is not wanted any more.
    discarded: bool,
    /// The epoch whose weights are to be scored next, and the one that is.
    to_score: Option<(usize, Arc<ParamVec>)>,
    scoring: usize,
}

/// How long a step takes.
#[derive(Clone, Debug)]
struct Estimate {
    /// Network name, batch size and data that it is for.
    key: (String, usize, u64),
    /// When the first report came, and the steps that were done then.
    first: Option<(Instant, usize)>,
    seconds_per_step: Option<f64>,
}

impl TrainingState {
    /// Whether modes are being trained or wait for their turn.
    pub fn is_active(&self) -> bool {
        self.running.is_some() || !self.queue.is_empty()
    }

    /// How long all modes of the form will take, once it was measured.
    pub fn estimate(&self, n_images: usize) -> Option<Duration> {
        let per_step = self.estimate.as_ref()?.seconds_per_step?;
        let descent = &self.form.recipe.descent;
        let n_steps = n_images.div_ceil(descent.batch_size.max(1)) * descent.epochs * self.form.n_modes;
        Duration::try_from_secs_f64(per_step * n_steps as f64).ok()
    }

    fn ready(&self) -> Option<&Arc<Network>> {
        self.network.as_ref()?.as_ref().ok().filter(|_| self.misfit.is_none())
    }
}

/// Queues the modes that the form asks for.
pub(super) fn begin(state: &mut AppState) {
    let training = &mut state.training;
    if training.ready().is_some() && !training.is_active() {
        let first = training.form.first_seed;
        training.queue = (0..training.form.n_modes as u64).map(|n| first.wrapping_add(n)).collect();
    }
}

/// Ends the trainings; the mode that runs is kept as it is, or thrown away.
pub(super) fn end(state: &mut AppState, keep: bool, effects: &mut Vec<Effect>) {
    state.training.queue.clear();
    if let Some(running) = &mut state.training.running {
        running.discarded = !keep;
        super::update::stop(state, Purpose::Train, effects);
    }
}

/// Starts what is to run next: the form's network, its estimate, a mode, a score.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    sync_network(state);
    start_next(state, effects);
    score_epoch(state, effects);
    refresh_estimate(state, effects);
}

/// Builds the form's network when its name or the data changed.
fn sync_network(state: &mut AppState) {
    let (Some(data), training) = (&state.data, &mut state.training) else {
        state.training.network = None;
        return;
    };
    if !training.open {
        return;
    }
    if training.form.network.is_empty() {
        let (pixels, n_classes) = (data.dataset.shape.pixels(), data.dataset.n_classes());
        training.form.network = format!("{pixels}-{FIRST_HIDDEN}-{n_classes}");
    }
    let key = (training.form.network.clone(), data.revision);
    if training.network_key.as_ref() != Some(&key) {
        let built = network_for(&training.form.network, &data.dataset);
        training.network = Some(built.map(Arc::new).map_err(|error| error.to_string()));
        training.network_key = Some(key);
    }
    let fits = training.form.recipe.augmentation.check(&data.dataset);
    training.misfit = fits.err().map(|error| error.to_string());
}

/// The fit that the form asks for.
fn fit_of(state: &AppState, seed: u64) -> Option<FitSpec> {
    let data = state.data.as_ref()?.split(SplitName::Train, None);
    Some(state.training.form.recipe.fit(state.training.ready()?, data, seed))
}

fn start_next(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.training.running.is_some() {
        return;
    }
    let Some(seed) = state.training.queue.pop_front() else {
        return;
    };
    let Some(spec) = fit_of(state, seed) else {
        state.training.queue.clear();
        return;
    };
    drop_job(state, Purpose::EstimateTraining, effects);
    let name = format!("{} seed {seed}", state.training.form.network);
    let (network, n_epochs) = (Arc::clone(&spec.network), spec.epochs);
    effects.push(start(state, Purpose::Train, Lane::Training, format!("Training {name}"), Request::Fit(spec)));
    let Some(job) = state.job_of(Purpose::Train) else {
        return;
    };
    let n_modes = state.training.form.n_modes;
    state.training.running = Some(RunningTraining {
        seed,
        place: (n_modes.saturating_sub(state.training.queue.len()), n_modes),
        n_epochs,
        epochs_done: 0,
        losses: Vec::new(),
        scores: Vec::new(),
        job,
        name,
        network,
        latest: None,
        discarded: false,
        to_score: None,
        scoring: 0,
    });
}

/// Scores the newest epoch as soon as the one before it is scored.
fn score_epoch(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.runs_job(Purpose::WatchTraining) {
        return;
    }
    let (Some(data), Some(running)) = (&state.data, &mut state.training.running) else {
        return;
    };
    let images = data.split(SplitName::Test, Some(WATCHED));
    let Some((epoch, params)) = running.to_score.take().filter(|_| data.misfit(&running.network).is_none()) else {
        return;
    };
    running.scoring = epoch;
    let spec = EvaluateSpec {
        progressive: false,
        ..EvaluateSpec::new(Arc::clone(&running.network), vec![params], vec![vec![1.0]], images)
    };
    let label = format!("Scoring epoch {epoch} of {}", running.name);
    effects.push(start(state, Purpose::WatchTraining, Lane::Watch, label, Request::Evaluate(spec)));
}

/// Measures some steps whenever the form asks for other ones.
fn refresh_estimate(state: &mut AppState, effects: &mut Vec<Effect>) {
    let training = &state.training;
    let key = state
        .data
        .as_ref()
        .map(|data| (training.form.network.clone(), training.form.recipe.descent.batch_size, data.revision));
    let Some(key) = key.filter(|_| training.open && training.ready().is_some() && !training.is_active()) else {
        return;
    };
    if let Some(estimate) = training.estimate.as_ref().filter(|estimate| estimate.key == key) {
        if estimate.seconds_per_step.is_some() {
            drop_job(state, Purpose::EstimateTraining, effects);
        }
        return;
    }
    let Some(spec) = fit_of(state, 0) else {
        return;
    };
    let spec = FitSpec { epochs: 1, checkpoints: false, ..spec };
    let label = "Measuring how long training takes".to_owned();
    effects.push(start(state, Purpose::EstimateTraining, Lane::Estimate, label, Request::Fit(spec)));
    state.training.estimate = Some(Estimate { key, first: None, seconds_per_step: None });
}

/// A step of a training, or of what measures one.
pub(super) fn on_step(state: &mut AppState, job: JobId, report: StepReport) {
    let Some(info) = state.jobs.get_mut(&job) else {
        return;
    };
    match (info.purpose, &mut state.training) {
        (Purpose::Train, TrainingState { running: Some(running), .. }) => {
            let name = &running.name;
            info.label =
                format!("Training {name}: epoch {}/{}, loss {:.3}", report.epoch + 1, running.n_epochs, report.loss);
            let within = report.n_steps.max(1) as f64 / running.n_epochs.max(1) as f64;
            running.losses.push(((report.step + 1) as f64 / within, report.loss));
        }
        (Purpose::EstimateTraining, TrainingState { estimate: Some(estimate), .. }) => match estimate.first {
            // The first report comes after things were set up, which happens once.
            None => estimate.first = Some((Instant::now(), report.step)),
            Some((at, step)) => {
                estimate.seconds_per_step = Some(at.elapsed().as_secs_f64() / (report.step - step).max(1) as f64);
            }
        },
        _ => {}
    }
}

pub(super) fn on_checkpoint(state: &mut AppState, job: JobId, checkpoint: FitCheckpoint) {
    let Some(running) = state.training.running.as_mut().filter(|running| running.job == job) else {
        return;
    };
    running.latest = checkpoint.vectors.first().map(Arc::clone);
    running.epochs_done = checkpoint.start.epoch;
    if checkpoint.start.step == 0 {
        running.to_score = running.latest.clone().map(|params| (checkpoint.start.epoch, params));
    }
}

/// The weights as they are now.
pub(super) fn on_trained(state: &mut AppState, job: JobId, vectors: &[Arc<ParamVec>]) {
    if let Some(running) = state.training.running.as_mut().filter(|running| running.job == job) {
        running.latest = vectors.first().map(Arc::clone);
    }
}

pub(super) fn on_score(state: &mut AppState, value: PointValue) {
    if let Some(running) = &mut state.training.running {
        running.scores.push((running.scoring, value));
    }
}

/// A training is over: what it found becomes a mode, unless it was discarded.
pub(super) fn on_end(state: &mut AppState, complete: bool) {
    if !complete {
        state.training.queue.clear();
    }
    let Some(running) = state.training.running.take() else {
        return;
    };
    let Some(params) = running.latest.filter(|_| !running.discarded) else {
        return;
    };
    leave_demo(state);
    state.training.n_finished += 1;
    let notes = if complete {
        Vec::new()
    } else {
        vec![format!("stopped after {} of {} epochs", running.epochs_done, running.n_epochs)]
    };
    add_mode(state, Mode { name: running.name, path: None, network: running.network, params, notes });
}

/// The measuring is over before there were two reports: its whole time tells.
pub(super) fn on_measured(state: &mut AppState, started: Instant) {
    let n_steps = fit_of(state, 0).map_or(1, |spec| spec.steps_per_epoch());
    if let Some(estimate) = &mut state.training.estimate {
        estimate.seconds_per_step.get_or_insert(started.elapsed().as_secs_f64() / n_steps as f64);
    }
}
