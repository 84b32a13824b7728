//! The jobs behind ensembles: members are made where they must be, and then asked, one ensemble after another.

use std::sync::Arc;

use super::super::jobs::Purpose;
use super::super::refresh::start;
use super::super::{AppState, DataState, Effect};
use super::{Asked, EnsembleFound, EnsembleKind, EnsembleOf, EnsembleState, Members};
use crate::compute::{BatchNorm, Collected, Continued, DataRef, Ensemble, EnsembleSpec, StepReport, heads_cost};
use crate::data::SplitName;
use crate::net::{Network, ParamVec};
use crate::worker::{JobId, Lane, PathEnsembleSpec, Request};

/// What runs, and what it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Running {
    job: JobId,
    task: Task,
    /// Floating point operations until its members are made; 0 where none are, or where they are being asked already.
    flops: f64,
}

/// An ensemble on its way.
#[derive(Clone, Debug)]
struct Task {
    asked: Asked,
    network: Arc<Network>,
    /// What members are asked about, and how their statistics are treated.
    images: DataRef,
    batch_norm: BatchNorm,
    /// The letter of the mode that a training goes on from, or whose lower layers are shared.
    from: Option<String>,
    /// Networks that a mean is of.
    n_averaged: Option<usize>,
    remark: Option<String>,
}

/// Members that were made and are to be asked next.
#[derive(Clone, Debug)]
pub(super) struct Made {
    task: Task,
    members: Vec<Arc<ParamVec>>,
}

impl EnsembleState {
    fn is_active(&self) -> bool {
        self.running.is_some() || self.made.is_some() || !self.waiting.is_empty()
    }

    /// What runs, if it is this job.
    fn take_running(&mut self, job: JobId) -> Option<Running> {
        self.running.take_if(|running| running.job == job)
    }
}

/// Asks for the ensembles that the pane is set to, one after the other.
pub(in crate::app) fn ask(state: &mut AppState) {
    if state.ensembles.is_active() || state.ensemble_obstacle().is_some() {
        return;
    }
    let heads = state.ensemble_heads();
    let ensembles = &mut state.ensembles;
    ensembles.waiting = match ensembles.form.kind {
        EnsembleKind::PathAndModes => [EnsembleOf::PathPoints, EnsembleOf::Modes].into(),
        EnsembleKind::Fge => [EnsembleOf::Fge].into(),
        EnsembleKind::Swa => [EnsembleOf::Swa].into(),
        EnsembleKind::Heads => {
            // Lines of other modes beside these would tell nothing.
            ensembles.found.retain(|found| !matches!(found.of(), EnsembleOf::Heads(_)));
            heads.into_iter().map(EnsembleOf::Heads).collect()
        }
    };
}

/// What runs is the last; its job may be done before it can be cancelled.
pub(in crate::app) fn end(state: &mut AppState) {
    state.ensembles.waiting.clear();
}

/// Starts what is next.
pub(in crate::app) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.runs_job(Purpose::Ensemble) {
        return;
    }
    if let Some(made) = state.ensembles.made.take() {
        effects.push(ask_made(state, made));
        return;
    }
    while let Some(of) = state.ensembles.waiting.pop_front() {
        if let Some(effect) = start_one(state, of) {
            effects.push(effect);
            return;
        }
    }
}

/// Starts the first job of an ensemble; `None` where what it is of is not there.
fn start_one(state: &mut AppState, of: EnsembleOf) -> Option<Effect> {
    let asked = state.ensemble_question(of)?;
    let data = state.data.clone()?;
    let (network, from) = match &asked.members {
        Members::Continued { from, .. } => (Arc::clone(&state.mode(*from)?.mode.network), Some(*from)),
        Members::Heads { modes, .. } => (Arc::clone(&state.joined()?.network), modes.first().copied()),
        _ => (Arc::clone(&state.joined()?.network), None),
    };
    let task = Task {
        images: data.split(SplitName::Test, None),
        batch_norm: batch_norm(state, &asked.members, &network, &data),
        asked,
        network,
        from: from.map(|id| state.letter(id)),
        n_averaged: None,
        remark: None,
    };
    let (lane, flops, request) = first_request(state, &task)?;
    let label = match &task.asked.members {
        Members::Points { n, .. } => format!("Asking {n} points of the path together"),
        Members::Modes(modes) => format!("Asking {} modes together", modes.len()),
        Members::Continued { .. } => training_label(&task),
        Members::Heads { head, .. } => format!("Making heads: {}", head.label()),
    };
    Some(begin(state, lane, label, request, task, flops))
}

fn batch_norm(state: &AppState, members: &Members, network: &Network, data: &DataState) -> BatchNorm {
    match members {
        Members::Points { batch_norm, .. } => data.batch_norm(*batch_norm),
        // The mean of running statistics fits the mean of weights no better than those of any network.
        Members::Continued { .. } if members.of() == EnsembleOf::Swa => {
            data.batch_norm(network.layout().has_statistics().then_some(state.settings.batch_norm))
        }
        _ => BatchNorm::Stored,
    }
}

