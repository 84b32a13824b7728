//! Losses of points while a path is being found, and what gradients and losses take.

use std::time::Duration;

use crate::compute::evaluate::{BATCH_NORM_IMAGES, BatchNorm};
use crate::compute::{ComputeError, DataRef, Engine, Evaluate, EvaluateSpec, PointValue};
use crate::geometry::Sample;
use crate::net::{Network, Op};

use super::ConnectSpec;

/// An evaluation whose values are kept until all are there.
pub(super) struct Scores {
    evaluate: Evaluate,
    values: Vec<PointValue>,
}

impl Scores {
    /// Of the points of `sample` on the first `n_images` training images; statistics of batch norm are measured anew.
    pub(super) fn new(
        engine: &Engine,
        spec: &ConnectSpec,
        sample: Sample,
        n_images: usize,
    ) -> Result<Self, ComputeError> {
        let first = |n: usize| DataRef { limit: Some(n.min(spec.train.n_images())), ..spec.train.clone() };
        let nothing = PointValue { loss: f64::NAN, accuracy: f64::NAN, n_images: 0 };
        let values = vec![nothing; sample.rows.len()];
        let has_statistics = spec.network.layout().has_statistics();
        let evaluation = EvaluateSpec {
            progressive: false,
            batch_norm: if has_statistics { BatchNorm::Recompute(first(BATCH_NORM_IMAGES)) } else { BatchNorm::Stored },
            ..EvaluateSpec::new(spec.network.clone(), sample.basis, sample.rows, first(n_images))
        };
        Ok(Self { evaluate: Evaluate::new(engine, evaluation)?, values })
    }

    /// Works for about `budget`; whether all values are there.
    pub(super) fn step(&mut self, budget: Duration) -> Result<bool, ComputeError> {
        let step = self.evaluate.step(budget)?;
        for (index, value) in step.changed {
            self.values[index] = value;
        }
        Ok(step.finished)
    }

    /// One a point, in order.
    pub(super) fn values(&self) -> &[PointValue] {
        &self.values
    }
}

/// Floating point operations of one image's way through the linear and convolutional layers.
pub(super) fn forward_flops(network: &Network) -> f64 {
    let of_node = |node: &crate::net::Node| match node.op {
        Op::Linear { weight, .. } | Op::Conv2d { weight, .. } => {
            // A weight has a row for each output channel, which is applied at every place of the output.
            let places = node.shape.iter().skip(1).product::<usize>();
            2.0 * network.layout().spec(weight).n_values() as f64 * places as f64
        }
        _ => 0.0,
    };
    network.nodes().iter().map(of_node).sum()
}

/// The same there and back.
pub(in crate::compute) fn gradient_flops(network: &Network) -> f64 {
    3.0 * forward_flops(network)
}
