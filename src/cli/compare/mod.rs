//! `lowroad compare`: every way to connect, on the same pairs of networks.

mod tables;
mod ways;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;

use super::align::{EndAt, end_at};
use super::along::evaluate_path;
use super::finding::{FindOptions, Finder, Wanted, n_points};
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener, shown};
use super::open::{Images, Measure};
use super::options::{CommonOptions, UsageError, positive};
use super::output::{Number, accuracy_text, check_targets, command_line, report, say};
use super::records::{Inputs, Records, fingerprint_of_file};
use super::results::ResultOptions;
use super::score::{ScoreReport, score_networks};
use crate::checkpoint::Mode;
use crate::data::SplitName;
use crate::figures::{FamilyCurve, families_figure, spectrum_figure};
use crate::files;
use crate::geometry::Family;
use crate::geometry::comparison::{Figures, Outcome, Quantity, Run, Spread, rows};
use crate::net::ParamVec;
use crate::render::figure::{CurveFigure, StackedFigure};
use tables::{CompareReport, EndPointScores, EndPoints, Record, RowReport, RunReport};
pub(super) use ways::{Way, Ways};

/// Connects pairs of networks in several ways and compares what the paths come to
#[derive(Args, Debug)]
pub(super) struct Compare {
    /// Networks of one architecture, two at least
    #[arg(value_name = "A B [C ..]", num_args = 2.., required = true)]
    networks: Vec<PathBuf>,
    /// Ways to connect, separated by commas: families as `lowroad path --family` has them, or `all`. `chain:3` has three
    /// trained bends (`chain` or `chain:1`, one, is Garipov (3) of the papers' tables, whose count includes both ends, and
    /// `chain:3` is Garipov (5)); `aligned/NAME` joins A to B with its units in A's order
    #[arg(long, value_name = "NAME,..", value_parser = Ways::from_str)]
    families: Ways,
    /// How B is aligned for families named `aligned/NAME`; their time includes it
    #[arg(long, default_value = "activation", value_parser = end_at())]
    align: EndAt,
    /// Pairs of the networks: all of them, or the first N, neighbours in the list before others
    #[arg(long, value_name = "all|N", default_value = "all", value_parser = n_pairs)]
    pairs: Pairs,
    /// Evenly spaced points at which each path is evaluated, both ends included; an odd number, so that one is half-way
    #[arg(long, value_name = "N", default_value_t = 33, value_parser = odd_points)]
    points: usize,
    #[command(flatten)]
    find: FindOptions,
    /// Writes the table, a row a family and split, unrounded
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    results: ResultOptions,
    #[command(flatten)]
    common: CommonOptions,
}

/// How many pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pairs {
    All,
    First(usize),
}

fn n_pairs(text: &str) -> Result<Pairs, String> {
    match text {
        "all" => Ok(Pairs::All),
        text => positive(text).map(Pairs::First),
    }
}

fn odd_points(text: &str) -> Result<usize, String> {
    match n_points(text)? {
        n if n.is_multiple_of(2) => Err(format!("expected an odd number, so that one point is half-way, found {n}")),
        n => Ok(n),
    }
}

impl Pairs {
    /// Places in the list, the nearest neighbours first.
    fn of(self, n_networks: usize) -> Vec<(usize, usize)> {
        let all = (1..n_networks).flat_map(|apart| (0..n_networks - apart).map(move |first| (first, first + apart)));
        match self {
            Self::All => all.collect(),
            Self::First(n) => all.take(n).collect(),
        }
    }
}

impl Compare {
    fn check(&self) -> Result<(), UsageError> {
        let ways = &self.families.0;
        if ways.iter().any(|way| way.is_aligned) && self.align == EndAt::AsItIs {
            return Err(UsageError("--align none leaves nothing to align for families named aligned/NAME".to_owned()));
        }
        let families: Vec<Family> = ways.iter().map(|way| way.family).collect();
        self.find.check(&families)
    }
}

pub(super) fn run(args: &Compare) -> Result<()> {
    args.check()?;
    check_targets([args.common.json.json.as_ref(), args.csv.as_ref()].into_iter().chain(args.results.targets()))?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let modes: Vec<Mode> = args.networks.iter().map(|path| opener.mode(path)).collect::<Result<_>>()?;
    let comparison = Comparison {
        args,
        finder: Finder { jobs: &jobs, images: &images, options: &args.find },
        measure: images.measure(args.common.score, &args.common.network),
        records: args.results.records()?,
        maps: args.find.connect.flow.iter().map(|path| fingerprint_of_file(path)).collect::<Result<_>>()?,
        pairs: args.pairs.of(modes.len()),
        modes: &modes,
    };
    let found = comparison.run()?;
    if let Some(path) = &args.csv {
        files::write_atomic(path, &found.to_csv()?)?;
    }
    args.results.save(
        || found.to_markdown(),
        || Ok(comparison.figure(&found)?.to_svg()),
        || Ok(comparison.spectrum(&found)?.to_svg()),
    )?;
    report(&args.common.json, &found, &found.to_text())
}

