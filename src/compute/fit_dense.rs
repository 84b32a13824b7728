//! Fitting fully connected networks on the CPU, whose weights stay packed from step to step.
//!
//! Agrees with `fit_tensors.rs` but for rounding.

use std::ops::Range;
use std::sync::Arc;

use super::dense_tape::{DenseTape, PANEL, Row};
use super::descent::{Descent, Term, combine, pull_back};
use super::fit::{FitSpec, Minibatch, OptimizerState};
use crate::net::{ParamLayout, ParamVec};

/// Weights and their gradient at one point of the path.
#[derive(Default)]
struct Point {
    weights: Vec<Row>,
    gradient: Vec<Row>,
}

/// A basis and the state of its optimisation.
pub(super) struct DenseFit {
    tape: DenseTape,
    layout: Arc<ParamLayout>,
    /// Which vectors are trained.
    trained: Range<usize>,
    /// Packed, one a basis vector.
    vectors: Vec<Vec<Row>>,
    descents: Vec<Descent>,
    /// What the trained vectors are pulled back to, packed, if they are.
    anchors: Option<Vec<Vec<Row>>>,
    n_steps: u64,
    /// Memory that is used again each step.
    points: Vec<Point>,
}

impl DenseFit {
    /// `None` if the network is not a chain of linear layers and ReLUs.
    pub(super) fn new(spec: &FitSpec) -> Option<Self> {
        let tape = DenseTape::new(&spec.network)?;
        let descent = |_| Descent::new(spec.optimizer, tape.n_rows() * PANEL);
        Some(Self {
            trained: spec.trained(),
            vectors: spec.basis.iter().map(|w| tape.pack(w)).collect(),
            descents: spec.trained().map(descent).collect(),
            anchors: spec.proximal.as_ref().map(|p| p.anchors.iter().map(|w| tape.pack(w)).collect()),
            n_steps: 0,
            points: Vec::new(),
            layout: Arc::clone(spec.network.layout()),
            tape,
        })
    }

    /// One vector's values as they are now, in the network's layout.
    pub(super) fn values(&self, index: usize) -> Vec<f32> {
        self.tape.unpack(&self.vectors[index])
    }

    /// What the optimiser remembers, in the order of the layout.
    pub(super) fn optimizer_state(&self) -> OptimizerState {
        let moments = self.descents.iter().flat_map(Descent::moments);
        let moments = moments.map(|moment| self.tape.unpack(bytemuck::cast_slice(moment)));
        OptimizerState { n_steps: self.n_steps, moments: moments.collect() }
    }

    /// Takes up what an earlier fit's optimiser remembered: as many moments as this one keeps, each as long as the layout.
    pub(super) fn restore(&mut self, state: &OptimizerState) {
        self.n_steps = state.n_steps;
        let kept = self.descents.iter_mut().flat_map(Descent::moments_mut);
        for (packed, values) in kept.zip(&state.moments) {
            if let Some(vector) = ParamVec::new(Arc::clone(&self.layout), values.clone()) {
                packed.copy_from_slice(self.tape.pack(&vector).as_flattened());
            }
        }
    }

    /// Gradient at the minibatch's points, then a step of every trained vector. Returns the mean cross-entropy.
    pub(super) fn step(&mut self, batch: &Minibatch<'_>) -> f64 {
        let n_points = batch.rows.len();
        self.points.resize_with(n_points, Point::default);
        let mut points = std::mem::take(&mut self.points);
        let mut loss = 0.0;
        let examples = batch.examples();
        let shares = batch.indices.chunks_exact(batch.indices.len() / n_points);
        for ((point, row), indices) in points.iter_mut().zip(batch.rows).zip(shares) {
            self.combine(row, &mut point.weights);
            let decay = (batch.weight_decay / n_points as f64) as f32;
            let Point { weights, gradient } = point;
            loss += self.tape.gradient(weights, &examples, indices, batch.indices.len(), decay, gradient);
        }
        self.update(&points, batch);
        self.points = points;
        loss / batch.indices.len() as f64
    }

    /// `sum_i c_i w_i`
    fn combine(&self, coefficients: &[f64], weights: &mut Vec<Row>) {
        weights.resize(self.vectors[0].len(), [0.0; PANEL]);
        let vectors = self.vectors.iter().map(|vector| vector.as_flattened());
        let terms: Vec<Term<'_>> = coefficients.iter().copied().zip(vectors).collect();
        combine(&terms, weights.as_flattened_mut());
    }

    /// Chain rule and a step: the gradient of trained vector j is `sum_t c_j(t) g(t)`.
    fn update(&mut self, points: &[Point], batch: &Minibatch<'_>) {
        self.n_steps += 1;
        for (slot, (index, descent)) in self.trained.clone().zip(&mut self.descents).enumerate() {
            let terms = points.iter().zip(batch.rows);
            let terms: Vec<Term<'_>> = terms.map(|(point, row)| (row[index], point.gradient.as_flattened())).collect();
            let weights = self.vectors[index].as_flattened_mut();
            descent.step(self.n_steps, batch.learning_rate, weights, &terms);
            if let Some(anchors) = &self.anchors {
                pull_back(weights, anchors[slot].as_flattened(), batch.pull);
            }
        }
    }
}
