//! "Flow" (Anokhin & Yarotsky 2020): the path through a map that makes neurons Gaussian,
//! `psi(t) = nu^-1(cos(pi t / 2) nu(A) + sin(pi t / 2) nu(B))` for each neuron `[incoming row, bias, outgoing column]`,
//! `nu` trained to maximise `E ln rho(nu(theta)) + ln |det d nu / d theta|` over the neurons of trained networks. If neurons
//! were independent, those on the path would be distributed as at its ends. For networks of one hidden layer. The paper
//! found it no better than the straight line.

use super::super::flows::MapPath;
use super::super::{ComputeError, Engine};
use super::ConnectSpec;
use crate::geometry::FlowObjective;

pub(super) fn connector(engine: &Engine, spec: ConnectSpec) -> Result<MapPath, ComputeError> {
    MapPath::new(engine, spec, FlowObjective::Likelihood)
}
