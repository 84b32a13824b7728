//! A pickle machine that can build plain data and nothing else.
//!
//! It knows lists, tuples, dictionaries, texts, numbers, and the handful of names with which PyTorch describes tensors and
//! NumPy arrays.
//! Those names are recognized, never looked up or called. Every other name ends the reading with an error that says it.
//! Values live in one flat [`Heap`] and refer to each other by number: a pickle that nests or repeats values exponentially
//! costs no more than its own length, cycles cannot leak, and nothing recurses.

mod fault;
mod globals;
mod heap;
mod input;
mod machine;
mod numpy;

pub use self::fault::PickleFault;
pub(in crate::checkpoint) use self::heap::{Heap, Object, ObjectId};
pub(in crate::checkpoint) use self::numpy::PickledArray;

/// The longest pickle of a checkpoint, in bytes. Tensor data is not in it.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// The most instructions.
const MAX_OPS: usize = 5_000_000;
/// The most values.
const MAX_OBJECTS: usize = 1_000_000;
/// The most lists and dictionaries that are open inside each other.
const MAX_DEPTH: usize = 128;

#[cfg(test)]
mod tests;
