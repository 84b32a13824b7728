//! `lowroad info`: what is in a checkpoint, and which network it is.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::open::{named_network, warn_about_batch_norm};
use super::options::{JsonOptions, NetworkOptions};
use super::output::{check_targets, report, say, table};
use crate::checkpoint::{self, Mode, ModeError};
use crate::net::Network;

/// Shows tensors, the network they make, and which of its units can be permuted
#[derive(Args, Debug)]
pub(super) struct Info {
    /// Checkpoints: safetensors, or state dicts of PyTorch
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    json: JsonOptions,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    format: String,
    tensors: Vec<TensorReport>,
    /// `None` where the tensors make no network that is known; `problem` says why.
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    parameters: usize,
    groups: Vec<GroupReport>,
    notes: Vec<String>,
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
    warn_about_batch_norm(&args.network);
    let mut reports = Vec::with_capacity(args.files.len());
    for path in &args.files {
        reports.push(inspect(path, &args.network)?);
    }
    for found in &reports {
        for note in found.problem.iter().chain(&found.notes) {
            say(&format!("note: {}: {note}", found.file));
        }
    }
    let text = reports.iter().map(describe).collect::<Vec<_>>().join("\n");
    match reports.as_slice() {
        [one] => report(&args.json, one, &text),
        all => report(&args.json, &all, &text),
    }
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
        problem: None,
        groups: Vec::new(),
        notes: found.notes.clone(),
    };
    match Mode::from_checkpoint(found) {
        Ok(mode) => {
            if let Some(wanted) = &options.network {
                let wanted = named_network(wanted)?;
                mode.params_for(&wanted)?;
            }
            file.network = Some(mode.network.name().to_owned());
            file.parameters = mode.network.layout().len();
            file.groups = groups(&mode.network);
            file.notes = mode.notes;
        }
        Err(ModeError::Recognise { source, .. }) if options.network.is_none() => {
            file.problem = Some(source.to_string());
        }
        Err(error) => return Err(error.into()),
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
        let rows: Vec<Vec<String>> = found
            .groups
            .iter()
            .map(|group| {
                let axes = group.axes.iter().map(|a| format!("{}[{}]", a.tensor, a.axis));
                vec![group.name.clone(), group.units.to_string(), axes.collect::<Vec<_>>().join(" ")]
            })
            .collect();
        text.push('\n');
        text += &table(&["group", "units", "moves together"], &rows);
    }
    text
}
