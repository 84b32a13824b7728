//! `lowroad pam`: the four curves of Tatro et al. 2020 between networks, with their means and spreads over pairs and seeds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::align::{SampleOptions, align, warn_if_broken};
use super::along::{PathReport, PathResult, evaluate_path};
use super::finding::n_points;
use super::fitting::{FitOptions, FitTarget};
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener};
use super::open::Images;
use super::options::{CommonOptions, UsageError, positive};
use super::output::{Number, check_targets, numbers, report, say, table};
use crate::compute::{PointValue, TSampling};
use crate::data::SplitName;
use crate::geometry::{Curve, Path, summarise};
use crate::matching::{AlignMethod, Choice as _, MatchOptions, PamOptions};
use crate::net::ParamVec;
use crate::recipe::Descent;

/// The paper's 65 points along t.
const N_POINTS: usize = 65;
/// The curves: their names, and how B is aligned.
const CURVES: [(&str, AlignMethod); 4] = [
    ("unaligned", AlignMethod::Identity),
    ("PAM unaligned", AlignMethod::Pam),
    ("PAM aligned", AlignMethod::PamAligned),
    ("aligned", AlignMethod::Activation),
];

/// Trains the four curves of Tatro et al. 2020 (unaligned, aligned, and after PAM from either) between pairs of networks
#[derive(Args, Debug)]
pub(super) struct Pam {
    /// Pairs of networks: A and B, or A1 B1 A2 B2 ..
    #[arg(value_name = "NETWORK", num_args = 2.., required = true)]
    networks: Vec<PathBuf>,
    #[command(flatten)]
    samples: SampleOptions,
    /// Passes over the training images while permutations are looked for
    #[arg(long, value_name = "N", default_value_t = PamOptions::default().epochs)]
    pam_epochs: usize,
    /// Curves trained for each pair and kind, with different seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    seeds: usize,
    /// Evenly spaced points at which curves are evaluated, both ends included
    #[arg(long, value_name = "N", default_value_t = N_POINTS, value_parser = n_points)]
    points: usize,
    #[command(flatten)]
    fit: FitOptions,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Serialize)]
struct PamReport {
    data: String,
    pairs: usize,
    seeds: usize,
    pam_epochs: usize,
    curve_epochs: usize,
    t: Vec<f64>,
    curves: Vec<CurveReport>,
}

/// One kind of curve over all pairs and seeds.
#[derive(Serialize)]
struct CurveReport {
    curve: &'static str,
    align: &'static str,
    /// By split.
    scores: BTreeMap<String, ScoresReport>,
    runs: Vec<RunReport>,
}

#[derive(Serialize)]
struct ScoresReport {
    loss: Band,
    accuracy: Band,
    /// Of each curve's lowest accuracy, its mean accuracy by arc length, its highest loss, and its ends' mean accuracy.
    min_accuracy: MeanAndDeviation,
    mean_accuracy: MeanAndDeviation,
    max_loss: MeanAndDeviation,
    end_accuracy: MeanAndDeviation,
}

/// At each t, over the runs.
#[derive(Serialize)]
struct Band {
    mean: Vec<Number>,
    deviation: Vec<Number>,
}

#[derive(Clone, Copy, Serialize)]
struct MeanAndDeviation {
    mean: Number,
    /// Of a sample; 0 for a single run.
    deviation: Number,
}

#[derive(Serialize)]
struct RunReport {
    pair: usize,
    seed: u64,
    max_logit_difference: Number,
    path: PathReport,
}

/// One trained curve.
struct Run {
    report: RunReport,
    values: Vec<(SplitName, Vec<PointValue>)>,
    /// Lengths between neighbouring points.
    steps: Vec<f64>,
}

impl From<&[f64]> for MeanAndDeviation {
    fn from(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { mean: mean.into(), deviation: variance.sqrt().into() }
    }
}

pub(super) fn run(args: &Pam) -> Result<()> {
    if !args.networks.len().is_multiple_of(2) {
        let found = args.networks.len();
        return Err(UsageError(format!("expected pairs of networks, found {found} networks")).into());
    }
    check_targets([args.common.json.json.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let pairs: Vec<Endpoints> =
        args.networks.chunks_exact(2).map(|pair| opener.endpoints(&pair[0], &pair[1])).collect::<Result<_>>()?;
    let descent = args.fit.over(Descent::default());
    let ts = Curve::even_ts(args.points);
    let mut curves = Vec::with_capacity(CURVES.len());
    for (name, method) in CURVES {
        let mut runs = Vec::new();
        for (index, ends) in pairs.iter().enumerate() {
            say(&format!("{name}, pair {} of {}", index + 1, pairs.len()));
            runs.extend(
                Curves { args, jobs: &jobs, images: &images, ends, epochs: descent.epochs }.train(index, method)?,
            );
        }
        curves.push(curve_report(name, method, &ts, runs));
    }
    let found = PamReport {
        data: args.common.data.data.clone(),
        pairs: pairs.len(),
        seeds: args.seeds,
        pam_epochs: args.pam_epochs,
        curve_epochs: descent.epochs,
        t: ts,
        curves,
    };
    report(&args.common.json, &found, &describe(&found))
}

/// What the curves of one pair need.
struct Curves<'a> {
    args: &'a Pam,
    jobs: &'a Jobs,
    images: &'a Images,
    ends: &'a Endpoints,
    epochs: usize,
}

impl Curves<'_> {
    /// Aligns B and trains a curve to it for each seed.
    fn train(&self, pair: usize, method: AlignMethod) -> Result<Vec<Run>> {
        let Self { args, jobs, images, ends, .. } = *self;
        let pam = PamOptions { epochs: args.pam_epochs, ..PamOptions::default() };
        let options = MatchOptions { pam, seed: pair as u64, ..MatchOptions::of(method) };
        let alignment = align(jobs, ends, args.samples.of(images), options)?;
        warn_if_broken(&alignment);
        let measure = images.measure(args.common.score, &args.common.network);
        let mut runs = Vec::with_capacity(args.seeds);
        for seed in 0..args.seeds as u64 {
            let path = self.fit(&alignment.aligned, seed)?;
            let PathResult { report, values, .. } =
                evaluate_path(jobs, &ends.network, &path, method.name(), args.points, &measure)?;
            let max_logit_difference = alignment.seal.max_logit_difference.into();
            runs.push(Run {
                report: RunReport { pair, seed, max_logit_difference, path: report },
                values: values
                    .into_iter()
                    .map(|(split, found)| (split, found.into_iter().flatten().collect()))
                    .collect(),
                steps: path.steps(&Curve::even_ts(args.points)),
            });
        }
        Ok(runs)
    }

    /// A Bézier curve with one bend, which starts at the midpoint.
    fn fit(&self, b: &Arc<ParamVec>, seed: u64) -> Result<Path> {
        let Self { args, jobs, images, ends, epochs } = *self;
        let bezier = Curve::Bezier { n_bends: 1 };
        let start = Path::straight(&ends.network, bezier, Arc::clone(&ends.a.params), Arc::clone(b));
        let target = FitTarget {
            network: Arc::clone(&ends.network),
            family: bezier,
            basis: start.basis().to_vec(),
            data: images.of(SplitName::Train, None),
            sampling: TSampling::One,
            seed,
        };
        let bends = jobs.fit("fitting the curve", args.fit.spec(target, epochs))?;
        Ok(Path::new(&ends.network, bezier, Arc::clone(&ends.a.params), Arc::clone(b), bends))
    }
}

