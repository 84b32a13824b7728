//! The only door to burn: devices, the forward pass, evaluation, activations, fitting. Nothing else in the house names a
//! tensor; what comes out are plain numbers.

mod align;
mod attack;
mod averaging;
mod batches;
mod classify;
mod connect;
mod continuation;
mod correlate;
mod correlate_lanes;
mod correlate_tensors;
mod dense_tape;
mod descent;
mod device;
mod ensemble;
mod evaluate;
mod evaluate_dense;
mod evaluate_lanes;
mod evaluate_tensors;
mod excite;
mod excite_lanes;
mod excite_tensors;
mod fit;
mod fit_dense;
mod fit_lanes;
mod fit_tensors;
mod flows;
mod forward;
mod gradient;
mod gradient_tensors;
mod lanes;
mod measured_statistics;
mod optimizer_tensors;
mod remeasure;
mod repair;
mod robust;
mod score;
mod score_rows;
mod scorer;
mod simd;
#[cfg(test)]
mod test_data;
mod unit_distribution;
mod verify;

pub use align::{Align, AlignSpec, AlignStep, Alignment, Rearrange, RearrangeSpec, Seal, align_all, seal};
pub use averaging::Averaging;
pub use batches::ImageOrder;
pub use classify::{Classifier, Classify, ClassifySpec, logits};
pub use connect::{
    AdjustmentOptions, AutoNebOptions, AutoNebPreset, Connect, ConnectOptions, ConnectSpec, ConnectStep, Connection,
    Cost, Head, HeadsSpec, HeadsStep, LayerwiseOptions, MakeHeads, SimplexOptions, Trace, TransportOptions,
    connect_all, estimate, heads_cost, make_heads,
};
pub use continuation::{Collected, Continue, ContinueSpec, Continued};
pub use device::{DeviceChoice, DeviceError, Engine};
pub use ensemble::{Ensemble, EnsembleScore, EnsembleSpec, EnsembleStep, score_ensemble};
pub use evaluate::{
    BATCH_NORM_IMAGES, BatchNorm, DataRef, Evaluate, EvaluateSpec, EvaluateStep, PointValue, evaluate_all,
};
pub use excite::{Excite, ExciteSpec, Excited, ExcitedPair};
pub use fit::{
    Fit, FitCheckpoint, FitSlice, FitSpec, FitStart, Optimizer, OptimizerState, Proximal, Schedule, StepReport,
    TSampling,
};
pub use flows::{FlowSpec, TrainFlow, TrainedFlow};
pub use repair::{Repair, RepairSpec, repaired_path};
pub use robust::{RobustEvaluate, RobustSpec};
pub use verify::{GroupCheck, VerifyGroups, verify_groups};

use thiserror::Error;

/// Why a computation stopped. Every variant leaves the program and other jobs intact.
#[derive(Clone, Debug, Error)]
pub enum ComputeError {
    #[error("the device failed: {0}")]
    Device(String),
    #[error("the network takes {network} inputs, the images of {data} have {pixels}")]
    InputSize { network: usize, data: String, pixels: usize },
    #[error("the network has {network} outputs, {data} has labels up to {highest}")]
    Labels { network: usize, data: String, highest: u16 },
    #[error("the {split} split of {data} has no images")]
    NoImages { data: String, split: String },
    #[error("the two networks differ: {0}")]
    Architecture(String),
    #[error("the fit of `{layer}` has no solution: its inputs are not finite, or the ridge {ridge} is too small")]
    LeastSquares { layer: String, ridge: f64 },
    #[error("{family} cannot connect these networks: {reason}")]
    Unsuited { family: &'static str, reason: String },
    #[error("the permutations do not fit the network: {0}")]
    Permutations(String),
    #[error("the path cannot be repaired: {reason}")]
    Repair { reason: String },
    #[error("the map of neurons cannot be trained: {0}")]
    Flow(String),
    #[error("the fit cannot start there: {0}")]
    Start(String),
    #[error(transparent)]
    Assignment(#[from] crate::matching::AssignmentError),
}

/// What burn or its device complains of, and what helps where it ran out of memory.
fn device_error(error: impl std::fmt::Display) -> ComputeError {
    let error = error.to_string();
    let lowered = error.to_lowercase();
    let is_memory =
        ["out of memory", "outofmemory", "allocat", "buffer size"].iter().any(|sign| lowered.contains(sign));
    let advice =
        if is_memory { " (its memory is full: compute on the CPU, or train with smaller batches)" } else { "" };
    ComputeError::Device(error + advice)
}
