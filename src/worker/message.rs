//! The whole protocol between the app (or the command line) and the compute thread. Owned data only; no tensors.

use std::sync::Arc;

use crate::compute::{
    AlignSpec, Alignment, BatchNorm, ClassifySpec, ComputeError, ConnectSpec, Connection, ContinueSpec, Continued,
    DataRef, DeviceChoice, Ensemble, EnsembleSpec, EvaluateSpec, ExciteSpec, Excited, FitCheckpoint, FitSpec, FlowSpec,
    GroupCheck, HeadsSpec, PointValue, RearrangeSpec, RepairSpec, RobustSpec, StepReport, TrainedFlow,
};
use crate::data::{Attack, SplitName};
use crate::geometry::{Path, PathPlane, Placement, Plane, PlaneError, PlanePoint};
use crate::matching::{WeightMatrices, WeightSpec};
use crate::net::{Network, ParamVec};

/// Names one job; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What a job is for. Starting a job replaces the one that runs in the same lane: the newest request wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Loss and accuracy of one mode.
    Score {
        mode: u64,
        split: SplitName,
    },
    /// One of the networks that a mode's file fits.
    Candidate {
        mode: u64,
        candidate: usize,
    },
    /// The permutation groups of one mode.
    Verify {
        mode: u64,
    },
    /// A mode under one of several normalisations, by number.
    Trial(usize),
    Alignment,
    /// An alignment that is changed by hand.
    Rearrangement,
    /// A path: its bends are trained, or it is worked out.
    Path,
    /// A new mode.
    Training,
    /// A new mode's values after an epoch.
    Watch,
    /// Some steps of a new mode, to see how long they take.
    Estimate,
    /// Networks that are to be asked together.
    Members,
    /// Several networks together.
    Ensemble,
    /// A map of neurons.
    Flow,
    /// Values along the path.
    Curve(SplitName),
    /// Values along the repaired path.
    Repair,
    /// Values along the path under attack.
    Robust,
    Plane,
    /// The plane that shows most of the path.
    PathPlane,
    /// Where the path falls on a plane.
    Placement,
    /// The path with a bend where the user put it.
    Bend,
    /// Where the checkpoints of a training run fall on a plane.
    Trajectory,
    /// What the network at t decides.
    Decisions,
    /// What the network at t makes of some images.
    Predictions,
    /// What excites matched units.
    Excite,
    /// Weight matrices of two networks side by side.
    CompareWeights,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Answered by `Event::Values`.
    Evaluate(EvaluateSpec),
    /// Answered by `Event::Values`.
    EvaluateRobustly(RobustSpec),
    /// Answered by `Event::Values`.
    Repair(RepairSpec),
    /// Answered by `Event::Values`.
    EvaluatePath(AlongSpec),
    /// Answered by `Event::Aligned`.
    Align(AlignSpec),
    /// Answered by `Event::Rearranged`.
    Rearrange(RearrangeSpec),
    /// Answered by `Event::FitStep`, `Event::Trained` and, where the spec asks for them, `Event::Checkpoint`.
    Fit(FitSpec),
    /// Answered by `Event::ConnectStep` and `Event::Connected`.
    Connect(ConnectSpec),
    /// Answered by `Event::Classified`.
    Predict(PredictSpec),
    /// Answered by `Event::Placed`: on a plane, or on one through the ends and a bend.
    PlacePath { path: Arc<Path>, plane: Option<Arc<Plane>> },
    /// Answered by `Event::Bent`: a bend comes to a place on the plane, and all else stays.
    BendPath { path: Arc<Path>, bend: usize, plane: Arc<Plane>, at: (f64, f64) },
    /// Answered by `Event::PointsPlaced`.
    PlacePoints { points: Vec<Arc<ParamVec>>, plane: Arc<Plane> },
    /// Answered by `Event::PathPlane`.
    FindPlane { path: Arc<Path> },
    /// Answered by `Event::EnsembleScored`.
    Ensemble(EnsembleSpec),
    /// Answered by `Event::EnsembleScored`.
    EnsembleOnPath(PathEnsembleSpec),
    /// Answered by `Event::FitStep` and, once a network counts, `Event::Continued`.
    Continue(ContinueSpec),
    /// Answered by `Event::HeadsMade`.
    MakeHeads(HeadsSpec),
    /// Answered by `Event::FitStep` and `Event::FlowTrained`.
    TrainFlow(FlowSpec),
    /// Answered by `Event::Classified`.
    Classify(ClassifySpec),
    /// Answered by `Event::Excited`.
    Excite(ExciteSpec),
    /// Answered by `Event::WeightsCompared`.
    CompareWeights(WeightSpec),
    /// Answered by `Event::Verified`.
    Verify { network: Arc<Network>, params: Arc<ParamVec> },
}