fn curve_report(curve: &'static str, method: AlignMethod, ts: &[f64], runs: Vec<Run>) -> CurveReport {
    let splits: Vec<SplitName> = runs.first().map_or_else(Vec::new, |run| run.values.iter().map(|(s, _)| *s).collect());
    let scores = splits.into_iter().enumerate().map(|(index, split)| (split.to_string(), scores(index, ts, &runs)));
    let scores = scores.collect();
    CurveReport { curve, align: method.name(), scores, runs: runs.into_iter().map(|run| run.report).collect() }
}

/// Of one split, by its place among a run's values.
fn scores(split: usize, ts: &[f64], runs: &[Run]) -> ScoresReport {
    let series = |value: fn(&PointValue) -> f64| -> Vec<Vec<f64>> {
        runs.iter().map(|run| run.values[split].1.iter().map(value).collect()).collect()
    };
    let (losses, accuracies) = (series(|value| value.loss), series(|value| value.accuracy));
    let of_each = |series: &[Vec<f64>], value: &dyn Fn(&[f64], &Run) -> f64| -> MeanAndDeviation {
        let values: Vec<f64> = series.iter().zip(runs).map(|(values, run)| value(values, run)).collect();
        values.as_slice().into()
    };
    let by_length = |values: &[f64], run: &Run| summarise(ts, values, &run.steps).map_or(f64::NAN, |s| s.integral);
    let ends = |values: &[f64], _: &Run| match (values.first(), values.last()) {
        (Some(first), Some(last)) => 0.5 * (first + last),
        _ => f64::NAN,
    };
    ScoresReport {
        loss: band(&losses),
        accuracy: band(&accuracies),
        min_accuracy: of_each(&accuracies, &|values, _| values.iter().copied().fold(f64::INFINITY, f64::min)),
        mean_accuracy: of_each(&accuracies, &by_length),
        max_loss: of_each(&losses, &|values, _| values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        end_accuracy: of_each(&accuracies, &ends),
    }
}

fn band(runs: &[Vec<f64>]) -> Band {
    let n_points = runs.first().map_or(0, Vec::len);
    let at = |point: usize| -> MeanAndDeviation {
        let values: Vec<f64> = runs.iter().map(|run| run[point]).collect();
        values.as_slice().into()
    };
    let found: Vec<MeanAndDeviation> = (0..n_points).map(at).collect();
    Band {
        mean: numbers(found.iter().map(|point| point.mean.0)),
        deviation: numbers(found.iter().map(|point| point.deviation.0)),
    }
}

fn describe(found: &PamReport) -> String {
    let percent =
        |value: MeanAndDeviation| format!("{:.2} +- {:.2} %", 100.0 * value.mean.0, 100.0 * value.deviation.0);
    let mut rows = Vec::new();
    for curve in &found.curves {
        for (split, scores) in &curve.scores {
            rows.push(vec![
                curve.curve.to_owned(),
                split.clone(),
                percent(scores.end_accuracy),
                percent(scores.mean_accuracy),
                percent(scores.min_accuracy),
                format!("{:.4} +- {:.4}", scores.max_loss.mean.0, scores.max_loss.deviation.0),
            ]);
        }
    }
    let heads = ["curve", "split", "accuracy at the ends", "mean", "min", "largest loss"];
    let runs = format!("{} pairs, {} seeds each, {} epochs", found.pairs, found.seeds, found.curve_epochs);
    format!("{runs}\n{}", table(&heads, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_means_and_deviations_of_a_sample() {
        let found = band(&[vec![1.0, 5.0], vec![3.0, 5.0]]);
        assert_eq!(found.mean, numbers([2.0, 5.0]));
        assert_eq!(found.deviation, numbers([2.0_f64.sqrt(), 0.0]));
        let single = MeanAndDeviation::from(&[4.0][..]);
        assert_eq!((single.mean.0, single.deviation.0), (4.0, 0.0));
    }
}
