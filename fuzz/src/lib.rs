//! The parts of lowroad that read bytes from others, for the fuzzers.
//!
//! The modules are included by their path instead of depending on the program: they need neither its window nor its devices,
//! and an instrumented build of those would take many minutes and measure other people's code.

// Most of what these modules offer is not fuzzed.
#![allow(dead_code, unreachable_pub)]

#[path = "../../src/checkpoint/mod.rs"]
pub mod checkpoint;
#[path = "../../src/data/mod.rs"]
pub mod data;
#[path = "../../src/files.rs"]
pub mod files;
#[path = "../../src/geometry/mod.rs"]
pub mod geometry;
#[path = "../../src/matching/mod.rs"]
pub mod matching;
#[path = "../../src/net/mod.rs"]
pub mod net;

use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Reads a file as a checkpoint and, where that succeeds, as a mode.
pub fn open_mode(bytes: &[u8]) {
    if let Ok(checkpoint) = checkpoint::parse(bytes, Path::new("fuzzed")) {
        for tensor in &checkpoint.tensors {
            assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>(), "{}", tensor.name);
        }
        drop(checkpoint::Mode::from_checkpoint(checkpoint));
    }
}

/// Opens `files` in a folder of their own, or the one named `opened` of them, as a data set.
pub fn open_data(files: &[(&str, &[u8])], opened: &str) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written to");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("the temporary folder can be written to");
    }
    let path = folder.path().join(opened);
    if let Ok(dataset) = data::open(path.to_str().expect("temporary folders have plain names")) {
        for split in [&dataset.train, &dataset.test] {
            assert_eq!(split.values.len(), split.len() * dataset.shape.pixels());
            assert!(split.labels.iter().all(|&label| usize::from(label) < dataset.n_classes()));
        }
    }
}

/// Names with numbers behind them, one a line, between spaces: tensors and their dimensions.
pub fn named_shapes(text: &str) -> Vec<(&str, Vec<usize>)> {
    let named = |line| {
        let mut words = str::split(line, ' ');
        let name = words.next().unwrap_or_default();
        (name, words.filter_map(|word| word.parse().ok()).collect())
    };
    text.lines().map(named).collect()
}

/// A sound zip file of stored entries, so that what is inside is reached past the checksums.
pub fn zip_of(entries: &[(String, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, data) in entries {
        zip.start_file(name.as_str(), options).expect("the names are ours");
        zip.write_all(data).expect("memory does not fail");
    }
    zip.finish().expect("memory does not fail").into_inner()
}
