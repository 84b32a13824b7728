use super::*;
use crate::data::ImageShape;
use crate::data::detect::open;

fn images(n: u32, side: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = [0x803, n, side, side].iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
    bytes.resize(bytes.len() + (n * side * side) as usize, 7);
    bytes
}

fn labels(labels: &[u8]) -> Vec<u8> {
    [&0x801_u32.to_be_bytes()[..], &(labels.len() as u32).to_be_bytes(), labels].concat()
}

/// A folder of three training and two test images of 4 x 4, under the names given.
fn write(folder: &Path, names: [&str; 4]) {
    fs::create_dir_all(folder).unwrap();
    let contents = [images(3, 4), labels(&[0, 9, 1]), images(2, 4), labels(&[2, 3])];
    for (name, bytes) in names.iter().zip(contents) {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

const USUAL: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

fn check_fails(folder: &Path, part: &str) {
    let message = open(folder).unwrap_err().to_string();
    assert!(message.contains(part), "expected `{part}` in: {message}");
}

#[test]
fn files_are_found_under_all_their_usual_names() {
    for names in [
        USUAL,
        USUAL.map(|name| Box::leak(name.replace("-idx", ".idx").into_boxed_str()) as &str),
        USUAL.map(|name| Box::leak(name.replace("t10k", "test").into_boxed_str()) as &str),
        // Compressed or not is seen from the content.
        USUAL.map(|name| Box::leak(format!("{name}.gz").into_boxed_str()) as &str),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("mnist");
        write(&folder, names);
        let found = open(&folder).unwrap();
        assert_eq!((found.name.as_str(), found.n_classes(), found.max_value), ("MNIST", 10, 255));
        assert_eq!(found.shape, ImageShape { channels: 1, height: 4, width: 4 });
        assert_eq!((found.train.labels.as_slice(), found.test.labels.as_slice()), (&[0, 9, 1][..], &[2, 3][..]));
        assert_eq!(found.train.values, Values::Bytes(vec![7; 48]));
    }
}

#[test]
fn torchvisions_folder_and_a_file_in_it_open_the_same_set() {
    let folder = tempfile::tempdir().unwrap();
    let outer = folder.path().join("FashionMNIST");
    write(&outer.join("raw"), USUAL);
    for path in [outer.clone(), outer.join("raw"), outer.join("raw").join(USUAL[3])] {
        let found = open(&path).unwrap();
        assert_eq!(found.name, "Fashion-MNIST");
        assert_eq!(found.class_names[9], "Ankle boot");
    }
}

#[test]
fn what_is_missing_and_what_is_there_are_both_listed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), USUAL);
    fs::remove_file(folder.path().join(USUAL[1])).unwrap();
    fs::remove_file(folder.path().join(USUAL[2])).unwrap();
    fs::write(folder.path().join("notes.txt"), b"").unwrap();
    check_fails(
        folder.path(),
        "expected train-labels-idx1-ubyte and t10k-images-idx3-ubyte (with or without .gz, here or in `raw`), \
         found notes.txt, t10k-labels-idx1-ubyte, train-images-idx3-ubyte",
    );
}

#[test]
fn splits_that_do_not_fit_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), USUAL);
    fs::write(folder.path().join(USUAL[1]), labels(&[1, 2])).unwrap();
    check_fails(folder.path(), "expected one label for each of 3 images, found 2 labels");
    write(folder.path(), USUAL);
    fs::write(folder.path().join(USUAL[2]), images(2, 5)).unwrap();
    check_fails(folder.path(), "expected test images of 1 x 4 x 4 like the training images, found 1 x 5 x 5");
    fs::write(folder.path().join(USUAL[2]), images(0, 4)).unwrap();
    check_fails(folder.path(), "expected at least one image");
}

#[test]
fn letters_counted_from_one_leave_class_zero_empty() {
    // EMNIST's letters: PyTorch networks for them have an output for 0 too.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), USUAL);
    fs::write(folder.path().join(USUAL[1]), labels(&[1, 26, 2])).unwrap();
    let found = open(folder.path()).unwrap();
    assert_eq!((found.n_classes(), found.train.labels.as_slice()), (27, &[1, 26, 2][..]));
}

#[cfg(unix)]
#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), USUAL);
    fs::remove_file(folder.path().join(USUAL[0])).unwrap();
    fs::create_dir(folder.path().join(USUAL[0])).unwrap();
    check_fails(folder.path(), "expected a regular file, found a folder");
}