/// What is asked of the compute thread first, and how many operations that takes before the members are asked.
fn first_request(state: &AppState, task: &Task) -> Option<(Lane, f64, Request)> {
    let Task { network, images, batch_norm, .. } = task;
    Some(match &task.asked.members {
        Members::Points { n, .. } => {
            let path = Arc::clone(&state.path.as_ref()?.path);
            let spec = PathEnsembleSpec {
                network: Arc::clone(network),
                path,
                n_points: *n,
                data: images.clone(),
                batch_norm: batch_norm.clone(),
            };
            (Lane::Ensemble, 0.0, Request::EnsembleOnPath(spec))
        }
        Members::Modes(modes) => {
            // Those whose architecture differs were not counted in.
            let members = modes.iter().map(|id| state.mode(*id)?.mode.params_for(network).ok());
            (Lane::Ensemble, 0.0, Request::Ensemble(spec_of(task, members.collect::<Option<_>>()?)))
        }
        Members::Continued { from, continuation, seed } => {
            let mode = &state.mode(*from)?.mode;
            let train = state.data.as_ref()?.split(SplitName::Train, None);
            let spec = continuation.spec(network, &mode.params, train, *seed);
            (Lane::Members, spec.cost().flops, Request::Continue(spec))
        }
        Members::Heads { head, .. } => {
            let spec = state.heads_spec(*head)?;
            (Lane::Members, heads_cost(&spec).flops, Request::MakeHeads(spec))
        }
    })
}

fn spec_of(task: &Task, members: Vec<Arc<ParamVec>>) -> EnsembleSpec {
    let Task { network, images, batch_norm, .. } = task;
    EnsembleSpec { network: Arc::clone(network), members, data: images.clone(), batch_norm: batch_norm.clone() }
}

fn ask_made(state: &mut AppState, Made { task, members }: Made) -> Effect {
    let label = match &task.asked.members {
        Members::Heads { head, .. } => format!("Asking {} networks with heads of {}", members.len(), head.label()),
        _ if task.n_averaged.is_some() => "Scoring the mean of the weights".to_owned(),
        _ => format!("Asking {} networks together", members.len()),
    };
    let request = Request::Ensemble(spec_of(&task, members));
    begin(state, Lane::Ensemble, label, request, task, 0.0)
}

fn begin(state: &mut AppState, lane: Lane, label: String, request: Request, task: Task, flops: f64) -> Effect {
    let effect = start(state, Purpose::Ensemble, lane, label, request);
    state.ensembles.running = state.job_of(Purpose::Ensemble).map(|job| Running { job, task, flops });
    effect
}

/// "FGE from A".
fn training_label(task: &Task) -> String {
    let name = if task.asked.members.of() == EnsembleOf::Swa { "SWA" } else { "FGE" };
    format!("{name} from {}", task.from.as_deref().unwrap_or_default())
}

/// A step of a training that goes on.
pub(in crate::app) fn on_step(state: &mut AppState, job: JobId, report: StepReport) {
    let running = state.ensembles.running.as_ref().filter(|running| running.job == job);
    let (Some(running), Some(info)) = (running, state.jobs.get_mut(&job)) else {
        return;
    };
    if let Members::Continued { continuation, .. } = &running.task.asked.members {
        let (what, n_epochs) = (training_label(&running.task), continuation.descent.epochs);
        info.label = format!("{what}: epoch {}/{n_epochs}, loss {:.3}", report.epoch + 1, report.loss);
    }
}

/// Networks that a training has collected, at its end or where it was stopped: they are asked next.
pub(in crate::app) fn on_continued(state: &mut AppState, job: JobId, continued: Continued) {
    let speed = speed(state, job);
    let Some(Running { mut task, .. }) = state.ensembles.take_running(job) else {
        return;
    };
    let Members::Continued { from, continuation, .. } = &task.asked.members else {
        return;
    };
    let n_epochs = continuation.descent.epochs;
    if continued.epochs_done < n_epochs {
        task.remark = Some(format!("stopped after {} of {n_epochs} epochs", continued.epochs_done));
    } else {
        state.ensembles.training_speed = speed.or(state.ensembles.training_speed);
    }
    let members = match continued.collected {
        Collected::Networks(networks) => networks.into_iter().map(|(_, network)| network).collect(),
        Collected::Mean(mean, n) => {
            task.n_averaged = Some(n);
            let start = state.mode(*from).map(|entry| Arc::clone(&entry.mode.params));
            start.into_iter().chain([continued.last, mean]).collect()
        }
    };
    state.ensembles.made = Some(Made { task, members });
}

/// The members of a WA-ensemble: they are asked next.
pub(in crate::app) fn on_heads_made(state: &mut AppState, job: JobId, members: Vec<Arc<ParamVec>>) {
    let speed = speed(state, job);
    if let Some(Running { task, .. }) = state.ensembles.take_running(job) {
        state.ensembles.heads_speed = speed.or(state.ensembles.heads_speed);
        state.ensembles.made = Some(Made { task, members });
    }
}

/// Operations a second of a job that made members.
fn speed(state: &AppState, job: JobId) -> Option<f64> {
    let running = state.ensembles.running.as_ref().filter(|running| running.job == job)?;
    let seconds = state.jobs.get(&job)?.started.elapsed().as_secs_f64();
    (0.0 < running.flops && 0.0 < seconds).then(|| running.flops / seconds)
}

pub(in crate::app) fn on_scored(state: &mut AppState, job: JobId, ensemble: Ensemble) {
    let Some(Running { task, .. }) = state.ensembles.take_running(job) else {
        return;
    };
    let Ensemble { members, single, together } = ensemble;
    let Task { asked, from, n_averaged, remark, .. } = task;
    let averaged = members.last().map(Arc::clone).zip(n_averaged);
    // Of a mean and what it is compared with there is nothing together.
    let together = if averaged.is_some() { Vec::new() } else { together };
    let found = EnsembleFound { single, together, averaged, from, remark, asked };
    state.ensembles.found.retain(|older| older.of() != found.of());
    state.ensembles.found.push(found);
}

/// A job is over; one that found nothing left nothing.
pub(in crate::app) fn on_finished(state: &mut AppState, job: JobId) {
    state.ensembles.take_running(job);
}

/// What is not asked yet will not be; what a training had collected before it was stopped is.
pub(in crate::app) fn on_interrupted(state: &mut AppState) {
    state.ensembles.waiting.clear();
    state.ensembles.running = None;
}
