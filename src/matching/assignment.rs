//! The linear assignment problem by shortest augmenting paths (Jonker & Volgenant 1987, "A shortest augmenting path algorithm
//! for dense and sparse linear assignment problems"), in f64.
//!
//! Costs are negated scores. Prices v_j of columns make reduced costs `c_ij - v_j`; a row is matched to a column where its own
//! is least. Prices come from the columns' minima, then rows without a column bid against each other a bounded number of
//! times, and what is still free is matched by shortest paths, each of which looks at whole rows in vectors: correlations have
//! many near ties, which make paths long and bidding slow.

use std::borrow::Cow;

use macerator::{AutoArch, Simd, WithSimd};
use thiserror::Error;

use super::Permutation;

/// Bids allowed, as a multiple of the number of rows.
const BIDS_A_ROW: usize = 4;
/// No row or column.
const NONE: usize = usize::MAX;

/// Why no assignment was found.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AssignmentError {
    #[error("the score matrix holds NaN or infinite values")]
    NonFinite,
    #[error("the score matrix has {found} values: expected {n} x {n}")]
    NotSquare { n: usize, found: usize },
    #[error("the solver found no assignment")]
    Failed,
}

/// The permutation `p` that maximises `sum_i scores[i, p(i)]`.
///
/// `scores`: `[n, n]`, row-major.
pub fn maximise(scores: &[f64], n: usize) -> Result<Permutation, AssignmentError> {
    let mut assignment = Assignment::new(scores, n)?;
    while !assignment.step(usize::MAX) {}
    assignment.finish()
}

/// A running search for the permutation `p` that maximises `sum_i scores[i, p(i)]`; call [`Self::step`] until it is finished.
pub struct Assignment<'a> {
    n: usize,
    scores: Cow<'a, [f64]>,
    /// Prices of columns.
    prices: Vec<f64>,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    /// Rows without a column that are to bid, and then those that are to be matched along paths.
    free: Vec<usize>,
    bids_left: usize,
    search: Search,
}

impl<'a> Assignment<'a> {
    /// Prices columns at their least cost, and matches each with a row that has it, if that row is free.
    ///
    /// `scores`: `[n, n]`, row-major.
    pub fn new(scores: impl Into<Cow<'a, [f64]>>, n: usize) -> Result<Self, AssignmentError> {
        let scores = scores.into();
        if scores.len() != n * n {
            return Err(AssignmentError::NotSquare { n, found: scores.len() });
        }
        if !scores.iter().all(|v| v.is_finite()) {
            return Err(AssignmentError::NonFinite);
        }
        let mut prices = vec![f64::INFINITY; n];
        let mut cheapest = vec![0; n];
        for (row, scores) in scores.chunks_exact(n.max(1)).enumerate() {
            for ((price, cheapest), score) in prices.iter_mut().zip(&mut cheapest).zip(scores) {
                if -score < *price {
                    *price = -score;
                    *cheapest = row;
                }
            }
        }
        let (mut column_of, mut row_of) = (vec![NONE; n], vec![NONE; n]);
        for (column, &row) in cheapest.iter().enumerate() {
            if column_of[row] == NONE {
                (column_of[row], row_of[column]) = (column, row);
            }
        }
        let free = (0..n).filter(|&row| column_of[row] == NONE).collect();
        // A single row always has its column: nobody bids without a second best one.
        Ok(Self { n, scores, prices, column_of, row_of, free, bids_left: BIDS_A_ROW * n, search: Search::new(n) })
    }

    /// Looks at some `n_values` of the scores, and at no more than `n * n` beyond them. Whether all rows have their columns.
    pub fn step(&mut self, n_values: usize) -> bool {
        let n_rows = n_values / self.n.max(1);
        let mut n_seen = 0;
        while n_seen <= n_rows {
            match self.free.pop() {
                Some(row) if 0 < self.bids_left => {
                    self.bid(row);
                    self.bids_left -= 1;
                    n_seen += 1;
                    if self.bids_left == 0 {
                        self.free = self.unmatched();
                    }
                }
                Some(row) => n_seen += self.augment(row),
                None if 0 < self.bids_left => {
                    self.bids_left = 0;
                    self.free = self.unmatched();
                }
                None => return true,
            }
        }
        false
    }

