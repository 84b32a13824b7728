//! Fits what lies between: trains the bends of a path so that a random point of it has a low loss (Garipov et al. 2018,
//! section 3), or a single mode, which is a path of one trained point.
//!
//! A path is linear in its bends, so the gradient of a bend is its coefficient times the gradient at the point: only the
//! network at the point goes through automatic differentiation.

mod optimizer;
mod schedule;
mod slice;

pub(super) use optimizer::{BETA_1, BETA_2, EPSILON};
pub use optimizer::{Optimizer, OptimizerState};
pub use schedule::Schedule;
pub use slice::FitSlice;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::batches::{Examples, ImageOrder, check_fit};
use super::evaluate::DataRef;
use super::fit_dense::DenseFit;
use super::fit_lanes::LanesFit;
use super::fit_tensors::TensorFit;
use super::{ComputeError, Engine};
use crate::data::{Attack, Augmentation};
use crate::geometry::{Curve, Path};
use crate::net::{Network, ParamVec};

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
    pub family: Option<Curve>,
    /// A, bends, B; or the mode's initial weights.
    pub basis: Vec<Arc<ParamVec>>,
    pub data: DataRef,
    /// Random changes of the images, drawn anew for each image and epoch.
    pub augmentation: Augmentation,
    /// Epochs to train, those that are behind [`Self::start`] not counted.
    pub epochs: usize,
    pub start: FitStart,
    pub batch_size: usize,
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    pub schedule: Schedule,
    /// L2 factor: `0.5 * weight_decay * |theta(t)|^2` is added to the loss, on the interpolated weights.
    pub weight_decay: f64,
    /// Trains on adversarial examples, made against the point that each share of a minibatch is evaluated at.
    pub attack: Option<Attack>,
    pub sampling: TSampling,
    /// The proximal term of a phase of PAM.
    pub proximal: Option<Proximal>,
    pub seed: u64,
    /// Whether the compute thread hands over a [`FitCheckpoint`] after each epoch, and within long ones.
    pub checkpoints: bool,
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

    /// Epochs when the fit will be done, those before its start included; what the schedule counts.
    fn last_epoch(&self) -> usize {
        self.start.epoch + self.epochs
    }

    /// The rest of this fit, from where it was interrupted.
    pub fn going_on(self, checkpoint: FitCheckpoint) -> Self {
        let FitCheckpoint { vectors, start, .. } = checkpoint;
        Self { basis: vectors, epochs: self.epochs.saturating_sub(start.epoch), start, ..self }
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.data.n_images().div_ceil(self.batch_size.max(1))
    }
}

/// Pulls every trained vector back towards where its phase began, after each step: `w <- (w + s w_0) / (1 + s)` with
/// `s = learning rate / nu` (Tatro et al. 2020; METHODS-ALIGNMENT, section 2.6c).
#[derive(Clone, Debug)]
pub struct Proximal {
    /// `w_0` of each trained vector.
    pub anchors: Vec<Arc<ParamVec>>,
    pub nu: f64,
}

/// Where a fit begins: at rest, or where an earlier one ended or was interrupted.
#[derive(Clone, Debug, Default)]
pub struct FitStart {
    /// Whole epochs that are behind; they count in the schedule.
    pub epoch: usize,
    /// Steps of the next epoch that are behind.
    pub step: usize,
    /// What the optimiser remembers; `None`: nothing yet.
    pub optimizer: Option<Arc<OptimizerState>>,
}

impl FitStart {
    /// Behind so many epochs, with an optimiser at rest.
    pub fn at_epoch(epoch: usize) -> Self {
        Self { epoch, ..Self::default() }
    }
}

/// All that a fit needs to go on as if it had never stopped.
#[derive(Clone, Debug)]
pub struct FitCheckpoint {
    /// The trained vectors, which take their places in the basis.
    pub vectors: Vec<Arc<ParamVec>>,
    /// Where the rest of the fit starts.
    pub start: FitStart,
    /// Mean loss of the minibatches of the epoch that ended, or of the part of one that is behind; of those that this fit
    /// made itself, and NaN where there are none.
    pub loss: f64,
    /// Time that those minibatches took.
    pub spent: Duration,
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
    /// Time that the step took.
    pub spent: Duration,
}

