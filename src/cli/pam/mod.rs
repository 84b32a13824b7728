//! `lowroad pam`: the four curves of Tatro et al. 2020 between networks, with their means and spreads over pairs and seeds.

mod figures;
mod tables;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;

use super::align::{SampleOptions, align, warn_if_broken};
use super::along::evaluate_path;
use super::finding::n_points;
use super::fitting::{FitOptions, FitTarget};
use super::jobs::{Fitted, Jobs};
use super::networks::{Endpoints, Opener};
use super::open::{Images, Measure};
use super::options::{CommonOptions, UsageError, positive};
use super::output::{Number, check_targets, numbers, report, say};
use super::pictures::{figure_file, save_figure};
use super::records::{Inputs, Records};
use super::results::ResultOptions;
use crate::compute::{Alignment, FitSpec, Proximal, TSampling};
use crate::data::{Augmentation, SplitName};
use crate::geometry::{Curve, Path};
use crate::matching::{AlignMethod, Choice as _, MatchOptions, PamOptions};
use crate::net::ParamVec;
use crate::recipe::Descent;
use tables::{CurveReport, PamReport, Run};

/// The paper's 65 points along t.
const N_POINTS: usize = 65;

/// One of the four curves.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    /// How B is aligned before the curve is trained.
    align: AlignMethod,
}

const KINDS: [Kind; 4] = [
    Kind { name: "unaligned", align: AlignMethod::Identity },
    Kind { name: "PAM unaligned", align: AlignMethod::Pam },
    Kind { name: "PAM aligned", align: AlignMethod::PamAligned },
    Kind { name: "aligned", align: AlignMethod::Activation },
];

/// A kind by its name, with a hyphen for the blank.
fn kind(text: &str) -> Result<Kind, String> {
    let names = KINDS.map(|kind| kind.name.to_lowercase().replace(' ', "-"));
    let found = names.iter().position(|name| name == text);
    found.map(|index| KINDS[index]).ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Trains the four curves of Tatro et al. 2020 (unaligned, aligned, and after PAM from either) between pairs of networks
#[derive(Args, Debug)]
pub(super) struct Pam {
    /// Pairs of networks: A and B, or A1 B1 A2 B2 ..
    #[arg(value_name = "NETWORK", num_args = 2.., required = true)]
    networks: Vec<PathBuf>,
    #[command(flatten)]
    samples: SampleOptions,
    /// Curves to train [default: unaligned,pam-unaligned,pam-aligned,aligned]
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<Kind>,
    /// Passes over the training images while permutations are looked for
    #[arg(long, value_name = "N", default_value_t = PamOptions::default().epochs)]
    pam_epochs: usize,
    /// So many images decide between PAM's candidates when its matrices are rounded to permutations [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    rounding_images: Option<usize>,
    /// Looks for permutations and trains curves on the first N training images [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    train_images: Option<usize>,
    /// Random changes of the training images of curves, as `lowroad train` has them
    #[arg(long, value_name = "CHANGES", default_value = "none", value_parser = Augmentation::parse)]
    augment: Augmentation,
    /// Curves trained for each pair and kind, with different seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    seeds: usize,
    /// Evenly spaced points at which curves are evaluated, both ends included
    #[arg(long, value_name = "N", default_value_t = N_POINTS, value_parser = n_points)]
    points: usize,
    #[command(flatten)]
    fit: FitOptions,
    #[command(flatten)]
    results: ResultOptions,
    /// Draws the loss of the curves while they were trained, by epoch, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    training: Option<PathBuf>,
    #[command(flatten)]
    common: CommonOptions,
}

pub(super) fn run(args: &Pam) -> Result<()> {
    if !args.networks.len().is_multiple_of(2) {
        let found = args.networks.len();
        return Err(UsageError(format!("expected pairs of networks, found {found} networks")).into());
    }
    check_targets([args.common.json.json.as_ref(), args.training.as_ref()].into_iter().chain(args.results.targets()))?;
    let images = Images::open(&args.common.data)?;
    args.augment.check(&images.dataset)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let pairs: Vec<Endpoints> =
        args.networks.chunks_exact(2).map(|pair| opener.endpoints(&pair[0], &pair[1])).collect::<Result<_>>()?;
    let curves = Curves {
        args,
        jobs: &jobs,
        images: &images,
        measure: images.measure(args.common.score, &args.common.network),
        records: args.results.records()?,
        epochs: args.fit.over(Descent::default()).epochs,
    };
    let kinds = if args.kinds.is_empty() { KINDS.to_vec() } else { args.kinds.clone() };
    let mut of_kinds: Vec<Vec<Run>> = kinds.iter().map(|_| Vec::new()).collect();
    for (index, ends) in pairs.iter().enumerate() {
        let pair = Pair { index, n_pairs: pairs.len(), ends, inputs: curves.inputs(index, ends) };
        for (kind, runs) in kinds.iter().zip(&mut of_kinds) {
            runs.extend(curves.train(&pair, *kind)?);
        }
    }
    let ts = Curve::even_ts(args.points);
    let reports = kinds.into_iter().zip(of_kinds).map(|(kind, runs)| CurveReport::new(kind, &ts, runs));
    let found = PamReport {
        data: args.common.data.data.clone(),
        images: curves.measure.data.iter().map(|data| (data.split.to_string(), data.n_images())).collect(),
        network: pairs.first().map_or_else(String::new, |ends| ends.network.name().to_owned()),
        pairs: pairs.len(),
        seeds: args.seeds,
        pam_epochs: args.pam_epochs,
        curve_epochs: curves.epochs,
        curves: reports.collect(),
        t: ts,
    };
    save(args, &found, &curves.measure)?;
    report(&args.common.json, &found, &found.to_text())
}

/// Figures are of the first split that was measured.
fn save(args: &Pam, found: &PamReport, measure: &Measure) -> Result<()> {
    let split = measure.data.first().context("internal error: no split to draw")?.split;
    args.results.save(
        || found.to_markdown(),
        || Ok(found.figure(split).to_svg()),
        || Ok(found.spectrum(split).to_svg()),
    )?;
    if let Some(path) = &args.training {
        save_figure(path, &found.training().to_svg())?;
    }
    Ok(())
}

/// Two networks, and what every run between them depends on.
struct Pair<'a> {
    index: usize,
    n_pairs: usize,
    ends: &'a Endpoints,
    inputs: Inputs,
}

