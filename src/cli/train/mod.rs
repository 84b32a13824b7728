//! `lowroad train`: trains one network, or one from each of several seeds.

mod places;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::fitting::{FitOptions, as_arguments};
use super::jobs::Jobs;
use super::networks::named_network;
use super::open::Images;
use super::options::{DataOptions, DeviceOptions, JsonOptions, UsageError, positive, share};
use super::output::{COMMAND_KEY, Number, accuracy_text, check_targets, loss_text, report, save_network, say, table};
use super::score::{ScoreReport, score_networks};
use crate::checkpoint::{self, Mode};
use crate::data::{Augmentation, Dataset, SplitName};
use crate::net::{Init, Network, ParamVec};
use crate::recipe::{LABEL_NOISE_SEED, PRESETS, Preset, Recipe, Resume, trajectory_of_seed};
use places::out_of_seed;
use session::{Session, Trajectory};

/// Trains a network, or one from each of several seeds; the same seed gives the same file
#[derive(Args, Debug)]
#[command(after_long_help = presets_help())]
pub(super) struct Train {
    /// A network of the zoo, such as `resnet20`, `vgg16-bn` or layer sizes like `784-512-10` (`-nobias` behind them for
    /// layers without biases); or a checkpoint whose network is trained anew
    #[arg(long, value_name = "NAME|FILE", required_unless_present = "preset")]
    network: Option<String>,
    /// Where the network is saved, as safetensors. With several seeds `{seed}` in the name stands for each; without it
    /// `F.safetensors` becomes `F-1.safetensors`, ...
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the initial weights and of the order of images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Several seeds, one network each, one after another
    #[arg(long, value_name = "S,S,...", value_delimiter = ',', num_args = 1, conflicts_with = "seed")]
    seeds: Vec<u64>,
    /// A paper's recipe (see below), for all that is not said otherwise
    #[arg(long, value_name = "NAME", value_parser = Preset::by_name)]
    preset: Option<&'static Preset>,
    /// Random changes of the training images, such as `flip,crop:4`: `flip`, `crop:PADDING`, `affine:DEGREES` (and
    /// `:SMALLEST:LARGEST` scale), `jitter:STRENGTH` of contrast and saturation; or `none`
    #[arg(long, value_name = "CHANGES", value_parser = Augmentation::parse)]
    augment: Option<Augmentation>,
    /// Share of the training images that get the label of another class, the same ones for every seed
    #[arg(long, value_name = "SHARE", value_parser = share)]
    label_noise: Option<f64>,
    /// Initial weights: torch, xavier-normal, he-normal or truncated-normal; as is usual for the network unless given
    #[arg(long, value_name = "INIT", value_parser = Init::from_str)]
    init: Option<Init>,
    /// Trains on the first N training images, and scores on as many of each split
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<usize>,
    /// A folder for the networks on the way: `epoch-0000.safetensors`, which are the initial weights, and so on. With
    /// several seeds a folder `seed-1` in it for each
    #[arg(long, value_name = "DIR")]
    trajectory: Option<PathBuf>,
    /// Saves every N-th epoch in the trajectory, and the last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive, requires = "trajectory")]
    save_every: usize,
    /// Goes on where an earlier call with the same options was interrupted: from `FILE.resume`, which training keeps beside
    /// its result until it is done
    #[arg(long)]
    resume: bool,
    /// Begins anew where an earlier call was interrupted, and forgets how far that one came
    #[arg(long, conflicts_with = "resume")]
    restart: bool,
    #[command(flatten)]
    fit: FitOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    json: JsonOptions,
}

/// One trained mode.
#[derive(Serialize)]
struct TrainReport {
    file: String,
    network: String,
    parameters: usize,
    seed: u64,
    epochs: usize,
    test: ScoreReport,
    train: ScoreReport,
    /// Of the epochs that this call trained.
    history: Vec<EpochReport>,
}

/// How an epoch ended.
#[derive(Clone, Serialize)]
struct EpochReport {
    /// From 1.
    epoch: usize,
    /// Mean over its minibatches, on the training images.
    loss: Number,
    /// On the first test images, of which there are `session::WATCHED`.
    test_loss: Number,
    test_accuracy: Number,
}

fn presets_help() -> String {
    let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    let rows = PRESETS.iter().map(|preset| {
        let recipe = preset.recipe();
        let options = as_arguments(&recipe.descent.options());
        format!(
            "  {:width$}  {}, {}\n  {:width$}  {options} --augment {}",
            preset.name, preset.network, preset.summary, "", recipe.augmentation
        )
    });
    format!("Presets:\n{}", rows.collect::<Vec<_>>().join("\n"))
}

pub(super) fn run(args: &Train) -> Result<()> {
    let seeds = if args.seeds.is_empty() { vec![args.seed] } else { args.seeds.clone() };
    let outs: Vec<PathBuf> = seeds.iter().map(|&seed| out_of_seed(&args.out, seed, 1 < seeds.len())).collect();
    check_targets(outs.iter().map(Some).chain([args.json.json.as_ref()]))?;
    if args.out.extension().is_some_and(|ending| ending != "safetensors") {
        let text = format!(
            "--out: networks are saved as safetensors, expected FILE.safetensors, found {}",
            args.out.display()
        );
        return Err(UsageError(text).into());
    }
    let left = outs.iter().map(|out| Resume::path_beside(out)).find(|left| left.exists());
    if let Some(left) = left.filter(|_| !args.resume && !args.restart) {
        let text =
            format!("an interrupted training left {}: --resume goes on from it, --restart begins anew", left.display());
        return Err(UsageError(text).into());
    }
    let images = args.images()?;
    let name = args.network.as_deref().or(args.preset.map(|preset| preset.network));
    let name = name.ok_or_else(|| UsageError("--network or --preset is needed".to_owned()))?;
    let task = Task { args, name, network: named_network(name, Some(&images))?, images, recipe: args.recipe() };
    task.recipe.augmentation.check(&task.images.dataset)?;
    let jobs = Jobs::open(args.device.device)?;

    let mut found = Vec::new();
    for (&seed, out) in seeds.iter().zip(&outs) {
        found.push(task.train(&jobs, seed, out, 1 < seeds.len())?);
    }
    let text: String = found.iter().map(describe).collect();
    match found.as_slice() {
        [one] if args.seeds.is_empty() => report(&args.json, one, &text),
        several => report(&args.json, &several, &text),
    }
}

