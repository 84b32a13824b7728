//! Layer-wise connectivity (Tian et al. 2026, <https://arxiv.org/abs/2505.02604>): small moves towards B, layer group by layer
//! group from the images on, with training in between until the loss is low again.
//!
//! A group is a linear or convolutional layer with its bias and the normalisation behind it. Each goes to its place in B on a
//! straight line, in moves of `step_size` of its distance; after each move the groups behind it are trained on minibatches
//! until the mean loss of the last of them is below a threshold. Groups that have arrived stay. Nothing is trained behind the
//! last group, whose way is straight and on which the loss is convex where it is linear: at its ends stand a network that was
//! trained and B.
//!
//! (The authors' code unlocks groups by a clock and also trains the one that moves; here every group arrives exactly.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::previews::Previews;
use super::scores::gradient_flops;
use super::{ConnectSpec, ConnectStep, Connection, Connector, Cost, Trace};
use crate::compute::descent::Descent;
use crate::compute::gradient::{Gradient, Minibatches};
use crate::compute::{ComputeError, Engine, Optimizer};
use crate::geometry::{Family, Path, Stage};
use crate::net::{Network, ParamId, ParamKind, ParamVec};

/// How groups of layers are moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerwiseOptions {
    /// Share of a group's distance to B of one move (the paper takes 0.001).
    pub step_size: f64,
    /// Training ends once the mean loss of the last minibatches is below this.
    pub loss_threshold: f64,
    /// How many minibatches that mean is over.
    pub loss_window: usize,
    /// The most training steps after a move.
    pub max_steps: usize,
    pub optimizer: Optimizer,
    pub learning_rate: f64,
    pub batch_size: usize,
    /// The path is thinned to this many points as it grows.
    pub max_points: usize,
}

impl Default for LayerwiseOptions {
    /// The paper's threshold, with fewer moves.
    fn default() -> Self {
        Self {
            step_size: 0.05,
            loss_threshold: 0.05,
            loss_window: 8,
            max_steps: 200,
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            batch_size: 128,
            max_points: 65,
        }
    }
}

impl LayerwiseOptions {
    /// Moves of each group.
    fn n_moves(&self) -> usize {
        (1.0 / self.step_size.clamp(1e-6, 1.0)).ceil() as usize
    }

    /// Minibatches of the mean loss.
    fn window(&self) -> usize {
        self.loss_window.min(self.max_steps).max(1)
    }
}

/// Layers that move together.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    tensors: Vec<ParamId>,
    /// Where the trained values of the groups behind it begin.
    end: usize,
}

/// In order of depth, which is also the order of the flat vector's trained part.
fn groups(network: &Network) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, spec) in network.layout().specs().iter().enumerate() {
        if groups.is_empty() || spec.kind == ParamKind::Weight {
            groups.push(Group { tensors: Vec::new(), end: 0 });
        }
        if let Some(group) = groups.last_mut() {
            group.tensors.push(ParamId(index));
            if spec.kind.is_trained() {
                group.end = spec.offset + spec.n_values();
            }
        }
    }
    groups
}

/// The points of a path that is being made, thinned to a fixed number by the distance between them.
struct Trail {
    most: usize,
    /// The least distance between kept points.
    spacing: f64,
    /// Kept points, and the distance travelled up to each.
    kept: Vec<(f64, Arc<ParamVec>)>,
    newest: Arc<ParamVec>,
    travelled: f64,
}

impl Trail {
    /// `expected`: about how long the path will be.
    fn new(start: &Arc<ParamVec>, most: usize, expected: f64) -> Self {
        let most = most.max(3);
        let (kept, newest) = (vec![(0.0, Arc::clone(start))], Arc::clone(start));
        Self { most, spacing: expected / most as f64, kept, newest, travelled: 0.0 }
    }

    /// The distance travelled with it.
    fn go_to(&mut self, point: Arc<ParamVec>) -> f64 {
        self.travelled += self.newest.distance(&point);
        let last = self.kept.last().map_or(0.0, |(travelled, _)| *travelled);
        if 0.0 < self.travelled - last && self.spacing <= self.travelled - last {
            self.kept.push((self.travelled, Arc::clone(&point)));
            if self.kept.len() == self.most {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.spacing *= 2.0;
            }
        }
        self.newest = point;
        self.travelled
    }

    /// The polyline through the kept points and straight on to `end`; t is the share of the distance travelled.
    fn path(&self, end: &Arc<ParamVec>) -> Path {
        let total = self.travelled + self.newest.distance(end);
        let mut kept = self.kept.clone();
        if 1 < kept.len() && kept.last().is_some_and(|(travelled, _)| *travelled == total) {
            kept.pop();
        }
        let mut times: Vec<f64> = kept.iter().map(|(travelled, _)| travelled / total.max(f64::MIN_POSITIVE)).collect();
        let mut points: Vec<Arc<ParamVec>> = kept.into_iter().map(|(_, point)| point).collect();
        times.push(1.0);
        points.push(Arc::clone(end));
        Path::staged(Family::Layerwise, vec![Stage::Polyline { times, points }])
    }
}