    /// Share of the rows that have a column, 0..1; the last ones take longest.
    pub fn done(&self) -> f64 {
        1.0 - self.free.len() as f64 / self.n.max(1) as f64
    }

    /// Sum of the scores of the rows that have a column.
    pub fn objective(&self) -> f64 {
        let matched = self.column_of.iter().enumerate().filter(|(_, column)| **column != NONE);
        matched.map(|(row, &column)| self.scores[row * self.n + column]).sum()
    }

    /// What was found, once [`Self::step`] has said that it is all.
    pub fn finish(self) -> Result<Permutation, AssignmentError> {
        Permutation::new(self.column_of).ok_or(AssignmentError::Failed)
    }

    /// The last one first.
    fn unmatched(&self) -> Vec<usize> {
        (0..self.n).rev().filter(|&row| self.column_of[row] == NONE).collect()
    }

    /// A free row takes its best column and lowers its price until it is no better to the row than its second best; who had
    /// it bids next.
    fn bid(&mut self, row: usize) {
        let bids = TwoLeast { scores: &self.scores[row * self.n..][..self.n], prices: &self.prices };
        let (column, least, second) = AutoArch::new().dispatch(bids);
        let before = self.row_of[column];
        if least < second {
            self.prices[column] -= second - least;
        } else if before != NONE {
            // A tie would be bid for without end; paths resolve it.
            return;
        }
        if before != NONE {
            self.column_of[before] = NONE;
            self.free.push(before);
        }
        (self.column_of[row], self.row_of[column]) = (column, row);
    }

    /// Matches a free row along the shortest path of reduced costs to a free column (Dijkstra), and adapts the prices.
    /// Returns how many rows were looked at.
    fn augment(&mut self, start: usize) -> usize {
        let Self { n, scores, prices, column_of, row_of, search, .. } = self;
        search.begin();
        let mut row = start;
        let mut length = 0.0;
        let end = loop {
            // The matched column of a row on the way costs it nothing more.
            let scores = &scores[row * *n..][..*n];
            let own = match column_of[row] {
                NONE => 0.0,
                column => -scores[column] - prices[column],
            };
            let relax = Relax { scores, prices, offset: length - own, row, search };
            let (column, shortest) = AutoArch::new().dispatch(relax);
            length = shortest;
            if row_of[column] == NONE {
                break column;
            }
            search.close(column, length);
            row = row_of[column];
        };
        for &(column, distance) in &search.closed {
            prices[column] += distance - length;
        }
        let mut column = end;
        loop {
            let row = search.previous[column] as usize;
            row_of[column] = row;
            column = std::mem::replace(&mut column_of[row], column);
            if row == start {
                return search.closed.len() + 1;
            }
        }
    }
}

/// The tree of shortest paths from one free row.
struct Search {
    /// To each column that is still open; minus infinity for closed ones, which nothing can undercut.
    distances: Vec<f64>,
    /// The row before each column.
    previous: Vec<u64>,
    /// Columns whose distance is final.
    closed: Vec<(usize, f64)>,
}

impl Search {
    fn new(n: usize) -> Self {
        Self { distances: vec![0.0; n], previous: vec![0; n], closed: Vec::new() }
    }

    fn begin(&mut self) {
        self.distances.fill(f64::INFINITY);
        self.closed.clear();
    }

    fn close(&mut self, column: usize, distance: f64) {
        self.distances[column] = f64::NEG_INFINITY;
        self.closed.push((column, distance));
    }
}

/// Values that are compared side by side.
const SIDE: usize = 16;

/// The column of a row's least reduced cost, that cost, and the second least.
struct TwoLeast<'a> {
    scores: &'a [f64],
    prices: &'a [f64],
}

