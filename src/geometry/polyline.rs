//! Points in a row, joined by straight lines: how far along each stands, and points put elsewhere on the line.

use std::sync::Arc;

use super::{Curve, Path, Stage};
use crate::net::ParamVec;

/// How far along the line each point stands, as shares of its length: from 0 to 1, rising. Even where all stand in one place.
///
/// `points`: at least two.
pub fn shares_of_length(points: &[Arc<ParamVec>]) -> Vec<f64> {
    let mut behind = vec![0.0];
    for pair in points.windows(2) {
        behind.push(behind[behind.len() - 1] + pair[0].distance(&pair[1]));
    }
    let length = behind[behind.len() - 1];
    let last = behind.len() - 1;
    // Rounded quotients need not end at 1.
    let share = |(index, travelled): (usize, &f64)| match index {
        _ if index == last => 1.0,
        _ if 0.0 < length => travelled / length,
        _ => index as f64 / last as f64,
    };
    behind.iter().enumerate().map(share).collect()
}

/// Points at these shares of the line's length; the first and the last point stay the vectors that they are.
///
/// `shares`: from 0 to 1, rising, at least two.
pub fn at_shares(points: &[Arc<ParamVec>], shares: &[f64]) -> Vec<Arc<ParamVec>> {
    let known = shares_of_length(points);
    let (first, last) = (&points[0], &points[points.len() - 1]);
    let inner = shares[1..shares.len() - 1].iter().map(|&share| {
        let segment = known[1..].partition_point(|&end| end < share).min(points.len() - 2);
        let length = known[segment + 1] - known[segment];
        let part = if 0.0 < length { ((share - known[segment]) / length).clamp(0.0, 1.0) } else { 0.0 };
        Arc::new(ParamVec::combination(&points[segment..segment + 2], &[1.0 - part, part]))
    });
    std::iter::once(Arc::clone(first)).chain(inner).chain([Arc::clone(last)]).collect()
}

/// Times along a path: those of its points or bends, and `n_between` more between each two.
pub fn dense_ts(path: &Path, n_between: usize) -> Vec<f64> {
    let n_stages = path.stages().len() as f64;
    let parts = n_between + 1;
    let mut ts = Vec::new();
    for (index, stage) in path.stages().enumerate() {
        let times = match stage {
            Stage::Polyline { times, .. } => times.clone(),
            Stage::Curve { curve, .. } => Curve::even_ts(curve.n_bends() + 2),
            Stage::Walk(_) => vec![0.0, 1.0],
        };
        for pair in times.windows(2) {
            let between = (0..parts).map(|i| pair[0] + (pair[1] - pair[0]) * i as f64 / parts as f64);
            ts.extend(between.map(|s| (index as f64 + s) / n_stages));
        }
    }
    ts.push(1.0);
    ts
}

#[cfg(test)]
mod tests {
    use super::super::Family;
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn corners(n: u64) -> Vec<Arc<ParamVec>> {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let corner = |seed| ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(seed));
        (0..n).map(|seed| Arc::new(corner(seed))).collect()
    }

    #[test]
    fn points_at_even_shares_stand_at_even_distances_along_the_line() {
        let points = corners(4);
        let shares: Vec<f64> = (0..9).map(|i| f64::from(i) / 8.0).collect();
        let found = at_shares(&points, &shares);
        assert!(Arc::ptr_eq(&found[0], &points[0]) && Arc::ptr_eq(&found[8], &points[3]));
        // Along the line through all corners and the points found.
        let known = shares_of_length(&points);
        let mut all: Vec<(f64, &Arc<ParamVec>)> =
            known.iter().copied().zip(&points).chain(shares.iter().copied().zip(&found)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line: Vec<Arc<ParamVec>> = all.iter().map(|(_, point)| Arc::clone(point)).collect();
        for (measured, (expected, _)) in shares_of_length(&line).iter().zip(&all) {
            assert!((measured - expected).abs() < 1e-6, "{measured} {expected}");
        }
    }

    #[test]
    fn points_on_a_straight_line_become_evenly_spaced() {
        let ends = corners(2);
        let between = |share: f64| Arc::new(ParamVec::combination(&ends, &[1.0 - share, share]));
        let crowded = [ends[0].clone(), between(0.1), between(0.15), between(0.9), ends[1].clone()];
        let found = at_shares(&crowded, &[0.0, 0.25, 0.5, 0.75, 1.0]);
        for (share, expected) in shares_of_length(&found).iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]) {
            assert!((share - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_line_without_length_has_even_shares() {
        let point = corners(1).remove(0);
        let points = vec![point; 3];
        assert_eq!(shares_of_length(&points), [0.0, 0.5, 1.0]);
        assert_eq!(at_shares(&points, &[0.0, 0.3, 1.0]), points);
    }

    #[test]
    fn dense_times_hold_those_of_all_points_and_as_many_between() {
        let points = corners(3);
        let bent = Stage::Polyline { times: vec![0.0, 0.2, 1.0], points: points.clone() };
        let straight = Stage::Curve { curve: Curve::Linear, basis: points[1..].to_vec() };
        let path = Path::staged(Family::AutoNeb, vec![bent, straight]);
        let expected = [0.0, 0.05, 0.1, 0.3, 0.5, 0.75, 1.0];
        let found = dense_ts(&path, 1);
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }
}
