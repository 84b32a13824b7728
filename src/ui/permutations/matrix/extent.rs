//! The part of a square matrix that is in sight. Pure arithmetic.

use std::ops::Range;

/// Zooming in ends at so many places.
const FEWEST_PLACES: f64 = 4.0;

/// A square in places: place i covers `i..i + 1`, along x from left to right and along y from the top down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) side: f64,
}

impl Extent {
    pub(super) fn whole(n: usize) -> Self {
        Self { left: 0.0, top: 0.0, side: n as f64 }
    }

    /// `factor` times as many places, never more than all `n`; what is at `[x, y]` stays where it is, but for the edges.
    pub(super) fn zoomed(self, n: usize, factor: f64, [x, y]: [f64; 2]) -> Self {
        let n = n as f64;
        let side = (self.side * factor).clamp(FEWEST_PLACES.min(n), n);
        let factor = side / self.side;
        Self { left: x - factor * (x - self.left), top: y - factor * (y - self.top), side }.within(n)
    }

    /// Moved by so many places, as far as there are any.
    pub(super) fn moved(self, n: usize, [x, y]: [f64; 2]) -> Self {
        Self { left: self.left + x, top: self.top + y, ..self }.within(n as f64)
    }

    pub(super) fn centre(self) -> [f64; 2] {
        [self.left + 0.5 * self.side, self.top + 0.5 * self.side]
    }

    /// Columns that are in sight at least in part.
    pub(super) fn columns(self, n: usize) -> Range<usize> {
        Self::places(self.left, self.side, n)
    }

    pub(super) fn rows(self, n: usize) -> Range<usize> {
        Self::places(self.top, self.side, n)
    }

    fn places(start: f64, side: f64, n: usize) -> Range<usize> {
        let first = (start.floor().max(0.0) as usize).min(n);
        first..((start + side).ceil().max(0.0) as usize).clamp(first, n)
    }

    fn within(self, n: f64) -> Self {
        let most = n - self.side;
        Self { left: self.left.clamp(0.0, most.max(0.0)), top: self.top.clamp(0.0, most.max(0.0)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_the_pointer_stays_there() {
        let extent = Extent { left: 20.0, top: 40.0, side: 40.0 };
        let zoomed = extent.zoomed(100, 0.5, [30.0, 60.0]);
        assert_eq!(zoomed, Extent { left: 25.0, top: 50.0, side: 20.0 });
        assert_eq!(zoomed.zoomed(100, 2.0, [30.0, 60.0]), extent);
    }

    #[test]
    fn neither_zoom_nor_movement_leaves_the_matrix() {
        let whole = Extent::whole(100);
        assert_eq!(whole.zoomed(100, 3.0, [99.0, 1.0]), whole);
        assert_eq!(whole.zoomed(100, 1e-9, [0.0, 0.0]).side, FEWEST_PLACES);
        let part = whole.zoomed(100, 0.2, [50.0, 50.0]);
        assert_eq!(part.moved(100, [1e3, -1e3]), Extent { left: 80.0, top: 0.0, side: 20.0 });
        assert_eq!(part.moved(100, [1e3, -1e3]).zoomed(100, 2.0, [80.0, 20.0]).left, 60.0);
        let tiny = Extent::whole(2);
        assert_eq!(tiny.zoomed(2, 0.1, [1.0, 1.0]), tiny);
    }

    #[test]
    fn places_in_part_in_sight_are_in_sight() {
        let extent = Extent { left: 2.5, top: 7.0, side: 4.0 };
        assert_eq!((extent.columns(100), extent.rows(10)), (2..7, 7..10));
    }
}
