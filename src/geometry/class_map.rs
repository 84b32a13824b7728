//! What a network of two inputs decides, over a rectangle of them.

use super::Grid;

/// Logits at the points of a grid of inputs, interpolated in between: the boundary of a linear network stays a straight line.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassMap {
    grid: Grid,
    n_classes: usize,
    /// `[grid.len(), n_classes]`, row-major.
    logits: Vec<f32>,
}

/// The class at one input, and how surely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// Of the largest logit.
    pub class: usize,
    /// The largest softmax probability less the second largest: 0 on the boundary, 1 where there is no doubt.
    pub margin: f64,
}

impl ClassMap {
    /// # Panics
    /// If `logits` is not `[grid.len(), n_classes]` with at least one of each.
    pub fn new(grid: Grid, n_classes: usize, logits: Vec<f32>) -> Self {
        assert!(0 < n_classes && !grid.is_empty(), "a map has classes and points");
        assert_eq!(logits.len(), grid.len() * n_classes, "a logit for each class at each point");
        Self { grid, n_classes, logits }
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The decision at an input of the rectangle; `None` where logits are not numbers. Outside, that of the nearest input inside.
    pub fn decision(&self, x: f64, y: f64) -> Option<Decision> {
        let Grid { x: across, y: up } = &self.grid;
        let (ix, fx) = across.cell(x);
        let (iy, fy) = up.cell(y);
        let row = |iy: usize, ix: usize| {
            let at = iy.min(up.n - 1) * across.n + ix.min(across.n - 1);
            &self.logits[at * self.n_classes..(at + 1) * self.n_classes]
        };
        let corners = [
            (row(iy, ix), (1.0 - fx) * (1.0 - fy)),
            (row(iy, ix + 1), fx * (1.0 - fy)),
            (row(iy + 1, ix), (1.0 - fx) * fy),
            (row(iy + 1, ix + 1), fx * fy),
        ];
        decide((0..self.n_classes).map(|class| {
            // A corner without weight must not spoil the others: 0 x infinity is NaN.
            let parts = corners.iter().filter(|(_, weight)| 0.0 < *weight);
            parts.map(|(logits, weight)| weight * f64::from(logits[class])).sum()
        }))
    }

    /// The share of the rectangle that each class takes, of what is decided.
    pub fn shares(&self) -> Vec<f64> {
        let mut counts = vec![0.0; self.n_classes];
        for logits in self.logits.chunks_exact(self.n_classes) {
            if let Some(decision) = decide(logits.iter().map(|&logit| f64::from(logit))) {
                counts[decision.class] += 1.0;
            }
        }
        let total: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / total.max(1.0)).collect()
    }
}

/// The largest logit and its lead.
fn decide(logits: impl Iterator<Item = f64>) -> Option<Decision> {
    let logits: Vec<f64> = logits.collect();
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let class = (0..logits.len()).reduce(|best, i| if logits[best] < logits[i] { i } else { best })?;
    let odds: Vec<f64> = logits.iter().map(|logit| (logit - logits[class]).exp()).collect();
    let second = odds.iter().enumerate().filter(|(i, _)| *i != class).map(|(_, odds)| *odds).fold(0.0, f64::max);
    Some(Decision { class, margin: (1.0 - second) / odds.iter().sum::<f64>() })
}

#[cfg(test)]
mod tests {
    use super::super::Axis;
    use super::*;

    /// Two classes; the second logit is `x`, the first 0.25.
    fn split_at_a_quarter(n: usize) -> ClassMap {
        let axis = Axis { min: -1.0, max: 1.0, n };
        let grid = Grid { x: axis, y: axis };
        let logits = grid.points().into_iter().flat_map(|(x, _)| [0.25, x as f32]).collect();
        ClassMap::new(grid, 2, logits)
    }

    #[test]
    fn the_boundary_of_linear_logits_is_where_they_are_equal_between_grid_points_too() {
        let map = split_at_a_quarter(6);
        for y in [-1.0, -0.3, 0.77, 1.0] {
            assert_eq!(map.decision(0.2499, y).unwrap().class, 0);
            assert_eq!(map.decision(0.2501, y).unwrap().class, 1);
            assert!(map.decision(0.25, y).unwrap().margin < 1e-6);
        }
        assert!(map.decision(0.2501, 0.0).unwrap().margin < map.decision(0.9, 0.0).unwrap().margin);
    }

    #[test]
    fn margins_are_differences_of_softmax_probabilities() {
        let axis = Axis { min: 0.0, max: 1.0, n: 1 };
        let map = ClassMap::new(Grid { x: axis, y: axis }, 3, vec![0.0, 2.0_f32.ln(), 1.0_f32.ln()]);
        let decision = map.decision(0.5, 0.5).unwrap();
        assert_eq!(decision.class, 1);
        assert!((decision.margin - 0.25).abs() < 1e-6, "2/4 less 1/4: {decision:?}");
    }

    #[test]
    fn logits_that_are_not_numbers_decide_nothing_and_spoil_no_neighbour() {
        let axis = Axis { min: 0.0, max: 1.0, n: 2 };
        let mut logits = vec![1.0, 0.0, f32::NAN, 0.0, 1.0, 0.0, 1.0, 0.0];
        let map = ClassMap::new(Grid { x: axis, y: axis }, 2, logits.clone());
        assert_eq!(map.decision(1.0, 0.0), None);
        assert_eq!(map.decision(0.0, 1.0).map(|d| d.class), Some(0));
        assert_eq!(map.shares(), [1.0, 0.0]);
        logits.fill(f32::INFINITY);
        assert_eq!(ClassMap::new(*map.grid(), 2, logits).shares(), [0.0, 0.0]);
    }

    #[test]
    fn outside_the_rectangle_the_edge_decides() {
        let map = split_at_a_quarter(5);
        assert_eq!(map.decision(-30.0, 4.0), map.decision(-1.0, 1.0));
    }
}
