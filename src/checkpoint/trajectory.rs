//! A folder of checkpoints as the trajectory of one training run: its files in the order of their numbers.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Content, sniff};
use crate::files::{self, FileError};

/// The most entries of a folder that are looked at. Their order on the disk means nothing, so a folder with more is refused
/// rather than read in part.
const MAX_SCANNED: usize = 100_000;
/// The most checkpoints of one trajectory.
const MAX_LISTED: usize = 10_000;
/// As many of a file's first bytes as tell a checkpoint from other files.
const HEAD_BYTES: u64 = 64;

/// The checkpoints of one folder, found by their first bytes; none is read whole.
#[derive(Debug)]
pub struct Trajectory {
    pub folder: PathBuf,
    /// In natural order: `epoch2` before `epoch10`. Never empty.
    pub files: Vec<PathBuf>,
    /// How many more checkpoints follow after the most that are listed.
    pub n_beyond: usize,
    /// How many entries are something else: other files, folders, links (which are not followed).
    pub n_others: usize,
    /// Files that could not be looked into. They do not keep the others from opening.
    pub faults: Vec<FileError>,
}

#[derive(Debug, Error)]
pub enum TrajectoryError {
    #[error("could not list the folder ({source}): {}", path.display())]
    List { path: PathBuf, source: io::Error },
    #[error("more than {limit} entries, choose the folder of one run: {}", path.display())]
    TooManyEntries { path: PathBuf, limit: usize },
    #[error("expected checkpoints of a training run, found none among {n_others} entries{}: {}", unreadable(faults), path.display())]
    NoCheckpoints { path: PathBuf, n_others: usize, faults: Vec<FileError> },
}

fn unreadable(faults: &[FileError]) -> String {
    match faults {
        [] => String::new(),
        [first, ..] => format!(", {} could not be read ({first})", faults.len()),
    }
}

/// Lists the checkpoints that lie directly in `folder`.
pub fn trajectory(folder: &Path) -> Result<Trajectory, TrajectoryError> {
    list(folder, MAX_SCANNED, MAX_LISTED)
}

fn list(folder: &Path, max_scanned: usize, max_listed: usize) -> Result<Trajectory, TrajectoryError> {
    let list_error = |source| TrajectoryError::List { path: folder.to_owned(), source };
    let (mut found, mut n_others, mut faults) = (Vec::new(), 0, Vec::new());
    for (n_scanned, entry) in fs::read_dir(folder).map_err(list_error)?.enumerate() {
        if n_scanned == max_scanned {
            return Err(TrajectoryError::TooManyEntries { path: folder.to_owned(), limit: max_scanned });
        }
        let entry = entry.map_err(list_error)?;
        if !entry.file_type().map_err(list_error)?.is_file() {
            n_others += 1;
            continue;
        }
        match files::read_head(&entry.path(), HEAD_BYTES) {
            Ok(head) if is_checkpoint(&head) => found.push(entry.path()),
            Ok(_) => n_others += 1,
            Err(fault) => faults.push(fault),
        }
    }
    if found.is_empty() {
        return Err(TrajectoryError::NoCheckpoints { path: folder.to_owned(), n_others, faults });
    }
    found.sort_by(|a, b| natural_order(&name(a), &name(b)));
    let n_beyond = found.len().saturating_sub(max_listed);
    found.truncate(max_listed);
    Ok(Trajectory { folder: folder.to_owned(), files: found, n_beyond, n_others, faults })
}

fn is_checkpoint(head: &[u8]) -> bool {
    !matches!(sniff(head), Content::BarePickle | Content::LoneArray | Content::Unknown(_))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Compares texts with runs of digits as numbers, whatever their length; equal ones as plain texts.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (part_a, after_a) = first_run(rest_a);
        let (part_b, after_b) = first_run(rest_b);
        let order = match (number(part_a), number(part_b)) {
            // Without leading zeros the longer number is the larger one.
            (Some(x), Some(y)) => (x.len(), x).cmp(&(y.len(), y)),
            _ => part_a.cmp(part_b),
        };
        if order.is_ne() {
            return order;
        }
        if part_a.is_empty() {
            return a.cmp(b);
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
}

/// The digits, or the other characters, that `text` begins with, and what follows.
fn first_run(text: &str) -> (&str, &str) {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    text.split_at(text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len()))
}

/// The digits of a run of them, without leading zeros.
fn number(run: &str) -> Option<&str> {
    run.starts_with(|c: char| c.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

#[cfg(test)]
mod tests;
