//! An ONNX model: its structure, its weights and its graph.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use lowroad_fuzz::checkpoint::onnx;
fuzz_target!(|data: &[u8]| {
    onnx::is_onnx(data);
    if let Ok(model) = onnx::parse(data, Path::new("fuzzed")) {
        assert_eq!(model.params.layout().specs().len(), model.network.layout().specs().len());
    }
});
