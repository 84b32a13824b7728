//! The compute thread's loop: jobs as things that can be stepped, in turn, with a command check between any two slices.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::message::{AlongSpec, Command, Event, JobError, JobId, Lane, PathEnsembleSpec, PredictSpec, Request};
use crate::compute::{
    Align, AlignStep, Alignment, Classify, ClassifySpec, ComputeError, Connect, ConnectStep, Continue, DeviceChoice,
    Engine, EnsembleScore, EnsembleSpec, EnsembleStep, Evaluate, EvaluateSpec, EvaluateStep, Excite, Fit, FitSlice,
    HeadsStep, MakeHeads, Rearrange, Repair, RobustEvaluate, RobustSpec, StepReport, TrainFlow, VerifyGroups,
};
use crate::data::SplitName;
use crate::geometry::{Path, PathPlaneSearch, Placement, Plane, PlanePoint, Sample};
use crate::matching::WeightComparison;
use crate::net::ParamVec;

/// How long one job works before commands are looked at and the next job has its turn.
const SLICE: Duration = Duration::from_millis(20);
/// The same for a fit, which shares the device with the pictures that follow it and must get on.
const FIT_SLICE: Duration = Duration::from_millis(50);
/// Weights that the search for a path's plane takes in between two looks at the clock: some milliseconds.
const PLANE_VALUES: usize = 1 << 14;
/// Weights that a comparison takes in between two looks at the clock: about a millisecond.
const COMPARED_WEIGHTS: usize = 1 << 17;
/// How often a fit shows its bends.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(400);
/// How long a fit goes on within an epoch before it hands over a checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(180);

/// Sends events and wakes whoever draws them.
pub(super) struct Outbox {
    events: Sender<Event>,
    notify: Box<dyn Fn() + Send>,
}

/// The receiver of events is gone: time to end the thread.
struct Closed;

impl Outbox {
    pub(super) fn new(events: Sender<Event>, notify: impl Fn() + Send + 'static) -> Self {
        Self { events, notify: Box::new(notify) }
    }

    /// Waits for room if there is none.
    fn send(&self, event: Event) -> Result<(), Closed> {
        self.events.send(event).map_err(|_gone| Closed)?;
        (self.notify)();
        Ok(())
    }

    /// Drops the event if there is no room.
    fn send_lossy(&self, event: Event) {
        if self.events.try_send(event).is_ok() {
            (self.notify)();
        }
    }
}

enum Work {
    Evaluate(Box<Evaluate>),
    EvaluateRobustly(Box<RobustEvaluate>),
    Repair(Box<Repair>),
    Align(Box<Align>),
    Rearrange(Box<Rearrange>),
    Connect(Box<Connect>),
    Ensemble(Box<EnsembleScore>),
    FindPlane(Box<PathPlaneSearch>),
    Place(Arc<Path>, Option<Arc<Plane>>),
    Bend { path: Arc<Path>, bend: usize, plane: Arc<Plane>, at: (f64, f64) },
    PlacePoints { points: Vec<Arc<ParamVec>>, plane: Arc<Plane>, placed: Vec<PlanePoint> },
    Classify(Box<Classify>),
    Verify(Box<VerifyGroups>),
    Excite(Box<Excite>),
    CompareWeights(Box<WeightComparison>),
    Fit(Box<FitWork>),
    TrainFlow(Box<TrainFlowWork>),
    Continue(Box<Continue>),
    MakeHeads(Box<MakeHeads>),
}

/// A fit, and when it last showed what it has.
struct FitWork {
    fit: Fit,
    last_snapshot: Instant,
    last_checkpoint: Instant,
}

/// The training of a map, and when it last handed it over.
struct TrainFlowWork {
    training: TrainFlow,
    last_checkpoint: Instant,
}

struct Job {
    id: JobId,
    lane: Lane,
    work: Work,
}

