//! A game to teach what matching is: units of A, the units of B that are like them in another order, and the player says
//! which belong together.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::matching::{GroupReport, Permutation, match_units};

/// Pairs of a game, at most.
const N_PAIRS: usize = 8;
/// The units are drawn from so many times as many pairs, those that stand out most.
const CHOSEN_FROM: usize = 4;
/// Other matched units that profiles are told by, at most.
const N_PROBES: usize = 24;

/// A running game. Units of A stand on the left, units of B on the right; both go by their place in the game.
#[derive(Clone, Debug)]
pub struct PairingGame {
    /// Their numbers in A.
    left: Vec<usize>,
    /// Their numbers in B.
    right: Vec<usize>,
    /// Correlations, `[left, right]`.
    scores: Vec<f64>,
    /// The unit on the right that each unit on the left is paired with.
    pairs: Vec<Option<usize>>,
    optimum: Permutation,
    profiles: [Vec<Vec<f32>>; 2],
    is_revealed: bool,
}

impl PairingGame {
    /// Units of a group whose matches are clear, the same for the same seed. `None` where fewer than two are alive.
    pub fn new(report: &GroupReport, seed: u64) -> Option<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let alive = |place: &usize| !report.units[*place].is_dead && !report.units[*place].is_source_dead;
        let mut clear: Vec<usize> = (0..report.n_units()).filter(alive).collect();
        clear.sort_by(|one, other| report.units[*other].margin.total_cmp(&report.units[*one].margin));
        let (best, others) = clear.split_at(clear.len().min(CHOSEN_FROM * N_PAIRS));
        let drawn: Vec<usize> = Permutation::random(best.len(), &mut rng).sources().iter().map(|&i| best[i]).collect();
        let (left, undrawn) = drawn.split_at(drawn.len().min(N_PAIRS));
        if left.len() < 2 {
            return None;
        }
        let order = Permutation::random(left.len(), &mut rng);
        let right: Vec<usize> = order.sources().iter().map(|&i| report.units[left[i]].source).collect();
        let correlation = |place: usize, unit: usize| report.correlation.at(place, unit);
        let scores: Vec<f64> =
            left.iter().flat_map(|&a| right.iter().map(move |&b| f64::from(correlation(a, b)))).collect();
        let probes: Vec<usize> = undrawn.iter().chain(others).copied().take(N_PROBES).collect();
        let of_left = |&a: &usize| probes.iter().map(|&probe| correlation(a, report.units[probe].source)).collect();
        let of_right = |&b: &usize| probes.iter().map(|&probe| correlation(probe, b)).collect();
        Some(Self {
            profiles: [left.iter().map(of_left).collect(), right.iter().map(of_right).collect()],
            optimum: match_units(&scores, left.len()).ok()?,
            pairs: vec![None; left.len()],
            left: left.to_vec(),
            right,
            scores,
            is_revealed: false,
        })
    }

    pub fn n_pairs(&self) -> usize {
        self.left.len()
    }

    /// The numbers of the units on the left in A, and of those on the right in B.
    pub fn units(&self) -> [&[usize]; 2] {
        [&self.left, &self.right]
    }

    /// How the unit at a place of a side (0 left, 1 right) correlates with other matched units, seen from the other network:
    /// alike for units that belong together. Empty in layers without others.
    pub fn profile(&self, side: usize, place: usize) -> &[f32] {
        &self.profiles[side][place]
    }

    /// The largest magnitude in all profiles; never 0.
    pub fn largest_profile(&self) -> f32 {
        let values = self.profiles.iter().flatten().flatten();
        values.fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()))
    }

    /// The player pairs a unit on the left with one on the right; both leave the partners that they had.
    pub fn pair(&mut self, left: usize, right: usize) {
        self.pairs.iter_mut().filter(|paired| **paired == Some(right)).for_each(|paired| *paired = None);
        self.pairs[left] = Some(right);
    }

    /// The player's partner of each unit on the left.
    pub fn pairs(&self) -> &[Option<usize>] {
        &self.pairs
    }

    /// The best partner of each unit on the left.
    pub fn optimum(&self) -> &[usize] {
        self.optimum.sources()
    }

    pub fn is_complete(&self) -> bool {
        self.pairs.iter().all(Option::is_some)
    }

    /// Sum of the correlations of the player's pairs, and of the best ones.
    pub fn score(&self) -> [f64; 2] {
        let at = |left: usize, right: usize| self.scores[left * self.n_pairs() + right];
        let own = self.pairs.iter().enumerate().filter_map(|(left, right)| Some(at(left, (*right)?)));
        // An empty `sum` is -0.
        let own = own.fold(0.0, |sum, correlation| sum + correlation);
        [own, self.optimum().iter().enumerate().map(|(left, &right)| at(left, right)).sum()]
    }

    /// Pairs that are as in the optimum.
    pub fn n_right(&self) -> usize {
        self.pairs.iter().zip(self.optimum()).filter(|(own, best)| **own == Some(**best)).count()
    }

    /// Shows the best pairs beside the player's.
    pub fn reveal(&mut self) {
        self.is_revealed = true;
    }

    pub fn is_revealed(&self) -> bool {
        self.is_revealed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of A are B's in reverse, each a little less like its partner than the one before; the last is dead.
    fn report(n: usize) -> GroupReport {
        let place_of = |unit: usize| n - 1 - unit;
        let correlation: Vec<f64> = (0..n * n)
            .map(|cell| if place_of(cell % n) == cell / n { 0.9 - 0.001 * (cell / n) as f64 } else { 0.1 })
            .collect();
        let mut dead = vec![false; n];
        dead[n - 1] = true;
        let permutation = Permutation::new((0..n).rev().collect()).unwrap();
        GroupReport::new("layer".to_owned(), permutation, &correlation, [&dead, &vec![false; n]], None)
    }

    #[test]
    fn eight_live_units_and_their_shuffled_partners_are_drawn_the_same_for_the_same_seed() {
        let game = PairingGame::new(&report(40), 1).unwrap();
        let [left, right] = game.units();
        assert_eq!((left.len(), right.len()), (8, 8));
        assert!(left.iter().all(|place| *place < 32), "the clearest: {left:?}");
        for (place, &partner) in left.iter().zip(game.optimum()) {
            assert_eq!(right[partner], 39 - place);
        }
        let again = PairingGame::new(&report(40), 1).unwrap();
        assert_eq!(again.units(), game.units());
        assert_ne!(PairingGame::new(&report(40), 2).unwrap().units(), game.units());
    }

    #[test]
    fn small_layers_play_with_what_they_have() {
        let game = PairingGame::new(&report(4), 0).unwrap();
        assert_eq!(game.n_pairs(), 3, "one of four is dead");
        assert!(game.profile(0, 0).is_empty());
        assert!(PairingGame::new(&report(2), 0).is_none());
    }

    #[test]
    fn the_score_is_the_sum_of_correlations_and_the_optimum_cannot_be_beaten() {
        let mut game = PairingGame::new(&report(20), 5).unwrap();
        assert_eq!(game.score()[0], 0.0);
        for left in 0..8 {
            game.pair(left, (game.optimum()[left] + 1) % 8);
        }
        let [own, best] = game.score();
        assert!(game.is_complete() && game.n_right() == 0);
        assert!((own - 0.8).abs() < 1e-6 && 7.0 < best);
        for left in 0..8 {
            game.pair(left, game.optimum()[left]);
        }
        assert_eq!((game.score()[0], game.n_right()), (best, 8));
        assert!(!game.is_revealed());
        game.reveal();
        assert!(game.is_revealed());
    }

    #[test]
    fn a_unit_that_is_paired_anew_leaves_its_partner() {
        let mut game = PairingGame::new(&report(20), 5).unwrap();
        game.pair(0, 3);
        game.pair(1, 3);
        game.pair(1, 4);
        assert_eq!(game.pairs()[..2], [None, Some(4)]);
    }

    #[test]
    fn units_that_belong_together_have_like_profiles() {
        let game = PairingGame::new(&report(40), 1).unwrap();
        for (left, &right) in game.optimum().iter().enumerate() {
            assert_eq!(game.profile(0, left).len(), 24);
            assert_eq!(game.profile(0, left), game.profile(1, right));
        }
    }
}
