use std::fs;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pickles");

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

fn message(bytes: &[u8]) -> String {
    read_pickled_dict(bytes, Path::new("batch")).unwrap_err().to_string()
}

/// Each is a batch of 3 images of 2 x 2 pixels in 3 colours whose bytes count from 0, with the labels 6, 9, 0.
#[test]
fn batches_of_both_pythons_and_both_kinds_of_keys_are_read() {
    for name in ["cifar10_python2", "cifar10_protocol2", "cifar10_protocol4", "cifar10_byte_keys", "cifar10_numpy1"] {
        let bytes = fixture(name);
        let batch = read_pickled_dict(&bytes, Path::new(name)).unwrap_or_else(|error| panic!("{error}"));
        let (shape, data) = batch.array_u8("data").unwrap_or_else(|| panic!("{name}: {}", batch.found()));
        assert_eq!(shape, [3, 12], "{name}");
        // 200 is added, so that some bytes are no ASCII.
        assert_eq!(data, (0..36).map(|i: u8| i.wrapping_add(200)).collect::<Vec<_>>(), "{name}");
        assert_eq!(batch.ints("labels"), Some(&[6, 9, 0][..]), "{name}");
        assert_eq!(batch.ints("filenames"), None, "{name}");
        assert_eq!(batch.ints("data"), None, "{name}");
    }
}

#[test]
fn an_array_of_the_wrong_size_or_order_is_refused() {
    let bytes = fixture("cifar10_python2");
    // The shape (3, 12) as K\x03 K\x0c.
    let at = bytes.windows(4).position(|window| window == b"K\x03K\x0c").unwrap();
    let mut longer = bytes.clone();
    longer[at + 1] = 4;
    assert_eq!(message(&longer), "the array `data` has shape [4, 12], but 36 bytes of elements: batch");
    assert!(message(&fixture("fortran")).contains("column by column"));
}

#[test]
fn other_pickles_are_described() {
    assert_eq!(message(b"\x80\x02]."), "expected a pickled dictionary, found a list of 0: batch");
    assert!(message(&fixture("objects")).contains("NumPy arrays of type `O8`"));
    assert!(message(b"\x80\x02cos\nsystem\nU\x02ls\x85R.").contains("refused: contains `os.system`; nothing was run"));
    assert!(message(b"\x80\x02}(U\x01aK\x01U\x01aK\x02u.").contains("the key `a` occurs twice"));
    // A function of the list is not a way to others.
    assert!(message(b"\x80\x02cnumpy\nndarray\n)R.").contains("arguments that are never written"));
    assert!(message(b"\x80\x02cnumpy\nload\nU\x01x\x85R.").contains("refused: contains `numpy.load`"));
}

#[test]
fn a_batch_cut_anywhere_is_an_error() {
    let bytes = fixture("cifar10_python2");
    for length in 0..bytes.len() {
        assert!(read_pickled_dict(&bytes[..length], Path::new("cut")).is_err(), "{length}");
    }
}

#[test]
fn one_list_under_many_keys_is_refused_before_it_is_copied_for_each() {
    let numbers = [b"K\x07".repeat(200), b"eq\0".to_vec()].concat();
    let mut pickle = [b"\x80\x02}(U\x01a](".to_vec(), numbers].concat();
    for key in b'b'..=b'z' {
        pickle.extend([b'U', 1, key, b'h', 0]);
    }
    pickle.extend(b"u.");
    assert_eq!(message(&pickle), "the values up to `c` repeat what is in the file too often: batch");
}
