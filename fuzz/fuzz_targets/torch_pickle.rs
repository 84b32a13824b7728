//! The pickle of a PyTorch checkpoint, inside a sound container with storages of several sizes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::{open_mode, zip_of};
fuzz_target!(|data: &[u8]| {
    let zeros = [0; 512];
    let mut entries = vec![("a/data.pkl".to_owned(), data)];
    entries.extend((0..16).map(|key| (format!("a/data/{key}"), &zeros[..4 << (key % 8)])));
    open_mode(&zip_of(&entries));
});
