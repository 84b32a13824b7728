//! IDX, the format of MNIST: a big-endian header (magic number, count, height, width) and bytes. Compressed files are
//! recognized by their content, and never unpacked beyond the size their header implies.

use std::io::{self, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::{DataError, ImageShape};

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;
/// The most bytes of images in one file: 1 GiB.
const MAX_IMAGE_BYTES: u64 = 1 << 30;
const MAX_LABELS: u64 = 1 << 28;

/// The images of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxImages {
    /// How many images.
    pub n: usize,
    pub shape: ImageShape,
    /// `[n, 1, height, width]`
    pub pixels: Vec<u8>,
}

/// Reads grey images, plain or gzip-compressed. `path` is only named in errors.
pub fn parse_idx_images(bytes: &[u8], path: &Path) -> Result<IdxImages, DataError> {
    let mut source = Source::new(bytes, path, "images");
    source.expect_magic(IMAGES_MAGIC)?;
    let (count, height, width) = (source.number()?, source.number()?, source.number()?);
    if count == 0 || height == 0 || width == 0 {
        return Err(DataError::Empty { path: path.to_owned(), count, height, width });
    }
    let size = u64::from(count).checked_mul(u64::from(height)).and_then(|n| n.checked_mul(u64::from(width)));
    let pixels = source.body(size.unwrap_or(u64::MAX), MAX_IMAGE_BYTES)?;
    // Each is at most the size just checked.
    let shape = ImageShape { channels: 1, height: height as usize, width: width as usize };
    Ok(IdxImages { n: count as usize, shape, pixels })
}

/// Reads labels, plain or gzip-compressed. `path` is only named in errors.
pub fn parse_idx_labels(bytes: &[u8], path: &Path) -> Result<Vec<u16>, DataError> {
    let mut source = Source::new(bytes, path, "labels");
    source.expect_magic(LABELS_MAGIC)?;
    let count = source.number()?;
    let labels = source.body(u64::from(count), MAX_LABELS)?;
    Ok(labels.into_iter().map(u16::from).collect())
}

/// The unpacked bytes of a file, counted as they are read.
struct Source<'a> {
    reader: Reader<'a>,
    path: &'a Path,
    what: &'static str,
    header_bytes: u64,
}

enum Reader<'a> {
    Plain(&'a [u8]),
    Gzip(GzDecoder<&'a [u8]>),
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bytes) => bytes.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8], path: &'a Path, what: &'static str) -> Self {
        let reader =
            if bytes.starts_with(&[0x1f, 0x8b]) { Reader::Gzip(GzDecoder::new(bytes)) } else { Reader::Plain(bytes) };
        Self { reader, path, what, header_bytes: 0 }
    }

    fn number(&mut self) -> Result<u32, DataError> {
        let mut bytes = [0; 4];
        let mut found = 0;
        while let Some(free) = bytes.get_mut(found..).filter(|free| !free.is_empty()) {
            match self.reader.read(free) {
                Ok(0) => {
                    let expected = self.header_bytes + 4;
                    return Err(self.cut(expected, self.header_bytes + found as u64));
                }
                Ok(n) => found += n,
                Err(error) => return Err(self.gzip_error(error)),
            }
        }
        self.header_bytes += 4;
        Ok(u32::from_be_bytes(bytes))
    }

    fn expect_magic(&mut self, magic: u32) -> Result<(), DataError> {
        let found = match self.number()? {
            found if found == magic => return Ok(()),
            IMAGES_MAGIC => "images".to_owned(),
            LABELS_MAGIC => "labels".to_owned(),
            other => format!("{other:08x}"),
        };
        Err(DataError::Magic { path: self.path.to_owned(), expected: self.what, magic, found })
    }

    /// The rest of the file, which must be exactly `size` bytes.
    fn body(mut self, size: u64, limit: u64) -> Result<Vec<u8>, DataError> {
        let (path, what) = (self.path, self.what);
        if size > limit {
            return Err(DataError::TooLarge { path: path.to_owned(), what, found: size, limit });
        }
        let mut body = Vec::new();
        if let Reader::Plain(rest) = self.reader {
            // What is there is known: no memory is asked for before the size is found right.
            if rest.len() as u64 == size {
                body.try_reserve_exact(rest.len()).map_err(|_refused| DataError::OutOfMemory {
                    path: path.to_owned(),
                    what,
                    bytes: size,
                })?;
            }
        }
        // One byte more than expected, to see whether something follows. The buffer grows with what is found.
        (&mut self.reader).take(size + 1).read_to_end(&mut body).map_err(|error| self.gzip_error(error))?;
        let found = body.len() as u64;
        if found < size {
            return Err(self.cut(self.header_bytes + size, self.header_bytes + found));
        }
        let follows_gzip = matches!(&self.reader, Reader::Gzip(decoder) if !decoder.get_ref().is_empty());
        if found > size || follows_gzip {
            let expected = self.header_bytes + size;
            return Err(DataError::TrailingBytes { path: path.to_owned(), what, expected });
        }
        Ok(body)
    }

    fn cut(&self, expected: u64, found: u64) -> DataError {
        DataError::Cut { path: self.path.to_owned(), what: self.what, expected, found }
    }

    fn gzip_error(&self, source: io::Error) -> DataError {
        DataError::Gzip { path: self.path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
