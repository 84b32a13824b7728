//! Memory that is used again from step to step.

use super::Row;

/// Rows that are free.
#[derive(Debug, Default)]
pub(super) struct Buffers(Vec<Vec<Row>>);

impl Buffers {
    /// `n` rows with whatever was in them.
    pub(super) fn take(&mut self, n: usize) -> Vec<Row> {
        let fits = self.0.iter().enumerate().filter(|(_, rows)| n <= rows.capacity());
        let best = fits.min_by_key(|(_, rows)| rows.capacity()).map(|(index, _)| index);
        let mut rows = best.map_or_else(Vec::new, |index| self.0.swap_remove(index));
        rows.resize(n, bytemuck::Zeroable::zeroed());
        rows
    }

    pub(super) fn give(&mut self, rows: Vec<Row>) {
        if 0 < rows.capacity() {
            self.0.push(rows);
        }
    }
}
