//! `lowroad tree`: connects many networks by AutoNEB, and says how any two are best connected (Draxler et al. 2018).

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::connectors::AutoNebArgs;
use super::jobs::Jobs;
use super::networks::Opener;
use super::open::{Images, Measure};
use super::options::{CommonOptions, UsageError, positive};
use super::output::{Number, accuracy_text, check_targets, loss_text, report, save_corners, say, table};
use super::score::{ScoreReport, score_networks};
use crate::compute::{ConnectOptions, ConnectSpec, Connection, EvaluateSpec, PointValue};
use crate::data::SplitName;
use crate::geometry::{Edge, Family, SpanningTree, dense_ts, next_pair};
use crate::net::{Network, ParamVec};

/// Points between neighbouring pivots at which a path is measured, as in the paper.
const DENSE_POINTS: usize = 9;

/// Connects networks by AutoNEB along a tree of the lowest saddles
#[derive(Args, Debug)]
pub(super) struct Tree {
    #[arg(value_name = "NETWORK", num_args = 2.., required = true)]
    networks: Vec<PathBuf>,
    /// Paths to look for: first from the best network to each other one, then in place of the highest of the tree [default:
    /// twice as many as the tree has]
    #[arg(long, value_name = "N", value_parser = positive)]
    paths: Option<usize>,
    #[command(flatten)]
    neb: AutoNebArgs,
    /// First N training images that paths are found on; all unless given
    #[arg(long, value_name = "N", value_parser = positive)]
    fit_images: Option<usize>,
    /// Saves the points of each path into a folder of its own below DIR, which is made if need be
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Seed of the minibatches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Serialize)]
struct TreeReport {
    networks: Vec<NetworkReport>,
    /// In the order in which they were found.
    paths: Vec<PathReport>,
    /// One for each two networks that are connected.
    routes: Vec<RouteReport>,
}

#[derive(Serialize)]
struct NetworkReport {
    file: String,
    train: ScoreReport,
}

/// A path between two networks, by their places in the list.
#[derive(Serialize)]
struct PathReport {
    from: usize,
    to: usize,
    pivots: usize,
    length: Number,
    distance: Number,
    /// The point of the highest training loss.
    train: SaddleReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<SaddleReport>,
    in_tree: bool,
    notes: Vec<String>,
}

#[derive(Clone, Copy, Serialize)]
struct SaddleReport {
    t: Number,
    #[serde(flatten)]
    score: ScoreReport,
}

#[derive(Serialize)]
struct RouteReport {
    from: usize,
    to: usize,
    /// Both ends included.
    through: Vec<usize>,
    /// Highest training loss on the way.
    saddle: Number,
    /// That of the path straight from one to the other, where it was looked for.
    direct: Option<Number>,
}

/// What the paths are found and measured with.
struct Setting<'a> {
    args: &'a Tree,
    jobs: &'a Jobs,
    network: Arc<Network>,
    networks: Vec<Arc<ParamVec>>,
    images: &'a Images,
}

pub(super) fn run(args: &Tree) -> Result<()> {
    check_targets([args.common.json.json.as_ref()])?;
    if args.networks.len() < 2 {
        return Err(UsageError(format!("expected at least 2 networks, found {}", args.networks.len())).into());
    }
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let first = opener.mode(&args.networks[0])?;
    let mut networks = vec![Arc::clone(&first.params)];
    for file in &args.networks[1..] {
        networks.push(opener.params(file, &first)?);
    }
    let setting = Setting { args, jobs: &jobs, network: Arc::clone(&first.network), networks, images: &images };
    let train = images.of(SplitName::Train, args.common.score.limit);
    let scores = score_networks(&jobs, &setting.network, &setting.networks, &train)?;
    let losses: Vec<f64> = scores.iter().map(|score| score.loss).collect();

    let n_paths = args.paths.unwrap_or(2 * (losses.len() - 1));
    let (mut edges, mut paths) = (Vec::new(), Vec::new());
    while let (true, Some((from, to))) = (edges.len() < n_paths, next_pair(&losses, &edges)) {
        let path = setting.find(from, to, edges.len())?;
        say(&format!("{} - {}: saddle {}", from + 1, to + 1, loss_text(path.train.score.loss.0)));
        edges.push(Edge { ends: (from, to), weight: path.train.score.loss.0 });
        paths.push(path);
    }
    let tree = SpanningTree::least(losses.len(), &edges);
    for (path, edge) in paths.iter_mut().zip(&edges) {
        path.in_tree = tree.edges().iter().any(|kept| kept.ends == edge.ends);
    }
    let files = args.networks.iter().map(|file| file.display().to_string());
    let networks = files.zip(&scores).map(|(file, &score)| NetworkReport { file, train: score.into() });
    let found = TreeReport { networks: networks.collect(), paths, routes: routes(&tree, &edges, losses.len()) };
    report(&args.common.json, &found, &found.describe())
}

