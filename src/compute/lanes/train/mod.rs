//! Loss and gradient of any network on the CPU, with the values of all nodes kept.
//!
//! Layer by layer over all blocks of a minibatch, since batch norm needs the statistics of all of them. Every sum over
//! images is made in an order that does not depend on the number of threads.

mod activation;
mod buffers;
mod conv;
mod norm;
mod pool;
mod tape;
mod tile;
mod weights;

#[cfg(test)]
mod tests;

pub(in crate::compute) use tape::{Examples, Tape};

use bytemuck::{Pod, Zeroable};

use super::LANES;

/// One value of each image of a block, where a vector can load it at once.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
struct Row([f32; LANES]);

/// Shape of a node's values; flat ones are maps of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Map {
    c: usize,
    h: usize,
    w: usize,
}

impl Map {
    fn of(shape: &[usize]) -> Self {
        match *shape {
            [c, h, w] => Self { c, h, w },
            _ => Self::flat(shape.iter().product()),
        }
    }

    fn flat(c: usize) -> Self {
        Self { c, h: 1, w: 1 }
    }

    fn places(self) -> usize {
        self.h * self.w
    }

    /// Rows of a block.
    fn rows(self) -> usize {
        self.places() * self.c
    }
}
