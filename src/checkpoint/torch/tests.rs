//! Containers made here, sound and broken.

use std::io::{Cursor, Write as _};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::checkpoint::parse;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/checkpoints");

/// A zip file of the given entries.
fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(*name, options).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `{"w": tensor of shape [2]}` over storage 0 of `n` elements.
fn pickle(n: u8) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    pickle.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK");
    pickle.push(n);
    pickle.extend(b"tQK\0K\x02\x85K\x01\x85\x89NtRs.");
    pickle
}

/// The [`pickle`] with the tensor under other names, each a text with its length before it.
fn pickle_with_names(names: &[&str]) -> Vec<u8> {
    // Up to the tensor, without the name, the end of the dictionary's only entry and the stop.
    let one = pickle(2);
    let tensor = &one[9..one.len() - 2];
    let mut pickle = b"\x80\x02}(".to_vec();
    for (index, name) in names.iter().enumerate() {
        pickle.extend([&b"X"[..], &(name.len() as u32).to_le_bytes(), name.as_bytes()].concat());
        if index == 0 {
            pickle.extend([tensor, b"q\0"].concat());
        } else {
            pickle.extend(b"h\0");
        }
    }
    pickle.extend(b"u.");
    pickle
}

const DATA: [u8; 8] = [0, 0, 128, 63, 0, 0, 0, 64];

fn sound() -> Vec<u8> {
    zip_of(&[("a/data.pkl", &pickle(2)), ("a/data/0", &DATA)])
}

fn check(bytes: &[u8], part: &str) {
    let message = parse(bytes, Path::new("m.pt")).unwrap_err().to_string();
    assert!(message.contains(part), "expected `{part}` in: {message}");
    assert!(message.ends_with(": m.pt"), "{message}");
}

