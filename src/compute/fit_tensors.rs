//! Fitting by tensor operations and automatic differentiation: any network on any device. (`fit_dense.rs` does the same for
//! fully connected networks on the CPU, in fewer passes.)

use std::ops::Range;
use std::sync::Arc;

use burn::optim::momentum::MomentumConfig;
use burn::optim::{Adam, AdamConfig, AdamState, Optimizer as _, Sgd, SgdConfig, SgdState};
use burn::tensor::{Int, Tensor, TensorData, activation};

use super::batches::load;
use super::fit::{FitSpec, Minibatch, Optimizer};
use super::forward::{Activations, Basis, PointTensors, UnitStatistics, forward_training, is_flat};
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, Op, ParamVec};

/// Share of a minibatch's statistics in the running ones (PyTorch's default).
pub(super) const STATISTICS_MOMENTUM: f64 = 0.1;

#[expect(clippy::large_enum_variant, reason = "a handful of them, one a parameter, never moved about")]
enum OptimizerState {
    Sgd(Sgd, Option<SgdState<3>>),
    Adam(Box<Adam>, Option<AdamState<3>>),
}

impl OptimizerState {
    fn new(optimizer: Optimizer) -> Self {
        match optimizer {
            Optimizer::Sgd { momentum } => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0).with_nesterov(true);
                Self::Sgd(SgdConfig::new().with_momentum(Some(momentum)).build(), None)
            }
            Optimizer::Adam => Self::Adam(Box::new(AdamConfig::new().with_epsilon(1e-8).build()), None),
        }
    }

    fn step(&mut self, learning_rate: f64, tensor: Tensor<3>, gradient: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Sgd(sgd, state) => {
                let (tensor, next) = sgd.step(learning_rate, tensor, gradient, state.take());
                *state = next;
                tensor
            }
            Self::Adam(adam, state) => {
                let (tensor, next) = adam.step(learning_rate, tensor, gradient, state.take());
                *state = next;
                tensor
            }
        }
    }
}

/// The basis on the device, and the state of its optimisation.
pub(super) struct TensorFit {
    engine: Engine,
    network: Arc<Network>,
    /// Which vectors are trained.
    trained: Range<usize>,
    /// `[basis][parameter]`, each `[1, rows, columns]`.
    vectors: Vec<Vec<Tensor<3>>>,
    /// `[trained][parameter]`.
    optimizers: Vec<Vec<OptimizerState>>,
    /// Whether the running statistics of batch norm follow the minibatches. Those of a path's bends mean nothing: they are
    /// measured where a point is evaluated.
    updates_statistics: bool,
}

/// Gradients of the trained vectors, `[trained][parameter]`; none where nothing depends on a parameter.
type Gradients = Vec<Vec<Option<Tensor<3>>>>;

