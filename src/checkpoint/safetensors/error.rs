//! What can be wrong with a safetensors file, and with tensors to be written into one.

use safetensors::SafeTensorError;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SafetensorsFault {
    #[error("expected a header of at most {limit} bytes, the file declares {found}")]
    HeaderTooLarge { found: u64, limit: u64 },
    #[error("file ends after {found} of {expected} bytes, inside the header")]
    HeaderCut { found: usize, expected: u64 },
    #[error("file ends after {found} of {expected} bytes; tensor `{tensor}` incomplete")]
    DataCut { found: usize, expected: u64, tensor: String },
    #[error("expected {expected} bytes, the file has {found}: the end belongs to no tensor")]
    TrailingBytes { found: usize, expected: u64 },
    #[error("the header is not the JSON that safetensors prescribes ({0})")]
    Header(serde_json::Error),
    #[error("expected at most {limit} tensors, the header lists more")]
    TooManyTensors { limit: usize },
    #[error("the tensor name `{name}` is too long or has control characters")]
    Name { name: String },
    #[error("tensor `{name}` has {found} dimensions, expected at most {limit}")]
    Rank { name: String, found: usize, limit: usize },
    #[error("tensor `{name}` has elements of type {dtype}, which is not supported")]
    UnsupportedDtype { name: String, dtype: String },
    #[error("expected at most {limit} values in all tensors together, the file has more")]
    TooManyValues { limit: u64 },
    #[error("not enough memory for {bytes} bytes of weights")]
    OutOfMemory { bytes: u64 },
    #[error("expected a file with tensors, found none")]
    Empty,
    #[error("{0}")]
    Invalid(#[from] SafeTensorError),
}

#[derive(Debug, Error)]
pub enum WriteFault {
    #[error("tensor `{name}` has shape {shape:?}, which needs {expected} values, but {found} were given")]
    Shape { name: String, shape: Vec<usize>, expected: String, found: usize },
    #[error("the tensor name `{name}` is empty, reserved, too long or has control characters")]
    Name { name: String },
    #[error("the tensor name `{name}` was given twice")]
    Duplicate { name: String },
    #[error("the header could not be written ({0})")]
    Header(#[from] serde_json::Error),
}