/// Layers on their way.
pub(super) struct Layerwise {
    spec: ConnectSpec,
    gradient: Gradient,
    minibatches: Minibatches,
    groups: Vec<Group>,
    /// The group that moves, and its moves so far.
    group: usize,
    n_moves_done: usize,
    /// The network when the group began to move.
    origin: Arc<ParamVec>,
    here: Arc<ParamVec>,
    /// Of the groups behind the one that moves.
    descent: Descent,
    n_steps_done: u64,
    /// Losses of the minibatches since the last move.
    losses: Vec<f64>,
    trail: Trail,
    /// Distance travelled and loss, after each move and its training.
    record: Vec<(f64, f64)>,
    /// Moves whose training did not reach the threshold.
    n_exceeded: usize,
    previews: Previews,
}

impl Layerwise {
    pub(super) fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        let options = &spec.options.layerwise;
        let mut layerwise = Self {
            gradient: Gradient::new(engine, &spec.network, &spec.train)?,
            minibatches: Minibatches::new(&spec.train, options.batch_size, spec.seed),
            groups: groups(&spec.network),
            group: 0,
            n_moves_done: 0,
            origin: Arc::clone(&spec.a),
            here: Arc::clone(&spec.a),
            descent: Descent::new(options.optimizer, 0),
            n_steps_done: 0,
            losses: Vec::new(),
            trail: Trail::new(&spec.a, options.max_points, spec.a.distance(&spec.b)),
            record: Vec::new(),
            n_exceeded: 0,
            previews: Previews::default(),
            spec,
        };
        layerwise.begin_group();
        layerwise.make_move();
        Ok(layerwise)
    }

    /// Trained values behind the group that moves.
    fn n_behind(&self) -> usize {
        self.spec.network.layout().n_trained() - self.groups[self.group].end
    }

    fn begin_group(&mut self) {
        self.origin = Arc::clone(&self.here);
        self.n_moves_done = 0;
        self.descent = Descent::new(self.spec.options.layerwise.optimizer, self.n_behind());
        self.n_steps_done = 0;
    }

    /// Moves the group on towards B.
    fn make_move(&mut self) {
        let n_moves = self.spec.options.layerwise.n_moves();
        self.n_moves_done += 1;
        let share = self.n_moves_done as f64 / n_moves as f64;
        let here = Arc::make_mut(&mut self.here);
        for &id in &self.groups[self.group].tensors {
            let ends = self.origin.tensor(id).iter().zip(self.spec.b.tensor(id));
            for (value, (&from, &to)) in here.tensor_mut(id).iter_mut().zip(ends) {
                let between = (1.0 - share) * f64::from(from) + share * f64::from(to);
                *value = if self.n_moves_done == n_moves { to } else { between as f32 };
            }
        }
        self.losses.clear();
    }

    /// One minibatch: its loss, and a step of the groups behind unless that was the last one. Whether the next move may come.
    fn train(&mut self) -> Result<bool, ComputeError> {
        let indices = self.minibatches.draw();
        let (loss, gradient) = self.gradient.at(&self.here, &indices)?;
        self.losses.push(loss);
        let options = &self.spec.options.layerwise;
        let n_seen = self.losses.len();
        let is_measured = options.window() <= n_seen;
        if is_measured && (self.n_behind() == 0 || self.recent_loss() < options.loss_threshold) {
            return Ok(true);
        }
        if options.max_steps <= n_seen {
            self.n_exceeded += 1;
            return Ok(true);
        }
        let behind = self.groups[self.group].end..gradient.len();
        self.n_steps_done += 1;
        let weights = &mut Arc::make_mut(&mut self.here).values_mut()[behind.clone()];
        self.descent.step(self.n_steps_done, options.learning_rate, weights, &[(1.0, &gradient[behind])]);
        Ok(false)
    }

    /// Mean loss of the last minibatches.
    fn recent_loss(&self) -> f64 {
        let first = self.losses.len().saturating_sub(self.spec.options.layerwise.window());
        let recent = &self.losses[first..];
        recent.iter().sum::<f64>() / recent.len() as f64
    }

    /// Keeps the point that was reached and makes the next move; `false` once B is reached.
    fn go_on(&mut self) -> bool {
        let travelled = self.trail.go_to(Arc::clone(&self.here));
        self.record.push((travelled, self.recent_loss()));
        if self.n_moves_done == self.spec.options.layerwise.n_moves() {
            if self.group + 1 == self.groups.len() {
                return false;
            }
            self.group += 1;
            self.begin_group();
        }
        self.make_move();
        true
    }

    fn connection(&self) -> Connection {
        let options = &self.spec.options.layerwise;
        let path = self.trail.path(&self.spec.b);
        let total = self.trail.travelled.max(f64::MIN_POSITIVE);
        let points: Vec<(f64, f64)> = self.record.iter().map(|&(travelled, loss)| (travelled / total, loss)).collect();
        let worst = points.iter().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max);
        let mut notes = vec![format!(
            "{} moves of {} layer groups, training loss after each at most {worst:.4}; {} points kept, t is the share \
             of the distance travelled, {:.2} times the straight one",
            self.record.len(),
            self.groups.len(),
            path.corners().len(),
            self.trail.travelled / self.spec.a.distance(&self.spec.b)
        )];
        if 0 < self.n_exceeded {
            notes.push(format!(
                "after {} moves {} training steps did not bring the loss below {}",
                self.n_exceeded, options.max_steps, options.loss_threshold
            ));
        }
        let trace = Trace { name: "training loss after each move".to_owned(), unit: "nats".to_owned(), points };
        Connection { path: Arc::new(path), traces: vec![trace], notes }
    }
}

