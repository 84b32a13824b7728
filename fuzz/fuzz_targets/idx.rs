//! Images and labels of MNIST, plain or compressed.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::data::{parse_idx_images, parse_idx_labels};
fuzz_target!(|data: &[u8]| {
    if let Ok(images) = parse_idx_images(data, Path::new("fuzzed")) {
        assert_eq!(images.pixels.len(), images.n * images.shape.pixels());
    }
    drop(parse_idx_labels(data, Path::new("fuzzed")));
});
