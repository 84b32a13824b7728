//! Optimal transport (Anokhin & Yarotsky 2020, sections 1.6 and 1.9 of the methods): straight to B with its units moved to
//! the nearest of A's, and, where it is asked for, a walk that moves them back one by one.
//!
//! Stage 1 is exact for every network: permutation groups are derived so that any permutation of their units leaves the
//! function as it is, through norms and residual streams too. Where a layer restricts which units can change places, they are
//! paired within their parts. Stage 2 needs units that can move alone; [`Walk`] says which cannot, and the path then ends at the
//! moved B, as in the authors' code.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::ComputeError;
use super::unit_pairing::UnitPairing;
use super::{ConnectSpec, ConnectStep, Connection, Connector, Cost};
use crate::geometry::{Curve, Family, Path, Stage, Walk};
use crate::matching::{GroupTransport, Transport};
use crate::net::{AxisUse, Network, ParamVec, PermutationGroup};

/// Settings of [`Family::Transport`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportOptions {
    /// Whether the path goes on from the moved B to B itself.
    pub second_stage: bool,
}

/// A running transport.
pub(super) struct TransportConnector {
    network: Arc<Network>,
    a: Arc<ParamVec>,
    b: Arc<ParamVec>,
    options: TransportOptions,
    transport: Transport,
    /// The group that is being paired.
    pairing: Option<UnitPairing>,
}

impl TransportConnector {
    pub(super) fn new(spec: ConnectSpec) -> Self {
        let ConnectSpec { network, a, b, options, .. } = spec;
        let transport = Transport::new(Arc::clone(&network), Arc::clone(&a), Arc::clone(&b));
        Self { network, a, b, options: options.transport, transport, pairing: None }
    }

    /// Straight to B as its units stand now.
    fn straight(&self) -> Stage {
        let basis = vec![Arc::clone(&self.a), Arc::clone(self.transport.moved())];
        Stage::Curve { curve: Curve::Linear, basis }
    }

    fn finish(&self) -> Connection {
        let groups = self.network.groups().iter().zip(self.transport.groups());
        let mut notes: Vec<String> = groups.map(|(group, found)| pairing_note(group, found)).collect();
        let mut stages = vec![self.straight()];
        let permutations = self.transport.permutations();
        if permutations.iter().all(|permutation| permutation.n_fixed() == permutation.len()) {
            notes.push("no unit moves: the path is the straight line to B".to_owned());
        } else if self.options.second_stage {
            match Walk::new(Arc::clone(&self.network), Arc::clone(&self.b), permutations) {
                Ok(walk) => {
                    notes.extend(walk.notes().into_iter().map(|note| format!("stage 2, {note}")));
                    stages.push(Stage::Walk(Arc::new(walk)));
                }
                Err(obstacle) => notes.push(format!("no second stage, so that the path ends at moved B: {obstacle}")),
            }
        } else {
            notes.push("the path ends at B with its units moved, which computes what B computes".to_owned());
        }
        let path = Arc::new(Path::staged(Family::Transport, stages));
        Connection { path, traces: Vec::new(), notes }
    }

    /// Share of the work done, 0..1, and what is being done.
    fn progress(&self) -> (f64, String) {
        let n_settled = self.transport.groups().len();
        let groups = self.network.groups();
        let done = n_settled as f64 + self.pairing.as_ref().map_or(0.0, UnitPairing::done);
        let is_measured = self.pairing.as_ref().is_some_and(UnitPairing::is_measured);
        let work = if is_measured { "pairing" } else { "distances of" };
        let note = groups
            .get(n_settled)
            .map_or_else(String::new, |group| format!("{}: {work} {} units", group.name, group.n_units));
        (done / groups.len().max(1) as f64, note)
    }
}

impl Connector for TransportConnector {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        let mut preview = None;
        while preview.is_none() {
            let pairing = match &mut self.pairing {
                Some(pairing) => pairing,
                None => match self.transport.next_vectors() {
                    Some(vectors) => self.pairing.insert(UnitPairing::new(vectors)),
                    None => return Ok(ConnectStep::Finished(Box::new(self.finish()))),
                },
            };
            if let Some(found) = pairing.step()? {
                self.pairing = None;
                self.transport.settle(found);
                preview = Some(Arc::new(Path::staged(Family::Transport, vec![self.straight()])));
            }
            if budget <= started.elapsed() {
                break;
            }
        }
        let (done, note) = self.progress();
        Ok(ConnectStep::Working { done, note, path: preview })
    }
}

/// `fc1: 1987 of 2000 units move; mean squared distance 1.52 to 0.84`.
pub(super) fn pairing_note(group: &PermutationGroup, found: &GroupTransport) -> String {
    let n_moved = group.n_units - found.permutation.n_fixed();
    let (before, after) = (found.mean_cost_before, found.mean_cost_after);
    format!(
        "{}: {n_moved} of {} units move; mean squared distance {before:.4} to {after:.4}",
        group.name, group.n_units
    )
}

/// Products of all pairs of every group, and the largest group's vectors, products and prices.
pub(super) fn cost(network: &Network) -> Cost {
    let layout = network.layout();
    let mut cost = Cost { flops: 0.0, bytes: 0 };
    for group in network.groups() {
        let of_unit = |axis_use: &AxisUse| {
            let spec = layout.spec(axis_use.param);
            spec.n_values() / spec.shape[axis_use.axis].max(1) * axis_use.block
        };
        let n_components: usize = group.axes.iter().map(of_unit).sum();
        let n_pairs = group.n_units * group.n_units;
        cost.flops += 2.0 * n_pairs as f64 * n_components as f64;
        let bytes = n_pairs * size_of::<f64>() + 2 * group.n_units * n_components * size_of::<f32>();
        cost.bytes = cost.bytes.max(bytes);
    }
    // B as it is moved, before and after a group.
    cost.bytes += 2 * layout.len() * size_of::<f32>();
    cost
}

#[cfg(test)]
mod tests;