impl Train {
    /// The data set, with wrong labels where they are asked for.
    fn images(&self) -> Result<Images> {
        let images = Images::open(&self.data)?;
        let Some(fraction) = self.label_noise else {
            return Ok(images);
        };
        let dataset = Dataset::clone(&images.dataset).with_label_noise(fraction, LABEL_NOISE_SEED)?;
        Ok(Images { dataset: Arc::new(dataset), ..images })
    }

    fn recipe(&self) -> Recipe {
        let base = self.preset.map(Preset::recipe).unwrap_or_default();
        Recipe {
            descent: self.fit.over(base.descent),
            augmentation: self.augment.clone().unwrap_or(base.augmentation),
            init: self.init.or(base.init),
        }
    }
}

/// What all seeds have in common.
struct Task<'a> {
    args: &'a Train,
    /// The network as it was named.
    name: &'a str,
    network: Arc<Network>,
    images: Images,
    recipe: Recipe,
}

impl Task<'_> {
    fn train(&self, jobs: &Jobs, seed: u64, out: &Path, one_of_several: bool) -> Result<TrainReport> {
        let Self { args, network, images, recipe, .. } = self;
        let options = self.options(seed);
        let resume = Resume::beside(out, Arc::clone(network), options.clone());
        let trajectory = match &args.trajectory {
            None => None,
            Some(folder) => {
                let folder = trajectory_of_seed(folder, seed, one_of_several);
                fs::create_dir_all(&folder)
                    .with_context(|| format!("could not make the folder {}", folder.display()))?;
                Some(Trajectory { folder, every: args.save_every })
            }
        };
        let spec = recipe.fit(network, images.of(SplitName::Train, args.limit), seed);
        let command = format!("lowroad train {}", as_arguments(&options));
        let session = Session { jobs, resume: &resume, trajectory, command: &command, seed };
        let watched = images.of(SplitName::Test, args.limit);
        let (mode, history) = match self.finished(out, &resume, &command)? {
            Some(mode) => {
                say(&format!("{} is there already, trained with these settings: it is taken as it is", out.display()));
                (mode, Vec::new())
            }
            None => session.run(spec, watched, args.resume)?,
        };

        let score = |split| -> Result<ScoreReport> {
            let data = images.of(split, args.limit);
            let found = score_networks(jobs, network, std::slice::from_ref(&mode), &data)?;
            Ok(found[0].into())
        };
        let (test, train) = (score(SplitName::Test)?, score(SplitName::Train)?);
        if !test.loss.0.is_finite() {
            say(&format!("warning: training diverged: the test loss of {} is {}", out.display(), test.loss.0));
        }
        save_network(out, network, &mode, &command, Some(seed))?;
        session.end()?;
        Ok(TrainReport {
            file: out.display().to_string(),
            network: network.name().to_owned(),
            parameters: network.layout().len(),
            seed,
            epochs: recipe.descent.epochs,
            test,
            train,
            history,
        })
    }

    /// The mode that an earlier call finished before it was interrupted at another seed.
    fn finished(&self, out: &Path, resume: &Resume, command: &str) -> Result<Option<Arc<ParamVec>>> {
        if !self.args.resume || resume.path().exists() || !out.exists() {
            return Ok(None);
        }
        // A file of another kind was not written by this command.
        let Ok((_, metadata)) = checkpoint::read_with_metadata(out) else {
            return Ok(None);
        };
        if metadata.get(COMMAND_KEY).map(String::as_str) != Some(command) {
            return Ok(None);
        }
        Ok(Some(Mode::open(out)?.params_for(&self.network)?))
    }

    /// Every setting that shapes the weights, and nothing else: the same weights have the same file.
    fn options(&self, seed: u64) -> Vec<(&'static str, String)> {
        let mut options = vec![("--network", self.name.to_owned()), ("--data", self.args.data.data.clone())];
        options.extend(self.args.data.normalize.clone().map(|normalize| ("--normalize", normalize)));
        options.extend(self.args.limit.map(|limit| ("--limit", limit.to_string())));
        options.extend(self.args.label_noise.map(|share| ("--label-noise", share.to_string())));
        options.push(("--seed", seed.to_string()));
        options.extend(self.recipe.options(&self.network));
        options
    }
}

fn describe(found: &TrainReport) -> String {
    let row = |name: &str, score: ScoreReport| {
        vec![name.to_owned(), loss_text(score.loss.0), accuracy_text(score.accuracy.0)]
    };
    let rows = [row("test", found.test), row("train", found.train)];
    let scores = table(&["split", "loss", "accuracy"], &rows);
    format!("{}: {}, {} parameters, seed {}\n{scores}", found.file, found.network, found.parameters, found.seed)
}
