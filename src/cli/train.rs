//! `lowroad train`: trains one network.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::fitting::{DEFAULT_EPOCHS, FitOptions, FitTarget};
use super::jobs::Jobs;
use super::open::{Images, named_network};
use super::options::{DataOptions, DeviceOptions, JsonOptions, positive};
use super::output::{accuracy_text, check_targets, loss_text, report, save_network, table};
use super::score::{ScoreReport, score_networks};
use crate::compute::TSampling;
use crate::data::SplitName;
use crate::net::ParamVec;

/// Stream of the seed's generator for initial weights; fits use the streams of their first epochs.
const INITIAL_WEIGHTS: u64 = u64::MAX;

/// Trains one network; the same seed gives the same file
#[derive(Args, Debug)]
pub(super) struct Train {
    /// Layer sizes such as `784-512-10`, optionally with `-nobias` behind them
    #[arg(long, value_name = "NAME|FILE")]
    network: String,
    /// Where the network is saved, as safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the initial weights and of the order of images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Trains on the first N training images, and scores on as many of each split
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<usize>,
    #[command(flatten)]
    fit: FitOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    json: JsonOptions,
}

#[derive(Serialize)]
struct TrainReport {
    file: String,
    network: String,
    parameters: usize,
    seed: u64,
    epochs: usize,
    test: ScoreReport,
    train: ScoreReport,
}

pub(super) fn run(args: &Train) -> Result<()> {
    check_targets([Some(&args.out), args.json.json.as_ref()])?;
    let network = named_network(&args.network)?;
    let images = Images::open(&args.data)?;
    let epochs = args.fit.epochs.unwrap_or(DEFAULT_EPOCHS);
    let jobs = Jobs::open(args.device.device)?;

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    rng.set_stream(INITIAL_WEIGHTS);
    let start = Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng));
    let target = FitTarget {
        network: Arc::clone(&network),
        family: None,
        basis: vec![Arc::clone(&start)],
        data: images.of(SplitName::Train, args.limit),
        sampling: TSampling::One,
        seed: args.seed,
    };
    let trained = jobs.fit("training", args.fit.spec(target, epochs))?;
    let mode = trained.into_iter().next().unwrap_or(start);

    let score = |split| -> Result<ScoreReport> {
        let data = images.of(split, args.limit);
        let found = score_networks(&jobs, &network, std::slice::from_ref(&mode), &data)?;
        Ok(found[0].into())
    };
    let (test, train) = (score(SplitName::Test)?, score(SplitName::Train)?);
    save_network(&args.out, &network, &mode, &args.command(epochs), Some(args.seed))?;
    let found = TrainReport {
        file: args.out.display().to_string(),
        network: network.name().to_owned(),
        parameters: network.layout().len(),
        seed: args.seed,
        epochs,
        test,
        train,
    };
    report(&args.json, &found, &describe(&found))
}

impl Train {
    /// Every setting that shapes the weights, and nothing else: the same weights have the same file.
    fn command(&self, epochs: usize) -> String {
        let mut text = format!("lowroad train --network {} --data {}", self.network, self.data.data);
        if let Some(normalize) = &self.data.normalize {
            text += &format!(" --normalize {normalize}");
        }
        if let Some(limit) = self.limit {
            text += &format!(" --limit {limit}");
        }
        format!("{text} --seed {} {}", self.seed, self.fit.as_arguments(epochs))
    }
}

fn describe(found: &TrainReport) -> String {
    let row = |name: &str, score: ScoreReport| {
        vec![name.to_owned(), loss_text(score.loss.0), accuracy_text(score.accuracy.0)]
    };
    let rows = [row("test", found.test), row("train", found.train)];
    let scores = table(&["split", "loss", "accuracy"], &rows);
    format!("{}: {}, {} parameters\n{scores}", found.file, found.network, found.parameters)
}
