//! The thin binary.
fn main() {
    env_logger::init();
    let files: Vec<std::path::PathBuf> = std::env::args().skip(1).map(Into::into).collect();
    let data = (!files.is_empty()).then(|| std::env::var("D").unwrap_or_default());
    if let Err(e) = lowroad::ui::run(lowroad::ui::WindowOptions { files, data, normalize: std::env::var("N").ok(), ..Default::default() }) {
        log::error!("{e}");
        std::process::exit(2);
    }
}
