//! `lowroad path`: fits and evaluates a path between two networks.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;

use super::align::{EndAt, end_at};
use super::along::evaluate_path;
use super::families::family_parser;
use super::finding::{FindOptions, Finder, Wanted, n_points, refusal};
use super::fitting::as_arguments;
use super::jobs::Jobs;
use super::networks::{Endpoints, Opener};
use super::open::Images;
use super::options::{CommonOptions, UsageError, positive};
use super::output::{check_targets, command_line, report, save_corners, save_network, say, write_json};
use super::pictures::{figure_file, save_figure};
use super::repair::Repair;
use super::robust::{RobustReport, evaluate_robustly};
use crate::compute::EnsembleSpec;
use crate::data::SplitName;
use crate::figures::{FamilyCurve, families_figure, robust_figure};
use crate::geometry::Family;
use crate::net::ParamVec;
use crate::recipe::Descent;
use crate::render::figure::StackedFigure;

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
    /// Trained points between the ends: how many (1 unless given), or checkpoints, separated by commas, which are taken as
    /// they are unless `--epochs` is given
    #[arg(long, value_name = "N|FILE,..")]
    bends: Option<Bends>,
    /// Evenly spaced points at which the path is evaluated, both ends included
    #[arg(long, value_name = "N", default_value_t = 33, value_parser = n_points)]
    points: usize,
    #[command(flatten)]
    find: FindOptions,
    /// Saves the network at this t, between 0 and 1, where `--save-point` says
    #[arg(long, value_name = "T", value_parser = time, requires = "save_point")]
    at: Option<f64>,
    /// Where the network at `--at` is saved, as safetensors: with the statistics of batch norm that it was scored with
    #[arg(long, value_name = "FILE", requires = "at")]
    save_point: Option<PathBuf>,
    /// Also evaluates the path with the statistics of its units put right at every point: measured anew for networks with
    /// batch norm, by REPAIR for others (Jordan et al. 2023); the path itself is then evaluated with what is stored
    #[arg(long)]
    repair: bool,
    /// Saves the bends or the points that the path was worked out at, aligned B and `path.json` into a folder, which is made if
    /// need be
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Draws loss and accuracy along t, and with `--pgd` those under attack beside them, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    figure: Option<PathBuf>,
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

