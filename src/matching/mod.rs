//! The pure halves of alignment: correlations from streamed sums, assignments, and permutations applied to parameters.

mod assignment;
mod correlation;
mod cycles;
mod permutation;
mod transport;
mod weights;

pub use assignment::{Assignment, AssignmentError, maximise};
pub use correlation::{CrossMoments, LayerMatch, UnitMoments, UnitSums, match_by_correlation};
pub use cycles::{CycleType, RandomCycles};
pub(crate) use permutation::gather;
pub use permutation::{Permutation, permute};
pub use transport::{GroupTransport, Pairing, Transport};
pub use weights::{UnitWeights, WeightMatching};
