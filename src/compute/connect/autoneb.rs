//! AutoNEB (Draxler et al. 2018, <https://arxiv.org/abs/1803.00885>): a nudged elastic band between two modes, with pivots added
//! where it cannot follow the valley.
//!
//! In every step each pivot p_i goes down the part of its gradient that is upright on the band,
//!
//! ```text
//! g_i = grad L(p_i) + weight_decay p_i        p_i -= rate v_i,  v_i = 0.9 v_i + (g_i - <g_i, tau_i> tau_i)
//! ```
//!
//! on one minibatch for all pivots, so that their losses can be compared; then the pivots are moved along the band to the
//! spacing that they had when the cycle began (springs of infinite strength). The ends stay where they are. After each cycle
//! the loss is analysed densely between the pivots: its maximum is the *saddle*, and pivots are added where the loss rises
//! most above the line between two of them. The band with the lowest saddle of all cycles is the path. No cycle follows one
//! whose saddle is an end: nothing can be lower.

mod band;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::band::{Band, take_out_tangent};
use super::previews::Previews;
use super::scores::{Scores, forward_flops, gradient_flops};
use super::{ConnectSpec, ConnectStep, Connection, Connector, Cost, Trace};
use crate::compute::descent::Descent;
use crate::compute::gradient::{Gradient, Minibatches};
use crate::compute::{ComputeError, Engine, Optimizer, PointValue};
use crate::geometry::{Path, dense_ts};

const MOMENTUM: f64 = 0.9;

/// How long a band is optimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoNebPreset {
    /// Seven pivots at once and four short cycles, for small networks and first looks.
    #[default]
    Fast,
    /// The paper's: three pivots and fourteen cycles of 1000 or 2000 steps.
    Paper,
}

/// Part of an optimisation between two dense analyses.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cycle {
    n_steps: usize,
    learning_rate: f64,
}

impl AutoNebPreset {
    pub const ALL: [Self; 2] = [Self::Fast, Self::Paper];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Paper => "paper",
        }
    }

    /// Pivots of the first cycle.
    fn n_pivots(self) -> usize {
        match self {
            Self::Fast => 7,
            Self::Paper => 3,
        }
    }

    /// Steps of each cycle, and the factor of the learning rate.
    fn cycles(self) -> Vec<(usize, f64)> {
        match self {
            Self::Fast => vec![(300, 1.0), (200, 1.0), (200, 0.1), (100, 0.01)],
            Self::Paper => {
                [vec![(1000, 1.0); 4], vec![(2000, 1.0); 2], vec![(1000, 0.1); 4], vec![(1000, 0.01); 4]].concat()
            }
        }
    }
}

/// How a band is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoNebOptions {
    pub preset: AutoNebPreset,
    /// Factor of the steps of each cycle.
    pub step_scale: f64,
    /// Of the first cycles.
    pub learning_rate: f64,
    pub batch_size: usize,
    pub weight_decay: f64,
    /// Points between two neighbouring pivots at which the loss is analysed.
    pub dense_points: usize,
    /// The first so many training images that it is analysed on.
    pub dense_images: usize,
}

impl Default for AutoNebOptions {
    /// The paper's, but on a part of the training images and with fewer steps.
    fn default() -> Self {
        Self {
            preset: AutoNebPreset::Fast,
            step_scale: 1.0,
            learning_rate: 0.1,
            batch_size: 512,
            weight_decay: 1e-4,
            dense_points: 9,
            dense_images: 5000,
        }
    }
}

impl AutoNebOptions {
    fn cycles(&self) -> Vec<Cycle> {
        let scaled = |n: usize| (n as f64 * self.step_scale).ceil().max(1.0) as usize;
        let cycle = |(n, factor)| Cycle { n_steps: scaled(n), learning_rate: factor * self.learning_rate };
        self.preset.cycles().into_iter().map(cycle).collect()
    }
}

/// A band whose loss was analysed.
struct Analysed {
    path: Arc<Path>,
    /// Cycles behind it; 0 for the straight line.
    cycle: usize,
    ts: Vec<f64>,
    values: Vec<PointValue>,
}

impl Analysed {
    /// The dense point of the highest loss; NaN counts as infinite.
    fn saddle(&self) -> PointValue {
        let height = |value: &PointValue| if value.loss.is_nan() { f64::INFINITY } else { value.loss };
        let highest = self.values.iter().max_by(|a, b| height(a).total_cmp(&height(b)));
        highest.copied().unwrap_or(PointValue { loss: f64::NAN, accuracy: f64::NAN, n_images: 0 })
    }

    /// Whether no point is higher than the ends.
    fn is_flat(&self) -> bool {
        self.saddle().loss <= self.values[0].loss.max(last(&self.values).loss)
    }

    fn losses(&self) -> impl Iterator<Item = f64> {
        self.values.iter().map(|value| value.loss)
    }
}

enum Phase {
    Descend(Descending),
    Analyse { path: Arc<Path>, ts: Vec<f64>, scores: Box<Scores> },
}

