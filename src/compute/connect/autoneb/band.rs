//! The band of pivots: tangents, spacing, and where another pivot is wanted.

use std::sync::Arc;

use crate::geometry::{Family, Path, Stage, at_shares, shares_of_length};
use crate::net::ParamVec;

/// Pivots added after a dense analysis.
const MOST_ADDED: usize = 2;
/// A gap takes a pivot where the loss lies above the straight line between its pivots by more than this share of the range of
/// the pivots' losses.
const LEAST_EXCESS: f64 = 0.1;

/// Points in a row from A to B; the inner ones are the pivots.
#[derive(Clone, Debug)]
pub(super) struct Band {
    points: Vec<Arc<ParamVec>>,
    /// Where each stands along the band, as a share of its length, from 0 to 1.
    shares: Vec<f64>,
}

impl Band {
    /// `n_pivots` at equal distances on the segment from A to B. Running statistics of batch norm stand between those of the
    /// ends as the pivots do, here and wherever they are moved along the band.
    pub(super) fn straight(a: &Arc<ParamVec>, b: &Arc<ParamVec>, n_pivots: usize) -> Self {
        let shares: Vec<f64> = (0..n_pivots + 2).map(|i| i as f64 / (n_pivots + 1) as f64).collect();
        Self { points: at_shares(&[Arc::clone(a), Arc::clone(b)], &shares), shares }
    }

    /// Both ends included.
    pub(super) fn points(&self) -> &[Arc<ParamVec>] {
        &self.points
    }

    /// The trained values of the point `index`.
    pub(super) fn trained_mut(&mut self, index: usize) -> &mut [f32] {
        let n_trained = self.points[index].layout().n_trained();
        &mut Arc::make_mut(&mut self.points[index]).values_mut()[..n_trained]
    }

    /// Moves the pivots along the band to where they should stand: springs of infinite strength.
    pub(super) fn redistribute(&mut self) {
        self.points = at_shares(&self.points, &self.shares);
    }

    /// The polyline through the pivots, at constant speed.
    pub(super) fn path(&self) -> Path {
        let times = shares_of_length(&self.points);
        Path::staged(Family::AutoNeb, vec![Stage::Polyline { times, points: self.points.clone() }])
    }

    /// Adds pivots where a dense analysis asks for them (at most [`MOST_ADDED`]); all pivots keep their places from then on.
    ///
    /// `losses`: of the points along the band, `n_between` between each two neighbours.
    pub(super) fn insert(&mut self, losses: &[f64], n_between: usize) {
        let mut wanted = highest_places(losses, n_between);
        // From the end, so that the places before stay what they are.
        wanted.sort_by_key(|&(gap, _)| std::cmp::Reverse(gap));
        for (gap, share) in wanted {
            let ends = &self.points[gap..gap + 2];
            let pivot = Arc::new(ParamVec::combination(ends, &[1.0 - share, share]));
            self.points.insert(gap + 1, pivot);
        }
        self.shares = shares_of_length(&self.points);
    }
}

/// The gaps whose losses exceed the straight line between their pivots most, and where in them they do, as a share of the gap.
fn highest_places(losses: &[f64], n_between: usize) -> Vec<(usize, f64)> {
    let width = n_between + 1;
    let at_points = losses.iter().step_by(width);
    let range =
        at_points.clone().copied().fold(f64::NEG_INFINITY, f64::max) - at_points.copied().fold(f64::INFINITY, f64::min);
    let highest = |gap: usize| {
        let (from, to) = (losses[gap * width], losses[(gap + 1) * width]);
        let excess = |i: usize| {
            let share = i as f64 / width as f64;
            (share, losses[gap * width + i] - ((1.0 - share) * from + share * to))
        };
        (1..width).map(excess).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(share, excess)| (gap, share, excess))
    };
    let mut found: Vec<(usize, f64, f64)> = (0..losses.len() / width).filter_map(highest).collect();
    found.retain(|(_, _, excess)| LEAST_EXCESS * range < *excess);
    found.sort_by(|a, b| b.2.total_cmp(&a.2));
    found.truncate(MOST_ADDED);
    found.into_iter().map(|(gap, share, _)| (gap, share)).collect()
}

