use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::data::{Split, optdigits};

fn dataset(shape: ImageShape, values: Values, n: usize) -> Dataset {
    let train = Split { values, labels: (0..n as u16).collect() };
    Dataset { shape, test: train.clone(), train, ..optdigits() }
}

fn two_images() -> Dataset {
    let shape = ImageShape { channels: 2, height: 1, width: 3 };
    dataset(shape, Values::Bytes(vec![0, 4, 8, 16, 12, 2, 1, 1, 1, 3, 3, 3]), 2)
}

fn scaling() -> Normalization {
    Normalization { mean: vec![0.25, 0.5], std: vec![0.5, 2.0] }
}

#[test]
fn bytes_are_scaled_by_their_channel() {
    let dataset = two_images();
    let inputs = dataset.inputs(SplitName::Train, &scaling());
    assert_eq!((inputs.len(), inputs.n_values(), inputs.label(1)), (2, 6, 1));
    let mut out = [0.0; 6];
    inputs.read(0, &mut out);
    assert_eq!(out, [-0.5, 0.0, 0.5, 0.25, 0.125, -0.1875]);
}

#[test]
fn floats_are_scaled_as_they_are() {
    let dataset = dataset(ImageShape::tabular(2), Values::Floats(vec![0.25, 0.5, 1000.25, -1.5]), 2);
    let inputs = dataset.inputs(SplitName::Test, &scaling());
    let mut out = [0.0; 2];
    inputs.read(1, &mut out);
    assert_eq!(out, [2000.0, -1.0]);
}

#[test]
fn any_part_of_an_example_is_what_it_is_in_the_whole() {
    let dataset = two_images();
    let inputs = dataset.inputs(SplitName::Train, &scaling());
    let mut whole = [0.0; 6];
    inputs.read(1, &mut whole);
    for first in 0..6 {
        for end in first..=6 {
            let mut part = vec![0.0; end - first];
            inputs.read_from(1, first, &mut part);
            assert_eq!(part, whole[first..end], "{first}..{end}");
        }
    }
}

#[test]
fn without_changes_an_augmented_example_is_the_example_to_the_bit() {
    let digits = optdigits();
    let statistics = Normalization::of_train(&digits);
    let inputs = digits.inputs(SplitName::Train, &statistics);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let [mut plain, mut augmented] = [[0.0; 64]; 2];
    for index in 0..100 {
        inputs.read(index, &mut plain);
        inputs.read_augmented(index, &Augmentation::none(), &mut rng, &mut augmented);
        assert_eq!(plain, augmented);
    }
}

#[test]
fn what_a_crop_lets_in_is_black_before_it_is_scaled() {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let dataset = dataset(shape, Values::Bytes(vec![16; 16]), 1);
    let inputs = dataset.inputs(SplitName::Train, &Normalization { mean: vec![0.5], std: vec![0.25] });
    let crop = Augmentation { changes: vec![crate::data::Change::Crop { padding: 3 }] };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut seen = [0; 2];
    for _ in 0..50 {
        let mut out = [0.0; 16];
        inputs.read_augmented(0, &crop, &mut rng, &mut out);
        for value in out {
            assert!(value == -2.0 || value == 2.0, "{value}");
            seen[usize::from(value > 0.0)] += 1;
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[test]
#[should_panic(expected = "a mean and a deviation for each channel")]
fn a_normalization_for_other_channels_is_a_mistake_of_the_program() {
    two_images().inputs(SplitName::Train, &Normalization::identity(1));
}
