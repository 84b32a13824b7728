//! What a heatmap shows: a grid of numbers of which some may be missing, infinite or not a number. Pure data.

use std::sync::atomic::{AtomicU64, Ordering};

/// A grid of values `[height][width]`, row 0 at the bottom (y ascends), the cell in column `x` and row `y` at
/// `values[y * width + x]`.
///
/// NaN and the infinities stay what they are: they are results, and are drawn hatched. What has not been computed yet is
/// not `known`, whatever its value says.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Cells along x.
    pub width: usize,
    /// Cells along y.
    pub height: usize,
    /// `[height * width]`.
    pub values: Vec<f32>,
    /// `[height * width]`: whether the cell has been computed.
    pub known: Vec<bool>,
    /// Changes whenever the values do, and is never shared by two different fields of one process: textures are uploaded
    /// again only when it differs. Whoever writes to `values` or `known` directly calls [`Field::touch`].
    pub revision: u64,
}

/// What a cell holds; the numbers are what the mask texture of `shaders/heatmap.wgsl` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CellState {
    /// Not computed yet.
    Unknown = 0,
    /// A number.
    Finite = 1,
    /// Not a number.
    Nan = 2,
    /// Positive infinity.
    Above = 3,
    /// Negative infinity.
    Below = 4,
}

/// A field at a position between its cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// The state of the cell that contains the position.
    pub state: CellState,
    /// The value of that cell.
    pub nearest: f32,
    /// Interpolated between the centres of the finite cells around; meaningless unless `state` is finite.
    pub value: f32,
    /// Change of `value` per cell along x and y.
    pub gradient: [f32; 2],
}

impl Field {
    /// A field of which every cell is known.
    ///
    /// # Panics
    /// If there are not `width * height` values.
    pub fn from_values(width: usize, height: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), width * height, "a field of {width} x {height} cells");
        Self { width, height, known: vec![true; values.len()], values, revision: next_revision() }
    }

    /// A field of which nothing is known yet.
    pub fn unknown(width: usize, height: usize) -> Self {
        let cells = width * height;
        Self { width, height, values: vec![0.0; cells], known: vec![false; cells], revision: next_revision() }
    }

    /// Gives the field a new revision; to be called after its cells were written.
    pub fn touch(&mut self) {
        self.revision = next_revision();
    }

    /// Writes one cell, which is then known. Outside the field nothing happens.
    pub fn set(&mut self, x: usize, y: usize, value: f32) {
        if let Some(index) = self.index(x, y) {
            self.values[index] = value;
            self.known[index] = true;
            self.touch();
        }
    }

    /// The value of a cell; `None` where it is not known or outside the field.
    pub fn get(&self, x: usize, y: usize) -> Option<f32> {
        let index = self.index(x, y)?;
        self.known[index].then(|| self.values[index])
    }

    /// What the cell holds; outside the field nothing is known.
    pub fn state(&self, x: usize, y: usize) -> CellState {
        match self.get(x, y) {
            None => CellState::Unknown,
            Some(value) if value.is_finite() => CellState::Finite,
            Some(value) if value.is_nan() => CellState::Nan,
            Some(value) if value > 0.0 => CellState::Above,
            Some(_) => CellState::Below,
        }
    }

    /// The smallest and the largest known finite value; `None` if there is none.
    pub fn finite_range(&self) -> Option<(f32, f32)> {
        self.finite_values().fold(None, |range, value| match range {
            None => Some((value, value)),
            Some((low, high)) => Some((low.min(value), high.max(value))),
        })
    }

    /// The values at two quantiles (each in `[0, 1]`) of the known finite values, so that a few walls of fire do not eat the
    /// whole colour range. `(0.0, 1.0)` is [`Field::finite_range`].
    pub fn robust_range(&self, quantiles: (f32, f32)) -> Option<(f32, f32)> {
        let mut sorted: Vec<f32> = self.finite_values().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at =
            |quantile: f32| sorted[((f64::from(quantile.clamp(0.0, 1.0)) * last as f64).round() as usize).min(last)];
        let (low, high) = (at(quantiles.0), at(quantiles.1));
        Some((low.min(high), low.max(high)))
    }

    /// The value at a fractional position, `(0, 0)` being the centre of the first cell and `(width - 1, height - 1)` that of
    /// the last, interpolated like the picture.
    ///
    /// `None` outside the field (half a cell around the centres) and in cells that are not known; NaN and infinities as they are.
    pub fn sampled(&self, x: f64, y: f64) -> Option<f32> {
        let cell = [x + 0.5, y + 0.5];
        let inside = (0.0..=self.width as f64).contains(&cell[0]) && (0.0..=self.height as f64).contains(&cell[1]);
        let sample = inside.then(|| self.sample(cell.map(|along| along as f32)))?;
        match sample.state {
            CellState::Unknown => None,
            CellState::Finite => Some(sample.value),
            CellState::Nan | CellState::Above | CellState::Below => Some(sample.nearest),
        }
    }

    /// The twin of `sample_field` in `shaders/heatmap.wgsl`. `cell`: cell i covers `[i, i + 1]`.
    ///
    /// Cells that are not finite take no part in the interpolation; the weights of the others are raised instead.
    pub(super) fn sample(&self, cell: [f32; 2]) -> Sample {
        let clamped = |along: f32, cells: usize| (along.max(0.0) as usize).min(cells.saturating_sub(1));
        let (x, y) = (clamped(cell[0].floor(), self.width), clamped(cell[1].floor(), self.height));
        let state = self.state(x, y);
        let nearest = self.get(x, y).unwrap_or(f32::NAN);
        if state != CellState::Finite {
            return Sample { state, nearest, value: nearest, gradient: [0.0; 2] };
        }
        let corner = [(cell[0] - 0.5).floor(), (cell[1] - 0.5).floor()];
        let [right, up] = [cell[0] - 0.5 - corner[0], cell[1] - 0.5 - corner[1]];
        let columns = [0.0, 1.0].map(|step| clamped(corner[0] + step, self.width));
        let rows = [0.0, 1.0].map(|step| clamped(corner[1] + step, self.height) * self.width);
        // Weighted sum and weight, each with its derivatives along x and y: the value is their quotient.
        let mut sum = [0.0_f32; 3];
        let mut weight = [0.0_f32; 3];
        for (row, along_y, slope_y) in [(rows[0], 1.0 - up, -1.0), (rows[1], up, 1.0)] {
            for (column, along_x, slope_x) in [(columns[0], 1.0 - right, -1.0), (columns[1], right, 1.0)] {
                let Some(value) = self.finite(row + column) else {
                    continue;
                };
                let taps = [along_x * along_y, slope_x * along_y, along_x * slope_y];
                for slot in 0..3 {
                    sum[slot] += taps[slot] * value;
                    weight[slot] += taps[slot];
                }
            }
        }
        let value = sum[0] / weight[0];
        let gradient = [1, 2].map(|axis| (sum[axis] - value * weight[axis]) / weight[0]);
        Sample { state, nearest, value, gradient }
    }

    fn index(&self, x: usize, y: usize) -> Option<usize> {
        let index = (x < self.width && y < self.height).then(|| y * self.width + x)?;
        (index < self.values.len() && index < self.known.len()).then_some(index)
    }

    fn finite(&self, index: usize) -> Option<f32> {
        let value = *self.values.get(index)?;
        (*self.known.get(index)? && value.is_finite()).then_some(value)
    }

    fn finite_values(&self) -> impl Iterator<Item = f32> + '_ {
        let known = self.values.iter().zip(&self.known).filter(|(_, known)| **known);
        known.map(|(value, _)| *value).filter(|value| value.is_finite())
    }
}

