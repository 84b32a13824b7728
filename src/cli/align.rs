//! `lowroad align`: puts the units of B in the order of A's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::align_report::{AlignReport, BeforeAfter};
use super::choices::{choice, possible_values};
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener};
use super::open::Images;
use super::options::{CommonOptions, positive};
use super::output::{check_targets, report, save_network, say};
use super::score::score_networks;
use crate::checkpoint::permutations;
use crate::compute::{AlignSpec, Alignment, DataRef};
use crate::data::{Attack, SplitName};
use crate::matching::{AlignMethod, Choice as _, MatchOptions, PamOptions, ReadAt, Similarity, StreamRule};

/// Above this difference of logits the permuted network cannot be called the same.
const SEAL_TOLERANCE: f64 = 1e-3;

/// Puts the units of B in the order of A's, without changing what B computes
#[derive(Args, Debug)]
pub(super) struct Align {
    /// The network whose order of units is kept
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The network whose units are moved
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    matching: MatchArgs,
    /// Takes the permutations from a file instead of looking for any, and judges them: JSON of this command, or .npz with an
    /// array a layer, under our names or those of Git Re-Basin (`P_0`, `P_bg0`, ..)
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    permutation: Option<PathBuf>,
    #[command(flatten)]
    samples: SampleOptions,
    /// Correlates activations on each network's own adversarial examples, such as 8/255,2/255,5: for robust networks
    #[arg(long, value_name = "EPS,STEP,STEPS", value_parser = Attack::from_str)]
    pgd: Option<Attack>,
    /// Saves B with its units moved, under the names that B came with
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Saves the permutations: entry i is the unit of B that is put in place i. `.npz`: an array a layer; otherwise JSON
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Writes align.json, layers.csv and a CSV of all units of each layer into a folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    common: CommonOptions,
}

/// How units are matched.
#[derive(Args, Clone, Copy, Debug)]
struct MatchArgs {
    /// How units are matched
    #[arg(long, default_value = "activation", value_parser = choice::<AlignMethod>())]
    method: AlignMethod,
    /// What makes two units alike for `--method activation`
    #[arg(long, default_value = "correlation", value_parser = choice::<Similarity>())]
    similarity: Similarity,
    /// Where activations are read
    #[arg(long, default_value = "post", value_parser = choice::<ReadAt>())]
    reading: ReadAt,
    /// Which readings of a residual stream decide about its units
    #[arg(long, default_value = "sum", value_parser = choice::<StreamRule>())]
    stream: StreamRule,
    /// Passes over the training images of `--method pam` and `pam-aligned`
    #[arg(long, value_name = "N", default_value_t = PamOptions::default().epochs)]
    pam_epochs: usize,
    /// So many images decide between the candidates of `--method pam` and `pam-aligned` when matrices are rounded [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    pam_rounding_images: Option<usize>,
    /// Descents of `--method weight`, in different orders of the layers; the best is kept
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    restarts: usize,
    /// Seed of `--method random`, `weight` and `pam`
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl MatchArgs {
    fn options(self) -> MatchOptions {
        let Self { method, similarity, reading, stream, pam_epochs, pam_rounding_images, restarts, seed } = self;
        let pam = PamOptions { epochs: pam_epochs, n_rounding_images: pam_rounding_images, ..PamOptions::default() };
        MatchOptions { method, similarity, read_at: reading, stream, n_restarts: restarts, pam, seed }
    }
}

/// Images whose activations are compared.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct SampleOptions {
    /// Images whose activations are correlated, the first ones of their split
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = positive)]
    pub(super) samples: usize,
    /// Split that they are taken from
    #[arg(long, value_enum, default_value_t = SampleSplit::Train)]
    pub(super) samples_split: SampleSplit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SampleSplit {
    Train,
    Test,
}

impl SampleOptions {
    pub(super) fn of(self, images: &Images) -> DataRef {
        let split = match self.samples_split {
            SampleSplit::Train => SplitName::Train,
            SampleSplit::Test => SplitName::Test,
        };
        images.of(split, Some(self.samples))
    }
}

