//! `lowroad info`: what is in a checkpoint, and which network it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::networks::open_alone;
use super::options::{JsonOptions, NetworkOptions};
use super::output::{check_targets, report, say, table};
use crate::checkpoint::{self, ModeError};
use crate::compute::{Engine, verify_groups};
use crate::net::Network;

/// Rows are wrapped at this width, in characters.
const TEXT_WIDTH: usize = 100;

/// Shows tensors, the network they make, and which of its units can be permuted
#[derive(Args, Debug)]
pub(super) struct Info {
    /// Checkpoints (safetensors, state dicts of PyTorch, ...), or folders of the checkpoints of one training run
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    json: JsonOptions,
}

/// What is said of one argument.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    File(Box<FileReport>),
    Folder(Box<FolderReport>),
}

/// A trajectory: the checkpoints of one run.
#[derive(Serialize)]
struct FolderReport {
    folder: String,
    /// Names of the files, in order.
    checkpoints: Vec<String>,
    /// The last of them.
    last: FileReport,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    format: String,
    tensors: Vec<TensorReport>,
    /// `None` where the tensors make no network that is known; `problem` says why.
    network: Option<String>,
    /// Other networks that names and shapes cannot tell from it.
    also_fits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    parameters: usize,
    groups: Vec<GroupReport>,
    /// Why some units may change places only among some others.
    restrictions: Vec<String>,
    /// What moving the units of all groups at random did to the logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckReport>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct CheckReport {
    holds: bool,
    max_logit_difference: f64,
    largest_logit: f64,
    /// Groups that change the logits when only their units are moved.
    failed: Vec<String>,
}

#[derive(Serialize)]
struct TensorReport {
    name: String,
    shape: Vec<usize>,
    dtype: String,
}

#[derive(Serialize)]
struct GroupReport {
    name: String,
    units: usize,
    axes: Vec<AxisReport>,
}

#[derive(Serialize)]
struct AxisReport {
    tensor: String,
    axis: usize,
}

pub(super) fn run(args: &Info) -> Result<()> {
    check_targets([args.json.json.as_ref()])?;
    let mut reports = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let found = if path.is_dir() {
            Found::Folder(Box::new(inspect_folder(path, &args.network)?))
        } else {
            Found::File(Box::new(inspect(path, &args.network)?))
        };
        found.say_notes();
        reports.push(found);
    }
    let text = reports.iter().map(Found::describe).collect::<Vec<_>>().join("\n");
    match reports.as_slice() {
        [one] => report(&args.json, one, &text),
        all => report(&args.json, &all, &text),
    }
}

impl Found {
    fn say_notes(&self) {
        let file = match self {
            Self::File(file) => file,
            Self::Folder(found) => {
                for note in &found.notes {
                    say(&format!("note: {}: {note}", found.folder));
                }
                &found.last
            }
        };
        for note in file.problem.iter().chain(&file.notes) {
            say(&format!("note: {}: {note}", file.file));
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::File(file) => describe(file),
            Self::Folder(report) => {
                let FolderReport { folder, checkpoints, last, .. } = &**report;
                let between = checkpoints.first().zip(checkpoints.last()).map(|(a, b)| format!("{a} to {b}"));
                let (n, between) = (checkpoints.len(), between.unwrap_or_default());
                format!("{folder}\n  checkpoints  {n}, {between}; the last one:\n\n{}", describe(last))
            }
        }
    }
}

/// The checkpoints of a run in their order, and the last of them in full.
fn inspect_folder(path: &Path, options: &NetworkOptions) -> Result<FolderReport> {
    let found = checkpoint::trajectory(path)?;
    let last = found.files.last().context("internal error: a trajectory without checkpoints")?;
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut notes: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    for (n, what) in
        [(found.n_others, "of its entries are no checkpoints"), (found.n_beyond, "more checkpoints follow")]
    {
        if 0 < n {
            notes.push(format!("{n} {what}"));
        }
    }
    Ok(FolderReport {
        folder: path.display().to_string(),
        checkpoints: found.files.iter().map(name).collect(),
        last: inspect(last, options)?,
        notes,
    })
}

