//! Training modes from the window: what is asked for, what runs, and what becomes of it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::estimate::{self, StepTimes};
use super::events::{add_mode, leave_demo};
use super::jobs::Purpose;
use super::kept_trainings::{InterruptedTraining, resume_of};
use super::refresh::{drop_job, start};
use super::{AppState, Effect, Notice};
use crate::checkpoint::Mode;
use crate::compute::{DataRef, EvaluateSpec, FitCheckpoint, FitSpec, PointValue, StepReport};
use crate::data::{Attack, Dataset, SplitName};
use crate::net::{Network, ParamVec};
use crate::recipe::{LABEL_NOISE_SEED, RESUME_EVERY, Recipe, Resume, file_of_epoch, network_for, trajectory_of_seed};
use crate::worker::{DiskRequest, JobId, Lane, Request};

/// Test images on which every epoch is scored.
const WATCHED: usize = 1000;
/// Units of the hidden layer of the network that is offered first.
const FIRST_HIDDEN: usize = 32;
/// The most networks on the way of one training that are saved.
const MOST_SAVED: usize = 200;

/// What the panel is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingForm {
    /// As the zoo reads names, or the path of a description (`.toml`); empty until there is data to suggest one for.
    pub network: String,
    pub recipe: Recipe,
    /// Share of the training examples that get the label of another class.
    pub label_noise: f64,
    /// A folder for the networks on the way; none are saved where it is empty.
    pub trajectory: String,
    /// Modes to train one after another, with seeds that follow each other.
    pub n_modes: usize,
    pub first_seed: u64,
}

impl Default for TrainingForm {
    fn default() -> Self {
        Self {
            network: String::new(),
            recipe: Recipe::default(),
            label_noise: 0.0,
            trajectory: String::new(),
            n_modes: 2,
            first_seed: 1,
        }
    }
}

impl TrainingForm {
    /// The file that describes the network, if it is not one of the zoo.
    fn description(&self) -> Option<&Path> {
        let path = Path::new(&self.network);
        path.extension().is_some_and(|ending| ending == "toml").then_some(path)
    }
}

/// The panel, and the trainings behind it.
#[derive(Clone, Debug, Default)]
pub struct TrainingState {
    /// Whether the panel is shown.
    pub open: bool,
    pub form: TrainingForm,
    /// The network that the form names, or why there is none; `None` while its description is read.
    pub network: Option<Result<Arc<Network>, String>>,
    /// Why the form's image changes do not suit the data, if they do not.
    pub misfit: Option<String>,
    pub running: Option<RunningTraining>,
    /// Modes that were trained or stopped half-way since the program started.
    pub n_finished: usize,
    /// Trainings that earlier runs of the program did not finish.
    pub interrupted: Vec<InterruptedTraining>,
    /// A folder where trainings are kept while they run.
    pub(super) kept_in: Option<PathBuf>,
    /// Name and data that `network` was made for.
    network_key: Option<(String, u64)>,
    queue: VecDeque<u64>,
    /// What the next of the queue goes on from; asked of the disk once the network is there.
    going_on: Option<InterruptedTraining>,
    loading: Option<(u64, Resume)>,
    /// The training examples with wrong labels, and what they were made for.
    noisy: Option<(u64, f64, Arc<Dataset>)>,
    /// Files on their way.
    to_write: Vec<DiskRequest>,
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
    steps_per_epoch: usize,
    /// Steps before this fit, which goes on with an interrupted one.
    steps_before: usize,
    /// Where it is kept, and when it last was.
    resume: Option<Resume>,
    last_save: Option<Instant>,
    /// The folder for the networks on the way.
    trajectory: Option<PathBuf>,
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
    /// Network name, batch size, adversary and data that it is for.
    key: (String, usize, Option<Attack>, u64),
    times: StepTimes,
}

impl TrainingState {
    /// Whether modes are being trained or wait for their turn.
    pub fn is_active(&self) -> bool {
        self.running.is_some() || !self.queue.is_empty() || self.loading.is_some()
    }

