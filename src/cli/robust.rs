//! Losses and accuracies along a path and over a plane against an adversary: at each point the images are attacked anew
//! (METHODS-ALIGNMENT, section 5).

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::field::Field;
use super::jobs::Jobs;
use super::open::Measure;
use super::output::{Number, accuracy_text, loss_text};
use super::score::ScoreReport;
use crate::compute::{DataRef, EvaluateSpec, PointValue, RobustSpec};
use crate::data::{Attack, SplitName};
use crate::figures::FamilyCurve;
use crate::geometry::{Grid, Path, Plane, RobustPoint, Sample, summarise_robust};
use crate::net::Network;

#[derive(Serialize)]
pub(super) struct RobustReport {
    /// In units of pixels between 0 and 1.
    attack: Attack,
    split: String,
    images: usize,
    points: Vec<PointReport>,
    max_loss: Number,
    /// By arc length.
    mean_loss: Number,
    min_accuracy: Number,
    max_accuracy: Number,
    /// Where these two are, and the accuracy there without the attack.
    worst: RobustPoint,
    best: RobustPoint,
}

#[derive(Serialize)]
struct PointReport {
    t: f64,
    #[serde(flatten)]
    score: ScoreReport,
}

/// Attacks and scores the points of a path where `clean` has its values, on the first of the measured splits.
pub(super) fn evaluate_robustly(
    jobs: &Jobs,
    network: &Arc<Network>,
    path: &Path,
    clean: &FamilyCurve,
    measure: &Measure,
    attack: Attack,
) -> Result<RobustReport> {
    let data = attacked_images(measure)?;
    let ts: Vec<f64> = clean.accuracies.iter().map(|(t, _)| *t).collect();
    let Sample { basis, rows } = path.sample(&ts);
    let points = EvaluateSpec {
        batch_norm: measure.batch_norm.clone(),
        ..EvaluateSpec::new(Arc::clone(network), basis, rows, data.clone())
    };
    let scores = jobs.evaluate_robustly("attacking along the path", RobustSpec { points, attack })?;
    let losses: Vec<f64> = scores.iter().map(|score| score.loss).collect();
    let points: Vec<RobustPoint> = clean
        .accuracies
        .iter()
        .zip(&scores)
        .map(|(&(t, clean_accuracy), score)| RobustPoint { t, accuracy: score.accuracy, clean_accuracy })
        .collect();
    let summary = summarise_robust(&losses, &points, &path.steps(&ts)).context("a path has at least one point")?;
    Ok(RobustReport {
        attack,
        split: data.split.to_string(),
        images: data.n_images(),
        points: ts.into_iter().zip(scores).map(|(t, score)| PointReport { t, score: score.into() }).collect(),
        max_loss: summary.max_loss.into(),
        mean_loss: summary.mean_loss.into(),
        min_accuracy: summary.worst.accuracy.into(),
        max_accuracy: summary.best.accuracy.into(),
        worst: summary.worst,
        best: summary.best,
    })
}

/// The first of the measured splits.
fn attacked_images(measure: &Measure) -> Result<&DataRef> {
    measure.data.first().context("internal error: no images to attack")
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
            "under attack ({}), {} {} images: loss at most {}, mean {}; accuracy {} (without the attack {}) to {} ({})\n",
            self.attack,
            self.images,
            self.split,
            loss_text(self.max_loss.0),
            loss_text(self.mean_loss.0),
            accuracy_text(self.worst.accuracy),
            accuracy_text(self.worst.clean_accuracy),
            accuracy_text(self.best.accuracy),
            accuracy_text(self.best.clean_accuracy)
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
    let data = attacked_images(measure)?;
    let rows = grid.points().into_iter().map(|(x, y)| plane.coefficients(x, y).to_vec()).collect();
    let points = EvaluateSpec {
        batch_norm: measure.batch_norm.clone(),
        ..EvaluateSpec::new(Arc::clone(network), plane.basis().to_vec(), rows, data.clone())
    };
    let scores = jobs.evaluate_robustly("attacking on the plane", RobustSpec { points, attack })?;
    let report = RobustPlaneReport { attack, split: data.split.to_string(), field: Field::new(grid, &scores) };
    Ok(RobustPlane { report, split: data.split, values: scores.into_iter().map(Some).collect() })
}
