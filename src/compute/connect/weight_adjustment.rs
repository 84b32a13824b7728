//! Weight adjustment (Anokhin & Yarotsky 2020, sections 1.7 to 1.9 of the methods): while a layer goes to B's, straight, on arcs
//! or to transported units, the next layer is fitted at every t to pass on what A's computed, bias apart.
//!
//! A chain of L layers has L stages. Stage l < L - 1 moves layer l and its bias from where the fit of the stage before has left
//! them (the first from A's) to B's, and fits layer l + 1, whose bias stays A's; the last stage moves the last layer and its bias from
//! the fit to B's. The end times are the authors', t here divided by L. The fits are points of a polyline. Where a stage
//! begins, layer l + 1 is A's and not yet fitted to what layer l leaves: the authors' code jumps there, the polyline does not.
//! At t = 0 the path is A itself, whose outgoing weights of dead neurons a fit would set to zero.
//!
//! Units are transported by the distance of their incoming weights; those of convolutions with their bias (table 1.6).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{ComputeError, DataRef, Engine};
use super::chain::{self, Chain, ChainMover};
use super::least_squares::{Fitted, LeastSquares};
use super::unit_pairing::UnitPairing;
use super::{ConnectSpec, Cost};
use crate::geometry::{Curve, Stage};
use crate::matching::UnitWeights;
use crate::net::{Network, ParamId, ParamVec, PermutationGroup, Sequence, SequenceLayer};

/// Settings of weight adjustment and butterflies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdjustmentOptions {
    /// The summand on the diagonal of each fit's normal equations, as a multiple of the diagonal's mean.
    pub ridge: f64,
    /// Only the first so many training images; all of them if `None`.
    pub n_images: Option<usize>,
}

impl Default for AdjustmentOptions {
    fn default() -> Self {
        Self { ridge: 1e-6, n_images: None }
    }
}

impl AdjustmentOptions {
    /// The images that layers are fitted on.
    pub(super) fn images(&self, train: &DataRef) -> DataRef {
        let n_images = train.n_images();
        DataRef { limit: Some(self.n_images.map_or(n_images, |limit| limit.clamp(1, n_images))), ..train.clone() }
    }
}

/// A running weight adjustment.
pub(super) struct WeightAdjustment {
    chain: Chain,
    /// Points of each stage but the last.
    n_points: usize,
    work: Work,
}

enum Work {
    /// A stage begins.
    Begin,
    Pairing(UnitPairing),
    Fitting(Fitting),
}

/// A stage at work.
struct Fitting {
    curve: Curve,
    basis: Vec<Arc<ParamVec>>,
    problem: LeastSquares,
    /// The layer that is fitted.
    fitted: ParamId,
    /// The point at work, before its fit.
    point: Option<ParamVec>,
    points: Vec<Arc<ParamVec>>,
}

impl WeightAdjustment {
    pub(super) fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        let n_points = spec.points.max(2);
        Ok(Self { chain: Chain::new(engine, spec, 0)?, n_points, work: Work::Begin })
    }

    /// Sets out for `end`, the last layer for B.
    fn travel(&mut self, end: &Arc<ParamVec>) {
        let Some(next) = self.chain.next_layer() else {
            let (curve, basis) = self.chain.travel(&self.chain.b, false);
            return self.chain.push(Stage::Curve { curve, basis });
        };
        let Chain { network, a, data, ridge, now, .. } = &self.chain;
        let (curve, basis) = self.chain.travel(end, false);
        self.work = Work::Fitting(Fitting {
            curve,
            basis,
            problem: LeastSquares::new(network, next, a, data, *ridge),
            fitted: next.weight,
            point: None,
            points: vec![Arc::clone(now)],
        });
    }
}