    /// How long all modes of the form will take, once it was measured.
    pub fn estimate(&self, n_images: usize) -> Option<Duration> {
        let per_step = self.estimate.as_ref()?.times.step()?.as_secs_f64();
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

/// Goes on with an interrupted training, by its place.
pub(super) fn go_on(state: &mut AppState, index: usize) {
    let training = &mut state.training;
    let fits = |found: &InterruptedTraining| state.data.as_ref().is_some_and(|data| found.is_of(data));
    if training.is_active() || !training.interrupted.get(index).is_some_and(fits) {
        return;
    }
    let found = training.interrupted.remove(index);
    training.form = found.form.clone();
    training.queue = VecDeque::from([found.form.first_seed]);
    training.going_on = Some(found);
}

/// Throws an interrupted training away, by its place.
pub(super) fn forget(state: &mut AppState, index: usize) {
    if index < state.training.interrupted.len() {
        let found = state.training.interrupted.remove(index);
        state.training.to_write.push(DiskRequest::ForgetTraining(found.path().to_owned()));
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
    sync_network(state, effects);
    start_next(state, effects);
    score_epoch(state, effects);
    refresh_estimate(state, effects);
    effects.extend(state.training.to_write.drain(..).map(Effect::Disk));
}

/// Builds the form's network when its name or the data changed.
fn sync_network(state: &mut AppState, effects: &mut Vec<Effect>) {
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
        training.network = match training.form.description() {
            Some(path) => {
                effects.push(Effect::Disk(DiskRequest::ReadDescription(path.to_owned())));
                None
            }
            None => {
                let built = network_for(&training.form.network, &data.dataset);
                Some(built.map(Arc::new).map_err(|error| error.to_string()))
            }
        };
        training.network_key = Some(key);
    }
    let fits = training.form.recipe.augmentation.check(&data.dataset);
    training.misfit = fits.err().map(|error| error.to_string());
}

/// A description that was read.
pub(super) fn on_description(state: &mut AppState, path: &Path, network: Result<Arc<Network>, String>) {
    // Another one may have been named meanwhile.
    if state.training.form.description() != Some(path) {
        return;
    }
    let Some(data) = &state.data else { return };
    state.training.network = Some(network.and_then(|network| match data.misfit(&network) {
        Some(reason) => Err(format!("the network {reason}")),
        None => Ok(network),
    }));
}

/// The fit that the form asks for, but for wrong labels.
fn fit_of(state: &AppState, seed: u64) -> Option<FitSpec> {
    let data = state.data.as_ref()?.split(SplitName::Train, None);
    Some(state.training.form.recipe.fit(state.training.ready()?, data, seed))
}

/// The training examples, with wrong labels where the form asks for them.
fn labelled(state: &mut AppState, images: DataRef) -> Result<DataRef, String> {
    let (fraction, revision) = (state.training.form.label_noise, state.data.as_ref().map_or(0, |data| data.revision));
    if fraction <= 0.0 {
        return Ok(images);
    }
    let known = state.training.noisy.as_ref().filter(|(of, share, _)| (*of, *share) == (revision, fraction));
    let dataset = match known {
        Some((_, _, dataset)) => Arc::clone(dataset),
        None => {
            let dataset = Dataset::clone(&images.dataset).with_label_noise(fraction, LABEL_NOISE_SEED);
            let dataset = Arc::new(dataset.map_err(|error| error.to_string())?);
            state.training.noisy = Some((revision, fraction, Arc::clone(&dataset)));
            dataset
        }
    };
    Ok(DataRef { dataset, ..images })
}

fn start_next(state: &mut AppState, effects: &mut Vec<Effect>) {
    let training = &mut state.training;
    // A description that is being read will come.
    if training.running.is_some() || training.loading.is_some() || training.network.is_none() {
        return;
    }
    let Some(seed) = training.queue.pop_front() else {
        return;
    };
    let Some(network) = training.ready().map(Arc::clone) else {
        training.queue.clear();
        training.going_on = None;
        return;
    };
    match training.going_on.take() {
        Some(found) => {
            let resume = found.resume(&network);
            effects.push(Effect::Disk(DiskRequest::LoadTraining(Box::new(resume.clone()))));
            training.loading = Some((seed, resume));
        }
        None => {
            let resume = resume_of(state, &network, seed);
            start_fit(state, seed, resume, None, effects);
        }
    }
}

/// What an interrupted training goes on from, or why it cannot.
pub(super) fn on_loaded(
    state: &mut AppState,
    found: Result<Box<FitCheckpoint>, Vec<String>>,
    effects: &mut Vec<Effect>,
) {
    let Some((seed, resume)) = state.training.loading.take() else {
        return;
    };
    match found {
        Ok(checkpoint) => start_fit(state, seed, Some(resume), Some(*checkpoint), effects),
        Err(details) => state.notify(Notice::warning("The training cannot go on").with_details(details)),
    }
}

fn start_fit(
    state: &mut AppState,
    seed: u64,
    resume: Option<Resume>,
    from: Option<FitCheckpoint>,
    effects: &mut Vec<Effect>,
) {
    let Some(spec) = fit_of(state, seed) else {
        return;
    };
    let data = match labelled(state, spec.data.clone()) {
        Ok(data) => data,
        Err(reason) => {
            state.training.queue.clear();
            state.notify(Notice::warning("No wrong labels can be made").with_details(vec![reason]));
            return;
        }
    };
    let (n_epochs, steps_per_epoch) = (spec.epochs, spec.steps_per_epoch());
    let spec = FitSpec { data, ..spec };
    let spec = match from {
        Some(checkpoint) => spec.going_on(checkpoint),
        None => spec,
    };
    drop_job(state, Purpose::EstimateTraining, effects);
    let form = &state.training.form;
    let named = if form.description().is_some() { spec.network.name() } else { &form.network };
    let against = if form.recipe.descent.attack.is_some() { " PGD" } else { "" };
    let name = format!("{named} seed {seed}{against}");
    let n_modes = form.n_modes;
    let folder = (!form.trajectory.is_empty()).then(|| Path::new(&form.trajectory));
    let trajectory = folder.map(|folder| trajectory_of_seed(folder, seed, 1 < n_modes));
    let (network, start_epoch, start_step) = (Arc::clone(&spec.network), spec.start.epoch, spec.start.step);
    let initial = spec.basis.first().map(Arc::clone);
    effects.push(start(state, Purpose::Train, Lane::Training, format!("Training {name}"), Request::Fit(spec)));
    let Some(job) = state.job_of(Purpose::Train) else {
        return;
    };
    let running = RunningTraining {
        seed,
        place: (n_modes.saturating_sub(state.training.queue.len()), n_modes),
        n_epochs,
        epochs_done: start_epoch,
        losses: Vec::new(),
        scores: Vec::new(),
        job,
        name,
        network,
        steps_per_epoch,
        steps_before: start_epoch * steps_per_epoch + start_step,
        resume,
        last_save: None,
        trajectory,
        latest: None,
        discarded: false,
        to_score: None,
        scoring: 0,
    };
    if let Some(initial) = initial.filter(|_| start_epoch == 0 && start_step == 0) {
        state.training.to_write.extend(running.save_on_the_way(0, &initial));
    }
    state.training.running = Some(running);
}

impl RunningTraining {
    /// Epochs that are behind, in parts of one, and those of them before this fit.
    pub fn progress(&self) -> (f64, f64) {
        let before = self.steps_before as f64 / self.steps_per_epoch.max(1) as f64;
        (self.losses.last().map_or(before, |last| last.0), before)
    }

    /// Saves a network of the trajectory, if there is one and this epoch is of it.
    fn save_on_the_way(&self, epoch: usize, params: &Arc<ParamVec>) -> Option<DiskRequest> {
        let every = self.n_epochs.div_ceil(MOST_SAVED).max(1);
        let folder = self.trajectory.as_ref().filter(|_| epoch.is_multiple_of(every) || epoch == self.n_epochs)?;
        Some(DiskRequest::SaveEpoch {
            path: file_of_epoch(folder, epoch),
            network: Arc::clone(&self.network),
            params: Arc::clone(params),
            description: format!("{}, epoch {epoch}", self.name),
        })
    }
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
    let descent = &training.form.recipe.descent;
    let key = state
        .data
        .as_ref()
        .map(|data| (training.form.network.clone(), descent.batch_size, descent.attack, data.revision));
    let Some(key) = key.filter(|_| training.open && training.ready().is_some() && !training.is_active()) else {
        // What was not measured to the end is measured once the panel is open again.
        if state.runs_job(Purpose::EstimateTraining) {
            drop_job(state, Purpose::EstimateTraining, effects);
            state.training.estimate = None;
        }
        return;
    };
    if let Some(estimate) = training.estimate.as_ref().filter(|estimate| estimate.key == key) {
        if estimate.times.step().is_some() {
            drop_job(state, Purpose::EstimateTraining, effects);
        }
        return;
    }
    let Some(spec) = fit_of(state, 0) else {
        return;
    };
    let spec = FitSpec { epochs: estimate::EPOCHS, checkpoints: false, ..spec };
    let label = "Measuring how long training takes".to_owned();
    effects.push(start(state, Purpose::EstimateTraining, Lane::Estimate, label, Request::Fit(spec)));
    state.training.estimate = Some(Estimate { key, times: StepTimes::default() });
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
            let n_steps = running.steps_before + report.step + 1;
            running.losses.push((n_steps as f64 / running.steps_per_epoch.max(1) as f64, report.loss));
        }
        (Purpose::EstimateTraining, TrainingState { estimate: Some(estimate), .. }) => estimate.times.add(report.spent),
        _ => {}
    }
}

