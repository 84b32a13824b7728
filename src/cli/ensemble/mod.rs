//! `lowroad ensemble`: several networks asked together, and where their number comes from.

mod heads;
mod reports;
mod training;

use std::fs;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;

use super::align::{EndAt, end_at};
use super::compare::Way;
use super::finding::{FindOptions, Finder, Wanted};
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener, shown};
use super::open::{Images, Measure};
use super::options::{CommonOptions, UsageError, positive, positive_real};
use super::output::{check_targets, report, save_network};
use super::pictures::{figure_file, save_figure};
use crate::checkpoint::Mode;
use crate::compute::{BatchNorm, Collected, DataRef, EnsembleSpec, Head};
use crate::data::{Augmentation, SplitName};
use crate::files;
use crate::net::{Network, ParamVec};
use crate::recipe::Continuation;
use heads::Heads;
use reports::{EnsembleReport, describe, figure, to_csv};
use training::continuation;

/// Asks several networks together: loss and accuracy of the mean of their softmax outputs
#[derive(Args, Debug)]
pub(super) struct EnsembleArgs {
    /// The members; with `--path` the two ends of a path, with `--fge` and `--swa` the network that training goes on from
    #[arg(value_name = "A [B ..]", required = true)]
    networks: Vec<PathBuf>,
    /// Members are points of a path from A to B, between which it is equally long
    #[arg(long, group = "kind")]
    path: bool,
    /// The path's family, such as `linear`, `chain:3` or `aligned/bezier`
    #[arg(long, value_name = "NAME", default_value = "bezier", requires = "path")]
    family: Way,
    /// How B is aligned for families named `aligned/NAME`
    #[arg(long, default_value = "activation", value_parser = end_at(), requires = "path")]
    align: EndAt,
    /// Points of the path, both ends among them
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive, requires = "path")]
    members: usize,
    /// Fast geometric ensembling (Garipov et al. 2018): training goes on in cycles, in each of which the learning rate goes
    /// down and up again (from 0.05 to 0.0001 in cycles of 4 epochs, 20 in all, unless something else is said); the networks
    /// at its minima are the members
    #[arg(long, group = "kind")]
    fge: bool,
    /// Stochastic weight averaging (Izmailov et al. 2018): training goes on at a constant learning rate (0.01 for 20 epochs
    /// unless something else is said); the mean of the weights after each epoch is compared with where it began and ended
    #[arg(long, group = "kind")]
    swa: bool,
    /// WA-ensembles (Anokhin & Yarotsky 2020): members are the first network, and the upper layers of the others on its lower
    /// ones. Numbers of layers that are a member's own, or `all`; each with and without the lowest of them fitted to pass on
    /// what the member's own lower layers computed
    #[arg(long, value_name = "N,..|all", group = "kind", value_parser = Heads::from_str)]
    wa: Option<Heads>,
    /// Epochs of a cycle of `--fge`, an even number, or from one network of `--swa` to the next; 4 and 1 unless given
    #[arg(long, value_name = "N", value_parser = positive)]
    cycle: Option<usize>,
    /// The lowest learning rate of `--fge`
    #[arg(long, value_name = "RATE", default_value_t = 1e-4, value_parser = positive_real, requires = "fge")]
    lowest_lr: f64,
    /// Random changes of the training images for `--fge` and `--swa`, as `lowroad train` has them
    #[arg(long, value_name = "CHANGES", default_value = "none", value_parser = Augmentation::parse)]
    augment: Augmentation,
    #[command(flatten)]
    find: FindOptions,
    /// Saves the members, or the mean of the weights, into a folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Writes a row for each member, alone and with those before it
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draws accuracy against the number of members, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    figure: Option<PathBuf>,
    #[command(flatten)]
    common: CommonOptions,
}

/// What ensemble it is.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    head: Option<Head>,
}

