//! Standard output is data, standard error is talk; files appear whole or not at all.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::options::JsonOptions;
use crate::checkpoint;
use crate::files;
use crate::geometry;
use crate::net::{Network, ParamVec};

/// A number as JSON; those that JSON does not have as the strings "NaN", "inf" and "-inf".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Finite(f64),
            Other(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Finite(value) => Ok(Self(value)),
            Written::Other(text) => text.parse().map(Self).map_err(de::Error::custom),
        }
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(value)
    }
}

/// Each value as a [`Number`].
pub(super) fn numbers(values: impl IntoIterator<Item = f64>) -> Vec<Number> {
    values.into_iter().map(Number).collect()
}

/// Writes to standard output. A reader that has gone away (`| head`) is no fault of ours.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("could not write to standard output"),
    }
}

/// One line to standard error, where there is nobody left to tell should that fail.
pub(super) fn say(text: &str) {
    let _told = writeln!(io::stderr().lock(), "{text}");
}

/// The JSON where it was asked for, and the table unless the JSON takes standard output.
pub(super) fn report(options: &JsonOptions, value: &impl Serialize, table: &str) -> Result<()> {
    let Some(path) = &options.json else {
        return print(table);
    };
    if path == Path::new("-") {
        return print(&to_json(value)?);
    }
    write_json(path, value)?;
    print(table)
}

/// Writes a value as a file of JSON.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    Ok(files::write_atomic(path, to_json(value)?.as_bytes())?)
}

fn to_json(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(value).context("could not write the result as JSON")?;
    text.push('\n');
    Ok(text)
}

/// Fails before the work begins if what it finds could not be saved: `-` and missing options are fine.
pub(super) fn check_targets<'a>(paths: impl IntoIterator<Item = Option<&'a PathBuf>>) -> Result<()> {
    for path in paths.into_iter().flatten() {
        if path == Path::new("-") {
            continue;
        }
        if path.is_dir() {
            bail!("expected the name of a file to save, found a folder: {}", path.display());
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(files::FileError::NoFolder { folder: folder.to_owned() }.into());
        }
    }
    Ok(())
}

/// Saves weights under the names of `network`, with what made them in the file's metadata.
pub(super) fn save_network(
    path: &Path,
    network: &Network,
    params: &ParamVec,
    made_by: &str,
    seed: Option<u64>,
) -> Result<()> {
    let mut metadata = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("lowroad.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        (COMMAND_KEY.to_owned(), made_by.to_owned()),
    ]);
    metadata.extend(seed.map(|seed| ("lowroad.seed".to_owned(), seed.to_string())));
    Ok(checkpoint::save_params(path, network, params, &metadata)?)
}

/// Saves the points that a path was worked out at, numbered from A to B: `000.safetensors`, ..., a folder that opens as a
/// trajectory. Makes the folder; a path that has none leaves nothing behind.
pub(super) fn save_corners(
    folder: &Path,
    network: &Network,
    path: &geometry::Path,
    made_by: &str,
    seed: Option<u64>,
) -> Result<()> {
    let corners = path.corners();
    if corners.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    for (index, point) in corners.into_iter().enumerate() {
        save_network(&folder.join(format!("{index:03}.safetensors")), network, point, made_by, seed)?;
    }
    Ok(())
}

/// Where a saved network's metadata says what made it.
pub(super) const COMMAND_KEY: &str = "lowroad.command";

/// Columns under their heads, right-aligned but the first; for people.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines: Vec<Vec<&str>> = vec![heads.to_vec()];
    lines.extend(rows.iter().map(|row| row.iter().map(String::as_str).collect()));
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut out = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            if column == 0 {
                out.push_str(&format!("{cell:<width$}"));
            } else {
                out.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

/// What was typed, for whoever wants the figure again.
pub(super) fn command_line() -> String {
    std::iter::once("lowroad".to_owned()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

/// The same in Markdown.
pub(super) fn markdown_table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows = rows.iter().map(|cells| format!("| {} |\n", cells.join(" | ")));
    let rule = "---:|".repeat(heads.len().saturating_sub(1));
    format!("| {} |\n|---|{rule}\n{}", heads.join(" | "), rows.collect::<String>())
}

/// A loss in nats, short.
pub(super) fn loss_text(loss: f64) -> String {
    format!("{loss:.4}")
}

/// An accuracy as percent.
pub(super) fn accuracy_text(accuracy: f64) -> String {
    format!("{:.2} %", 100.0 * accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_strings() {
        let text = serde_json::to_string(&numbers([1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY])).unwrap();
        assert_eq!(text, r#"[1.5,"NaN","inf","-inf"]"#);
        let read: Vec<Number> = serde_json::from_str(&text).unwrap();
        assert!(read[0].0 == 1.5 && read[1].0.is_nan() && read[2].0 == f64::INFINITY && read[3].0 == f64::NEG_INFINITY);
        assert!(serde_json::from_str::<Number>(r#""much""#).is_err());
    }

    #[test]
    fn numbers_are_not_rounded() {
        let value = 0.1 + 0.2;
        let text = serde_json::to_string(&Number(value)).unwrap();
        assert_eq!(text.parse::<f64>().unwrap(), value);
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let text = markdown_table(&["t", "loss"], &[vec!["0.5".to_owned(), "12.25".to_owned()]]);
        assert_eq!(text, "| t | loss |\n|---|---:|\n| 0.5 | 12.25 |\n");
        let text = table(&["t", "loss"], &[vec!["0.5".to_owned(), "12.25".to_owned()]]);
        assert_eq!(text, "t     loss\n0.5  12.25\n");
    }
}
