//! Trains a normalising map, on neurons alone or on the losses of paths.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::batches::{ImageOrder, check_fit, load};
use super::super::fit::{Optimizer, StepReport};
use super::super::optimizer_tensors::TensorOptimizer;
use super::super::score::read;
use super::super::{ComputeError, DataRef, Engine};
use super::map::{FlowMap, HostMap, Latent, ROWS_AT_ONCE};
use super::objective::{PathPoint, negative_log_likelihood, output_bias, path_loss};
use crate::geometry::{FlowConfig, FlowKind, FlowModel, FlowObjective, FlowRole, FlowTraining, Neurons};
use crate::net::{Network, ParamVec};

/// Share of a minibatch's statistics in the running ones (the paper's code).
const STATISTICS_MOMENTUM: f64 = 0.1;

/// What to train, and how.
#[derive(Clone, Debug)]
pub struct FlowSpec {
    pub network: Arc<Network>,
    /// The networks whose neurons, or whose paths, the map is trained on. All of `network`'s layout.
    pub networks: Vec<Arc<ParamVec>>,
    /// Networks whose neurons' likelihood is told of what was trained by likelihood; none need be given.
    pub held_out: Vec<Arc<ParamVec>>,
    /// Images that paths are trained on; the likelihood needs none.
    pub data: DataRef,
    pub config: FlowConfig,
    pub objective: FlowObjective,
    /// Steps to make, those behind `start` not counted.
    pub steps: usize,
    /// Neurons a step for the likelihood, images a step for the bijection.
    pub batch_size: usize,
    /// Of Adam.
    pub learning_rate: f64,
    pub seed: u64,
    /// A map of the same sizes to go on from, with an optimiser at rest.
    pub start: Option<Arc<FlowModel>>,
}

impl FlowSpec {
    /// Steps of one pass over the neurons or the images.
    pub fn steps_per_epoch(&self) -> usize {
        self.n_examples().div_ceil(self.batch_size.max(1)).max(1)
    }

    /// Operations of a step, forward and backward.
    pub fn flops_per_step(&self) -> f64 {
        let roles = self.config.tensors().into_iter().filter(|tensor| matches!(tensor.role, FlowRole::Weight { .. }));
        let weights: f64 = roles.map(|tensor| tensor.shape[0] as f64 * tensor.shape[1] as f64).sum();
        let batch = self.batch_size.min(self.n_examples().max(1)) as f64;
        match self.objective {
            FlowObjective::Likelihood => 6.0 * weights * batch,
            FlowObjective::Bijection => {
                // The neurons of both networks forward, those of the point back; and the images.
                let neurons = Neurons::of(&self.network).map_or(0, |neurons| neurons.n) as f64;
                6.0 * (weights * 3.0 * neurons + self.network.layout().len() as f64 * batch)
            }
        }
    }

    fn n_examples(&self) -> usize {
        match self.objective {
            FlowObjective::Likelihood => {
                Neurons::of(&self.network).map_or(0, |neurons| neurons.n) * self.networks.len()
            }
            FlowObjective::Bijection => self.data.n_images(),
        }
    }
}

/// What a training has come to.
#[derive(Clone, Debug)]
pub struct TrainedFlow {
    pub model: Arc<FlowModel>,
    /// Mean loss of the steps of each epoch that this training had a part in: nats a neuron, or nats an image.
    pub losses: Vec<f64>,
    /// Mean negative log-likelihood of the held-out networks' neurons, nats a neuron; trained by likelihood alone.
    pub held_out_nll: Option<f64>,
}

/// A running training; call [`Self::step`] until it returns `None`.
///
/// Every epoch and every step draws from a stream of its own of the seed's generator, so that a training in parts sees the
/// same minibatches as one in a single part.
pub struct TrainFlow {
    engine: Engine,
    spec: FlowSpec,
    neurons: Neurons,
    /// Neurons of each network, `[n, dim]`.
    rows: Vec<Vec<f32>>,
    map: FlowMap,
    /// Which tensors are trained, with their optimisers.
    optimizers: Vec<(usize, TensorOptimizer<2>)>,
    /// Steps behind the map, those before its start included.
    n_behind: u64,
    /// Steps that this training made.
    step: usize,
    /// Order of the examples in an epoch, by its number.
    order: Option<(u64, ImageOrder)>,
    /// Losses of each epoch, summed, and their number.
    epochs: BTreeMap<u64, (f64, u32)>,
}

