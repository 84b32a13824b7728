use std::collections::BTreeMap;

use super::*;
use crate::checkpoint::{MAX_TENSORS, TensorOut, parse as parse_any, to_safetensors};

fn file(header: &str, n_data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + n_data, 0);
    bytes
}

/// Checks that the file is refused with a message that has `part` in it.
fn check(bytes: &[u8], part: &str) {
    let message = parse_any(bytes, Path::new("m.safetensors")).unwrap_err().to_string();
    assert!(message.contains(part), "{message}");
    assert!(message.ends_with(": m.safetensors"), "{message}");
}

const ONE: &str = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

#[test]
fn a_cut_file_says_how_much_is_missing_and_from_which_tensor() {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#;
    let start = 8 + header.len();
    check(&file(header, 11), &format!("file ends after {} of {} bytes; tensor `b` incomplete", start + 11, start + 16));
    check(&file(header, 0), "tensor `a` incomplete");
    check(&file(header, 17), "the end belongs to no tensor");
    let whole = file(ONE, 8);
    check(whole.get(..20).unwrap(), &format!("file ends after 20 of {} bytes, inside the header", whole.len() - 8));
}

#[test]
fn a_header_that_lies_is_refused() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    check(&file(&entry("F32", "[3]", "[0,8]"), 8), "invalid shape, data type, or offset");
    check(&file(&entry("F32", "[2]", "[4,12]"), 12), "invalid offset for tensor `w`");
    check(&file(&entry("F32", "[2]", "[8,0]"), 0), "invalid");
    check(&file(&entry("F32", "[4611686018427387904,4]", "[0,0]"), 0), "overflow");
    check(&file(&entry("F32", "[-1]", "[0,8]"), 8), "invalid value");
    check(&file(&entry("F99", "[2]", "[0,8]"), 8), "unknown variant `F99`");
    check(&file(&entry("F8_E4M3", "[8]", "[0,8]"), 8), "elements of type F8_E4M3, which is not supported");
    check(&file(&entry("C64", "[1]", "[0,8]"), 8), "elements of type C64");
    check(&file(&entry("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8), "9 dimensions, expected at most 8");
    check(&file(&entry("F32", "[2]", "[0,18446744073709551615]"), 8), "incomplete");
    check(&file("{}", 0), "found none");
    check(&file("{\"w\":[]}", 0), "not the JSON");
    check(&file("{\"w\":", 0), "not the JSON");
}

#[test]
fn overlapping_tensors_and_holes_are_refused() {
    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{a}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{b}}}}}"#
        )
    };
    check(&file(&two("[0,4]", "[2,6]"), 6), "invalid offset for tensor `b`");
    check(&file(&two("[0,4]", "[6,10]"), 10), "invalid offset for tensor `b`");
    check(&file(&two("[0,4]", "[0,4]"), 4), "invalid offset");
}

#[test]
fn a_name_that_is_listed_twice_is_refused() {
    let entry = r#""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    check(&file(&format!("{{{entry},{entry}}}"), 8), "the tensor `w` is listed twice");
}

#[test]
fn names_with_control_characters_or_without_end_are_refused() {
    check(&file(&ONE.replace('w', "w\\n"), 8), "the tensor name `w\\n` is too long or has control characters");
    check(&file(&ONE.replace('w', &"w".repeat(513)), 8), "too long");
}

#[test]
fn a_header_of_many_megabytes_is_refused_before_it_is_read() {
    let mut bytes = file(ONE, 8);
    bytes.splice(0..8, (17_u64 << 20).to_le_bytes());
    check(&bytes, "expected a header of at most 16777216 bytes, the file declares 17825792");
    bytes.splice(0..8, u64::MAX.to_le_bytes());
    check(&bytes, "expected a header of at most");
}

#[test]
fn a_header_with_too_many_tensors_is_refused() {
    let entries: Vec<String> =
        (0..=MAX_TENSORS).map(|i| format!(r#""{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    check(&file(&format!("{{{}}}", entries.join(",")), 0), "expected at most 100000 tensors");
}

#[test]
fn nesting_without_end_in_the_header_is_an_error_and_no_overflow() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    check(&file(&ONE.replacen('{', &format!("{{\"__metadata__\":{nested},"), 1), 8), "invalid");
    check(&file(&ONE.replace("[2]", &nested), 8), "invalid");
    check(&file(&ONE.replace("\"dtype\"", &format!("\"more\":{nested},\"dtype\"")), 8), "recursion limit exceeded");
}

#[test]
fn tensors_come_in_the_order_of_their_data() {
    let header = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"x":"y"}}"#;
    let names: Vec<_> = tensors(&file(header, 2)).unwrap().into_iter().map(|tensor| tensor.name).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn tensors_that_cannot_be_stored_are_refused() {
    let write = |tensors: &[TensorOut<'_>]| to_safetensors(tensors, &BTreeMap::new()).unwrap_err().to_string();
    let tensor = |name| TensorOut { name, shape: &[2], values: &[1.0, 2.0] };
    assert!(write(&[TensorOut { shape: &[3], ..tensor("w") }]).contains("needs 3 values, but 2 were given"));
    assert!(write(&[TensorOut { shape: &[usize::MAX, 2], ..tensor("w") }]).contains("more than can be counted"));
    assert!(write(&[tensor("w"), tensor("w")]).contains("`w` was given twice"));
    assert!(write(&[tensor("__metadata__")]).contains("reserved"));
    assert!(write(&[tensor("")]).contains("empty"));
}
