//! `lowroad align`: puts the units of B in the order of A's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::jobs::Jobs;
use super::open::{Endpoints, Images};
use super::options::{CommonOptions, positive};
use super::output::{Number, accuracy_text, check_targets, loss_text, report, save_network, say, table};
use super::score::{ScoreReport, score_networks};
use crate::compute::{Alignment, CorrelateSpec, DataRef, Engine, MatchWeightsSpec, seal};
use crate::data::SplitName;
use crate::matching::{LayerMatch, Permutation, permute};
use crate::net::ParamVec;

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
    /// How units are matched
    #[arg(long, value_enum, default_value_t = Method::Activation)]
    method: Method,
    #[command(flatten)]
    samples: SampleOptions,
    /// Saves B with its units moved, under the names that B came with
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Descents of `--method weight`, in different orders of the layers; the best is kept
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    restarts: usize,
    /// Seed of `--method random` and `weight`
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Correlation of activations after the nonlinearity (Tatro et al. 2020)
    Activation,
    /// Weights as close as coordinate descent brings them, without data (Ainsworth et al. 2023)
    Weight,
    /// Units shuffled, to see what an alignment is worth
    Random,
    /// Units left where they are
    Identity,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Weight => "weight",
            Self::Random => "random",
            Self::Identity => "identity",
        }
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

#[derive(Serialize)]
struct AlignReport {
    method: &'static str,
    samples: usize,
    layers: Vec<LayerReport>,
    max_logit_difference: Number,
    /// Images the logits were compared on, and those with the same predicted class.
    images_compared: usize,
    same_class: usize,
    /// B before and after, by split; the same but for rounding.
    scores: BTreeMap<String, BeforeAfter>,
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    units: usize,
    /// `permutation[i]` is the unit of B that is put in place i.
    permutation: Permutation,
    mean_correlation_before: Number,
    mean_correlation_after: Number,
}

#[derive(Serialize)]
struct BeforeAfter {
    b: ScoreReport,
    b_aligned: ScoreReport,
}

pub(super) fn run(args: &Align) -> Result<()> {
    check_targets([args.out.as_ref(), args.common.json.json.as_ref()])?;
    let ends = Endpoints::open(&args.a, &args.b, &args.common.network)?;
    let images = Images::open(&args.common.data)?;
    images.check(&ends.a)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let samples = args.samples.of(&images);
    let alignment = match args.method {
        Method::Activation => by_activations(&jobs, &ends, samples)?,
        Method::Weight => by_weights(&jobs, &ends, samples, args)?,
        Method::Random => moved(&jobs, &ends, samples, random_permutations(&ends, args.seed))?,
        Method::Identity => moved(&jobs, &ends, samples, identities(&ends))?,
    };
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
        let made_by = format!(
            "lowroad align {} {} --method {} --samples {} --data {} --seed {}",
            args.a.display(),
            args.b.display(),
            args.method.name(),
            args.samples.samples,
            args.common.data.data,
            args.seed
        );
        save_network(out, &ends.b.network, &alignment.aligned, &made_by, Some(args.seed))?;
    }
    let found = report_of(args.method, &ends, &alignment, scores);
    report(&args.common.json, &found, &describe(&found))
}

/// B aligned to A by correlations of activations.
pub(super) fn by_activations(jobs: &Jobs, ends: &Endpoints, data: DataRef) -> Result<Alignment> {
    let (a, b) = (Arc::clone(&ends.a.params), Arc::clone(&ends.b_params));
    let spec = CorrelateSpec { network: Arc::clone(&ends.network), a, b, data };
    jobs.align("aligning B to A", spec)
}

