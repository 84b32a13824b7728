//! The thin binary.

use std::process::ExitCode;

use anyhow::bail;
use lowroad::cli::{self, WindowRequest};

fn main() -> ExitCode {
    cli::run(open_window)
}

fn open_window(_request: WindowRequest) -> anyhow::Result<()> {
    bail!("the window is not built yet: `lowroad --help` lists the commands")
}
