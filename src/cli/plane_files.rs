//! A plane as arrays for NumPy and as rows for everything else.

use anyhow::{Context as _, Result};

use super::field::PlaneReport;
use super::output::Number;
use crate::checkpoint::npz::NpzWriter;

/// A stored zip of arrays: `x`, `y`, `anchors` `[3, 2]` (A, B, C), and `loss` and `accuracy` `[y, x]` of the test images,
/// `loss_train` and `accuracy_train` of the training images, `loss_robust` and `accuracy_robust` under attack.
pub(super) fn npz(found: &PlaneReport) -> Result<Vec<u8>> {
    let mut arrays = NpzWriter::new();
    let (nx, ny) = (found.x.len(), found.y.len());
    arrays.add("x", &[nx], &found.x)?;
    arrays.add("y", &[ny], &found.y)?;
    let anchors = [found.anchors.a, found.anchors.b, found.anchors.c].concat();
    arrays.add("anchors", &[3, 2], &anchors)?;
    for (split, field) in found.fields() {
        let suffix = if split == "test" { String::new() } else { format!("_{split}") };
        for (name, rows) in [("loss", &field.loss), ("accuracy", &field.accuracy)] {
            arrays.add(&format!("{name}{suffix}"), &[ny, nx], &flat(rows))?;
        }
    }
    arrays.finish().context("could not write the arrays")
}

fn flat(rows: &[Vec<Number>]) -> Vec<f64> {
    rows.iter().flatten().map(|v| v.0).collect()
}

/// One row a point and split.
pub(super) fn csv(found: &PlaneReport) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["x", "y", "split", "loss", "accuracy"])?;
    for (split, field) in found.fields() {
        for ((&y, losses), accuracies) in found.y.iter().zip(&field.loss).zip(&field.accuracy) {
            for ((&x, loss), accuracy) in found.x.iter().zip(losses).zip(accuracies) {
                let numbers = [x, y, loss.0, accuracy.0].map(|v| v.to_string());
                let [x, y, loss, accuracy] = &numbers;
                out.write_record([x, y, &split, loss, accuracy])?;
            }
        }
    }
    out.into_inner().context("could not write the rows")
}
