//! Arrays for NumPy: `.npz`, a stored zip.

use std::io::{Cursor, Write as _};

use anyhow::{Context as _, Result};
use npyz::{AutoSerialize, WriterBuilder as _};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A file of arrays while it is written.
pub(super) struct Npz(zip::ZipWriter<Cursor<Vec<u8>>>);

impl Npz {
    pub(super) fn new() -> Self {
        Self(zip::ZipWriter::new(Cursor::new(Vec::new())))
    }

    /// Adds an array; `values` `[product of shape]`, row-major.
    pub(super) fn add<T: AutoSerialize + Copy>(&mut self, name: &str, shape: &[usize], values: &[T]) -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.0.start_file(format!("{name}.npy"), options)?;
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::<T>::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        Ok(self.0.write_all(&bytes)?)
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        Ok(self.0.finish().context("could not write the arrays")?.into_inner())
    }
}
