//! A record of Burn, from its version on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_mode;
fuzz_target!(|data: &[u8]| {
    open_mode(&[b"NRUB", data].concat());
});