/// Runs until the other side is gone.
pub(super) fn run(choice: DeviceChoice, commands: &Receiver<Command>, outbox: &Outbox) {
    let Ok(mut engine) = open(choice, outbox) else {
        return;
    };
    let mut jobs: Vec<Job> = Vec::new();
    let mut turn = 0;
    let mut panic_next = false;
    loop {
        // With nothing to do, sleep until told otherwise.
        let command = if jobs.is_empty() {
            commands.recv().map_err(|_gone| TryRecvError::Disconnected)
        } else {
            commands.try_recv()
        };
        let outcome = match command {
            Ok(Command::Start { job, lane, request }) => start(&engine, &mut jobs, job, lane, *request, outbox),
            Ok(Command::Cancel { job }) => cancel(&mut jobs, |j| j.id == job, outbox),
            Ok(Command::UseDevice(choice)) => {
                cancel(&mut jobs, |_| true, outbox).and_then(|()| open(choice, outbox)).map(|opened| engine = opened)
            }
            Ok(Command::PanicInNextSlice) => {
                panic_next = true;
                Ok(())
            }
            Err(TryRecvError::Empty) => {
                turn = next_turn(&jobs, turn);
                let panics = std::mem::take(&mut panic_next);
                match slice(&engine, &mut jobs[turn], panics, outbox) {
                    Ok(Turn::Again) => Ok(()),
                    Ok(Turn::Over) => {
                        jobs.remove(turn);
                        Ok(())
                    }
                    Ok(Turn::DeviceLost) => {
                        jobs.remove(turn);
                        leave_gpu(&mut engine, &mut jobs, outbox)
                    }
                    Err(closed) => Err(closed),
                }
            }
            Err(TryRecvError::Disconnected) => Err(Closed),
        };
        if outcome.is_err() {
            return;
        }
    }
}

/// The job that works next: of those that are most wanted, the one behind `turn`.
fn next_turn(jobs: &[Job], turn: usize) -> usize {
    let most_wanted = jobs.iter().map(|job| rank(job.lane)).min();
    let mut behind = (1..=jobs.len()).map(|step| (turn + step) % jobs.len());
    behind.find(|&index| Some(rank(jobs[index].lane)) == most_wanted).unwrap_or(0)
}

/// What the user looks at comes first; values on the large training split can wait.
fn rank(lane: Lane) -> u8 {
    match lane {
        Lane::Curve(SplitName::Test) | Lane::Plane | Lane::PathPlane | Lane::Placement | Lane::Bend => 0,
        Lane::Path | Lane::Training | Lane::Alignment | Lane::Rearrangement | Lane::Flow => 0,
        Lane::Score { split: SplitName::Test, .. } => 0,
        Lane::Watch | Lane::Estimate | Lane::Decisions | Lane::Predictions | Lane::Repair | Lane::Robust => 0,
        Lane::Excite | Lane::CompareWeights | Lane::Trajectory => 0,
        Lane::Trial(_) | Lane::Candidate { .. } | Lane::Ensemble => 1,
        Lane::Score { split: SplitName::Train, .. } => 2,
        // Members may take long to train: what is soon done has its turn beside them.
        Lane::Curve(SplitName::Train) | Lane::Verify { .. } | Lane::Members => 3,
    }
}

/// Opens a device; one that cannot be had is replaced by the CPU, with the reason.
fn open(choice: DeviceChoice, outbox: &Outbox) -> Result<Engine, Closed> {
    let opened = catch_unwind(|| Engine::open(choice));
    let (engine, failed) = match opened {
        Ok(Ok(engine)) => (engine, None),
        Ok(Err(error)) => (Engine::cpu(), Some(error.to_string())),
        Err(panic) => (Engine::cpu(), Some(panic_text(panic.as_ref()))),
    };
    outbox.send(Event::Device { name: engine.name().to_owned(), is_gpu: engine.is_gpu(), failed })?;
    Ok(engine)
}

/// After a fault of the GPU its other jobs cannot go on either; later ones run on the CPU.
fn leave_gpu(engine: &mut Engine, jobs: &mut Vec<Job>, outbox: &Outbox) -> Result<(), Closed> {
    cancel(jobs, |_| true, outbox)?;
    *engine = Engine::cpu();
    let failed = Some("the GPU failed during a job; computing goes on on the CPU".to_owned());
    outbox.send(Event::Device { name: engine.name().to_owned(), is_gpu: false, failed })
}