/// What curves are trained with.
struct Curves<'a> {
    args: &'a Pam,
    jobs: &'a Jobs,
    images: &'a Images,
    measure: Measure,
    records: Option<Records>,
    epochs: usize,
}

impl Curves<'_> {
    /// The runs of one kind between one pair, a run a seed: those that were kept, or new ones. B is only aligned for these.
    fn train(&self, pair: &Pair<'_>, kind: Kind) -> Result<Vec<Run>> {
        let Self { args, records, .. } = self;
        let mut aligned = None;
        let mut runs = Vec::with_capacity(args.seeds);
        for seed in 0..args.seeds as u64 {
            let what = format!(
                "{}, pair {} of {}, seed {} of {}",
                kind.name,
                pair.index + 1,
                pair.n_pairs,
                seed + 1,
                args.seeds
            );
            let inputs = Inputs {
                way: kind.name.to_owned(),
                align: Some(kind.align.name().to_owned()),
                options: format!("{} seed {seed}", pair.inputs.options),
                ..pair.inputs.clone()
            };
            if let Some(kept) = records.as_ref().and_then(|records| records.find::<Run>(&inputs)) {
                say(&format!("{what}: kept from an earlier call"));
                runs.push(kept);
                continue;
            }
            say(&what);
            let alignment = match aligned.take() {
                Some(alignment) => alignment,
                None => self.align(pair, kind.align)?,
            };
            let run = self.measured(pair, kind, inputs, &alignment, seed)?;
            aligned = Some(alignment);
            if let Some(records) = records {
                records.keep(&run)?;
            }
            runs.push(run);
        }
        Ok(runs)
    }

    fn align(&self, pair: &Pair<'_>, method: AlignMethod) -> Result<Alignment> {
        let Self { args, jobs, images, .. } = self;
        let pam = PamOptions {
            epochs: args.pam_epochs,
            n_images: args.train_images,
            n_rounding_images: args.rounding_images,
            ..PamOptions::default()
        };
        let options = MatchOptions { pam, seed: pair.index as u64, ..MatchOptions::of(method) };
        let alignment = align(jobs, pair.ends, args.samples.of(images), options)?;
        warn_if_broken(&alignment);
        Ok(alignment)
    }

    fn measured(&self, pair: &Pair<'_>, kind: Kind, inputs: Inputs, alignment: &Alignment, seed: u64) -> Result<Run> {
        let Self { args, jobs, measure, .. } = self;
        let (path, epoch_losses) = self.fit(pair.ends, kind, &alignment.aligned, seed)?;
        let found = evaluate_path(jobs, &pair.ends.network, &path, kind.align.name(), args.points, measure)?;
        Ok(Run {
            inputs,
            pair: pair.index,
            seed,
            max_logit_difference: alignment.seal.max_logit_difference.into(),
            length: found.report.length,
            steps: numbers(path.steps(&found.ts)),
            points: found.report.points,
            epoch_losses: epoch_losses.into_iter().map(|(epoch, loss)| (epoch, Number(loss))).collect(),
        })
    }

    /// A Bézier curve with one bend, which starts at the midpoint; and the mean loss of each epoch.
    fn fit(&self, ends: &Endpoints, kind: Kind, b: &Arc<ParamVec>, seed: u64) -> Result<(Path, Vec<(usize, f64)>)> {
        let Self { args, jobs, images, epochs, .. } = self;
        let bezier = Curve::Bezier { n_bends: 1 };
        let start = Path::straight(&ends.network, bezier, Arc::clone(&ends.a.params), Arc::clone(b));
        let target = FitTarget {
            network: Arc::clone(&ends.network),
            family: bezier,
            basis: start.basis().to_vec(),
            data: images.of(SplitName::Train, args.train_images),
            sampling: TSampling::One,
            seed,
        };
        let proximal =
            kind.align.is_pam().then(|| Proximal { anchors: start.bends().to_vec(), nu: PamOptions::default().nu });
        let spec = FitSpec { augmentation: args.augment.clone(), proximal, ..args.fit.spec(target, *epochs) };
        let Fitted { vectors, epoch_losses } = jobs.fit_traced("fitting the curve", spec)?;
        let path = Path::new(&ends.network, bezier, Arc::clone(&ends.a.params), Arc::clone(b), vectors);
        Ok((path, epoch_losses))
    }

    /// What all runs between a pair depend on. Its place among the pairs is the seed of its alignment.
    fn inputs(&self, index: usize, ends: &Endpoints) -> Inputs {
        let Pam { samples, pam_epochs, rounding_images, train_images, augment, fit, points, common, .. } = self.args;
        let options = format!(
            "{samples:?} pam_epochs {pam_epochs} rounding_images {rounding_images:?} train_images {train_images:?} {augment:?} epochs {} {fit:?} pair {index}",
            self.epochs
        );
        Inputs::between(ends, common, *points, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_and_others_are_refused_with_all_names() {
        assert_eq!(kind("pam-aligned").unwrap().align, AlignMethod::PamAligned);
        assert!(kind("PAM").unwrap_err().contains("unaligned, pam-unaligned, pam-aligned, aligned"));
    }
}
