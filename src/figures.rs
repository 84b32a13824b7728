//! Results as publication figures, for the window's exports and for the command line alike.

mod signature;

pub use signature::{SignatureLine, SignaturePanel, signature_figure};

use std::sync::Arc;

use crate::app::{Metric, marks_third_point};
use crate::compute::{BatchNorm, PointValue};
use crate::data::{Attack, SplitName};
use crate::geometry::{Curve, Grid, Path, Plane, spectrum};
use crate::render::figure::{CurveFigure, Marker, MarkerKind, PlaneFigure, Polyline, Series, StackedFigure};
use crate::render::{Field, HeatmapStyle};

/// Points with which a path is drawn.
const PATH_POINTS: usize = 129;
/// Colours of the modes on paper, in the order of the list (Okabe & Ito).
const INKS: [[u8; 3]; 6] = [[0, 114, 178], [213, 94, 0], [0, 140, 100], [180, 90, 145], [160, 130, 0], [90, 90, 90]];
/// Colours of curves that share a plot, each next one far from those before it. Each stands out from white paper and from the
/// window's dark panels (a contrast of 3 at least), and no two are near each other in Oklab.
const CURVE_INKS: [[u8; 3]; 16] = [
    [0, 114, 178],
    [255, 0, 0],
    [0, 168, 0],
    [216, 0, 255],
    [228, 120, 24],
    [108, 60, 255],
    [84, 156, 144],
    [192, 24, 132],
    [108, 108, 108],
    [180, 132, 180],
    [0, 120, 60],
    [255, 72, 180],
    [96, 144, 255],
    [180, 72, 48],
    [144, 132, 24],
    [132, 84, 168],
];
const BEND_INK: [u8; 3] = [250, 220, 60];

/// The n-th mode's colour on paper.
pub fn ink(place: usize) -> [u8; 3] {
    INKS[place % INKS.len()]
}

/// The n-th of several curves' colour, on paper and in the window.
pub fn curve_ink(place: usize) -> [u8; 3] {
    CURVE_INKS[place % CURVE_INKS.len()]
}

