//! The thin binary.

use std::process::ExitCode;

use lowroad::cli::{self, WindowRequest};
use lowroad::ui::{self, WindowOptions};

fn main() -> ExitCode {
    cli::run(open_window)
}

fn open_window(request: WindowRequest) -> anyhow::Result<()> {
    let WindowRequest { files, data, normalize, device } = request;
    let places = directories::ProjectDirs::from("", "", "lowroad");
    let keep_trainings = places.map(|places| places.cache_dir().join("trainings"));
    Ok(ui::run(WindowOptions { files, data, normalize, device, keep_trainings })?)
}
