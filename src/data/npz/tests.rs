use super::*;
use crate::data::SplitName;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data").join(name)
}

#[test]
fn images_with_channels_last_are_sorted_channel_by_channel() {
    let set = open_file(&fixture("channels_last.npz")).unwrap();
    assert_eq!((set.shape, set.n_classes()), (ImageShape { channels: 3, height: 2, width: 3 }, 2));
    assert_eq!((set.train.labels.as_slice(), set.test.labels.as_slice()), ([0, 1, 0, 1].as_slice(), [1, 0].as_slice()));
    let Values::Bytes(bytes) = &set.train.values else { unreachable!("bytes stay bytes") };
    // The first image counts 0, 1, 2 over its channels, then goes on to the next pixel.
    assert_eq!(bytes[..18], [0, 3, 6, 9, 12, 15, 1, 4, 7, 10, 13, 16, 2, 5, 8, 11, 14, 17]);
}

#[test]
fn without_a_test_part_a_fifth_is_held_out_and_said() {
    let set = open_file(&fixture("floats.npz")).unwrap();
    assert_eq!((set.shape, set.train.len(), set.test.len()), (ImageShape::tabular(2), 16, 4));
    assert_eq!(set.notes.len(), 1);
    let Values::Floats(values) = &set.split(SplitName::Train).values else { unreachable!("floats stay floats") };
    assert!(values.iter().all(|value| (value * 8.0).fract() == 0.0));
}

#[test]
fn arrays_that_make_no_data_set_are_refused_with_what_they_are() {
    for (name, part) in [
        ("labels_differ.npz", "one label for each of 3 images"),
        ("halves.npz", "example 2"),
        ("other.npz", "`weight`, `bias`"),
    ] {
        let message = open_file(&fixture(name)).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains(name), "{message}");
    }
}

#[test]
fn checkpoints_are_told_from_data_by_their_names() {
    let holds = |name: &str| is_data(&std::fs::read(fixture(name)).unwrap(), Path::new(name));
    assert!(holds("floats.npz") && holds("channels_last.npz"));
    assert!(!holds("other.npz"));
}