impl TrainFlow {
    /// # Errors
    /// Networks without one hidden layer, too few of them, sizes out of range, a start of other sizes, and what has no
    /// gradient: the bijection needs a fast inverse, which IAF has not.
    pub fn new(engine: &Engine, spec: FlowSpec) -> Result<Self, ComputeError> {
        let neurons = Neurons::of(&spec.network).map_err(ComputeError::Flow)?;
        check(&spec, &neurons)?;
        let rows: Vec<Vec<f32>> = spec.networks.iter().map(|params| neurons.rows(params)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(spec.seed);
        let model = match &spec.start {
            Some(model) => FlowModel::clone(model),
            None => FlowModel::untrained(spec.config, training(&spec, &neurons, 0), &rows.concat(), &mut rng)
                .map_err(ComputeError::Flow)?,
        };
        let tensors = spec.config.tensors();
        let trained = (0..tensors.len()).filter(|&index| tensors[index].role != FlowRole::Statistic);
        Ok(Self {
            map: FlowMap::new(engine, &model),
            optimizers: trained.map(|index| (index, TensorOptimizer::new(Optimizer::Adam))).collect(),
            engine: engine.clone(),
            neurons,
            rows,
            n_behind: model.training.steps,
            step: 0,
            order: None,
            epochs: BTreeMap::new(),
            spec,
        })
    }

    /// Works for about `budget`, at least one step; the loss is the mean over its steps. `None` when all are done.
    ///
    /// # Errors
    /// A loss that is no finite number: the rate is too high.
    pub fn step(&mut self, budget: Duration) -> Result<Option<StepReport>, ComputeError> {
        let started = Instant::now();
        let (mut sum, mut n) = (0.0, 0);
        while self.step < self.spec.steps && (n == 0 || started.elapsed() < budget) {
            sum += self.one_step()?;
            n += 1;
        }
        let epoch = (self.n_behind.saturating_sub(1) / self.spec.steps_per_epoch() as u64) as usize;
        let loss = sum / f64::from(n);
        let spent = started.elapsed() / n.max(1);
        Ok((n != 0).then(|| StepReport { epoch, step: self.step - 1, n_steps: self.spec.steps, loss, spent }))
    }

    /// What there is now.
    pub fn trained(&self) -> Result<TrainedFlow, ComputeError> {
        let values = self.map.tensors().iter().map(|tensor| read(tensor.clone())).collect::<Result<_, _>>()?;
        let training = training(&self.spec, &self.neurons, self.n_behind);
        let model = Arc::new(FlowModel::new(self.spec.config, training, values).map_err(ComputeError::Flow)?);
        let wants_nll = self.spec.objective == FlowObjective::Likelihood && !self.spec.held_out.is_empty();
        let held_out_nll = wants_nll.then(|| self.held_out_nll(&model)).transpose()?;
        let losses = self.epochs.values().map(|(sum, n)| sum / f64::from(*n)).collect();
        Ok(TrainedFlow { model, losses, held_out_nll })
    }

    fn held_out_nll(&self, model: &Arc<FlowModel>) -> Result<f64, ComputeError> {
        let dim = self.spec.config.dim();
        let map = HostMap::new(&self.engine, model);
        let (mut sum, mut n) = (0.0, 0.0);
        for params in &self.spec.held_out {
            for rows in self.neurons.rows(params).chunks(ROWS_AT_ONCE * dim) {
                let n_rows = (rows.len() / dim) as f64;
                sum += map.negative_log_likelihood(rows)? * n_rows;
                n += n_rows;
            }
        }
        Ok(sum / n)
    }

    /// One optimisation step; its loss before it.
    fn one_step(&mut self) -> Result<f64, ComputeError> {
        let trained: Vec<usize> = self.optimizers.iter().map(|(index, _)| *index).collect();
        let map = self.map.tracked(&trained);
        let (loss, latent) = match self.spec.objective {
            FlowObjective::Likelihood => self.likelihood(&map),
            FlowObjective::Bijection => self.bijection(&map),
        };
        let value = f64::from(read(loss.clone().inner())?.first().copied().unwrap_or(f32::NAN));
        if !value.is_finite() {
            let text = format!("the loss became {value} in step {}: a lower learning rate may help", self.n_behind + 1);
            return Err(ComputeError::Flow(text));
        }
        let this_epoch = self.epochs.entry(self.n_behind / self.spec.steps_per_epoch() as u64).or_default();
        *this_epoch = (this_epoch.0 + value, this_epoch.1 + 1);
        let mut gradients = loss.backward();
        self.step += 1;
        self.n_behind += 1;
        for (index, optimizer) in &mut self.optimizers {
            if let Some(gradient) = map.tensors()[*index].grad_remove(&mut gradients) {
                let tensor = &mut self.map.tensors_mut()[*index];
                *tensor = optimizer.step(self.step as u64, self.spec.learning_rate, tensor.clone(), gradient);
            }
        }
        self.update_statistics(latent);
        Ok(value)
    }

    fn likelihood(&mut self, map: &FlowMap) -> (Tensor<1>, Latent) {
        let dim = self.spec.config.dim();
        let indices = self.next_examples();
        let row = |index: &u32| {
            let (network, neuron) = (*index as usize / self.neurons.n, *index as usize % self.neurons.n);
            &self.rows[network][neuron * dim..][..dim]
        };
        let values = indices.iter().flat_map(row).copied().collect();
        let latent = map.forward(self.upload(values, [indices.len(), dim]));
        (negative_log_likelihood(&latent), latent)
    }

    fn bijection(&mut self, map: &FlowMap) -> (Tensor<1>, Latent) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.spec.seed);
        // The streams below 2^32 belong to the orders of the epochs.
        rng.set_stream(1 << 32 | self.n_behind);
        let n = self.rows.len();
        let a = rng.random_range(0..n);
        let b = (a + rng.random_range(1..n)) % n;
        let t: f64 = rng.random();
        let bias = |index: usize| self.neurons.output_bias.map(|id| self.spec.networks[index].tensor(id));
        let bias = bias(a).zip(bias(b)).map(|(a, b)| output_bias(a, b, t));
        let point = PathPoint {
            neurons: self
                .upload([&self.rows[a][..], &self.rows[b]].concat(), [2 * self.neurons.n, self.spec.config.dim()]),
            output_bias: bias.map(|bias| self.upload(bias, [1, self.neurons.shape.n_outputs])),
            t,
        };
        let indices = self.next_examples();
        let block = load(&self.engine, &self.spec.data, &indices);
        let labels: Tensor<3, Int> = block.label_tensor(&self.engine).reshape([1, indices.len(), 1]).autodiff();
        let images = block.images.unsqueeze_dim(0).autodiff();
        path_loss(map, &self.spec.network, &self.neurons, point, images, labels)
    }

    /// The examples of the step that comes.
    fn next_examples(&mut self) -> Vec<u32> {
        let per_epoch = self.spec.steps_per_epoch() as u64;
        let (epoch, place) = (self.n_behind / per_epoch, (self.n_behind % per_epoch) as usize);
        let n = self.spec.n_examples();
        let order = match self.order.take() {
            Some((of, order)) if of == epoch => order,
            _ => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.spec.seed);
                rng.set_stream(epoch);
                ImageOrder::shuffled(n, rng.random())
            }
        };
        let first = place * self.spec.batch_size;
        let indices = order.range(first..n.min(first + self.spec.batch_size)).to_vec();
        self.order = Some((epoch, order));
        indices
    }

    /// Rows as a tensor that operations with gradients take.
    fn upload(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), &self.engine.device).autodiff()
    }

    /// Moves the running statistics towards those of what came into the layers.
    fn update_statistics(&mut self, latent: Latent) {
        for (layer, input) in latent.normalised.into_iter().enumerate() {
            let Some(running) = self.spec.config.norm_tensors(layer) else { continue };
            let (var, mean) = input.inner().var_mean_bias(0);
            for (index, new) in running.into_iter().zip([mean, var]) {
                let old = &mut self.map.tensors_mut()[index];
                *old = old.clone() * (1.0 - STATISTICS_MOMENTUM) + new * STATISTICS_MOMENTUM;
            }
        }
    }
}

