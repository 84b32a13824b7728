//! The path through a normalising map: `psi(t) = nu^-1(cos(pi t / 2) nu(A) + sin(pi t / 2) nu(B))`, neuron by neuron.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::connect::{ConnectSpec, ConnectStep, Connection, Connector, Cost};
use super::super::{ComputeError, Engine};
use super::map::{HostMap, ROWS_AT_ONCE};
use super::objective::{mixing, output_bias};
use crate::geometry::{Curve, FlowModel, FlowObjective, NeuronShape, Neurons, Path, Stage};
use crate::net::ParamVec;

/// A path that is worked out neuron by neuron, some at a time.
pub(in crate::compute) struct MapPath {
    spec: ConnectSpec,
    map: HostMap,
    neurons: Neurons,
    ends: [Vec<f32>; 2],
    /// nu of the neurons of both ends, `[n, dim]`, as far as they are known.
    latent: [Vec<f32>; 2],
    ts: Vec<f64>,
    /// Points that are done.
    points: Vec<Arc<ParamVec>>,
    /// Neurons of the next point, as far as they are known.
    rows: Vec<f32>,
    /// Largest difference of a coordinate of an end to what the map makes of it there and back.
    inversion_error: f32,
}

impl MapPath {
    /// # Errors
    /// Where no map is given, or one of other neurons or trained for the other family.
    pub(in crate::compute) fn new(
        engine: &Engine,
        spec: ConnectSpec,
        objective: FlowObjective,
    ) -> Result<Self, ComputeError> {
        let unsuited = |reason| ComputeError::Unsuited { family: spec.family.label(), reason };
        let neurons = Neurons::of(&spec.network).map_err(unsuited)?;
        let model = spec.options.flow.as_ref().ok_or_else(|| unsuited(missing(objective)))?;
        check(model, neurons.shape, objective).map_err(unsuited)?;
        Ok(Self {
            map: HostMap::new(engine, model),
            ends: [&spec.a, &spec.b].map(|end| neurons.rows(end)),
            latent: [Vec::new(), Vec::new()],
            ts: Curve::even_ts(spec.points.max(2)),
            points: Vec::new(),
            rows: Vec::new(),
            inversion_error: 0.0,
            neurons,
            spec,
        })
    }

    /// Values of neurons `[n, dim]`.
    fn n_values(&self) -> usize {
        self.ends[0].len()
    }

    /// Some neurons of an end, or of a point.
    fn advance(&mut self) -> Result<(), ComputeError> {
        let n_values = self.n_values();
        let part = |done: usize| done..n_values.min(done + ROWS_AT_ONCE * self.neurons.shape.dim());
        for (end, latent) in self.ends.iter().zip(&mut self.latent) {
            if latent.len() < n_values {
                latent.extend(self.map.forward(&end[part(latent.len())])?);
                return Ok(());
            }
        }
        let (cos, sin) = mixing(self.ts[self.points.len()]);
        let part = part(self.rows.len());
        let [a, b] = self.latent.each_ref().map(|latent| &latent[part.clone()]);
        let mix = |(&a, &b): (&f32, &f32)| (cos * f64::from(a) + sin * f64::from(b)) as f32;
        let mixed: Vec<f32> = a.iter().zip(b).map(mix).collect();
        self.rows.extend(self.map.inverse(&mixed)?);
        if self.rows.len() == n_values {
            self.finish_point();
        }
        Ok(())
    }

    /// Makes a network of the neurons that are there. The ends are A and B themselves; how far the map misses them is noted.
    fn finish_point(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let index = self.points.len();
        let is_first = index == 0;
        if is_first || index + 1 == self.ts.len() {
            let (end, params) = if is_first { (&self.ends[0], &self.spec.a) } else { (&self.ends[1], &self.spec.b) };
            let differences = rows.iter().zip(end).map(|(found, expected)| (found - expected).abs());
            self.inversion_error = differences.fold(self.inversion_error, f32::max);
            self.points.push(Arc::clone(params));
            return;
        }
        let mut point = ParamVec::zeros(Arc::clone(self.spec.network.layout()));
        self.neurons.put_rows(&rows, &mut point);
        if let Some(id) = self.neurons.output_bias {
            let bias = output_bias(self.spec.a.tensor(id), self.spec.b.tensor(id), self.ts[index]);
            point.tensor_mut(id).copy_from_slice(&bias);
        }
        self.points.push(Arc::new(point));
    }

    fn connection(&mut self) -> Connection {
        let stage = Stage::evenly(std::mem::take(&mut self.points));
        let training = &self.map.model().training;
        Connection {
            path: Arc::new(Path::staged(self.spec.family, vec![stage])),
            traces: Vec::new(),
            notes: vec![
                format!("the map was trained for {} steps on {} networks", training.steps, training.n_networks),
                format!(
                    "there and back through the map the weights of A and B change by at most {:.1e}",
                    self.inversion_error
                ),
                "the output's bias, which belongs to no neuron, goes on an arc about the mean of A's and B's"
                    .to_owned(),
            ],
        }
    }
}

impl Connector for MapPath {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        loop {
            self.advance()?;
            if self.points.len() == self.ts.len() {
                return Ok(ConnectStep::Finished(Box::new(self.connection())));
            }
            if budget <= started.elapsed() {
                break;
            }
        }
        let n_values = self.n_values();
        let behind = self.latent[0].len() + self.latent[1].len() + self.points.len() * n_values + self.rows.len();
        let done = behind as f64 / ((self.ts.len() + 2) * n_values) as f64;
        let note = format!("point {} of {}", self.points.len() + 1, self.ts.len());
        Ok(ConnectStep::Working { done, note, path: None })
    }
}

/// Two passes through the map, and one back for each point; the points themselves, and the neurons of both ends behind the map.
pub(in crate::compute) fn path_cost(spec: &ConnectSpec) -> Cost {
    let n_neurons = Neurons::of(&spec.network).map_or(0, |neurons| neurons.n) as f64;
    let n_values = spec.options.flow.as_ref().map_or(0, |model| model.n_trained());
    let n_points = spec.points + 2;
    Cost {
        flops: n_points as f64 * n_neurons * 2.0 * n_values as f64,
        bytes: (n_points * spec.network.layout().len() + n_values) * size_of::<f32>(),
    }
}

fn missing(objective: FlowObjective) -> String {
    let name = match objective {
        FlowObjective::Likelihood => "likelihood",
        FlowObjective::Bijection => "bijection",
    };
    format!(
        "it needs a map of the neurons; `lowroad flow train NET... --objective {name}` trains one, and --flow FILE names it"
    )
}

fn check(model: &FlowModel, neuron: NeuronShape, objective: FlowObjective) -> Result<(), String> {
    if model.training.objective != objective {
        let text = "the map was trained for another family (its --objective)";
        return Err(format!("{text}; {}", missing(objective)));
    }
    let expected = model.config().neuron;
    if expected != neuron {
        return Err(format!("the map is of neurons with {}, these have {}", describe(expected), describe(neuron)));
    }
    Ok(())
}

fn describe(shape: NeuronShape) -> String {
    let bias = if shape.bias { "a bias" } else { "no bias" };
    format!("{} inputs, {bias} and {} outputs", shape.n_inputs, shape.n_outputs)
}
