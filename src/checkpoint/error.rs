//! Why a checkpoint could not be read or written. Each message says what was expected and found, and names the file last.

use std::path::PathBuf;

use thiserror::Error;

use super::onnx::OnnxFault;
use super::safetensors::error::{SafetensorsFault, WriteFault};
use super::torch::archive::ArchiveFault;
use super::torch::legacy::LegacyFault;
use super::torch::pickle::PickleFault;
use super::torch::tensor::TensorFault;
use crate::files::FileError;

#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("expected a checkpoint (safetensors or PyTorch), found {found}: {}", path.display())]
    Unrecognized { path: PathBuf, found: String },
    #[error("{fault}: {}", path.display())]
    LegacyTorch { path: PathBuf, fault: LegacyFault },
    #[error("expected a checkpoint, found a bare pickle: save tensors with torch.save or as safetensors: {}", path.display())]
    BarePickle { path: PathBuf },
    #[error("{fault}: {}", path.display())]
    Safetensors { path: PathBuf, fault: SafetensorsFault },
    #[error("{fault}: {}", path.display())]
    Archive { path: PathBuf, fault: ArchiveFault },
    #[error("{fault} (byte {at} of the pickle): {}", path.display())]
    Pickle { path: PathBuf, at: usize, fault: PickleFault },
    #[error("{fault}: {}", path.display())]
    Onnx { path: PathBuf, fault: Box<OnnxFault> },
    #[error("tensor `{name}`: {fault}: {}", path.display())]
    Tensor { path: PathBuf, name: String, fault: TensorFault },
    #[error("expected a dictionary of tensors, found {found}: {}", path.display())]
    NoTensors { path: PathBuf, found: String },
    #[error("the tensor name `{name}` occurs twice: {}", path.display())]
    DuplicateName { path: PathBuf, name: String },
    #[error("expected at most {limit} tensors, found {found}: {}", path.display())]
    TooManyTensors { path: PathBuf, found: usize, limit: usize },
    #[error("could not write the tensors: {0}")]
    Write(#[from] WriteFault),
}
