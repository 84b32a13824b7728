//! The four curves as JSON, Markdown and text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::cli::along::PointReport;
use crate::cli::output::{Number, markdown_table, numbers, table};
use crate::cli::records::{Inputs, Record};
use crate::cli::score::ScoreReport;
use crate::cli::spread::{SpreadReport, Unit};
use crate::data::SplitName;
use crate::geometry::comparison::Spread;
use crate::geometry::summarise;
use crate::matching::Choice as _;

#[derive(Serialize)]
pub(super) struct PamReport {
    pub(super) data: String,
    /// That curves are scored on, by split.
    pub(super) images: BTreeMap<String, usize>,
    pub(super) network: String,
    pub(super) pairs: usize,
    pub(super) seeds: usize,
    pub(super) pam_epochs: usize,
    pub(super) curve_epochs: usize,
    pub(super) t: Vec<f64>,
    pub(super) curves: Vec<CurveReport>,
}

/// One kind of curve over all pairs and seeds.
#[derive(Serialize)]
pub(super) struct CurveReport {
    pub(super) curve: &'static str,
    align: &'static str,
    /// By split.
    pub(super) scores: BTreeMap<String, ScoresReport>,
    pub(super) runs: Vec<Run>,
}

#[derive(Serialize)]
pub(super) struct ScoresReport {
    pub(super) loss: Band,
    pub(super) accuracy: Band,
    /// Of each curve's lowest accuracy, its mean accuracy by arc length, its highest loss, and its ends' mean accuracy.
    min_accuracy: SpreadReport,
    mean_accuracy: SpreadReport,
    max_loss: SpreadReport,
    end_accuracy: SpreadReport,
}

/// At each t, over the runs.
#[derive(Serialize)]
pub(super) struct Band {
    pub(super) mean: Vec<Number>,
    /// Of a sample; none for a single run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) deviation: Vec<Number>,
}

/// One trained curve.
#[derive(Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) inputs: Inputs,
    /// From 0.
    pub(super) pair: usize,
    pub(super) seed: u64,
    pub(super) max_logit_difference: Number,
    /// Euclidean, in weight space: of the whole curve, and between neighbouring points.
    pub(super) length: Number,
    pub(super) steps: Vec<Number>,
    pub(super) points: Vec<PointReport>,
    /// Mean loss of the minibatches of an epoch (from 0); none for runs that were kept by earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) epoch_losses: Vec<(usize, Number)>,
}

impl Record for Run {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }
}

impl Run {
    /// One number a point; `None` where the split was not measured.
    fn series(&self, split: SplitName, value: fn(ScoreReport) -> Number) -> Option<Vec<f64>> {
        self.points.iter().map(|point| Some(value(point.score(split)?).0)).collect()
    }

    /// By arc length.
    fn mean(&self, ts: &[f64], values: &[f64]) -> f64 {
        let steps: Vec<f64> = self.steps.iter().map(|step| step.0).collect();
        summarise(ts, values, &steps).map_or(f64::NAN, |summary| summary.integral)
    }
}

impl CurveReport {
    pub(super) fn new(kind: Kind, ts: &[f64], runs: Vec<Run>) -> Self {
        let splits = [SplitName::Test, SplitName::Train].into_iter();
        let scores = splits.filter_map(|split| Some((split.to_string(), ScoresReport::new(split, ts, &runs)?)));
        Self { curve: kind.name, align: kind.align.name(), scores: scores.collect(), runs }
    }
}

impl ScoresReport {
    /// `None` for a split that was not measured.
    fn new(split: SplitName, ts: &[f64], runs: &[Run]) -> Option<Self> {
        let all = |value: fn(ScoreReport) -> Number| -> Option<Vec<Vec<f64>>> {
            runs.iter().map(|run| run.series(split, value)).collect()
        };
        let (losses, accuracies) = (all(|score| score.loss)?, all(|score| score.accuracy)?);
        let spread = |values: Vec<f64>| Spread::of(&values).map(SpreadReport::from);
        let of_each = |series: &[Vec<f64>], value: fn(&[f64]) -> f64| spread(series.iter().map(|v| value(v)).collect());
        let means = accuracies.iter().zip(runs).map(|(values, run)| run.mean(ts, values));
        Some(Self {
            loss: Band::new(&losses),
            accuracy: Band::new(&accuracies),
            min_accuracy: of_each(&accuracies, |values| values.iter().copied().fold(f64::INFINITY, f64::min))?,
            mean_accuracy: spread(means.collect())?,
            max_loss: of_each(&losses, |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))?,
            end_accuracy: of_each(&accuracies, |values| match values {
                [first, .., last] => 0.5 * (first + last),
                _ => f64::NAN,
            })?,
        })
    }

    fn cells(&self) -> Vec<String> {
        let percent = [self.end_accuracy, self.mean_accuracy, self.min_accuracy];
        let mut cells: Vec<String> = percent.into_iter().map(|value| value.cell(Unit::Percent)).collect();
        cells.push(self.max_loss.cell(Unit::Nats));
        cells
    }
}

impl Band {
    fn new(runs: &[Vec<f64>]) -> Self {
        let n_points = runs.first().map_or(0, Vec::len);
        let at = |point: usize| Spread::of(&runs.iter().map(|run| run[point]).collect::<Vec<_>>());
        let found: Vec<Spread> = (0..n_points).filter_map(at).collect();
        Self {
            mean: numbers(found.iter().map(|point| point.mean)),
            deviation: numbers(found.iter().filter_map(|point| point.deviation)),
        }
    }
}

impl PamReport {
    const HEADS: [&str; 5] = ["curve", "accuracy at the ends (%)", "mean accuracy (%)", "min accuracy (%)", "max loss"];

    /// The rows of one split.
    fn cells(&self, split: &str) -> Vec<Vec<String>> {
        let row = |curve: &CurveReport| -> Option<Vec<String>> {
            let scores = curve.scores.get(split)?.cells();
            Some(std::iter::once(curve.curve.to_owned()).chain(scores).collect())
        };
        self.curves.iter().filter_map(row).collect()
    }

    pub(super) fn counts(&self) -> String {
        let of = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
        format!(
            "{}, {}, {} a pair, {} epochs of curves, {} of permutations, {} points",
            self.network,
            of(self.pairs, "pair"),
            of(self.seeds, "seed"),
            self.curve_epochs,
            self.pam_epochs,
            self.t.len()
        )
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.counts());
        for (split, n) in &self.images {
            text += &format!("\n{split}, {n} images\n{}", table(&Self::HEADS, &self.cells(split)));
        }
        text
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!(
            "{}; means and sample standard deviations over the runs, mean accuracy by arc length.\n",
            self.counts()
        );
        for (split, n) in &self.images {
            text += &format!("\n### {split}, {n} images\n\n{}", markdown_table(&Self::HEADS, &self.cells(split)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_means_and_deviations_of_a_sample() {
        let found = Band::new(&[vec![1.0, 5.0], vec![3.0, 5.0]]);
        assert_eq!(found.mean, numbers([2.0, 5.0]));
        assert_eq!(found.deviation, numbers([2.0_f64.sqrt(), 0.0]));
        let single = Band::new(&[vec![4.0]]);
        assert_eq!((single.mean, single.deviation), (numbers([4.0]), Vec::new()));
    }
}
