//! `lowroad flow`: maps of neurons for the path families `flow` and `bijection`.

mod midpoints;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::fitting::as_arguments;
use super::jobs::Jobs;
use super::networks::{Opener, shown};
use super::open::Images;
use super::options::{CommonOptions, JsonOptions, UsageError, positive, positive_real};
use super::output::{COMMAND_KEY, Number, check_targets, numbers, report, say};
use crate::checkpoint::{open_flow, save_flow, trajectory};
use crate::compute::{FlowSpec, TrainedFlow};
use crate::data::SplitName;
use crate::geometry::{FlowConfig, FlowKind, FlowModel, FlowObjective, Neurons};
use crate::net::{Network, ParamVec};
use midpoints::{MidpointReport, midpoints};

/// Trains and shows invertible maps of neurons, which `path --family flow` and `bijection` go through
#[derive(Args, Debug)]
pub(super) struct Flow {
    #[command(subcommand)]
    command: FlowCommand,
}

#[derive(Subcommand, Debug)]
enum FlowCommand {
    Train(Box<Train>),
    Info(Info),
}

/// Trains a map on several networks of one hidden layer; the last fifth of them is held out
#[derive(Args, Debug)]
struct Train {
    /// Checkpoints of one architecture, or a folder of them
    #[arg(required = true, value_name = "NET")]
    networks: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Kind::Realnvp)]
    kind: Kind,
    #[arg(long, value_enum, default_value_t = Objective::Bijection)]
    objective: Objective,
    /// Where the map is saved, as safetensors; every three minutes as far as it is
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Passes over the training images (bijection) or over the neurons (likelihood) [default: as the paper: 20 of images, 120
    /// of neurons]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "steps")]
    epochs: Option<usize>,
    /// Optimisation steps, instead of epochs
    #[arg(long, value_name = "N", value_parser = positive)]
    steps: Option<usize>,
    /// Invertible layers [default: as the paper: 2 couplings for the bijection, 14 for the likelihood, 2 of IAF]
    #[arg(long, alias = "layers", value_name = "N", value_parser = positive)]
    couplings: Option<usize>,
    /// Units of each hidden layer of the networks in the invertible layers [default: as the paper: 2000 for MNIST's bijection].
    /// The time of a step grows with it
    #[arg(long, value_name = "N", value_parser = positive)]
    hidden: Option<usize>,
    /// Hidden layers of these networks [default: as the paper: 1, for the likelihood by RealNVP 2]
    #[arg(long, value_name = "N", value_parser = positive)]
    hidden_layers: Option<usize>,
    /// Whether each layer begins with a normalisation by running statistics [default: as the paper]
    #[arg(long, value_name = "true|false")]
    batch_norm: Option<bool>,
    /// Images a step (bijection, 128 unless given) or neurons a step (likelihood, 1024)
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_size: Option<usize>,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", default_value_t = 1e-4, value_parser = positive_real)]
    lr: f64,
    /// First N training images that a bijection is trained on; all unless given
    #[arg(long, value_name = "N", value_parser = positive)]
    fit_images: Option<usize>,
    /// Networks that are held out, the last ones [default: a fifth, at least 2 of 4 or more]
    #[arg(long, value_name = "N")]
    held_out: Option<usize>,
    /// A map of the same sizes to go on from
    #[arg(long, value_name = "FLOW")]
    from: Option<PathBuf>,
    /// Seed of the first values and of the order of everything
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: CommonOptions,
}

