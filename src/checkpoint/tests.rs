//! Whole files, through the public functions.

use std::fs;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/checkpoints");

#[derive(Deserialize)]
struct ExpectedFile {
    format: String,
    tensors: Vec<ExpectedTensor>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct ExpectedTensor {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    bits: Vec<u32>,
}

fn expected() -> BTreeMap<String, ExpectedFile> {
    serde_json::from_slice(&fixture("expected.json")).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

fn check_tensor(file: &str, found: &RawTensor, expected: &ExpectedTensor) {
    let what = format!("{file}: {}", expected.name);
    assert_eq!(found.name, expected.name, "{what}");
    assert_eq!(found.shape, expected.shape, "{what}");
    assert_eq!(found.dtype.to_string(), expected.dtype, "{what}");
    assert_eq!(found.values.len(), expected.bits.len(), "{what}");
    for (value, bits) in found.values.iter().zip(&expected.bits) {
        let expected = f32::from_bits(*bits);
        let same = value.to_bits() == *bits || (value.is_nan() && expected.is_nan());
        assert!(same, "{what}: found {value}, expected {expected}");
    }
}

#[test]
fn every_fixture_reads_exactly_as_pytorch_has_it() {
    let expected = expected();
    assert!(expected.len() >= 20);
    for (name, expected) in expected {
        let found = read(&Path::new(FIXTURES).join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.format.to_string(), expected.format, "{name}");
        assert_eq!(found.notes, expected.notes, "{name}");
        let names: Vec<_> = found.tensors.iter().map(|tensor| &tensor.name).collect();
        assert_eq!(names, expected.tensors.iter().map(|tensor| &tensor.name).collect::<Vec<_>>(), "{name}");
        for (found, expected) in found.tensors.iter().zip(&expected.tensors) {
            check_tensor(&name, found, expected);
        }
    }
}

#[test]
fn files_that_are_no_state_dictionaries_are_refused_by_name() {
    for (name, part) in [
        ("refused_module.pt", "refused: contains `torch.nn.modules.container.Sequential`; nothing was run"),
        ("refused_complex.pt", "tensors of `ComplexFloatStorage` are not supported"),
        ("refused_list.pt", "expected a dictionary of tensors, found a list of 1"),
        ("refused_keys.pt", "found a dictionary with the keys epoch, generator"),
        ("refused_torchscript.pt", "this is TorchScript"),
        ("refused_objects.npz", "the array `w`: elements of type `|O` are pickled Python objects"),
        ("refused_text.npz", "the array `w`: elements of type `<U2` are not supported"),
        ("refused_structure.npz", "the array `w`: elements are structures of several fields"),
        (
            "refused_alone.npy",
            "found a single NumPy array without a name: save all tensors into one file with numpy.savez",
        ),
        ("refused_big_endian.pt", "byte order `big`, only `little` is supported"),
    ] {
        let message = read(&Path::new(FIXTURES).join(name)).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
        assert!(message.ends_with(name), "the message names the file last: {message}");
    }
}

#[test]
fn a_file_of_another_kind_is_described() {
    for (bytes, part) in [
        (&b""[..], "an empty file"),
        (b"\x89HDF\r\n\x1a\n........", "an HDF5 file"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not downloaded"),
        (b"\x80\x04\x95", "a bare pickle"),
        (b"\x93NUMPY\x01\0", "a single NumPy array"),
        (b"\x00\x01", "2 bytes that start with 00 01"),
    ] {
        let message = parse(bytes, Path::new("some.pt")).unwrap_err().to_string();
        assert!(message.contains(part) && message.ends_with(": some.pt"), "{message}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_errors() {
    assert!(matches!(read(Path::new("/no/such.pt")), Err(CheckpointError::File(files::FileError::NotFound { .. }))));
    assert!(matches!(read(Path::new(FIXTURES)), Err(CheckpointError::File(files::FileError::NotAFile { .. }))));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for name in expected().keys() {
        let bytes = fixture(name);
        for length in 0..bytes.len() {
            let result = parse(bytes.get(..length).unwrap(), Path::new("cut"));
            assert!(result.is_err(), "{name} cut to {length} bytes was read");
        }
    }
}

#[test]
fn bytes_after_the_end_are_an_error() {
    for name in expected().keys() {
        let mut bytes = fixture(name);
        bytes.push(0);
        assert!(parse(&bytes, Path::new("longer")).is_err(), "{name}");
    }
}

/// Flips bits of a whole file. Most end at a checksum; `torch::tests` gets past those.
#[test]
fn flipped_bytes_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for name in ["strides.pt", "training.pt", "empty_and_scalar.pt", "legacy_training.pt", "dtypes.safetensors"] {
        let original = fixture(name);
        for _ in 0..1_500 {
            let mut bytes = original.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            drop(parse(&bytes, Path::new("flipped")));
        }
    }
}

#[test]
fn values_that_are_not_finite_load_and_are_counted() {
    let checkpoint = read(&Path::new(FIXTURES).join("extremes.pt")).unwrap();
    let count = |name: &str| checkpoint.tensors.iter().find(|t| t.name == name).unwrap().non_finite();
    assert_eq!((count("f32"), count("f16"), count("bf16"), count("i64")), (3, 1, 1, 0));
    assert_eq!(count("f64"), 1, "1e300 is beyond the range of f32");
}

#[test]
fn what_is_written_reads_back_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mode.safetensors");
    let tensors = [
        TensorOut { name: "z.weight", shape: &[2, 3], values: &[1.0, -0.0, f32::NAN, 1e-45, f32::MAX, 6.0] },
        TensorOut { name: "a.bias", shape: &[], values: &[0.5] },
        TensorOut { name: "empty", shape: &[0, 4], values: &[] },
    ];
    let metadata = BTreeMap::from([("made by".to_owned(), "lowroad".to_owned())]);
    write_safetensors(&path, &tensors, &metadata).unwrap();
    let checkpoint = read(&path).unwrap();
    assert_eq!(checkpoint.format, Format::Safetensors);
    assert_eq!(checkpoint.tensors.len(), tensors.len());
    for (found, written) in checkpoint.tensors.iter().zip([tensors[0], tensors[1], tensors[2]]) {
        assert_eq!((found.name.as_str(), found.shape.as_slice()), (written.name, written.shape));
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.values), bits(written.values));
    }
    assert_eq!(fs::read(&path).unwrap(), to_safetensors(&tensors, &metadata).unwrap(), "the same bytes every time");
}

/// What others trained and published. Runs where `LOWROAD_DATA` names the folder that holds `data/`.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#[test]
fn public_checkpoints_are_read_and_a_pickled_module_is_refused_by_name() {
    let Some(root) = std::env::var_os("LOWROAD_DATA") else {
        eprintln!("skipped: LOWROAD_DATA is not set, so there are no public checkpoints to read");
        return;
    };
    let folder = Path::new(&root).join("data/weights");
    for (name, format, n_tensors, n_values) in [
        ("akamaster-resnet20-12fca82f.th", Format::TorchLegacy, 97, 271_098),
        ("akamaster-resnet32-d509ac18.th", Format::TorchLegacy, 157, 466_426),
        ("burn-mnist.pt", Format::TorchZip, 20, 376_940),
        ("burn-mnist.safetensors", Format::Safetensors, 20, 376_940),
        ("gabdullin-lenet_example.pth", Format::TorchZip, 10, 61_706),
    ] {
        let found = read(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        let values: usize = found.tensors.iter().map(|tensor| tensor.values.len()).sum();
        assert_eq!((found.format, found.tensors.len(), values), (format, n_tensors, n_values), "{name}");
        assert!(found.tensors.iter().all(|tensor| tensor.non_finite() == 0), "{name}");
        // Burn's example is no network of the zoo.
        assert_eq!(Mode::from_checkpoint(found).is_ok(), !name.starts_with("burn"), "{name}");
    }
    let message = read(&folder.join("reject/burn-import-mnist-full-module.pt")).unwrap_err().to_string();
    assert!(message.contains("refused: contains `__main__.Net`; nothing was run"), "{message}");
}
