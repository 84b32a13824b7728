//! Runs the program and reads what it says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// How the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `lowroad` on the CPU, in a folder of its own choice.
pub(crate) fn lowroad<A: AsRef<OsStr>>(args: &[A]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_lowroad")).args(args).output().unwrap();
    Ended {
        code: output.status.code().expect("lowroad was killed by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// The JSON on standard output of a run that must have gone well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// A run that must have failed with this code, saying all of `parts`, and nothing on standard output.
    pub(crate) fn must_fail(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        for part in parts {
            assert!(self.stderr.contains(part), "expected `{part}` in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// A file of the small PyTorch case on the embedded digits.
pub(crate) fn digits(file: &str) -> String {
    fixture().join(file).display().to_string()
}

pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/digits-case")
}

/// What the digits case was trained with.
pub(crate) const DIGITS_NORMALIZATION: &str = "0.3077/0.3773";

/// Losses of the points of a path, on the test images.
pub(crate) fn losses(path: &Value) -> Vec<f64> {
    let points = path["points"].as_array().unwrap();
    points.iter().map(|point| number(&point["test"]["loss"])).collect()
}

/// A number of the program's JSON, which has strings for those that JSON does not have.
pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}
