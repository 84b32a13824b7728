//! Fitting by tensor operations and automatic differentiation: any network on any device. (`fit_dense.rs` does the same for
//! fully connected networks on the CPU, in fewer passes.)

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::batches::load;
use super::fit::{FitSpec, Minibatch, OptimizerState};
use super::forward::{PointTensors, forward_from};
use super::optimizer_tensors::TensorOptimizer;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamId, ParamVec};

/// The basis on the device, and the state of its optimisation.
pub(super) struct TensorFit {
    engine: Engine,
    network: Arc<Network>,
    /// Which vectors are trained.
    trained: Range<usize>,
    /// `[basis][parameter]`, each `[1, rows, columns]`.
    vectors: Vec<Vec<Tensor<3>>>,
    /// `[trained][parameter]`.
    optimizers: Vec<Vec<TensorOptimizer<3>>>,
    n_steps: u64,
}

impl TensorFit {
    pub(super) fn new(engine: &Engine, spec: &FitSpec) -> Self {
        let n_params = spec.network.layout().specs().len();
        let optimizers = |_| (0..n_params).map(|_| TensorOptimizer::new(spec.optimizer)).collect();
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            trained: spec.trained(),
            vectors: spec.basis.iter().map(|w| upload(engine, w)).collect(),
            optimizers: spec.trained().map(optimizers).collect(),
            n_steps: 0,
        }
    }

    /// One vector's values as they are now.
    pub(super) fn values(&self, index: usize) -> Result<Vec<f32>, ComputeError> {
        let mut values = Vec::with_capacity(self.network.layout().len());
        for tensor in &self.vectors[index] {
            values.extend(super::score::read(tensor.clone())?);
        }
        Ok(values)
    }

    /// What the optimisers remember, in the order of the layout.
    pub(super) fn optimizer_state(&self) -> Result<OptimizerState, ComputeError> {
        let layout = self.network.layout();
        let mut moments = Vec::new();
        for optimizers in &self.optimizers {
            let first = moments.len();
            for (spec, optimizer) in layout.specs().iter().zip(optimizers).filter(|(spec, _)| spec.kind.is_trained()) {
                for (index, values) in optimizer.moments(spec.n_values())?.into_iter().enumerate() {
                    if moments.len() == first + index {
                        moments.push(vec![0.0; layout.n_trained()]);
                    }
                    moments[first + index][spec.offset..spec.offset + spec.n_values()].copy_from_slice(&values);
                }
            }
        }
        Ok(OptimizerState { n_steps: self.n_steps, moments })
    }

    /// Takes up what an earlier fit's optimisers remembered: as many moments as they keep, each as long as the layout's
    /// trained part.
    pub(super) fn restore(&mut self, state: &OptimizerState) {
        self.n_steps = state.n_steps;
        let layout = Arc::clone(self.network.layout());
        let each = state.moments.len() / self.optimizers.len().max(1);
        for (slot, (optimizers, moments)) in
            self.optimizers.iter_mut().zip(state.moments.chunks_exact(each.max(1))).enumerate()
        {
            let tensors = &self.vectors[self.trained.start + slot];
            for ((spec, optimizer), tensor) in layout.specs().iter().zip(optimizers).zip(tensors) {
                if spec.kind.is_trained() {
                    let part = spec.offset..spec.offset + spec.n_values();
                    let moments: Vec<&[f32]> = moments.iter().map(|values| &values[part.clone()]).collect();
                    optimizer.restore(&self.engine, tensor.dims(), &moments);
                }
            }
        }
    }

    /// Gradient at the minibatch's points, then a step of every trained vector. Returns the mean cross-entropy if
    /// `with_loss`, which waits for the device, and NaN otherwise.
    pub(super) fn step(&mut self, batch: &Minibatch<'_>, with_loss: bool) -> Result<f64, ComputeError> {
        let rows = batch.rows;
        let share = batch.indices.len() / rows.len();
        let block = load(&self.engine, batch.data, batch.indices);
        let labels = block.label_tensor(&self.engine);
        let n_pixels = block.images.dims()[1];
        let images = block.images.reshape([rows.len(), share, n_pixels]);
        let labels: Tensor<3, Int> = labels.reshape([rows.len(), share, 1]);

        let n_params = self.network.layout().specs().len();
        let points: Vec<Tensor<3>> = (0..n_params).map(|p| self.combine(p, rows)).collect();
        let leaves: Vec<Tensor<3>> = points.iter().map(|w| w.clone().autodiff().require_grad()).collect();
        let params: PointTensors = leaves.iter().cloned().map(Some).collect();
        let logits = forward_from(&self.network, NodeId(0), images.autodiff(), &params, |_, _| {});
        let log_probabilities = activation::log_softmax(logits, 2);
        let loss = log_probabilities.gather(2, labels.autodiff()).mean().neg();
        let mut gradients = loss.backward();
        self.n_steps += 1;

        for (p, (leaf, point)) in leaves.iter().zip(points).enumerate() {
            let Some(gradient) = leaf.grad_remove(&mut gradients) else {
                continue;
            };
            // The mean over all shares is taken in the loss; the L2 term is a mean over the points.
            let decay = batch.weight_decay / rows.len() as f64;
            let gradient = if decay == 0.0 { gradient } else { gradient + point * decay };
            self.step_parameter(p, &gradient, rows, batch.learning_rate);
        }
        if !with_loss {
            return Ok(f64::NAN);
        }
        let loss = loss.inner().try_into_data().map_err(|error| ComputeError::Device(error.to_string()))?;
        let loss = loss.try_into_vec::<f32>().map_err(|error| ComputeError::Device(error.to_string()))?;
        Ok(loss.first().map_or(f64::NAN, |&l| f64::from(l)))
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

    /// Chain rule: the gradient of trained vector j is `sum_t c_j(t) g(t)`.
    fn step_parameter(&mut self, p: usize, gradient: &Tensor<3>, rows: &[Vec<f64>], learning_rate: f64) {
        let [_, height, width] = gradient.dims();
        for (slot, index) in self.trained.clone().enumerate() {
            let gradient = if let [row] = rows {
                if row[index] == 1.0 { gradient.clone() } else { gradient.clone() * row[index] }
            } else {
                let weights: Vec<f32> = rows.iter().map(|row| row[index] as f32).collect();
                let weights = Tensor::<3>::from_data(TensorData::new(weights, [rows.len(), 1, 1]), &self.engine.device);
                (gradient.clone() * weights).sum_dim(0).reshape([1, height, width])
            };
            let vector = self.vectors[index][p].clone();
            self.vectors[index][p] = self.optimizers[slot][p].step(self.n_steps, learning_rate, vector, gradient);
        }
    }
}

fn upload(engine: &Engine, w: &ParamVec) -> Vec<Tensor<3>> {
    let specs = w.layout().specs().iter().enumerate();
    specs
        .map(|(index, spec)| {
            let [rows, columns] = match *spec.shape.as_slice() {
                [n] => [1, n],
                _ => [spec.shape[0], spec.n_values() / spec.shape[0].max(1)],
            };
            let values = w.tensor(ParamId(index)).to_vec();
            Tensor::from_data(TensorData::new(values, [1, rows, columns]), &engine.device)
        })
        .collect()
}
