use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn images(count: u32, height: u32, width: u32, n_bytes: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = [IMAGES_MAGIC, count, height, width].iter().flat_map(|n| n.to_be_bytes()).collect();
    bytes.extend((0..n_bytes).map(|i| i as u8));
    bytes
}

fn labels(count: u32, labels: &[u8]) -> Vec<u8> {
    [&LABELS_MAGIC.to_be_bytes()[..], &count.to_be_bytes(), labels].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn check(bytes: &[u8], part: &str) {
    let message = parse_idx_images(bytes, Path::new("x-idx3")).unwrap_err().to_string();
    assert!(message.contains(part) && message.ends_with(": x-idx3"), "expected `{part}` in: {message}");
}

#[test]
fn plain_and_compressed_files_are_read_alike() {
    let plain = images(2, 2, 3, 12);
    let found = parse_idx_images(&plain, Path::new("x")).unwrap();
    assert_eq!((found.n, found.shape), (2, ImageShape { channels: 1, height: 2, width: 3 }));
    assert_eq!(found.pixels, (0..12).collect::<Vec<u8>>());
    assert_eq!(parse_idx_images(&gzip(&plain), Path::new("x")).unwrap(), found);
    assert_eq!(parse_idx_labels(&labels(3, &[0, 9, 255]), Path::new("x")).unwrap(), [0, 9, 255]);
    assert_eq!(parse_idx_labels(&gzip(&labels(3, &[0, 9, 255])), Path::new("x")).unwrap(), [0, 9, 255]);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for whole in [images(2, 2, 3, 12), gzip(&images(2, 2, 3, 12))] {
        for length in 0..whole.len() {
            assert!(parse_idx_images(&whole[..length], Path::new("x")).is_err(), "cut to {length}");
        }
    }
    let whole = labels(3, &[1, 2, 3]);
    for length in 0..whole.len() {
        assert!(parse_idx_labels(&whole[..length], Path::new("x")).is_err(), "cut to {length}");
    }
    check(&images(2, 2, 3, 11), "expected 28 bytes of images, the file ends after 27");
    check(&[0, 0, 8], "expected 4 bytes of images, the file ends after 3");
}

#[test]
fn bytes_after_the_end_are_an_error() {
    check(&images(2, 2, 3, 13), "expected 28 bytes of images, more bytes follow");
    check(&gzip(&images(2, 2, 3, 13)), "more bytes follow");
    check(&[gzip(&images(2, 2, 3, 12)), vec![0]].concat(), "more bytes follow");
}

#[test]
fn another_kind_of_file_is_named() {
    check(&labels(3, &[1, 2, 3]), "expected IDX images, whose first bytes are 00000803, found labels");
    check(b"PK\x03\x04....", "found 504b0304");
    let message = parse_idx_labels(&images(1, 1, 1, 1), Path::new("x")).unwrap_err().to_string();
    assert!(message.contains("expected IDX labels, whose first bytes are 00000801, found images"), "{message}");
}

#[test]
fn images_without_pixels_are_refused() {
    check(&images(0, 28, 28, 0), "found 0 of 28 x 28");
    check(&images(5, 0, 28, 0), "found 5 of 0 x 28");
}

#[test]
fn declared_sizes_beyond_the_limit_are_refused_without_memory() {
    check(&images(u32::MAX, u32::MAX, u32::MAX, 0), "expected at most 1073741824 bytes of images");
    check(&images(60_000, 1_000, 1_000, 0), "the header declares 60000000000");
    check(&images(1_000, 1_000, 1_000, 0), "expected 1000000016 bytes of images, the file ends after 16");
}

#[test]
fn a_compressed_bomb_stops_at_the_declared_size() {
    let bomb = gzip(&[images(1, 28, 28, 784), vec![0; 64 << 20]].concat());
    assert!(bomb.len() < 100_000);
    check(&bomb, "expected 800 bytes of images, more bytes follow");
}

#[test]
fn damaged_gzip_data_is_an_error() {
    let mut damaged = gzip(&images(2, 2, 3, 12));
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    check(&damaged, "the gzip data is damaged");
    check(&[0x1f, 0x8b], "the gzip data is damaged");
}
