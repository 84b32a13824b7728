//! The pure halves of alignment: correlations from streamed sums, assignments, and permutations applied to parameters.

mod assignment;
mod correlation;
mod cycles;
mod dead_units;
mod methods;
mod permutation;
mod readings;
mod report;
mod soft;
mod transport;
mod verdict;
mod weight_matrices;
mod weights;

pub use assignment::{Assignment, AssignmentError, maximise};
pub use correlation::{CrossMoments, UnitMoments, UnitSums, assign_units, match_units};
pub use cycles::{CycleType, RandomCycles};
pub use dead_units::pair_dead_units;
pub use methods::{AlignMethod, Choice, Entry, MatchOptions, PamOptions, ReadAt, Similarity, StreamRule};
pub(crate) use permutation::gather;
pub use permutation::{Permutation, permute};
pub use readings::readings;
pub use report::{GroupReport, MatchReport, Matrix, Spread, UnitMatch};
pub use soft::{Decomposition, MatrixProducts, SoftPermutation, draw, permute_softly, soft_gradients};
pub use transport::{GroupTransport, Pairing, Transport};
pub use verdict::{Evidence, Verdict};
pub use weight_matrices::{WeightComparison, WeightMatrices, WeightSpec, color_limit};
pub use weights::{UnitWeights, WeightMatching};
