//! Butterflies (Anokhin & Yarotsky 2020, sections 1.8 and 1.9 of the methods): a layer goes to B's, by rows, while what leaves its
//! units goes, by columns, to the fit that passes on what A computed from B's units.
//!
//! A chain of L layers has L - 1 stages. Stage l moves layer l and its bias from `adj[l]` to B's and layer l + 1 from A's to
//! `adj[l + 1]`, where `adj[k] = W_k^A F_A' (F_B')^+` for the values F that enter layer k in A and in B, and `adj[0]` is A's; the
//! last stage moves the last layer and its bias to B's. All stages are exact curves. Two layers make one stage, which is the
//! curve itself.
//!
//! Units are transported by the distance of all they have: incoming weights, bias and, as columns, what leaves them.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::super::{ComputeError, Engine};
use super::chain::{self, Chain, ChainMover};
use super::least_squares::{Fitted, LeastSquares};
use super::unit_pairing::UnitPairing;
use super::{ConnectSpec, Cost};
use crate::geometry::Stage;
use crate::matching::{UnitWeights, permute};
use crate::net::{ParamId, ParamVec, Sequence};

/// A running butterfly.
pub(super) struct Butterfly {
    chain: Chain,
    work: Work,
}

enum Work {
    /// A stage begins.
    Begin,
    /// The fit of the next layer's weight.
    Fitting(LeastSquares, ParamId),
    /// Units change places in the network that the stage leads to.
    Pairing(UnitPairing, Arc<ParamVec>),
}

impl Butterfly {
    pub(super) fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        Ok(Self { chain: Chain::new(engine, spec, 1)?, work: Work::Begin })
    }

    /// Pairs the units of the layer that moves with those in `end`, if they are transported.
    fn pair(&mut self, end: Arc<ParamVec>) {
        let group = self.chain.layer().group.filter(|_| self.chain.is_transported());
        match group.map(|group| &self.chain.network.groups()[group]) {
            Some(group) => {
                let vectors = UnitWeights::of(group, &self.chain.now, &end);
                self.work = Work::Pairing(UnitPairing::new(vectors), end);
            }
            None => self.travel(&end),
        }
    }

    fn travel(&mut self, end: &Arc<ParamVec>) {
        let (curve, basis) = self.chain.travel(end, true);
        self.chain.push(Stage::Curve { curve, basis });
    }
}

impl ChainMover for Butterfly {
    fn chain(&mut self) -> &mut Chain {
        &mut self.chain
    }

    fn advance(&mut self) -> Result<(), ComputeError> {
        match std::mem::replace(&mut self.work, Work::Begin) {
            Work::Begin => match self.chain.next_layer().filter(|_| !self.chain.is_before_last()) {
                Some(next) => {
                    let Chain { network, a, data, ridge, .. } = &self.chain;
                    self.work = Work::Fitting(LeastSquares::new(network, next, a, data, *ridge), next.weight);
                }
                None => self.pair(Arc::clone(&self.chain.b)),
            },
            Work::Fitting(mut problem, weight) => {
                if problem.is_waiting() {
                    problem.start(&self.chain.b);
                }
                match problem.step()? {
                    Some(Fitted { weight: values, residual }) => {
                        self.chain.note(problem.note());
                        self.chain.note_residual(1.0, residual);
                        let mut end = self.chain.with_layer_of_b();
                        end.tensor_mut(weight).copy_from_slice(&values);
                        self.pair(Arc::new(end));
                    }
                    None => self.work = Work::Fitting(problem, weight),
                }
            }
            Work::Pairing(mut pairing, end) => match pairing.step()? {
                Some(found) => {
                    let is_last = self.chain.is_before_last();
                    let permutations = self.chain.move_units(&found);
                    let moved = if is_last {
                        Arc::clone(&self.chain.b)
                    } else {
                        Arc::new(permute(&self.chain.network, &end, &permutations))
                    };
                    self.travel(&moved);
                }
                None => self.work = Work::Pairing(pairing, end),
            },
        }
        Ok(())
    }

    fn progress(&self) -> (f64, String) {
        let layer = self.chain.next_layer().map_or("", |next| &next.name);
        match &self.work {
            Work::Begin => (0.0, String::new()),
            Work::Fitting(problem, _) if problem.is_reading() => {
                (0.4 * problem.done(), format!("{layer}: what A computes"))
            }
            Work::Fitting(problem, _) => (0.4 + 0.4 * problem.done(), format!("{layer}: fit")),
            Work::Pairing(pairing, _) => {
                (0.8 + 0.2 * pairing.done(), format!("{}: transport", self.chain.layer().name))
            }
        }
    }
}

/// A fit of each inner layer, the largest of them in memory, and two or three networks a stage.
pub(super) fn cost(spec: &ConnectSpec) -> Cost {
    let mut cost = chain::cost(spec, 1);
    let n_stages = Sequence::of(&spec.network).map_or(0, |sequence| sequence.layers().len() - 1);
    cost.bytes += 2 * n_stages * spec.network.layout().len() * size_of::<f32>();
    cost
}
