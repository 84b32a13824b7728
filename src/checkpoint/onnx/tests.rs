use std::path::Path;

use super::*;
use crate::net::reference;

#[derive(serde::Deserialize)]
struct Case {
    input: Vec<f32>,
    logits: Vec<f64>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx")
}

fn cases() -> std::collections::BTreeMap<String, Vec<Case>> {
    serde_json::from_slice(&std::fs::read(folder().join("logits.json")).unwrap()).unwrap()
}

/// All fixtures.
pub(super) fn names() -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let models = files.filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
}

pub(super) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

#[test]
fn every_exported_network_gives_the_logits_of_pytorch() {
    let mut failures = Vec::new();
    for (name, cases) in cases() {
        let bytes = bytes(&name);
        assert!(is_onnx(&bytes), "{name}");
        match parse(&bytes, Path::new(&name)) {
            Err(error) => failures.push(error.to_string()),
            Ok(OnnxModel { network, params, .. }) => {
                for case in cases {
                    let found = reference::logits(&network, &params, &case.input);
                    assert_eq!(found.len(), case.logits.len(), "{name}");
                    let worst = found.iter().zip(&case.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    if 1e-5 < worst || worst.is_nan() {
                        failures.push(format!("{name}: logits differ by {worst}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn files_cut_short_are_refused() {
    for name in names() {
        let bytes = bytes(&name);
        let stride = if bytes.len() < 1000 { 1 } else { 7 };
        for length in (0..bytes.len()).step_by(stride) {
            // A cut between two fields leaves well-formed protobuf; without its operator set or graph it is refused too.
            is_onnx(&bytes[..length]);
            let message = parse(&bytes[..length], Path::new(&name)).map(|_| ()).unwrap_err().to_string();
            assert!(message.contains(&name), "{name} cut to {length} bytes: {message}");
        }
    }
}

#[test]
fn flipped_bits_give_errors_or_networks_but_no_panic() {
    for name in ["by_hand", "matmul_mlp_17", "branches_dynamo_18", "norms_17", "smooth_13"] {
        let original = bytes(name);
        for at in 0..original.len() {
            for bit in [0, 3, 7] {
                let mut bytes = original.clone();
                bytes[at] ^= 1 << bit;
                let _ = parse(&bytes, Path::new(name));
            }
        }
    }
}

#[test]
fn other_files_are_no_onnx_models() {
    for bytes in [&b""[..], b"\x08", b"\x08\x07", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x08\x07\xff\xff\xff"] {
        assert!(!is_onnx(bytes), "{bytes:?}");
    }
}
