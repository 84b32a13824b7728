//! Losses and accuracies along a path, and what they come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::open::Measure;
use super::output::{Number, accuracy_text, loss_text, table};
use super::robust::RobustReport;
use super::score::ScoreReport;
use crate::compute::{EvaluateSpec, PointValue, Trace};
use crate::data::SplitName;
use crate::figures::FamilyCurve;
use crate::geometry::comparison::{self, Figures};
use crate::geometry::{Curve, Distances, Path, Summary, summarise};
use crate::net::Network;

const BARRIER_DEFINITION: &str = "max over t of loss(t) - (loss(0) + loss(1)) / 2 (Frankle et al. 2020); for accuracy \
                                  (accuracy(0) + accuracy(1)) / 2 - min over t of accuracy(t)";

/// The report, and the values it was made of.
pub(super) struct PathResult {
    pub(super) report: PathReport,
    pub(super) ts: Vec<f64>,
    pub(super) values: Vec<(SplitName, Vec<Option<PointValue>>)>,
    /// By split.
    pub(super) figures: BTreeMap<String, Figures>,
}

/// Everything that was found along a path.
#[derive(Serialize)]
pub(super) struct PathReport {
    family: &'static str,
    align: &'static str,
    bends: usize,
    /// What working it out came to, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// Series along t beside the scores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) traces: Vec<Trace>,
    /// Euclidean distance in weight space along the path, and straight from end to end.
    pub(super) length: Number,
    distance: Number,
    pub(super) points: Vec<PointReport>,
    summary: SummaryReport,
    /// The same with the statistics of units put right at every point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repaired: Option<Box<Self>>,
    /// The same points under attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) robust: Option<RobustReport>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PointReport {
    pub(super) t: f64,
    stage: usize,
    s: f64,
    /// Euclidean distances from the path's ends and from the segment between them.
    from_a: Number,
    from_b: Number,
    from_chord: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<ScoreReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<ScoreReport>,
}

impl PointReport {
    fn new(path: &Path, t: f64) -> Self {
        let (stage, s) = path.stage_at(t);
        let Distances { from_a, from_b, from_chord } = Distances::of(&path.point(t), path.start(), path.end());
        let (from_a, from_b, from_chord) = (Number(from_a), Number(from_b), Number(from_chord));
        Self { t, stage, s, from_a, from_b, from_chord, test: None, train: None }
    }

    /// What it was scored on one split.
    pub(super) fn score(&self, split: SplitName) -> Option<ScoreReport> {
        match split {
            SplitName::Test => self.test,
            SplitName::Train => self.train,
        }
    }
}

#[derive(Serialize)]
struct SummaryReport {
    barrier_definition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<SplitSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<SplitSummary>,
}

/// Of the loss; of the accuracy beside it.
#[derive(Serialize)]
struct SplitSummary {
    #[serde(flatten)]
    loss: LossSummary,
    accuracy: AccuracySummary,
    images: usize,
}

#[derive(Serialize)]
struct LossSummary {
    start: Number,
    end: Number,
    min: Number,
    max: Number,
    t_max: Number,
    mean: Number,
    integral: Number,
    barrier: Number,
}

#[derive(Serialize)]
struct AccuracySummary {
    start: Number,
    end: Number,
    min: Number,
    max: Number,
    t_min: Number,
    mean: Number,
    integral: Number,
    barrier: Number,
}

impl From<Summary> for LossSummary {
    fn from(s: Summary) -> Self {
        Self {
            start: s.start.into(),
            end: s.end.into(),
            min: s.min.into(),
            max: s.max.into(),
            t_max: s.t_max.into(),
            mean: s.mean.into(),
            integral: s.integral.into(),
            barrier: s.barrier.into(),
        }
    }
}

impl AccuracySummary {
    /// Of the share of errors, whose worst is its maximum.
    fn of_errors(s: Summary) -> Self {
        Self {
            start: (1.0 - s.start).into(),
            end: (1.0 - s.end).into(),
            min: (1.0 - s.max).into(),
            max: (1.0 - s.min).into(),
            t_min: s.t_max.into(),
            mean: (1.0 - s.mean).into(),
            integral: (1.0 - s.integral).into(),
            barrier: s.barrier.into(),
        }
    }
}