fn start(
    engine: &Engine,
    jobs: &mut Vec<Job>,
    id: JobId,
    lane: Lane,
    request: Request,
    outbox: &Outbox,
) -> Result<(), Closed> {
    cancel(jobs, |job| job.lane == lane, outbox)?;
    outbox.send(Event::Started { job: id })?;
    let prepared = catch_unwind(AssertUnwindSafe(|| prepare(engine, request)));
    match flatten(prepared) {
        Ok(work) => {
            jobs.push(Job { id, lane, work });
            Ok(())
        }
        Err(error) => outbox.send(Event::Failed { job: id, error }),
    }
}

fn prepare(engine: &Engine, request: Request) -> Result<Work, ComputeError> {
    Ok(match request {
        Request::Evaluate(spec) => Work::Evaluate(Box::new(Evaluate::new(engine, spec)?)),
        Request::EvaluateRobustly(spec) => Work::EvaluateRobustly(Box::new(RobustEvaluate::new(engine, spec)?)),
        Request::Repair(spec) => Work::Repair(Box::new(Repair::new(engine, spec))),
        Request::EvaluatePath(AlongSpec { network, path, ts, data, batch_norm, attack }) => {
            let Sample { basis, rows } = path.sample(&ts);
            let points = EvaluateSpec { batch_norm, ..EvaluateSpec::new(network, basis, rows, data) };
            return prepare(
                engine,
                match attack {
                    None => Request::Evaluate(points),
                    Some(attack) => Request::EvaluateRobustly(RobustSpec { points, attack }),
                },
            );
        }
        Request::Align(spec) => Work::Align(Box::new(Align::new(engine, spec)?)),
        Request::Rearrange(spec) => Work::Rearrange(Box::new(Rearrange::new(engine, spec))),
        Request::TrainFlow(spec) => {
            let training = TrainFlow::new(engine, spec)?;
            Work::TrainFlow(Box::new(TrainFlowWork { training, last_checkpoint: Instant::now() }))
        }
        Request::Connect(spec) => Work::Connect(Box::new(Connect::new(engine, spec)?)),
        Request::Ensemble(spec) => Work::Ensemble(Box::new(EnsembleScore::new(engine, spec)?)),
        // Networks on a path are made here: for large ones that takes longer than a frame may.
        Request::EnsembleOnPath(PathEnsembleSpec { network, path, n_points, data, batch_norm }) => {
            let points = path.ts_by_length(n_points).into_iter().map(|t| Arc::new(path.point(t)));
            let spec = EnsembleSpec { network, members: points.collect(), data, batch_norm };
            Work::Ensemble(Box::new(EnsembleScore::new(engine, spec)?))
        }
        Request::Predict(PredictSpec { network, path, t, inputs, batch_norm }) => {
            let params = Arc::new(path.point(t));
            Work::Classify(Box::new(Classify::new(engine, ClassifySpec { network, params, inputs, batch_norm })?))
        }
        Request::PlacePath { path, plane } => Work::Place(path, plane),
        Request::BendPath { path, bend, plane, at } => Work::Bend { path, bend, plane, at },
        Request::PlacePoints { points, plane } => Work::PlacePoints { points, plane, placed: Vec::new() },
        Request::FindPlane { path } => Work::FindPlane(Box::new(PathPlaneSearch::new(path))),
        Request::Classify(spec) => Work::Classify(Box::new(Classify::new(engine, spec)?)),
        Request::Excite(spec) => Work::Excite(Box::new(Excite::new(engine, spec)?)),
        Request::CompareWeights(spec) => {
            let wrong = || ComputeError::Permutations("expected a tensor that carries units of the group".to_owned());
            Work::CompareWeights(Box::new(WeightComparison::new(spec).ok_or_else(wrong)?))
        }
        Request::Continue(spec) => Work::Continue(Box::new(Continue::new(engine, spec)?)),
        Request::MakeHeads(spec) => Work::MakeHeads(Box::new(MakeHeads::new(spec)?)),
        Request::Verify { network, params } => Work::Verify(Box::new(VerifyGroups::new(engine, network, params))),
        Request::Fit(spec) => {
            let (fit, now) = (Fit::new(engine, spec)?, Instant::now());
            Work::Fit(Box::new(FitWork { fit, last_snapshot: now, last_checkpoint: now }))
        }
    })
}