fn training(spec: &FlowSpec, neurons: &Neurons, steps: u64) -> FlowTraining {
    let (seed, objective) = (spec.seed, spec.objective);
    FlowTraining { objective, steps, seed, n_networks: spec.networks.len(), n_neurons: neurons.n }
}

fn check(spec: &FlowSpec, neurons: &Neurons) -> Result<(), ComputeError> {
    let refuse = |text: String| Err(ComputeError::Flow(text));
    if spec.config.neuron != neurons.shape {
        return refuse(format!("expected sizes for neurons of {:?}, found {:?}", neurons.shape, spec.config.neuron));
    }
    spec.config.check().map_err(ComputeError::Flow)?;
    let mut networks = spec.networks.iter().chain(&spec.held_out);
    if spec.networks.is_empty() || networks.any(|params| params.layout() != spec.network.layout()) {
        return refuse("expected networks of one layout, and at least one".to_owned());
    }
    if spec.batch_size == 0 {
        return refuse("expected minibatches of at least 1, found 0".to_owned());
    }
    if let Some(start) = &spec.start
        && (*start.config() != spec.config || start.training.objective != spec.objective)
    {
        return refuse("the map to go on from has other sizes or was trained for another family".to_owned());
    }
    if spec.objective == FlowObjective::Bijection {
        check_fit(&spec.network, &spec.data)?;
        if spec.config.kind == FlowKind::Iaf {
            return refuse(
                "a bijection needs gradients of the inverse, which IAF computes a coordinate after another: train \
                 RealNVP, or IAF by likelihood"
                    .to_owned(),
            );
        }
        if spec.networks.len() < 2 {
            return refuse(format!(
                "expected at least 2 networks to draw paths between, found {}",
                spec.networks.len()
            ));
        }
    }
    Ok(())
}
