//! Where the points of a path lie: how far from its ends and its chord, and when it has come how far.

use super::{Curve, Path};
use crate::net::ParamVec;

/// Points that lengths between are added up from.
const N_FINE: usize = 1025;

/// Euclidean distances of a point in weight space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    pub from_a: f64,
    pub from_b: f64,
    /// From the nearest point of the segment between A and B.
    pub from_chord: f64,
}

impl Distances {
    pub fn of(point: &ParamVec, a: &ParamVec, b: &ParamVec) -> Self {
        let squared = point.dot_from(a, point);
        let along = point.dot_from(a, b);
        let chord = b.dot_from(a, b);
        let share = if 0.0 < chord { (along / chord).clamp(0.0, 1.0) } else { 0.0 };
        let from_chord = squared - 2.0 * share * along + share * share * chord;
        Self { from_a: squared.sqrt(), from_b: point.distance(b), from_chord: from_chord.max(0.0).sqrt() }
    }
}

impl Path {
    /// `n` times, both ends among them, between which the path is equally long; a single one is 0. Evenly spaced times where
    /// the path has no length.
    pub fn ts_by_length(&self, n: usize) -> Vec<f64> {
        let fine = Curve::even_ts(N_FINE);
        let mut travelled = vec![0.0];
        let mut total = 0.0;
        for step in self.steps(&fine) {
            total += step;
            travelled.push(total);
        }
        let even = Curve::even_ts(n);
        if !total.is_finite() || total <= 0.0 {
            return even;
        }
        let time_of = |share: f64| {
            let wanted = share * total;
            let next = travelled.partition_point(|&length| length < wanted).clamp(1, N_FINE - 1);
            let (from, to) = (travelled[next - 1], travelled[next]);
            let part = if from < to { (wanted - from) / (to - from) } else { 0.0 };
            (fine[next - 1] + part * (fine[next] - fine[next - 1])).clamp(0.0, 1.0)
        };
        let last = n.saturating_sub(1);
        even.iter().enumerate().map(|(i, &share)| if 0 < i && i == last { 1.0 } else { time_of(share) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Network, zoo};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;
    use std::sync::Arc;

    fn vectors(n: usize) -> (Network, Vec<Arc<ParamVec>>) {
        let network = zoo::mlp(&[4, 3, 2], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let vectors = (0..n).map(|_| Arc::new(ParamVec::random(network.layout().clone(), &mut rng))).collect();
        (network, vectors)
    }

    #[test]
    fn points_of_the_chord_lie_on_it_and_points_beyond_are_measured_from_its_end() {
        let (_, w) = vectors(2);
        let length = w[0].distance(&w[1]);
        let at = |share: f64| {
            let point = ParamVec::combination(&w, &[1.0 - share, share]);
            Distances::of(&point, &w[0], &w[1])
        };
        let inside = at(0.25);
        assert!((inside.from_a - 0.25 * length).abs() < 1e-5 && (inside.from_b - 0.75 * length).abs() < 1e-5);
        assert!(inside.from_chord < 1e-5);
        assert!((at(1.5).from_chord - 0.5 * length).abs() < 1e-5);
        assert!((at(-0.5).from_chord - 0.5 * length).abs() < 1e-5);
    }

    #[test]
    fn a_point_off_the_chord_is_as_far_as_its_foot() {
        let (_, w) = vectors(3);
        let found = Distances::of(&w[2], &w[0], &w[1]);
        let nearest = (0..=1000).map(|i| f64::from(i) / 1000.0);
        let nearest = nearest.map(|s| w[2].distance(&ParamVec::combination(&w[..2], &[1.0 - s, s])));
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        assert!((found.from_chord - nearest).abs() < 1e-3 * nearest, "{} {nearest}", found.from_chord);
        let same = Distances::of(&w[2], &w[0], &w[0]);
        assert_eq!(same.from_chord, same.from_a);
    }

    #[test]
    fn times_by_length_cut_a_path_into_equal_parts() {
        let (network, w) = vectors(3);
        // A bend next to A: the second half of t is most of the length.
        let near_a = Arc::new(ParamVec::combination(&w[..2], &[0.95, 0.05]));
        let path = Path::new(&network, Curve::Chain { n_bends: 1 }, w[0].clone(), w[2].clone(), vec![near_a]);
        for n in [2, 3, 6] {
            let ts = path.ts_by_length(n);
            assert_eq!((ts[0], ts[n - 1]), (0.0, 1.0));
            let steps = path.steps(&ts);
            let part = path.length() / (n - 1) as f64;
            assert!(steps.iter().all(|step| (step - part).abs() < 0.02 * path.length()), "{steps:?}");
        }
        assert!(0.5 < path.ts_by_length(3)[1]);
        assert_eq!(path.ts_by_length(1), [0.0]);
    }

    #[test]
    fn a_path_without_length_has_evenly_spaced_times() {
        let (network, w) = vectors(1);
        let path = Path::straight(&network, Curve::Linear, w[0].clone(), w[0].clone());
        assert_eq!(path.ts_by_length(3), [0.0, 0.5, 1.0]);
    }
}
