//! Records made by burn's own writer, and records that lie.

use burn_pack::Writer;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::checkpoint::{MAX_NAME_BYTES, parse as parse_any};

fn tensor(name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> Tensor {
    Tensor::new(name.to_owned(), dtype, shape.to_vec(), None, Bytes::from_bytes_vec(bytes.to_vec()))
}

fn packed(tensors: Vec<Tensor>) -> Vec<u8> {
    Writer::new(tensors).into_bytes().unwrap().to_vec()
}

fn sample() -> Vec<u8> {
    let weight: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, -6.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    packed(vec![
        tensor("fc.weight", DType::F32, &[2, 3], &weight),
        tensor("fc.bias", DType::F16, &[2], &[0x00, 0x3c, 0x00, 0xc0]),
        tensor("scale", DType::BF16, &[], &[0x80, 0x3f]),
        tensor("count", DType::I64, &[1], &7_i64.to_le_bytes()),
        tensor("none", DType::F32, &[0, 4], &[]),
    ])
}

fn check(bytes: &[u8], part: &str) {
    let message = parse_any(bytes, Path::new("m.bpk")).unwrap_err().to_string();
    assert!(message.contains(part), "expected `{part}` in: {message}");
    assert!(message.ends_with(": m.bpk"), "{message}");
}

#[test]
fn a_record_of_burn_is_read() {
    let checkpoint = parse_any(&sample(), Path::new("m.bpk")).unwrap();
    assert_eq!(checkpoint.format, Format::BurnPack);
    let tensor = |name: &str| checkpoint.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    assert_eq!(tensor("fc.weight").values, [1.0, 2.0, 3.0, 4.0, 5.0, -6.5]);
    assert_eq!((tensor("fc.bias").dtype, tensor("fc.bias").values.as_slice()), (Dtype::F16, &[1.0, -2.0][..]));
    assert_eq!(tensor("scale").values, [1.0]);
    assert_eq!(tensor("count").values, [7.0]);
    assert_eq!(tensor("none").shape, [0, 4]);
    assert_eq!(checkpoint.notes, ["Burn stores the weights of linear layers as [inputs, outputs]"]);
}

#[test]
fn a_record_without_tensors_is_refused() {
    check(&packed(Vec::new()), "expected a file with tensors, found none");
}

#[test]
fn names_and_dimensions_beyond_the_limits_are_refused() {
    check(&packed(vec![tensor("a\nb", DType::U8, &[1], &[0])]), "`a\\nb` is too long or has control characters");
    let long = "w".repeat(MAX_NAME_BYTES + 1);
    check(&packed(vec![tensor(&long, DType::U8, &[1], &[0])]), "is too long");
    check(&packed(vec![tensor("w", DType::U8, &[1; 9], &[0])]), "9 dimensions, expected at most 8");
}

#[test]
fn a_record_cut_in_its_header_or_its_data_is_an_error() {
    let bytes = sample();
    for length in 0..bytes.len() {
        // The last tensor without padding ends the file; every shorter one lacks data.
        assert!(parse_any(&bytes[..length], Path::new("m.bpk")).is_err(), "{length} bytes were read");
    }
}

#[test]
fn a_declared_header_beyond_the_file_is_refused_without_memory() {
    let mut bytes = sample();
    bytes[6..10].copy_from_slice(&(90_u32 << 20).to_le_bytes());
    check(&bytes, "not a sound record of Burn");
    bytes[6..10].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&bytes, "not a sound record of Burn");
}

#[test]
fn damaged_records_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let original = sample();
    for _ in 0..5_000 {
        let mut bytes = original.clone();
        for _ in 0..random.random_range(1..5) {
            // The header, where there is most to break.
            let at = random.random_range(4..bytes.len().min(600));
            bytes[at] = random.random();
        }
        drop(parse_any(&bytes, Path::new("m.bpk")));
    }
}