/// Ends the jobs that `which` names. Trainings hand over what they have first.
fn cancel(jobs: &mut Vec<Job>, which: impl Fn(&Job) -> bool, outbox: &Outbox) -> Result<(), Closed> {
    let mut kept = Vec::with_capacity(jobs.len());
    for job in jobs.drain(..) {
        if !which(&job) {
            kept.push(job);
            continue;
        }
        hand_over(&job, outbox)?;
        outbox.send(Event::Cancelled { job: job.id })?;
    }
    *jobs = kept;
    Ok(())
}

/// What a training has so far; what it fails with is of no interest any more.
fn hand_over(job: &Job, outbox: &Outbox) -> Result<(), Closed> {
    let id = job.id;
    let event = catch_unwind(AssertUnwindSafe(|| {
        Ok(match &job.work {
            Work::Fit(work) => Some(trained(id, &work.fit)?),
            Work::TrainFlow(work) => Some(Event::FlowTrained { job: id, trained: work.training.trained()? }),
            Work::Continue(work) => {
                let continued = work.collected()?.map(Box::new);
                continued.map(|continued| Event::Continued { job: id, continued })
            }
            _ => None,
        })
    }));
    match flatten(event) {
        Ok(Some(event)) => outbox.send(event),
        Ok(None) | Err(_) => Ok(()),
    }
}

enum Turn {
    Again,
    Over,
    DeviceLost,
}

/// One slice of one job. Whatever goes wrong ends this job only.
fn slice(engine: &Engine, job: &mut Job, panics: bool, outbox: &Outbox) -> Result<Turn, Closed> {
    let id = job.id;
    let stepped = catch_unwind(AssertUnwindSafe(|| {
        assert!(!panics, "asked to panic");
        step(id, &mut job.work, outbox)
    }));
    match flatten(stepped) {
        Ok(Ok(Turn::Over)) => {
            outbox.send(Event::Finished { job: id })?;
            Ok(Turn::Over)
        }
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(closed)) => Err(closed),
        Err(error) => {
            let lost =
                engine.is_gpu() && matches!(error, JobError::Panicked(_) | JobError::Compute(ComputeError::Device(_)));
            outbox.send(Event::Failed { job: id, error })?;
            Ok(if lost { Turn::DeviceLost } else { Turn::Over })
        }
    }
}