/// A time between 0 and 1.
fn time(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if (0.0..=1.0).contains(&t) => Ok(t),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

impl Path {
    fn check(&self) -> Result<(), UsageError> {
        if self.bends.is_some() && !self.family.is_fitted() {
            return Err(refusal("--bends", &[self.family], "it has no bends to fit"));
        }
        self.find.check(&[self.family])
    }

    fn n_bends(&self) -> usize {
        match &self.bends {
            None => 1,
            Some(Bends::Count(n)) => *n,
            Some(Bends::Files(files)) => files.len(),
        }
    }

    fn command(&self, epochs: usize) -> String {
        format!(
            "lowroad path {} {} --data {} --family {} --align {} --seed {} {}",
            self.a.display(),
            self.b.display(),
            self.common.data.data,
            self.family.name(),
            self.align.name(),
            self.find.seed,
            as_arguments(&self.find.fit.over(Descent { epochs, ..Descent::default() }).options())
        )
    }
}

pub(super) fn run(args: &Path) -> Result<()> {
    args.check()?;
    check_targets([args.common.json.json.as_ref(), args.save_point.as_ref(), args.figure.as_ref()])?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let ends = opener.endpoints(&args.a, &args.b)?;
    let bends = open_bends(args, &opener, &ends)?;
    if let Some(folder) = &args.save {
        std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    }
    let finder = Finder { jobs: &jobs, images: &images, options: &args.find };
    let b = finder.aligned(args.align, &ends)?;
    // Bends from files are evaluated as they are unless it is said how long to fit them.
    let epochs = if bends.is_some() { args.find.fit.epochs.unwrap_or(0) } else { finder.epochs(args.family) };
    let wanted = Wanted { family: args.family, n_bends: args.n_bends(), bends, epochs };
    let found = finder.find(&ends, &b, wanted)?;
    let path = Arc::clone(&found.path);
    let mut measure = images.measure(args.common.score, &args.common.network);
    let mut repaired = None;
    if args.repair {
        let repair = Repair { jobs: &jobs, network: &ends.network, images: &images, options: &args.common.network };
        repaired = Some(Box::new(repair.evaluate(&path, args.align.name(), args.points, &measure)?));
        measure = Repair::raw(&measure);
    }
    let result = evaluate_path(&jobs, &ends.network, &path, args.align.name(), args.points, &measure)?;
    let (split, clean) = result.curve().context("internal error: a path without values")?;
    let mut report_found = result.report;
    report_found.repaired = repaired;
    if let Some(attack) = args.find.fit.pgd {
        let found = evaluate_robustly(&jobs, &ends.network, &path, &clean, &measure, attack)?;
        report_found.robust = Some(found);
    }
    report_found.notes = found.notes;
    report_found.traces = found.traces;
    if let Some(file) = &args.figure {
        save_figure(file, &figure(args, split, clean, report_found.robust.as_ref()).to_svg())?;
    }
    let command = args.command(epochs);
    if let Some(folder) = &args.save {
        for (index, bend) in path.bends().iter().enumerate() {
            let file = folder.join(format!("bend.{}.safetensors", index + 1));
            save_network(&file, &ends.network, bend, &command, Some(args.find.seed))?;
        }
        save_corners(&folder.join("points"), &ends.network, &path, &command, Some(args.find.seed))?;
        if args.align != EndAt::AsItIs {
            let file = folder.join("b_aligned.safetensors");
            save_network(&file, &ends.b.network, &b, &command, Some(args.find.seed))?;
        }
        write_json(&folder.join("path.json"), &report_found)?;
    }
    if let (Some(t), Some(file)) = (args.at, &args.save_point) {
        let spec = EnsembleSpec {
            network: Arc::clone(&ends.network),
            members: vec![Arc::new(path.point(t))],
            data: measure.data.first().context("internal error: no images to score on")?.clone(),
            batch_norm: measure.batch_norm,
        };
        let point = jobs.ensemble(&format!("the network at t = {t}"), spec)?;
        let member = point.members.first().context("internal error: the network at t is missing")?;
        save_network(file, &ends.network, member, &format!("{command}, the point at t = {t}"), Some(args.find.seed))?;
        say(&format!("saved the network at t = {t} as {}", file.display()));
    }
    report(&args.common.json, &report_found, &report_found.describe())
}

/// Two panels, or four where the path was attacked.
fn figure(args: &Path, split: SplitName, clean: FamilyCurve, robust: Option<&RobustReport>) -> StackedFigure {
    let name = if args.align == EndAt::AsItIs {
        args.family.name().to_owned()
    } else {
        format!("aligned/{}", args.family.name())
    };
    let clean = [FamilyCurve { label: name, ..clean }];
    let caption = format!("{} points.", args.points);
    let drawn = match (robust, args.find.fit.pgd) {
        (Some(robust), Some(attack)) => {
            let caption = format!("{caption} Robust: on images that were attacked at each point anew ({attack}).");
            robust_figure(&clean, &[robust.curve()], split, caption)
        }
        _ => families_figure(&clean, split, caption),
    };
    StackedFigure { metadata: Some(command_line()), ..drawn }
}

fn open_bends(args: &Path, opener: &Opener<'_>, ends: &Endpoints) -> Result<Option<Vec<Arc<ParamVec>>>> {
    let Some(Bends::Files(files)) = &args.bends else {
        return Ok(None);
    };
    let open = |file: &PathBuf| opener.params(file, &ends.a);
    files.iter().map(open).collect::<Result<_>>().map(Some)
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
