//! A map on the device, with or without automatic differentiation.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::super::score::read;
use super::super::{ComputeError, Engine};
use super::iaf;
use super::objective::negative_log_likelihood;
use crate::geometry::{FlowConfig, FlowKind, FlowModel, FlowRole};

/// Added to running variances (the paper's code).
pub(super) const NORM_EPSILON: f32 = 1e-6;

/// Neurons that go through a map together where nothing is remembered for gradients: so many that the device is busy, so few
/// that a part of a path does not keep others waiting.
pub(super) const ROWS_AT_ONCE: usize = 512;

/// nu and, where there is a fast one, its inverse.
pub(super) struct FlowMap {
    config: FlowConfig,
    /// In the order of [`FlowConfig::tensors`].
    tensors: Vec<Tensor<2>>,
    /// What the weights of IAF layers are multiplied with.
    masks: Vec<Option<Tensor<2>>>,
    /// Coordinates in the order of the layers, and places of the coordinates in that order.
    order: [Tensor<1, Int>; 2],
    standardisation_log_det: f64,
}

/// Neurons behind a map.
pub(super) struct Latent {
    /// `[n, dim]`, coordinates in the order of [`FlowConfig::order`].
    pub(super) values: Tensor<2>,
    /// `ln |det d nu / d theta|` for each neuron, `[n, 1]`.
    pub(super) log_det: Tensor<2>,
    /// What came into each layer, `[n, dim]`, for its running statistics; empty without batch norm.
    pub(super) normalised: Vec<Tensor<2>>,
}

impl FlowMap {
    pub(super) fn new(engine: &Engine, model: &FlowModel) -> Self {
        let config = *model.config();
        let upload =
            |values: Vec<f32>, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), &engine.device);
        let (mut tensors, mut masks) = (Vec::new(), Vec::new());
        for (tensor, values) in config.tensors().iter().zip(model.values()) {
            tensors.push(upload(values.clone(), tensor.shape));
            masks.push(match tensor.role {
                FlowRole::Weight { layer, depth } => config.mask(layer, depth).map(|mask| upload(mask, tensor.shape)),
                _ => None,
            });
        }
        let order = config.order();
        let mut places = vec![0_i32; order.len()];
        order.iter().enumerate().for_each(|(place, &coordinate)| places[coordinate] = place as i32);
        let indices = |values: Vec<i32>| {
            let n = values.len();
            Tensor::from_data(TensorData::new(values, [n]), &engine.device)
        };
        let order = [indices(order.iter().map(|&coordinate| coordinate as i32).collect()), indices(places)];
        Self { config, tensors, masks, order, standardisation_log_det: model.standardisation_log_det() }
    }

    pub(super) fn tensors(&self) -> &[Tensor<2>] {
        &self.tensors
    }

    pub(super) fn tensors_mut(&mut self) -> &mut [Tensor<2>] {
        &mut self.tensors
    }

    /// The same map with gradients: of the tensors that `trained` names.
    pub(super) fn tracked(&self, trained: &[usize]) -> Self {
        let lift = |(index, tensor): (usize, &Tensor<2>)| {
            let tensor = tensor.clone().autodiff();
            if trained.contains(&index) { tensor.require_grad() } else { tensor }
        };
        Self {
            config: self.config,
            tensors: self.tensors.iter().enumerate().map(lift).collect(),
            masks: self.masks.iter().map(|mask| mask.clone().map(Tensor::autodiff)).collect(),
            order: self.order.clone().map(Tensor::autodiff),
            standardisation_log_det: self.standardisation_log_det,
        }
    }

    /// nu of neurons `[n, dim]`.
    pub(super) fn forward(&self, neurons: Tensor<2>) -> Latent {
        let mut x = (neurons - self.tensors[0].clone()) / self.tensors[1].clone();
        if self.config.kind == FlowKind::RealNvp {
            x = x.select(1, self.order[0].clone());
        }
        let mut log_det = x.clone().slice_dim(1, 0..1).zeros_like() + self.standardisation_log_det;
        let mut normalised = Vec::new();
        for layer in 0..self.config.n_layers {
            if let Some([mean, var]) = self.norm(layer) {
                normalised.push(x.clone());
                log_det = log_det - var.clone().log().sum_dim(1) * 0.5;
                x = (x - mean) / var.sqrt();
            }
            let (moved, scale) = self.move_forward(layer, x);
            log_det = log_det + scale.sum_dim(1);
            x = moved;
        }
        Latent { values: x, log_det, normalised }
    }

    /// The neurons `[n, dim]` that RealNVP maps to `latent` `[n, dim]`.
    pub(super) fn inverse(&self, latent: Tensor<2>) -> Tensor<2> {
        debug_assert_eq!(self.config.kind, FlowKind::RealNvp, "IAF is inverted on the host");
        let mut x = latent;
        for layer in (0..self.config.n_layers).rev() {
            let [kept, moved] = self.split(layer, x);
            let [scale, shift] = self.scale_and_shift(layer, kept.clone());
            x = self.join(layer, kept, (moved - shift) * scale.neg().exp());
            if let Some([mean, var]) = self.norm(layer) {
                x = x * var.sqrt() + mean;
            }
        }
        x.select(1, self.order[1].clone()) * self.tensors[1].clone() + self.tensors[0].clone()
    }

    /// Running mean, and variance with its epsilon, of what comes into a layer.
    fn norm(&self, layer: usize) -> Option<[Tensor<2>; 2]> {
        let [mean, var] = self.config.norm_tensors(layer)?;
        Some([self.tensors[mean].clone(), self.tensors[var].clone() + NORM_EPSILON])
    }

    /// `x exp(s) + t` of the coordinates that a layer moves, the others as they are; and s.
    fn move_forward(&self, layer: usize, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match self.config.kind {
            FlowKind::Iaf => {
                let [scale, shift] = self.scale_and_shift(layer, x.clone());
                (x * scale.clone().exp() + shift, scale)
            }
            FlowKind::RealNvp => {
                let [kept, moved] = self.split(layer, x);
                let [scale, shift] = self.scale_and_shift(layer, kept.clone());
                (self.join(layer, kept, moved * scale.clone().exp() + shift), scale)
            }
        }
    }

    /// The coordinates that a coupling reads, and those that it moves.
    fn split(&self, layer: usize, x: Tensor<2>) -> [Tensor<2>; 2] {
        let (n_kept, n_moved) = self.config.widths(layer);
        let parts = |first: usize| [x.clone().slice_dim(1, 0..first), x.clone().slice_dim(1, first..n_kept + n_moved)];
        if layer.is_multiple_of(2) {
            parts(n_kept)
        } else {
            let [moved, kept] = parts(n_moved);
            [kept, moved]
        }
    }

    /// The reverse of [`Self::split`].
    fn join(&self, layer: usize, kept: Tensor<2>, moved: Tensor<2>) -> Tensor<2> {
        Tensor::cat(if layer.is_multiple_of(2) { vec![kept, moved] } else { vec![moved, kept] }, 1)
    }

    /// What the networks s and t of a layer make of the coordinates that it reads.
    fn scale_and_shift(&self, layer: usize, x: Tensor<2>) -> [Tensor<2>; 2] {
        self.config.network_tensors(layer).map(|first| self.network(first, x.clone()))
    }

    /// Linear layers with tanh between them; their weights and biases begin with tensor `first`.
    fn network(&self, first: usize, mut x: Tensor<2>) -> Tensor<2> {
        for depth in 0..=self.config.n_hidden {
            if depth != 0 {
                x = activation::tanh(x);
            }
            let index = first + 2 * depth;
            let weight = match &self.masks[index] {
                Some(mask) => self.tensors[index].clone() * mask.clone(),
                None => self.tensors[index].clone(),
            };
            x = x.matmul(weight.swap_dims(0, 1)) + self.tensors[index + 1].clone();
        }
        x
    }
}

