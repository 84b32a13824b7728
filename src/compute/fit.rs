//! Fits what lies between: trains the bends of a path so that a random point of it has a low loss (Garipov et al. 2018,
//! section 3), or a single mode, which is a path of one trained point.
//!
//! A path is linear in its bends, so the gradient of a bend is its coefficient times the gradient at the point: only the
//! network at the point goes through automatic differentiation.

use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::batches::{ImageOrder, check_fit};
use super::evaluate::DataRef;
use super::fit_dense::DenseFit;
use super::fit_lanes::LanesFit;
use super::fit_tensors::TensorFit;
use super::{ComputeError, Engine};
use crate::geometry::PathFamily;
use crate::net::{Network, ParamVec};

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
    pub(super) fn trained(&self) -> Range<usize> {
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

/// Images for one optimisation step, and where on the path they are evaluated.
pub(super) struct Minibatch<'a> {
    pub(super) data: &'a DataRef,
    /// As many for each row of coefficients, in order.
    pub(super) indices: &'a [u32],
    /// Coefficients of the basis, a row a point.
    pub(super) rows: &'a [Vec<f64>],
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
}

/// What computes gradients and moves weights.
enum Trainer {
    Dense(Box<DenseFit>),
    Lanes(Box<LanesFit>),
    Tensors(Box<TensorFit>),
}

impl Trainer {
    fn new(engine: &Engine, spec: &FitSpec) -> Self {
        if engine.is_gpu() {
            return Self::Tensors(Box::new(TensorFit::new(engine, spec)));
        }
        match DenseFit::new(spec) {
            Some(dense) => Self::Dense(Box::new(dense)),
            None => Self::Lanes(Box::new(LanesFit::new(spec))),
        }
    }

    fn step(&mut self, batch: &Minibatch<'_>, with_loss: bool) -> Result<f64, ComputeError> {
        match self {
            Self::Dense(dense) => Ok(dense.step(batch)),
            Self::Lanes(lanes) => Ok(lanes.step(batch)),
            Self::Tensors(tensors) => tensors.step(batch, with_loss),
        }
    }

    fn values(&self, index: usize) -> Result<Vec<f32>, ComputeError> {
        match self {
            Self::Dense(dense) => Ok(dense.values(index)),
            Self::Lanes(lanes) => Ok(lanes.values(index)),
            Self::Tensors(tensors) => tensors.values(index),
        }
    }
}

/// A running fit; call [`Self::step`] until it returns `None`.
pub struct Fit {
    spec: FitSpec,
    trainer: Trainer,
    rng: ChaCha8Rng,
    order: ImageOrder,
    epoch: usize,
    next_image: usize,
    step: usize,
}

impl Fit {
    pub fn new(engine: &Engine, spec: FitSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let trainer = Trainer::new(engine, &spec);
        Ok(Self::with_trainer(spec, trainer))
    }

    fn with_trainer(spec: FitSpec, trainer: Trainer) -> Self {
        let spec = FitSpec { batch_size: spec.batch_size.clamp(1, spec.data.n_images()), ..spec };
        let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
        rng.set_stream(spec.first_epoch as u64);
        let order = ImageOrder::shuffled(spec.data.n_images(), rng.random());
        Self { trainer, rng, order, epoch: 0, next_image: 0, step: 0, spec }
    }

    /// One minibatch. `None` when all epochs are done.
    ///
    /// `with_loss`: read the loss back (which waits for a GPU); otherwise it is NaN.
    pub fn step(&mut self, with_loss: bool) -> Result<Option<StepReport>, ComputeError> {
        if self.epoch == self.spec.epochs {
            return Ok(None);
        }
        let end = self.order.len().min(self.next_image + self.spec.batch_size);
        let ts = self.draw_ts(end - self.next_image);
        let rows: Vec<Vec<f64>> = ts.iter().map(|&t| self.spec.coefficients(t)).collect();
        // Equal shares; images left over sit this minibatch out.
        let n_used = (end - self.next_image) / ts.len() * ts.len();
        let epoch = self.spec.first_epoch + self.epoch;
        let n_epochs = self.spec.first_epoch + self.spec.epochs;
        let batch = Minibatch {
            data: &self.spec.data,
            indices: self.order.range(self.next_image..self.next_image + n_used),
            rows: &rows,
            learning_rate: self.spec.learning_rate * self.spec.schedule.factor(epoch, n_epochs),
            weight_decay: self.spec.weight_decay,
        };
        let loss = self.trainer.step(&batch, with_loss)?;
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
                let values = self.trainer.values(index)?;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Normalization, SplitName, optdigits};
    use crate::net::op::Window;
    use crate::net::{Conv, GraphBuilder, zoo};

    /// Vectors and losses after some steps with one trainer.
    fn run(spec: &FitSpec, trainer: Trainer) -> (Vec<f64>, Vec<Arc<ParamVec>>) {
        let mut fit = Fit::with_trainer(spec.clone(), trainer);
        let mut losses = Vec::new();
        while let Some(report) = fit.step(true).unwrap() {
            losses.push(report.loss);
        }
        (losses, fit.trained().unwrap())
    }