/// Evaluates `n_points` evenly spaced points of a path on each of `data`.
pub(super) fn evaluate_path(
    jobs: &Jobs,
    network: &Arc<Network>,
    path: &Path,
    align: &'static str,
    n_points: usize,
    measure: &Measure,
) -> Result<PathResult> {
    let ts = Curve::even_ts(n_points);
    let steps = path.steps(&ts);
    let sample = path.sample(&ts);
    let mut points: Vec<PointReport> = ts.iter().map(|&t| PointReport::new(path, t)).collect();
    let mut summary = SummaryReport { barrier_definition: BARRIER_DEFINITION, test: None, train: None };
    let mut figures = BTreeMap::new();
    let mut all_values = Vec::with_capacity(measure.data.len());
    for data in &measure.data {
        let spec = EvaluateSpec {
            batch_norm: measure.batch_norm.clone(),
            ..EvaluateSpec::new(Arc::clone(network), sample.basis.clone(), sample.rows.clone(), data.clone())
        };
        let values = jobs.evaluate(&format!("evaluating on {}", data.split.images()), spec)?;
        let (loss, error) = summaries(&ts, &steps, &values).context("a path has at least one point")?;
        let accuracies = ts.iter().copied().zip(values.iter().map(|value| value.accuracy));
        figures.insert(data.split.to_string(), comparison::figures(&loss, &error, accuracies));
        let found = Some(SplitSummary {
            loss: loss.into(),
            accuracy: AccuracySummary::of_errors(error),
            images: data.n_images(),
        });
        for (point, &value) in points.iter_mut().zip(&values) {
            match data.split {
                SplitName::Test => point.test = Some(value.into()),
                SplitName::Train => point.train = Some(value.into()),
            }
        }
        match data.split {
            SplitName::Test => summary.test = found,
            SplitName::Train => summary.train = found,
        }
        all_values.push((data.split, values.into_iter().map(Some).collect()));
    }
    let distance = path.start().distance(path.end());
    let report = PathReport {
        family: path.family().name(),
        align,
        bends: path.bends().len(),
        notes: Vec::new(),
        traces: Vec::new(),
        length: path.length().into(),
        distance: distance.into(),
        points,
        summary,
        repaired: None,
        robust: None,
    };
    Ok(PathResult { report, ts, values: all_values, figures })
}

impl PathResult {
    /// What is drawn of the first split.
    pub(super) fn curve(&self) -> Option<(SplitName, FamilyCurve)> {
        let (split, values) = self.values.first()?;
        let along = |value: fn(&PointValue) -> f64| {
            self.ts.iter().zip(values).filter_map(|(&t, found)| Some((t, value(found.as_ref()?)))).collect()
        };
        let (losses, accuracies) = (along(|value| value.loss), along(|value| value.accuracy));
        Some((*split, FamilyCurve { losses, accuracies, ..FamilyCurve::default() }))
    }
}

/// Of the losses, and of the shares of wrong answers.
fn summaries(ts: &[f64], steps: &[f64], values: &[PointValue]) -> Option<(Summary, Summary)> {
    let losses: Vec<f64> = values.iter().map(|v| v.loss).collect();
    let errors: Vec<f64> = values.iter().map(|v| 1.0 - v.accuracy).collect();
    Some((summarise(ts, &losses, steps)?, summarise(ts, &errors, steps)?))
}

impl PathReport {
    fn splits(&self) -> impl Iterator<Item = (&'static str, &SplitSummary)> {
        let both = [("test", self.summary.test.as_ref()), ("train", self.summary.train.as_ref())];
        both.into_iter().filter_map(|(name, found)| Some((name, found?)))
    }

    /// The summaries, a line each.
    pub(super) fn describe(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .splits()
            .map(|(name, found)| {
                vec![
                    name.to_owned(),
                    loss_text(found.loss.start.0),
                    loss_text(found.loss.end.0),
                    loss_text(found.loss.max.0),
                    format!("{:.3}", found.loss.t_max.0),
                    loss_text(found.loss.integral.0),
                    loss_text(found.loss.barrier.0),
                    accuracy_text(found.accuracy.start.0),
                    accuracy_text(found.accuracy.end.0),
                    accuracy_text(found.accuracy.min.0),
                ]
            })
            .collect();
        let heads = ["split", "start", "end", "max", "at t", "integral", "barrier", "accuracy start", "end", "min"];
        let aligned = if self.align == "none" { String::new() } else { format!(" to aligned B ({})", self.align) };
        let bends = match self.bends {
            0 => String::new(),
            1 => ", 1 bend".to_owned(),
            n => format!(", {n} bends"),
        };
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        let text = format!(
            "{} path{aligned}{bends}; {} points; length {:.3}, straight {:.3}\n{}{notes}",
            self.family,
            self.points.len(),
            self.length.0,
            self.distance.0,
            table(&heads, &rows)
        );
        let repaired = self.repaired.as_ref().map(|repaired| format!("\nrepaired: {}", repaired.describe()));
        let robust = self.robust.as_ref().map(|robust| format!("\n{}", robust.describe()));
        [Some(text), repaired, robust].into_iter().flatten().collect()
    }

    /// Every point, as rows of a CSV file.
    pub(super) fn to_csv(&self) -> Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(["t", "split", "loss", "accuracy"])?;
        for point in &self.points {
            for (split, score) in [("test", point.test), ("train", point.train)] {
                let Some(score) = score else { continue };
                let row =
                    [point.t.to_string(), split.to_owned(), score.loss.0.to_string(), score.accuracy.0.to_string()];
                out.write_record(row)?;
            }
        }
        out.into_inner().context("could not write the rows")
    }
}
