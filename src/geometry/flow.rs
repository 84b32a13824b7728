//! Normalising maps as data: an invertible function nu of neuron vectors, trained by `compute`, saved by `checkpoint`.
//!
//! `nu = f_n ∘ .. ∘ f_1 ∘ g`. g standardises: `(theta - mean) / std` with the statistics of the training networks' neurons,
//! coordinate by coordinate, so that the layers see values of order one; it is a part of nu and counts in its determinant.
//! Every layer is, behind an optional normalisation by stored statistics (batch norm as a bijection), one of
//! - RealNVP (Dinh et al. 2017, <https://arxiv.org/abs/1605.08803>): `y_j = x_j`, `y_i = x_i exp(s_i(x_j)) + t_i(x_j)`, j the
//!   even coordinates and i the odd ones in the first layer, the reverse in the next. As fast backward as forward.
//! - IAF (Kingma et al. 2016, <https://arxiv.org/abs/1606.04934>, the masks of MADE): `y_i = x_i exp(s_i(x_<i)) + t_i(x_<i)`,
//!   in the order of the coordinates in the first layer, backward in the next. Its inverse takes a coordinate after another.
//!
//! s and t are networks `linear, tanh, .., linear` whose last layers start at zero: an untrained nu only standardises, and its
//! path is the arc about the mean neuron of the training networks.

mod model;
#[cfg(test)]
mod tests;

pub use model::{FlowModel, FlowTraining};

use serde::{Deserialize, Serialize};

use super::NeuronShape;

/// The kind of an invertible layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowKind {
    /// Dinh et al. 2017.
    #[default]
    RealNvp,
    /// Kingma et al. 2016.
    Iaf,
}

/// What a map is trained for, which decides the family that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowObjective {
    /// Neurons become Gaussian: the family `flow`.
    Likelihood,
    /// Paths have a low loss: the family `bijection`.
    Bijection,
}

impl FlowObjective {
    /// Neurons, or images, a step of the training.
    pub fn usual_batch_size(self) -> usize {
        match self {
            Self::Likelihood => 1024,
            Self::Bijection => 128,
        }
    }

    /// The paper's passes over the neurons, or over the images.
    pub fn usual_epochs(self) -> usize {
        match self {
            Self::Likelihood => 120,
            Self::Bijection => 20,
        }
    }
}

/// Everything that decides the shapes of a map's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowConfig {
    pub kind: FlowKind,
    pub neuron: NeuronShape,
    /// Invertible layers: couplings, or masked networks.
    pub n_layers: usize,
    /// Units of each hidden layer of the networks s and t.
    pub hidden: usize,
    /// Hidden layers of each of them.
    pub n_hidden: usize,
    /// Whether every layer begins with a normalisation of each coordinate by stored statistics.
    pub batch_norm: bool,
}

const MAX_LAYERS: usize = 256;
const MAX_HIDDEN_LAYERS: usize = 16;
/// The most values of one map: 1 GiB.
const MAX_VALUES: u128 = 1 << 28;

/// One tensor of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowTensor {
    pub name: String,
    /// `[rows, columns]`: weights have a row for each output, whatever has a single axis is one row.
    pub shape: [usize; 2],
    pub role: FlowRole,
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowRole {
    /// Mean or standard deviation of the training neurons' coordinates, or running mean or variance: measured, not trained.
    Statistic,
    /// Of linear layer `depth` of a network s or t of invertible layer `layer`.
    Weight {
        layer: usize,
        depth: usize,
    },
    Bias {
        depth: usize,
    },
}

