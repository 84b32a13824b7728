//! A checkpoint of PyTorch before 1.6, from its magic number on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_mode;
fuzz_target!(|data: &[u8]| {
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec();
    file.extend_from_slice(data);
    open_mode(&file);
});
