//! Paths, planes and the numbers read off them. Every point is a combination `theta = sum_i c_i w_i` of a few vectors; this
//! module computes the small coefficient matrices, exactly, in f64. Pure: no tensors, no files, no threads.

mod arc;
mod class_map;
pub mod comparison;
mod curve;
mod family;
mod flow;
mod grid;
mod neurons;
mod path;
mod path_plane;
mod placement;
mod plane;
mod polyline;
mod simplex;
mod span;
mod spanning_tree;
mod spectrum;
mod stage;
mod summary;
mod travel;
mod walk;

pub use arc::{arc_centre, neuron_centre};
pub use class_map::{ClassMap, Decision};
pub use curve::Curve;
pub use family::Family;
pub use flow::{FlowConfig, FlowKind, FlowModel, FlowObjective, FlowRole, FlowTensor, FlowTraining};
pub use grid::{Axis, Grid};
pub use neurons::{NeuronShape, Neurons};
pub use path::{Path, PathProjection, Sample};
pub use path_plane::{PathPlane, PathPlaneSearch};
pub use placement::Placement;
pub use plane::{Plane, PlaneError, PlanePoint, PlaneProjection};
pub use polyline::{at_shares, dense_ts, shares_of_length};
pub use simplex::Flat;
pub use span::Span;
pub use spanning_tree::{Edge, Route, SpanningTree, next_pair};
pub use spectrum::spectrum;
pub use stage::Stage;
pub use summary::{RobustPoint, RobustSummary, Summary, summarise, summarise_robust};
pub use travel::Distances;
pub use walk::{Change, Segment, Walk, obstacle};