/// Takes the part along the band out of the `gradient` at `here`.
///
/// The tangent is the improved one of Henkelman & Jonsson 2000, of unit vectors: towards the higher neighbour where the losses
/// rise or fall; both directions at a maximum or minimum, the higher neighbour's with the larger of the two differences of
/// loss. (The code released with AutoNEB gives the larger one to the lower neighbour.)
///
/// `neighbours`, `losses`: of the pivot before and the one behind; before, here, behind.
pub(super) fn take_out_tangent(gradient: &mut [f32], here: &ParamVec, neighbours: [&ParamVec; 2], losses: [f64; 3]) {
    let [before, behind] = neighbours;
    let weights = tangent_weights(losses);
    let lengths = [before.distance(here), here.distance(behind)];
    let factors = [0, 1].map(|side| if 0.0 < lengths[side] { weights[side] / lengths[side] } else { 0.0 });
    let values = before.trained().iter().zip(here.trained()).zip(behind.trained());
    let tangent: Vec<f64> = values
        .map(|((&before, &here), &behind)| {
            let (before, here, behind) = (f64::from(before), f64::from(here), f64::from(behind));
            factors[0] * (here - before) + factors[1] * (behind - here)
        })
        .collect();
    let squared: f64 = tangent.iter().map(|t| t * t).sum();
    if squared == 0.0 {
        return;
    }
    let along: f64 = tangent.iter().zip(gradient.iter()).map(|(t, &g)| t * f64::from(g)).sum::<f64>() / squared;
    for (g, t) in gradient.iter_mut().zip(&tangent) {
        *g = (f64::from(*g) - along * t) as f32;
    }
}

/// Weights of the directions from the pivot before and to the one behind.
fn tangent_weights([before, here, behind]: [f64; 3]) -> [f64; 2] {
    if before < here && here < behind {
        return [0.0, 1.0];
    }
    if behind < here && here < before {
        return [1.0, 0.0];
    }
    let differences = [(before - here).abs(), (behind - here).abs()];
    let (large, small) = (differences[0].max(differences[1]), differences[0].min(differences[1]));
    match large {
        _ if !(large.is_finite() && 0.0 < large) => [1.0, 1.0],
        _ if before < behind => [small, large],
        _ => [large, small],
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::test_data::params;
    use super::*;
    use crate::net::{Network, zoo};

    fn network() -> Network {
        zoo::mlp(&[5, 4, 3], true).unwrap()
    }

    fn band(n_pivots: usize) -> Band {
        let network = network();
        Band::straight(&params(&network, 0), &params(&network, 1), n_pivots)
    }

    #[test]
    fn redistribution_makes_spacing_equal_and_keeps_the_ends() {
        let mut band = band(5);
        let ends = [band.points[0].clone(), band.points[6].clone()];
        for index in 1..6 {
            band.trained_mut(index).iter_mut().enumerate().for_each(|(i, w)| *w += 0.03 * ((i * index) % 7) as f32);
        }
        // Along the band; the corners that the pivots cut off shorten it, and less each time.
        for _ in 0..50 {
            band.redistribute();
        }
        for (share, expected) in shares_of_length(&band.points).iter().zip(0..7) {
            assert!((share - f64::from(expected) / 6.0).abs() < 1e-3, "{share}");
        }
        assert!(Arc::ptr_eq(&band.points[0], &ends[0]) && Arc::ptr_eq(&band.points[6], &ends[1]));
    }

    #[test]
    fn a_pivot_is_added_where_the_loss_is_highest_between_two() {
        let mut band = band(1);
        // One point in four between neighbours: the second gap has a hill.
        band.insert(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.9, 0.2, 0.0], 3);
        assert_eq!(band.points.len(), 4);
        for (share, expected) in band.shares.iter().zip([0.0, 0.5, 0.75, 1.0]) {
            assert!((share - expected).abs() < 1e-6, "{:?}", band.shares);
        }
    }

    #[test]
    fn no_more_than_two_pivots_are_added_and_none_where_the_loss_is_straight() {
        let mut hills = band(3);
        let hill = [0.0, 1.0];
        hills.insert(&[&hill.repeat(4)[..], &[0.1]].concat(), 1);
        assert_eq!(hills.points.len(), 7);
        let mut flat = band(3);
        flat.insert(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 1);
        assert_eq!(flat.points.len(), 5);
    }

    #[test]
    fn tangents_lean_towards_the_higher_neighbour() {
        assert_eq!(tangent_weights([1.0, 2.0, 3.0]), [0.0, 1.0]);
        assert_eq!(tangent_weights([3.0, 2.0, 1.0]), [1.0, 0.0]);
        assert_eq!(tangent_weights([1.0, 5.0, 2.0]), [3.0, 4.0]);
        assert_eq!(tangent_weights([5.0, 1.0, 2.0]), [4.0, 1.0]);
        assert_eq!(tangent_weights([1.0, 1.0, 1.0]), [1.0, 1.0]);
        assert_eq!(tangent_weights([1.0, f64::NAN, 1.0]), [1.0, 1.0]);
    }

    #[test]
    fn what_is_left_of_a_gradient_is_upright_on_the_band() {
        let network = network();
        let band = band(1);
        let mut gradient = params(&network, 2).trained().to_vec();
        let [before, here, behind] = [0, 1, 2].map(|index| &*band.points[index]);
        take_out_tangent(&mut gradient, here, [before, behind], [0.0, 1.0, 0.0]);
        let values = before.trained().iter().zip(behind.trained()).zip(&gradient);
        let along: f64 = values.map(|((a, b), g)| f64::from((b - a) * g)).sum();
        assert!(along.abs() < 1e-5, "{along}");
        assert!(gradient.iter().any(|g| 1e-3 < g.abs()));
    }
}
