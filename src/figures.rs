//! Results as publication figures, for the window's exports and for the command line alike.

use std::sync::Arc;

use crate::app::{Metric, marks_third_point};
use crate::compute::{BatchNorm, PointValue};
use crate::data::SplitName;
use crate::geometry::{Curve, Grid, Path, Plane};
use crate::render::figure::{CurveFigure, Marker, MarkerKind, PlaneFigure, Polyline, Series};
use crate::render::{Field, HeatmapStyle};

/// Points with which a path is drawn.
const PATH_POINTS: usize = 129;
/// Colours of the modes on paper, in the order of the list (Okabe & Ito).
const INKS: [[u8; 3]; 6] = [[0, 114, 178], [213, 94, 0], [0, 140, 100], [180, 90, 145], [160, 130, 0], [90, 90, 90]];
const BEND_INK: [u8; 3] = [250, 220, 60];

/// The n-th mode's colour on paper.
pub fn ink(place: usize) -> [u8; 3] {
    INKS[place % INKS.len()]
}

/// A plane's values of one metric as a field; cells without a value are unknown.
pub fn field_of(grid: Grid, values: &[Option<PointValue>], metric: Metric) -> Field {
    let mut field = Field::unknown(grid.x.n, grid.y.n);
    for (index, value) in values.iter().enumerate() {
        if let Some(value) = value {
            field.values[index] = match metric {
                Metric::Loss => value.loss as f32,
                Metric::Accuracy => value.accuracy as f32,
            };
            field.known[index] = true;
        }
    }
    field.touch();
    field
}

/// The range of colours that shows a field well: losses end at the 95th percentile, or a few huge ones would hide the rest.
pub fn auto_clip(field: &Field, metric: Metric) -> Option<(f32, f32)> {
    let (low, high) = match metric {
        Metric::Loss => field.robust_range((0.0, 0.95))?,
        Metric::Accuracy => field.finite_range()?,
    };
    Some(if low < high { (low, high) } else { (low, low + low.abs().max(1.0) * 1e-3) })
}

/// What a figure of a plane shows.
pub struct PlanePicture<'a> {
    pub plane: &'a Plane,
    pub grid: Grid,
    pub values: &'a [Option<PointValue>],
    pub metric: Metric,
    pub split: SplitName,
    pub style: HeatmapStyle,
    /// Names of the three points that span the plane.
    pub names: [String; 3],
    /// Drawn where it falls on the plane.
    pub path: Option<&'a Path>,
    /// What was done about batch norm, where there is some.
    pub statistics: Option<BatchNorm>,
    /// What makes the picture again.
    pub command: Option<String>,
}

impl PlanePicture<'_> {
    /// The figure: the heatmap, its anchors at their exact coordinates, and the path.
    pub fn figure(&self) -> PlaneFigure {
        let (x, y) = (self.grid.x, self.grid.y);
        let anchors = self.plane.anchors();
        let is_bend = self.path.is_some() && self.names[2].starts_with("bend");
        let kind = |place: usize| match place {
            2 if is_bend => MarkerKind::Bend,
            2 => MarkerKind::Anchor,
            _ => MarkerKind::Endpoint,
        };
        let color = |place: usize| {
            if place == 2 && is_bend { BEND_INK } else { ink(place) }
        };
        let named = self.names.iter().zip(anchors).enumerate();
        let markers = named
            .filter(|(place, (name, _))| *place < 2 || marks_third_point(name))
            .map(|(place, (name, (x, y)))| Marker { label: name.clone(), x, y, kind: kind(place), color: color(place) })
            .collect();
        let chord = Polyline { points: vec![[0.0, 0.0], [anchors[1].0, 0.0]], color: [235; 3], dashed: true };
        let mut paths = vec![chord];
        let mut off = 0.0_f64;
        if let Some(path) = self.path {
            let projection = path.project(self.plane);
            let spots: Vec<_> = Curve::even_ts(PATH_POINTS).into_iter().map(|t| projection.at(t)).collect();
            off = spots.iter().map(|s| s.off).fold(0.0, f64::max);
            paths.push(Polyline { points: spots.iter().map(|s| [s.x, s.y]).collect(), color: [255; 3], dashed: false });
        }
        let n_images = self.values.iter().flatten().map(|v| v.n_images).min().unwrap_or(0);
        let mut caption = format!(
            "{} x {} points, {n_images} {}. Axes are Euclidean distances in weight space.",
            x.n,
            y.n,
            self.split.images()
        );
        if let Some(statistics) = &self.statistics {
            caption += &format!(" Points between networks have {}.", statistics.caption(self.values));
        }
        if 1e-3 * self.plane.length() < off {
            caption += &format!(" The path runs up to {off:.2} off this plane.");
        }
        PlaneFigure {
            field: Arc::new(field_of(self.grid, self.values, self.metric)),
            x: (x.at(0), x.at(x.n.saturating_sub(1))),
            y: (y.at(0), y.at(y.n.saturating_sub(1))),
            style: self.style.clone(),
            title: format!(
                "{} on the plane through {}, {} and {}",
                title(self.metric),
                self.names[0],
                self.names[1],
                self.names[2]
            ),
            value_label: value_label(self.metric, self.split),
            x_label: format!("distance from {} towards {}", self.names[0], self.names[1]),
            y_label: format!("distance towards {}", self.names[2]),
            markers,
            paths,
            caption,
            metadata: self.command.clone(),
        }
    }
}

fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::Loss => "Loss",
        Metric::Accuracy => "Accuracy",
    }
}

fn value_label(metric: Metric, split: SplitName) -> String {
    match metric {
        Metric::Loss => format!("{split} loss (nats)"),
        Metric::Accuracy => format!("{split} accuracy (0 to 1)"),
    }
}

/// One curve of a figure along t.
pub struct CurveLine<'a> {
    pub label: String,
    pub color: [u8; 3],
    pub dashed: bool,
    pub ts: &'a [f64],
    pub values: &'a [Option<PointValue>],
}

/// Loss or accuracy of several paths along t.
pub fn curve_figure(curves: &[CurveLine<'_>], metric: Metric, log: bool, command: Option<String>) -> CurveFigure {
    let value = |v: &PointValue| match metric {
        Metric::Loss => v.loss,
        Metric::Accuracy => v.accuracy,
    };
    let series = curves.iter().map(|curve| Series {
        label: curve.label.clone(),
        color: curve.color,
        dashed: curve.dashed,
        points: curve.ts.iter().zip(curve.values).filter_map(|(t, v)| Some((*t, value(v.as_ref()?)))).collect(),
    });
    CurveFigure {
        series: series.collect(),
        x_label: "t, from A to B".to_owned(),
        y_label: match metric {
            Metric::Loss => "loss (nats)".to_owned(),
            Metric::Accuracy => "accuracy (0 to 1)".to_owned(),
        },
        title: format!("{} along the path", title(metric)),
        log,
        x_range: Some((0.0, 1.0)),
        y_range: None,
        caption: String::new(),
        metadata: command,
    }
}