/// Replaces the one occurrence of `from`; `nth` picks among several.
fn patched(bytes: &[u8], from: &[u8], to: &[u8], nth: usize) -> Vec<u8> {
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    let mut bytes = bytes.to_vec();
    bytes[places[nth]..places[nth] + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_container_made_by_hand_is_read() {
    let checkpoint = parse(&sound(), Path::new("m.pt")).unwrap();
    assert_eq!(checkpoint.tensors.len(), 1);
    assert_eq!(checkpoint.tensors[0].values, [1.0, 2.0]);
}

#[test]
fn missing_and_short_storages_are_errors_and_never_zeros() {
    check(&zip_of(&[("a/data.pkl", &pickle(2))]), "tensor `w`: its data (storage `0`) is not in the file");
    let short = zip_of(&[("a/data.pkl", &pickle(2)), ("a/data/0", &DATA[..4])]);
    check(&short, "tensor `w`: storage of 2 elements of type F32 declared, found 4 bytes");
    let small = zip_of(&[("a/data.pkl", &pickle(1)), ("a/data/0", &DATA[..4])]);
    check(&small, "shape [2], strides [1] and offset 0 reach beyond the 1 elements stored");
}

#[test]
fn names_of_tensors_that_are_long_or_repeated_are_refused() {
    let check_names = |names: &[&str], part: &str| {
        check(&zip_of(&[("a/data.pkl", &pickle_with_names(names)), ("a/data/0", &DATA)]), part);
    };
    check_names(&[&"w".repeat(513)], "a tensor under the key wwww");
    check_names(&["a\nb"], "a tensor under the key a\\nb");
    check_names(&["a", "b", "a"], "the tensor name `a` occurs twice");
}

#[test]
fn too_many_tensors_are_refused() {
    let names: Vec<String> = (0..=crate::checkpoint::MAX_TENSORS).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bytes = zip_of(&[("a/data.pkl", &pickle_with_names(&names)), ("a/data/0", &DATA)]);
    check(&bytes, "expected at most 100000 tensors, found 100001");
}

#[test]
fn folders_and_links_in_the_archive_are_refused() {
    let with = |add: fn(&mut ZipWriter<Cursor<Vec<u8>>>)| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        add(&mut zip);
        zip.finish().unwrap().into_inner()
    };
    let link = with(|zip| zip.add_symlink("a/data.pkl", "/etc/passwd", SimpleFileOptions::default()).unwrap());
    check(&link, "the zip entry `a/data.pkl` is a folder or a link");
    let folder = with(|zip| zip.add_directory("a", SimpleFileOptions::default()).unwrap());
    check(&folder, "leads out of the archive");
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    for name in ["../data.pkl", "/data.pkl", "a/../../x", "a//x", "a\\x/y", "C:/x"] {
        check(&zip_of(&[("a/data.pkl", &pickle(2)), (name, &DATA)]), "leads out of the archive");
    }
}

#[test]
fn other_zip_files_are_not_checkpoints() {
    check(&zip_of(&[("a/words.xml", b"")]), "found a zip file without `data.pkl`");
    check(&zip_of(&[]), "found a zip file without `data.pkl`");
    check(&zip_of(&[("a/data.pkl", &pickle(2)), ("b/data/0", &DATA)]), "under `a/` and under `b/`");
    check(&zip_of(&[("a/data.pkl", &pickle(2)), ("a/constants.pkl", b"")]), "this is TorchScript");
}

#[test]
fn entries_of_the_same_name_are_refused() {
    let bytes = zip_of(&[("a/data.pkl", &pickle(2)), ("a/data/0", &DATA), ("a/data/1", &DATA)]);
    let bytes = patched(&patched(&bytes, b"a/data/1", b"a/data/0", 0), b"a/data/1", b"a/data/0", 0);
    check(&bytes, "two zip entries have the same name");
}

#[test]
fn compressed_and_encrypted_entries_are_refused_by_name() {
    // The directory's record: signature, version made by, version needed, flags, method.
    let directory = b"PK\x01\x02";
    let place = |bytes: &[u8]| bytes.windows(4).position(|window| window == directory).unwrap();
    let mut compressed = sound();
    let at = place(&compressed);
    compressed[at + 10] = 8;
    compressed[8] = 8;
    check(&compressed, "the zip entry `a/data.pkl` is compressed (Deflated), expected the plain storage of torch.save");
    let mut encrypted = sound();
    encrypted[at + 8] |= 1;
    check(&encrypted, "the zip entry `a/data.pkl` is encrypted");
    let mut sizes = sound();
    sizes[at + 24] ^= 1;
    check(&sizes, "bytes stored and");
}

#[test]
fn a_directory_that_contradicts_the_entries_is_refused() {
    let bytes = sound();
    check(&patched(&bytes, b"a/data/0", b"a/data/9", 0), "not a sound zip file");
    check(&patched(&bytes, b"a/data/0", b"a/data/9", 1), "not a sound zip file");
    // The second entry's local header is said to be the first one's.
    let last = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    let mut overlapping = bytes.clone();
    overlapping[last + 42..last + 46].copy_from_slice(&[0; 4]);
    check(&overlapping, "not a sound zip file");
}

#[test]
fn a_wrong_checksum_is_named() {
    let at = sound().windows(8).position(|window| window == DATA).unwrap();
    let mut bytes = sound();
    bytes[at] ^= 1;
    check(&bytes, "the record `a/data/0` is damaged: its checksum differs");
}

#[test]
fn something_before_or_after_the_archive_is_refused() {
    check(&[&sound()[..], b"more"].concat(), "the zip directory is not where it should be");
    check(&[b"PK\x03\x04", &sound()[..]].concat(), "the zip directory is not where it should be");
    let twice = [sound(), sound()].concat();
    check(&twice, "the zip directory is not where it should be");
}

#[test]
fn a_directory_that_declares_millions_of_entries_costs_nothing() {
    let mut bytes = sound();
    let end = bytes.len() - 22;
    bytes[end + 10..end + 12].copy_from_slice(&u16::MAX.to_le_bytes());
    check(&bytes, "expected at most 20000 zip entries, the directory lists 65535");
}

#[test]
fn archives_with_damaged_directories_never_panic() {
    let original = sound();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..5_000 {
        let mut bytes = original.clone();
        for _ in 0..random.random_range(1..5) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        drop(parse(&bytes, Path::new("m.pt")));
    }
}

/// The records of a fixture, so that its pickle can be damaged behind a right checksum.
fn records(name: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(Path::new(FIXTURES).join(name)).unwrap();
    let mut archive = TorchArchive::new(Archive::open(&bytes).unwrap()).unwrap();
    let names: Vec<String> = archive.names();
    names.into_iter().map(|name| (format!("a/{name}"), archive.record(&name).unwrap().to_vec())).collect()
}

fn with_pickle(records: &[(String, Vec<u8>)], pickle: &[u8]) -> Vec<u8> {
    let entries: Vec<(&str, &[u8])> = records
        .iter()
        .map(|(name, data)| (name.as_str(), if name == "a/data.pkl" { pickle } else { data.as_slice() }))
        .collect();
    zip_of(&entries)
}

#[test]
fn a_pickle_cut_anywhere_is_an_error() {
    for name in ["strides.pt", "state_dict_protocol4.pt", "training.pt"] {
        let records = records(name);
        let (_, pickle) = records.iter().find(|(name, _)| name == "a/data.pkl").unwrap();
        assert!(parse(&with_pickle(&records, pickle), Path::new("m.pt")).is_ok());
        for length in 0..pickle.len() {
            let result = Heap::load(&pickle[..length], MAX_BYTES);
            assert!(result.is_err(), "{name}: a pickle cut to {length} bytes was read");
        }
    }
}

#[test]
fn damaged_pickles_behind_right_checksums_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut n_read = 0;
    for name in ["strides.pt", "state_dict_protocol4.pt", "training.pt", "empty_and_scalar.pt", "sized.pt"] {
        let records = records(name);
        let (_, pickle) = records.iter().find(|(name, _)| name == "a/data.pkl").unwrap();
        for _ in 0..1_500 {
            let mut damaged = pickle.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..damaged.len());
                damaged[at] = random.random();
            }
            n_read += usize::from(parse(&with_pickle(&records, &damaged), Path::new("m.pt")).is_ok());
        }
    }
    assert!(n_read > 100, "the damage should not always be found: {n_read}");
}