/// A cycle on its way.
struct Descending {
    n_steps_done: u64,
    /// One a pivot.
    descents: Vec<Descent>,
    /// Images of this step.
    indices: Vec<u32>,
    /// Losses and gradients of the pivots that this step has been to.
    found: Vec<(f64, Vec<f32>)>,
    /// Mean loss of the pivots in the step before.
    loss: f64,
}

/// A band that is being optimised.
pub(super) struct AutoNeb {
    engine: Engine,
    spec: ConnectSpec,
    gradient: Gradient,
    minibatches: Minibatches,
    cycles: Vec<Cycle>,
    n_cycles_done: usize,
    band: Band,
    phase: Phase,
    line: Option<Analysed>,
    best: Option<Analysed>,
    previews: Previews,
}

impl AutoNeb {
    pub(super) fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        let options = &spec.options.autoneb;
        let band = Band::straight(&spec.a, &spec.b, options.preset.n_pivots());
        Ok(Self {
            gradient: Gradient::new(engine, &spec.network, &spec.train)?,
            minibatches: Minibatches::new(&spec.train, options.batch_size, spec.seed),
            cycles: options.cycles(),
            n_cycles_done: 0,
            phase: analyse(engine, &spec, &band)?,
            engine: engine.clone(),
            band,
            spec,
            line: None,
            best: None,
            previews: Previews::default(),
        })
    }

    /// The gradient at one pivot; after the last one the band moves.
    fn descend(&mut self) -> Result<(), ComputeError> {
        let Phase::Descend(descending) = &mut self.phase else {
            return Ok(());
        };
        if descending.found.is_empty() {
            descending.indices = self.minibatches.draw();
        }
        let pivot = &self.band.points()[1 + descending.found.len()];
        let (loss, mut gradient) = self.gradient.at(pivot, &descending.indices)?;
        let decay = self.spec.options.autoneb.weight_decay as f32;
        gradient.iter_mut().zip(pivot.trained()).for_each(|(g, w)| *g += decay * w);
        descending.found.push((loss, gradient));
        if descending.found.len() == descending.descents.len() {
            let ends = self.line.as_ref().map_or([f64::NAN; 2], |line| [line.values[0].loss, last(&line.values).loss]);
            descending.move_band(&mut self.band, ends, self.cycles[self.n_cycles_done].learning_rate);
        }
        Ok(())
    }

    /// Whether the cycle's last step was made.
    fn is_cycle_over(&self) -> bool {
        let n_steps = self.cycles[self.n_cycles_done].n_steps as u64;
        matches!(&self.phase, Phase::Descend(descending) if descending.n_steps_done == n_steps)
    }

    /// Keeps what was analysed and goes on to the next cycle, if there is one.
    fn take(&mut self, found: Analysed) -> Option<Connection> {
        if 0 < self.n_cycles_done && self.n_cycles_done < self.cycles.len() {
            let losses: Vec<f64> = found.losses().collect();
            self.band.insert(&losses, self.spec.options.autoneb.dense_points);
        }
        if self.line.is_none() {
            self.line = Some(found);
        } else if self.best.as_ref().is_none_or(|best| found.saddle().loss < best.saddle().loss) {
            self.best = Some(found);
        }
        if self.n_cycles_done == self.cycles.len() || self.best.as_ref().is_some_and(Analysed::is_flat) {
            return self.connection();
        }
        let n_trained = self.spec.network.layout().n_trained();
        let optimizer = Optimizer::Sgd { momentum: MOMENTUM, nesterov: false };
        let n_pivots = self.band.points().len() - 2;
        self.phase = Phase::Descend(Descending {
            n_steps_done: 0,
            descents: (0..n_pivots).map(|_| Descent::new(optimizer, n_trained)).collect(),
            indices: Vec::new(),
            found: Vec::new(),
            loss: f64::NAN,
        });
        None
    }

    /// The band with the lowest saddle, the straight line included.
    fn connection(&mut self) -> Option<Connection> {
        let (line, best) = (self.line.take()?, self.best.take()?);
        let line_saddle = line.saddle();
        let best = if best.saddle().loss < line_saddle.loss { best } else { line };
        let saddle = best.saddle();
        let n_between = self.spec.options.autoneb.dense_points;
        let mut notes = vec![format!(
            "saddle: training loss {:.4}, accuracy {:.2} % (straight line: {:.4}, {:.2} %), the worst of {n_between} points \
             between neighbouring pivots, on {} images",
            saddle.loss,
            100.0 * saddle.accuracy,
            line_saddle.loss,
            100.0 * line_saddle.accuracy,
            saddle.n_images
        )];
        notes.push(match best.cycle {
            0 => "no cycle found a path better than the straight line; a lower learning rate may".to_owned(),
            cycle => format!(
                "{} pivots after cycle {cycle} of {}; {:.2} times as long as the straight line; t is the share of the length",
                best.path.corners().len() - 2,
                self.cycles.len(),
                best.path.length() / self.spec.a.distance(&self.spec.b)
            ),
        });
        let dense: Vec<(f64, f64)> = best.ts.iter().copied().zip(best.losses()).collect();
        let pivots = dense.iter().copied().step_by(n_between + 1).collect();
        let trace = |name: &str, points| Trace { name: name.to_owned(), unit: "nats".to_owned(), points };
        let traces = vec![trace("training loss of the pivots", pivots), trace("training loss along the band", dense)];
        Some(Connection { path: best.path, traces, notes })
    }

    /// Share of all steps that is behind, and what happens now.
    fn progress(&self) -> (f64, String) {
        let n_steps = |cycles: &[Cycle]| cycles.iter().map(|cycle| cycle.n_steps as f64).sum::<f64>();
        let total = n_steps(&self.cycles);
        let behind = n_steps(&self.cycles[..self.n_cycles_done]);
        let n_cycles = self.cycles.len();
        match &self.phase {
            Phase::Descend(descending) => {
                let (cycle, n_pivots) = (self.n_cycles_done + 1, descending.descents.len());
                let note = format!("cycle {cycle} of {n_cycles}, {n_pivots} pivots, loss {:.4}", descending.loss);
                ((behind + descending.n_steps_done as f64) / total, note)
            }
            Phase::Analyse { .. } => (behind / total, "measuring the loss between the pivots".to_owned()),
        }
    }
}

