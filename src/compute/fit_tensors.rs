//! Fitting by tensor operations and automatic differentiation: any network on any device. (`fit_dense.rs` does the same for
//! fully connected networks on the CPU, in fewer passes.)

use std::ops::Range;
use std::sync::Arc;

use burn::optim::momentum::MomentumConfig;
use burn::optim::{Adam, AdamConfig, AdamState, Optimizer as _, Sgd, SgdConfig, SgdState};
use burn::tensor::{Int, Tensor, TensorData, activation};

use super::batches::load;
use super::fit::{FitSpec, Minibatch, Optimizer};
use super::forward::{PointTensors, forward_from};
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamId, ParamVec};

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
}

impl TensorFit {
    pub(super) fn new(engine: &Engine, spec: &FitSpec) -> Self {
        let n_params = spec.network.layout().specs().len();
        let optimizers = |_| (0..n_params).map(|_| OptimizerState::new(spec.optimizer)).collect();
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            trained: spec.trained(),
            vectors: spec.basis.iter().map(|w| upload(engine, w)).collect(),
            optimizers: spec.trained().map(optimizers).collect(),
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
            self.vectors[index][p] = self.optimizers[slot][p].step(learning_rate, vector, gradient);
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
