//! Tensors with hostile names and shapes, in a sound file: what the recognition of networks works on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::checkpoint::{TensorOut, to_safetensors};
use lowroad_fuzz::{named_shapes, open_mode};

/// Values that all the tensors of one file are cut from.
const ZEROS: [f32; 1 << 16] = [0.0; 1 << 16];

// One tensor a line: its name, then its dimensions, between spaces.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let lines = named_shapes(text);
    let tensors = lines.iter().filter_map(|(name, shape)| {
        let n_values = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
        Some(TensorOut { name, shape, values: ZEROS.get(..n_values)? })
    });
    if let Ok(file) = to_safetensors(&tensors.collect::<Vec<_>>(), &Default::default()) {
        open_mode(&file);
    }
});