/// Shows a map's kind, sizes and training
#[derive(Args, Debug)]
struct Info {
    #[arg(value_name = "FLOW")]
    file: PathBuf,
    #[command(flatten)]
    json: JsonOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Couplings (Dinh et al. 2017), as fast back as forth
    Realnvp,
    /// Masked autoregressive networks (Kingma et al. 2016); trained by likelihood alone, slow on the way back
    Iaf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Objective {
    /// Low losses of the paths between the networks, for `path --family bijection`: the one that works, with RealNVP
    Bijection,
    /// Gaussian neurons, for `path --family flow`: no better than the straight line in the paper
    Likelihood,
}

#[derive(Serialize)]
struct TrainReport {
    file: String,
    map: MapReport,
    /// Mean of each epoch's steps: nats an image (bijection) or nats a neuron.
    losses: Vec<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out_nll: Option<Number>,
    midpoints: MidpointReport,
}

#[derive(Serialize)]
struct MapReport {
    #[serde(flatten)]
    config: FlowConfig,
    objective: FlowObjective,
    /// Trained values.
    parameters: usize,
    steps: u64,
    seed: u64,
    networks: usize,
    neurons_each: usize,
}

pub(super) fn run(args: &Flow) -> Result<()> {
    match &args.command {
        FlowCommand::Train(args) => train(args),
        FlowCommand::Info(args) => info(args),
    }
}

fn info(args: &Info) -> Result<()> {
    let found = MapReport::of(&open_flow(&args.file)?);
    report(&args.json, &found, &found.describe())
}

fn train(args: &Train) -> Result<()> {
    check_targets([Some(&args.out), args.common.json.json.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let (network, modes) = open_networks(args, &opener)?;
    let n_held_out = args.n_held_out(modes.len())?;
    let (trained_on, held_out) = modes.split_at(modes.len() - n_held_out);
    let spec = args.spec(&network, trained_on, held_out, &images)?;
    say(&format!(
        "training on {} networks, {} held out: {} steps of about {:.1} GFLOP",
        trained_on.len(),
        held_out.len(),
        spec.steps,
        spec.flops_per_step() * 1e-9
    ));
    let command = args.command(&spec);
    let save = |trained: &TrainedFlow| {
        save_flow(&args.out, &trained.model, &BTreeMap::from([(COMMAND_KEY.to_owned(), command.clone())]))
    };
    let trained = jobs.train_flow("training the map", spec, |trained| {
        if let Err(error) = save(trained) {
            say(&format!("warning: {error}"));
        }
    })?;
    save(&trained)?;

    // Without two held-out networks there is no pair that the map has not seen.
    let seen = held_out.len() < 2;
    if seen {
        say("note: fewer than two networks are held out: the pairs below were trained on");
    }
    let pairs_of = if seen { trained_on } else { held_out };
    let data = images.scored(args.common.score);
    let midpoints = midpoints(&jobs, &network, pairs_of, seen, &trained.model, &data)?;
    let found = TrainReport {
        file: args.out.display().to_string(),
        map: MapReport::of(&trained.model),
        losses: numbers(trained.losses.iter().copied()),
        held_out_nll: trained.held_out_nll.map(Number),
        midpoints,
    };
    report(&args.common.json, &found, &found.describe())
}

/// A network's name, for reports, and its weights.
type Named = (String, Arc<ParamVec>);

fn open_networks(args: &Train, opener: &Opener<'_>) -> Result<(Arc<Network>, Vec<Named>)> {
    let files = match args.networks.as_slice() {
        [folder] if folder.is_dir() => trajectory(folder)?.files,
        files => files.to_vec(),
    };
    let [first, others @ ..] = files.as_slice() else {
        bail!("expected checkpoints, found none");
    };
    let first = opener.mode(first)?;
    let mut modes = vec![(shown(&first), Arc::clone(&first.params))];
    for file in others {
        modes.push((file.display().to_string(), opener.params(file, &first)?));
    }
    Ok((first.network, modes))
}

impl Train {
    fn kind(&self) -> FlowKind {
        match self.kind {
            Kind::Realnvp => FlowKind::RealNvp,
            Kind::Iaf => FlowKind::Iaf,
        }
    }

    fn objective(&self) -> FlowObjective {
        match self.objective {
            Objective::Bijection => FlowObjective::Bijection,
            Objective::Likelihood => FlowObjective::Likelihood,
        }
    }

    fn n_held_out(&self, n: usize) -> Result<usize, UsageError> {
        let usual = if n < 4 { 0 } else { ((n + 2) / 5).max(2) };
        let held_out = self.held_out.unwrap_or(usual);
        if n <= held_out {
            return Err(UsageError(format!("--held-out {held_out} leaves none of the {n} networks to train on")));
        }
        Ok(held_out)
    }

    fn spec(
        &self,
        network: &Arc<Network>,
        trained_on: &[Named],
        held_out: &[Named],
        images: &Images,
    ) -> Result<FlowSpec> {
        let (kind, objective) = (self.kind(), self.objective());
        let neurons = Neurons::of(network).map_err(anyhow::Error::msg)?;
        let usual = FlowConfig::of_paper(kind, objective, neurons.shape);
        let config = FlowConfig {
            n_layers: self.couplings.unwrap_or(usual.n_layers),
            hidden: self.hidden.unwrap_or(usual.hidden),
            n_hidden: self.hidden_layers.unwrap_or(usual.n_hidden),
            batch_norm: self.batch_norm.unwrap_or(usual.batch_norm),
            ..usual
        };
        let params = |named: &[Named]| named.iter().map(|(_, params)| Arc::clone(params)).collect();
        let mut spec = FlowSpec {
            network: Arc::clone(network),
            networks: params(trained_on),
            held_out: params(held_out),
            data: images.of(SplitName::Train, self.fit_images),
            config,
            objective,
            steps: 0,
            batch_size: self.batch_size.unwrap_or(objective.usual_batch_size()),
            learning_rate: self.lr,
            seed: self.seed,
            start: self.from.as_deref().map(open_flow).transpose()?.map(Arc::new),
        };
        spec.steps = match self.steps {
            Some(steps) => steps,
            None => self.epochs.unwrap_or(objective.usual_epochs()) * spec.steps_per_epoch(),
        };
        Ok(spec)
    }

    /// What makes this map, with everything that is not the default said.
    fn command(&self, spec: &FlowSpec) -> String {
        let config = &spec.config;
        let networks: Vec<String> = self.networks.iter().map(|path| path.display().to_string()).collect();
        let mut options = vec![("--data", self.common.data.data.clone())];
        options.extend(self.common.data.normalize.clone().map(|normalize| ("--normalize", normalize)));
        options.extend(self.fit_images.map(|n| ("--fit-images", n.to_string())));
        options.extend(self.from.as_ref().map(|path| ("--from", path.display().to_string())));
        options.extend([
            ("--kind", typed(self.kind)),
            ("--objective", typed(self.objective)),
            ("--couplings", config.n_layers.to_string()),
            ("--hidden", config.hidden.to_string()),
            ("--hidden-layers", config.n_hidden.to_string()),
            ("--batch-norm", config.batch_norm.to_string()),
            ("--steps", spec.steps.to_string()),
            ("--batch-size", spec.batch_size.to_string()),
            ("--lr", self.lr.to_string()),
            ("--held-out", spec.held_out.len().to_string()),
            ("--seed", self.seed.to_string()),
        ]);
        format!("lowroad flow train {} {}", networks.join(" "), as_arguments(&options))
    }
}

/// A choice as it is typed.
fn typed(choice: impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl MapReport {
    fn of(model: &FlowModel) -> Self {
        let training = &model.training;
        Self {
            config: *model.config(),
            objective: training.objective,
            parameters: model.n_trained(),
            steps: training.steps,
            seed: training.seed,
            networks: training.n_networks,
            neurons_each: training.n_neurons,
        }
    }

    fn describe(&self) -> String {
        let FlowConfig { kind, neuron, n_layers, hidden, n_hidden, batch_norm } = self.config;
        let (kind, layers, note) = match kind {
            FlowKind::RealNvp => ("RealNVP", "couplings", ""),
            FlowKind::Iaf => ("IAF", "masked layers", "; its inverse takes a coordinate after another"),
        };
        let family = match self.objective {
            FlowObjective::Bijection => "bijection (low losses of paths)",
            FlowObjective::Likelihood => "flow (likelihood)",
        };
        let norm = if batch_norm { "with" } else { "without" };
        format!(
            "{kind} for the family {family}{note}\n\
             neurons of {} coordinates: {} inputs, {} bias, {} outputs\n\
             {n_layers} {layers}, {norm} batch norm; networks of {n_hidden} x {hidden} hidden units; {} parameters\n\
             trained for {} steps on {} networks of {} neurons, seed {}\n",
            self.config.dim(),
            neuron.n_inputs,
            if neuron.bias { "a" } else { "no" },
            neuron.n_outputs,
            self.parameters,
            self.steps,
            self.networks,
            self.neurons_each,
            self.seed
        )
    }
}

impl TrainReport {
    fn describe(&self) -> String {
        let loss = match (self.losses.first(), self.losses.last()) {
            (Some(first), Some(last)) => format!("loss {:.4} in the first epoch, {:.4} in the last\n", first.0, last.0),
            _ => String::new(),
        };
        let nll = self.held_out_nll.map_or_else(String::new, |nll| {
            format!("negative log-likelihood of the held-out networks' neurons: {:.3} nats each\n", nll.0)
        });
        format!("{}: {}{loss}{nll}{}", self.file, self.map.describe(), self.midpoints.describe())
    }
}
