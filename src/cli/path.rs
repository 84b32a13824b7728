//! `lowroad path`: fits and evaluates a path between two networks.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;

use super::align::{EndAt, SampleOptions, aligned, end_at};
use super::along::evaluate_path;
use super::families::{ConnectArgs, family_parser};
use super::fitting::{FitOptions, FitTarget, as_arguments, t_sampling};
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener};
use super::open::Images;
use super::options::{CommonOptions, UsageError, positive};
use super::output::{check_targets, report, save_network, write_json};
use super::repair::Repair;
use crate::compute::{Connection, TSampling};
use crate::data::SplitName;
use crate::geometry::{self, Curve, Family};
use crate::net::ParamVec;
use crate::recipe::Descent;

/// The most points along t.
const MAX_POINTS: usize = 100_000;

/// Fits and evaluates a path of networks from A to B
#[derive(Args, Debug)]
pub(super) struct Path {
    #[arg(value_name = "A")]
    a: PathBuf,
    #[arg(value_name = "B")]
    b: PathBuf,
    #[arg(long, default_value = "bezier", value_parser = family_parser())]
    family: Family,
    /// Joins A to B as it is, or to B with its units in A's order
    #[arg(long, default_value = "none", value_parser = end_at())]
    align: EndAt,
    #[command(flatten)]
    samples: SampleOptions,
    /// Trained points between the ends: how many (1 unless given), or checkpoints, separated by commas, which are taken as
    /// they are unless `--epochs` is given
    #[arg(long, value_name = "N|FILE,..")]
    bends: Option<Bends>,
    /// Evenly spaced points at which the path is evaluated, both ends included
    #[arg(long, value_name = "N", default_value_t = 33, value_parser = n_points)]
    points: usize,
    #[command(flatten)]
    fit: FitOptions,
    #[command(flatten)]
    connect: ConnectArgs,
    /// One random t a minibatch, or a minibatch in N shares with a t from each N-th of [0, 1]
    #[arg(long, value_name = "one|stratified:N", default_value = "one", value_parser = t_sampling)]
    t_sampling: TSampling,
    /// Also evaluates the path with the statistics of its units put right at every point: measured anew for networks with
    /// batch norm, by REPAIR for others (Jordan et al. 2023); the path itself is then evaluated with what is stored
    #[arg(long)]
    repair: bool,
    /// Saves the bends, aligned B and `path.json` into a folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Seed of the fit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bends {
    Count(usize),
    Files(Vec<PathBuf>),
}

impl FromStr for Bends {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().all(|c| c.is_ascii_digit()) {
            return positive(text).map(Self::Count);
        }
        let files: Vec<PathBuf> = text.split(',').map(PathBuf::from).collect();
        if files.iter().any(|file| file.as_os_str().is_empty()) {
            return Err("expected a number, or files separated by commas".to_owned());
        }
        Ok(Self::Files(files))
    }
}

fn n_points(text: &str) -> Result<usize, String> {
    match positive(text)? {
        n @ 2..=MAX_POINTS => Ok(n),
        _ => Err(format!("expected 2 to {MAX_POINTS}")),
    }
}

impl Path {
    /// The curve of the family, with its number of bends; `None` where it is worked out.
    fn curve(&self) -> Result<Option<Curve>, UsageError> {
        let n_bends = match &self.bends {
            None => 1,
            Some(Bends::Count(n)) => *n,
            Some(Bends::Files(files)) => files.len(),
        };
        let refuse = |option: &str, reason: &str| {
            Err(UsageError(format!("{option} makes no sense with --family {}: {reason}", self.family.name())))
        };
        if !self.family.is_fitted() {
            let reason = "it has no bends to fit";
            if self.bends.is_some() {
                return refuse("--bends", reason);
            }
            if self.fit.epochs.is_some() {
                return refuse("--epochs", reason);
            }
        }
        if self.connect.stage2 && self.family != Family::Transport {
            return refuse("--stage2", "its path ends at B itself");
        }
        Ok(self.family.curve(n_bends))
    }

    /// How long to fit: bends from files are evaluated as they are unless `--epochs` says otherwise.
    fn epochs(&self) -> usize {
        let from_files = matches!(self.bends, Some(Bends::Files(_)));
        let default = if !self.family.is_fitted() || from_files { 0 } else { Descent::default().epochs };
        self.fit.epochs.unwrap_or(default)
    }

