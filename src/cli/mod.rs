//! The command line: the same jobs as the window's, for scripts, servers without a display, and tests.
//!
//! One file a command. Errors end here, in [`run`]: 0 is done, 1 failed, 2 wrong usage.

mod align;
mod align_report;
mod along;
mod choices;
mod compare;
mod connectors;
mod demo;
mod ensemble;
mod families;
mod field;
mod finding;
mod fitting;
mod flow;
mod info;
mod jobs;
mod networks;
mod open;
mod options;
mod output;
mod pam;
mod path;
mod pictures;
mod plane;
mod plane_files;
mod records;
mod repair;
mod results;
mod robust;
mod score;
mod signature;
mod spread;
mod train;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::compute::DeviceChoice;
use options::{DeviceOptions, UsageError};

/// See how trained neural networks are connected: alignment, low-loss paths and loss landscapes, live.
///
/// Without a command the window opens, with the networks and data named, or with the demo.
#[derive(Parser, Debug)]
#[command(name = "lowroad", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Checkpoints and data to open in the window
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A folder of IDX files as MNIST is distributed, or `optdigits`, the embedded data set
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// Mean and standard deviation subtracted and divided by after pixels / 255, per channel: `0.1307/0.3081`
    #[arg(long, value_name = "MEAN/STD", allow_hyphen_values = true)]
    normalize: Option<String>,
    #[command(flatten)]
    device: DeviceOptions,
}

#[derive(Subcommand, Debug)]
enum Command {
    Info(info::Info),
    Align(Box<align::Align>),
    Pam(Box<pam::Pam>),
    Path(Box<path::Path>),
    Compare(Box<compare::Compare>),
    Ensemble(Box<ensemble::EnsembleArgs>),
    Plane(Box<plane::Plane>),
    Signature(Box<signature::Signature>),
    Train(Box<train::Train>),
    Tree(Box<tree::Tree>),
    Flow(flow::Flow),
    Demo(demo::Demo),
}

/// What the window is asked to open.
#[derive(Clone, Debug, Default)]
pub struct WindowRequest {
    pub files: Vec<PathBuf>,
    pub data: Option<String>,
    pub normalize: Option<String>,
    pub device: DeviceChoice,
}

/// Does what the arguments say. `open_window` is called where they name no command.
pub fn run(open_window: impl FnOnce(WindowRequest) -> anyhow::Result<()>) -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error")).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_exit(&error),
    };
    let outcome = match cli.command {
        None => open_window(WindowRequest {
            files: cli.files,
            data: cli.data,
            normalize: cli.normalize,
            device: cli.device.device,
        }),
        Some(Command::Info(args)) => info::run(&args),
        Some(Command::Align(args)) => align::run(&args),
        Some(Command::Pam(args)) => pam::run(&args),
        Some(Command::Path(args)) => path::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Ensemble(args)) => ensemble::run(&args),
        Some(Command::Plane(args)) => plane::run(&args),
        Some(Command::Signature(args)) => signature::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Tree(args)) => tree::run(&args),
        Some(Command::Flow(args)) => flow::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<UsageError>() {
            Some(usage) => usage_exit(&Cli::command().error(ErrorKind::ValueValidation, &usage.0)),
            None => {
                output::say(&error_text(&error));
                ExitCode::FAILURE
            }
        },
    }
}

/// Prints help to standard output and complaints to standard error, as clap words them.
fn usage_exit(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if this cannot be printed.
    let _printed = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// `error: ...` and its causes, each said once.
fn error_text(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            text += &format!("\n  because: {cause}");
            said = cause;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn files_without_a_command_are_for_the_window() {
        let cli = Cli::try_parse_from(["lowroad", "a.pt", "b.pt", "--data", "mnist"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.files, [PathBuf::from("a.pt"), PathBuf::from("b.pt")]);
        assert_eq!(cli.data.as_deref(), Some("mnist"));
    }

    #[test]
    fn a_cause_that_was_said_is_not_repeated() {
        let inner = anyhow::anyhow!("no such file: a.pt");
        let repeated = inner.context("could not open: no such file: a.pt").context("top");
        assert_eq!(error_text(&repeated), "error: top\n  because: could not open: no such file: a.pt");
    }
}
