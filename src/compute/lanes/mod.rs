//! Any network on the CPU, with images along the vector's lanes.
//!
//! A *block* is [`LANES`] images. The values of a node with shape `[c, h, w]` for one block are `[h][w][c]` rows of one value
//! an image ([`Row`]); flat values are maps of one pixel. So every operation is vectorised over images, whatever the size of
//! maps, strides and paddings: they only say which rows are read, and nothing is ever unfolded. The last block is filled up
//! with images of zeros whose lanes nobody reads.
//!
//! [`Program`] turns a network into steps over reused buffers, [`Packed`] lays a point's parameters out for them, [`Buffers`]
//! holds what a few blocks need on their way through. What an image gives depends on neither its neighbours nor on the number
//! of threads.

mod activation;
mod conv;
mod forward;
mod norm;
mod packed;
mod panels;
mod pointwise;
mod pool;
mod products;
mod program;
mod statistics;
#[cfg(test)]
mod tests;
pub(super) mod train;

pub(crate) use conv::ConvGeometry;
pub(crate) use forward::{Buffers, group_blocks, run_blocks, run_blocks_to};
pub(crate) use packed::Packed;
pub(crate) use panels::{A_UNITS, B_UNITS, STRIP, StripProducts};
pub(crate) use products::{CrossProducts, Samples};
pub(crate) use program::{BatchNormMode, Program};
pub(crate) use statistics::StatisticsRun;

/// Images of a block.
pub(crate) const LANES: usize = 16;

/// One unit's value at one pixel, for the images of a block.
pub(crate) type Row = [f32; LANES];

/// A shape as `[channels, height, width]`: flat values are maps of one pixel.
pub(super) fn map_shape(shape: &[usize]) -> [usize; 3] {
    match *shape {
        [c, h, w] => [c, h, w],
        [c, l] => [c, 1, l],
        _ => [shape.iter().product(), 1, 1],
    }
}
