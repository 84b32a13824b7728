//! Weights to begin training from.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

use super::{Network, ParamId, ParamKind, ParamLayout, ParamSpec, ParamVec};

/// Standard deviation of [`Init::TruncatedNormal`], which reaches two of them far.
const TRUNCATED_STD: f64 = 0.01;
const TRUNCATED_AT: f64 = 2.0;

/// How initial weights are drawn. Normalisations always begin as the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// PyTorch's defaults: weights and biases uniform in ±1/sqrt(fan_in).
    Torch,
    /// Glorot & Bengio 2010: weights normal with variance 2 / (fan_in + fan_out), biases zero (TinyTen of Tatro et al. 2020).
    XavierNormal,
    /// He et al. 2015: weights of convolutions normal with variance 2 / fan_out, their biases zero; linear layers as in
    /// PyTorch (VGG of Garipov et al. 2018, ResNets).
    HeNormal,
    /// Weights normal with standard deviation 0.01, drawn again beyond two of them; biases as in PyTorch (GoogLeNet).
    TruncatedNormal,
}

impl Init {
    pub const ALL: [Self; 4] = [Self::Torch, Self::XavierNormal, Self::HeNormal, Self::TruncatedNormal];

    /// What the papers train a network of this name with.
    pub fn usual(network: &Network) -> Self {
        let name = network.name().to_ascii_lowercase();
        let is = |family: &str| name.contains(family);
        if is("tinyten") {
            Self::XavierNormal
        } else if is("googlenet") {
            Self::TruncatedNormal
        } else if is("vgg") || is("resnet") || is("wrn") || is("conv2fc1") {
            Self::HeNormal
        } else {
            Self::Torch
        }
    }

    /// One line for menus.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Torch => "Uniform in ±1/√fan_in, PyTorch's default",
            Self::XavierNormal => "Normal with variance 2/(fan_in + fan_out), biases zero",
            Self::HeNormal => "Convolutions normal with variance 2/fan_out, linear layers as in PyTorch",
            Self::TruncatedNormal => "Normal with standard deviation 0.01, cut off at 0.02",
        }
    }

    /// Weights for a layout, tensor after tensor in its order.
    pub fn draw(self, layout: &Arc<ParamLayout>, rng: &mut impl Rng) -> ParamVec {
        let mut params = ParamVec::zeros(Arc::clone(layout));
        let mut fan_out = 1;
        for (index, spec) in layout.specs().iter().enumerate() {
            // A bias is drawn as its layer's weights are, which come before it.
            if spec.kind == ParamKind::Weight {
                fan_out = spec.shape[0] * spec.shape[2..].iter().product::<usize>();
            }
            let of_convolution = layer_is_convolution(layout, index);
            fill(self, spec, fan_out, of_convolution, params.tensor_mut(ParamId(index)), rng);
        }
        params
    }
}

/// Whether the tensor at `index` is a convolution's weight, or the bias behind one.
fn layer_is_convolution(layout: &ParamLayout, index: usize) -> bool {
    let weight = layout.specs()[..=index].iter().rev().find(|spec| spec.kind == ParamKind::Weight);
    weight.is_some_and(|spec| 2 < spec.shape.len())
}

fn fill(init: Init, spec: &ParamSpec, fan_out: usize, of_convolution: bool, values: &mut [f32], rng: &mut impl Rng) {
    let is_weight = match spec.kind {
        ParamKind::Weight => true,
        ParamKind::Bias => false,
        ParamKind::Scale | ParamKind::RunningVar => return values.fill(1.0),
        ParamKind::Shift | ParamKind::RunningMean => return,
    };
    let std = match init {
        Init::XavierNormal => (2.0 / (spec.fan_in + fan_out).max(1) as f64).sqrt(),
        Init::HeNormal if of_convolution => (2.0 / fan_out.max(1) as f64).sqrt(),
        Init::TruncatedNormal if is_weight => {
            return values.fill_with(|| (TRUNCATED_STD * truncated_normal(rng)) as f32);
        }
        Init::Torch | Init::HeNormal | Init::TruncatedNormal => {
            let bound = 1.0 / (spec.fan_in.max(1) as f32).sqrt();
            return values.fill_with(|| rng.random_range(-bound..=bound));
        }
    };
    if is_weight {
        values.fill_with(|| (std * normal(rng)) as f32);
    }
}

/// A standard normal number (Box & Muller 1958), by functions that give the same on every machine.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * libm::log(1.0 - u)).sqrt() * libm::cos(TAU * v)
}

fn truncated_normal(rng: &mut impl Rng) -> f64 {
    loop {
        let value = normal(rng);
        if value.abs() <= TRUNCATED_AT {
            return value;
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torch => "torch",
            Self::XavierNormal => "xavier-normal",
            Self::HeNormal => "he-normal",
            Self::TruncatedNormal => "truncated-normal",
        })
    }
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || Self::ALL.map(|init| init.to_string()).join(", ");
        let found = Self::ALL.into_iter().find(|init| init.to_string() == text);
        found.ok_or_else(|| format!("expected one of {}, found `{text}`", expected()))
    }
}

#[cfg(test)]
mod tests;
