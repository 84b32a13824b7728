//! Fits what lies between: trains the bends of a path so that a random point of it has a low loss (Garipov et al. 2018,
//! section 3), or a single mode, which is a path of one trained point.
//!
//! A path is linear in its bends, so the gradient of a bend is its coefficient times the gradient at the point: only the
//! network at the point goes through automatic differentiation.

use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

use burn::optim::momentum::MomentumConfig;
use burn::optim::{Adam, AdamConfig, AdamState, Optimizer as _, Sgd, SgdConfig, SgdState};
use burn::tensor::{Int, Tensor, TensorData, activation};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::batches::{ImageOrder, check_fit, load};
use super::evaluate::DataRef;
use super::forward::{PointTensors, forward_from};
use super::{ComputeError, Engine};
use crate::geometry::PathFamily;
use crate::net::{Network, NodeId, ParamId, ParamVec};

/// How weights are moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent with Nesterov momentum, as PyTorch computes it.
    Sgd { momentum: f64 },
    /// Kingma & Ba 2015; betas 0.9 and 0.999, epsilon 1e-8.
    Adam,
}

/// The learning rate over the epochs, as a factor of the initial one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    Constant,
    /// Garipov et al. 2018 and Anokhin & Yarotsky 2020: full for half of the epochs, then linearly down to a hundredth at
    /// nine tenths of them.
    Garipov,
    /// Tatro et al. 2020: halved every 20 epochs, and 0.9996 an epoch.
    Halving,
    /// Half a cosine from full to nothing.
    Cosine,
}

impl Schedule {
    pub const ALL: [Self; 4] = [Self::Constant, Self::Garipov, Self::Halving, Self::Cosine];

    /// Factor in `epoch` (from 0) of `n_epochs`.
    pub fn factor(self, epoch: usize, n_epochs: usize) -> f64 {
        let share = epoch as f64 / n_epochs.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Garipov if share <= 0.5 => 1.0,
            Self::Garipov if share <= 0.9 => 1.0 - 0.99 * (share - 0.5) / 0.4,
            Self::Garipov => 0.01,
            Self::Halving => 0.5_f64.powi((epoch / 20) as i32) * 0.9996_f64.powi(epoch as i32),
            Self::Cosine => 0.5 * (1.0 + (share.min(1.0) * TAU / 2.0).cos()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Garipov => "garipov",
            Self::Halving => "halving",
            Self::Cosine => "cosine",
        }
    }
}

/// Where on the path a minibatch is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TSampling {
    /// One uniform t a minibatch (both papers).
    One,
    /// The minibatch in `n` equal shares, each at a t of its own from its n-th of [0, 1]: the same cost, less noise.
    Stratified { n: usize },
}

/// What to fit and how.
#[derive(Clone, Debug)]
pub struct FitSpec {
    pub network: Arc<Network>,
    /// The path's family; `None` trains the single vector of `basis`.
    pub family: Option<PathFamily>,
    /// A, bends, B; or the mode's initial weights.
    pub basis: Vec<Arc<ParamVec>>,
    pub data: DataRef,
    pub epochs: usize,
    /// Epochs already behind this fit when it continues an earlier one; they count in the schedule.
    pub first_epoch: usize,
    pub batch_size: usize,
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    pub schedule: Schedule,
    /// L2 factor: `0.5 * weight_decay * |theta(t)|^2` is added to the loss, on the interpolated weights.
    pub weight_decay: f64,
    pub sampling: TSampling,
    pub seed: u64,
}

impl FitSpec {
    /// Indices in `basis` of what is trained.
    fn trained(&self) -> Range<usize> {
        match self.family {
            None => 0..1,
            Some(family) => 1..1 + family.n_bends(),
        }
    }

    fn coefficients(&self, t: f64) -> Vec<f64> {
        self.family.map_or_else(|| vec![1.0], |family| family.coefficients(t))
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.data.n_images().div_ceil(self.batch_size.max(1))
    }
}

/// What one optimisation step saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Epoch from 0, counted from the first fit of a series.
    pub epoch: usize,
    pub step: usize,
    pub n_steps: usize,
    /// Mean cross-entropy of the minibatch, nats; without the L2 term. Only computed for steps that ask for it.
    pub loss: f64,
}

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

/// A running fit; call [`Self::step`] until it returns `None`.
pub struct Fit {
    engine: Engine,
    spec: FitSpec,
    /// `[basis][parameter]`, each `[1, rows, columns]`.
    vectors: Vec<Vec<Tensor<3>>>,
    /// `[trained][parameter]`.
    optimizers: Vec<Vec<OptimizerState>>,
    rng: ChaCha8Rng,
    order: ImageOrder,
    epoch: usize,
    next_image: usize,
    step: usize,
}