impl FlowConfig {
    /// The sizes of Anokhin & Yarotsky's experiments. Bijection: two couplings with one hidden layer of 2000 units and batch
    /// norm (CIFAR10: 3000 and none). Flow: two IAF layers as wide as the neurons, or 14 couplings twice as wide with two hidden
    /// layers and batch norm.
    pub fn of_paper(kind: FlowKind, objective: FlowObjective, neuron: NeuronShape) -> Self {
        let dim = neuron.dim();
        let (n_layers, hidden, n_hidden, batch_norm) = match (kind, objective) {
            (FlowKind::RealNvp, FlowObjective::Bijection) if 3000 <= dim => (2, 3000, 1, false),
            (FlowKind::RealNvp, FlowObjective::Bijection) => (2, 2000, 1, true),
            (FlowKind::RealNvp, FlowObjective::Likelihood) => (14, dim.saturating_mul(2), 2, true),
            (FlowKind::Iaf, _) => (2, dim, 1, false),
        };
        Self { kind, neuron, n_layers, hidden, n_hidden, batch_norm }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// The first size that is out of its range, with the range.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [
            ("invertible layers", self.n_layers, 1, MAX_LAYERS),
            ("hidden layers", self.n_hidden, 1, MAX_HIDDEN_LAYERS),
            ("hidden units", self.hidden, 1, 1 << 20),
            ("coordinates of a neuron", self.dim(), 2, 1 << 24),
        ];
        for (what, found, least, most) in sizes {
            if !(least..=most).contains(&found) {
                return Err(format!("expected {least} to {most} {what}, found {found}"));
            }
        }
        let n_values: u128 = self.tensor_shapes().map(|[rows, columns]| rows as u128 * columns as u128).sum();
        if MAX_VALUES < n_values {
            return Err(format!("expected at most {MAX_VALUES} values in all tensors of the map, found {n_values}"));
        }
        Ok(())
    }

    pub fn dim(&self) -> usize {
        self.neuron.dim()
    }

    /// How many coordinates a layer's networks read, and how many they move.
    pub fn widths(&self, layer: usize) -> (usize, usize) {
        let dim = self.dim();
        match self.kind {
            FlowKind::Iaf => (dim, dim),
            FlowKind::RealNvp => {
                let (even, odd) = (dim.div_ceil(2), dim / 2);
                if layer.is_multiple_of(2) { (even, odd) } else { (odd, even) }
            }
        }
    }

    /// The coordinates of a neuron in the order that the layers work in: RealNVP keeps the even ones before the odd ones. The
    /// stored statistics of its batch norm are in this order too.
    pub fn order(&self) -> Vec<usize> {
        let dim = self.dim();
        match self.kind {
            FlowKind::Iaf => (0..dim).collect(),
            FlowKind::RealNvp => (0..dim).step_by(2).chain((1..dim).step_by(2)).collect(),
        }
    }

    /// Shapes of linear layer `depth` of the networks of layer `layer`: `[outputs, inputs]`.
    fn linear_shape(&self, layer: usize, depth: usize) -> [usize; 2] {
        let (n_read, n_moved) = self.widths(layer);
        let n_in = if depth == 0 { n_read } else { self.hidden };
        let n_out = if depth == self.n_hidden { n_moved } else { self.hidden };
        [n_out, n_in]
    }

    /// The shapes of [`Self::tensors`], without their names.
    fn tensor_shapes(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        let statistic = [1, self.dim()];
        let layers = (0..self.n_layers).flat_map(move |layer| {
            let norm = std::iter::repeat_n(statistic, if self.batch_norm { 2 } else { 0 });
            let network = move |_| {
                (0..=self.n_hidden).flat_map(move |depth| {
                    let shape = self.linear_shape(layer, depth);
                    [shape, [1, shape[0]]]
                })
            };
            norm.chain((0..2).flat_map(network))
        });
        [statistic, statistic].into_iter().chain(layers)
    }

    /// Every tensor of a map, in the order in which [`FlowModel`] keeps them: mean and standard deviation of the neurons; for
    /// each layer the running mean and variance, if there are any, the network s and the network t, weights before biases.
    pub fn tensors(&self) -> Vec<FlowTensor> {
        let statistic = |name: &str| (name.to_owned(), FlowRole::Statistic);
        let mut named = vec![statistic("neuron.mean"), statistic("neuron.std")];
        for layer in 0..self.n_layers {
            if self.batch_norm {
                named.extend(["mean", "var"].map(|which| statistic(&format!("layer.{layer}.norm.{which}"))));
            }
            for network in ["scale", "shift"] {
                for depth in 0..=self.n_hidden {
                    let name = |part: &str| format!("layer.{layer}.{network}.{depth}.{part}");
                    named.push((name("weight"), FlowRole::Weight { layer, depth }));
                    named.push((name("bias"), FlowRole::Bias { depth }));
                }
            }
        }
        let shaped = named.into_iter().zip(self.tensor_shapes());
        shaped.map(|((name, role), shape)| FlowTensor { name, shape, role }).collect()
    }

    /// Which tensors are the running mean and variance of what comes into a layer.
    pub fn norm_tensors(&self, layer: usize) -> Option<[usize; 2]> {
        let first = self.first_tensor(layer);
        self.batch_norm.then_some([first, first + 1])
    }

    /// Which tensors the networks s and t of a layer begin with; weights and biases of their linear layers follow in turn.
    pub fn network_tensors(&self, layer: usize) -> [usize; 2] {
        let scale = self.first_tensor(layer) + if self.batch_norm { 2 } else { 0 };
        [scale, scale + 2 * (self.n_hidden + 1)]
    }

    fn first_tensor(&self, layer: usize) -> usize {
        let per_layer = 4 * (self.n_hidden + 1) + if self.batch_norm { 2 } else { 0 };
        2 + layer * per_layer
    }

    /// Place of a coordinate in the order of an IAF layer.
    pub fn degree(&self, layer: usize, coordinate: usize) -> usize {
        if layer.is_multiple_of(2) { coordinate } else { self.dim() - 1 - coordinate }
    }

    /// The last place in an IAF layer's order that a hidden unit sees; never falls from unit to unit.
    pub fn hidden_degree(&self, unit: usize) -> usize {
        unit * (self.dim() - 1) / self.hidden
    }

    /// Which weights of a linear layer an IAF layer may use, 1 or 0, row-major: every output depends on coordinates before its
    /// own alone (MADE, Germain et al. 2015). `None` where all may be used.
    pub fn mask(&self, layer: usize, depth: usize) -> Option<Vec<f32>> {
        if self.kind == FlowKind::RealNvp {
            return None;
        }
        let [n_out, n_in] = self.linear_shape(layer, depth);
        let allows = |output: usize, input: usize| {
            let seen = if depth == 0 { self.degree(layer, input) } else { self.hidden_degree(input) };
            if depth == self.n_hidden { seen < self.degree(layer, output) } else { seen <= self.hidden_degree(output) }
        };
        Some((0..n_out * n_in).map(|i| f32::from(u8::from(allows(i / n_in, i % n_in)))).collect())
    }
}
