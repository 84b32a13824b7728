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
