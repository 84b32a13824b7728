//! Paths, planes and the numbers read off them. Every point is a combination `theta = sum_i c_i w_i` of a few basis vectors;
//! this module computes the small coefficient matrices, exactly, in f64. Pure: no tensors, no files, no threads.

mod arc;
pub mod comparison;
mod grid;
mod path;
mod plane;
mod span;
mod summary;

pub use arc::arc_centre;
pub use grid::{Axis, Grid};
pub use path::{Path, PathFamily};
pub use plane::{Plane, PlaneError, PlanePoint, PlaneProjection};
pub use span::Span;
pub use summary::{Summary, summarise};
