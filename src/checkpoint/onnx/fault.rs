//! Why an ONNX model could not be read as a network.

use std::fmt;

use thiserror::Error;

use crate::net::ShapeError;

/// Where in the graph something is: a node's position, operator and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub index: usize,
    pub op: String,
    pub name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} (operator {}, `{}`)", self.index, self.op, self.name)
    }
}

#[derive(Debug, Error)]
pub enum OnnxFault {
    #[error("expected an ONNX model, found bytes that are not well-formed protobuf: a download cut short?")]
    Malformed,
    #[error("the ONNX model cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("expected at most {limit} bytes besides the weights, found {found}")]
    TooMuchStructure { found: usize, limit: usize },
    #[error("expected a graph, found none")]
    NoGraph,
    #[error("expected the standard operators in version 7 to 23, found {found}")]
    OperatorSet { found: String },
    #[error("expected at most {limit} {what}, found {found}")]
    TooMany { what: &'static str, found: usize, limit: usize },
    #[error(
        "tensor `{tensor}` lies in another file, `{location}`, which is not opened: export the model as a single file"
    )]
    External { tensor: String, location: String },
    #[error("tensor `{tensor}`: expected floating-point or integer values, found {found}")]
    Dtype { tensor: String, found: String },
    #[error("tensor `{tensor}`: expected {expected}, found {found}")]
    Tensor { tensor: String, expected: String, found: String },
    #[error("expected one input, images or features, found {found}")]
    Inputs { found: String },
    #[error("input `{input}`: expected shape [batch, features] or [batch, channels, height, width], found {found}")]
    InputShape { input: String, found: String },
    #[error("expected an output, found none")]
    NoOutput,
    #[error("the output `{output}`: expected logits computed from the input, found a constant or nothing")]
    Output { output: String },
    #[error("{place} reads `{input}`, which no earlier node, weight or input gives")]
    Undefined { place: Place, input: String },
    #[error("{place} gives `{output}`, which exists already")]
    Redefined { place: Place, output: String },
    #[error("{place}: {what}")]
    Unsupported { place: Place, what: String },
    #[error("{place}: {source}")]
    Shape { place: Place, source: Box<ShapeError> },
    #[error("{place} makes {found} values of an example, more than {limit}")]
    TooLarge { place: Place, found: String, limit: usize },
    #[error("the graph: {0}")]
    Graph(ShapeError),
}
