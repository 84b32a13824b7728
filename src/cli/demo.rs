//! `lowroad demo`: the embedded demo without a window, as pictures and numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::align::{align, warn_if_broken};
use super::along::{PathReport, PathResult, evaluate_path};
use super::field::evaluate_plane;
use super::fitting::{FitOptions, FitTarget};
use super::jobs::Jobs;
use super::networks::Endpoints;
use super::open::{Images, Measure};
use super::options::DeviceOptions;
use super::output::{Number, print, save_network, write_json};
use super::pictures::{PlaneNames, curves_svg, plane_svg, save_svg_and_png};
use super::plane::{GridSize, grid_over};
use super::plane_files;
use crate::app::Metric;
use crate::compute::{Alignment, BatchNorm, TSampling};
use crate::data::{EMBEDDED, Normalization, SplitName};
use crate::demo;
use crate::files;
use crate::geometry::{self, Curve, Plane};
use crate::matching::MatchOptions;

const N_POINTS: usize = 33;
const GRID: GridSize = GridSize { nx: 41, ny: 41 };
const MARGIN: f64 = 0.25;
const EPOCHS: usize = 30;
const COMMAND: &str = "lowroad demo";

/// Runs the embedded demo without a window: pictures and numbers into a folder
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Where everything is written; made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the path's fit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceOptions,
}

#[derive(Serialize)]
struct DemoReport<'a> {
    data: &'static str,
    network: &'a str,
    alignment: Vec<AlignmentReport>,
    max_logit_difference: Number,
    paths: Vec<&'a PathReport>,
}

#[derive(Serialize)]
struct AlignmentReport {
    layer: String,
    mean_correlation_before: Number,
    mean_correlation_after: Number,
}

pub(super) fn run(args: &Demo) -> Result<()> {
    fs::create_dir_all(&args.out).with_context(|| format!("could not make the folder {}", args.out.display()))?;
    let ends = embedded()?;
    let dataset = Arc::new(crate::data::open(EMBEDDED)?);
    let normalization = Normalization::identity(dataset.shape.channels);
    let images = Images { dataset, normalization };
    let jobs = Jobs::open(args.device.device)?;

    let alignment = align(&jobs, &ends, images.of(SplitName::Train, None), MatchOptions::default())?;
    warn_if_broken(&alignment);
    let (a, b, aligned) = (&ends.a.params, &ends.b_params, &alignment.aligned);
    let straight = |family, b: &Arc<_>| geometry::Path::straight(&ends.network, family, Arc::clone(a), Arc::clone(b));
    let bezier = Curve::Bezier { n_bends: 1 };
    let start = straight(bezier, b);
    let target = FitTarget {
        network: Arc::clone(&ends.network),
        family: bezier,
        basis: start.basis().to_vec(),
        data: images.of(SplitName::Train, None),
        sampling: TSampling::One,
        seed: args.seed,
    };
    let bends = jobs.fit("fitting the path", FitOptions::default().spec(target, EPOCHS))?;
    let bend = Arc::clone(bends.first().context("internal error: the fit gave no bend")?);
    let curve = geometry::Path::new(&ends.network, bezier, Arc::clone(a), Arc::clone(b), bends);

    let splits = |data| Measure { data, batch_norm: BatchNorm::Stored };
    let both = splits(vec![images.of(SplitName::Test, None), images.of(SplitName::Train, None)]);
    let evaluate = |path: &geometry::Path, align| evaluate_path(&jobs, &ends.network, path, align, N_POINTS, &both);
    let results = [
        ("linear", evaluate(&straight(Curve::Linear, b), "none")?),
        ("linear-aligned", evaluate(&straight(Curve::Linear, aligned), "activation")?),
        ("bezier", evaluate(&curve, "none")?),
    ];
    let plane = Plane::through(Arc::clone(a), Arc::clone(b), Arc::clone(&bend))
        .context("no plane through the demo's endpoints and the bend")?;
    let grid = grid_over(&plane, GRID, MARGIN);
    let landscape =
        evaluate_plane(&jobs, &ends.network, &plane, grid, &splits(vec![images.of(SplitName::Test, None)]))?;

    let into = |name: &str| args.out.join(name);
    let names = PlaneNames { points: ["A", "B", "bend"].map(str::to_owned), path: Some(&curve) };
    for (name, metric) in [("plane-loss", Metric::Loss), ("plane-accuracy", Metric::Accuracy)] {
        let svg = plane_svg(&plane, grid, &landscape.shown()?, metric, &names, COMMAND);
        save_svg_and_png(Some(&into(&format!("{name}.svg"))), Some(&into(&format!("{name}.png"))), &svg)?;
    }
    let labels = ["straight line", "straight line to aligned B", "Bézier curve"];
    let curves: Vec<_> = labels.into_iter().zip(results.iter().map(|(_, result)| result)).collect();
    for (name, metric) in [("paths-loss", Metric::Loss), ("paths-accuracy", Metric::Accuracy)] {
        let svg = curves_svg(&curves, metric, COMMAND);
        save_svg_and_png(Some(&into(&format!("{name}.svg"))), Some(&into(&format!("{name}.png"))), &svg)?;
    }
    files::write_atomic(&into("plane.csv"), &plane_files::csv(&landscape.report)?)?;
    write_json(&into("plane.json"), &landscape.report)?;
    for (name, result) in &results {
        files::write_atomic(&into(&format!("{name}.csv")), &result.report.to_csv()?)?;
    }
    save_network(&into("bend.1.safetensors"), &ends.network, &bend, COMMAND, Some(args.seed))?;
    save_network(&into("b_aligned.safetensors"), &ends.network, aligned, COMMAND, None)?;
    let report = DemoReport {
        data: EMBEDDED,
        network: ends.network.name(),
        alignment: alignment_report(&alignment),
        max_logit_difference: alignment.seal.max_logit_difference.into(),
        paths: results.iter().map(|(_, result)| &result.report).collect(),
    };
    write_json(&into("demo.json"), &report)?;
    print(&describe(&args.out, &results))
}

/// The demo's two networks as endpoints.
fn embedded() -> Result<Endpoints> {
    let mut modes = demo::modes().into_iter();
    let a = modes.next().context("internal error: the demo has no first network")?;
    let b = modes.next().context("internal error: the demo has no second network")?;
    Endpoints::of(a, b)
}

fn alignment_report(alignment: &Alignment) -> Vec<AlignmentReport> {
    let groups = alignment.report.groups.iter();
    groups
        .map(|group| AlignmentReport {
            layer: group.name.clone(),
            mean_correlation_before: group.before.mean.into(),
            mean_correlation_after: group.after.mean.into(),
        })
        .collect()
}

fn describe(folder: &Path, results: &[(&str, PathResult)]) -> String {
    let mut text = String::new();
    for (_, result) in results {
        text += &result.report.describe();
        text.push('\n');
    }
    text + &format!("pictures and numbers are in {}\n", folder.display())
}
