//! House rules, checked on the sources: arrows point inward only, and files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 600;

struct Source {
    /// Relative to `src/`, with `/`.
    path: String,
    /// Without comments.
    code: String,
    n_lines: usize,
}

/// Every Rust file below `src/`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let relative = path.strip_prefix(&root).unwrap();
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                let code = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>();
                found.push(Source { path: parts.join("/"), code: code.join("\n"), n_lines: code.len() });
            }
        }
    }
    assert!(30 < found.len(), "the sources were not found");
    found
}

/// Whether the word stands in the code by itself: `burn` is in `burn::x` and not in `burned`.
fn names(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        // A word that ends in punctuation (`burn::`) may be followed by anything.
        let ends = !word.ends_with(is_part) || !after.is_some_and(is_part);
        !before.is_some_and(is_part) && ends
    })
}

fn assert_none(folders: &[&str], words: &[&str]) {
    let mut faults = Vec::new();
    for source in sources() {
        if !folders.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for word in words {
            if names(&source.code, word) {
                faults.push(format!("src/{} names `{word}`", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_knows_no_devices_windows_channels_files_or_threads() {
    let words = ["burn::", "egui", "eframe", "wgpu", "crossbeam_channel", "std::fs", "std::thread"];
    assert_none(&["net/", "geometry/", "matching/"], &words);
}

#[test]
fn the_core_knows_nothing_of_the_rings_around_it() {
    let words = ["compute", "worker", "app", "ui", "render", "cli", "checkpoint", "data"];
    let outer: Vec<String> = words.iter().map(|word| format!("crate::{word}")).collect();
    let outer: Vec<&str> = outer.iter().map(String::as_str).collect();
    assert_none(&["net/", "geometry/", "matching/"], &outer);
}

#[test]
fn only_compute_names_burn() {
    let faults: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.path.starts_with("compute/") && names(&source.code, "burn::"))
        .map(|source| source.path)
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_window_holds_no_lock_and_sends_nothing() {
    assert_none(&["ui/"], &["Sender", "Mutex", "RwLock"]);
}

#[test]
fn the_document_knows_no_toolkit() {
    assert_none(&["app/"], &["egui", "eframe", "wgpu", "burn::"]);
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|source| MOST_LINES < source.n_lines)
        .map(|source| format!("src/{}: {} lines", source.path, source.n_lines))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    let drawers = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "types.rs", "misc.rs"];
    for source in sources() {
        let name = source.path.rsplit('/').next().unwrap();
        assert!(!drawers.contains(&name), "src/{}", source.path);
    }
}

#[test]
fn words_are_found_only_by_themselves() {
    assert!(names("use burn::tensor", "burn"));
    assert!(!names("burned, sunburn, burn_in", "burn"));
}
