//! Losses and accuracies along a path against an adversary: at each t the images are attacked anew (METHODS-ALIGNMENT,
//! section 5).

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::jobs::{BAR_STEPS, Jobs, bar};
use super::open::Measure;
use super::output::{Number, accuracy_text, loss_text};
use super::score::ScoreReport;
use crate::compute::{EvaluateSpec, attacked};
use crate::data::Attack;
use crate::geometry::{Curve, Path, summarise};
use crate::net::Network;

#[derive(Serialize)]
pub(super) struct RobustReport {
    /// In units of pixels between 0 and 1.
    attack: Attack,
    split: String,
    images: usize,
    points: Vec<RobustPoint>,
    max_loss: Number,
    /// By arc length.
    mean_loss: Number,
    min_accuracy: Number,
    max_accuracy: Number,
}

#[derive(Serialize)]
struct RobustPoint {
    t: f64,
    #[serde(flatten)]
    score: ScoreReport,
}

/// Attacks and scores every one of `n_points` evenly spaced points of a path, on the first of the measured splits.
pub(super) fn evaluate_robustly(
    jobs: &Jobs,
    network: &Arc<Network>,
    path: &Path,
    n_points: usize,
    measure: &Measure,
    attack: Attack,
) -> Result<RobustReport> {
    let data = measure.data.first().context("internal error: no images to attack")?;
    let ts = Curve::even_ts(n_points);
    let mut points = Vec::with_capacity(ts.len());
    let progress = bar("attacking along the path");
    for (index, &t) in ts.iter().enumerate() {
        // The same random starts at every t, so that neighbours differ by their weights alone.
        let params = path.point(t);
        let moved = attacked(network, &params, data, attack, 0)?;
        let spec = EvaluateSpec {
            batch_norm: measure.batch_norm.clone(),
            ..EvaluateSpec::new(Arc::clone(network), vec![Arc::new(params)], vec![vec![1.0]], moved)
        };
        let found = jobs.evaluate(&format!("scoring at t = {t:.3} under attack"), spec)?;
        let score = *found.first().context("internal error: a point without a score")?;
        points.push(RobustPoint { t, score: score.into() });
        progress.set_position(BAR_STEPS * (index as u64 + 1) / ts.len() as u64);
    }
    progress.finish_and_clear();
    let losses: Vec<f64> = points.iter().map(|point| point.score.loss.0).collect();
    let accuracies: Vec<f64> = points.iter().map(|point| point.score.accuracy.0).collect();
    let summary = summarise(&ts, &losses, &path.steps(&ts)).context("a path has at least one point")?;
    Ok(RobustReport {
        attack,
        split: data.split.to_string(),
        images: data.n_images(),
        points,
        max_loss: summary.max.into(),
        mean_loss: summary.integral.into(),
        min_accuracy: accuracies.iter().copied().fold(f64::INFINITY, f64::min).into(),
        max_accuracy: accuracies.iter().copied().fold(f64::NEG_INFINITY, f64::max).into(),
    })
}

impl RobustReport {
    /// One line.
    pub(super) fn describe(&self) -> String {
        format!(
            "under attack ({}), {} {} images: loss at most {}, mean {}; accuracy {} to {}\n",
            self.attack,
            self.images,
            self.split,
            loss_text(self.max_loss.0),
            loss_text(self.mean_loss.0),
            accuracy_text(self.min_accuracy.0),
            accuracy_text(self.max_accuracy.0)
        )
    }
}