/// Places on a path that are evaluated. Their vectors are made by the compute thread: walks have as many as there are places.
#[derive(Clone, Debug)]
pub struct AlongSpec {
    pub network: Arc<Network>,
    pub path: Arc<Path>,
    pub ts: Vec<f64>,
    pub data: DataRef,
    pub batch_norm: BatchNorm,
    /// Moves the images at each place before they are scored.
    pub attack: Option<Attack>,
}

/// A place on a path, and the inputs that the network there is to classify.
#[derive(Clone, Debug)]
pub struct PredictSpec {
    pub network: Arc<Network>,
    pub path: Arc<Path>,
    pub t: f64,
    pub inputs: DataRef,
    pub batch_norm: BatchNorm,
}

/// Points of a path that are asked together.
#[derive(Clone, Debug)]
pub struct PathEnsembleSpec {
    pub network: Arc<Network>,
    pub path: Arc<Path>,
    /// Both ends among them; between neighbours the path is equally long.
    pub n_points: usize,
    pub data: DataRef,
    pub batch_norm: BatchNorm,
}

/// From the app to the compute thread.
#[derive(Debug)]
pub enum Command {
    Start {
        job: JobId,
        lane: Lane,
        request: Box<Request>,
    },
    Cancel {
        job: JobId,
    },
    /// Cancels all jobs and moves to another device.
    UseDevice(DeviceChoice),
    /// Panics inside the job that runs next; only tests send it.
    PanicInNextSlice,
}

/// From the compute thread. Every event of a job names it; those of a job that is no longer wanted are dropped by the
/// receiver. Each job ends with exactly one of `Finished`, `Cancelled` and `Failed`.
#[derive(Clone, Debug)]
pub enum Event {
    /// The device in use from now on.
    Device {
        name: String,
        is_gpu: bool,
        failed: Option<String>,
    },
    Started {
        job: JobId,
    },
    /// Share of the job that is done, 0..1. May be lost.
    Progress {
        job: JobId,
        done: f64,
    },
    /// New values of points, by index.
    Values {
        job: JobId,
        values: Vec<(usize, PointValue)>,
    },
    /// The last minibatch of a slice; its loss and time are means over the slice. May be lost.
    FitStep {
        job: JobId,
        report: StepReport,
    },
    /// The trained vectors as they are now, and the path that they are the bends of, if they are.
    Trained {
        job: JobId,
        vectors: Vec<Arc<ParamVec>>,
        path: Option<Arc<Path>>,
        epochs_done: usize,
    },
    /// All that a fit needs to go on from here: after each epoch, and from time to time within a long one.
    Checkpoint {
        job: JobId,
        checkpoint: Box<FitCheckpoint>,
    },
    /// What a connection does now, and the path as far as it is known. May be lost.
    ConnectStep {
        job: JobId,
        note: String,
        path: Option<Arc<Path>>,
    },
    Connected {
        job: JobId,
        connection: Box<Connection>,
    },
    /// Nothing where a plane through a bend was asked for, but all stand on the line between the ends.
    Placed {
        job: JobId,
        placed: Option<Placement>,
    },
    Bent {
        job: JobId,
        path: Arc<Path>,
        /// Where it falls on the plane that it was bent on.
        placed: Placement,
    },
    PointsPlaced {
        job: JobId,
        points: Vec<PlanePoint>,
    },
    PathPlane {
        job: JobId,
        found: Result<Arc<PathPlane>, PlaneError>,
    },
    /// A map of neurons: from time to time as it is, and at the end.
    FlowTrained {
        job: JobId,
        trained: TrainedFlow,
    },
    Aligned {
        job: JobId,
        alignment: Box<Alignment>,
    },
    Rearranged {
        job: JobId,
        alignment: Box<Alignment>,
    },
    /// What a training that went on has collected, at its end or where it was cancelled.
    Continued {
        job: JobId,
        continued: Box<Continued>,
    },
    /// The members of a WA-ensemble, in their order.
    HeadsMade {
        job: JobId,
        members: Vec<Arc<ParamVec>>,
    },
    EnsembleScored {
        job: JobId,
        ensemble: Box<Ensemble>,
    },
    /// `[n_inputs, n_classes]`, row-major.
    Classified {
        job: JobId,
        logits: Vec<f32>,
    },
    Excited {
        job: JobId,
        excited: Box<Excited>,
    },
    WeightsCompared {
        job: JobId,
        matrices: Box<WeightMatrices>,
    },
    Verified {
        job: JobId,
        check: GroupCheck,
    },
    Finished {
        job: JobId,
    },
    Cancelled {
        job: JobId,
    },
    Failed {
        job: JobId,
        error: JobError,
    },
}

/// Why a job failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Compute(#[from] ComputeError),
    #[error("internal error, the job was ended: {0}")]
    Panicked(String),
}
