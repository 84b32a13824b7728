//! One array inside a sound `.npz`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::{checkpoint, zip_of};
fuzz_target!(|data: &[u8]| {
    let file = zip_of(&[("w.npy".to_owned(), data)]);
    for array in checkpoint::npz::arrays(&file, Path::new("fuzzed")).unwrap_or_default() {
        let n: usize = array.shape.iter().product();
        assert_eq!(array.bytes.len(), n * array.dtype.size());
    }
});
