//! `lowroad plane`: the loss on the plane through three networks.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use clap::Args;

use super::field::{PlaneReport, evaluate_plane};
use super::jobs::Jobs;
use super::open::{Endpoints, Images, fitting, open_mode};
use super::options::{
    DataOptions, DeviceOptions, JsonOptions, NetworkOptions, ScoreOptions, non_negative_real,
};
use super::output::{check_targets, report};
use super::plane_files;
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
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    score: ScoreOptions,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    json: JsonOptions,
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
    check_targets([args.json.json.as_ref(), args.npz.as_ref(), args.csv.as_ref()])?;
    let ends = Endpoints::open(&args.a, &args.b, &args.network)?;
    let c = fitting(&open_mode(&args.c, &args.network)?, &ends.a)?;
    let plane = geometry::Plane::through(ends.a.params.clone(), ends.b_params.clone(), c).with_context(|| {
        let [a, b, c] = [&args.a, &args.b, &args.c].map(|file| file.display());
        format!("no plane through {a}, {b} and {c}")
    })?;
    let images = Images::open(&args.data)?;
    let jobs = Jobs::open(args.device.device)?;
    let grid = grid_over(&plane, args.grid, args.margin);
    let found = evaluate_plane(&jobs, &ends.network, &plane, grid, &images.scored(args.score))?;
    save(args, &found)?;
    report(&args.json, &found, &found.describe())
}

fn save(args: &Plane, found: &PlaneReport) -> Result<()> {
    if let Some(path) = &args.npz {
        files::write_atomic(path, &plane_files::npz(found)?)?;
    }
    if let Some(path) = &args.csv {
        files::write_atomic(path, &plane_files::csv(found)?)?;
    }
    Ok(())
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
