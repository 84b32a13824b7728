//! A batch of CIFAR's Python version.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::checkpoint::read_pickled_dict;
fuzz_target!(|data: &[u8]| {
    if let Ok(batch) = read_pickled_dict(data, Path::new("fuzzed")) {
        batch.found();
        if let Some((shape, bytes)) = batch.array_u8("data") {
            assert_eq!(bytes.len(), shape.iter().product::<usize>());
        }
    }
});
