//! `lowroad info`: what is in a checkpoint, and which network it is.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::open::named_network;
use super::options::{JsonOptions, NetworkOptions};
use super::output::{check_targets, report, say, table};
use crate::checkpoint::{self, Mode, ModeError};
use crate::compute::{Engine, verify_groups};
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
        restrictions: Vec::new(),
        check: None,
        notes: found.notes.clone(),
    };
    match Mode::from_checkpoint(found) {
        Ok(mode) => {
            if let Some(wanted) = &options.network {
                let wanted = named_network(wanted)?;
                mode.params_for(&wanted)?;
            }
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
