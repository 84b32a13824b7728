use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::data::optdigits;

const SHAPE: ImageShape = ImageShape { channels: 3, height: 5, width: 4 };

/// Every value another, between 0 and 1.
fn image() -> Vec<f32> {
    (1..=SHAPE.pixels()).map(|i| i as f32 / 64.0).collect()
}

fn changed(augmentation: &Augmentation, seed: u64) -> Vec<f32> {
    let mut image = image();
    augmentation.apply(SHAPE, &mut ChaCha8Rng::seed_from_u64(seed), &mut image);
    image
}

fn parse(text: &str) -> Augmentation {
    Augmentation::parse(text).unwrap()
}

#[test]
fn changes_of_no_strength_leave_an_image_as_it_is() {
    for text in ["none", "affine:0", "jitter:0"] {
        for (before, after) in image().iter().zip(changed(&parse(text), 7)) {
            assert!((before - after).abs() < 1e-6, "{text}: {before} became {after}");
        }
    }
}

#[test]
fn a_flip_exchanges_left_and_right_about_half_of_the_time() {
    let mirrored: Vec<f32> = image().chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
    let n_flipped = (0..1000)
        .filter(|seed| {
            let found = changed(&parse("flip"), *seed);
            assert!(found == image() || found == mirrored);
            found == mirrored
        })
        .count();
    assert!((430..570).contains(&n_flipped), "{n_flipped}");
}

#[test]
fn a_crop_moves_the_image_and_lets_black_in() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let found = changed(&parse("crop:2"), seed);
        let is_shift = |[down, right]: [isize; 2]| {
            (0..SHAPE.pixels()).all(|at| {
                let (channel, row, column) = (at / 20, at % 20 / 4, at % 4);
                let from = (row.checked_add_signed(-down), column.checked_add_signed(-right));
                let expected = match from {
                    (Some(row @ 0..5), Some(column @ 0..4)) => image()[channel * 20 + row * 4 + column],
                    _ => 0.0,
                };
                found[at] == expected
            })
        };
        let all = (-2..=2).flat_map(|down| (-2..=2).map(move |right| [down, right]));
        seen.insert(all.clone().find(|by| is_shift(*by)).expect("a shift by at most 2"));
    }
    assert_eq!(seen.len(), 25, "every shift occurs");
}

#[test]
fn a_shift_beyond_the_image_leaves_black() {
    let mut image = image();
    shift(SHAPE, [5, 0], &mut image);
    assert_eq!(image, vec![0.0; 60]);
    let mut image = self::image();
    shift(SHAPE, [0, -9], &mut image);
    assert_eq!(image, vec![0.0; 60]);
}

#[test]
fn quarter_turns_are_exact() {
    let shape = ImageShape { channels: 1, height: 3, width: 3 };
    let start = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    for (degrees, expected) in [
        (90.0, [7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0]),
        (180.0, [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]),
        (-90.0, [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]),
    ] {
        let mut image = start;
        rotate(shape, degrees, 1.0, &mut image);
        assert_eq!(image, expected, "{degrees}");
    }
}

#[test]
fn twice_the_size_shows_the_middle() {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let mut image: Vec<f32> = (0..16).map(|i| i as f32).collect();
    rotate(shape, 0.0, 2.0, &mut image);
    assert_eq!(image, [5, 5, 6, 6, 5, 5, 6, 6, 9, 9, 10, 10, 9, 9, 10, 10].map(|i| i as f32));
}

#[test]
fn half_the_size_is_surrounded_by_black() {
    let shape = ImageShape { channels: 1, height: 4, width: 4 };
    let mut image = vec![1.0; 16];
    rotate(shape, 0.0, 0.5, &mut image);
    assert_eq!(image, [0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0].map(|i| i as f32));
}

#[test]
fn no_contrast_is_the_mean_brightness_and_no_saturation_is_grey() {
    let shape = ImageShape { channels: 3, height: 1, width: 2 };
    let start = [0.2, 0.4, 0.6, 0.8, 1.0, 0.0];
    let grey = |pixel: usize| 0.299 * start[pixel] + 0.587 * start[2 + pixel] + 0.114 * start[4 + pixel];
    let mut image = start;
    saturation(shape, 0.0, &mut image);
    assert_eq!(image.map(|v| (v * 1e5).round()), [0, 1, 0, 1, 0, 1].map(|pixel| (grey(pixel) * 1e5).round()));
    let mut image = start;
    contrast(shape, 0.0, &mut image);
    let mean = (grey(0) + grey(1)) / 2.0;
    assert!(image.iter().all(|value| (value - mean).abs() < 1e-6), "{image:?}");
}

#[test]
fn colours_stay_between_black_and_white() {
    let mut image: Vec<f32> = (0..60).map(|i| f32::from(u8::from(i % 7 < 3))).collect();
    for seed in 0..50 {
        parse("jitter:1").apply(SHAPE, &mut ChaCha8Rng::seed_from_u64(seed), &mut image);
        assert!(image.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

#[test]
fn the_same_seed_gives_the_same_image() {
    for augmentation in [Augmentation::neuron_alignment_cifar(), Augmentation::tiny_imagenet()] {
        let (a, again, b) = (changed(&augmentation, 3), changed(&augmentation, 3), changed(&augmentation, 4));
        assert_eq!(a, again);
        assert_ne!(a, b);
    }
}

#[test]
fn what_is_printed_is_read_back() {
    for (augmentation, text) in [
        (Augmentation::none(), "none"),
        (Augmentation::cifar(), "flip,crop:4"),
        (Augmentation::neuron_alignment_cifar(), "affine:15,flip,crop:4"),
        (Augmentation::tiny_imagenet(), "flip,crop:8,affine:30:0.8:1.2,jitter:0.25"),
    ] {
        assert_eq!(augmentation.to_string(), text);
        assert_eq!(parse(text), augmentation);
        assert_eq!(parse(&text.replace(',', " , ")), augmentation);
    }
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    for (text, part) in [
        ("", "no such change"),
        ("mirror", "no such change"),
        ("flip:1", "`flip` takes no number"),
        ("crop", "a whole number of pixels"),
        ("crop:0", "a whole number of pixels"),
        ("crop:1.5", "a whole number of pixels"),
        ("crop:-1", "numbers from 0 on"),
        ("crop:x", "numbers from 0 on"),
        ("crop:inf", "numbers from 0 on"),
        ("affine", "degrees up to 180"),
        ("affine:181", "degrees up to 180"),
        ("affine:10:0:1", "degrees up to 180"),
        ("affine:10:2:1", "degrees up to 180"),
        ("jitter:2", "a number up to 1"),
        ("flip,,crop:4", "no such change"),
    ] {
        let message = Augmentation::parse(text).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains(&format!("found `{text}`")), "{text}: {message}");
    }
}

#[test]
fn changes_must_fit_the_data_set() {
    let mut dataset = optdigits();
    parse("flip,crop:4,affine:15,jitter:0.2").check(&dataset).unwrap();
    let fails = |text: &str, dataset: &Dataset, part: &str| {
        let message = parse(text).check(dataset).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    fails("crop:8", &dataset, "the padding is as large as the images");
    dataset.shape = ImageShape { channels: 4, height: 4, width: 4 };
    fails("jitter:0.2", &dataset, "1 or 3 channels");
    dataset.shape = ImageShape::tabular(2);
    dataset.train.values = Values::Floats(vec![0.0, 1.0]);
    fails("flip", &dataset, "no images");
    Augmentation::none().check(&dataset).unwrap();
}