/// A plane's values of one metric as a field; cells without a value are unknown.
pub fn field_of(grid: Grid, values: &[Option<PointValue>], metric: Metric) -> Field {
    let mut field = Field::unknown(grid.x.n, grid.y.n);
    for (index, value) in values.iter().enumerate() {
        if let Some(value) = value {
            field.values[index] = metric.of(*value) as f32;
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
    /// What moved the images before they were scored.
    pub attack: Option<Attack>,
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
        if let Some(attack) = self.attack {
            caption += &format!(" Every point is scored on images that were attacked for it ({attack}).");
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
                match (self.attack, self.metric) {
                    (None, metric) => title(metric),
                    (Some(_), Metric::Loss) => "Robust loss",
                    (Some(_), Metric::Accuracy) => "Robust accuracy",
                },
                self.names[0],
                self.names[1],
                self.names[2]
            ),
            value_label: match self.attack {
                Some(_) => format!("robust {}", value_label(self.metric, self.split)),
                None => value_label(self.metric, self.split),
            },
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
    let series = curves.iter().map(|curve| Series {
        label: curve.label.clone(),
        color: curve.color,
        dashed: curve.dashed,
        points: curve.ts.iter().zip(curve.values).filter_map(|(t, value)| Some((*t, metric.of((*value)?)))).collect(),
        ..Series::default()
    });
    CurveFigure {
        title: format!("{} along the path", title(metric)),
        log,
        metadata: command,
        ..along_t(series.collect(), axis_label(metric).to_owned())
    }
}

/// A family's values along t.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FamilyCurve {
    pub label: String,
    pub dashed: bool,
    /// (t, nats)
    pub losses: Vec<(f64, f64)>,
    /// (t, 0..1)
    pub accuracies: Vec<(f64, f64)>,
    /// Over runs, one a point; empty where there is one run.
    pub loss_deviations: Vec<f64>,
    pub accuracy_deviations: Vec<f64>,
}

/// Loss above accuracy of several families along t.
pub fn families_figure(curves: &[FamilyCurve], split: SplitName, caption: String) -> StackedFigure {
    let panel = |metric: Metric| family_panel(curves, metric, value_label(metric, split));
    StackedFigure {
        panels: vec![panel(Metric::Loss), panel(Metric::Accuracy)],
        title: "Loss and accuracy along paths from A to B".to_owned(),
        caption,
        ..StackedFigure::default()
    }
}

/// Clean and robust loss above clean and robust accuracy along t (METHODS-ALIGNMENT, F8). The curves of both are in the same
/// order; those under attack are listed nowhere.
pub fn robust_figure(
    clean: &[FamilyCurve],
    robust: &[FamilyCurve],
    split: SplitName,
    caption: String,
) -> StackedFigure {
    let mut panels = Vec::with_capacity(4);
    for metric in [Metric::Loss, Metric::Accuracy] {
        for (name, curves) in [("clean", clean), ("robust", robust)] {
            panels.push(family_panel(curves, metric, format!("{name} {}", value_label(metric, split))));
        }
    }
    let title = "Clean and robust loss and accuracy along paths from A to B".to_owned();
    StackedFigure { panels, columns: 2, title, caption, ..StackedFigure::default() }
}

/// Wavenumbers of a spectrum.
const WAVENUMBERS: usize = 8;

/// The spectra of losses along t, a line a family (METHODS-ALIGNMENT, F7).
pub fn spectrum_figure(curves: &[FamilyCurve], split: SplitName, caption: String) -> CurveFigure {
    let series = curves.iter().enumerate().map(|(place, curve)| {
        let losses: Vec<f64> = curve.losses.iter().map(|(_, loss)| *loss).collect();
        let magnitudes = spectrum(&losses, WAVENUMBERS).into_iter().enumerate();
        Series {
            label: curve.label.clone(),
            color: curve_ink(place),
            dashed: curve.dashed,
            points: magnitudes.map(|(index, magnitude)| ((index + 1) as f64, magnitude)).collect(),
            ..Series::default()
        }
    });
    CurveFigure {
        series: series.collect(),
        x_label: "wavenumber: waves from A to B".to_owned(),
        y_label: format!("|FFT| of the {split} loss over that at 0"),
        title: "Spectrum of the loss along the path".to_owned(),
        log: true,
        counts_x: true,
        x_range: Some((1.0, WAVENUMBERS as f64)),
        caption,
        ..CurveFigure::default()
    }
}

fn family_panel(curves: &[FamilyCurve], metric: Metric, y_label: String) -> CurveFigure {
    let series = curves.iter().enumerate().map(|(place, curve)| Series {
        label: curve.label.clone(),
        color: curve_ink(place),
        dashed: curve.dashed,
        points: match metric {
            Metric::Loss => curve.losses.clone(),
            Metric::Accuracy => curve.accuracies.clone(),
        },
        deviations: match metric {
            Metric::Loss => curve.loss_deviations.clone(),
            Metric::Accuracy => curve.accuracy_deviations.clone(),
        },
    });
    along_t(series.collect(), y_label)
}

/// Accuracy of ensembles against their number of members: labels and `(members, 0..1)`.
pub fn members_figure(curves: Vec<(String, Vec<(f64, f64)>)>, split: &str, caption: String) -> CurveFigure {
    let series = curves.into_iter().enumerate().map(|(place, (label, points))| Series {
        label,
        color: curve_ink(place),
        points,
        ..Series::default()
    });
    CurveFigure {
        series: series.collect(),
        x_label: "members".to_owned(),
        counts_x: true,
        y_label: format!("{split} accuracy (0 to 1)"),
        title: "Accuracy of ensembles".to_owned(),
        caption,
        ..CurveFigure::default()
    }
}

fn along_t(series: Vec<Series>, y_label: String) -> CurveFigure {
    let x_label = "t, from A to B".to_owned();
    CurveFigure { series, x_label, y_label, x_range: Some((0.0, 1.0)), ..CurveFigure::default() }
}

fn axis_label(metric: Metric) -> &'static str {
    match metric {
        Metric::Loss => "loss (nats)",
        Metric::Accuracy => "accuracy (0 to 1)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(value: u8) -> f64 {
        let v = f64::from(value) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    }

    fn luminance([r, g, b]: [u8; 3]) -> f64 {
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    /// Ottosson 2020.
    fn oklab(color: [u8; 3]) -> [f64; 3] {
        let [r, g, b] = color.map(linear);
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766 * s,
        ]
    }

    #[test]
    fn curves_can_be_read_on_paper_and_on_dark_panels_and_told_apart() {
        let (paper, panel) = (luminance([255; 3]), luminance([24; 3]));
        for (place, ink) in CURVE_INKS.into_iter().enumerate() {
            let own = luminance(ink);
            assert!(3.0 <= (paper + 0.05) / (own + 0.05), "{ink:?} on paper");
            assert!(3.0 <= (own + 0.05) / (panel + 0.05), "{ink:?} on dark panels");
            for other in &CURVE_INKS[..place] {
                let (p, q) = (oklab(ink), oklab(*other));
                let apart = p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                assert!(0.12 < apart, "{ink:?} {other:?}: {apart}");
            }
        }
    }
}
