//! Where a plane is sampled, and in which order: coarse first, so that a picture stands early and every point is kept.

use serde::{Deserialize, Serialize};

/// Evenly spaced samples of an interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    pub min: f64,
    pub max: f64,
    pub n: usize,
}

impl Axis {
    /// The i-th sample; a single sample stands in the middle.
    pub fn at(&self, i: usize) -> f64 {
        if self.n < 2 {
            return 0.5 * (self.min + self.max);
        }
        let s = i as f64 / (self.n - 1) as f64;
        self.min * (1.0 - s) + self.max * s
    }

    /// The sample at or below `v` and how far `v` is on the way to the next one, 0..1; `v` beyond an end counts as that end.
    pub fn cell(&self, v: f64) -> (usize, f64) {
        if self.n < 2 {
            return (0, 0.0);
        }
        let last = (self.n - 1) as f64;
        let place = ((v - self.min) / (self.max - self.min) * last).clamp(0.0, last);
        (place as usize, place.fract())
    }

    pub fn values(&self) -> Vec<f64> {
        (0..self.n).map(|i| self.at(i)).collect()
    }
}

/// A rectangular grid; point `iy * x.n + ix` stands at `(x.at(ix), y.at(iy))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    pub x: Axis,
    pub y: Axis,
}

impl Grid {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.x.n * self.y.n
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn points(&self) -> Vec<(f64, f64)> {
        let xs = self.x.values();
        self.y.values().into_iter().flat_map(|y| xs.iter().map(move |&x| (x, y)).collect::<Vec<_>>()).collect()
    }

    /// Distance in points between neighbours of the first of [`Self::levels`].
    pub fn coarse_stride(&self, coarse: usize) -> usize {
        let longest = self.x.n.max(self.y.n);
        let mut stride = 1;
        while coarse.max(1) < longest.div_ceil(stride) {
            stride *= 2;
        }
        stride
    }

    /// Point indices in nested levels: every stride-th row and column first, then the points that halving the stride adds.
    /// Each point appears in exactly one level; the first level has at most `coarse` x `coarse` points.
    ///
    /// Within a level the points nearest to one of `near` come first; where there are none, those nearest to the centre.
    pub fn levels(&self, coarse: usize, near: &[(f64, f64)]) -> Vec<Vec<usize>> {
        let centre = [(0.5 * (self.x.min + self.x.max), 0.5 * (self.y.min + self.y.max))];
        let near = if near.is_empty() { &centre } else { near };
        let distance = |index: usize| {
            let (x, y) = (self.x.at(index % self.x.n), self.y.at(index / self.x.n));
            near.iter().map(|&(px, py)| (x - px).hypot(y - py)).fold(f64::INFINITY, f64::min)
        };
        let mut levels = self.nested(coarse);
        for level in &mut levels {
            let mut ordered: Vec<(f64, usize)> = level.iter().map(|&index| (distance(index), index)).collect();
            ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
            *level = ordered.into_iter().map(|(_, index)| index).collect();
        }
        levels
    }

    /// The levels, each in the order of its rows.
    fn nested(&self, coarse: usize) -> Vec<Vec<usize>> {
        let mut stride = self.coarse_stride(coarse);
        let mut levels = Vec::new();
        let mut before: Option<usize> = None;
        loop {
            let mut level = Vec::new();
            for iy in (0..self.y.n).step_by(stride) {
                for ix in (0..self.x.n).step_by(stride) {
                    let known = before.is_some_and(|s| ix % s == 0 && iy % s == 0);
                    if !known {
                        level.push(iy * self.x.n + ix);
                    }
                }
            }
            levels.push(level);
            if stride == 1 {
                return levels;
            }
            before = Some(stride);
            stride /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(nx: usize, ny: usize) -> Grid {
        Grid { x: Axis { min: -1.0, max: 2.0, n: nx }, y: Axis { min: 0.0, max: 1.0, n: ny } }
    }

    #[test]
    fn axes_reach_both_ends_exactly() {
        let axis = Axis { min: -0.2, max: 1.2, n: 25 };
        assert_eq!(axis.at(0), -0.2);
        assert_eq!(axis.at(24), 1.2);
    }

    #[test]
    fn values_between_samples_fall_into_their_cell() {
        let axis = Axis { min: -1.0, max: 3.0, n: 5 };
        assert_eq!([axis.cell(-1.0), axis.cell(0.25), axis.cell(3.0)], [(0, 0.0), (1, 0.25), (4, 0.0)]);
        assert_eq!([axis.cell(-9.0), axis.cell(9.0)], [(0, 0.0), (4, 0.0)]);
    }

    #[test]
    fn levels_visit_every_point_once_and_begin_coarse() {
        for (nx, ny) in [(1, 1), (1, 9), (25, 25), (33, 17), (40, 7), (51, 51)] {
            let grid = grid(nx, ny);
            let levels = grid.levels(9, &[(0.3, 0.3)]);
            assert!(levels[0].len() <= 81, "{nx}x{ny}: {}", levels[0].len());
            let mut all: Vec<usize> = levels.into_iter().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, (0..grid.len()).collect::<Vec<_>>(), "{nx}x{ny}");
        }
    }

    #[test]
    fn levels_grow_outwards_from_the_path_or_from_the_centre() {
        let grid = Grid { x: Axis { min: 0.0, max: 8.0, n: 9 }, y: Axis { min: 0.0, max: 8.0, n: 9 } };
        let spot = |index: usize| (grid.x.at(index % 9), grid.y.at(index / 9));
        let first = grid.levels(9, &[])[0][0];
        assert_eq!(spot(first), (4.0, 4.0));
        let level = &grid.levels(9, &[(0.0, 8.0), (8.0, 0.0)])[0];
        let distances = level.iter().map(|&index| {
            let (x, y) = spot(index);
            x.hypot(y - 8.0).min((x - 8.0).hypot(y))
        });
        assert!(distances.collect::<Vec<_>>().is_sorted());
    }

    #[test]
    fn points_run_along_x_first() {
        let points = grid(3, 2).points();
        assert_eq!(points[1], (0.5, 0.0));
        assert_eq!(points[3], (-1.0, 1.0));
    }
}
