//! Fitting any network on the CPU, with images along the vector's lanes. (`fit_dense.rs` does the same for fully connected
//! networks, whose weights it keeps packed from step to step.)
//!
//! Agrees with `fit_tensors.rs` but for rounding.

use std::ops::Range;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::attack::{Attacker, Siege};
use super::descent::{Descent, Term, combine, pull_back};
use super::fit::{FitSpec, Minibatch, OptimizerState};
use super::fit_tensors::STATISTICS_MOMENTUM;
use super::lanes::train::{Examples, Tape};
use super::simd::add_scaled;
use crate::net::{ParamLayout, ParamVec};

/// Weights and their gradient at one point of the path.
#[derive(Default)]
struct Point {
    weights: Vec<f32>,
    /// One value a trained parameter.
    gradient: Vec<f32>,
}

/// A basis and the state of its optimisation.
pub(super) struct LanesFit {
    tape: Tape,
    layout: Arc<ParamLayout>,
    /// Which vectors are trained.
    trained: Range<usize>,
    /// In the network's layout, one a basis vector.
    vectors: Vec<Vec<f32>>,
    descents: Vec<Descent>,
    /// What the trained vectors are pulled back to, if they are.
    anchors: Option<Vec<Arc<ParamVec>>>,
    n_steps: u64,
    /// Whether the running statistics of batch norm follow the minibatches. Those of a path's bends mean nothing: they are
    /// measured where a point is evaluated.
    updates_statistics: bool,
    attacker: Option<Attacker>,
    /// Memory that is used again each step.
    points: Vec<Point>,
}

impl LanesFit {
    pub(super) fn new(spec: &FitSpec) -> Self {
        let layout = Arc::clone(spec.network.layout());
        Self {
            tape: Tape::new(&spec.network),
            trained: spec.trained(),
            vectors: spec.basis.iter().map(|w| w.values().to_vec()).collect(),
            descents: spec.trained().map(|_| Descent::new(spec.optimizer, layout.n_trained())).collect(),
            anchors: spec.proximal.as_ref().map(|proximal| proximal.anchors.clone()),
            n_steps: 0,
            updates_statistics: spec.family.is_none(),
            attacker: spec.attack.map(|attack| Attacker::new(&spec.network, &spec.data, attack)),
            points: Vec::new(),
            layout,
        }
    }

    /// One vector's values as they are now, in the network's layout.
    pub(super) fn values(&self, index: usize) -> Vec<f32> {
        self.vectors[index].clone()
    }

    /// What the optimiser remembers, in the order of the layout.
    pub(super) fn optimizer_state(&self) -> OptimizerState {
        let moments = self.descents.iter().flat_map(Descent::moments).cloned();
        OptimizerState { n_steps: self.n_steps, moments: moments.collect() }
    }

    /// Takes up what an earlier fit's optimiser remembered: as many moments as this one keeps, each as long as the layout's
    /// trained part.
    pub(super) fn restore(&mut self, state: &OptimizerState) {
        self.n_steps = state.n_steps;
        for (moment, values) in self.descents.iter_mut().flat_map(Descent::moments_mut).zip(&state.moments) {
            moment.copy_from_slice(values);
        }
    }

    /// Gradient at the minibatch's points, then a step of every trained vector. Returns the mean cross-entropy.
    pub(super) fn step(&mut self, batch: &Minibatch<'_>) -> f64 {
        let n_points = batch.rows.len();
        let n_trained = self.layout.n_trained();
        let examples = batch.examples();
        self.points.resize_with(n_points, Point::default);
        let mut loss = 0.0;
        let mut rng = ChaCha8Rng::seed_from_u64(batch.seed);
        // The first streams belong to orders and augmentations.
        rng.set_stream(u64::MAX - self.n_steps);
        let shares = batch.indices.chunks_exact(batch.indices.len() / n_points);
        for ((point, row), indices) in self.points.iter_mut().zip(batch.rows).zip(shares) {
            let terms: Vec<Term<'_>> = row.iter().copied().zip(self.vectors.iter().map(Vec::as_slice)).collect();
            point.weights.resize(self.layout.len(), 0.0);
            combine(&terms, &mut point.weights);
            let (mut images, mut labels) = examples.read_batch(indices);
            if let Some(attacker) = &mut self.attacker {
                Siege { images, labels, .. } = attacker.attack(&point.weights, images, labels, &mut rng);
            }
            let share = Examples { images: &images, labels: &labels, n_total: batch.indices.len() };
            point.gradient.resize(n_trained, 0.0);
            loss += self.tape.gradient(&point.weights, share, &mut point.gradient);
            let decay = (batch.weight_decay / n_points as f64) as f32;
            add_scaled(&mut point.gradient, decay, &point.weights[..n_trained]);
        }
        self.n_steps += 1;
        // The chain rule: the gradient of trained vector j is sum_t c_j(t) g(t).
        for (slot, (index, descent)) in self.trained.clone().zip(&mut self.descents).enumerate() {
            let terms = self.points.iter().zip(batch.rows);
            let terms: Vec<Term<'_>> = terms.map(|(point, row)| (row[index], &point.gradient[..])).collect();
            let weights = &mut self.vectors[index][..n_trained];
            descent.step(self.n_steps, batch.learning_rate, weights, &terms);
            if let Some(anchors) = &self.anchors {
                pull_back(weights, &anchors[slot].values()[..n_trained], batch.pull);
            }
        }
        if self.updates_statistics {
            self.update_statistics();
        }
        loss / batch.indices.len() as f64
    }

    /// Moves the running statistics of the trained mode towards those of the last minibatch.
    fn update_statistics(&mut self) {
        let running = &mut self.vectors[self.trained.start];
        for found in self.tape.statistics() {
            for (id, new) in [(found.mean_id, found.mean), (found.var_id, found.var)] {
                let spec = self.layout.spec(id);
                for (old, new) in running[spec.offset..][..spec.n_values()].iter_mut().zip(new) {
                    *old = (f64::from(*old) * (1.0 - STATISTICS_MOMENTUM) + new * STATISTICS_MOMENTUM) as f32;
                }
            }
        }
    }
}