impl Connector for Layerwise {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        loop {
            if self.train()? && !self.go_on() {
                return Ok(ConnectStep::Finished(Box::new(self.connection())));
            }
            if budget <= started.elapsed() {
                break;
            }
        }
        let n_moves = self.spec.options.layerwise.n_moves();
        Ok(ConnectStep::Working {
            done: (self.group * n_moves + self.n_moves_done - 1) as f64 / (self.groups.len() * n_moves) as f64,
            note: format!(
                "layer group {} of {}, move {} of {n_moves}, loss {:.4}",
                self.group + 1,
                self.groups.len(),
                self.n_moves_done,
                self.record.last().map_or(f64::NAN, |(_, loss)| *loss)
            ),
            path: self.previews.when_due(|| Arc::new(self.trail.path(&self.spec.b))),
        })
    }
}

/// What a layer-wise path takes at most: the threshold is usually reached sooner.
pub(super) fn cost(spec: &ConnectSpec) -> Cost {
    let options = &spec.options.layerwise;
    let n_steps = groups(&spec.network).len() * options.n_moves() * options.max_steps;
    let flops = (n_steps * options.batch_size) as f64 * gradient_flops(&spec.network);
    // The points kept, where the group began, here, a gradient and what the optimiser remembers.
    let n_vectors = options.max_points + 3 + options.optimizer.n_moments();
    Cost { flops, bytes: n_vectors * spec.network.layout().len() * size_of::<f32>() }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_data::params;
    use super::*;
    use crate::net::{Conv, GraphBuilder, zoo};

    #[test]
    fn a_group_is_a_layer_with_its_bias_and_normalisation() {
        let (mut graph, x) = GraphBuilder::new(&[2, 4, 4]);
        let x = graph.conv(x, "conv", Conv::new(3, 1)).unwrap();
        let x = graph.batch_norm(x, "norm").unwrap();
        let x = graph.flatten(x).unwrap();
        graph.linear(x, "head", 5, true).unwrap();
        let network = graph.finish("two groups").unwrap();
        let layout = network.layout();
        let groups = groups(&network);
        let names = |group: &Group| -> Vec<&str> {
            group.tensors.iter().map(|&id| layout.spec(id).name.split('.').next().unwrap()).collect()
        };
        assert_eq!(groups.len(), 2);
        assert!(names(&groups[0]).iter().all(|name| ["conv", "norm"].contains(name)));
        assert_eq!(names(&groups[1]), ["head", "head"]);
        assert_eq!(groups[1].end, layout.n_trained());
        let head = groups[1].tensors[0];
        assert_eq!(groups[0].end, layout.spec(head).offset);
    }

    #[test]
    fn a_trail_keeps_few_points_and_both_ends() {
        let network = zoo::mlp(&[4, 3], true).unwrap();
        let points: Vec<Arc<ParamVec>> = (0..100).map(|seed| params(&network, seed)).collect();
        let mut trail = Trail::new(&points[0], 10, 1.0);
        for point in &points[1..] {
            trail.go_to(Arc::clone(point));
            assert!(trail.kept.len() < 10);
        }
        let path = trail.path(&points[99]);
        assert!((4..=10).contains(&path.corners().len()));
        assert_eq!((path.start(), path.end()), (&points[0], &points[99]));
    }

    #[test]
    fn a_trail_that_goes_nowhere_is_still_a_path() {
        let network = zoo::mlp(&[4, 3], true).unwrap();
        let point = params(&network, 0);
        let mut trail = Trail::new(&point, 10, 0.0);
        trail.go_to(Arc::clone(&point));
        let path = trail.path(&point);
        assert_eq!(path.point(0.5), *point);
    }
}