impl WithSimd for TwoLeast<'_> {
    type Output = (usize, f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Self::Output {
        let cost = |column: usize| -self.scores[column] - self.prices[column];
        let (mut least, mut second) = ([f64::INFINITY; SIDE], [f64::INFINITY; SIDE]);
        let (scores, scores_left) = self.scores.as_chunks::<SIDE>();
        let (prices, _) = self.prices.as_chunks::<SIDE>();
        for (scores, prices) in scores.iter().zip(prices) {
            for i in 0..SIDE {
                let cost = -scores[i] - prices[i];
                let larger = if cost < least[i] { least[i] } else { cost };
                least[i] = if cost < least[i] { cost } else { least[i] };
                second[i] = if larger < second[i] { larger } else { second[i] };
            }
        }
        let mut both = (f64::INFINITY, f64::INFINITY);
        let left = (self.scores.len() - scores_left.len()..self.scores.len()).map(cost);
        for cost in least.into_iter().chain(second).chain(left) {
            both = if cost < both.0 { (cost, both.0) } else { (both.0, both.1.min(cost)) };
        }
        let column = (0..self.scores.len()).position(|column| cost(column) == both.0);
        (column.unwrap_or(0), both.0, both.1)
    }
}

/// Shortens the distances to open columns by way of a row; the nearest open column and its distance.
struct Relax<'a> {
    scores: &'a [f64],
    prices: &'a [f64],
    /// Distance of the row, less the reduced cost of its own column.
    offset: f64,
    row: usize,
    search: &'a mut Search,
}

