use std::fs;

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::*;
use crate::data::detect;

fn rgb(width: u32, height: u32, first: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([first, x as u8, y as u8]))
}

fn save(folder: &Path, name: &str, image: impl Into<DynamicImage>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

fn fails(folder: &Path, parts: &[&str]) {
    let message = detect::open(folder).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

fn bytes(split: &Split) -> &[u8] {
    match &split.values {
        Values::Bytes(bytes) => bytes,
        Values::Floats(_) => panic!("images are bytes"),
    }
}

#[test]
fn classes_are_the_folders_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "train/dog/1.png", rgb(3, 2, 20));
    save(folder.path(), "train/cat/b.png", rgb(3, 2, 11));
    save(folder.path(), "train/cat/a.PNG", rgb(3, 2, 10));
    save(folder.path(), "test/dog/x.png", rgb(3, 2, 30));
    fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
    let found = detect::open(folder.path()).unwrap();
    assert_eq!(found.class_names, ["cat", "dog"]);
    assert_eq!(found.shape, ImageShape { channels: 3, height: 2, width: 3 });
    assert_eq!((found.train.labels.as_slice(), found.test.labels.as_slice()), (&[0, 0, 1][..], &[1][..]));
    let red = |index: usize| bytes(&found.train)[index * 18];
    assert_eq!([red(0), red(1), red(2)], [10, 11, 20]);
    // Planes of red, green (the column) and blue (the row).
    let image = [30, 30, 30, 30, 30, 30, 0, 1, 2, 0, 1, 2, 0, 0, 0, 1, 1, 1];
    assert_eq!(bytes(&found.test), image);
}

#[test]
fn images_are_grey_only_if_all_are() {
    let folder = tempfile::tempdir().unwrap();
    let grey = |value| GrayImage::from_pixel(2, 2, Luma([value]));
    save(folder.path(), "train/a/1.png", grey(7));
    save(folder.path(), "train/b/1.png", grey(8));
    save(folder.path(), "val/a/1.png", grey(9));
    let found = detect::open(folder.path()).unwrap();
    assert_eq!((found.shape.channels, bytes(&found.train)), (1, &[7, 7, 7, 7, 8, 8, 8, 8][..]));
    save(folder.path(), "val/b/1.png", rgb(2, 2, 1));
    let found = detect::open(folder.path()).unwrap();
    assert_eq!((found.shape.channels, &bytes(&found.test)[..12]), (3, &[9; 12][..]));
}

#[test]
fn jpegs_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/a/1.JPEG", "train/b/1.jpg", "test/a/1.jpeg"] {
        let mut encoded = Vec::new();
        let image = RgbImage::from_pixel(8, 8, Rgb([200, 100, 50]));
        image.write_to(&mut Cursor::new(&mut encoded), image::ImageFormat::Jpeg).unwrap();
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), encoded).unwrap();
    }
    let found = detect::open(folder.path()).unwrap();
    for (channel, expected) in [200_u8, 100, 50].into_iter().enumerate() {
        let plane = &bytes(&found.train)[channel * 64..(channel + 1) * 64];
        assert!(plane.iter().all(|value| value.abs_diff(expected) <= 3), "{plane:?}");
    }
}

#[test]
fn tiny_imagenet_opens_as_it_is_distributed() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("tiny-imagenet-200");
    save(&folder, "train/n01/images/n01_0.png", rgb(4, 4, 1));
    save(&folder, "train/n02/images/n02_0.png", rgb(4, 4, 2));
    save(&folder, "val/images/val_0.png", rgb(4, 4, 3));
    save(&folder, "val/images/val_1.png", rgb(4, 4, 4));
    save(&folder, "test/images/test_0.png", rgb(4, 4, 5));
    fs::write(folder.join("val/val_annotations.txt"), "val_1.png\tn01\t0\t0\t3\t3\nval_0.png\tn02\t0\t0\t3\t3\n")
        .unwrap();
    fs::write(folder.join("words.txt"), "n01\tgoldfish, Carassius auratus\nn99\tentity\n").unwrap();
    let found = detect::open(outer.path()).unwrap();
    assert_eq!(found.class_names, ["goldfish", "n02"]);
    assert_eq!((found.test.labels.as_slice(), bytes(&found.test)[0]), (&[0, 1][..], 4));
    for bad in ["val_0.png\tn77\n", "../x.png\tn01\n", "val_0.png\n"] {
        fs::write(folder.join("val/val_annotations.txt"), bad).unwrap();
        fails(&folder, &["line 1: expected a file's name and the name of a class", "val_annotations.txt"]);
    }
}

#[test]
fn the_first_image_of_another_size_is_named_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "train/a/1.png", rgb(3, 2, 0));
    save(folder.path(), "train/b/1.png", rgb(3, 2, 0));
    save(folder.path(), "test/a/1.png", rgb(4, 2, 0));
    fails(folder.path(), &["found 2 x 4 pixels where", "has 2 x 3", "test/a/1.png"]);
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/a/1.png", "train/b/1.png", "test/a/1.png"] {
        save(folder.path(), name, rgb(16, 16, 9));
    }
    let path = folder.path().join("train/b/1.png");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() - 12 {
        fs::write(&path, &whole[..length]).unwrap();
        fails(folder.path(), &["the image cannot be read", "train/b/1.png"]);
    }
    fs::write(&path, "a text").unwrap();
    fails(folder.path(), &["the image cannot be read", "train/b/1.png"]);
}

#[test]
fn a_header_that_declares_a_huge_image_is_refused_before_memory_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/a/1.png", "train/b/1.png", "test/a/1.png"] {
        save(folder.path(), name, GrayImage::from_pixel(2, 2, Luma([0])));
        let path = folder.path().join(name);
        let mut png = fs::read(&path).unwrap();
        // Width and height of the first chunk, and its checksum.
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        fs::write(&path, png).unwrap();
    }
    fails(folder.path(), &["its header declares 4294967296", "train/a/1.png"]);
}

#[test]
fn classes_and_images_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "train/a/1.png", rgb(2, 2, 0));
    fs::create_dir(folder.path().join("test")).unwrap();
    fails(folder.path(), &["expected PNG or JPEG files in a folder for each class, found an empty folder"]);
    save(folder.path(), "test/b/1.png", rgb(2, 2, 0));
    fails(folder.path(), &["the class `b` has no training images"]);
}
