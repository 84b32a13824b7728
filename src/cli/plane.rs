//! `lowroad plane`: the loss on the plane through three networks.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use super::field::evaluate_plane;
use super::jobs::Jobs;
use super::networks::Opener;
use super::open::Images;
use super::options::{CommonOptions, non_negative_real};
use super::output::{check_targets, report};
use super::pictures::{PlaneNames, PlaneValues, plane_svg, save_svg_and_png};
use super::plane_files;
use super::robust::evaluate_plane_robustly;
use crate::app::Metric;
use crate::data::Attack;
use crate::files;
use crate::geometry::{self, Axis, Grid};

/// The most points along one side.
const MAX_SIDE: usize = 4096;

/// Evaluates the plane through A, B and C
#[derive(Args, Debug)]
pub(super) struct Plane {
    /// Stands at the origin
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Stands on the x axis
    #[arg(value_name = "B")]
    b: PathBuf,
    /// A third network, or the bend of a path
    #[arg(value_name = "C")]
    c: PathBuf,
    /// Points along both sides, or along x and y
    #[arg(long, value_name = "N|WxH", default_value = "25")]
    grid: GridSize,
    /// How far the plane reaches beyond the three, in shares of |B-A| along x and of C's height along y
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = non_negative_real)]
    margin: f64,
    /// Saves the arrays x, y, anchors, and loss and accuracy of each split, for NumPy
    #[arg(long, value_name = "FILE")]
    npz: Option<PathBuf>,
    /// Saves one row a point
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Saves a picture (of the test images, if both splits are evaluated)
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Saves a figure with live text
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What the picture shows
    #[arg(long, value_enum, default_value_t = MetricName::Loss)]
    metric: MetricName,
    /// Also evaluates the plane under an attack by projected gradient descent, at each point anew: EPS,STEP,STEPS, such as
    /// 8/255,2/255,5. Its pictures are saved beside the others, as NAME.robust.png and NAME.robust.svg
    #[arg(long, value_name = "EPS,STEP,STEPS", value_parser = Attack::from_str)]
    pgd: Option<Attack>,
    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MetricName {
    Loss,
    Accuracy,
}

/// Points along x and y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GridSize {
    pub(super) nx: usize,
    pub(super) ny: usize,
}

impl FromStr for GridSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (nx, ny) = text.split_once(['x', 'X']).unwrap_or((text, text));
        let side = |text: &str| match text.parse::<usize>() {
            Ok(n @ 1..=MAX_SIDE) => Ok(n),
            _ => Err(format!("expected points along both sides such as `25`, or `40x30`, each 1 to {MAX_SIDE}")),
        };
        Ok(Self { nx: side(nx)?, ny: side(ny)? })
    }
}

/// The grid over the plane's three points and `margin` beyond them.
pub(super) fn grid_over(plane: &geometry::Plane, size: GridSize, margin: f64) -> Grid {
    let axis = |length: f64, n: usize| Axis { min: -margin * length, max: (1.0 + margin) * length, n };
    Grid { x: axis(plane.length(), size.nx), y: axis(plane.height(), size.ny) }
}

pub(super) fn run(args: &Plane) -> Result<()> {
    let targets = [&args.common.json.json, &args.npz, &args.csv, &args.png, &args.svg];
    check_targets(targets.map(Option::as_ref))?;
    let images = Images::open(&args.common.data)?;
    let jobs = Jobs::open(args.common.device.device)?;
    let opener = Opener { options: &args.common.network, images: &images, jobs: &jobs };
    let ends = opener.endpoints(&args.a, &args.b)?;
    let c = opener.params(&args.c, &ends.a)?;
    let plane = geometry::Plane::through(ends.a.params.clone(), ends.b_params.clone(), c).with_context(|| {
        let [a, b, c] = [&args.a, &args.b, &args.c].map(|file| file.display());
        format!("no plane through {a}, {b} and {c}")
    })?;
    let grid = grid_over(&plane, args.grid, args.margin);
    let measure = images.measure(args.common.score, &args.common.network);
    let mut found = evaluate_plane(&jobs, &ends.network, &plane, grid, &measure)?;
    let robust = args.pgd.map(|attack| evaluate_plane_robustly(&jobs, &ends.network, &plane, grid, &measure, attack));
    let robust = robust.transpose()?;
    if args.png.is_some() || args.svg.is_some() {
        let metric = match args.metric {
            MetricName::Loss => Metric::Loss,
            MetricName::Accuracy => Metric::Accuracy,
        };
        let names = PlaneNames { points: names_of([&args.a, &args.b, &args.c]), path: None };
        let svg = plane_svg(&plane, grid, &found.shown()?, metric, &names, &args.command());
        save_svg_and_png(args.svg.as_deref(), args.png.as_deref(), &svg)?;
        if let Some(robust) = &robust {
            let shown = PlaneValues {
                split: robust.split,
                values: &robust.values,
                statistics: found.statistics.as_ref(),
                attack: args.pgd,
            };
            let svg = plane_svg(&plane, grid, &shown, metric, &names, &args.command());
            let beside = |path: &Option<PathBuf>, ending: &str| path.as_ref().map(|path| path.with_extension(ending));
            let [svg_path, png_path] = [beside(&args.svg, "robust.svg"), beside(&args.png, "robust.png")];
            save_svg_and_png(svg_path.as_deref(), png_path.as_deref(), &svg)?;
        }
    }
    found.report.robust = robust.map(|robust| robust.report);
    if let Some(path) = &args.npz {
        files::write_atomic(path, &plane_files::npz(&found.report)?)?;
    }
    if let Some(path) = &args.csv {
        files::write_atomic(path, &plane_files::csv(&found.report)?)?;
    }
    report(&args.common.json, &found.report, &found.report.describe())
}

/// File names where they tell the three apart, letters otherwise.
fn names_of(files: [&PathBuf; 3]) -> [String; 3] {
    let [a, b, c] = files.map(|file| file.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    match (a, b, c) {
        (Some(a), Some(b), Some(c)) if a != b && b != c && a != c => [a, b, c],
        _ => ["A", "B", "C"].map(str::to_owned),
    }
}

impl Plane {
    /// What makes the picture again.
    fn command(&self) -> String {
        let mut text = format!(
            "lowroad plane {} {} {} --data {} --grid {}x{} --margin {}",
            self.a.display(),
            self.b.display(),
            self.c.display(),
            self.common.data.data,
            self.grid.nx,
            self.grid.ny,
            self.margin
        );
        if let Some(normalize) = &self.common.data.normalize {
            text += &format!(" --normalize {normalize}");
        }
        if let Some(attack) = self.pgd {
            text += &format!(" --pgd {attack}");
        }
        if let Some(limit) = self.common.score.limit {
            text += &format!(" --limit {limit}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_square_or_rectangular() {
        assert_eq!("25".parse(), Ok(GridSize { nx: 25, ny: 25 }));
        assert_eq!("40x30".parse(), Ok(GridSize { nx: 40, ny: 30 }));
        for text in ["", "0", "x", "4x", "4x5x6", "-3", "100000", "3.5"] {
            assert!(text.parse::<GridSize>().is_err(), "{text}");
        }
    }
}