    /// Checks that a trainer and automatic differentiation go the same way.
    fn check(spec: &FitSpec, trainer: Trainer, tolerance: f32) {
        let name = spec.network.name();
        let (losses, vectors) = run(spec, trainer);
        let tensors = Trainer::Tensors(Box::new(TensorFit::new(&Engine::cpu(), spec)));
        let (expected_losses, expected) = run(spec, tensors);
        assert_eq!(losses.len(), spec.epochs * spec.steps_per_epoch());
        for (l, e) in losses.iter().zip(&expected_losses) {
            assert!((l - e).abs() < 1e-5 * e, "{name}: {losses:?} {expected_losses:?}");
        }
        for (v, e) in vectors.iter().zip(&expected) {
            for (v, e) in v.values().iter().zip(e.values()) {
                assert!((v - e).abs() < tolerance, "{name}: {v} {e}");
            }
        }
    }

    /// A fit on a few digits, from random weights.
    fn spec(network: Network, family: Option<PathFamily>, optimizer: Optimizer, sampling: TSampling) -> FitSpec {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let n_basis = family.map_or(1, |family| family.n_bends() + 2);
        let basis = (0..n_basis).map(|_| Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng)));
        FitSpec {
            basis: basis.collect(),
            network: Arc::new(network),
            family,
            data: DataRef {
                dataset: Arc::new(optdigits()),
                split: SplitName::Train,
                normalization: Normalization::identity(1),
                limit: Some(90),
            },
            epochs: 3,
            first_epoch: 0,
            // The last batch is smaller, and no multiple of a block.
            batch_size: 35,
            optimizer,
            learning_rate: if optimizer == Optimizer::Adam { 1e-3 } else { 0.05 },
            schedule: Schedule::Cosine,
            weight_decay: 1e-3,
            sampling,
            seed: 1,
        }
    }

    const MOMENTUM: Optimizer = Optimizer::Sgd { momentum: 0.9 };
    const BEZIER: Option<PathFamily> = Some(PathFamily::Bezier { n_bends: 2 });
    const CHAIN: Option<PathFamily> = Some(PathFamily::Chain { n_bends: 1 });

    #[test]
    fn the_gradient_by_hand_and_automatic_differentiation_agree() {
        for (hidden, bias, family, optimizer, sampling) in [
            (&[][..], true, None, MOMENTUM, TSampling::One),
            (&[37], true, CHAIN, MOMENTUM, TSampling::One),
            (&[40], false, BEZIER, MOMENTUM, TSampling::Stratified { n: 3 }),
            (&[50, 33], true, BEZIER, Optimizer::Adam, TSampling::One),
            (&[20, 64, 12], true, None, Optimizer::Adam, TSampling::One),
        ] {
            let sizes: Vec<usize> = [&[64], hidden, &[10]].concat();
            let spec = spec(zoo::mlp(&sizes, bias).unwrap(), family, optimizer, sampling);
            check(&spec, Trainer::Dense(Box::new(DenseFit::new(&spec).unwrap())), 2e-5);
            check(&spec, Trainer::Lanes(Box::new(LanesFit::new(&spec))), 2e-5);
        }
    }

    /// Two convolutions with batch norm, the second over a shortcut, and an auxiliary head.
    fn convolutional() -> Network {
        let (mut graph, input) = GraphBuilder::new(&[1, 8, 8]);
        let x = graph.conv(input, "conv1", Conv::new(6, 3).padding(1).stride(2).no_bias()).unwrap();
        let x = graph.batch_norm(x, "bn1").unwrap();
        let x = graph.relu(x).unwrap();
        let y = graph.conv(x, "conv2", Conv::new(6, 3).padding(1)).unwrap();
        let y = graph.batch_norm(y, "bn2").unwrap();
        let sum = graph.add(x, y).unwrap();
        let x = graph.relu(sum).unwrap();
        let x = graph.max_pool(x, Window::square(2)).unwrap();
        let x = graph.flatten(x).unwrap();
        let head = graph.linear(x, "aux", 10, true).unwrap();
        graph.aux_head(head, 0.3);
        graph.linear(x, "fc", 10, true).unwrap();
        graph.finish("convolutional").unwrap()
    }

    #[test]
    fn lanes_and_automatic_differentiation_agree_on_convolutions_and_batch_norm() {
        for (family, optimizer, sampling) in [
            (None, MOMENTUM, TSampling::One),
            (BEZIER, MOMENTUM, TSampling::Stratified { n: 2 }),
            (CHAIN, MOMENTUM, TSampling::One),
        ] {
            let spec = spec(convolutional(), family, optimizer, sampling);
            check(&spec, Trainer::Lanes(Box::new(LanesFit::new(&spec))), 2e-4);
        }
    }

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
