//! The pure halves of alignment: correlations from streamed sums, assignments, and permutations applied to parameters.

mod assignment;
mod correlation;
mod permutation;
mod weights;

pub use assignment::{AssignmentError, maximise};
pub use correlation::{CrossMoments, LayerMatch, UnitMoments, UnitSums, match_by_correlation};
pub use permutation::{Permutation, permute};
pub use weights::{UnitWeights, WeightMatching};