/// A file whose tensors make no known network is still worth a list of them.
fn inspect(path: &Path, options: &NetworkOptions) -> Result<FileReport> {
    let found = checkpoint::read(path)?;
    let tensors: Vec<TensorReport> = found
        .tensors
        .iter()
        .map(|t| TensorReport { name: t.name.clone(), shape: t.shape.clone(), dtype: t.dtype.to_string() })
        .collect();
    let mut file = FileReport {
        file: path.display().to_string(),
        format: found.format.to_string(),
        parameters: found.tensors.iter().map(|t| t.values.len()).sum(),
        tensors,
        network: None,
        also_fits: Vec::new(),
        problem: None,
        groups: Vec::new(),
        restrictions: Vec::new(),
        check: None,
        notes: found.notes.clone(),
    };
    match open_alone(path, options) {
        Ok(mode) => {
            file.network = Some(mode.network.name().to_owned());
            file.parameters = mode.network.layout().n_trained();
            file.groups = groups(&mode.network);
            file.restrictions = mode.network.restrictions();
            let check = verify_groups(&Engine::cpu(), &mode.network, &mode.params)?;
            file.check = Some(CheckReport {
                holds: check.holds(),
                max_logit_difference: check.seal.max_logit_difference,
                largest_logit: check.seal.largest_logit,
                failed: check.failed,
            });
            file.also_fits = mode.others.iter().map(|other| other.network.name().to_owned()).collect();
            file.notes = mode.notes;
        }
        Err(error) => match error.downcast::<ModeError>()? {
            ModeError::Recognise { source, .. } if options.network.is_none() => {
                file.problem = Some(source.to_string());
            }
            error => return Err(error.into()),
        },
    }
    Ok(file)
}

fn groups(network: &Network) -> Vec<GroupReport> {
    let group_report = |group: &crate::net::PermutationGroup| GroupReport {
        name: group.name.clone(),
        units: group.n_units,
        axes: group
            .axes
            .iter()
            .map(|axis_use| AxisReport {
                tensor: network.layout().spec(axis_use.param).name.clone(),
                axis: axis_use.axis,
            })
            .collect(),
    };
    network.groups().iter().map(group_report).collect()
}

fn describe(found: &FileReport) -> String {
    let network = found.network.as_deref().unwrap_or("not recognised");
    let mut text = format!(
        "{}\n  format      {}\n  network     {network}\n  parameters  {}\n\n",
        found.file, found.format, found.parameters
    );
    let rows: Vec<Vec<String>> =
        found.tensors.iter().map(|t| vec![t.name.clone(), format!("{:?}", t.shape), t.dtype.clone()]).collect();
    text += &table(&["tensor", "shape", "type"], &rows);
    if !found.groups.is_empty() {
        text += &group_rows(&found.groups);
    }
    for restriction in &found.restrictions {
        text += &format!("  {restriction}\n");
    }
    if let Some(check) = &found.check {
        text += &if check.holds {
            format!("\nall units moved at random: the logits stay, to {:.1e}\n", check.max_logit_difference)
        } else {
            let which = if check.failed.is_empty() { "only all together".to_owned() } else { check.failed.join(", ") };
            format!("\nMOVING UNITS CHANGES THE LOGITS by {:.1e}: {which}\n", check.max_logit_difference)
        };
    }
    text
}

/// One row a group, wrapped: a residual network's groups reach through many tensors.
fn group_rows(groups: &[GroupReport]) -> String {
    let width = groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0).max("group".len());
    let mut text = format!("\n{:<width$}  units  moves together\n", "group");
    let indent = width + "  units  ".len();
    for group in groups {
        let mut line = format!("{:<width$}  {:>5} ", group.name, group.units);
        for axis in &group.axes {
            let word = format!(" {}[{}]", axis.tensor, axis.axis);
            if TEXT_WIDTH < line.chars().count() + word.chars().count() && indent < line.chars().count() {
                text += &format!("{line}\n");
                line = " ".repeat(indent - 1);
            }
            line += &word;
        }
        text += &format!("{line}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_groups_are_wrapped_under_their_column() {
        let axis = |index: usize| AxisReport { tensor: format!("layer{index}.conv1.weight"), axis: 0 };
        let group = GroupReport { name: "stem".to_owned(), units: 16, axes: (0..20).map(axis).collect() };
        let text = group_rows(&[group]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(1 < lines.len() && lines.iter().all(|line| line.len() <= TEXT_WIDTH), "{text}");
        let column = text.lines().nth(1).unwrap().find("moves").unwrap();
        assert!(
            lines.iter().all(|line| line[..column].ends_with(' ') && line[column..].starts_with("layer")),
            "{text}"
        );
        let n_axes: usize = lines.iter().map(|line| line.matches("[0]").count()).sum();
        assert_eq!(n_axes, 20);
    }
}
