use super::*;
use crate::data::detect;

/// Records whose pixels are their number, with the labels given.
fn records(labels: &[&[u8]]) -> Vec<u8> {
    let record = |(index, label): (usize, &&[u8])| [label.to_vec(), vec![index as u8; SHAPE.pixels()]].concat();
    labels.iter().enumerate().flat_map(record).collect()
}

/// A folder with these files.
fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn fails(files: &[(&str, Vec<u8>)], part: &str) {
    let message = detect::open(folder(files).path()).unwrap_err().to_string();
    assert!(message.contains(part), "expected `{part}` in: {message}");
}

#[test]
fn batches_are_joined_in_order_and_what_is_missing_is_said() {
    let found = detect::open(
        folder(&[
            ("data_batch_2.bin", records(&[&[9], &[1]])),
            ("data_batch_1.bin", records(&[&[3]])),
            ("test_batch.bin", records(&[&[4], &[5]])),
        ])
        .path(),
    )
    .unwrap();
    assert_eq!((found.name.as_str(), found.shape, found.n_classes()), ("CIFAR-10", SHAPE, 10));
    assert_eq!((found.train.labels.as_slice(), found.test.labels.as_slice()), (&[3, 9, 1][..], &[4, 5][..]));
    let Values::Bytes(pixels) = &found.train.values else { panic!("pixels are bytes") };
    assert_eq!((pixels[3071], pixels[3072], pixels[3 * 3072 - 1]), (0, 0, 1));
    assert_eq!(
        found.notes,
        ["3 of the 50000 training images of CIFAR-10 are there", "2 of the 10000 test images of CIFAR-10 are there"]
    );
}

#[test]
fn of_two_labels_the_fine_one_counts() {
    let names: String = (0..100).map(|class| format!("fine {class}\n")).collect();
    let found = detect::open(
        folder(&[
            ("train.bin", records(&[&[19, 99], &[0, 7]])),
            ("test.bin", records(&[&[1, 2]])),
            ("fine_label_names.txt", names.into_bytes()),
        ])
        .path(),
    )
    .unwrap();
    assert_eq!((found.name.as_str(), found.train.labels.as_slice()), ("CIFAR-100", &[99, 7][..]));
    assert_eq!(found.class_names[99], "fine 99");
}

#[test]
fn the_folder_around_an_unpacked_archive_opens_too() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&inner).unwrap();
    for name in ["data_batch_1.bin", "test_batch.bin"] {
        std::fs::write(inner.join(name), records(&[&[1], &[2]])).unwrap();
    }
    for path in [outer.path(), &inner, &inner.join("data_batch_1.bin")] {
        assert_eq!(detect::open(path).unwrap().name, "CIFAR-10");
    }
}

#[test]
fn files_that_are_not_as_they_should_be_are_refused() {
    let good = || records(&[&[1], &[2]]);
    fails(&[("data_batch_1.bin", good())], "expected CIFAR-10's test_batch.bin");
    fails(&[("test_batch.bin", good())], "expected CIFAR-10's data_batch_1.bin");
    fails(&[("train.bin", records(&[&[0, 1]]))], "expected CIFAR-100's test.bin");
    let cut = |n: usize| good()[..n].to_vec();
    for n in [0, 1, 3072, 3074, 6145] {
        fails(&[("data_batch_1.bin", cut(n)), ("test_batch.bin", good())], "records of 3073 bytes each");
    }
    fails(
        &[("data_batch_1.bin", records(&[&[1], &[10]])), ("test_batch.bin", good())],
        "expected labels below 10, found 10 for example 1",
    );
    fails(
        &[("data_batch_1.bin", good()), ("test_batch.bin", good()), ("batches.meta.txt", b"cat\ndog\n".to_vec())],
        "expected 10 names of classes, one a line, found 2",
    );
}
