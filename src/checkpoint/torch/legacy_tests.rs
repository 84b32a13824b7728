use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::parse;

const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
const FACTS: &[u8] = b"\x80\x02}X\x0d\0\0\0little_endian\x88s.";
const KEYS: &[u8] = b"\x80\x02]X\x01\0\0\x000a.";
/// Two elements: 1 and 2.
const DATA: &[u8] = &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64];

/// `{"w": tensor of shape [2]}` over storage 0; `view` pushes the last part of the storage's description.
fn values(view: &[u8]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor\n(".to_vec();
    pickle.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02");
    pickle.extend(view);
    pickle.extend(b"tQK\0K\x02\x85K\x01\x85tRs.");
    pickle
}

fn file(parts: [&[u8]; 5]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(parts.concat());
    bytes
}

fn sound() -> Vec<u8> {
    file([VERSION, FACTS, &values(b"N"), KEYS, DATA])
}

fn check(bytes: &[u8], part: &str) {
    let message = parse(bytes, Path::new("m.th")).unwrap_err().to_string();
    assert!(message.contains(part), "expected `{part}` in: {message}");
    assert!(message.ends_with(": m.th"), "{message}");
}

#[test]
fn a_container_made_by_hand_is_read() {
    let checkpoint = parse(&sound(), Path::new("m.th")).unwrap();
    assert_eq!(checkpoint.format.to_string(), "PyTorch legacy");
    assert_eq!(checkpoint.tensors[0].values, [1.0, 2.0]);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = sound();
    for length in 0..whole.len() {
        assert!(parse(&whole[..length], Path::new("m.th")).is_err(), "cut to {length}");
    }
    let n = whole.len();
    check(&whole[..n - 3], &format!("file ends after {} of at least {n} bytes; storage `0` incomplete", n - 3));
}

#[test]
fn storages_that_contradict_their_tensors_are_refused() {
    let with = |keys: &[u8], data: &[u8]| file([VERSION, FACTS, &values(b"N"), keys, data]);
    check(&with(KEYS, &[3, 0, 0, 0, 0, 0, 0, 0, 0]), "storage `0` has 3 elements, its tensors declare 2");
    check(&with(KEYS, &[DATA, b"x"].concat()), "1 bytes follow the last storage");
    check(&with(b"\x80\x02].", b""), "tensor `w`: its data (storage `0`) is not in the file");
    check(&with(b"\x80\x02]X\x01\0\0\x001a.", DATA), "storage `1` is in the file, but no tensor");
    check(&with(b"\x80\x02](X\x01\0\0\x000X\x01\0\0\x000e.", &[DATA, DATA].concat()), "described in two ways");
    check(&with(b"\x80\x02N.", DATA), "expected a list of the keys of storages, found None");
}

#[test]
fn other_versions_byte_orders_and_views_of_storages_are_refused() {
    check(&file([b"\x80\x02K\x01.", FACTS, &values(b"N"), KEYS, DATA]), "found the number 1");
    let big = b"\x80\x02}X\x0d\0\0\0little_endian\x89s.";
    check(&file([VERSION, big, &values(b"N"), KEYS, DATA]), "byte order");
    check(&file([VERSION, FACTS, &values(b"K\x01"), KEYS, DATA]), "expected a reference to a storage");
}

#[test]
fn code_in_any_of_the_pickles_is_refused_by_name() {
    let evil = b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.";
    check(&file([evil, FACTS, &values(b"N"), KEYS, DATA]), "contains `posix.system`; nothing was run");
    check(&file([VERSION, evil, &values(b"N"), KEYS, DATA]), "contains `posix.system`; nothing was run");
    check(&file([VERSION, FACTS, evil, KEYS, DATA]), "contains `posix.system`; nothing was run");
    check(&file([VERSION, FACTS, &values(b"N"), evil, DATA]), "contains `posix.system`; nothing was run");
}

#[test]
fn damaged_files_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..5_000 {
        let mut bytes = sound();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(MAGIC.len()..bytes.len());
            bytes[at] = random.random();
        }
        drop(parse(&bytes, Path::new("m.th")));
    }
}
