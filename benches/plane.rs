//! A plane of 25 x 25 points through three MLPs 784-512-10, each on all 10,000 test images of MNIST.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use lowroad::compute::{Engine, EvaluateSpec, evaluate_all};
use lowroad::data::SplitName;

const POINTS_PER_SIDE: usize = 25;

fn main() {
    let dataset = common::dataset();
    let engine = Engine::cpu();
    let network = common::network(&dataset, &[512]);
    let modes = common::modes(&engine, &network, &dataset);
    let data = common::data(&dataset, SplitName::Test);
    // The peer's grid: barycentric coordinates from -0.2 to 1.2.
    let at = |i: usize| -0.2 + 1.4 * i as f64 / (POINTS_PER_SIDE - 1) as f64;
    let coefficients: Vec<Vec<f64>> = (0..POINTS_PER_SIDE * POINTS_PER_SIDE)
        .map(|p| (at(p % POINTS_PER_SIDE), at(p / POINTS_PER_SIDE)))
        .map(|(x, y)| vec![1.0 - x - y, x, y])
        .collect();
    let n_evaluations = (coefficients.len() * data.n_images()) as f64;

    let plane = |share_first_layer: bool, n_points: usize| {
        let mut spec =
            EvaluateSpec::new(network.clone(), modes.clone(), coefficients[..n_points].to_vec(), data.clone());
        spec.share_first_layer = share_first_layer;
        evaluate_all(&engine, spec).expect("a CPU does not fail")
    };
    let mut mean_loss = 0.0;
    let times = common::times(5, || {
        let values = plane(true, coefficients.len());
        mean_loss = values.iter().map(|v| v.loss).sum::<f64>() / values.len() as f64;
    });
    println!(
        "plane 25x25, {} images, {}: {}, mean loss {mean_loss:.5}, {:.1} million points x images a second",
        data.n_images(),
        network.name(),
        common::spread(&times),
        n_evaluations / common::median(&times) / 1e6
    );

    // Without the trick a tenth of the points says enough.
    let n_points = coefficients.len() / 10;
    let off = common::times(3, || drop(plane(false, n_points)));
    let per_plane = common::median(&off) * coefficients.len() as f64 / n_points as f64;
    println!(
        "the same without sharing the first layer, scaled up from {n_points} points: {per_plane:.2} s, {:.2} million points x images a second",
        n_evaluations / per_plane / 1e6
    );
}