impl Kind {
    fn named(name: &'static str) -> Self {
        Self { name, head: None }
    }

    /// What a member is saved as.
    fn file(self, place: usize) -> String {
        let head = self.head.map_or_else(String::new, |head| {
            format!("head-{}-{}-", head.layers, if head.adjusted { "adjusted" } else { "raw" })
        });
        format!("{head}member-{}.safetensors", place + 1)
    }
}

/// A network of an ensemble.
struct Member {
    name: String,
    params: Arc<ParamVec>,
}

impl EnsembleArgs {
    fn check(&self) -> Result<(), UsageError> {
        let usage = |text: &str| Err(UsageError(text.to_owned()));
        let is_training = self.fge || self.swa;
        match self.networks.len() {
            2 if self.path => {}
            found if self.path => return Err(UsageError(format!("--path joins 2 networks, found {found}"))),
            1 if is_training => {}
            found if is_training => {
                return Err(UsageError(format!("--fge and --swa go on from 1 network, found {found}")));
            }
            found if self.wa.is_some() && found < 2 => {
                return Err(UsageError(format!("--wa needs 2 networks at least, found {found}")));
            }
            _ => {}
        }
        if self.path {
            self.find.check(&[self.family.family])?;
        }
        if !is_training && (self.cycle.is_some() || !self.augment.is_none()) {
            return usage("--cycle and --augment are for --fge and --swa");
        }
        if is_training && self.find.fit.schedule.is_some() {
            return usage("--schedule makes no sense with --fge and --swa, which have schedules of their own");
        }
        if !is_training && !self.path && self.find.fit.epochs.is_some() {
            return usage("--epochs makes no sense without --path, --fge or --swa: nothing is trained");
        }
        Ok(())
    }
}

pub(super) fn run(args: &EnsembleArgs) -> Result<()> {
    args.check()?;
    check_targets([args.common.json.json.as_ref(), args.csv.as_ref(), args.figure.as_ref()])?;
    let continuation = continuation(args)?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let modes: Vec<Mode> = args.networks.iter().map(|path| opener.mode(path)).collect::<Result<_>>()?;
    if let Some(folder) = &args.save {
        fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    }
    let work = Work {
        args,
        images: &images,
        jobs: &jobs,
        network: Arc::clone(&modes[0].network),
        measure: images.measure(args.common.score, &args.common.network),
    };
    let found = match (continuation, &args.wa) {
        (None, Some(heads)) => heads.ensembles(&work, &modes)?,
        (None, None) if args.path => vec![work.along_path(&modes)?],
        (None, None) => vec![work.of_modes(&modes)?],
        (Some(continuation), _) => vec![work.continued(&modes[0], &continuation)?],
    };
    if let Some(path) = &args.csv {
        files::write_atomic(path, &to_csv(&found)?)?;
    }
    if let Some(path) = &args.figure {
        save_figure(path, &figure(&found)?.to_svg())?;
    }
    let text = describe(&found);
    match found.as_slice() {
        [one] if args.wa.is_none() => report(&args.common.json, one, &text),
        several => report(&args.common.json, &several, &text),
    }
}

/// What members are made and scored with.
struct Work<'a> {
    args: &'a EnsembleArgs,
    images: &'a Images,
    jobs: &'a Jobs,
    network: Arc<Network>,
    measure: Measure,
}

