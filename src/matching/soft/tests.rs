use std::convert::Infallible;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::super::permute;
use super::*;
use crate::net::{Conv, GraphBuilder, zoo};

struct Plain;

impl MatrixProducts for Plain {
    type Error = Infallible;

    fn product(&self, a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Result<Vec<f32>, Infallible> {
        let entry = |at: usize| (0..k).map(|i| a[at / n * k + i] * b[i * n + at % n]).sum();
        Ok((0..m * n).map(entry).collect())
    }
}

fn of(permutation: &Permutation) -> SoftPermutation {
    let n = permutation.len();
    let mut values = vec![0.0; n * n];
    (0..n).for_each(|i| values[i * n + permutation.source(i)] = 1.0);
    SoftPermutation { n, values }
}

/// A mixture of permutations at random.
fn mixture(n: usize, shares: &[f32], rng: &mut ChaCha8Rng) -> SoftPermutation {
    let mut values = vec![0.0; n * n];
    for share in shares {
        let one = of(&Permutation::random(n, rng));
        values.iter_mut().zip(one.values).for_each(|(sum, value)| *sum += share * value);
    }
    SoftPermutation { n, values }
}

/// A chain, and a residual block whose layer carries one group on both axes.
fn networks() -> Vec<Network> {
    let (mut g, x) = GraphBuilder::new(&[1, 4, 4]);
    let x = g.conv(x, "stem", Conv::new(4, 3).padding(1)).unwrap();
    let x = g.batch_norm(x, "norm").unwrap();
    let x = g.relu(x).unwrap();
    let y = g.conv(x, "block", Conv::new(4, 3).padding(1)).unwrap();
    let x = g.add(x, y).unwrap();
    let x = g.flatten(x).unwrap();
    g.linear(x, "head", 3, true).unwrap();
    vec![zoo::mlp(&[5, 4, 3, 2], true).unwrap(), g.finish("residual").unwrap()]
}

fn random(network: &Network, rng: &mut ChaCha8Rng) -> ParamVec {
    ParamVec::random(Arc::clone(network.layout()), rng)
}

#[test]
fn the_matrix_of_a_permutation_moves_units_as_the_permutation_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for network in networks() {
        let params = random(&network, &mut rng);
        let groups = network.groups().iter();
        let hard: Vec<Permutation> = groups.map(|group| Permutation::random(group.n_units, &mut rng)).collect();
        let soft: Vec<SoftPermutation> = hard.iter().map(of).collect();
        let Ok(found) = permute_softly(&network, &params, &soft, &Plain);
        assert_eq!(found, permute(&network, &params, &hard), "{}", network.name());
    }
}

#[test]
fn gradients_are_the_slopes_of_the_permuted_parameters() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for network in networks() {
        let params = random(&network, &mut rng);
        let slope = random(&network, &mut rng);
        let groups = network.groups().iter();
        let soft: Vec<SoftPermutation> = groups.map(|group| mixture(group.n_units, &[0.6, 0.4], &mut rng)).collect();
        // A loss that is linear in the permuted parameters: <slope, P(params)>.
        let loss = |soft: &[SoftPermutation]| -> f64 {
            let Ok(moved) = permute_softly(&network, &params, soft, &Plain);
            moved.trained().iter().zip(slope.trained()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let Ok(found) = soft_gradients(&network, &params, &soft, slope.trained(), &Plain);
        for (group, gradient) in found.iter().enumerate() {
            for (at, gradient) in gradient.iter().enumerate() {
                let step = 1e-2;
                let shifted = |by: f32| {
                    let mut soft = soft.clone();
                    soft[group].values[at] += by;
                    loss(&soft)
                };
                let expected = (shifted(step) - shifted(-step)) / f64::from(2.0 * step);
                let name = format!("{} {group} {at}", network.name());
                assert!((f64::from(*gradient) - expected).abs() < 1e-3, "{name}: {gradient} {expected}");
            }
        }
    }
}

#[test]
fn the_projection_leaves_doubly_stochastic_matrices_and_finds_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let n = 6;
    let inside: Vec<f64> = mixture(n, &[0.5, 0.3, 0.2], &mut rng).values.iter().map(|&v| f64::from(v)).collect();
    let found = project(&inside, n);
    assert!(found.iter().zip(&inside).all(|(found, inside)| (found - inside).abs() < 1e-6));
    let outside: Vec<f64> = inside.iter().map(|v| v + rng.random_range(-0.2..0.2)).collect();
    let found = project(&outside, n);
    for i in 0..n {
        let (row, column): (f64, f64) =
            ((0..n).map(|j| found[i * n + j]).sum(), (0..n).map(|j| found[j * n + i]).sum());
        assert!((row - 1.0).abs() < 1e-9 && (column - 1.0).abs() < 1e-9, "{row} {column}");
    }
    assert!(found.iter().all(|value| -0.01 < *value), "hardly anything is below 0");
}

