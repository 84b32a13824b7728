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
        "expected 10 names of classes, found 2",
    );
}

/// The Python version in `tests/fixtures/cifar-python` and the same records in the binary version.
#[test]
fn the_python_version_gives_the_data_set_of_the_binary_version() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar-python");
    let names = |n: usize| (0..n).map(|class| format!("class {class}\n")).collect::<String>().into_bytes();
    let cifar_10 = [
        ("data_batch_1.bin", records(&[&[3], &[9]])),
        ("test_batch.bin", records(&[&[4]])),
        ("batches.meta.txt", names(10)),
    ];
    let cifar_100 = [
        ("train.bin", records(&[&[19, 99], &[0, 7]])),
        ("test.bin", records(&[&[1, 2]])),
        ("fine_label_names.txt", names(100)),
    ];
    for (inner, files) in [("cifar-10-batches-py", &cifar_10), ("cifar-100-python", &cifar_100)] {
        let pickled = detect::open(&fixtures.join(inner)).unwrap();
        let binary = detect::open(folder(files).path()).unwrap();
        assert_eq!((&pickled.name, &pickled.class_names), (&binary.name, &binary.class_names));
        assert_eq!((&pickled.train, &pickled.test, &pickled.notes), (&binary.train, &binary.test, &binary.notes));
    }
}

#[test]
fn a_pickle_without_images_is_refused_with_what_it_holds() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar-python");
    let meta = std::fs::read(fixtures.join("cifar-10-batches-py/batches.meta")).unwrap();
    fails(
        &[("data_batch_1", meta.clone()), ("test_batch", meta)],
        "under `data` and a list of integers under `labels`, found `label_names` (10 texts)",
    );
    fails(&[("data_batch_1", b"no pickle".to_vec()), ("test_batch", Vec::new())], "data_batch_1");
}

/// Needs the unpacked CIFAR-10 of 50,000 training and 1,000 test images in `LOWROAD_DATA/cifar-10-batches-bin`.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn cifar_10_has_its_known_size_mean_and_standard_deviation() {
    let folder = std::env::var_os("LOWROAD_DATA").map(|data| Path::new(&data).join("cifar-10-batches-bin"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: LOWROAD_DATA names no folder with cifar-10-batches-bin");
        return;
    };
    let found = detect::open(&folder).unwrap();
    assert_eq!((found.train.len(), found.test.len()), (50_000, 1_000));
    assert_eq!(found.notes, ["1000 of the 10000 test images of CIFAR-10 are there"]);
    let Values::Bytes(pixels) = &found.train.values else { panic!("pixels are bytes") };
    let n = (found.train.len() * SHAPE.height * SHAPE.width) as f64;
    let (mut sums, mut squares) = ([0.0; 3], [0.0; 3]);
    for (index, plane) in pixels.chunks_exact(SHAPE.height * SHAPE.width).enumerate() {
        for pixel in plane {
            let value = f64::from(*pixel) / 255.0;
            sums[index % 3] += value;
            squares[index % 3] += value * value;
        }
    }
    for (channel, (mean, std)) in [(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)].into_iter().enumerate() {
        let found_mean = sums[channel] / n;
        let found_std = (squares[channel] / n - found_mean * found_mean).sqrt();
        assert!((found_mean - mean).abs() < 1e-3 && (found_std - std).abs() < 1e-3, "{found_mean} {found_std}");
    }
}
