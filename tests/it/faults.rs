//! Bad files, bad data, full disks: a clear message, nothing lost, never a crash.

use std::fs;
use std::path::Path;

use lowroad::checkpoint::{Mode, save_params};

use crate::program::{digits, losses, lowroad, number};

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

/// One image of one pixel row each, with these labels, as IDX files.
fn write_idx(folder: &Path, side: u32, labels: &[u8]) {
    for split in ["train", "t10k"] {
        let mut images = vec![0, 0, 8, 3];
        for size in [labels.len() as u32, side, side] {
            images.extend(size.to_be_bytes());
        }
        images.extend(vec![7_u8; labels.len() * (side * side) as usize]);
        fs::write(folder.join(format!("{split}-images-idx3-ubyte")), images).unwrap();
        let mut bytes = vec![0, 0, 8, 1];
        bytes.extend((labels.len() as u32).to_be_bytes());
        bytes.extend(labels);
        fs::write(folder.join(format!("{split}-labels-idx1-ubyte")), bytes).unwrap();
    }
}

/// A copy of the digits case's A with one weight replaced.
fn with_weight(to: &Path, weight: f32) {
    let mode = Mode::open(Path::new(&digits("a.safetensors"))).unwrap();
    let mut params = (*mode.params).clone();
    params.values_mut()[7] = weight;
    save_params(to, &mode.network, &params, &Default::default()).unwrap();
}

#[test]
fn files_that_are_not_there_are_named() {
    lowroad(&["info", "no/such/file.pt"]).must_fail(1, &["no such file", "no/such/file.pt"]);
    let a = digits("a.pt");
    lowroad(&["path", &a, &a, "--data", "no/such/folder"]).must_fail(1, &["no/such/folder", "optdigits"]);
}

#[test]
fn truncated_files_fail_at_every_length_without_a_crash() {
    for name in ["a.safetensors", "a.pt"] {
        let bytes = fs::read(digits(name)).unwrap();
        for length in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
            let outcome = lowroad::checkpoint::parse(&bytes[..length], Path::new("cut"));
            let error = outcome.map(|_| ()).expect_err("a truncated file was read");
            assert!(error.to_string().contains("cut"), "{error}");
        }
    }
    let folder = temporary();
    let cut = folder.path().join("cut.safetensors");
    let bytes = fs::read(digits("a.safetensors")).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    lowroad(&["info", &text_of(&cut)]).must_fail(1, &["cut.safetensors", "4464", "8928"]);
}

#[test]
fn weights_that_are_not_finite_are_evaluated_and_shown() {
    let folder = temporary();
    let bad = folder.path().join("nan.safetensors");
    with_weight(&bad, f32::NAN);
    let (bad, b) = (text_of(&bad), digits("b.pt"));
    let info = lowroad(&["info", &bad, "--json", "-"]);
    assert!(info.stderr.contains("1 weights are NaN"), "{}", info.stderr);
    let args = ["path", &bad, &b, "--family", "linear", "--points", "3", "--device", "cpu", "--json", "-"];
    let found = lowroad(&args).json();
    assert_eq!(found["points"][0]["test"]["loss"], "NaN");
    assert_eq!(found["points"][1]["test"]["loss"], "NaN");
    assert_eq!(found["summary"]["test"]["barrier"], "NaN");
    assert_eq!(number(&found["points"][0]["test"]["accuracy"]), 0.0);
    let plane = ["plane", &bad, &b, &digits("c.pt"), "--device", "cpu"];
    lowroad(&plane).must_fail(1, &["nan.safetensors", "NaN or infinite"]);
    let align = ["align", &bad, &b, "--samples", "100", "--device", "cpu", "--json", "-"];
    let aligned = lowroad(&align);
    assert!(aligned.stderr.contains("NaN or infinite"), "{}", aligned.stderr);
    aligned.json();
}

#[test]
fn a_broken_end_does_not_spoil_the_sound_one() {
    let folder = temporary();
    let bad = folder.path().join("nan.safetensors");
    with_weight(&bad, f32::NAN);
    let (bad, b) = (text_of(&bad), digits("b.pt"));
    let args = ["path", &bad, &b, "--family", "linear", "--points", "3", "--device", "cpu", "--json", "-"];
    let broken = losses(&lowroad(&args).json());
    let args = ["path", &b, &b, "--family", "linear", "--points", "2", "--device", "cpu", "--json", "-"];
    let sound = losses(&lowroad(&args).json());
    assert!(broken[0].is_nan() && broken[1].is_nan(), "{broken:?}");
    assert!((broken[2] - sound[0]).abs() < 1e-6 * sound[0], "{broken:?} {sound:?}");
}

