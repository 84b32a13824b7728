//! Arrays made here byte by byte. What NumPy writes is read by the fixtures of the module above.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;
use crate::checkpoint::{MAX_NAME_BYTES, parse as parse_any};

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, is_fortran: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {is_fortran}, 'shape': {shape}, }}\n")
}

/// How an entry of the zip files below is made.
struct Made<'a> {
    name: &'a str,
    content: &'a [u8],
    is_deflated: bool,
    /// What the headers declare; the truth is the length of `content`.
    declared: u32,
}

impl<'a> Made<'a> {
    fn stored(name: &'a str, content: &'a [u8]) -> Self {
        Self { name, content, is_deflated: false, declared: content.len() as u32 }
    }

    fn deflated(name: &'a str, content: &'a [u8]) -> Self {
        Self { is_deflated: true, ..Self::stored(name, content) }
    }
}

/// A zip file. Written here, since the `zip` crate of this program cannot deflate and does not lie.
fn zip_of(entries: &[Made<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut crc = flate2::Crc::new();
        crc.update(entry.content);
        let data = if entry.is_deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(entry.content).unwrap();
            encoder.finish().unwrap()
        } else {
            entry.content.to_vec()
        };
        // Version needed, flags, method, time and date, checksum, sizes, length of the name, no extra field.
        let mut common = vec![20, 0, 0, 0, if entry.is_deflated { 8 } else { 0 }, 0, 0, 0, 0x21, 0];
        common.extend(crc.sum().to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend(entry.declared.to_le_bytes());
        common.extend((entry.name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        let start = bytes.len() as u32;
        bytes.extend([b"PK\x03\x04", common.as_slice(), entry.name.as_bytes(), &data].concat());
        directory.extend([b"PK\x01\x02\x14\x00", common.as_slice(), &[0; 10]].concat());
        directory.extend([&start.to_le_bytes(), entry.name.as_bytes()].concat());
    }
    let n = (entries.len() as u16).to_le_bytes();
    let end = [b"PK\x05\x06\0\0\0\0", n.as_slice(), &n, &(directory.len() as u32).to_le_bytes()].concat();
    let start = (bytes.len() as u32).to_le_bytes();
    [bytes, directory, end, start.to_vec(), vec![0, 0]].concat()
}

/// The message with which an archive of this one array, stored, is refused.
fn refusal(array: &[u8]) -> String {
    refusal_of(&zip_of(&[Made::stored("w.npy", array)]))
}

fn refusal_of(bytes: &[u8]) -> String {
    let message = parse_any(bytes, Path::new("m.npz")).unwrap_err().to_string();
    assert!(message.ends_with(": m.npz"), "{message}");
    message
}

fn check(found: &str, part: &str) {
    assert!(found.contains(part), "expected `{part}` in: {found}");
}

#[test]
fn stored_and_deflated_arrays_are_read_alike() {
    let array = npy(&header("<f4", "False", "(2,)"), &[0, 0, 128, 63, 0, 0, 0, 64]);
    for made in [Made::stored("fc.weight.npy", &array), Made::deflated("fc.weight.npy", &array)] {
        let checkpoint = parse_any(&zip_of(&[made]), Path::new("m.npz")).unwrap();
        assert_eq!(checkpoint.format, Format::Npz);
        assert_eq!(checkpoint.tensors[0].name, "fc.weight");
        assert_eq!(checkpoint.tensors[0].values, [1.0, 2.0]);
    }
}

#[test]
fn arrays_keep_their_bytes_for_readers_of_data() {
    let array = npy(&header("|u1", "True", "(2, 3)"), &[0, 3, 1, 4, 2, 5]);
    let file = zip_of(&[Made::stored("x.npy", &array)]);
    let found = arrays(&file, Path::new("m.npz")).unwrap();
    let expected = NpyArray {
        name: "x".to_owned(),
        shape: vec![2, 3],
        dtype: Dtype::U8,
        bytes: Cow::Borrowed(&[0, 1, 2, 3, 4, 5]),
    };
    assert_eq!(found, [expected]);
}

#[test]
fn an_array_alone_says_how_to_save_several() {
    let array = npy(&header("<f4", "False", "(1,)"), &[0; 4]);
    check(&refusal_of(&array), "numpy.savez");
}

#[test]
fn headers_other_than_numpys_are_refused() {
    let good = header("<f4", "False", "(1,)");
    for (from, to, part) in [
        ("{", "[", "expected a dictionary"),
        ("(1,)", "(x,)", "expected whole numbers"),
        ("(1,)", "(-1,)", "expected whole numbers"),
        ("(1,)", "1", "expected a shape"),
        ("False", "0", "expected True or False"),
        ("'shape'", "'descr'", "each once, found `descr`"),
        ("'shape'", "'size'", "each once, found `size`"),
        ("'shape': (1,), ", "", "expected `shape`, found `nothing`"),
        ("}", "} import", "nothing after the dictionary"),
        ("}", "", "the end of the dictionary"),
        ("<f4", "<c8", "elements of type `<c8` are not supported"),
        ("<f4", "<U8", "elements of type `<U8`"),
        ("<f4", "|O", "elements of type `|O` are pickled Python objects"),
        ("'<f4'", "[('a', '<f4')]", "elements are structures"),
        ("(1,)", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "9 dimensions, expected at most 8"),
        ("(1,)", "(4611686018427387904, 4)", "more elements than can be counted"),
        ("(1,)", "(2,)", "shape [2] of F32 needs"),
    ] {
        check(&refusal(&npy(&good.replacen(from, to, 1), &[0; 4])), part);
    }
    let array = npy(&good, &[0; 4]);
    check(&refusal(&array[..6]), "ends inside the header");
    check(&refusal(&array[..20]), "ends inside the header");
    check(&refusal(&array[..array.len() - 1]), "shape [1] of F32 needs");
    check(&refusal(b"not an array"), "expected a NumPy array");
    check(&refusal(b"\x93NUMPY\x04\x00\x01\x00{"), "version 4.0");
}

#[test]
fn a_header_of_more_than_64_kib_is_refused_before_it_is_read() {
    let array = b"\x93NUMPY\x02\x00\x01\x00\x01\x00{";
    check(&refusal(array), "expected a header of at most 65536 bytes, it declares 65537");
    check(&refusal(b"\x93NUMPY\x03\x00\xff\xff\xff\xff{"), "it declares 4294967295");
}

#[test]
fn an_inflation_beyond_the_limit_is_refused_before_it_begins() {
    let small = npy(&header("|u1", "False", "(1,)"), &[0]);
    let bomb = Made { declared: u32::MAX - 1, ..Made::deflated("w.npy", &small) };
    check(&refusal_of(&zip_of(&[bomb])), "the arrays declare 4294967294 bytes, 67108864 are allowed");
}

#[test]
fn arrays_that_inflate_to_another_size_are_refused() {
    let array = npy(&header("|u1", "False", "(9,)"), &[1; 9]);
    let longer = Made { declared: array.len() as u32 + 1, ..Made::deflated("w.npy", &array) };
    check(&refusal_of(&zip_of(&[longer])), "shape [9] of U8 needs");
    // The header fits the declared size, the stream goes on.
    let more = npy(&header("|u1", "False", "(9,)"), &[1; 90_000]);
    let shorter = Made { declared: more.len() as u32 - 90_000 + 9, ..Made::deflated("w.npy", &more) };
    check(&refusal_of(&zip_of(&[shorter])), "another size than the 77 bytes declared");
}

#[test]
fn damaged_streams_and_checksums_are_errors() {
    let array = npy(&header("|u1", "False", "(400,)"), &[7; 400]);
    let stored = zip_of(&[Made::stored("w.npy", &array)]);
    let at = stored.windows(4).position(|window| window == [7; 4]).unwrap();
    let mut damaged = stored;
    damaged[at] = 8;
    check(&refusal_of(&damaged), "is damaged: its checksum differs");
    let deflated = zip_of(&[Made::deflated("w.npy", &array)]);
    for at in 35..60 {
        let mut damaged = deflated.clone();
        damaged[at] ^= 0xff;
        refusal_of(&damaged);
    }
}

#[test]
fn names_are_checked_like_those_of_other_formats() {
    let array = npy(&header("|u1", "False", "(1,)"), &[0]);
    let long = format!("{}.npy", "w".repeat(MAX_NAME_BYTES + 1));
    check(&refusal_of(&zip_of(&[Made::stored(&long, &array)])), "too long");
    check(&refusal_of(&zip_of(&[Made::stored("a\nb.npy", &array)])), "`a\\nb`");
    check(&refusal_of(&zip_of(&[Made::stored(".npy", &array)])), "is empty");
    check(&refusal_of(&zip_of(&[Made::stored("../w.npy", &array)])), "leads out of the archive");
    let twice = [Made::stored("w.npy", &array), Made::stored("w.npy", &array)];
    check(&refusal_of(&zip_of(&twice)), "two zip entries have the same name");
}

#[test]
fn other_compressions_are_refused_by_name() {
    let array = npy(&header("|u1", "False", "(1,)"), &[0]);
    let mut file = zip_of(&[Made::stored("w.npy", &array)]);
    let directory = file.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    // BZIP2, in the entry and in the directory.
    file[8] = 12;
    file[directory + 10] = 12;
    check(&refusal_of(&file), "expected stored or deflated arrays");
}