impl Fitting {
    /// A piece of work; the residual of a fit that it finished, and how many there are then.
    fn advance(&mut self, n_points: usize) -> Result<Option<(f64, usize)>, ComputeError> {
        if self.problem.is_waiting() {
            let s = self.points.len() as f64 / (n_points - 1) as f64;
            let point = ParamVec::combination(&self.basis, &self.curve.coefficients(s));
            self.problem.start(&point);
            self.point = Some(point);
            // For large layers that was work enough.
            return Ok(None);
        }
        let Some(Fitted { weight, residual }) = self.problem.step()? else {
            return Ok(None);
        };
        let n_fitted = self.points.len();
        if let Some(mut point) = self.point.take() {
            point.tensor_mut(self.fitted).copy_from_slice(&weight);
            self.points.push(Arc::new(point));
        }
        Ok(Some((residual, n_fitted)))
    }
}

impl ChainMover for WeightAdjustment {
    fn chain(&mut self) -> &mut Chain {
        &mut self.chain
    }

    fn points(&self) -> (&[Arc<ParamVec>], usize) {
        match &self.work {
            Work::Fitting(fitting) => (&fitting.points, self.n_points),
            Work::Begin | Work::Pairing(_) => (&[], 0),
        }
    }

    fn advance(&mut self) -> Result<(), ComputeError> {
        match std::mem::replace(&mut self.work, Work::Begin) {
            Work::Begin => {
                let end = self.chain.with_layer_of_b();
                match self.chain.next_layer().and_then(|_| incoming(&self.chain.network, self.chain.layer())) {
                    Some(group) if self.chain.is_transported() => {
                        self.work = Work::Pairing(UnitPairing::new(UnitWeights::of(&group, &self.chain.now, &end)));
                    }
                    _ => self.travel(&end.into()),
                }
            }
            Work::Pairing(mut pairing) => match pairing.step()? {
                Some(found) => {
                    self.chain.move_units(&found);
                    self.travel(&self.chain.with_layer_of_b().into());
                }
                None => self.work = Work::Pairing(pairing),
            },
            Work::Fitting(mut fitting) => {
                if let Some((residual, n_fitted)) = fitting.advance(self.n_points)? {
                    self.chain.note_residual(n_fitted as f64 / (self.n_points - 1) as f64, residual);
                }
                if fitting.points.len() == self.n_points {
                    self.chain.note(fitting.problem.note());
                    self.chain.push(Stage::evenly(fitting.points));
                } else {
                    self.work = Work::Fitting(fitting);
                }
            }
        }
        Ok(())
    }

    fn progress(&self) -> (f64, String) {
        let layer = self.chain.next_layer().map_or("", |next| &next.name);
        match &self.work {
            Work::Begin => (0.0, String::new()),
            Work::Pairing(pairing) => (0.1 * pairing.done(), format!("{}: transport", self.chain.layer().name)),
            Work::Fitting(Fitting { problem, points, .. }) if problem.is_reading() => {
                (0.1 * problem.done() / points.len() as f64, format!("{layer}: what A computes"))
            }
            Work::Fitting(Fitting { problem, point, points, .. }) => {
                let running = if point.is_some() { problem.done() } else { 0.0 };
                let share = ((points.len() - 1) as f64 + running) / (self.n_points - 1) as f64;
                (0.1 + 0.9 * share, format!("{layer}: fit {} of {}", points.len(), self.n_points - 1))
            }
        }
    }
}

/// The group of a layer's units with their incoming weights alone; those of convolutions with their bias.
fn incoming(network: &Network, layer: &SequenceLayer) -> Option<PermutationGroup> {
    let mut group = network.groups()[layer.group?].clone();
    let bias = layer.window.and(layer.bias);
    group
        .axes
        .retain(|axis_use| axis_use.axis == 0 && (axis_use.param == layer.weight || Some(axis_use.param) == bias));
    Some(group)
}

/// All fits, the largest of them in memory, and the path's points.
pub(super) fn cost(spec: &ConnectSpec) -> Cost {
    let n_points = spec.points.max(2);
    let mut cost = chain::cost(spec, n_points - 1);
    let n_stages = Sequence::of(&spec.network).map_or(0, |sequence| sequence.layers().len() - 1);
    cost.bytes += n_stages * n_points * spec.network.layout().len() * size_of::<f32>();
    cost
}