impl Fit {
    pub fn new(engine: &Engine, spec: FitSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let spec = FitSpec { batch_size: spec.batch_size.clamp(1, spec.data.n_images()), ..spec };
        let vectors = spec.basis.iter().map(|w| upload(engine, w)).collect();
        let n_params = spec.network.layout().specs().len();
        let optimizers =
            spec.trained().map(|_| (0..n_params).map(|_| OptimizerState::new(spec.optimizer)).collect()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
        rng.set_stream(spec.first_epoch as u64);
        let order = ImageOrder::shuffled(spec.data.n_images(), rng.random());
        Ok(Self { engine: engine.clone(), vectors, optimizers, rng, order, epoch: 0, next_image: 0, step: 0, spec })
    }

    /// One minibatch. `None` when all epochs are done.
    ///
    /// `with_loss`: read the loss back (which waits for a GPU); otherwise it is NaN.
    pub fn step(&mut self, with_loss: bool) -> Result<Option<StepReport>, ComputeError> {
        if self.epoch == self.spec.epochs {
            return Ok(None);
        }
        let end = self.order.len().min(self.next_image + self.spec.batch_size);
        let batch = load(&self.engine, &self.spec.data, self.order.range(self.next_image..end));
        let labels = batch.label_tensor(&self.engine);
        let loss = self.optimise(batch.images, labels, with_loss)?;
        let report = StepReport {
            epoch: self.spec.first_epoch + self.epoch,
            step: self.step,
            n_steps: self.spec.epochs * self.spec.steps_per_epoch(),
            loss,
        };
        self.step += 1;
        self.next_image = end;
        if self.next_image == self.order.len() {
            self.next_image = 0;
            self.epoch += 1;
            self.order = ImageOrder::shuffled(self.order.len(), self.rng.random());
        }
        Ok(Some(report))
    }

    /// Whole epochs behind this fit, counted from the first fit of a series.
    pub fn epochs_done(&self) -> usize {
        self.spec.first_epoch + self.epoch
    }

    /// The trained vectors as they are now.
    pub fn trained(&self) -> Result<Vec<Arc<ParamVec>>, ComputeError> {
        let layout = self.spec.network.layout();
        self.spec
            .trained()
            .map(|index| {
                let mut values = Vec::with_capacity(layout.len());
                for tensor in &self.vectors[index] {
                    values.extend(super::score::read(tensor.clone())?);
                }
                let found = values.len();
                ParamVec::new(Arc::clone(layout), values).map(Arc::new).ok_or_else(|| {
                    ComputeError::Device(format!("{found} weights came back, expected {}", layout.len()))
                })
            })
            .collect()
    }

    /// t of each share of the next minibatch of `n_images`.
    fn draw_ts(&mut self, n_images: usize) -> Vec<f64> {
        let n = match (self.spec.family, self.spec.sampling) {
            (None, _) | (_, TSampling::One) => 1,
            (Some(_), TSampling::Stratified { n }) => n.clamp(1, n_images),
        };
        (0..n).map(|i| (i as f64 + self.rng.random::<f64>()) / n as f64).collect()
    }

    /// Gradient at the drawn points, then a step of every trained vector.
    fn optimise(&mut self, images: Tensor<2>, labels: Tensor<1, Int>, with_loss: bool) -> Result<f64, ComputeError> {
        let [n_images, n_pixels] = images.dims();
        let ts = self.draw_ts(n_images);
        // Equal shares; images left over sit this minibatch out.
        let share = n_images / ts.len();
        let n_used = share * ts.len();
        let images = images.slice([0..n_used, 0..n_pixels]).reshape([ts.len(), share, n_pixels]);
        let labels: Tensor<3, Int> = labels.slice([0..n_used]).reshape([ts.len(), share, 1]);
        let rows: Vec<Vec<f64>> = ts.iter().map(|&t| self.spec.coefficients(t)).collect();

        let n_params = self.spec.network.layout().specs().len();
        let points: Vec<Tensor<3>> = (0..n_params).map(|p| self.combine(p, &rows)).collect();
        let leaves: Vec<Tensor<3>> = points.iter().map(|w| w.clone().autodiff().require_grad()).collect();
        let params: PointTensors = leaves.iter().cloned().map(Some).collect();
        let logits = forward_from(&self.spec.network, NodeId(0), images.autodiff(), &params, |_, _| {});
        let log_probabilities = activation::log_softmax(logits, 2);
        let loss = log_probabilities.gather(2, labels.autodiff()).mean().neg();
        let mut gradients = loss.backward();

        let epoch = self.spec.first_epoch + self.epoch;
        let n_epochs = self.spec.first_epoch + self.spec.epochs;
        let learning_rate = self.spec.learning_rate * self.spec.schedule.factor(epoch, n_epochs);
        for (p, (leaf, point)) in leaves.iter().zip(points).enumerate() {
            let Some(gradient) = leaf.grad_remove(&mut gradients) else {
                continue;
            };
            // The mean over all shares is taken in the loss; the L2 term is a mean over the points.
            let decay = self.spec.weight_decay / ts.len() as f64;
            let gradient = if decay == 0.0 { gradient } else { gradient + point * decay };
            self.step_parameter(p, &gradient, &rows, learning_rate);
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
        for (slot, index) in self.spec.trained().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_of_the_papers() {
        let garipov = |epoch| Schedule::Garipov.factor(epoch, 100);
        assert_eq!((garipov(0), garipov(50), garipov(95)), (1.0, 1.0, 0.01));
        assert!((garipov(70) - 0.505).abs() < 1e-12 && (garipov(90) - 0.01).abs() < 1e-12);
        assert_eq!(Schedule::Halving.factor(0, 250), 1.0);
        assert!((Schedule::Halving.factor(40, 250) - 0.25 * 0.9996_f64.powi(40)).abs() < 1e-12);
        assert!((Schedule::Cosine.factor(50, 100) - 0.5).abs() < 1e-12);
    }
}
