//! Optimisers on device tensors. Written out instead of burn's, whose momentum cannot be taken out of its state to be saved.

use burn::tensor::{Tensor, TensorData};

use super::fit::{BETA_1, BETA_2, EPSILON, Optimizer};
use super::{ComputeError, Engine, score};

/// An optimiser and what it remembers of one tensor's gradients.
pub(super) struct TensorOptimizer<const D: usize> {
    optimizer: Optimizer,
    /// SGD: the velocity; Adam: the moving means of the gradient and of its square. Empty before the first step.
    moments: Vec<Tensor<D>>,
}

impl<const D: usize> TensorOptimizer<D> {
    pub(super) fn new(optimizer: Optimizer) -> Self {
        Self { optimizer, moments: Vec::new() }
    }

    /// The tensor after a step, which is the `n_steps`-th from 1.
    pub(super) fn step(&mut self, n_steps: u64, rate: f64, tensor: Tensor<D>, gradient: Tensor<D>) -> Tensor<D> {
        // Where nothing is remembered yet all moments are zero.
        let mut moments = std::mem::take(&mut self.moments).into_iter();
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => {
                let velocity = match moments.next() {
                    Some(velocity) => velocity * momentum + gradient.clone(),
                    None => gradient.clone(),
                };
                self.moments = vec![velocity.clone()];
                let change = if nesterov { gradient + velocity * momentum } else { velocity };
                tensor - change * rate
            }
            Optimizer::Adam => {
                let mut mean = |beta: f64, value: Tensor<D>| match moments.next() {
                    Some(mean) => mean * beta + value * (1.0 - beta),
                    None => value * (1.0 - beta),
                };
                let first = mean(BETA_1, gradient.clone());
                let second = mean(BETA_2, gradient.clone() * gradient);
                self.moments = vec![first.clone(), second.clone()];
                let unbias = |beta: f64| 1.0 - beta.powf(n_steps as f64);
                let scale = (second * unbias(BETA_2).recip()).sqrt() + EPSILON;
                tensor - first * (rate / unbias(BETA_1)) / scale
            }
        }
    }

    /// What is remembered, a vector a moment, each of as many values as the tensor has; `n_values` zeros before the first
    /// step.
    pub(super) fn moments(&self, n_values: usize) -> Result<Vec<Vec<f32>>, ComputeError> {
        if self.moments.is_empty() {
            return Ok(vec![vec![0.0; n_values]; self.optimizer.n_moments()]);
        }
        self.moments.iter().map(|moment| score::read(moment.clone())).collect()
    }

    /// Takes up what was remembered of a tensor of this shape.
    pub(super) fn restore(&mut self, engine: &Engine, shape: [usize; D], moments: &[&[f32]]) {
        let upload = |values: &&[f32]| Tensor::from_data(TensorData::new(values.to_vec(), shape), &engine.device);
        self.moments = moments.iter().map(upload).collect();
    }
}
