//! A plane as arrays for NumPy and as rows for everything else.

use std::io::{Cursor, Write as _};

use anyhow::{Context as _, Result};
use npyz::WriterBuilder as _;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::field::PlaneReport;
use super::output::Number;
use crate::data::SplitName;

/// A stored zip of arrays: `x`, `y`, `anchors` `[3, 2]` (A, B, C), and `loss` and `accuracy` `[y, x]` of the test images,
/// `loss_train` and `accuracy_train` of the training images.
pub(super) fn npz(found: &PlaneReport) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, shape: &[usize], values: &[f64]| -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&npy(shape, values)?)?;
        Ok(())
    };
    let (nx, ny) = (found.x.len(), found.y.len());
    add("x", &[nx], &found.x)?;
    add("y", &[ny], &found.y)?;
    let anchors = [found.anchors.a, found.anchors.b, found.anchors.c].concat();
    add("anchors", &[3, 2], &anchors)?;
    for (split, field) in found.fields() {
        let suffix = if split == SplitName::Test { "" } else { "_train" };
        for (name, rows) in [("loss", &field.loss), ("accuracy", &field.accuracy)] {
            add(&format!("{name}{suffix}"), &[ny, nx], &flat(rows))?;
        }
    }
    Ok(archive.finish().context("could not write the arrays")?.into_inner())
}

fn flat(rows: &[Vec<Number>]) -> Vec<f64> {
    rows.iter().flatten().map(|v| v.0).collect()
}

fn npy(shape: &[usize], values: &[f64]) -> Result<Vec<u8>> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::<f64>::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
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
                let split = split.to_string();
                out.write_record([x, y, &split, loss, accuracy])?;
            }
        }
    }
    out.into_inner().context("could not write the rows")
}
