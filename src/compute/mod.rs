//! The only door to burn: devices, the forward pass, evaluation, activations, fitting. Nothing else in the house names a
//! tensor; what comes out are plain numbers.

mod batches;
mod correlate;
mod device;
mod evaluate;
mod evaluate_dense;
mod evaluate_tensors;
mod fit;
mod fit_dense;
mod fit_tensors;
mod forward;
mod score;
mod optimizer_tensors;
mod scorer;
mod simd;

pub use batches::ImageOrder;
pub use correlate::{Alignment, Correlate, CorrelateSpec, CorrelateStep, Seal, seal};
pub use device::{DeviceChoice, DeviceError, Engine};
pub use evaluate::{DataRef, Evaluate, EvaluateSpec, EvaluateStep, PointValue, evaluate_all, logits};
pub use fit::{
    Fit, FitCheckpoint, FitSpec, FitStart, Optimizer, OptimizerState, Schedule, StepReport, TSampling,
};

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
    #[error("the fit cannot start there: {0}")]
    Start(String),
    #[error(transparent)]
    Assignment(#[from] crate::matching::AssignmentError),
}
