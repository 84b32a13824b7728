//! A network's description in TOML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::net::{describe, description};
fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(network) = describe(text) {
        let again = describe(&description(&network)).expect("what is written is read");
        assert_eq!(again.layout().specs().len(), network.layout().specs().len());
    }
});
