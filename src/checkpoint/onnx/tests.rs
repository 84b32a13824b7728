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

fn bytes(name: &str) -> Vec<u8> {
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
    for name in ["by_hand", "matmul_mlp_17", "smooth_dynamo_21", "norms_17"] {
        let bytes = bytes(name);
        for length in 0..bytes.len() {
            // A cut between two fields leaves well-formed protobuf; without its operator set or graph it is refused too.
            let _ = is_onnx(&bytes[..length]);
            assert!(parse(&bytes[..length], Path::new(name)).is_err(), "{name} cut to {length} bytes");
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