/// A comparison at work.
struct Comparison<'a> {
    args: &'a Compare,
    finder: Finder<'a>,
    measure: Measure,
    records: Option<Records>,
    /// Fingerprints of the maps of neurons that some families go through.
    maps: Vec<String>,
    modes: &'a [Mode],
    /// Places in `modes`.
    pairs: Vec<(usize, usize)>,
}

impl Comparison<'_> {
    fn run(&self) -> Result<CompareReport> {
        let names: Vec<String> = self.modes.iter().map(shown).collect();
        let ways = &self.args.families.0;
        let mut runs = Vec::new();
        let mut reports = Vec::new();
        for (pair, &(first, second)) in self.pairs.iter().enumerate() {
            let mut task = Task::new(self, first, second)?;
            for (family, way) in ways.iter().enumerate() {
                let what = format!("{way}, {} to {}", names[first], names[second]);
                let outcome = match task.record(way) {
                    Ok(Attempt::Found(record)) => {
                        say(&format!("{what}: {}", summary(&record)));
                        let found = record.found();
                        let (a, b) = (names[first].clone(), names[second].clone());
                        reports.push(RunReport { family: way.to_string(), a, b, record: *record });
                        Outcome::Found(found)
                    }
                    Ok(Attempt::Unsuited(reason)) => Outcome::Missing(reason),
                    Err(error) => {
                        let reason = format!("{error:#}");
                        say(&format!("{what} failed: {reason}"));
                        Outcome::Missing(reason)
                    }
                };
                runs.push(Run { family, pair, outcome });
            }
        }
        let pair_names: Vec<[String; 2]> =
            self.pairs.iter().map(|&(a, b)| [names[a].clone(), names[b].clone()]).collect();
        let rows = rows(ways.len(), &runs);
        Ok(CompareReport {
            network: self.modes[0].network.name().to_owned(),
            align: self.args.align.name(),
            points: self.args.points,
            splits: self.measure.data.iter().map(|data| data.split.to_string()).collect(),
            end_points: self.end_points()?,
            rows: ways.iter().zip(&rows).map(|(way, row)| RowReport::new(&way.to_string(), row, &pair_names)).collect(),
            runs: reports,
            modes: names,
        })
    }

    /// The modes by themselves.
    fn end_points(&self) -> Result<EndPoints> {
        let first = &self.modes[0];
        let params: Vec<Arc<ParamVec>> =
            self.modes.iter().map(|mode| mode.params_for(&first.network)).collect::<Result<_, _>>()?;
        let mut splits = BTreeMap::new();
        for data in &self.measure.data {
            let scores = score_networks(self.finder.jobs, &first.network, &params, data)?;
            let spread = |values: Vec<f64>| Spread::of(&values).context("internal error: no modes to compare");
            let accuracy = spread(scores.iter().map(|score| score.accuracy).collect())?.into();
            let loss = spread(scores.iter().map(|score| score.loss).collect())?.into();
            splits.insert(data.split.to_string(), EndPointScores { accuracy, loss });
        }
        Ok(EndPoints(splits))
    }

    /// Each way's values along t on the first split, averaged over the pairs.
    fn figure(&self, found: &CompareReport) -> Result<StackedFigure> {
        let (split, curves) = self.curves(found)?;
        let drawn = families_figure(&curves, split, self.caption(found));
        Ok(StackedFigure { metadata: Some(command_line()), ..drawn })
    }

    fn spectrum(&self, found: &CompareReport) -> Result<CurveFigure> {
        let (split, curves) = self.curves(found)?;
        let drawn = spectrum_figure(&curves, split, self.caption(found));
        Ok(CurveFigure { metadata: Some(command_line()), ..drawn })
    }

    fn curves(&self, found: &CompareReport) -> Result<(SplitName, Vec<FamilyCurve>)> {
        let split = self.measure.data.first().context("internal error: no split to draw")?.split;
        Ok((split, self.args.families.0.iter().filter_map(|way| mean_curve(way, split, &found.runs)).collect()))
    }

    fn caption(&self, found: &CompareReport) -> String {
        match self.pairs.len() {
            1 => format!("{}, {} points of each path.", found.network, found.points),
            n => format!("{}, {} points of each path; means over {n} pairs.", found.network, found.points),
        }
    }
}

/// The mean over a way's runs at each t; `None` without runs.
fn mean_curve(way: &Way, split: SplitName, runs: &[RunReport]) -> Option<FamilyCurve> {
    let name = way.to_string();
    let own: Vec<&Record> = runs.iter().filter(|run| run.family == name).map(|run| &run.record).collect();
    let points = &own.first()?.points;
    let mean_of = |value: fn(ScoreReport) -> Number| {
        let at = |place: usize| {
            let values = own.iter().filter_map(|record| Some(value(record.points.get(place)?.score(split)?).0));
            Some((points[place].t, Spread::of(&values.collect::<Vec<_>>())?.mean))
        };
        (0..points.len()).filter_map(at).collect()
    };
    Some(FamilyCurve {
        losses: mean_of(|score| score.loss),
        accuracies: mean_of(|score| score.accuracy),
        dashed: way.is_aligned,
        label: name,
        ..FamilyCurve::default()
    })
}

