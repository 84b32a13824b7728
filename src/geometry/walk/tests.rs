use super::*;
use crate::net::{Conv, GraphBuilder, reference, zoo};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Random weights, statistics among them, none of them zero.
fn random(network: &Network, rng: &mut ChaCha8Rng) -> Arc<ParamVec> {
    let values = (0..network.layout().len()).map(|_| rng.random_range(0.05..0.6) * [1.0, -1.0][rng.random_range(0..2)]);
    let mut params = ParamVec::new(Arc::clone(network.layout()), values.collect()).unwrap();
    let n_trained = network.layout().n_trained();
    params.values_mut()[n_trained..].iter_mut().for_each(|statistic| *statistic = statistic.abs());
    Arc::new(params)
}

fn image(network: &Network, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..network.n_inputs()).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn shuffles(network: &Network, rng: &mut ChaCha8Rng) -> Vec<Permutation> {
    network.groups().iter().map(|group| Permutation::random(group.n_units, rng)).collect()
}

fn largest_difference(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

fn mlp_walk(sources: Vec<usize>) -> Walk {
    let n = sources.len();
    let network = Arc::new(zoo::mlp(&[5, n, 3], true).unwrap());
    let b = random(&network, &mut ChaCha8Rng::seed_from_u64(n as u64));
    Walk::new(network, b, vec![Permutation::new(sources).unwrap()]).unwrap()
}

/// Every zoo network that can be walked: logits at some of the times at which they must not change, and at both ends.
#[test]
fn every_network_keeps_its_logits_while_units_move() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut n_walked = 0;
    // Groups whose missing unit this one image shows.
    let mut n_missed = 0;
    for network in zoo::samples() {
        let network = Arc::new(network);
        let b = random(&network, &mut rng);
        let permutations = shuffles(&network, &mut rng);
        let walk = match Walk::new(Arc::clone(&network), Arc::clone(&b), permutations) {
            Ok(walk) => walk,
            Err(reason) => {
                assert!(reason.contains("norm"), "{}: {reason}", network.name());
                continue;
            }
        };
        n_walked += 1;
        let image = image(&network, &mut rng);
        let logits = |s: f64| reference::logits(&network, &walk.point(s), &image);
        let whole = logits(1.0);
        let size = whole.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
        assert!(largest_difference(&logits(0.0), &whole) < 1e-5 * size, "{}", network.name());
        for (from, to) in walk.flat_ranges() {
            let flat = logits(from);
            n_missed += usize::from(1e-6 * size < largest_difference(&flat, &whole));
            for _ in 0..6 {
                let difference = largest_difference(&logits(rng.random_range(from..to)), &flat);
                assert!(difference < 1e-5 * size, "{}: logits change by {difference}", network.name());
            }
        }
    }
    assert!(16 < n_walked, "only {n_walked} networks could be walked");
    assert!(16 < n_missed, "the comparison could not fail: only {n_missed} units were missed");
}

#[test]
fn every_corner_of_a_small_walk_is_flat_and_whole_networks_stand_at_its_ends() {
    // A fixed unit, a cycle of two and one of three; cycles alone; one long cycle.
    for sources in [vec![0, 2, 1, 4, 5, 3], vec![1, 0, 3, 2], vec![1, 2, 3, 4, 0], vec![1, 0]] {
        let walk = mlp_walk(sources);
        let n = walk.segments().len();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let image = image(&walk.network, &mut rng);
        let logits = |s: f64| reference::logits(&walk.network, &walk.point(s), &image);
        let flat = logits(1.0 / n as f64);
        for (index, segment) in walk.segments().iter().enumerate() {
            for done in [0.0, 0.25, 0.5, 0.9] {
                let difference = largest_difference(&logits((index as f64 + done) / n as f64), &flat);
                assert!(!segment.is_flat() || difference < 1e-6, "{}: {difference}", segment.label());
            }
        }
        assert_eq!(walk.point(0.0), permute(&walk.network, &walk.end, &walk.permutations));
        assert_eq!(walk.point(1.0), *walk.end);
    }
}

#[test]
fn cycles_take_as_many_moves_as_they_have_units_and_one_more_or_one_less() {
    for sources in [vec![0, 2, 1, 4, 5, 3], vec![1, 0, 3, 2], vec![1, 2, 3, 4, 0], vec![1, 0, 2, 3, 4]] {
        let walk = mlp_walk(sources);
        let removed = walk.plans[0].removed();
        let cycles = walk.permutations[0].cycles();
        let n_moves = cycles.iter().map(|cycle| match cycle.len() {
            n if cycle.contains(&removed) => n - 1,
            1 => 0,
            n => n + 1,
        });
        assert_eq!(walk.n_moves(), n_moves.sum::<usize>());
        // Out, two slides a move, what the free slot computes, and back.
        assert_eq!(walk.segments().len(), 2 * walk.n_moves() + 3);
    }
}

