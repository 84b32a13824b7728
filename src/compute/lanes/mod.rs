//! Any network on the CPU, with images along the vector's lanes.
//!
//! A block is [`LANES`] images. Values of shape `[c, h, w]` of one block are `h * w * c` rows, `[h][w][c]`, each with one
//! value an image; flat values are `h = w = 1`. So every operation is vectorised over images whatever its sizes are, and
//! padding, stride and odd sizes are only which rows are read. The last block is filled up with images that count for
//! nothing.

pub(super) mod train;

/// Images of a block: one vector of AVX-512, two of AVX2.
pub(super) const LANES: usize = 16;
