//! A JSON header of its own length, with zeros for data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::open_mode;
fuzz_target!(|data: &[u8]| {
    // The first two bytes say how much data follows the header.
    let Some((n_data, header)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + usize::from(u16::from_le_bytes(*n_data)), 0);
    open_mode(&file);
});
