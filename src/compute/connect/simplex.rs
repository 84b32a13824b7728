//! Mode-connecting simplexes (Benton et al. 2021, <https://arxiv.org/abs/2102.13042>): connectors theta_0, theta_1, .. are
//! trained so that both simplexes {A, theta_0, ..} and {B, theta_0, ..} have a low loss everywhere, and are large.
//!
//! One connector after the other, the earlier ones fixed. With V the sum of the squared volumes of both simplexes, the newest
//! connector goes down
//!
//! ```text
//! mean of L(sum_i w_i v_i) over 5 random points of the simplexes + weight_decay |theta|^2 / 2 - lambda log(V + 1e-4)
//! ```
//!
//! where w is uniform over a simplex (a flat Dirichlet distribution). It begins at the mean of A, B and the connectors before
//! it. The first one makes segments, not areas, and takes no part in the volume, as in the paper. The released code adds up
//! the losses of the 5 points; their mean with five times its learning rate takes the same steps.
//!
//! The path is the polygonal chain A, theta_0, theta_1, .., B, whose segments are edges of the simplexes. With one connector
//! it is what a polygonal chain of one bend is fitted to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::previews::Previews;
use super::scores::{Scores, forward_flops, gradient_flops};
use super::{ConnectSpec, ConnectStep, Connection, Connector, Cost};
use crate::compute::descent::Descent;
use crate::compute::gradient::{Gradient, Minibatches};
use crate::compute::{ComputeError, Engine, Optimizer, Schedule};
use crate::geometry::{Curve, Family, Flat, Path, Sample, Stage};
use crate::net::ParamVec;

/// Random points at which each minibatch is evaluated.
const POINTS_A_STEP: usize = 5;
const MOMENTUM: f64 = 0.9;
/// Added to the squared volume, so that its logarithm exists.
const LEAST_VOLUME: f64 = 1e-4;
/// Random points of the finished simplexes whose losses are told.
const MEASURED_POINTS: usize = 32;
/// Training images that they are told on.
const MEASURED_IMAGES: usize = 2000;

/// How simplexes are trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SimplexOptions {
    pub n_connectors: usize,
    /// Epochs for each connector.
    pub epochs: usize,
    pub batch_size: usize,
    /// Of the first epoch; a half cosine leads to zero.
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// The factor lambda of the volume's logarithm.
    pub volume_weight: f64,
}

impl Default for SimplexOptions {
    /// The paper's but for fewer epochs (it takes 25) and two connectors, the fewest that span an area.
    fn default() -> Self {
        Self {
            n_connectors: 2,
            epochs: 10,
            batch_size: 128,
            learning_rate: 0.05,
            weight_decay: 5e-4,
            volume_weight: 1e-6,
        }
    }
}

/// A point of one of the simplexes.
struct Place {
    /// Of A's simplex, not of B's.
    is_with_a: bool,
    /// Barycentric coordinates: of A or B, then of each connector.
    weights: Vec<f64>,
}

/// Simplexes that are being trained.
pub(super) struct SimplexConnector {
    engine: Engine,
    spec: ConnectSpec,
    options: SimplexOptions,
    gradient: Gradient,
    minibatches: Minibatches,
    rng: ChaCha8Rng,
    connectors: Vec<Arc<ParamVec>>,
    descent: Descent,
    /// The flats through A, or B, and the connectors before the newest, once those span something.
    flats: Vec<Flat>,
    n_steps_done: u64,
    /// What this step has seen.
    sum: Vec<f32>,
    indices: Vec<u32>,
    n_points: usize,
    /// Mean loss of the step so far, and of the one before.
    loss: f64,
    last_loss: f64,
    scores: Option<Scores>,
    previews: Previews,
}

