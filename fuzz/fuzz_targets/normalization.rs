//! What is typed or passed as a normalization.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::data::Normalization;
fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        drop(Normalization::parse(text, 1));
        drop(Normalization::parse(text, 3));
    }
});
