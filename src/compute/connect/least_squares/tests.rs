use super::super::super::test_data::{noise, params};
use super::super::layer_samples::tests::plain_samples;
use super::*;
use crate::net::{Sequence, reference, zoo};

const RIDGE: f64 = 1e-4;

fn fit(problem: &mut LeastSquares, params: &ParamVec) -> Fitted {
    while problem.is_reading() {
        assert_eq!(problem.step().unwrap(), None);
    }
    problem.start(params);
    loop {
        if let Some(fitted) = problem.step().unwrap() {
            return fitted;
        }
    }
}

/// `X` of `G X = C` by elimination with pivots, `[n][m]`.
fn eliminate(mut g: Vec<Vec<f64>>, mut c: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = g.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| g[i][column].abs().total_cmp(&g[j][column].abs())).unwrap();
        g.swap(column, pivot);
        c.swap(column, pivot);
        for row in (0..n).filter(|row| *row != column) {
            let factor = g[row][column] / g[column][column];
            for matrix in [&mut g, &mut c] {
                let above = matrix[column].clone();
                matrix[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    (0..n).map(|row| c[row].iter().map(|v| v / g[row][row]).collect()).collect()
}

/// Weights `[m, n]` and residual from the normal equations in f64, after their definition.
fn plain_fit(h: &[Vec<f64>], y: &[Vec<f64>]) -> (Vec<f64>, f64) {
    let (n, m) = (h[0].len(), y[0].len());
    let product = |x: &[Vec<f64>], y: &[Vec<f64>], i: usize, j: usize| x.iter().zip(y).map(|(x, y)| x[i] * y[j]).sum();
    let mut gram: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| product(h, h, i, j)).collect()).collect();
    let cross = (0..n).map(|i| (0..m).map(|j| product(h, y, i, j)).collect()).collect();
    let lambda = RIDGE * (0..n).map(|i| gram[i][i]).sum::<f64>() / n as f64;
    (0..n).for_each(|i| gram[i][i] += lambda);
    let solution = eliminate(gram, cross);
    let rest: f64 = h
        .iter()
        .zip(y)
        .flat_map(|(h, y)| (0..m).map(|j| ((0..n).map(|i| h[i] * solution[i][j]).sum::<f64>() - y[j]).powi(2)))
        .sum();
    let all: f64 = y.iter().flatten().map(|y| y * y).sum();
    ((0..m).flat_map(|j| (0..n).map(move |i| (i, j))).map(|(i, j)| solution[i][j]).collect(), (rest / all).sqrt())
}

#[test]
fn fits_solve_the_normal_equations_of_plain_loops() {
    for network in zoo::samples().into_iter().map(Arc::new) {
        let Ok(sequence) = Sequence::of(&network) else { continue };
        let (a, b, data) = (params(&network, 1), params(&network, 2), noise(&network, 75));
        for layer in &sequence.layers()[1..] {
            let mut problem = LeastSquares::new(&network, layer, &a, &data, RIDGE);
            let found = fit(&mut problem, &b);
            let (h, _) = plain_samples(&network, layer, &b, &data);
            let (_, mut y) = plain_samples(&network, layer, &a, &data);
            if let Some(bias) = layer.bias {
                y.iter_mut().flat_map(|y| y.iter_mut().zip(a.tensor(bias))).for_each(|(y, b)| *y -= f64::from(*b));
            }
            let (expected, residual) = plain_fit(&h, &y);
            let size = expected.iter().fold(0.0_f64, |size, w| size.max(w.abs()));
            for (x, y) in found.weight.iter().zip(&expected) {
                let name = (network.name(), &layer.name);
                assert!((f64::from(*x) - y).abs() < 1e-3 * size, "{name:?}: {x} {y}, size {size}");
            }
            assert!((found.residual - residual).abs() < 2e-3, "{} {residual}", found.residual);
        }
    }
}

#[test]
fn a_network_is_fitted_to_its_own_outputs_by_its_own_weights() {
    for network in zoo::samples().into_iter().map(Arc::new) {
        let Ok(sequence) = Sequence::of(&network) else { continue };
        let (a, data) = (params(&network, 3), noise(&network, 200));
        for layer in &sequence.layers()[1..] {
            let fitted = fit(&mut LeastSquares::new(&network, layer, &a, &data, 1e-6), &a);
            let mut found = (*a).clone();
            found.tensor_mut(layer.weight).copy_from_slice(&fitted.weight);
            let mut image = vec![0.0; network.n_inputs()];
            for index in 0..data.n_images() {
                data.inputs().read(index, &mut image);
                let pairs = reference::logits(&network, &found, &image).into_iter();
                for (x, y) in pairs.zip(reference::logits(&network, &a, &image)) {
                    assert!((x - y).abs() < 1e-4, "{} {}: {x} {y}", network.name(), layer.name);
                }
            }
            assert!(fitted.residual < 2e-3, "{}", fitted.residual);
        }
    }
}

#[test]
fn fits_of_one_problem_do_not_depend_on_those_before_nor_on_threads() {
    let network = Arc::new(zoo::mlp(&[12, 70, 40, 3], true).unwrap());
    let sequence = Sequence::of(&network).unwrap();
    let (a, b, data) = (params(&network, 1), params(&network, 2), noise(&network, 3000));
    let found = [1, 3].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut problem = LeastSquares::new(&network, &sequence.layers()[2], &a, &data, RIDGE);
            let first = fit(&mut problem, &b);
            fit(&mut problem, &a);
            assert_eq!(fit(&mut problem, &b), first);
            first
        })
    });
    assert_eq!(found[0], found[1]);
}

#[test]
fn what_has_no_solution_names_the_layer_and_nothing_passes_where_nothing_comes_in() {
    let network = Arc::new(zoo::mlp(&[12, 8, 3], true).unwrap());
    let sequence = Sequence::of(&network).unwrap();
    let layer = &sequence.layers()[1];
    let (a, data) = (params(&network, 1), noise(&network, 40));
    let mut problem = LeastSquares::new(&network, layer, &a, &data, 1e-6);
    let mut dead = (*a).clone();
    dead.tensor_mut(sequence.layers()[0].weight).fill(0.0);
    dead.tensor_mut(sequence.layers()[0].bias.unwrap()).fill(-1.0);
    let fitted = fit(&mut problem, &dead);
    assert!(fitted.weight.iter().all(|w| *w == 0.0));
    assert!((fitted.residual - 1.0).abs() < 1e-6);
    let mut broken = (*a).clone();
    broken.tensor_mut(sequence.layers()[0].weight)[0] = f32::NAN;
    problem.start(&broken);
    let error = loop {
        if let Err(error) = problem.step() {
            break error;
        }
    };
    assert!(error.to_string().contains(&format!("`{}`", layer.name)), "{error}");
}
