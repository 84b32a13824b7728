//! The linear assignment problem, by the `lapjv` crate (Jonker & Volgenant 1987).

use thiserror::Error;

use super::Permutation;

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
    if scores.len() != n * n {
        return Err(AssignmentError::NotSquare { n, found: scores.len() });
    }
    if n == 0 {
        return Ok(Permutation::identity(0));
    }
    if !scores.iter().all(|v| v.is_finite()) {
        return Err(AssignmentError::NonFinite);
    }
    let costs: Vec<f64> = scores.iter().map(|v| -v).collect();
    let costs = ndarray::Array2::from_shape_vec((n, n), costs).map_err(|_shape| AssignmentError::Failed)?;
    let (columns, _) = lapjv::lapjv(&costs).map_err(|_reason| AssignmentError::Failed)?;
    Permutation::new(columns).ok_or(AssignmentError::Failed)
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