#[test]
fn there_is_nothing_to_walk_where_no_unit_has_moved() {
    let walk = mlp_walk(vec![0, 1, 2]);
    assert_eq!((walk.segments().len(), walk.n_moves()), (0, 0));
    assert!(walk.length() < 1e-12 && walk.length_between(0.2, 0.7) < 1e-12);
    assert!(walk.flat_ranges().is_empty());
    assert_eq!(walk.point(0.4), *walk.end);
}

#[test]
fn the_unit_that_is_taken_out_is_the_least_important_one() {
    let network = Arc::new(zoo::mlp(&[3, 4, 2], true).unwrap());
    let mut b = (*random(&network, &mut ChaCha8Rng::seed_from_u64(3))).clone();
    for axis_use in &network.groups()[0].axes {
        let shape = &network.layout().spec(axis_use.param).shape;
        for range in axis_use.runs(shape, 2) {
            b.tensor_mut(axis_use.param)[range].iter_mut().for_each(|v| *v *= 0.01);
        }
    }
    let permutation = Permutation::new(vec![3, 0, 1, 2]).unwrap();
    let walk = Walk::new(network, Arc::new(b), vec![permutation]).unwrap();
    let first = walk.segments()[0];
    assert_eq!((first.change, first.unit, first.slot), (Change::Remove, 2, 3));
    assert_eq!(first.label(), "unit 2 out of slot 3");
    assert_eq!(walk.segments()[2].label(), "unit 3 to slot 3");
}

#[test]
fn walks_are_continuous_and_as_long_as_their_corners_say() {
    let (mut g, x) = GraphBuilder::new(&[1, 6, 6]);
    let x = g.conv(x, "first", Conv::new(5, 3)).unwrap();
    let x = g.batch_norm(x, "norm").unwrap();
    let x = g.relu(x).unwrap();
    let x = g.conv(x, "second", Conv::new(4, 3)).unwrap();
    let x = g.relu(x).unwrap();
    let x = g.flatten(x).unwrap();
    g.linear(x, "head", 3, true).unwrap();
    let network = Arc::new(g.finish("two convolutions").unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let b = random(&network, &mut rng);
    let permutations =
        vec![Permutation::new(vec![1, 2, 0, 4, 3]).unwrap(), Permutation::new(vec![3, 1, 0, 2]).unwrap()];
    let walk = Walk::new(network, b, permutations).unwrap();
    let n = walk.segments().len();
    let mut length = 0.0;
    for (index, segment) in walk.segments().iter().enumerate() {
        let corner = |index: usize| walk.point(index as f64 / n as f64);
        let distance = corner(index).distance(&corner(index + 1));
        assert!((distance - segment.length).abs() < 1e-5, "{}: {distance}, {}", segment.label(), segment.length);
        // Both sides of the corner meet.
        let close = walk.point((index as f64 + 1e-9) / n as f64).distance(&corner(index));
        assert!(close < 1e-6, "{}: a jump of {close}", segment.label());
        length += distance;
    }
    assert!((walk.length() - length).abs() < 1e-4);
    let half = walk.segments()[0].length / 2.0;
    assert!((walk.length_between(0.0, 0.5 / n as f64) - half).abs() < 1e-9);
    assert!((walk.length_between(0.0, 1.0) - walk.length()).abs() < 1e-9);
    assert_eq!(walk.flat_ranges().len(), 2);
}

#[test]
fn norms_over_several_units_and_loops_are_refused_with_the_reason() {
    let (mut g, x) = GraphBuilder::new(&[4]);
    let x = g.linear(x, "first", 6, true).unwrap();
    let y = g.linear(x, "loop", 6, true).unwrap();
    let x = g.add(x, y).unwrap();
    g.linear(x, "head", 3, true).unwrap();
    let network = g.finish("a layer onto its own inputs").unwrap();
    let reason = obstacle(&network, &network.groups()[0]).unwrap();
    assert!(reason.contains("loop.weight leads from them to themselves"), "{reason}");

    let (mut g, x) = GraphBuilder::new(&[4]);
    let x = g.linear(x, "first", 6, true).unwrap();
    let x = g.layer_norm(x, "norm", 1e-5).unwrap();
    g.linear(x, "head", 3, true).unwrap();
    let network = g.finish("normalised").unwrap();
    let reason = obstacle(&network, &network.groups()[0]).unwrap();
    assert!(reason.contains("norm normalises them together"), "{reason}");
}
