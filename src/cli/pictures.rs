//! Figures of what was found: the same as the window exports.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::along::PathResult;
use super::field::PlaneResult;
use crate::app::Metric;
use crate::compute::{BatchNorm, PointValue};
use crate::data::{Attack, SplitName};
use crate::figures::{CurveLine, PlanePicture, auto_clip, curve_figure, field_of, ink};
use crate::files;
use crate::geometry::{self, Grid, Plane};
use crate::render::HeatmapStyle;
use crate::render::figure::svg_to_png;

/// Pixels of a PNG for each unit of the figure.
const PNG_SCALE: f32 = 2.0;

/// What the points of a plane are called, and the path that is drawn on it.
pub(super) struct PlaneNames<'a> {
    pub(super) points: [String; 3],
    pub(super) path: Option<&'a geometry::Path>,
}

/// What a picture of a plane shows.
pub(super) struct PlaneValues<'a> {
    pub(super) split: SplitName,
    /// `[y * nx + x]`.
    pub(super) values: &'a [Option<PointValue>],
    /// What was done about batch norm, where there is some.
    pub(super) statistics: Option<&'a BatchNorm>,
    /// What moved the images before they were scored.
    pub(super) attack: Option<Attack>,
}

impl PlaneResult {
    /// The first split that was evaluated.
    pub(super) fn shown(&self) -> Result<PlaneValues<'_>> {
        let (split, values) = self.values.first().context("internal error: a plane without values")?;
        Ok(PlaneValues { split: *split, values, statistics: self.statistics.as_ref(), attack: None })
    }
}

pub(super) fn plane_svg(
    plane: &Plane,
    grid: Grid,
    shown: &PlaneValues<'_>,
    metric: Metric,
    names: &PlaneNames<'_>,
    command: &str,
) -> String {
    let &PlaneValues { split, values, statistics, attack } = shown;
    let field = field_of(grid, values, metric);
    let style = HeatmapStyle {
        // A plane of nothing but NaN has no range, and is hatched whatever the range.
        clip: auto_clip(&field, metric).unwrap_or((0.0, 1.0)),
        ..HeatmapStyle::default()
    };
    let picture = PlanePicture {
        plane,
        grid,
        values,
        metric,
        split,
        style,
        names: names.points.clone(),
        path: names.path,
        statistics: statistics.cloned(),
        attack,
        command: Some(command.to_owned()),
    };
    picture.figure().to_svg()
}

/// Each path's test values along t.
pub(super) fn curves_svg(results: &[(&str, &PathResult)], metric: Metric, command: &str) -> String {
    let mut curves = Vec::new();
    for (place, (label, result)) in results.iter().enumerate() {
        for (split, values) in &result.values {
            if *split == SplitName::Test {
                let (label, color) = ((*label).to_owned(), ink(place));
                curves.push(CurveLine { label, color, dashed: false, ts: &result.ts, values });
            }
        }
    }
    curve_figure(&curves, metric, false, Some(command.to_owned())).to_svg()
}

/// A file that a figure can be saved as.
pub(super) fn figure_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg" | "png") => Ok(path),
        _ => Err("expected a name that ends in .svg or .png".to_owned()),
    }
}

/// Saves a figure as what its file's name says; see [`figure_file`].
pub(super) fn save_figure(path: &Path, svg: &str) -> Result<()> {
    let is_png = path.extension().is_some_and(|ending| ending == "png");
    let (svg_path, png_path) = if is_png { (None, Some(path)) } else { (Some(path), None) };
    save_svg_and_png(svg_path, png_path, svg)
}

/// Saves a figure where it was asked for.
pub(super) fn save_svg_and_png(svg_path: Option<&Path>, png_path: Option<&Path>, svg: &str) -> Result<()> {
    if let Some(path) = svg_path {
        files::write_atomic(path, svg.as_bytes())?;
    }
    if let Some(path) = png_path {
        let png = svg_to_png(svg, PNG_SCALE).with_context(|| format!("could not draw {}", path.display()))?;
        files::write_atomic(path, &png)?;
    }
    Ok(())
}