pub(super) fn on_checkpoint(state: &mut AppState, job: JobId, checkpoint: FitCheckpoint) {
    let Some(running) = state.training.running.as_mut().filter(|running| running.job == job) else {
        return;
    };
    running.latest = checkpoint.vectors.first().map(Arc::clone);
    running.epochs_done = checkpoint.start.epoch;
    let mut to_write = Vec::new();
    if checkpoint.start.step == 0
        && let Some(params) = &running.latest
    {
        running.to_score = Some((checkpoint.start.epoch, Arc::clone(params)));
        to_write.extend(running.save_on_the_way(checkpoint.start.epoch, params));
    }
    if let Some(resume) = &running.resume
        && running.last_save.is_none_or(|last| RESUME_EVERY <= last.elapsed())
    {
        running.last_save = Some(Instant::now());
        to_write.push(DiskRequest::KeepTraining { resume: Box::new(resume.clone()), checkpoint: Box::new(checkpoint) });
    }
    state.training.to_write.append(&mut to_write);
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
    let kept = running.resume.as_ref().map(|resume| DiskRequest::ForgetTraining(resume.path().to_owned()));
    state.training.to_write.extend(kept);
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
    add_mode(
        state,
        Mode { name: running.name, path: None, network: running.network, params, notes, others: Vec::new() },
    );
}

/// The measuring is over before there were reports enough.
pub(super) fn on_measured(state: &mut AppState) {
    if let Some(estimate) = &mut state.training.estimate {
        estimate.times.settle();
    }
}
