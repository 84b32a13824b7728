//! Tables: CSV files of numbers with a column of labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::holdout::{self, hold_out};
use super::{DataError, Dataset, ImageShape, Split, Values};
use crate::files;

/// The largest file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// More different labels than this are measurements, not classes.
const MAX_CLASSES: usize = 1_000;
/// Names of a label column; without one of them the last column holds the labels.
const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Opens one file, a fifth of which is held out as test examples.
pub(super) fn open_file(path: &Path) -> Result<Dataset, DataError> {
    let table = Table::read(path)?;
    let (class_names, notes) = classes([&table])?;
    let all = table.split(&class_names);
    let [train, test] = hold_out(&all, table.n_features);
    let notes = notes.into_iter().chain([holdout::NOTE.to_owned()]).collect();
    Ok(dataset(path, table.n_features, class_names, [train, test], notes))
}

/// Opens a file of training and a file of test examples.
pub(super) fn open_pair(train: &Path, test: &Path) -> Result<Dataset, DataError> {
    let [train_table, test_table] = [Table::read(train)?, Table::read(test)?];
    let n_features = train_table.n_features;
    if test_table.n_features != n_features {
        let [train, found] = [n_features, test_table.n_features].map(ImageShape::tabular);
        return Err(DataError::Shapes { path: test.to_owned(), train, test: found });
    }
    let (class_names, notes) = classes([&train_table, &test_table])?;
    let splits = [&train_table, &test_table].map(|table| table.split(&class_names));
    let folder = train.parent().unwrap_or(train);
    Ok(dataset(folder, n_features, class_names, splits, notes))
}

fn dataset(
    path: &Path,
    n_features: usize,
    class_names: Vec<String>,
    splits: [Split; 2],
    notes: Vec<String>,
) -> Dataset {
    let [train, test] = splits;
    Dataset {
        name: path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        source: path.display().to_string(),
        shape: ImageShape::tabular(n_features),
        max_value: u8::MAX,
        class_names,
        train,
        test,
        notes,
    }
}

/// A file's features and the texts of its labels.
struct Table {
    path: PathBuf,
    n_features: usize,
    /// `[n, n_features]`
    features: Vec<f32>,
    /// `[n]`
    labels: Vec<String>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, DataError> {
        Self::parse(&files::read_limited(path, MAX_FILE_BYTES)?, path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, DataError> {
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(bytes))
            .trim(csv::Trim::All)
            .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let mut table = Self { path: path.to_owned(), n_features: 0, features: Vec::new(), labels: Vec::new() };
        let mut columns: Option<Columns> = None;
        let mut row = csv::ByteRecord::new();
        loop {
            let has_row =
                rows.read_byte_record(&mut row).map_err(|source| DataError::Csv { path: path.to_owned(), source })?;
            if !has_row {
                break;
            }
            let line = row.position().map_or(0, csv::Position::line);
            let Some(columns) = &columns else {
                let (found, is_header) = Columns::of_first_row(&row);
                if found.n < 2 {
                    return Err(DataError::OneColumn { path: path.to_owned() });
                }
                table.n_features = found.n - 1;
                if !is_header {
                    table.push(&row, line, &found)?;
                }
                columns = Some(found);
                continue;
            };
            table.push(&row, line, columns)?;
        }
        if table.labels.is_empty() {
            return Err(DataError::NoExamples { path: path.to_owned() });
        }
        Ok(table)
    }

    fn push(&mut self, row: &csv::ByteRecord, line: u64, columns: &Columns) -> Result<(), DataError> {
        if row.len() != columns.n {
            return Err(DataError::Columns { path: self.path.clone(), line, expected: columns.n, found: row.len() });
        }
        for (index, field) in row.iter().enumerate() {
            let bad_cell = |expected| DataError::Cell {
                path: self.path.clone(),
                line,
                column: columns.name(index),
                expected,
                found: shown(field),
            };
            if index == columns.label {
                let label = str::from_utf8(field).ok().filter(|label| !label.is_empty());
                self.labels.push(label.ok_or_else(|| bad_cell("a label"))?.to_owned());
            } else {
                let number = number(field).filter(|number| number.is_finite());
                self.features.push(number.ok_or_else(|| bad_cell("a finite number"))?);
            }
        }
        Ok(())
    }

    /// The examples, with the place of each label among the classes.
    fn split(&self, class_names: &[String]) -> Split {
        let places: BTreeMap<&str, u16> = class_names.iter().map(String::as_str).zip(0_u16..).collect();
        let labels = self.labels.iter().map(|label| places[canonical(label).as_str()]).collect();
        Split { values: Values::Floats(self.features.clone()), labels }
    }
}

/// The columns of a file.
struct Columns {
    n: usize,
    label: usize,
    /// Empty without a header.
    names: Vec<String>,
}

impl Columns {
    /// The first row names the columns if it has no number; otherwise it is an example.
    fn of_first_row(row: &csv::ByteRecord) -> (Self, bool) {
        let is_header = row.iter().all(|field| number(field).is_none());
        let names: Vec<String> = if is_header { row.iter().map(shown).collect() } else { Vec::new() };
        let is_label = |name: &String| LABEL_NAMES.contains(&name.to_ascii_lowercase().as_str());
        let label = names.iter().position(is_label).unwrap_or(row.len().saturating_sub(1));
        (Self { n: row.len(), label, names }, is_header)
    }

    fn name(&self, index: usize) -> String {
        self.names.get(index).map_or_else(|| (index + 1).to_string(), |name| format!("{} (`{name}`)", index + 1))
    }
}

/// The classes of some tables, in the order of their labels. Whole numbers from 0 on are taken as they are, even if some
/// do not occur: a network has an output for them. Anything else is sorted.
fn classes<const N: usize>(tables: [&Table; N]) -> Result<(Vec<String>, Vec<String>), DataError> {
    let labels: BTreeSet<String> =
        tables.iter().flat_map(|table| &table.labels).map(|label| canonical(label)).collect();
    let whole: Option<BTreeSet<i64>> = labels.iter().map(|label| label.parse().ok()).collect();
    let too_many = |found| DataError::TooManyClasses { path: tables[0].path.clone(), found, limit: MAX_CLASSES };
    if labels.len() > MAX_CLASSES {
        return Err(too_many(labels.len()));
    }
    let Some(whole) = whole else {
        return Ok((labels.into_iter().collect(), Vec::new()));
    };
    if let (Some(0), Some(&largest)) = (whole.first(), whole.last()) {
        let n = usize::try_from(largest).unwrap_or(usize::MAX).saturating_add(1);
        if n > MAX_CLASSES {
            return Err(too_many(n));
        }
        return Ok(((0..n).map(|class| class.to_string()).collect(), Vec::new()));
    }
    let first = whole.first().copied().unwrap_or_default();
    let note = format!("labels start at {first}: they are counted from 0 in their order");
    Ok((whole.into_iter().map(|class| class.to_string()).collect(), vec![note]))
}

/// Whole numbers as they are usually written: `3` for `3.0` and `03`.
fn canonical(label: &str) -> String {
    match label.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => (number as i64).to_string(),
        _ => label.to_owned(),
    }
}

fn number(field: &[u8]) -> Option<f32> {
    str::from_utf8(field).ok()?.parse().ok()
}

/// The separator that occurs most often in the first line.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    // Of equals the first.
    SEPARATORS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

fn shown(field: &[u8]) -> String {
    const SHOWN_CHARS: usize = 40;
    String::from_utf8_lossy(field).chars().take(SHOWN_CHARS).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests;