impl Align {
    fn method_name(&self) -> &'static str {
        if self.permutation.is_some() { "file" } else { self.matching.method.name() }
    }

    fn command(&self) -> String {
        let MatchArgs { similarity, reading, stream, pam_epochs, restarts, seed, .. } = self.matching;
        let how = match &self.permutation {
            Some(file) => format!("--permutation {}", file.display()),
            None => format!(
                "--method {} --similarity {} --reading {} --stream {} --pam-epochs {pam_epochs} --restarts {restarts}",
                self.method_name(),
                similarity.name(),
                reading.name(),
                stream.name()
            ),
        };
        format!(
            "lowroad align {} {} {how} --samples {} --data {} --seed {seed}",
            self.a.display(),
            self.b.display(),
            self.samples.samples,
            self.common.data.data,
        )
    }
}

pub(super) fn run(args: &Align) -> Result<()> {
    check_targets([args.out.as_ref(), args.export.as_ref(), args.common.json.json.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let ends = opener.endpoints(&args.a, &args.b)?;
    let given = match &args.permutation {
        Some(path) => Some(permutations::read(path, &ends.network)?),
        None => None,
    };
    if let Some(folder) = &args.report {
        std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    }
    let spec = AlignSpec {
        options: args.matching.options(),
        given,
        with_null: true,
        attack: args.pgd,
        ..spec_of(&ends, args.samples.of(&images))
    };
    let alignment = jobs.align("aligning B to A", spec)?;
    warn_if_broken(&alignment);

    let mut scores = BTreeMap::new();
    for data in images.scored(args.common.score) {
        let both = [Arc::clone(&ends.b_params), Arc::clone(&alignment.aligned)];
        let found = score_networks(&jobs, &ends.network, &both, &data)?;
        if let [b, b_aligned] = found[..] {
            scores.insert(data.split.to_string(), BeforeAfter { b: b.into(), b_aligned: b_aligned.into() });
        }
    }
    if let Some(out) = &args.out {
        save_network(out, &ends.b.network, &alignment.aligned, &args.command(), Some(args.matching.seed))?;
    }
    if let Some(path) = &args.export {
        permutations::write(path, &ends.network, &alignment.report.permutations())?;
    }
    let found = AlignReport::new(args.method_name(), args.matching.options(), &alignment, scores);
    if let Some(folder) = &args.report {
        found.write(folder, &alignment.report)?;
    }
    report(&args.common.json, &found, &found.describe())
}

fn spec_of(ends: &Endpoints, data: DataRef) -> AlignSpec {
    AlignSpec::new(Arc::clone(&ends.network), Arc::clone(&ends.a.params), Arc::clone(&ends.b_params), data)
}

/// Which network a path ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndAt {
    /// B as it is.
    AsItIs,
    /// B with its units in A's order.
    Aligned(AlignMethod),
}

impl EndAt {
    /// As on the command line and in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AsItIs => "none",
            Self::Aligned(method) => method.name(),
        }
    }
}

/// Reads `none` or the name of a method.
pub(super) fn end_at() -> impl TypedValueParser<Value = EndAt> {
    let as_it_is = PossibleValue::new(EndAt::AsItIs.name()).help("B as it is");
    let values: Vec<PossibleValue> = std::iter::once(as_it_is).chain(possible_values::<AlignMethod>()).collect();
    PossibleValuesParser::new(values).map(|name| AlignMethod::from_name(&name).map_or(EndAt::AsItIs, EndAt::Aligned))
}

/// B with its units in A's order.
pub(super) fn align(jobs: &Jobs, ends: &Endpoints, data: DataRef, options: MatchOptions) -> Result<Alignment> {
    jobs.align("aligning B to A", AlignSpec { options, ..spec_of(ends, data) })
}

/// Says aloud when the permuted network does not compute what the original did.
pub(super) fn warn_if_broken(alignment: &Alignment) {
    let seal = alignment.seal;
    if SEAL_TOLERANCE < seal.max_logit_difference {
        say(&format!(
            "warning: the seal is broken: logits of B and of B with its units moved differ by up to {} on {} images",
            seal.max_logit_difference, seal.n_images
        ));
    }
    let n_non_finite: usize = alignment.report.groups.iter().map(|group| group.n_non_finite).sum();
    if 0 < n_non_finite {
        say(&format!("warning: {n_non_finite} correlations are NaN or infinite and were counted as 0"));
    }
}