impl TensorFit {
    pub(super) fn new(engine: &Engine, spec: &FitSpec) -> Self {
        let n_params = spec.network.layout().specs().len();
        let vector =
            |w: &Arc<ParamVec>| Basis::new(engine, std::slice::from_ref(w)).as_points().into_iter().flatten().collect();
        let optimizers = |_| (0..n_params).map(|_| OptimizerState::new(spec.optimizer)).collect();
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            trained: spec.trained(),
            vectors: spec.basis.iter().map(vector).collect(),
            optimizers: spec.trained().map(optimizers).collect(),
            updates_statistics: spec.family.is_none(),
        }
    }

    /// One vector's values as they are now.
    pub(super) fn values(&self, index: usize) -> Result<Vec<f32>, ComputeError> {
        let layout = self.network.layout();
        let mut values = vec![0.0; layout.len()];
        // Running statistics lie behind all trained values, not with their layer's.
        for (spec, tensor) in layout.specs().iter().zip(&self.vectors[index]) {
            let found = super::score::read(tensor.clone())?;
            values[spec.offset..spec.offset + spec.n_values()].copy_from_slice(&found);
        }
        Ok(values)
    }

    /// Gradient at the minibatch's points, then a step of every trained vector. Returns the mean cross-entropy if
    /// `with_loss`, which waits for the device, and NaN otherwise.
    pub(super) fn step(&mut self, batch: &Minibatch<'_>, with_loss: bool) -> Result<f64, ComputeError> {
        let n_points = batch.rows.len();
        let n_images = batch.indices.len() / n_points;
        // Points whose shares of the minibatch go through the network together.
        let n_together = if is_flat(&self.network) { n_points } else { 1 };
        let n_params = self.network.layout().specs().len();
        let mut gradients: Gradients = vec![vec![None; n_params]; self.trained.len()];
        let mut loss = 0.0;
        for (rows, indices) in batch.rows.chunks(n_together).zip(batch.indices.chunks(n_together * n_images)) {
            let part = self.add_gradients(batch, rows, indices, &mut gradients);
            if with_loss {
                let part = super::score::read(part)?;
                loss += part.iter().map(|&l| f64::from(l)).sum::<f64>() * rows.len() as f64 / n_points as f64;
            }
        }
        for ((vector, states), gradients) in self.trained.clone().zip(&mut self.optimizers).zip(gradients) {
            for ((values, state), gradient) in self.vectors[vector].iter_mut().zip(states).zip(gradients) {
                if let Some(gradient) = gradient {
                    *values = state.step(batch.learning_rate, values.clone(), gradient);
                }
            }
        }
        Ok(if with_loss { loss } else { f64::NAN })
    }

    /// Adds what the points `rows` contribute to the gradients of the trained vectors, each point on an equal share of the
    /// images `indices`. Returns the mean cross-entropy.
    fn add_gradients(
        &mut self,
        batch: &Minibatch<'_>,
        rows: &[Vec<f64>],
        indices: &[u32],
        gradients: &mut Gradients,
    ) -> Tensor<1> {
        let share = indices.len() / rows.len();
        let block = load(&self.engine, batch.data, indices);
        let labels: Tensor<3, Int> = block.label_tensor(&self.engine).reshape([rows.len(), share, 1]).autodiff();
        let n_pixels = block.images.dims()[1];
        let images = block.images.reshape([rows.len(), share, n_pixels]).autodiff();

        let specs = self.network.layout().specs();
        let points: Vec<Option<Tensor<3>>> =
            (0..specs.len()).map(|p| specs[p].kind.is_trained().then(|| self.combine(p, rows))).collect();
        let leaf = |w: &Option<Tensor<3>>| w.as_ref().map(|w| w.clone().autodiff().require_grad());
        let leaves: PointTensors = points.iter().map(leaf).collect();
        let found = forward_training(&self.network, Activations::images(&self.network, images), &leaves);
        let loss = cross_entropy(found.logits, labels.clone());
        let mut objective = loss.clone();
        for (logits, weight) in found.heads {
            objective = objective + cross_entropy(logits, labels.clone()) * weight;
        }
        let mut found_gradients = objective.backward();
        if self.updates_statistics {
            self.update_statistics(&found.statistics);
        }
        for (p, (leaf, point)) in leaves.into_iter().zip(points).enumerate() {
            let gradient = leaf.and_then(|leaf| leaf.grad_remove(&mut found_gradients));
            if let (Some(gradient), Some(point)) = (gradient, point) {
                // The loss is a mean over these rows, the L2 term one of each; both are means over all rows of the batch.
                let decay = batch.weight_decay / rows.len() as f64;
                let gradient = if decay == 0.0 { gradient } else { gradient + point * decay };
                let part = rows.len() as f64 / batch.rows.len() as f64;
                self.chain(p, &gradient, rows, part, gradients);
            }
        }
        loss.inner()
    }

    /// Moves the running statistics of the trained mode towards those of a minibatch.
    fn update_statistics(&mut self, statistics: &[(NodeId, UnitStatistics)]) {
        let running = &mut self.vectors[self.trained.start];
        for (id, found) in statistics {
            if let Op::BatchNorm { mean, var, .. } = self.network.nodes()[id.0].op {
                for (param, new) in [(mean, found.mean.clone()), (var, found.unbiased_var())] {
                    let old = running[param.0].clone();
                    running[param.0] = old * (1.0 - STATISTICS_MOMENTUM) + new.inner() * STATISTICS_MOMENTUM;
                }
            }
        }
    }

    /// `[n_ts, rows, columns]`: parameter `p` at each point.
    fn combine(&self, p: usize, rows: &[Vec<f64>]) -> Tensor<3> {
        let at = |row: &Vec<f64>| {
            let mut sum: Option<Tensor<3>> = None;
            for (vector, &c) in self.vectors.iter().zip(row) {
                let term = if c == 1.0 { vector[p].clone() } else { vector[p].clone() * c };
                sum = Some(match sum {
                    Some(sum) => sum + term,
                    None => term,
                });
            }
            sum.expect("a basis has at least one vector")
        };
        match rows {
            [row] => at(row),
            _ => Tensor::cat(rows.iter().map(at).collect(), 0),
        }
    }

    /// Chain rule: to the gradient of trained vector j adds `part * sum_t c_j(t) g(t)`.
    fn chain(&self, p: usize, gradient: &Tensor<3>, rows: &[Vec<f64>], part: f64, gradients: &mut Gradients) {
        let [_, height, width] = gradient.dims();
        for (index, gradients) in self.trained.clone().zip(gradients) {
            let found = if let [row] = rows {
                let factor = row[index] * part;
                if factor == 1.0 { gradient.clone() } else { gradient.clone() * factor }
            } else {
                let weights: Vec<f32> = rows.iter().map(|row| (row[index] * part) as f32).collect();
                let weights = Tensor::<3>::from_data(TensorData::new(weights, [rows.len(), 1, 1]), &self.engine.device);
                (gradient.clone() * weights).sum_dim(0).reshape([1, height, width])
            };
            gradients[p] = Some(match gradients[p].take() {
                Some(sum) => sum + found,
                None => found,
            });
        }
    }
}

/// Mean over all points and images; `logits` `[n_points, n_images, n_classes]`, `labels` `[n_points, n_images, 1]`.
fn cross_entropy(logits: Tensor<3>, labels: Tensor<3, Int>) -> Tensor<1> {
    activation::log_softmax(logits, 2).gather(2, labels).mean().neg()
}