/// A map for neurons that come from the host and go back there, at most [`ROWS_AT_ONCE`] at a time.
pub(super) struct HostMap {
    engine: Engine,
    model: Arc<FlowModel>,
    map: FlowMap,
}

impl HostMap {
    pub(super) fn new(engine: &Engine, model: &Arc<FlowModel>) -> Self {
        Self { engine: engine.clone(), model: Arc::clone(model), map: FlowMap::new(engine, model) }
    }

    pub(super) fn model(&self) -> &FlowModel {
        &self.model
    }

    /// nu of `neurons` `[n, dim]`, coordinates in the order of the layers.
    pub(super) fn forward(&self, neurons: &[f32]) -> Result<Vec<f32>, ComputeError> {
        read(self.map.forward(self.upload(neurons)).values)
    }

    /// Mean negative log-likelihood of `neurons` `[n, dim]`, nats a neuron.
    pub(super) fn negative_log_likelihood(&self, neurons: &[f32]) -> Result<f64, ComputeError> {
        let value = read(negative_log_likelihood(&self.map.forward(self.upload(neurons))))?;
        Ok(value.first().copied().map_or(f64::NAN, f64::from))
    }

    /// The neurons `[n, dim]` of which nu is `latent` `[n, dim]`.
    pub(super) fn inverse(&self, latent: &[f32]) -> Result<Vec<f32>, ComputeError> {
        match self.model.config().kind {
            FlowKind::RealNvp => read(self.map.inverse(self.upload(latent))),
            FlowKind::Iaf => Ok(iaf::inverse(&self.model, latent)),
        }
    }

    fn upload(&self, rows: &[f32]) -> Tensor<2> {
        let dim = self.model.config().dim();
        Tensor::from_data(TensorData::new(rows.to_vec(), [rows.len() / dim, dim]), &self.engine.device)
    }
}