impl SimplexConnector {
    pub(super) fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        let options = spec.options.simplex;
        let options = SimplexOptions { n_connectors: options.n_connectors.max(1), ..options };
        let n_trained = spec.network.layout().n_trained();
        let mut connector = Self {
            engine: engine.clone(),
            options,
            gradient: Gradient::new(engine, &spec.network, &spec.train)?,
            minibatches: Minibatches::new(&spec.train, options.batch_size, spec.seed),
            rng: ChaCha8Rng::seed_from_u64(spec.seed),
            connectors: Vec::new(),
            descent: descent(n_trained),
            flats: Vec::new(),
            n_steps_done: 0,
            sum: vec![0.0; n_trained],
            indices: Vec::new(),
            n_points: 0,
            loss: 0.0,
            last_loss: f64::NAN,
            scores: None,
            previews: Previews::default(),
            spec,
        };
        connector.begin_connector();
        Ok(connector)
    }

    /// Adds a connector at the mean of all vertices.
    fn begin_connector(&mut self) {
        let ends = [&self.spec.a, &self.spec.b];
        if !self.connectors.is_empty() {
            self.flats = ends.map(|end| Flat::through(&self.vertices(end))).to_vec();
        }
        let vertices: Vec<Arc<ParamVec>> = ends.into_iter().chain(&self.connectors).cloned().collect();
        let mean = ParamVec::combination(&vertices, &vec![1.0 / vertices.len() as f64; vertices.len()]);
        self.connectors.push(Arc::new(mean));
        self.descent = descent(self.sum.len());
        self.n_steps_done = 0;
    }

    /// A or B and the connectors.
    fn vertices(&self, end: &Arc<ParamVec>) -> Vec<Arc<ParamVec>> {
        std::iter::once(end).chain(&self.connectors).cloned().collect()
    }

    /// A point of one of the simplexes at random, uniform over it.
    fn draw(&mut self) -> Place {
        let is_with_a = self.rng.random();
        // Exponential variates, divided by their sum, are uniform over a simplex.
        let draws: Vec<f64> = (0..=self.connectors.len()).map(|_| -libm::log(1.0 - self.rng.random::<f64>())).collect();
        let sum: f64 = draws.iter().sum();
        Place { is_with_a, weights: draws.iter().map(|draw| draw / sum).collect() }
    }

    fn n_steps(&self) -> usize {
        self.options.epochs.max(1) * self.minibatches.per_epoch()
    }

    /// The gradient at one random point; after the last one of a step the newest connector moves.
    fn advance(&mut self) -> Result<(), ComputeError> {
        if self.n_points == 0 {
            self.indices = self.minibatches.draw();
            self.sum.fill(0.0);
            self.loss = 0.0;
        }
        let place = self.draw();
        let end = if place.is_with_a { &self.spec.a } else { &self.spec.b };
        let point = ParamVec::combination(&self.vertices(end), &place.weights);
        let (loss, gradient) = self.gradient.at(&point, &self.indices)?;
        // The point moves with the newest connector by that one's weight.
        let share = place.weights[place.weights.len() - 1] / POINTS_A_STEP as f64;
        self.sum.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += share as f32 * g);
        self.loss += loss / POINTS_A_STEP as f64;
        self.n_points += 1;
        if self.n_points == POINTS_A_STEP {
            self.n_points = 0;
            self.last_loss = self.loss;
            self.move_connector();
        }
        Ok(())
    }

    fn move_connector(&mut self) {
        let Some(newest) = self.connectors.last_mut() else {
            return;
        };
        let decay = self.options.weight_decay as f32;
        self.sum.iter_mut().zip(newest.trained()).for_each(|(g, w)| *g += decay * w);
        let heights: Vec<Vec<f64>> = self.flats.iter().map(|flat| flat.height(newest)).collect();
        let volumes = self.flats.iter().zip(&heights).map(|(flat, height)| flat.squared_volume_with(height));
        let factor = self.options.volume_weight / (volumes.sum::<f64>() + LEAST_VOLUME);
        for (flat, height) in self.flats.iter().zip(&heights) {
            let factor = factor * flat.gradient_factor();
            self.sum.iter_mut().zip(height).for_each(|(g, h)| *g -= (factor * h) as f32);
        }
        let per_epoch = self.minibatches.per_epoch() as u64;
        let (epoch, step) = ((self.n_steps_done / per_epoch) as usize, self.n_steps_done % per_epoch);
        let part = step as f64 / per_epoch as f64;
        let rate = self.options.learning_rate * Schedule::Cosine.factor(epoch, part, self.options.epochs);
        self.n_steps_done += 1;
        let n_trained = self.sum.len();
        let values = &mut Arc::make_mut(newest).values_mut()[..n_trained];
        self.descent.step(self.n_steps_done, rate, values, &[(1.0, &self.sum)]);
    }

    /// Begins to measure random points of the finished simplexes.
    fn measure(&mut self) -> Result<(), ComputeError> {
        let basis: Vec<Arc<ParamVec>> =
            [&self.spec.a, &self.spec.b].into_iter().chain(&self.connectors).cloned().collect();
        let row = |place: Place| {
            let of_ends = if place.is_with_a { [place.weights[0], 0.0] } else { [0.0, place.weights[0]] };
            [&of_ends, &place.weights[1..]].concat()
        };
        let rows = (0..MEASURED_POINTS).map(|_| row(self.draw())).collect();
        self.scores = Some(Scores::new(&self.engine, &self.spec, Sample { basis, rows }, MEASURED_IMAGES)?);
        Ok(())
    }

    fn connection(&self, scores: &Scores) -> Connection {
        let losses: Vec<f64> = scores.values().iter().map(|value| value.loss).collect();
        let worst = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut notes = vec![format!(
            "training loss at {MEASURED_POINTS} random points of both simplexes: {:.4} on average, at most {worst:.4} \
             ({} images)",
            losses.iter().sum::<f64>() / losses.len() as f64,
            scores.values()[0].n_images
        )];
        let what = match self.connectors.len() {
            1 => "length",
            2 => "area",
            _ => "volume",
        };
        for (name, end) in [("A", &self.spec.a), ("B", &self.spec.b)] {
            let volume = Flat::through(&self.vertices(end)).squared_volume().sqrt();
            notes.push(format!("{what} of the simplex of {name} and the connectors: {volume:.4e}"));
        }
        Connection { path: Arc::new(chain(&self.spec, &self.connectors)), traces: Vec::new(), notes }
    }
}

