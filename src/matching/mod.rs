//! The pure halves of alignment: correlations from streamed sums, assignments, and permutations applied to parameters.

mod assignment;
mod by_hand;
mod correlation;
mod crossings;
mod cycles;
mod histogram;
mod methods;
mod permutation;
mod pooling;
mod quality;
mod readings;
mod report;
mod seriation;
mod soft;
mod transport;
mod verdict;
mod weights;

pub use assignment::{Assignment, AssignmentError, maximise};
pub use by_hand::{Editing, Edits, GroupEdits, edited};
pub use correlation::{CrossMoments, UnitMoments, UnitSums, assign_units, match_units};
pub use crossings::{RandomCrossings, n_crossings};
pub use cycles::{CycleType, RandomCycles};
pub use histogram::Bins;
pub use methods::{AlignMethod, Choice, Entry, MatchOptions, PamOptions, ReadAt, Similarity, StreamRule};
pub(crate) use permutation::gather;
pub use permutation::{Permutation, permute};
pub use pooling::{OVERVIEW_CELLS, pool, pooled_lines};
pub use quality::AMBIGUOUS_MARGIN;
pub use readings::readings;
pub use report::{GroupReport, MatchReport, Matrix, Overview, Spread, UnitMatch};
pub use seriation::seriate;
pub use soft::{Decomposition, MatrixProducts, SoftPermutation, draw, permute_softly, soft_gradients};
pub use transport::{GroupTransport, Pairing, Transport};
pub use verdict::{Evidence, Verdict};
pub use weights::{UnitWeights, WeightMatching};
