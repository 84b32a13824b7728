//! Opening a checkpoint of 50 MB: time until the network is recognised and its weights stand in order, and the most memory
//! that took.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::path::Path;

use lowroad::checkpoint::{Mode, save_params};
use lowroad::net::zoo;

/// 12.8 million weights, 51 MB.
const SIZES: [usize; 4] = [784, 4096, 2340, 10];

fn main() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("large.safetensors");
    write(&path);
    let megabytes = std::fs::metadata(&path).expect("it was just written").len() as f64 / 1e6;

    // The first opening is the one whose memory counts: later ones find freed memory to use again.
    forget_peak();
    let before = resident("VmRSS:");
    open(&path);
    let peak = resident("VmHWM:");
    let seconds = common::times(5, || open(&path));
    println!("opened {megabytes:.1} MB in {} (aim 0.3)", common::spread(&seconds));
    match (before, peak) {
        (Some(before), Some(peak)) => println!(
            "most memory while opening: {:.0} MB above what was there, {:.2} times the file (aim 2.5)",
            peak - before,
            (peak - before) / megabytes
        ),
        _ => println!("this system does not tell how much memory a process takes"),
    }
}

fn write(path: &Path) {
    let network = zoo::mlp(&SIZES, true).expect("widths are positive");
    let weights = common::random(&network, 1);
    save_params(path, &network, &weights, &Default::default()).expect("a folder that can be written");
}

fn open(path: &Path) {
    let mode = Mode::open(path).expect("a sound file");
    assert_eq!(mode.network.layout().specs().len(), 2 * (SIZES.len() - 1));
}

/// Lets Linux measure the highest use of memory anew; elsewhere nothing happens and nothing is told.
fn forget_peak() {
    let _absent_elsewhere = std::fs::write("/proc/self/clear_refs", "5");
}

/// Megabytes, by Linux's own account.
fn resident(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
