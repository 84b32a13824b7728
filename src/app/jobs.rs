//! The jobs that run for the document, and what each is for.

use std::time::Instant;

use super::ModeId;
use crate::data::SplitName;

/// A running job.
#[derive(Clone, Debug)]
pub struct JobInfo {
    pub purpose: Purpose,
    pub label: String,
    /// What it does now, where it says so.
    pub note: String,
    /// 0..1.
    pub done: f64,
    pub started: Instant,
}

/// What a job's events are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One of the networks that a file fits.
    TryCandidate {
        mode: ModeId,
        candidate: usize,
    },
    /// Whether the units of a mode's groups can change places.
    Verify {
        mode: ModeId,
    },
    Score {
        mode: ModeId,
        split: SplitName,
    },
    TryNormalization {
        candidate: usize,
    },
    Align,
    /// The alignment as the user changed it.
    Rearrange,
    /// The path is fitted or worked out.
    FindPath,
    /// A map of neurons.
    TrainFlow,
    /// A new mode.
    Train,
    /// A new mode on few test images.
    WatchTraining,
    /// Steps that tell how long a training takes.
    EstimateTraining,
    Curve(SplitName),
    /// The repaired path.
    Repair,
    /// The path under attack.
    Robust,
    Plane,
    /// The plane that shows most of the path.
    PathPlane,
    /// Where the path falls on a plane.
    PlacePath,
    /// The path with a bend where the user put it.
    BendPath,
    /// Where the checkpoints of a training run fall on the plane.
    PlaceTrajectory,
    /// Which inputs the network at t takes for which class.
    Decide,
    /// What the network at t makes of some images.
    Predict,
    /// Several networks together.
    Ensemble,
    /// What excites matched units.
    Excite,
    /// Weight matrices of two networks side by side.
    CompareWeights,
}
