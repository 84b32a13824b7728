//! ONNX: a file that brings its own graph and weights. The operators that exporters write for feed-forward image
//! classifiers are mapped onto [`net::Op`](crate::net::Op); anything else is refused with its place in the graph.

mod constant;
mod elementwise;
mod fault;
mod layers;
mod lowering;
mod node;
mod pointwise;
mod pools;
mod proto;
mod shaping;
mod value;
mod wire;

use std::path::Path;

use prost::Message as _;

pub use self::fault::{OnnxFault, Place};
use super::{CheckpointError, MAX_TENSORS};
use crate::net::{Network, ParamVec};

/// The most bytes of a file besides its weights. In memory they can take a hundred times as much.
const MAX_STRUCTURE_BYTES: usize = 16 << 20;
/// The most nodes of a graph: the layout of its parameters takes a time that grows with the square of it.
const MAX_NODES: usize = 10_000;
/// Versions of the standard operators whose meaning is known.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 7..=23;

/// A network with its parameters, as a file describes both.
#[derive(Clone, Debug)]
pub struct OnnxModel {
    pub network: Network,
    pub params: ParamVec,
    /// For the reader to see: what was left out or copied.
    pub notes: Vec<String>,
}

/// Whether bytes begin as an ONNX model does.
pub fn is_onnx(bytes: &[u8]) -> bool {
    wire::is_model(bytes)
}

/// Reads a network and its parameters from the bytes of an ONNX file. `path` is only named in errors and, without its
/// folder, in the network's name. Fails where the file is damaged, refers to other files, or has an operator that no
/// [`Op`](crate::net::Op) stands for.
pub fn parse(bytes: &[u8], path: &Path) -> Result<OnnxModel, CheckpointError> {
    let name = path.file_stem().map_or_else(|| "ONNX".to_owned(), |stem| stem.to_string_lossy().into_owned());
    read(bytes, name).map_err(|fault| CheckpointError::Onnx { path: path.to_owned(), fault: Box::new(fault) })
}

fn read(bytes: &[u8], name: String) -> Result<OnnxModel, OnnxFault> {
    let found = wire::structure_bytes(bytes).ok_or(OnnxFault::Malformed)?;
    if MAX_STRUCTURE_BYTES < found {
        return Err(OnnxFault::TooMuchStructure { found, limit: MAX_STRUCTURE_BYTES });
    }
    let model = proto::Model::decode(bytes)?;
    let standard = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    let opset = standard.map_or(0, |set| set.version);
    if !OPERATOR_SETS.contains(&opset) {
        return Err(OnnxFault::OperatorSet { found: opset.to_string() });
    }
    let graph = model.graph.ok_or(OnnxFault::NoGraph)?;
    let counts = [("nodes", graph.node.len(), MAX_NODES), ("weights", graph.initializer.len(), MAX_TENSORS)];
    if let Some(&(what, found, limit)) = counts.iter().find(|(_, found, limit)| limit < found) {
        return Err(OnnxFault::TooMany { what, found, limit });
    }
    lowering::lower(&graph, name)
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
