use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// `R R' + n I / 10`, `[n, n]`: positive definite; right of the diagonal NaN, which must not be read.
fn matrix(n: usize, rng: &mut ChaCha8Rng) -> (Vec<f64>, Vec<f64>) {
    let root: Vec<f64> = (0..n * n).map(|_| rng.random_range(-1.0..1.0)).collect();
    let product = |i: usize, j: usize| -> f64 { (0..n).map(|k| root[i * n + k] * root[j * n + k]).sum() };
    let full: Vec<f64> =
        (0..n * n).map(|at| product(at / n, at % n) + if at / n == at % n { n as f64 / 10.0 } else { 0.0 }).collect();
    let lower = (0..n * n).map(|at| if at % n <= at / n { full[at] } else { f64::NAN }).collect();
    (full, lower)
}

/// `[n, m]` in panels.
fn in_panels(values: &[f64], n: usize, m: usize) -> Vec<[f64; B_UNITS]> {
    let mut panels = vec![[0.0; B_UNITS]; m.div_ceil(B_UNITS) * n];
    for (place, value) in values.iter().enumerate() {
        panels[place % m / B_UNITS * n + place / m][place % m % B_UNITS] = *value;
    }
    panels
}

#[test]
fn solutions_solve_the_equations() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Within a strip; several blocks, none of them whole; several panels of right-hand sides.
    for (n, m) in [(1, 1), (7, 3), (48, 32), (129, 40), (300, 70)] {
        let (full, lower) = matrix(n, &mut rng);
        let expected: Vec<f64> = (0..n * m).map(|_| rng.random_range(-1.0..1.0)).collect();
        let sides: Vec<f64> =
            (0..n * m).map(|at| (0..n).map(|k| full[at / m * n + k] * expected[k * m + at % m]).sum()).collect();
        let mut cholesky = Cholesky::new(lower, n);
        while !cholesky.step().unwrap() {}
        let mut found = in_panels(&sides, n, m);
        (0..cholesky.n_strips()).for_each(|strip| cholesky.solve_lower(strip, &mut found));
        (0..cholesky.n_strips()).rev().for_each(|strip| cholesky.solve_upper(strip, &mut found));
        for (x, y) in found.as_flattened().iter().zip(in_panels(&expected, n, m).as_flattened()) {
            assert!((x - y).abs() < 1e-9, "{n} x {m}: {x} {y}");
        }
    }
}

#[test]
fn the_factor_times_its_transpose_is_the_matrix() {
    let n = 200;
    let (full, lower) = matrix(n, &mut ChaCha8Rng::seed_from_u64(2));
    let mut cholesky = Cholesky::new(lower, n);
    while !cholesky.step().unwrap() {}
    let factor = |i: usize, k: usize| cholesky.matrix[i * n + k];
    for (i, j) in (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        let product: f64 = (0..=j).map(|k| factor(i, k) * factor(j, k)).sum();
        assert!((product - full[i * n + j]).abs() < 1e-10, "{i} {j}");
    }
}

#[test]
fn what_is_not_positive_definite_has_no_factor() {
    let steps = |matrix: Vec<f64>| Cholesky::new(matrix, 2).step();
    assert_eq!(steps(vec![1.0, 0.0, 2.0, 4.0]), Err(NotPositive));
    assert_eq!(steps(vec![f64::NAN, 0.0, 0.0, 1.0]), Err(NotPositive));
    assert_eq!(steps(vec![1.0, 0.0, 2.0, 5.0]), Ok(true));
}
