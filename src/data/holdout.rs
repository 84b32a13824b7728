//! Test examples for sets that come without.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Split, Values};

/// One example in so many is held out.
const HELD_OUT_OF: usize = 5;
const SEED: u64 = 0;
/// What the user is told.
pub(super) const NOTE: &str = "no test examples of its own: a fifth of every class is held out, always the same";

/// Divides examples of `n_values` values each into training and test examples, class by class.
pub(super) fn hold_out(all: &Split, n_values: usize) -> [Split; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let n_classes = all.labels.iter().max().map_or(0, |largest| usize::from(*largest) + 1);
    let mut classes = vec![Vec::new(); n_classes];
    for (index, label) in all.labels.iter().enumerate() {
        classes[usize::from(*label)].push(index);
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for mut class in classes {
        for i in (1..class.len()).rev() {
            class.swap(i, rng.random_range(0..=i));
        }
        let kept = class.len() - (class.len() + HELD_OUT_OF / 2) / HELD_OUT_OF;
        test.extend(class.drain(kept..));
        train.extend(class);
    }
    [train, test].map(|mut indices| {
        indices.sort_unstable();
        select(all, &indices, n_values)
    })
}

fn select(all: &Split, indices: &[usize], n_values: usize) -> Split {
    let range = |index: &usize| index * n_values..(index + 1) * n_values;
    let values = match &all.values {
        Values::Bytes(bytes) => Values::Bytes(indices.iter().flat_map(|i| &bytes[range(i)]).copied().collect()),
        Values::Floats(floats) => Values::Floats(indices.iter().flat_map(|i| &floats[range(i)]).copied().collect()),
    };
    Split { values, labels: indices.iter().map(|&index| all.labels[index]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_every_class_is_held_out_and_nothing_is_lost() {
        let labels: Vec<u16> = (0..60).map(|i| u16::from(i % 3 == 0) + u16::from(i >= 50)).collect();
        let values: Vec<f32> = (0..120).map(|i| i as f32).collect();
        let all = Split { values: Values::Floats(values.clone()), labels };
        let [train, test] = hold_out(&all, 2);
        let count = |split: &Split, class| split.labels.iter().filter(|label| **label == class).count();
        for class in 0..3 {
            let n = count(&all, class);
            assert_eq!(count(&test, class), (n + 2) / 5, "class {class}");
        }
        let mut seen = Vec::new();
        for split in [&train, &test] {
            let Values::Floats(found) = &split.values else { panic!("floats stay floats") };
            for (example, label) in found.chunks(2).zip(&split.labels) {
                assert_eq!((example[1], *label), (example[0] + 1.0, all.labels[example[0] as usize / 2]));
            }
            seen.extend(found.clone());
        }
        seen.sort_by(f32::total_cmp);
        assert_eq!(seen, values);
        assert_eq!(hold_out(&all, 2), [train, test], "the same every time");
    }
}
