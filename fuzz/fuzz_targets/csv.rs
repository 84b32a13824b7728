//! A table of examples.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_data;
fuzz_target!(|data: &[u8]| {
    open_data(&[("train.csv", data)], "train.csv");
});