/// Images for one optimisation step, and where on the path they are evaluated.
pub(super) struct Minibatch<'a> {
    pub(super) data: &'a DataRef,
    /// As many for each row of coefficients, in order.
    pub(super) indices: &'a [u32],
    /// Coefficients of the basis, a row a point.
    pub(super) rows: &'a [Vec<f64>],
    pub(super) learning_rate: f64,
    /// `s` of [`Proximal`]; 0 without one.
    pub(super) pull: f64,
    pub(super) weight_decay: f64,
    pub(super) augmentation: &'a Augmentation,
    pub(super) seed: u64,
    pub(super) epoch: usize,
}

impl Minibatch<'_> {
    /// The images as this epoch sees them.
    pub(super) fn examples(&self) -> Examples<'_> {
        Examples::of_epoch(self.data, self.augmentation, self.seed, self.epoch)
    }
}

/// What computes gradients and moves weights.
enum Trainer {
    Dense(Box<DenseFit>),
    Lanes(Box<LanesFit>),
    Tensors(Box<TensorFit>),
}

impl Trainer {
    fn new(engine: &Engine, spec: &FitSpec) -> Self {
        // Only the lanes know the slopes of images.
        if engine.is_gpu() && spec.attack.is_none() {
            return Self::Tensors(Box::new(TensorFit::new(engine, spec)));
        }
        match DenseFit::new(spec) {
            Some(dense) if spec.attack.is_none() => Self::Dense(Box::new(dense)),
            _ => Self::Lanes(Box::new(LanesFit::new(spec))),
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

    fn optimizer_state(&self) -> Result<OptimizerState, ComputeError> {
        match self {
            Self::Dense(dense) => Ok(dense.optimizer_state()),
            Self::Lanes(lanes) => Ok(lanes.optimizer_state()),
            Self::Tensors(tensors) => tensors.optimizer_state(),
        }
    }

    /// `state` has as many moments as the optimiser keeps, all of the right length.
    fn restore(&mut self, state: &OptimizerState) {
        match self {
            Self::Dense(dense) => dense.restore(state),
            Self::Lanes(lanes) => lanes.restore(state),
            Self::Tensors(tensors) => tensors.restore(state),
        }
    }
}

/// A running fit; call [`Self::step`] until it returns `None`.
///
/// Every epoch draws from a stream of its own of the seed's generator, so that a fit that goes on after an interruption
/// sees the same images at the same points as one that was never stopped.
pub struct Fit {
    spec: FitSpec,
    trainer: Trainer,
    rng: ChaCha8Rng,
    order: ImageOrder,
    /// Whole epochs behind, counted from the first fit of a series.
    epoch: usize,
    next_image: usize,
    /// Steps that this fit made.
    step: usize,
    this_epoch: Tally,
}

/// The minibatches of an epoch so far.
#[derive(Clone, Copy, Default)]
struct Tally {
    n_steps: usize,
    /// Their losses, summed.
    loss: f64,
    spent: Duration,
}

impl Fit {
    pub fn new(engine: &Engine, spec: FitSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        check_start(&spec)?;
        let trainer = Trainer::new(engine, &spec);
        Ok(Self::with_trainer(spec, trainer))
    }

    fn with_trainer(spec: FitSpec, mut trainer: Trainer) -> Self {
        let spec = FitSpec { batch_size: spec.batch_size.clamp(1, spec.data.n_images()), ..spec };
        if let Some(state) = &spec.start.optimizer {
            trainer.restore(state);
        }
        let rng = ChaCha8Rng::seed_from_u64(spec.seed);
        let order = ImageOrder::sequential(0);
        let (epoch, n_behind) = (spec.start.epoch, spec.start.step);
        let mut fit = Self { spec, trainer, rng, order, epoch, next_image: 0, step: 0, this_epoch: Tally::default() };
        fit.begin_epoch();
        for _ in 0..n_behind {
            fit.draw_ts(fit.next_images().len());
            fit.next_image = fit.next_images().end;
        }
        fit
    }

    /// Shuffles the images for the epoch that comes.
    fn begin_epoch(&mut self) {
        self.rng = ChaCha8Rng::seed_from_u64(self.spec.seed);
        self.rng.set_stream(self.epoch as u64);
        self.order = ImageOrder::shuffled(self.spec.data.n_images(), self.rng.random());
        self.next_image = 0;
    }

    /// Places in the order of the next minibatch's images.
    fn next_images(&self) -> Range<usize> {
        self.next_image..self.order.len().min(self.next_image + self.spec.batch_size)
    }

    /// One minibatch. `None` when all epochs are done.
    ///
    /// `with_loss`: read the loss back (which waits for a GPU); otherwise it is NaN.
    pub fn step(&mut self, with_loss: bool) -> Result<Option<StepReport>, ComputeError> {
        if self.epoch == self.spec.last_epoch() {
            return Ok(None);
        }
        let started = Instant::now();
        let images = self.next_images();
        let ts = self.draw_ts(images.len());
        let rows: Vec<Vec<f64>> = ts.iter().map(|&t| self.spec.coefficients(t)).collect();
        // Equal shares; images left over sit this minibatch out.
        let n_used = images.len() / ts.len() * ts.len();
        let part = images.start as f64 / self.order.len() as f64;
        let factor = self.spec.schedule.factor(self.epoch, part, self.spec.last_epoch());
        let learning_rate = self.spec.learning_rate * factor;
        let batch = Minibatch {
            data: &self.spec.data,
            indices: self.order.range(images.start..images.start + n_used),
            rows: &rows,
            learning_rate,
            pull: self.spec.proximal.as_ref().map_or(0.0, |proximal| learning_rate / proximal.nu),
            weight_decay: self.spec.weight_decay,
            augmentation: &self.spec.augmentation,
            seed: self.spec.seed,
            epoch: self.epoch,
        };
        let loss = self.trainer.step(&batch, with_loss)?;
        let n_steps = self.spec.epochs * self.spec.steps_per_epoch() - self.spec.start.step;
        let spent = started.elapsed();
        let report = StepReport { epoch: self.epoch, step: self.step, n_steps, loss, spent };
        self.step += 1;
        if images.start == 0 {
            self.this_epoch = Tally::default();
        }
        self.this_epoch.n_steps += 1;
        self.this_epoch.loss += loss;
        self.this_epoch.spent += spent;
        self.next_image = images.end;
        if self.next_image == self.order.len() {
            self.epoch += 1;
            self.begin_epoch();
        }
        Ok(Some(report))
    }

    /// Whole epochs behind this fit, counted from the first fit of a series.
    pub fn epochs_done(&self) -> usize {
        self.epoch
    }

    /// Whether the last step ended an epoch.
    pub fn is_between_epochs(&self) -> bool {
        self.next_image == 0
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

    /// The path whose bends these are; `None` where a single network is trained.
    pub fn path(&self, bends: &[Arc<ParamVec>]) -> Option<Path> {
        let (curve, basis) = (self.spec.family?, &self.spec.basis);
        let (a, b) = (basis.first()?, basis.last()?);
        (bends.len() == curve.n_bends())
            .then(|| Path::new(&self.spec.network, curve, Arc::clone(a), Arc::clone(b), bends.to_vec()))
    }

    /// All that is needed to go on from here.
    pub fn checkpoint(&self) -> Result<FitCheckpoint, ComputeError> {
        let start = FitStart {
            epoch: self.epoch,
            step: self.next_image.div_ceil(self.spec.batch_size),
            optimizer: Some(Arc::new(self.trainer.optimizer_state()?)),
        };
        let Tally { n_steps, loss, spent } = self.this_epoch;
        Ok(FitCheckpoint { vectors: self.trained()?, start, loss: loss / n_steps as f64, spent })
    }

    /// Whether the spec asks for checkpoints.
    pub fn wants_checkpoints(&self) -> bool {
        self.spec.checkpoints
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

/// Whether a fit can begin where its spec says.
fn check_start(spec: &FitSpec) -> Result<(), ComputeError> {
    let steps = spec.steps_per_epoch();
    if spec.start.step != 0 && (steps <= spec.start.step || spec.epochs == 0) {
        let found = spec.start.step;
        return Err(ComputeError::Start(format!("step {found} of an epoch of {steps} steps")));
    }
    let Some(state) = &spec.start.optimizer else {
        return Ok(());
    };
    let expected = vec![spec.network.layout().n_trained(); spec.trained().len() * spec.optimizer.n_moments()];
    let found: Vec<usize> = state.moments.iter().map(Vec::len).collect();
    if found != expected {
        let text = format!("moments of the optimiser of lengths {found:?}, expected {expected:?}");
        return Err(ComputeError::Start(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