/// How a run ended, unless it failed.
enum Attempt {
    Found(Box<Record>),
    Unsuited(String),
}

/// All ways between one pair.
struct Task<'a> {
    comparison: &'a Comparison<'a>,
    ends: Endpoints,
    /// Of any way.
    inputs: Inputs,
    /// Aligned B and the time it took, once some way asked for it.
    aligned: Option<(Arc<ParamVec>, f64)>,
}

impl<'a> Task<'a> {
    fn new(comparison: &'a Comparison<'a>, first: usize, second: usize) -> Result<Self> {
        let (a, b) = (comparison.modes[first].clone(), comparison.modes[second].clone());
        let ends = Endpoints::of(a, b)?;
        let Compare { common, points, .. } = comparison.args;
        let inputs = Inputs::between(&ends, common, *points, String::new());
        Ok(Self { comparison, ends, inputs, aligned: None })
    }

    /// The run of one way: the one that was kept, or a new one.
    fn record(&mut self, way: &Way) -> Result<Attempt> {
        if let Some(reason) = way.family.unsuited(&self.ends.network) {
            return Ok(Attempt::Unsuited(reason));
        }
        let inputs = self.inputs(way);
        let records = &self.comparison.records;
        if let Some(kept) = records.as_ref().and_then(|records| records.find(&inputs)) {
            return Ok(Attempt::Found(Box::new(kept)));
        }
        let record = self.measured(way, inputs)?;
        if let Some(records) = records {
            records.keep(&record)?;
        }
        Ok(Attempt::Found(Box::new(record)))
    }

    fn measured(&mut self, way: &Way, inputs: Inputs) -> Result<Record> {
        let Comparison { args, finder, measure, .. } = self.comparison;
        let (b, alignment) = if way.is_aligned { self.aligned()? } else { (Arc::clone(&self.ends.b_params), 0.0) };
        let started = Instant::now();
        let epochs = finder.epochs(way.family);
        let wanted = Wanted { family: way.family, n_bends: way.n_bends(), bends: None, epochs };
        let found = finder.find(&self.ends, &b, wanted)?;
        let seconds = alignment + started.elapsed().as_secs_f64();
        let align = if way.is_aligned { args.align } else { EndAt::AsItIs };
        let result = evaluate_path(finder.jobs, &self.ends.network, &found.path, align.name(), args.points, measure)?;
        let numbers = |figures: &Figures| figures.iter().map(|(&quantity, &value)| (quantity, Number(value))).collect();
        Ok(Record {
            inputs,
            seconds: seconds.into(),
            length: result.report.length,
            notes: found.notes,
            figures: result.figures.iter().map(|(split, figures)| (split.clone(), numbers(figures))).collect(),
            points: result.report.points,
        })
    }

    fn aligned(&mut self) -> Result<(Arc<ParamVec>, f64)> {
        if let Some((aligned, seconds)) = &self.aligned {
            return Ok((Arc::clone(aligned), *seconds));
        }
        let started = Instant::now();
        let aligned = self.comparison.finder.aligned(self.comparison.args.align, &self.ends)?;
        let seconds = started.elapsed().as_secs_f64();
        self.aligned = Some((Arc::clone(&aligned), seconds));
        Ok((aligned, seconds))
    }

    fn inputs(&self, way: &Way) -> Inputs {
        let align = way.is_aligned.then(|| self.comparison.args.align.name().to_owned());
        let maps = if way.family.takes_map() { self.comparison.maps.clone() } else { Vec::new() };
        let options = self.comparison.args.find.that_count(way.family);
        Inputs { way: way.to_string(), align, maps, options, ..self.inputs.clone() }
    }
}

/// A run in a few words.
fn summary(record: &Record) -> String {
    let splits = record.found().splits;
    let worst: Vec<String> = splits
        .iter()
        .filter_map(|(split, figures)| {
            let worst = figures.get(&Quantity::WorstAccuracy)?;
            Some(format!("worst {split} accuracy {}", accuracy_text(*worst)))
        })
        .collect();
    format!("{}, {:.1} s", worst.join(", "), record.seconds.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_each_taken_once_and_neighbours_first() {
        assert_eq!(Pairs::All.of(4), [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)]);
        assert_eq!(Pairs::First(2).of(3), [(0, 1), (1, 2)]);
        assert_eq!(Pairs::First(9).of(2), [(0, 1)]);
        assert!(n_pairs("0").is_err() && n_pairs("some").is_err());
    }

    #[test]
    fn a_point_is_half_way() {
        assert_eq!(odd_points("21"), Ok(21));
        assert!(odd_points("20").unwrap_err().contains("odd") && odd_points("1").is_err());
    }
}