/// The way through the tree between each two networks.
fn routes(tree: &SpanningTree, edges: &[Edge], n: usize) -> Vec<RouteReport> {
    let pairs = (0..n).flat_map(|from| (from + 1..n).map(move |to| (from, to)));
    let report = |(from, to)| {
        let route = tree.route(from, to)?;
        let is_direct = |edge: &&Edge| edge.ends == (from, to) || edge.ends == (to, from);
        let direct = edges.iter().find(is_direct).map(|edge| Number(edge.weight));
        Some(RouteReport { from, to, through: route.nodes, saddle: route.weight.into(), direct })
    };
    pairs.filter_map(report).collect()
}

impl Setting<'_> {
    /// Finds a path and measures it densely.
    fn find(&self, from: usize, to: usize, index: usize) -> Result<PathReport> {
        let [a, b] = [from, to].map(|place| Arc::clone(&self.networks[place]));
        let spec = ConnectSpec {
            family: Family::AutoNeb,
            network: Arc::clone(&self.network),
            a,
            b,
            train: self.images.of(SplitName::Train, self.args.fit_images),
            points: 0,
            // Each path sees minibatches of its own.
            seed: self.args.seed.wrapping_add(index as u64),
            options: ConnectOptions { autoneb: self.args.neb.options(), ..ConnectOptions::default() },
        };
        let found = self.jobs.connect(&format!("connecting {} and {}", from + 1, to + 1), spec)?;
        if let Some(folder) = &self.args.save {
            let folder = folder.join(format!("{}-{}", from + 1, to + 1));
            save_corners(&folder, &self.network, &found.path, &self.args.command(), Some(self.args.seed))?;
        }
        let common = &self.args.common;
        let measure = self.images.measure(common.score, &common.network);
        let mut test = None;
        if measure.data.iter().any(|data| data.split == SplitName::Test) {
            test = Some(self.saddle(&found, SplitName::Test, &measure)?);
        }
        Ok(PathReport {
            from,
            to,
            pivots: found.path.corners().len().saturating_sub(2),
            length: found.path.length().into(),
            distance: found.path.start().distance(found.path.end()).into(),
            train: self.saddle(&found, SplitName::Train, &measure)?,
            test,
            in_tree: false,
            notes: found.notes,
        })
    }

    /// The worst of the dense points.
    fn saddle(&self, found: &Connection, split: SplitName, measure: &Measure) -> Result<SaddleReport> {
        let ts = dense_ts(&found.path, DENSE_POINTS);
        let sample = found.path.sample(&ts);
        let data = self.images.of(split, self.args.common.score.limit);
        let spec = EvaluateSpec {
            batch_norm: measure.batch_norm.clone(),
            ..EvaluateSpec::new(Arc::clone(&self.network), sample.basis, sample.rows, data)
        };
        let values = self.jobs.evaluate(&format!("evaluating on {split} images"), spec)?;
        let height = |value: &PointValue| if value.loss.is_nan() { f64::INFINITY } else { value.loss };
        let worst = ts.into_iter().zip(values).max_by(|(_, a), (_, b)| height(a).total_cmp(&height(b)));
        let (t, value) = worst.context("internal error: a path without points")?;
        Ok(SaddleReport { t: t.into(), score: value.into() })
    }
}

impl Tree {
    fn command(&self) -> String {
        let files: Vec<String> = self.networks.iter().map(|file| file.display().to_string()).collect();
        format!("lowroad tree {} --data {} --seed {}", files.join(" "), self.common.data.data, self.seed)
    }
}

impl TreeReport {
    fn describe(&self) -> String {
        let mut text = String::new();
        for (index, network) in self.networks.iter().enumerate() {
            let ScoreReport { loss, accuracy } = network.train;
            let (loss, accuracy) = (loss_text(loss.0), accuracy_text(accuracy.0));
            text += &format!("{}: {}, training loss {loss}, accuracy {accuracy}\n", index + 1, network.file);
        }
        let path_row = |path: &PathReport| {
            let mut row = vec![
                format!("{} - {}", path.from + 1, path.to + 1),
                if path.in_tree { "yes" } else { "no" }.to_owned(),
                loss_text(path.train.score.loss.0),
                accuracy_text(path.train.score.accuracy.0),
            ];
            match path.test {
                Some(test) => row.extend([loss_text(test.score.loss.0), accuracy_text(test.score.accuracy.0)]),
                None => row.extend(["-".to_owned(), "-".to_owned()]),
            }
            row.extend([path.pivots.to_string(), format!("{:.2}", path.length.0 / path.distance.0)]);
            row
        };
        let heads =
            ["path", "in tree", "train saddle", "accuracy", "test saddle", "accuracy", "pivots", "length / straight"];
        text += "\n";
        text += &table(&heads, &self.paths.iter().map(path_row).collect::<Vec<_>>());
        let route_row = |route: &RouteReport| {
            let through: Vec<String> = route.through.iter().map(|node| (node + 1).to_string()).collect();
            let direct = route.direct.map_or("-".to_owned(), |direct| loss_text(direct.0));
            let pair = format!("{} - {}", route.from + 1, route.to + 1);
            vec![pair, through.join(" - "), loss_text(route.saddle.0), direct]
        };
        let heads = ["networks", "best way", "train saddle", "direct"];
        text += "\n";
        text += &table(&heads, &self.routes.iter().map(route_row).collect::<Vec<_>>());
        text
    }
}
