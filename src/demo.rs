//! The embedded demo: two small networks trained on the optical digits from different seeds, by `assets/make-demo.sh`.

use std::path::Path;

use crate::checkpoint::{Mode, parse};

const MODES: [(&str, &[u8]); 2] = [
    ("demo-a.safetensors", include_bytes!("../assets/demo-a.safetensors")),
    ("demo-b.safetensors", include_bytes!("../assets/demo-b.safetensors")),
];

/// The demo's two modes.
pub fn modes() -> Vec<Mode> {
    MODES
        .iter()
        .map(|(name, bytes)| {
            let checkpoint = parse(bytes, Path::new(name)).expect("embedded files are whole");
            let mode = Mode::from_checkpoint(checkpoint).expect("embedded networks are recognised");
            Mode { path: None, ..mode }
        })
        .collect()
}
