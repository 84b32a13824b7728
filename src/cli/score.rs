//! Losses and accuracies of single networks.

use std::sync::Arc;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::output::Number;
use crate::compute::{DataRef, EvaluateSpec, PointValue};
use crate::net::{Network, ParamVec};

/// Loss in nats, accuracy between 0 and 1.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ScoreReport {
    pub(super) loss: Number,
    pub(super) accuracy: Number,
}

impl From<PointValue> for ScoreReport {
    fn from(value: PointValue) -> Self {
        Self { loss: value.loss.into(), accuracy: value.accuracy.into() }
    }
}

/// Scores each network by itself: one whose weights are not finite spoils no other.
pub(super) fn score_networks(
    jobs: &Jobs,
    network: &Arc<Network>,
    params: &[Arc<ParamVec>],
    data: &DataRef,
) -> Result<Vec<PointValue>> {
    let mut scores = Vec::with_capacity(params.len());
    for weights in params {
        let spec = EvaluateSpec::new(Arc::clone(network), vec![Arc::clone(weights)], vec![vec![1.0]], data.clone());
        scores.extend(jobs.evaluate(&format!("scoring on {}", data.split.images()), spec)?);
    }
    Ok(scores)
}
