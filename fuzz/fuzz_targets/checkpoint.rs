//! Any file, whatever its format turns out to be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_mode;
fuzz_target!(|data: &[u8]| {
    open_mode(data);
});
