//! Why a checkpoint could not be read or written. Each message says what was expected and found, and names the file last.

use std::path::PathBuf;

use thiserror::Error;

use super::archive::ArchiveFault;
use super::burn_pack::BurnPackFault;
use super::npz::NpzFault;
use super::onnx::OnnxFault;
use super::pickled_dict::PickledDictFault;
use super::safetensors::error::{SafetensorsFault, WriteFault};
use super::torch::legacy::LegacyFault;
use super::torch::pickle::PickleFault;
use super::torch::tensor::TensorFault;
use crate::files::FileError;

#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("expected a checkpoint (safetensors, PyTorch, NumPy, ONNX or Burn), found {found}: {}", path.display())]
    Unrecognized { path: PathBuf, found: String },
    #[error("{fault}: {}", path.display())]
    LegacyTorch { path: PathBuf, fault: LegacyFault },
    #[error("expected a checkpoint, found a bare pickle: save tensors with torch.save or as safetensors: {}", path.display())]
    BarePickle { path: PathBuf },
    #[error("expected a checkpoint, found a single NumPy array without a name: save all tensors into one file with numpy.savez: {}", path.display())]
    LoneArray { path: PathBuf },
    #[error("{fault}: {}", path.display())]
    Npz { path: PathBuf, fault: NpzFault },
    #[error("{fault}: {}", path.display())]
    BurnPack { path: PathBuf, fault: BurnPackFault },
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
    #[error("{fault}: {}", path.display())]
    PickledDict { path: PathBuf, fault: PickledDictFault },
    #[error("expected a dictionary of tensors, found {found}: {}", path.display())]
    NoTensors { path: PathBuf, found: String },
    #[error("the tensor name `{name}` occurs twice: {}", path.display())]
    DuplicateName { path: PathBuf, name: String },
    #[error("expected at most {limit} tensors, found {found}: {}", path.display())]
    TooManyTensors { path: PathBuf, found: usize, limit: usize },
    #[error("could not write the tensors: {0}")]
    Write(#[from] WriteFault),
}
