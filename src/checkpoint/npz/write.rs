//! Writing `.npz`: a stored zip of arrays.

use std::io::{self, Cursor, Write as _};

use npyz::{AutoSerialize, WriterBuilder as _};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A file of arrays while it is written.
pub struct NpzWriter(zip::ZipWriter<Cursor<Vec<u8>>>);

impl NpzWriter {
    #[expect(clippy::new_without_default, reason = "an empty file of arrays is none")]
    pub fn new() -> Self {
        Self(zip::ZipWriter::new(Cursor::new(Vec::new())))
    }

    /// Adds an array; `values` `[product of shape]`, row-major.
    pub fn add<T: AutoSerialize + Copy>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.0.start_file(format!("{name}.npy"), options)?;
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::<T>::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()?;
        self.0.write_all(&bytes)
    }

    /// The bytes of the file.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        Ok(self.0.finish()?.into_inner())
    }
}
