//! Element-wise functions that a graph spells out in many nodes, such as GELU by Erf, are known by their values: a curve of
//! samples goes through the nodes and is compared with the known functions where a layer reads it.

use crate::net::{Activation, NodeId};

/// Samples of a function of one value, over where the known functions differ.
#[derive(Clone, Debug)]
pub(super) struct Pointwise {
    /// What the function is applied to.
    pub base: NodeId,
    curve: Vec<f64>,
}

/// A function that a network can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    Identity,
    Scale(f32),
    Activation(Activation),
}

/// How far two functions that are written differently may lie apart: constants in files have the precision of f32, and
/// the two GELUs differ by 5e-4.
const TOLERANCE: f64 = 2e-6;

/// The places of the samples.
fn samples() -> impl Iterator<Item = f64> {
    (-40..=40).map(|step| 0.17 * f64::from(step))
}

impl Pointwise {
    pub(super) fn identity(base: NodeId) -> Self {
        Self { base, curve: samples().collect() }
    }

    pub(super) fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self { base: self.base, curve: self.curve.iter().map(|&y| function(y)).collect() }
    }

    /// The function of both, where they are functions of the same value.
    pub(super) fn zip(&self, other: &Self, function: impl Fn(f64, f64) -> f64) -> Option<Self> {
        let curve = self.curve.iter().zip(&other.curve).map(|(&a, &b)| function(a, b)).collect();
        (self.base == other.base).then_some(Self { base: self.base, curve })
    }

    /// The known function with these samples.
    pub(super) fn known(&self) -> Option<Known> {
        let is_near = |function: &dyn Fn(f64) -> f64| {
            samples().zip(&self.curve).all(|(x, &y)| (function(x) - y).abs() <= TOLERANCE * (1.0 + x.abs()))
        };
        if is_near(&|x| x) {
            return Some(Known::Identity);
        }
        let activations = [
            Activation::Relu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu,
            Activation::Tanh,
            Activation::Sigmoid,
        ];
        if let Some(&found) = activations.iter().find(|&&activation| is_near(&|x| value(activation, x))) {
            return Some(Known::Activation(found));
        }
        let (x, &y) = samples().zip(&self.curve).last()?;
        let factor = y / x;
        is_near(&|x| factor * x).then_some(Known::Scale(factor as f32))
    }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// An activation in f64.
fn value(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) => {
            if 0.0 < x {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Activation::Silu => x * sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
    }
}