    fn command(&self) -> String {
        format!(
            "lowroad path {} {} --data {} --family {} --align {} --seed {} {}",
            self.a.display(),
            self.b.display(),
            self.common.data.data,
            self.family.name(),
            self.align.name(),
            self.seed,
            as_arguments(&self.fit.over(Descent { epochs: self.epochs(), ..Descent::default() }).options())
        )
    }
}

pub(super) fn run(args: &Path) -> Result<()> {
    let curve = args.curve()?;
    check_targets([args.common.json.json.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let ends = opener.endpoints(&args.a, &args.b)?;
    let bends = open_bends(args, &opener, &ends)?;
    if let Some(folder) = &args.save {
        std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    }
    let b = match args.align {
        EndAt::AsItIs => Arc::clone(&ends.b_params),
        EndAt::Aligned(method) => aligned(&jobs, &ends, args.samples.of(&images), method, args.seed)?,
    };
    let found = match curve {
        None => {
            let spec = args.connect.spec(args.family, &ends, &b, &images, args.seed)?;
            jobs.connect(&format!("finding a path: {}", args.family.label()), spec)?
        }
        Some(curve) => {
            let start = match bends {
                Some(bends) => path_of(&ends, curve, &b, bends),
                None => geometry::Path::straight(&ends.network, curve, Arc::clone(&ends.a.params), Arc::clone(&b)),
            };
            let path = Arc::new(fit(args, &jobs, &ends, &images, curve, start)?);
            Connection { path, traces: Vec::new(), notes: Vec::new() }
        }
    };
    let path = Arc::clone(&found.path);
    let mut measure = images.measure(args.common.score, &args.common.network);
    let mut repaired = None;
    if args.repair {
        let repair = Repair { jobs: &jobs, network: &ends.network, images: &images, options: &args.common.network };
        repaired = Some(Box::new(repair.evaluate(&path, args.align.name(), args.points, &measure)?));
        measure = Repair::raw(&measure);
    }
    let mut report_found = evaluate_path(&jobs, &ends.network, &path, args.align.name(), args.points, &measure)?.report;
    report_found.repaired = repaired;
    report_found.notes = found.notes;
    report_found.traces = found.traces;
    if let Some(folder) = &args.save {
        let command = args.command();
        for (index, bend) in path.bends().iter().enumerate() {
            let file = folder.join(format!("bend.{}.safetensors", index + 1));
            save_network(&file, &ends.network, bend, &command, Some(args.seed))?;
        }
        if args.align != EndAt::AsItIs {
            let file = folder.join("b_aligned.safetensors");
            save_network(&file, &ends.b.network, &b, &command, Some(args.seed))?;
        }
        write_json(&folder.join("path.json"), &report_found)?;
    }
    report(&args.common.json, &report_found, &report_found.describe())
}

fn open_bends(args: &Path, opener: &Opener<'_>, ends: &Endpoints) -> Result<Option<Vec<Arc<ParamVec>>>> {
    let Some(Bends::Files(files)) = &args.bends else {
        return Ok(None);
    };
    let open = |file: &PathBuf| opener.params(file, &ends.a);
    files.iter().map(open).collect::<Result<_>>().map(Some)
}

fn path_of(ends: &Endpoints, curve: Curve, b: &Arc<ParamVec>, bends: Vec<Arc<ParamVec>>) -> geometry::Path {
    geometry::Path::new(&ends.network, curve, Arc::clone(&ends.a.params), Arc::clone(b), bends)
}

/// Trains the bends, if there are any and for as long as was asked.
fn fit(
    args: &Path,
    jobs: &Jobs,
    ends: &Endpoints,
    images: &Images,
    curve: Curve,
    start: geometry::Path,
) -> Result<geometry::Path> {
    let epochs = args.epochs();
    if epochs == 0 || curve.n_bends() == 0 {
        return Ok(start);
    }
    let target = FitTarget {
        network: Arc::clone(&ends.network),
        family: curve,
        basis: start.basis().to_vec(),
        data: images.of(SplitName::Train, None),
        sampling: args.t_sampling,
        seed: args.seed,
    };
    let bends = jobs.fit("fitting the path", args.fit.spec(target, epochs))?;
    Ok(path_of(ends, curve, start.end(), bends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bends_are_a_number_or_files() {
        assert_eq!("3".parse(), Ok(Bends::Count(3)));
        assert_eq!("a.pt,b.pt".parse(), Ok(Bends::Files(vec!["a.pt".into(), "b.pt".into()])));
        for text in ["0", "a.pt,", ""] {
            assert!(text.parse::<Bends>().is_err(), "{text}");
        }
    }
}
