//! Normalising maps of neurons (`geometry::FlowModel`) at work: applied on the device, inverted, trained, and walked along as
//! a path (Anokhin & Yarotsky 2020: "Flow" and "Bijection").

mod iaf;
mod map;
mod objective;
mod path;
#[cfg(test)]
mod tests;
mod training;

pub(super) use path::{MapPath, path_cost};
pub use training::{FlowSpec, TrainFlow, TrainedFlow};