fn next_revision() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_only_what_is_known_and_finite() {
        let mut field = Field::from_values(3, 2, vec![f32::NAN, 2.0, f32::INFINITY, -1.0, 5.0, f32::NEG_INFINITY]);
        assert_eq!(field.finite_range(), Some((-1.0, 5.0)));
        assert_eq!(field.robust_range((0.5, 1.0)), Some((2.0, 5.0)));
        field.known[4] = false;
        assert_eq!(field.finite_range(), Some((-1.0, 2.0)));
        assert_eq!(Field::unknown(4, 4).finite_range(), None);
        assert_eq!(Field::from_values(1, 1, vec![f32::NAN]).robust_range((0.0, 0.9)), None);
    }

    #[test]
    fn sampling_at_a_centre_gives_the_cell_and_between_two_centres_their_mean() {
        let field = Field::from_values(2, 2, vec![0.0, 1.0, 2.0, 3.0]);
        assert_eq!(field.sampled(1.0, 1.0), Some(3.0));
        assert_eq!(field.sampled(0.5, 0.0), Some(0.5));
        assert_eq!(field.sampled(0.5, 0.5), Some(1.5));
        assert_eq!(field.sampled(-0.4, 0.0), Some(0.0));
        assert_eq!(field.sampled(-0.6, 0.0), None);
        assert_eq!(field.sampled(f64::NAN, 0.0), None);
    }

    #[test]
    fn infinite_neighbours_do_not_leak_into_finite_cells() {
        let field = Field::from_values(3, 1, vec![1.0, f32::INFINITY, f32::NAN]);
        assert_eq!(field.sampled(0.4, 0.0), Some(1.0));
        assert_eq!(field.sampled(0.6, 0.0), Some(f32::INFINITY));
        assert!(field.sampled(2.0, 0.0).is_some_and(f32::is_nan));
    }

    #[test]
    fn the_gradient_is_that_of_the_interpolated_value() {
        let field = Field::from_values(3, 3, vec![0.0, 1.0, 4.0, 2.0, 5.0, f32::NAN, 3.0, 3.0, 1.0]);
        for cell in [[1.2, 1.4], [0.9, 2.1], [1.7, 1.2], [1.9, 0.8]] {
            let here = field.sample(cell);
            for axis in 0..2 {
                let mut ahead = cell;
                ahead[axis] += 1e-2;
                let mut behind = cell;
                behind[axis] -= 1e-2;
                let slope = (field.sample(ahead).value - field.sample(behind).value) / 2e-2;
                assert!(
                    (slope - here.gradient[axis]).abs() < 0.02,
                    "{cell:?} axis {axis}: {slope} {:?}",
                    here.gradient
                );
            }
        }
    }

    #[test]
    fn every_field_and_every_write_has_a_revision_of_its_own() {
        let mut field = Field::unknown(2, 2);
        let before = field.revision;
        field.set(0, 0, 1.0);
        assert_ne!(field.revision, before);
        assert_ne!(Field::unknown(2, 2).revision, Field::unknown(2, 2).revision);
    }
}
