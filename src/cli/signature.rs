//! `lowroad signature`: correlations of matched units by layer, between networks and between the middle of a curve and its
//! ends (METHODS-ALIGNMENT, figures F1 and F2; Tatro et al. 2020).

mod report;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use super::align::SampleOptions;
use super::jobs::Jobs;
use super::networks::{Opener, fitting};
use super::open::{Images, Measure};
use super::options::{CommonOptions, UsageError};
use super::output::{check_targets, report};
use super::pictures::{figure_file, save_figure};
use crate::compute::{AlignSpec, BatchNorm, DataRef, EnsembleSpec};
use crate::geometry::{Curve, Path};
use crate::matching::{AlignMethod, MatchOptions};
use crate::net::{Network, ParamVec};
use report::SignatureReport;

/// Correlations of matched units by layer: of pairs of networks, and of the middle of a curve with its ends
#[derive(Args, Debug)]
pub(super) struct Signature {
    /// Pairs of networks of one architecture; B's units are matched to A's
    #[arg(value_name = "A B [A2 B2 ..]", num_args = 2.., required = true)]
    networks: Vec<PathBuf>,
    /// The trained bend of a curve from A to B, one a pair in their order: its middle is compared with both ends as it is and
    /// with its units matched, and so is the middle of the straight line
    #[arg(long, value_name = "FILE,..", value_delimiter = ',')]
    curve: Vec<PathBuf>,
    /// What `--curve` holds the bends of
    #[arg(long, value_enum, default_value_t = Family::Bezier)]
    family: Family,
    #[command(flatten)]
    samples: SampleOptions,
    /// Draws correlations by layer, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    figure: Option<PathBuf>,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Family {
    Bezier,
    Chain,
}

impl Family {
    fn curve(self) -> Curve {
        match self {
            Self::Bezier => Curve::Bezier { n_bends: 1 },
            Self::Chain => Curve::Chain { n_bends: 1 },
        }
    }
}

impl Signature {
    fn check(&self) -> Result<(), UsageError> {
        let n_pairs = self.networks.len() / 2;
        if !self.networks.len().is_multiple_of(2) {
            let found = self.networks.len();
            return Err(UsageError(format!("expected pairs of networks, A B [A2 B2 ..], found {found} networks")));
        }
        match self.curve.len() {
            0 => Ok(()),
            found if found == n_pairs => Ok(()),
            found => Err(UsageError(format!("--curve: expected a bend for each of {n_pairs} pairs, found {found}"))),
        }
    }
}

pub(super) fn run(args: &Signature) -> Result<()> {
    args.check()?;
    check_targets([args.common.json.json.as_ref(), args.figure.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let Measure { data, batch_norm } = images.measure(args.common.score, &args.common.network);
    let judge = data.into_iter().next().context("internal error: no split to measure on")?;
    let mut pairs = Vec::new();
    for names in args.networks.chunks_exact(2) {
        pairs.push(opener.endpoints(&names[0], &names[1])?);
    }
    let first = pairs.first().context("internal error: no pairs")?;
    let network = Arc::clone(&first.network);
    let finder = Correlations { jobs: &jobs, network: &network, samples: args.samples.of(&images), judge };
    let mut found = Vec::new();
    for (index, ends) in pairs.iter().enumerate() {
        let [a, b] = [fitting(&ends.a, &first.a)?, fitting(&ends.b, &first.a)?];
        let bend = args.curve.get(index).map(|file| opener.params(file, &first.a)).transpose()?;
        let between = finder.between(&a, &b)?;
        let ends = [&a, &b];
        let middle = bend.map(|bend| finder.middle(args.family.curve(), bend, ends, &batch_norm)).transpose()?;
        found.push(PairLayers { between, middle });
    }
    let result = SignatureReport::new(&args.curve, &finder, &pairs, &found);
    if let Some(path) = &args.figure {
        save_figure(path, &result.svg())?;
    }
    report(&args.common.json, &result, &result.describe())
}

/// Mean correlations of the units of each layer.
struct Layers {
    /// With the units of the same number.
    before: Vec<f64>,
    /// With their partners.
    after: Vec<f64>,
}

struct PairLayers {
    between: Layers,
    middle: Option<MiddleLayers>,
}

/// Means over both ends.
struct MiddleLayers {
    curve: Layers,
    /// The middle of the straight line, with the units of the same number.
    line: Vec<f64>,
}

struct Correlations<'a> {
    jobs: &'a Jobs,
    network: &'a Arc<Network>,
    /// Images that units are matched on.
    samples: DataRef,
    /// Images that the correlations are measured on.
    judge: DataRef,
}

impl Correlations<'_> {
    fn between(&self, a: &Arc<ParamVec>, b: &Arc<ParamVec>) -> Result<Layers> {
        let matched = self.jobs.align("matching units", self.spec(a, b, &self.samples))?;
        let given = Some(matched.report.permutations());
        self.measured(AlignSpec { given, ..self.spec(a, b, &self.judge) })
    }

    fn measured(&self, spec: AlignSpec) -> Result<Layers> {
        let measured = self.jobs.align("measuring correlations", spec)?;
        let groups = &measured.report.groups;
        Ok(Layers {
            before: groups.iter().map(|group| group.before.mean).collect(),
            after: groups.iter().map(|group| group.after.mean).collect(),
        })
    }

    /// The middle of the curve from one end to the other with this bend, and that of the straight line.
    fn middle(
        &self,
        curve: Curve,
        bend: Arc<ParamVec>,
        ends: [&Arc<ParamVec>; 2],
        batch_norm: &BatchNorm,
    ) -> Result<MiddleLayers> {
        let path = |curve: Curve, bends: Vec<Arc<ParamVec>>| {
            Path::new(self.network, curve, Arc::clone(ends[0]), Arc::clone(ends[1]), bends)
        };
        let middles = [path(curve, vec![bend]), path(Curve::Linear, Vec::new())].map(|path| Arc::new(path.point(0.5)));
        // Averages of weights need statistics of batch norm of their own.
        let spec = EnsembleSpec {
            network: Arc::clone(self.network),
            members: middles.to_vec(),
            data: self.judge.clone(),
            batch_norm: batch_norm.clone(),
        };
        let measured = self.jobs.ensemble("measuring the middles", spec)?.members;
        let [curve, line] = &measured[..] else {
            bail!("internal error: a middle is missing");
        };
        let in_place = |end: &Arc<ParamVec>| {
            let options = MatchOptions { method: AlignMethod::Identity, ..MatchOptions::default() };
            self.measured(AlignSpec { options, ..self.spec(end, line, &self.judge) })
        };
        let (at_a, at_b) = (self.between(ends[0], curve)?, self.between(ends[1], curve)?);
        let (line_at_a, line_at_b) = (in_place(ends[0])?, in_place(ends[1])?);
        Ok(MiddleLayers {
            curve: Layers { before: means(&at_a.before, &at_b.before), after: means(&at_a.after, &at_b.after) },
            line: means(&line_at_a.before, &line_at_b.before),
        })
    }

    fn spec(&self, a: &Arc<ParamVec>, b: &Arc<ParamVec>, data: &DataRef) -> AlignSpec {
        AlignSpec::new(Arc::clone(self.network), Arc::clone(a), Arc::clone(b), data.clone())
    }
}

fn means(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| 0.5 * (one + other)).collect()
}
