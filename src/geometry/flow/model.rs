//! The values of a map.

use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

use super::{FlowConfig, FlowObjective, FlowRole, FlowTensor};
use crate::geometry::Family;

/// Coordinates that hardly vary are divided by this share of the typical deviation at least: pixels that are black in every
/// image leave weights that only decay.
const LEAST_STD: f64 = 1e-3;

/// How a map was trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTraining {
    pub objective: FlowObjective,
    /// Optimisation steps behind it.
    pub steps: u64,
    pub seed: u64,
    pub n_networks: usize,
    /// Hidden neurons of each of them.
    pub n_neurons: usize,
}

/// A map with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowModel {
    config: FlowConfig,
    pub training: FlowTraining,
    /// In the order of [`FlowConfig::tensors`], each row-major.
    values: Vec<Vec<f32>>,
}

/// All values are finite.
impl Eq for FlowModel {}

impl FlowModel {
    /// Takes the values of all tensors.
    ///
    /// # Errors
    /// The tensor that is missing, too many, of a wrong length, not finite, or a deviation or variance that is not positive.
    pub fn new(config: FlowConfig, training: FlowTraining, values: Vec<Vec<f32>>) -> Result<Self, String> {
        config.check()?;
        let tensors = config.tensors();
        if tensors.len() != values.len() {
            return Err(format!("expected {} tensors, found {}", tensors.len(), values.len()));
        }
        for (tensor, values) in tensors.iter().zip(&values) {
            check_values(tensor, values)?;
        }
        Ok(Self { config, training, values })
    }

    /// A map that only standardises neurons `rows` `[n, dim]` by their own mean and standard deviation.
    ///
    /// # Errors
    /// Sizes that are out of range, or neurons that are not finite.
    pub fn untrained(
        config: FlowConfig,
        training: FlowTraining,
        rows: &[f32],
        rng: &mut impl Rng,
    ) -> Result<Self, String> {
        config.check()?;
        let (mean, std) = standardisation(rows, config.dim());
        let initial = |tensor: &FlowTensor| match tensor.role {
            _ if tensor.name == "neuron.mean" => mean.clone(),
            _ if tensor.name == "neuron.std" => std.clone(),
            FlowRole::Statistic => vec![if tensor.name.ends_with("var") { 1.0 } else { 0.0 }; tensor.shape[1]],
            FlowRole::Bias { .. } => vec![0.0; tensor.shape[1]],
            FlowRole::Weight { depth, .. } if depth == config.n_hidden => vec![0.0; tensor.shape[0] * tensor.shape[1]],
            FlowRole::Weight { layer, depth } => {
                // PyTorch's default.
                let bound = (tensor.shape[1] as f32).sqrt().recip();
                let draw = (0..tensor.shape[0] * tensor.shape[1]).map(|_| rng.random_range(-bound..bound));
                match config.mask(layer, depth) {
                    None => draw.collect(),
                    Some(mask) => draw.zip(mask).map(|(value, allowed)| value * allowed).collect(),
                }
            }
        };
        let values = config.tensors().iter().map(initial).collect();
        Self::new(config, training, values)
    }

    pub fn config(&self) -> &FlowConfig {
        &self.config
    }

    /// The family that it was trained for.
    pub fn family(&self) -> Family {
        match self.training.objective {
            FlowObjective::Likelihood => Family::Flow,
            FlowObjective::Bijection => Family::Bijection,
        }
    }

    /// The values of every tensor, in the order of [`FlowConfig::tensors`].
    pub fn values(&self) -> &[Vec<f32>] {
        &self.values
    }

    /// `ln |det|` of the standardisation: minus the sum of the logarithms of the deviations.
    pub fn standardisation_log_det(&self) -> f64 {
        self.values[1].iter().map(|&std| -f64::from(std).ln()).sum()
    }

    /// Number of trained values.
    pub fn n_trained(&self) -> usize {
        let tensors = self.config.tensors();
        let trained = tensors.iter().filter(|tensor| tensor.role != FlowRole::Statistic);
        trained.map(|tensor| tensor.shape[0] * tensor.shape[1]).sum()
    }
}

fn check_values(tensor: &FlowTensor, values: &[f32]) -> Result<(), String> {
    let FlowTensor { name, shape, .. } = tensor;
    if values.len() != shape[0] * shape[1] {
        return Err(format!(
            "tensor `{name}`: expected {} values ({shape:?}), found {}",
            shape[0] * shape[1],
            values.len()
        ));
    }
    let is_positive = name.ends_with(".std") || name.ends_with(".var");
    match values.iter().find(|value| !value.is_finite() || is_positive && **value <= 0.0) {
        Some(value) if is_positive => Err(format!("tensor `{name}`: expected positive numbers, found {value}")),
        Some(value) => Err(format!("tensor `{name}`: expected finite numbers, found {value}")),
        None => Ok(()),
    }
}

/// Mean and standard deviation of each coordinate of `rows` `[n, dim]`, summed in f64.
fn standardisation(rows: &[f32], dim: usize) -> (Vec<f32>, Vec<f32>) {
    let n = (rows.len() / dim).max(1) as f64;
    let mut mean = vec![0.0_f64; dim];
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / n);
    }
    let mut var = vec![0.0_f64; dim];
    for row in rows.chunks_exact(dim) {
        let deviations = row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean);
        var.iter_mut().zip(deviations).for_each(|(sum, deviation)| *sum += deviation * deviation / n);
    }
    let typical = (var.iter().sum::<f64>() / dim as f64).sqrt();
    let least = if 0.0 < typical { LEAST_STD * typical } else { 1.0 };
    let std = var.iter().map(|var| var.sqrt().max(least) as f32).collect();
    (mean.iter().map(|&mean| mean as f32).collect(), std)
}