fn step(id: JobId, work: &mut Work, outbox: &Outbox) -> Result<Result<Turn, Closed>, ComputeError> {
    match work {
        Work::Evaluate(evaluate) => Ok(evaluate_slice(id, evaluate.step(SLICE)?, outbox)),
        Work::EvaluateRobustly(evaluate) => Ok(evaluate_slice(id, evaluate.step(SLICE)?, outbox)),
        Work::Repair(repair) => Ok(evaluate_slice(id, repair.step(SLICE)?, outbox)),
        Work::Align(align) => {
            let step = align.step()?;
            Ok(align_slice(id, step, outbox, |alignment| Event::Aligned { job: id, alignment }))
        }
        Work::Rearrange(rearrange) => {
            let step = rearrange.step()?;
            Ok(align_slice(id, step, outbox, |alignment| Event::Rearranged { job: id, alignment }))
        }
        Work::Connect(connect) => match connect.step(FIT_SLICE)? {
            ConnectStep::Working { done, note, path } => {
                outbox.send_lossy(Event::ConnectStep { job: id, note, path });
                outbox.send_lossy(Event::Progress { job: id, done });
                Ok(Ok(Turn::Again))
            }
            ConnectStep::Finished(connection) => {
                Ok(outbox.send(Event::Connected { job: id, connection }).map(|()| Turn::Over))
            }
        },
        Work::Ensemble(ensemble) => match ensemble.step(SLICE)? {
            EnsembleStep::Working(done) => {
                outbox.send_lossy(Event::Progress { job: id, done });
                Ok(Ok(Turn::Again))
            }
            EnsembleStep::Finished(ensemble) => {
                Ok(outbox.send(Event::EnsembleScored { job: id, ensemble }).map(|()| Turn::Over))
            }
        },
        Work::Place(path, plane) => {
            let placed = match plane {
                Some(plane) => Some(Placement::on(path, Arc::clone(plane))),
                None => Placement::through_bend(path),
            };
            Ok(outbox.send(Event::Placed { job: id, placed }).map(|()| Turn::Over))
        }
        Work::Bend { path, bend, plane, at: (x, y) } => {
            let moved = path.with_bend(*bend, Arc::new(plane.point(*x, *y)));
            let path = moved.expect("only bends that a path has are moved");
            let placed = Placement::on(&path, Arc::clone(plane));
            Ok(outbox.send(Event::Bent { job: id, path: Arc::new(path), placed }).map(|()| Turn::Over))
        }
        Work::PlacePoints { points, plane, placed } => {
            let started = Instant::now();
            while started.elapsed() < SLICE {
                let Some(point) = points.get(placed.len()) else {
                    let points = std::mem::take(placed);
                    return Ok(outbox.send(Event::PointsPlaced { job: id, points }).map(|()| Turn::Over));
                };
                placed.push(plane.project(std::slice::from_ref(point)).at(&[1.0]));
            }
            Ok(Ok(Turn::Again))
        }
        Work::FindPlane(search) => {
            let started = Instant::now();
            while started.elapsed() < SLICE {
                if search.advance(PLANE_VALUES) < 1.0 {
                    continue;
                }
                let found = search.finish().map(Arc::new);
                return Ok(outbox.send(Event::PathPlane { job: id, found }).map(|()| Turn::Over));
            }
            Ok(Ok(Turn::Again))
        }
        Work::Classify(classify) => match classify.step(SLICE)? {
            None => Ok(Ok(Turn::Again)),
            Some(logits) => Ok(outbox.send(Event::Classified { job: id, logits }).map(|()| Turn::Over)),
        },
        Work::Excite(excite) => match excite.step(SLICE)? {
            None => {
                outbox.send_lossy(Event::Progress { job: id, done: excite.done() });
                Ok(Ok(Turn::Again))
            }
            Some(excited) => {
                Ok(outbox.send(Event::Excited { job: id, excited: Box::new(excited) }).map(|()| Turn::Over))
            }
        },
        Work::CompareWeights(comparison) => {
            let started = Instant::now();
            while started.elapsed() < SLICE {
                if comparison.advance(COMPARED_WEIGHTS) < 1.0 {
                    continue;
                }
                let matrices = Box::new(comparison.finish());
                return Ok(outbox.send(Event::WeightsCompared { job: id, matrices }).map(|()| Turn::Over));
            }
            Ok(Ok(Turn::Again))
        }
        Work::Verify(verify) => match verify.step()? {
            None => Ok(Ok(Turn::Again)),
            Some(check) => Ok(outbox.send(Event::Verified { job: id, check }).map(|()| Turn::Over)),
        },
        Work::Fit(work) => fit_slice(id, work, outbox),
        Work::TrainFlow(work) => train_flow_slice(id, work, outbox),
        Work::Continue(work) => continue_slice(id, work, outbox),
        Work::MakeHeads(work) => match work.step(SLICE)? {
            HeadsStep::Working(done) => {
                outbox.send_lossy(Event::Progress { job: id, done });
                Ok(Ok(Turn::Again))
            }
            HeadsStep::Finished(members) => Ok(outbox.send(Event::HeadsMade { job: id, members }).map(|()| Turn::Over)),
        },
    }
}

fn evaluate_slice(id: JobId, step: EvaluateStep, outbox: &Outbox) -> Result<Turn, Closed> {
    if !step.changed.is_empty() {
        outbox.send(Event::Values { job: id, values: step.changed })?;
    }
    outbox.send_lossy(Event::Progress { job: id, done: step.done });
    Ok(if step.finished { Turn::Over } else { Turn::Again })
}

