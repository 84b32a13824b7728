//! The pure halves of alignment: correlations from streamed sums, assignments, and permutations applied to parameters.

mod assignment;
mod correlation;
mod methods;
mod permutation;
mod readings;
mod report;
mod soft;
mod verdict;
mod weights;

pub use assignment::{AssignmentError, maximise};
pub use correlation::{CrossMoments, UnitMoments, UnitSums, match_units};
pub use methods::{AlignMethod, Choice, Entry, MatchOptions, ReadAt, Similarity, StreamRule};
pub use permutation::{Permutation, permute};
pub use readings::readings;
pub use report::{GroupReport, MatchReport, Matrix, Spread, UnitMatch};
pub use soft::{Decomposition, MatrixProducts, SoftPermutation, draw, permute_softly, soft_gradients};
pub use verdict::{Evidence, Verdict};
pub use weights::{UnitWeights, WeightMatching};
