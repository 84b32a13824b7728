//! Fitting by tensor operations and automatic differentiation: any network on any device. (`fit_dense.rs` does the same for
//! fully connected networks on the CPU, in fewer passes.)

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::fit::{FitSpec, Minibatch, OptimizerState};
use super::forward::{Basis, PointTensors, UnitStatistics, is_flat};
use super::gradient_tensors::gradients_at;
use super::optimizer_tensors::TensorOptimizer;
use super::score::read;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, Op, ParamVec};

/// Share of a minibatch's statistics in the running ones (PyTorch's default).
pub(super) const STATISTICS_MOMENTUM: f64 = 0.1;

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
    /// What the trained vectors are pulled back to, `[trained][parameter]`, if they are.
    anchors: Option<Vec<Vec<Tensor<3>>>>,
    n_steps: u64,
    /// Whether the running statistics of batch norm follow the minibatches. Those of a path's bends mean nothing: they are
    /// measured where a point is evaluated.
    updates_statistics: bool,
}

/// Gradients of the trained vectors, `[trained][parameter]`; none where nothing depends on a parameter.
type Gradients = Vec<Vec<Option<Tensor<3>>>>;

impl TensorFit {
    pub(super) fn new(engine: &Engine, spec: &FitSpec) -> Self {
        let n_params = spec.network.layout().specs().len();
        let vector =
            |w: &Arc<ParamVec>| Basis::new(engine, std::slice::from_ref(w)).as_points().into_iter().flatten().collect();
        let optimizers = |_| (0..n_params).map(|_| TensorOptimizer::new(spec.optimizer)).collect();
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            trained: spec.trained(),
            vectors: spec.basis.iter().map(vector).collect(),
            anchors: spec.proximal.as_ref().map(|proximal| proximal.anchors.iter().map(vector).collect()),
            optimizers: spec.trained().map(optimizers).collect(),
            n_steps: 0,
            updates_statistics: spec.family.is_none(),
        }
    }

    /// One vector's values as they are now, in the network's layout.
    pub(super) fn values(&self, index: usize) -> Result<Vec<f32>, ComputeError> {
        let layout = self.network.layout();
        let mut values = vec![0.0; layout.len()];
        for (spec, tensor) in layout.specs().iter().zip(&self.vectors[index]) {
            values[spec.offset..spec.offset + spec.n_values()].copy_from_slice(&read(tensor.clone())?);
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
        let n_points = batch.rows.len();
        let n_images = batch.indices.len() / n_points;
        // Points whose shares of the minibatch go through the network together.
        let n_together = if is_flat(&self.network) { n_points } else { 1 };
        let n_params = self.network.layout().specs().len();
        let mut gradients: Gradients = vec![vec![None; n_params]; self.trained.len()];
        let mut loss = 0.0;
        for (rows, indices) in batch.rows.chunks(n_together).zip(batch.indices.chunks(n_together * n_images)) {
            let part = self.add_gradients(batch, rows, indices, &mut gradients);
            if with_loss {
                let part = read(part)?;
                loss += part.iter().map(|&l| f64::from(l)).sum::<f64>() * rows.len() as f64 / n_points as f64;
            }
        }
        self.n_steps += 1;
        let slots = self.trained.clone().zip(&mut self.optimizers).zip(gradients);
        for (slot, ((vector, states), gradients)) in slots.enumerate() {
            for (p, ((values, state), gradient)) in
                self.vectors[vector].iter_mut().zip(states).zip(gradients).enumerate()
            {
                let Some(gradient) = gradient else { continue };
                *values = state.step(self.n_steps, batch.learning_rate, values.clone(), gradient);
                if let Some(anchors) = &self.anchors {
                    let anchor = anchors[slot][p].clone();
                    *values = (values.clone() + anchor * batch.pull) / (1.0 + batch.pull);
                }
            }
        }
        Ok(if with_loss { loss } else { f64::NAN })
    }

    /// Adds what the points `rows` contribute to the gradients of the trained vectors, each point on an equal share of the
    /// images `indices`. Returns the mean cross-entropy.
    fn add_gradients(
        &mut self,
        batch: &Minibatch<'_>,
        rows: &[Vec<f64>],
        indices: &[u32],
        gradients: &mut Gradients,
    ) -> Tensor<1> {
        let specs = self.network.layout().specs();
        let points: PointTensors =
            (0..specs.len()).map(|p| specs[p].kind.is_trained().then(|| self.combine(p, rows))).collect();
        let found = gradients_at(&self.engine, &self.network, &batch.examples(), indices, &points);
        if self.updates_statistics {
            self.update_statistics(&found.statistics);
        }
        for (p, (gradient, point)) in found.gradients.into_iter().zip(points).enumerate() {
            if let (Some(gradient), Some(point)) = (gradient, point) {
                // The loss is a mean over these rows, the L2 term one of each; both are means over all rows of the batch.
                let decay = batch.weight_decay / rows.len() as f64;
                let gradient = if decay == 0.0 { gradient } else { gradient + point * decay };
                let part = rows.len() as f64 / batch.rows.len() as f64;
                self.chain(p, &gradient, rows, part, gradients);
            }
        }
        found.loss
    }

    /// Moves the running statistics of the trained mode towards those of a minibatch.
    fn update_statistics(&mut self, statistics: &[(NodeId, UnitStatistics)]) {
        let running = &mut self.vectors[self.trained.start];
        for (id, found) in statistics {
            if let Op::BatchNorm { mean, var, .. } = self.network.nodes()[id.0].op {
                for (param, new) in [(mean, found.mean.clone()), (var, found.unbiased_var())] {
                    let old = running[param.0].clone();
                    running[param.0] = old * (1.0 - STATISTICS_MOMENTUM) + new.inner() * STATISTICS_MOMENTUM;
                }
            }
        }
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

    /// Chain rule: to the gradient of trained vector j adds `part * sum_t c_j(t) g(t)`.
    fn chain(&self, p: usize, gradient: &Tensor<3>, rows: &[Vec<f64>], part: f64, gradients: &mut Gradients) {
        let [_, height, width] = gradient.dims();
        for (index, gradients) in self.trained.clone().zip(gradients) {
            let found = if let [row] = rows {
                let factor = row[index] * part;
                if factor == 1.0 { gradient.clone() } else { gradient.clone() * factor }
            } else {
                let weights: Vec<f32> = rows.iter().map(|row| (row[index] * part) as f32).collect();
                let weights = Tensor::<3>::from_data(TensorData::new(weights, [rows.len(), 1, 1]), &self.engine.device);
                (gradient.clone() * weights).sum_dim(0).reshape([1, height, width])
            };
            gradients[p] = Some(match gradients[p].take() {
                Some(sum) => sum + found,
                None => found,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::fit_spec;
    use super::*;
    use crate::geometry::Curve;
    use crate::net::{Conv, GraphBuilder};

    /// Loss of each of two steps on given points, and the vectors afterwards.
    fn run(spec: &FitSpec, rows: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f32>>) {
        let mut fit = TensorFit::new(&Engine::cpu(), spec);
        let indices: Vec<u32> = (0..24).collect();
        let step = |indices: &[u32]| {
            let batch = Minibatch {
                data: &spec.data,
                indices,
                rows,
                learning_rate: spec.learning_rate,
                pull: spec.proximal.as_ref().map_or(0.0, |proximal| spec.learning_rate / proximal.nu),
                weight_decay: spec.weight_decay,
                augmentation: &spec.augmentation,
                seed: spec.seed,
                epoch: 0,
            };
            fit.step(&batch, true).unwrap()
        };
        let losses = indices.chunks(12).map(step).collect();
        (losses, (0..spec.basis.len()).map(|index| fit.values(index).unwrap()).collect())
    }

    /// Two layers with batch norm: convolutions of single pixels, or the same as linear layers.
    fn twin(convolutions: bool) -> Network {
        let shape: &[usize] = if convolutions { &[6, 1, 1] } else { &[6] };
        let (mut graph, x) = GraphBuilder::new(shape);
        let layer = |graph: &mut GraphBuilder, x, name| {
            if convolutions { graph.conv(x, name, Conv::new(5, 1)) } else { graph.linear(x, name, 5, true) }
        };
        let x = layer(&mut graph, x, "a").unwrap();
        let x = graph.batch_norm(x, "norm").unwrap();
        let x = graph.relu(x).unwrap();
        let x = layer(&mut graph, x, "b").unwrap();
        let x = graph.flatten(x).unwrap();
        graph.linear(x, "head", 3, true).unwrap();
        graph.finish("twin").unwrap()
    }

    #[test]
    fn points_one_by_one_and_together_move_the_bends_alike() {
        let bezier = Curve::Bezier { n_bends: 2 };
        let rows: Vec<Vec<f64>> = [0.1, 0.45, 0.8].map(|t| bezier.coefficients(t)).to_vec();
        let (losses, vectors) = run(&fit_spec(twin(true), Some(bezier), 24), &rows);
        let (expected_losses, expected) = run(&fit_spec(twin(false), Some(bezier), 24), &rows);
        for (loss, expected) in losses.iter().zip(&expected_losses) {
            assert!((loss - expected).abs() < 1e-5, "{losses:?} {expected_losses:?}");
        }
        assert_eq!((&vectors[0], &vectors[3]), (&expected[0], &expected[3]));
        for (vector, expected) in vectors.iter().flatten().zip(expected.iter().flatten()) {
            assert!((vector - expected).abs() < 1e-5, "{vector} {expected}");
        }
    }

    #[test]
    fn running_statistics_follow_the_minibatches_of_a_mode_but_not_of_a_path() {
        let (mut graph, x) = GraphBuilder::new(&[4]);
        let x = graph.batch_norm(x, "norm").unwrap();
        graph.linear(x, "head", 3, true).unwrap();
        let spec = fit_spec(graph.finish("norm first").unwrap(), None, 24);
        let layout = Arc::clone(spec.network.layout());
        let (_, vectors) = run(&spec, &[vec![1.0]]);
        let mut expected = spec.basis[0].values()[layout.n_trained()..].to_vec();
        let images = |batch: usize| (0..12).map(move |i| 12 * batch + i);
        let pixel = |image: usize, unit: usize| {
            let mut pixels = [0.0; 4];
            spec.data.inputs().read(image, &mut pixels);
            f64::from(pixels[unit])
        };
        for batch in 0..2 {
            for unit in 0..4 {
                let mean = images(batch).map(|i| pixel(i, unit)).sum::<f64>() / 12.0;
                let var = images(batch).map(|i| (pixel(i, unit) - mean).powi(2)).sum::<f64>() / 11.0;
                for (value, new) in [(unit, mean), (4 + unit, var)] {
                    expected[value] = 0.9 * expected[value] + 0.1 * new as f32;
                }
            }
        }
        for (found, expected) in vectors[0][layout.n_trained()..].iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }

        let chain = Some(Curve::Chain { n_bends: 1 });
        let spec = fit_spec(twin(false), chain, 24);
        let n_trained = spec.network.layout().n_trained();
        let (_, vectors) = run(&spec, &[vec![0.0, 1.0, 0.0]]);
        assert_eq!(vectors[1][n_trained..], spec.basis[1].values()[n_trained..]);
        assert_ne!(vectors[1][..n_trained], spec.basis[1].values()[..n_trained]);
    }
}
