//! What a sampled path's values come to: the statistics of Garipov et al.'s eval_curve and the barrier.

use serde::{Deserialize, Serialize};

/// Statistics of one quantity along a path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub start: f64,
    pub end: f64,
    pub min: f64,
    pub max: f64,
    /// t of the largest value.
    pub t_max: f64,
    pub mean: f64,
    /// Trapezoid average weighted by the length of each step in weight space:
    /// `sum_i 0.5 (v_(i-1) + v_i) dl_i / sum_i dl_i` (Garipov et al. 2018).
    pub integral: f64,
    /// `max_t v(t) - (v(0) + v(1)) / 2`, the barrier of Frankle et al. 2020 and Ainsworth et al. 2023
    /// (<https://arxiv.org/abs/2209.04836>, definition 2.2). Entezari et al. 2022 subtract the *interpolated* values of the
    /// endpoints instead; the two agree where both endpoints' values are equal. A lower bound: the true maximum may lie
    /// between samples.
    pub barrier: f64,
}

/// Summarises `values` at `ts`.
///
/// `ts`, `values`: one a point, in order of t; `steps`: lengths between neighbours, one fewer. Infinite and NaN values count
/// as the largest there are. `None` for no points at all.
pub fn summarise(ts: &[f64], values: &[f64], steps: &[f64]) -> Option<Summary> {
    let (&start, &end) = (values.first()?, values.last()?);
    let worst = values
        .iter()
        .position(|v| v.is_nan())
        .or_else(|| (0..values.len()).reduce(|best, i| if values[best] < values[i] { i } else { best }))?;
    let max = values[worst];
    let mut integral = 0.0;
    let mut length = 0.0;
    for (pair, dl) in values.windows(2).zip(steps) {
        integral += 0.5 * (pair[0] + pair[1]) * dl;
        length += dl;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some(Summary {
        start,
        end,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max,
        t_max: ts[worst],
        mean,
        integral: if 0.0 < length { integral / length } else { mean },
        barrier: max - 0.5 * (start + end),
    })
}

/// What a path's values under attack come to, as Tatro et al. 2020 report them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustSummary {
    pub max_loss: f64,
    /// As [`Summary::integral`].
    pub mean_loss: f64,
    /// The points of the lowest and of the highest accuracy under attack.
    pub worst: RobustPoint,
    pub best: RobustPoint,
}

/// A point's accuracy under attack and on the images as they are, 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustPoint {
    pub t: f64,
    pub accuracy: f64,
    pub clean_accuracy: f64,
}

/// Summarises losses under attack at the places of `points`, which are in order of t; `steps`: lengths between neighbours.
/// `None` for no points at all.
pub fn summarise_robust(losses: &[f64], points: &[RobustPoint], steps: &[f64]) -> Option<RobustSummary> {
    let ts: Vec<f64> = points.iter().map(|point| point.t).collect();
    let loss = summarise(&ts, losses, steps)?;
    let by_accuracy = |one: &&RobustPoint, other: &&RobustPoint| one.accuracy.total_cmp(&other.accuracy);
    Some(RobustSummary {
        max_loss: loss.max,
        mean_loss: loss.integral,
        worst: *points.iter().min_by(by_accuracy)?,
        best: *points.iter().max_by(by_accuracy)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_has_no_barrier() {
        let summary = summarise(&[0.0, 0.5, 1.0], &[2.0; 3], &[1.0, 3.0]).unwrap();
        assert_eq!((summary.barrier, summary.integral, summary.mean), (0.0, 2.0, 2.0));
    }

    #[test]
    fn the_barrier_is_measured_from_the_mean_of_the_ends() {
        let summary = summarise(&[0.0, 0.5, 1.0], &[1.0, 5.0, 2.0], &[1.0, 1.0]).unwrap();
        assert_eq!((summary.barrier, summary.t_max), (3.5, 0.5));
    }

    #[test]
    fn the_integral_weighs_steps_by_their_length() {
        let summary = summarise(&[0.0, 0.5, 1.0], &[0.0, 2.0, 2.0], &[3.0, 1.0]).unwrap();
        assert_eq!(summary.integral, (1.0 * 3.0 + 2.0) / 4.0);
    }

    #[test]
    fn values_that_are_not_finite_are_never_hidden() {
        let summary = summarise(&[0.0, 0.5, 1.0], &[1.0, f64::INFINITY, 1.0], &[1.0, 1.0]).unwrap();
        assert!(summary.max.is_infinite() && summary.barrier.is_infinite());
        let summary = summarise(&[0.0, 0.5, 1.0], &[1.0, f64::NAN, 9.0], &[1.0, 1.0]).unwrap();
        assert!(summary.max.is_nan() && summary.t_max == 0.5);
    }

    #[test]
    fn a_path_of_no_length_has_the_mean_as_integral() {
        assert_eq!(summarise(&[0.0, 1.0], &[1.0, 3.0], &[0.0]).unwrap().integral, 2.0);
        assert!(summarise(&[], &[], &[]).is_none());
    }

    #[test]
    fn the_worst_and_the_best_robust_points_keep_their_clean_accuracy() {
        let accuracies = [(0.5, 0.9), (0.2, 0.95), (0.6, 0.8)];
        let points: Vec<RobustPoint> = accuracies
            .into_iter()
            .zip([0.0, 0.5, 1.0])
            .map(|((accuracy, clean_accuracy), t)| RobustPoint { t, accuracy, clean_accuracy })
            .collect();
        let summary = summarise_robust(&[1.0, 4.0, 2.0], &points, &[3.0, 1.0]).unwrap();
        assert_eq!((summary.max_loss, summary.mean_loss), (4.0, (2.5 * 3.0 + 3.0) / 4.0));
        assert_eq!([summary.worst, summary.best], [points[1], points[2]]);
        assert_eq!(summarise_robust(&[], &[], &[]), None);
    }
}