impl Work<'_> {
    /// The networks as they are.
    fn of_modes(&self, modes: &[Mode]) -> Result<EnsembleReport> {
        let member = |mode: &Mode| -> Result<Member> {
            Ok(Member { name: shown(mode), params: mode.params_for(&self.network)? })
        };
        let members = modes.iter().map(member).collect::<Result<Vec<_>>>()?;
        self.together(Kind::named("modes"), members, BatchNorm::Stored)
    }

    /// Points of a path between two of them.
    fn along_path(&self, modes: &[Mode]) -> Result<EnsembleReport> {
        let EnsembleArgs { find, family: way, align, members, .. } = self.args;
        let ends = Endpoints::of(modes[0].clone(), modes[1].clone())?;
        let finder = Finder { jobs: self.jobs, images: self.images, options: find };
        let b = finder.aligned(if way.is_aligned { *align } else { EndAt::AsItIs }, &ends)?;
        let epochs = finder.epochs(way.family);
        let wanted = Wanted { family: way.family, n_bends: way.n_bends(), bends: None, epochs };
        let path = finder.find(&ends, &b, wanted)?.path;
        let ts = path.ts_by_length(*members);
        let point = |t: f64| Member { name: format!("t = {t:.4}"), params: Arc::new(path.point(t)) };
        let points = ts.iter().map(|&t| point(t)).collect();
        let mut found = self.together(Kind::named("path"), points, self.measure.batch_norm.clone())?;
        found.family = Some(way.to_string());
        Ok(found)
    }

    /// What a training that goes on collects: the networks at the minima of its learning rate together, or the mean of the
    /// weights beside where it began and ended.
    fn continued(&self, mode: &Mode, continuation: &Continuation) -> Result<EnsembleReport> {
        let seed = self.args.find.seed;
        let spec = continuation.spec(&self.network, &mode.params, self.training_images(), seed);
        let found = self.jobs.continue_training("training goes on", spec)?;
        match found.collected {
            Collected::Networks(networks) => {
                let member = |(epoch, params)| Member { name: format!("epoch {epoch}"), params };
                self.together(Kind::named("fge"), networks.into_iter().map(member).collect(), BatchNorm::Stored)
            }
            Collected::Mean(mean, n) => {
                let kind = Kind::named("swa");
                let start = Member { name: shown(mode), params: Arc::clone(&mode.params) };
                let end = Member { name: format!("after {} epochs", found.epochs_done), params: found.last };
                let mean = Member { name: format!("mean of {n} networks"), params: mean };
                let mut report = self.scored(kind, vec![start, end], BatchNorm::Stored, false)?;
                let mean = self.scored(kind, vec![mean], self.measure.batch_norm.clone(), true)?;
                report.members.extend(mean.members);
                Ok(report)
            }
        }
    }

    /// The members alone and together, saved where that is asked for.
    fn together(&self, kind: Kind, members: Vec<Member>, batch_norm: BatchNorm) -> Result<EnsembleReport> {
        let found = self.scored(kind, members, batch_norm, true)?;
        Ok(found.with_together())
    }

    fn scored(&self, kind: Kind, members: Vec<Member>, batch_norm: BatchNorm, save: bool) -> Result<EnsembleReport> {
        let mut found = EnsembleReport::new(kind, &self.network, members.iter().map(|member| member.name.clone()));
        let mut params: Vec<Arc<ParamVec>> = members.into_iter().map(|member| member.params).collect();
        let mut batch_norm = batch_norm;
        for data in &self.measure.data {
            let spec = EnsembleSpec {
                network: Arc::clone(&self.network),
                members: params,
                data: data.clone(),
                batch_norm: batch_norm.clone(),
            };
            let scored = self.jobs.ensemble(&format!("asking on {} images", data.split), spec)?;
            found.add(data.split, &scored);
            params = scored.members;
            // Measured once, the statistics are the members' own.
            batch_norm = BatchNorm::Stored;
        }
        if let Some(folder) = self.args.save.as_ref().filter(|_| save) {
            for (place, member) in params.iter().enumerate() {
                let file = folder.join(kind.file(place));
                let made_by = format!("lowroad ensemble, {} of {}", found.members[place].name, kind.name);
                save_network(&file, &self.network, member, &made_by, Some(self.args.find.seed))?;
            }
        }
        Ok(found)
    }

    /// The images that training goes on with.
    fn training_images(&self) -> DataRef {
        self.images.of(SplitName::Train, None)
    }
}