fn align_slice(
    id: JobId,
    step: AlignStep,
    outbox: &Outbox,
    answer: impl FnOnce(Box<Alignment>) -> Event,
) -> Result<Turn, Closed> {
    match step {
        AlignStep::Working(done) => {
            outbox.send_lossy(Event::Progress { job: id, done });
            Ok(Turn::Again)
        }
        AlignStep::Finished(alignment) => outbox.send(answer(alignment)).map(|()| Turn::Over),
    }
}

fn fit_slice(id: JobId, work: &mut FitWork, outbox: &Outbox) -> Result<Result<Turn, Closed>, ComputeError> {
    let FitWork { fit, last_snapshot, last_checkpoint } = work;
    // What is handed over after an epoch must be what it ended with.
    let FitSlice { report, epoch_ended, finished } = fit.slice(FIT_SLICE, fit.wants_checkpoints())?;
    tell_step(id, report, outbox);
    let wants_checkpoint = fit.wants_checkpoints() && (epoch_ended || CHECKPOINT_EVERY <= last_checkpoint.elapsed());
    if wants_checkpoint {
        *last_checkpoint = Instant::now();
        let checkpoint = Box::new(fit.checkpoint()?);
        if outbox.send(Event::Checkpoint { job: id, checkpoint }).is_err() {
            return Ok(Err(Closed));
        }
    }
    if finished || SNAPSHOT_EVERY <= last_snapshot.elapsed() {
        *last_snapshot = Instant::now();
        if outbox.send(trained(id, fit)?).is_err() {
            return Ok(Err(Closed));
        }
    }
    Ok(Ok(if finished { Turn::Over } else { Turn::Again }))
}

/// What a fit has. Its path is made here: that passes over all weights, for which a frame has no time.
fn trained(id: JobId, fit: &Fit) -> Result<Event, ComputeError> {
    let vectors = fit.trained()?;
    let path = fit.path(&vectors).map(Arc::new);
    Ok(Event::Trained { job: id, vectors, path, epochs_done: fit.epochs_done() })
}

fn tell_step(id: JobId, report: Option<StepReport>, outbox: &Outbox) {
    if let Some(report) = report {
        let done = (report.step + 1) as f64 / report.n_steps.max(1) as f64;
        outbox.send_lossy(Event::FitStep { job: id, report });
        outbox.send_lossy(Event::Progress { job: id, done });
    }
}

fn continue_slice(id: JobId, work: &mut Continue, outbox: &Outbox) -> Result<Result<Turn, Closed>, ComputeError> {
    let report = work.step(FIT_SLICE)?;
    tell_step(id, report, outbox);
    if report.is_some() {
        return Ok(Ok(Turn::Again));
    }
    let collected = work.collected()?.map(Box::new);
    let told = collected.map_or(Ok(()), |continued| outbox.send(Event::Continued { job: id, continued }));
    Ok(told.map(|()| Turn::Over))
}

fn train_flow_slice(
    id: JobId,
    work: &mut TrainFlowWork,
    outbox: &Outbox,
) -> Result<Result<Turn, Closed>, ComputeError> {
    let TrainFlowWork { training, last_checkpoint } = work;
    let report = training.step(FIT_SLICE)?;
    tell_step(id, report, outbox);
    if report.is_none() || CHECKPOINT_EVERY <= last_checkpoint.elapsed() {
        *last_checkpoint = Instant::now();
        if outbox.send(Event::FlowTrained { job: id, trained: training.trained()? }).is_err() {
            return Ok(Err(Closed));
        }
    }
    Ok(Ok(if report.is_none() { Turn::Over } else { Turn::Again }))
}

fn flatten<T>(caught: std::thread::Result<Result<T, ComputeError>>) -> Result<T, JobError> {
    match caught {
        Ok(result) => result.map_err(JobError::Compute),
        Err(panic) => Err(JobError::Panicked(panic_text(panic.as_ref()))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
