//! Paths, planes and the numbers read off them. Every point is a combination `theta = sum_i c_i w_i` of a few vectors; this
//! module computes the small coefficient matrices, exactly, in f64. Pure: no tensors, no files, no threads.

mod arc;
pub mod comparison;
mod curve;
mod family;
mod grid;
mod path;
mod path_plane;
mod plane;
mod span;
mod stage;
mod summary;
mod walk;

pub use arc::arc_centre;
pub use curve::Curve;
pub use family::Family;
pub use grid::{Axis, Grid};
pub use path::{Path, PathProjection, Sample};
pub use path_plane::{PathPlane, PathPlaneSearch};
pub use plane::{Plane, PlaneError, PlanePoint, PlaneProjection};
pub use span::Span;
pub use stage::Stage;
pub use summary::{Summary, summarise};
pub use walk::{Change, Segment, Walk, obstacle};