/// The orthogonal projection on matrices whose rows and columns add up to 1 takes away what every entry of a row, and every
/// entry of a column, has in common; then what is below 0 is cut off, and so on.
#[test]
fn one_sweep_of_the_projection_is_the_nearest_matrix_of_these_sums() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let n = 5;
    // Near the middle of the polytope, where nothing falls below 0.
    let start: Vec<f64> = (0..n * n).map(|_| 0.2 + rng.random_range(-0.03..0.03)).collect();
    let found = project(&start, n);
    let taken: Vec<f64> = start.iter().zip(&found).map(|(start, found)| start - found).collect();
    let row = |i: usize| (0..n).map(|j| taken[i * n + j]).sum::<f64>() / n as f64;
    let column = |j: usize| (0..n).map(|i| taken[i * n + j]).sum::<f64>() / n as f64;
    let mean = (0..n).map(row).sum::<f64>() / n as f64;
    for (at, taken) in taken.iter().enumerate() {
        assert!((taken - (row(at / n) + column(at % n) - mean)).abs() < 1e-12, "{at}");
    }
    assert!(found.iter().all(|&value| 0.0 < value) && taken.iter().any(|taken| 1e-3 < taken.abs()));
    for i in 0..n {
        assert!((found[i * n..][..n].iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_proximal_step_without_a_gradient_goes_towards_its_anchor() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let anchor = SoftPermutation::identity(5);
    let start = mixture(5, &[0.5, 0.5], &mut rng);
    let mut moved = start.clone();
    moved.step(&[0.0; 25], 1.0, 1.0, &anchor);
    for ((moved, start), anchor) in moved.values.iter().zip(&start.values).zip(&anchor.values) {
        assert!((moved - 0.5 * (start + anchor)).abs() < 1e-6);
    }
}

#[test]
fn a_mixture_is_decomposed_into_permutations_that_make_it_up() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for n in [1, 2, 5, 9] {
        let soft = mixture(n, &[0.5, 0.3, 0.2], &mut rng);
        let terms = soft.decompose().unwrap();
        assert!((terms.iter().map(|(share, _)| share).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(terms.windows(2).all(|pair| pair[1].0 <= pair[0].0), "the largest first");
        let mut sum = vec![0.0; n * n];
        for (share, permutation) in &terms {
            (0..n).for_each(|i| sum[i * n + permutation.source(i)] += share);
        }
        assert!(sum.iter().zip(&soft.values).all(|(sum, value)| (sum - f64::from(*value)).abs() < 1e-3), "{n}");
        let drawn = draw(&terms, &mut rng).unwrap();
        assert!(terms.iter().any(|(_, permutation)| *permutation == drawn));
    }
}

#[test]
fn rounding_finds_the_permutation_that_prevails() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let main = Permutation::random(8, &mut rng);
    let mut soft = mixture(8, &[0.3], &mut rng);
    soft.values.iter_mut().zip(of(&main).values).for_each(|(value, main)| *value += 0.7 * main);
    assert_eq!(soft.round().unwrap(), main);
}
