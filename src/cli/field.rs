//! Losses and accuracies over a plane.

use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::jobs::Jobs;
use super::open::Measure;
use super::output::{Number, accuracy_text, loss_text, numbers, table};
use super::robust::RobustPlaneReport;
use crate::compute::{BatchNorm, EvaluateSpec, PointValue};
use crate::data::SplitName;
use crate::geometry::{Grid, Plane};
use crate::net::Network;

/// The report, and the values it was made of, `[y * nx + x]`.
pub(super) struct PlaneResult {
    pub(super) report: PlaneReport,
    /// What was done about batch norm, where there is some.
    pub(super) statistics: Option<BatchNorm>,
    pub(super) values: Vec<(SplitName, Vec<Option<PointValue>>)>,
}

/// Everything that was found on a plane.
#[derive(Serialize)]
pub(super) struct PlaneReport {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) anchors: Anchors,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) test: Option<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) train: Option<Field>,
    /// The same points under attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) robust: Option<RobustPlaneReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct Anchors {
    pub(super) a: [f64; 2],
    pub(super) b: [f64; 2],
    pub(super) c: [f64; 2],
}

/// `[y][x]`.
#[derive(Serialize)]
pub(super) struct Field {
    pub(super) loss: Vec<Vec<Number>>,
    pub(super) accuracy: Vec<Vec<Number>>,
    pub(super) images: usize,
}

impl Field {
    /// `values`: one a grid point, x first.
    pub(super) fn new(grid: Grid, values: &[PointValue]) -> Self {
        let by_row = || values.chunks(grid.x.n.max(1));
        Self {
            loss: by_row().map(|row| numbers(row.iter().map(|v| v.loss))).collect(),
            accuracy: by_row().map(|row| numbers(row.iter().map(|v| v.accuracy))).collect(),
            images: values.first().map_or(0, |v| v.n_images),
        }
    }
}

/// Evaluates a grid on each of `data`.
pub(super) fn evaluate_plane(
    jobs: &Jobs,
    network: &Arc<Network>,
    plane: &Plane,
    grid: Grid,
    measure: &Measure,
) -> Result<PlaneResult> {
    let [a, b, c] = plane.anchors().map(|(x, y)| [x, y]);
    let mut report = PlaneReport {
        x: grid.x.values(),
        y: grid.y.values(),
        anchors: Anchors { a, b, c },
        test: None,
        train: None,
        robust: None,
    };
    let mut all_values = Vec::with_capacity(measure.data.len());
    for data in &measure.data {
        let rows = grid.points().into_iter().map(|(x, y)| plane.coefficients(x, y).to_vec()).collect();
        let spec = EvaluateSpec {
            batch_norm: measure.batch_norm.clone(),
            ..EvaluateSpec::new(Arc::clone(network), plane.basis().to_vec(), rows, data.clone())
        };
        let values = jobs.evaluate(&format!("evaluating the plane on {}", data.split.images()), spec)?;
        let field = Field::new(grid, &values);
        match data.split {
            SplitName::Test => report.test = Some(field),
            SplitName::Train => report.train = Some(field),
        }
        all_values.push((data.split, values.into_iter().map(Some).collect()));
    }
    let statistics = network.layout().has_statistics().then(|| measure.batch_norm.clone());
    Ok(PlaneResult { report, statistics, values: all_values })
}

impl PlaneReport {
    /// By the split's name; that of the attacked images is `robust`.
    pub(super) fn fields(&self) -> impl Iterator<Item = (String, &Field)> {
        let robust = self.robust.as_ref().map(|robust| &robust.field);
        let clean = [(SplitName::Test, self.test.as_ref()), (SplitName::Train, self.train.as_ref())];
        let named = clean.map(|(split, field)| (split.to_string(), field));
        named.into_iter().chain([("robust".to_owned(), robust)]).filter_map(|(name, field)| Some((name, field?)))
    }

    /// The three points, and the extremes of each split.
    pub(super) fn describe(&self) -> String {
        let Anchors { a, b, c } = &self.anchors;
        let mut text = format!("{} x {} points\n", self.x.len(), self.y.len());
        for (name, [x, y]) in [("A", a), ("B", b), ("C", c)] {
            text += &format!("{name}  x {x:.4}  y {y:.4}\n");
        }
        let rows: Vec<Vec<String>> = self
            .fields()
            .map(|(split, field)| {
                let finite = |rows: &[Vec<Number>]| -> Vec<f64> {
                    rows.iter().flatten().map(|v| v.0).filter(|v| v.is_finite()).collect()
                };
                let (losses, accuracies) = (finite(&field.loss), finite(&field.accuracy));
                let min = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::min);
                let max = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max);
                let n_bad = self.x.len() * self.y.len() - losses.len();
                vec![
                    split,
                    loss_text(min(&losses)),
                    loss_text(max(&losses)),
                    accuracy_text(min(&accuracies)),
                    accuracy_text(max(&accuracies)),
                    n_bad.to_string(),
                    field.images.to_string(),
                ]
            })
            .collect();
        let heads = ["split", "loss min", "max", "accuracy min", "max", "not finite", "images"];
        text.push('\n');
        text + &table(&heads, &rows)
    }
}
