//! Reading a pickle's bytes. Declared lengths are cut out of what is there; nothing is allocated for them.

use super::fault::PickleFault;
use crate::checkpoint::shown;

#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleFault> {
        let array = *self.rest().first_chunk::<N>().ok_or(PickleFault::Cut)?;
        self.at += N;
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleFault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn take(&mut self, n: u64) -> Result<&'a [u8], PickleFault> {
        let n = usize::try_from(n).ok().ok_or(PickleFault::Cut)?;
        let taken = self.rest().get(..n).ok_or(PickleFault::Cut)?;
        self.at += n;
        Ok(taken)
    }

    /// Bytes after a length of `N` little-endian bytes.
    pub(super) fn counted<const N: usize>(&mut self) -> Result<&'a [u8], PickleFault> {
        let mut length = [0; 8];
        for (to, from) in length.iter_mut().zip(self.array::<N>()?) {
            *to = from;
        }
        self.take(u64::from_le_bytes(length))
    }

    pub(super) fn counted_text<const N: usize>(&mut self) -> Result<&'a str, PickleFault> {
        str::from_utf8(self.counted::<N>()?).map_err(|_not_utf8| PickleFault::NotUtf8)
    }

    /// The text up to the next newline, which is passed over.
    pub(super) fn line(&mut self) -> Result<&'a str, PickleFault> {
        let length = self.rest().iter().position(|byte| *byte == b'\n').ok_or(PickleFault::Cut)?;
        let line = self.take(length as u64)?;
        self.at += 1;
        str::from_utf8(line).map_err(|_not_utf8| PickleFault::NotUtf8)
    }

    /// A number on a line of its own.
    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T, PickleFault> {
        let line = self.line()?;
        let digits = line.strip_suffix('L').unwrap_or(line);
        digits.parse().map_err(|_not_a_number| PickleFault::Number { text: shown(line) })
    }
}