impl Connector for SimplexConnector {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        loop {
            if let Some(mut scores) = self.scores.take() {
                if scores.step(budget.saturating_sub(started.elapsed()))? {
                    return Ok(ConnectStep::Finished(Box::new(self.connection(&scores))));
                }
                self.scores = Some(scores);
            } else {
                self.advance()?;
                if self.n_steps_done as usize == self.n_steps() {
                    if self.connectors.len() < self.options.n_connectors {
                        self.begin_connector();
                    } else {
                        self.measure()?;
                    }
                }
            }
            if budget <= started.elapsed() {
                break;
            }
        }
        let behind = (self.connectors.len() - 1) as f64 + self.n_steps_done as f64 / self.n_steps() as f64;
        Ok(ConnectStep::Working {
            done: behind / self.options.n_connectors as f64,
            note: format!(
                "connector {} of {}, loss {:.4}",
                self.connectors.len(),
                self.options.n_connectors,
                self.last_loss
            ),
            path: self.previews.when_due(|| Arc::new(chain(&self.spec, &self.connectors))),
        })
    }
}

/// The chain A, connectors, B.
fn chain(spec: &ConnectSpec, connectors: &[Arc<ParamVec>]) -> Path {
    let basis = std::iter::once(&spec.a).chain(connectors).chain([&spec.b]).cloned().collect();
    let curve = Curve::Chain { n_bends: connectors.len() };
    Path::staged(Family::Simplex, vec![Stage::Curve { curve, basis }])
}

fn descent(n_trained: usize) -> Descent {
    Descent::new(Optimizer::Sgd { momentum: MOMENTUM, nesterov: false }, n_trained)
}

/// What simplexes take.
pub(super) fn cost(spec: &ConnectSpec) -> Cost {
    let options = &spec.options.simplex;
    let n_images = options.n_connectors * options.epochs * POINTS_A_STEP * spec.train.n_images();
    let measured = MEASURED_POINTS * MEASURED_IMAGES.min(spec.train.n_images());
    let flops = n_images as f64 * gradient_flops(&spec.network) + measured as f64 * forward_flops(&spec.network);
    // The connectors, a point, a gradient, a velocity, and two flats in f64.
    let n_vectors = options.n_connectors + 3 + 4 * options.n_connectors.saturating_sub(1);
    Cost { flops, bytes: n_vectors * spec.network.layout().len() * size_of::<f32>() }
}