impl Descending {
    /// One step of all pivots down their losses and upright on the band, then back to their spacing.
    fn move_band(&mut self, band: &mut Band, ends: [f64; 2], learning_rate: f64) {
        let mut found = std::mem::take(&mut self.found);
        let losses: Vec<f64> =
            std::iter::once(ends[0]).chain(found.iter().map(|(loss, _)| *loss)).chain([ends[1]]).collect();
        for (index, (_, gradient)) in found.iter_mut().enumerate() {
            let points = &band.points()[index..index + 3];
            let around = [losses[index], losses[index + 1], losses[index + 2]];
            take_out_tangent(gradient, &points[1], [&points[0], &points[2]], around);
        }
        self.n_steps_done += 1;
        for (index, (descent, (_, gradient))) in self.descents.iter_mut().zip(&found).enumerate() {
            descent.step(self.n_steps_done, learning_rate, band.trained_mut(index + 1), &[(1.0, gradient)]);
        }
        band.redistribute();
        self.loss = losses[1..=found.len()].iter().sum::<f64>() / found.len() as f64;
    }
}

impl Connector for AutoNeb {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        loop {
            match &mut self.phase {
                Phase::Descend(_) => {
                    self.descend()?;
                    if self.is_cycle_over() {
                        self.n_cycles_done += 1;
                        self.phase = analyse(&self.engine, &self.spec, &self.band)?;
                    }
                }
                Phase::Analyse { path, ts, scores } => {
                    if scores.step(budget.saturating_sub(started.elapsed()))? {
                        let (path, ts, cycle) = (Arc::clone(path), std::mem::take(ts), self.n_cycles_done);
                        let found = Analysed { path, cycle, ts, values: scores.values().to_vec() };
                        if let Some(connection) = self.take(found) {
                            return Ok(ConnectStep::Finished(Box::new(connection)));
                        }
                    }
                }
            }
            if budget <= started.elapsed() {
                break;
            }
        }
        let (done, note) = self.progress();
        let path = self.previews.when_due(|| Arc::new(self.band.path()));
        Ok(ConnectStep::Working { done, note, path })
    }
}

/// Begins the dense analysis of a band.
fn analyse(engine: &Engine, spec: &ConnectSpec, band: &Band) -> Result<Phase, ComputeError> {
    let options = &spec.options.autoneb;
    let path = Arc::new(band.path());
    let ts = dense_ts(&path, options.dense_points);
    let scores = Scores::new(engine, spec, path.sample(&ts), options.dense_images)?;
    Ok(Phase::Analyse { path, ts, scores: Box::new(scores) })
}

/// What a band takes.
pub(super) fn cost(spec: &ConnectSpec) -> Cost {
    let options = &spec.options.autoneb;
    let cycles = options.cycles();
    // One or two pivots are added after most cycles.
    let n_pivots = |cycle: usize| options.preset.n_pivots() + cycle;
    let n_gradients: usize = cycles.iter().enumerate().map(|(index, cycle)| cycle.n_steps * n_pivots(index)).sum();
    let n_points: usize = (0..=cycles.len()).map(|cycle| (n_pivots(cycle) + 1) * (options.dense_points + 1)).sum();
    let n_analysed = options.dense_images.min(spec.train.n_images());
    let flops = (n_gradients * options.batch_size) as f64 * gradient_flops(&spec.network)
        + (n_points * n_analysed) as f64 * forward_flops(&spec.network);
    // The band, its gradients and velocities, and the best band.
    let bytes = 4 * n_pivots(cycles.len()) * spec.network.layout().len() * size_of::<f32>();
    Cost { flops, bytes }
}

fn last<T>(values: &[T]) -> &T {
    &values[values.len() - 1]
}
