//! How gradients move weights, and what is remembered of them.

use serde::{Deserialize, Serialize};

/// How weights are moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum, Nesterov's or the plain one, as PyTorch computes it.
    Sgd { momentum: f64, nesterov: bool },
    /// Kingma & Ba 2015; betas 0.9 and 0.999, epsilon 1e-8.
    Adam,
}

/// Adam's, as in the paper.
pub(in crate::compute) const BETA_1: f64 = 0.9;
pub(in crate::compute) const BETA_2: f64 = 0.999;
pub(in crate::compute) const EPSILON: f32 = 1e-8;

impl Optimizer {
    /// What most of the papers train with.
    pub const NESTEROV: Self = Self::Sgd { momentum: 0.9, nesterov: true };

    /// Vectors that are remembered for each trained vector.
    pub(in crate::compute) fn n_moments(self) -> usize {
        match self {
            Self::Sgd { .. } => 1,
            Self::Adam => 2,
        }
    }
}

/// What an optimiser remembers of the gradients so far.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    /// Optimisation steps made.
    pub n_steps: u64,
    /// For each trained vector in turn, SGD: the velocity; Adam: the moving means of the gradient and of its square. Each
    /// `[n_trained]`, in the order of the layout's flat vector.
    pub moments: Vec<Vec<f32>>,
}