#[test]
fn infinite_losses_are_strings_that_say_so() {
    let folder = temporary();
    let bad = folder.path().join("huge.safetensors");
    with_weight(&bad, f32::INFINITY);
    let bad = text_of(&bad);
    let args = ["path", &bad, &bad, "--family", "linear", "--points", "2", "--device", "cpu", "--json", "-"];
    let found = lowroad(&args).json();
    assert!(!number(&found["points"][0]["test"]["loss"]).is_finite());
}

#[test]
fn networks_of_different_shapes_are_refused_with_both_files() {
    let folder = temporary();
    let other = text_of(&folder.path().join("other.safetensors"));
    let train =
        ["train", "--network", "64-12-10", "--epochs", "0", "--limit", "100", "--device", "cpu", "--out", &other];
    assert_eq!(lowroad(&train).code, 0);
    let a = digits("a.pt");
    let parts = ["a.pt", "other.safetensors", "mlp 64-24-16-10", "mlp 64-12-10", "[24, 64]", "[12, 64]"];
    lowroad(&["path", &a, &other]).must_fail(1, &parts);
    lowroad(&["path", &a, &a, "--network", "64-12-10"]).must_fail(1, &["a.pt", "[12, 64]", "[24, 64]"]);
    lowroad(&["path", &a, &a, "--bends", &other]).must_fail(1, &["a.pt", "other.safetensors"]);
}

#[test]
fn data_that_does_not_fit_is_refused_with_both_sizes() {
    let folder = temporary();
    let (a, data) = (digits("a.pt"), text_of(folder.path()));
    write_idx(folder.path(), 8, &[3, 12]);
    lowroad(&["path", &a, &a, "--data", &data]).must_fail(1, &["13 outputs", "10 outputs", "a.pt"]);
    write_idx(folder.path(), 9, &[3, 2]);
    lowroad(&["path", &a, &a, "--data", &data]).must_fail(1, &["81 inputs", "64 inputs", "a.pt"]);
}

#[test]
fn an_empty_data_folder_says_what_it_lacks() {
    let folder = temporary();
    let a = digits("a.pt");
    let parts = ["train-images-idx3-ubyte", "an empty folder", &text_of(folder.path())];
    lowroad(&["path", &a, &a, "--data", &text_of(folder.path())]).must_fail(1, &parts);
}

#[test]
fn places_that_cannot_be_saved_to_are_refused_before_the_work() {
    let folder = temporary();
    let a = digits("a.pt");
    let nowhere = text_of(&folder.path().join("missing/out.json"));
    let refused = lowroad(&["path", &a, &a, "--json", &nowhere]);
    refused.must_fail(1, &["does not exist", "missing"]);
    let here = text_of(folder.path());
    lowroad(&["path", &a, &a, "--json", &here]).must_fail(1, &["found a folder", &here]);
}

/// A limit on the size of files stands in for a full disk: writing fails half-way with an error from the system.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = temporary();
    let out = folder.path().join("net.safetensors");
    fs::write(&out, "precious").unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' train --network 64-40-10 --epochs 0 --limit 10 --device cpu --out '{}'",
        env!("CARGO_BIN_EXE_lowroad"),
        out.display()
    );
    let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("could not save") && stderr.contains("net.safetensors"), "{stderr}");
    assert_eq!(fs::read_to_string(&out).unwrap(), "precious");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no half-written file is left behind");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_a_failure_and_a_closed_one_is_not() {
    let run = |stdout: std::process::Stdio| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lowroad"));
        command.args(["info", &digits("a.pt")]).stdout(stdout).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = run(full.into()).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("standard output"));

    let mut child = run(std::process::Stdio::piped());
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = temporary();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o000)).unwrap();
    let may_read_anyway = fs::read_dir(folder.path()).is_ok();
    let a = digits("a.pt");
    let ended = lowroad(&["path", &a, &a, "--data", &text_of(folder.path())]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if may_read_anyway {
        eprintln!("skipped: this user may read every folder");
        return;
    }
    ended.must_fail(1, &["could not list the folder", &text_of(folder.path())]);
}

#[test]
fn without_a_display_the_program_says_what_works_instead() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_lowroad"));
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        program.env_remove(name);
    }
    let output = program.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["no display", "expected", "found", "lowroad demo --out"] {
        assert!(said.contains(part), "expected `{part}` in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}
