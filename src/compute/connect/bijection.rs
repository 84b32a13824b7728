//! "Bijection" (Anokhin & Yarotsky 2020): the path through a map that is trained on the losses of paths,
//! `psi(t) = nu^-1(cos(pi t / 2) nu(A) + sin(pi t / 2) nu(B))` for each neuron `[incoming row, bias, outgoing column]`,
//! `nu` trained to minimise `E L(psi(t))` over pairs A, B of trained networks and t in [0, 1]. One map serves any pair of
//! such networks. For networks of one hidden layer; RealNVP is the kind of map that works.

use super::super::flows::MapPath;
use super::super::{ComputeError, Engine};
use super::ConnectSpec;
use crate::geometry::FlowObjective;

pub(super) fn connector(engine: &Engine, spec: ConnectSpec) -> Result<MapPath, ComputeError> {
    MapPath::new(engine, spec, FlowObjective::Bijection)
}