impl WithSimd for Relax<'_> {
    type Output = (usize, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Self::Output {
        let Search { distances, previous, .. } = self.search;
        let row = self.row as u64;
        let mut least = [f64::INFINITY; SIDE];
        let (scores, scores_left) = self.scores.as_chunks::<SIDE>();
        let (prices, prices_left) = self.prices.as_chunks::<SIDE>();
        let (chunks, distances_left) = distances.as_chunks_mut::<SIDE>();
        let (rows, rows_left) = previous.as_chunks_mut::<SIDE>();
        for (((scores, prices), distances), rows) in scores.iter().zip(prices).zip(chunks).zip(rows) {
            for i in 0..SIDE {
                let distance = self.offset - scores[i] - prices[i];
                let shorter = distance < distances[i];
                let distance = if shorter { distance } else { distances[i] };
                rows[i] = if shorter { row } else { rows[i] };
                distances[i] = distance;
                let open = if distance == f64::NEG_INFINITY { f64::INFINITY } else { distance };
                least[i] = if open < least[i] { open } else { least[i] };
            }
        }
        let mut shortest = least.into_iter().fold(f64::INFINITY, f64::min);
        for i in 0..scores_left.len() {
            let distance = self.offset - scores_left[i] - prices_left[i];
            if distance < distances_left[i] {
                distances_left[i] = distance;
                rows_left[i] = row;
            }
            if distances_left[i] != f64::NEG_INFINITY {
                shortest = shortest.min(distances_left[i]);
            }
        }
        let column = distances.iter().position(|&distance| distance == shortest);
        (column.unwrap_or(0), shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    fn objective(scores: &[f64], n: usize, p: &[usize]) -> f64 {
        p.iter().enumerate().map(|(i, &j)| scores[i * n + j]).sum()
    }

    /// The best objective over all permutations, by trying them.
    fn brute_force(scores: &[f64], n: usize, p: &mut Vec<usize>) -> f64 {
        if p.len() == n {
            return objective(scores, n, p);
        }
        let mut best = f64::NEG_INFINITY;
        for unit in 0..n {
            if !p.contains(&unit) {
                p.push(unit);
                best = best.max(brute_force(scores, n, p));
                p.pop();
            }
        }
        best
    }

    #[test]
    fn assignments_are_as_good_as_another_solvers() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n in [2, 9, 40, 130, 300] {
            // Rounded, so that there are ties, as between dead units.
            let scores: Vec<f64> =
                (0..n * n).map(|_| (rng.random_range(-1.0..1.0_f64) * 50.0).round() / 50.0).collect();
            let costs = ndarray::Array2::from_shape_fn((n, n), |(i, j)| -scores[i * n + j]);
            let (theirs, _) = lapjv::lapjv(&costs).unwrap();
            let ours = maximise(&scores, n).unwrap();
            let difference = objective(&scores, n, ours.sources()) - objective(&scores, n, &theirs);
            assert!(difference.abs() < 1e-9, "{n}: {difference}");
        }
    }

    /// As `tests/fixtures/assignment/generate.py` makes them.
    fn generated(seed: u64, n: usize, levels: f64) -> Vec<f64> {
        let share = |k: u64| {
            let z = seed.wrapping_add(k.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 * 0.5_f64.powi(53)
        };
        (1..=(n * n) as u64).map(|k| (share(k) * levels).floor() / levels).collect()
    }

    /// The scores are multiples of powers of two, whose sums are exact.
    #[test]
    fn objectives_of_100_matrices_are_those_of_scipy() {
        let rows = include_str!("../../tests/fixtures/assignment/objectives.csv").lines().skip(2);
        let mut n_matrices = 0;
        for row in rows {
            let [seed, n, levels, expected] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
            let n = n.parse().unwrap();
            let scores = generated(seed.parse().unwrap(), n, levels.parse().unwrap());
            let found = maximise(&scores, n).unwrap();
            assert_eq!(objective(&scores, n, found.sources()), expected.parse::<f64>().unwrap(), "{row}");
            n_matrices += 1;
        }
        assert_eq!(n_matrices, 100);
    }

    #[test]
    fn assignments_are_as_good_as_brute_force() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for n in 1..=7 {
            for _ in 0..20 {
                let scores: Vec<f64> = (0..n * n).map(|_| rng.random_range(-1.0..1.0)).collect();
                let found = maximise(&scores, n).unwrap();
                let best = brute_force(&scores, n, &mut Vec::new());
                assert!((objective(&scores, n, found.sources()) - best).abs() < 1e-12, "{n}");
            }
        }
    }

    #[test]
    fn small_steps_find_what_one_large_one_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let n = 60;
        // Rounded, so that there are ties.
        let scores: Vec<f64> = (0..n * n).map(|_| (rng.random_range(-1.0..1.0_f64) * 20.0).round()).collect();
        let mut assignment = Assignment::new(scores.as_slice(), n).unwrap();
        let mut n_steps = 1;
        while !assignment.step(1) {
            n_steps += 1;
        }
        assert!(20 < n_steps, "{n_steps} steps are too few to be small");
        assert!((assignment.done() - 1.0).abs() < 1e-12);
        let expected = maximise(&scores, n).unwrap();
        assert!((assignment.objective() - objective(&scores, n, expected.sources())).abs() < 1e-12);
        assert_eq!(assignment.finish().unwrap(), expected);
    }

    #[test]
    fn a_planted_permutation_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let n = 200;
        let planted = Permutation::random(n, &mut rng);
        let mut scores: Vec<f64> = (0..n * n).map(|_| rng.random_range(0.0..0.9)).collect();
        for i in 0..n {
            scores[i * n + planted.source(i)] = 1.0;
        }
        assert_eq!(maximise(&scores, n).unwrap(), planted);
    }

    #[test]
    fn ties_still_give_a_permutation() {
        assert_eq!(maximise(&[0.0; 25], 5).unwrap().len(), 5);
    }

    #[test]
    fn scores_that_are_not_finite_are_refused() {
        assert_eq!(maximise(&[f64::NAN], 1), Err(AssignmentError::NonFinite));
        assert_eq!(maximise(&[1.0, 2.0], 2), Err(AssignmentError::NotSquare { n: 2, found: 2 }));
    }
}