/// B aligned to A by its weights; correlations are only measured.
fn by_weights(jobs: &Jobs, ends: &Endpoints, data: DataRef, args: &Align) -> Result<Alignment> {
    let found = jobs.match_weights(MatchWeightsSpec {
        network: Arc::clone(&ends.network),
        a: Arc::clone(&ends.a.params),
        b: Arc::clone(&ends.b_params),
        n_restarts: args.restarts,
        seed: args.seed,
    })?;
    let best = found.traces.iter().map(Vec::len).max().unwrap_or(1) - 1;
    say(&format!("weight matching: objective {:.6} after at most {best} sweeps", found.objective));
    moved(jobs, ends, data, found.permutations)
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
    let n_non_finite: usize = alignment.layers.iter().map(|layer| layer.n_non_finite).sum();
    if 0 < n_non_finite {
        say(&format!("warning: {n_non_finite} correlations are NaN or infinite and were counted as 0"));
    }
}

fn identities(ends: &Endpoints) -> Vec<Permutation> {
    ends.network.groups().iter().map(|group| Permutation::identity(group.n_units)).collect()
}

fn random_permutations(ends: &Endpoints, seed: u64) -> Vec<Permutation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    ends.network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect()
}

/// B moved by permutations that nobody searched for, with the correlations and the seal of a real alignment.
fn moved(jobs: &Jobs, ends: &Endpoints, data: DataRef, permutations: Vec<Permutation>) -> Result<Alignment> {
    let aligned = Arc::new(permute(&ends.network, &ends.b_params, &permutations));
    let measure = |what: &str, b: &Arc<ParamVec>| {
        let (network, a) = (Arc::clone(&ends.network), Arc::clone(&ends.a.params));
        jobs.align(what, CorrelateSpec { network, a, b: Arc::clone(b), data: data.clone() })
    };
    // The mean before a match is the correlation of units in their present places.
    let before = measure("correlating A and B", &ends.b_params)?;
    let after = measure("correlating A and moved B", &aligned)?;
    let layers = permutations
        .into_iter()
        .zip(before.layers.iter().zip(&after.layers))
        .map(|(permutation, (before, after))| LayerMatch {
            permutation,
            mean_before: before.mean_before,
            mean_after: after.mean_before,
            n_non_finite: after.n_non_finite,
        })
        .collect();
    let seal =
        seal(&Engine::cpu(), &ends.network, &ends.b_params, &aligned, &data).context("comparing logits failed")?;
    Ok(Alignment { layers, aligned, n_samples: after.n_samples, seal })
}

fn report_of(
    method: Method,
    ends: &Endpoints,
    alignment: &Alignment,
    scores: BTreeMap<String, BeforeAfter>,
) -> AlignReport {
    let layers = ends.network.groups().iter().zip(&alignment.layers).map(|(group, layer)| LayerReport {
        name: group.name.clone(),
        units: group.n_units,
        permutation: layer.permutation.clone(),
        mean_correlation_before: layer.mean_before.into(),
        mean_correlation_after: layer.mean_after.into(),
    });
    AlignReport {
        method: method.name(),
        samples: alignment.n_samples,
        layers: layers.collect(),
        max_logit_difference: alignment.seal.max_logit_difference.into(),
        images_compared: alignment.seal.n_images,
        same_class: alignment.seal.n_same_class,
        scores,
    }
}

fn describe(found: &AlignReport) -> String {
    let rows: Vec<Vec<String>> = found
        .layers
        .iter()
        .map(|layer| {
            vec![
                layer.name.clone(),
                layer.units.to_string(),
                layer.permutation.n_fixed().to_string(),
                format!("{:.4}", layer.mean_correlation_before.0),
                format!("{:.4}", layer.mean_correlation_after.0),
            ]
        })
        .collect();
    let mut text = table(&["layer", "units", "unmoved", "correlation before", "after"], &rows);
    text += &format!(
        "\nseal: logits differ by at most {:.2e} on {} images, {} of the same class\n",
        found.max_logit_difference.0, found.images_compared, found.same_class
    );
    for (split, pair) in &found.scores {
        text += &format!(
            "{split}: B {} / {}, aligned B {} / {}\n",
            loss_text(pair.b.loss.0),
            accuracy_text(pair.b.accuracy.0),
            loss_text(pair.b_aligned.loss.0),
            accuracy_text(pair.b_aligned.accuracy.0)
        );
    }
    text
}
