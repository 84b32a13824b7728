use std::sync::Arc;

use super::super::Engine;
use super::super::correlate_tensors::TensorMoments;
use super::super::test_data::{noise, params};
use super::*;
use crate::matching::{ReadAt, StreamRule, UnitMoments, readings};
use crate::net::Network;
use crate::net::zoo::{self, ConvNet};

fn spec(network: Network, n_images: usize) -> CorrelateSpec {
    let network = Arc::new(network);
    CorrelateSpec {
        a: params(&network, 1),
        b: params(&network, 2),
        data: noise(&network, n_images),
        readings: readings(&network, ReadAt::Post, StreamRule::Sum),
        with_null: false,
        attack: None,
        network,
    }
}

/// How uncertain each unit's deviations are in units of their size: its values are rounded around their mean, and a unit that
/// hardly varies has little else.
fn doubts(moments: &UnitMoments, means: &[f32], n_samples: usize) -> Vec<f64> {
    let deviation = |square: &f64| (square / n_samples as f64).sqrt();
    let of_unit =
        |(square, mean): (&f64, &f32)| f64::from(4.0 * f32::EPSILON * mean.abs()) / (deviation(square) + 1e-8);
    moments.squares.iter().zip(means).map(of_unit).collect()
}

/// Correlations of all readings by both: the first `n_first` images, and then the others.
fn assert_agrees(spec: &CorrelateSpec, n_first: usize) {
    let mut lanes = LanesMoments::new(spec);
    let mut tensors = TensorMoments::new(&Engine::cpu(), spec);
    let indices: Vec<u32> = (0..spec.data.n_images() as u32).collect();
    for indices in [&indices[..n_first], &indices[n_first..]] {
        let images = Images { data: &spec.data, indices };
        lanes.add([images; 2]);
        tensors.add([images; 2]).unwrap();
    }
    for (index, group) in spec.network.groups().iter().enumerate() {
        let of_group: Vec<&LanesReading> = lanes.readings.iter().filter(|reading| reading.group == index).collect();
        assert_eq!(of_group.len(), spec.readings[index].len());
        for (reading, expected) in of_group.into_iter().zip(tensors.of_group(index)) {
            let (found, [shifts_a, shifts_b]) = (&reading.moments.matched, reading.shifts.as_ref().unwrap());
            let expected = &expected.matched;
            let name = format!("{} {}", spec.network.name(), group.name);
            assert_eq!(found.n_samples, expected.n_samples, "{name}");
            let rounding = [doubts(&found.a, shifts_a, found.n_samples), doubts(&found.b, shifts_b, found.n_samples)];
            for (place, (found, expected)) in found.correlation().iter().zip(expected.correlation()).enumerate() {
                let tolerance = 1e-5 + rounding[0][place / group.n_units] + rounding[1][place % group.n_units];
                assert!((found - expected).abs() < tolerance, "{name}: {found} {expected}, tolerance {tolerance}");
            }
        }
    }
}

#[test]
fn lanes_and_tensors_agree_on_the_zoo() {
    for network in zoo::samples() {
        assert_agrees(&spec(network, 70), 64);
    }
}

#[test]
fn lanes_and_tensors_take_the_same_pixels_of_large_maps() {
    let network = ConvNet::lenet(&[1, 37, 34], 3).build().unwrap();
    assert_agrees(&spec(network, 21), 16);
}

#[test]
fn moments_do_not_depend_on_the_number_of_threads() {
    let spec = spec(zoo::mlp(&[12, 130, 3], true).unwrap(), 200);
    let indices: Vec<u32> = (0..200).collect();
    let products = [1, 3].map(|n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut lanes = LanesMoments::new(&spec);
            lanes.add([Images { data: &spec.data, indices: &indices }; 2]);
            lanes.of_group(0)[0].matched.products.clone()
        })
    });
    assert_eq!(products[0], products[1]);
}

#[test]
fn before_the_nonlinearity_and_with_a_null_both_agree_too() {
    let network = Arc::new(zoo::by_name("resnet8").unwrap().with_input_shape(&[3, 8, 8]).unwrap());
    let spec = CorrelateSpec {
        readings: readings(&network, ReadAt::Pre, StreamRule::Paper),
        with_null: true,
        ..spec((*network).clone(), 64)
    };
    assert_agrees(&spec, 32);
    let indices: Vec<u32> = (0..64).collect();
    let mut lanes = LanesMoments::new(&spec);
    let mut tensors = TensorMoments::new(&Engine::cpu(), &spec);
    let images = Images { data: &spec.data, indices: &indices };
    lanes.add([images; 2]);
    tensors.add([images; 2]).unwrap();
    // Both turn 64 images by half of them.
    for group in 0..spec.readings.len() {
        for (found, expected) in lanes.of_group(group).into_iter().zip(tensors.of_group(group)) {
            let [found, expected] = [found, expected].map(|moments| moments.shuffled.as_ref().unwrap().correlation());
            assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-3));
        }
    }
}
