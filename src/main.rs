//! The thin binary.

use std::process::ExitCode;

use lowroad::cli::{self, WindowRequest};
use lowroad::ui::{self, WindowOptions};

fn main() -> ExitCode {
    cli::run(open_window)
}

fn open_window(request: WindowRequest) -> anyhow::Result<()> {
    let WindowRequest { files, data, normalize, device } = request;
    Ok(ui::run(WindowOptions { files, data, normalize, device })?)
}
