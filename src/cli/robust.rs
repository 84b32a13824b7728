//! Losses and accuracies along a path and over a plane against an adversary: at each point the images are attacked anew
//! (METHODS-ALIGNMENT, section 5).

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::field::Field;
use super::jobs::{BAR_STEPS, Jobs, bar};
use super::open::Measure;
use super::output::{Number, accuracy_text, loss_text};
use super::score::ScoreReport;
use crate::compute::{BatchNorm, DataRef, EvaluateSpec, PointValue, attacked};
use crate::data::{Attack, SplitName};
use crate::figures::FamilyCurve;
use crate::geometry::{Curve, Grid, Path, Plane, summarise};
use crate::net::{Network, ParamVec};

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
    let siege = Siege::new(jobs, network, measure, attack)?;
    let data = siege.data;
    let ts = Curve::even_ts(n_points);
    let scores = siege.score_all("attacking along the path", ts.iter().map(|&t| path.point(t)))?;
    let points: Vec<RobustPoint> =
        ts.iter().zip(scores).map(|(&t, score)| RobustPoint { t, score: score.into() }).collect();
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
    /// What is drawn of it.
    pub(super) fn curve(&self) -> FamilyCurve {
        let along = |value: fn(&ScoreReport) -> Number| {
            self.points.iter().map(|point| (point.t, value(&point.score).0)).collect()
        };
        let (losses, accuracies) = (along(|score| score.loss), along(|score| score.accuracy));
        FamilyCurve { losses, accuracies, ..FamilyCurve::default() }
    }

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

/// A plane against an adversary.
#[derive(Serialize)]
pub(super) struct RobustPlaneReport {
    /// In units of pixels between 0 and 1.
    attack: Attack,
    split: String,
    #[serde(flatten)]
    pub(super) field: Field,
}

/// The report, and the values it was made of, `[y * nx + x]`.
pub(super) struct RobustPlane {
    pub(super) report: RobustPlaneReport,
    pub(super) split: SplitName,
    pub(super) values: Vec<Option<PointValue>>,
}

/// Attacks and scores every point of a grid, on the first of the measured splits.
pub(super) fn evaluate_plane_robustly(
    jobs: &Jobs,
    network: &Arc<Network>,
    plane: &Plane,
    grid: Grid,
    measure: &Measure,
    attack: Attack,
) -> Result<RobustPlane> {
    let siege = Siege::new(jobs, network, measure, attack)?;
    let points = grid.points();
    let scores = siege.score_all("attacking on the plane", points.iter().map(|&(x, y)| plane.point(x, y)))?;
    let split = siege.data.split;
    let report = RobustPlaneReport { attack, split: split.to_string(), field: Field::new(grid, &scores) };
    Ok(RobustPlane { report, split, values: scores.into_iter().map(Some).collect() })
}

/// An attack on many networks with the same images.
struct Siege<'a> {
    jobs: &'a Jobs,
    network: &'a Arc<Network>,
    data: &'a DataRef,
    batch_norm: &'a BatchNorm,
    attack: Attack,
}

impl<'a> Siege<'a> {
    fn new(jobs: &'a Jobs, network: &'a Arc<Network>, measure: &'a Measure, attack: Attack) -> Result<Self> {
        let data = measure.data.first().context("internal error: no images to attack")?;
        Ok(Self { jobs, network, data, batch_norm: &measure.batch_norm, attack })
    }

    fn score_all(&self, what: &str, points: impl ExactSizeIterator<Item = ParamVec>) -> Result<Vec<PointValue>> {
        let progress = bar(what);
        let n_points = points.len() as u64;
        let mut scores = Vec::with_capacity(points.len());
        for (index, point) in points.enumerate() {
            scores.push(self.score(point)?);
            progress.set_position(BAR_STEPS * (index as u64 + 1) / n_points);
        }
        progress.finish_and_clear();
        Ok(scores)
    }

    /// The same random starts for every network, so that neighbours differ by their weights alone.
    fn score(&self, params: ParamVec) -> Result<PointValue> {
        let moved = attacked(self.network, &params, self.data, self.attack, 0)?;
        let spec = EvaluateSpec {
            batch_norm: self.batch_norm.clone(),
            ..EvaluateSpec::new(Arc::clone(self.network), vec![Arc::new(params)], vec![vec![1.0]], moved)
        };
        let found = self.jobs.evaluate("scoring under attack", spec)?;
        found.first().copied().context("internal error: a point without a score")
    }
}
