//! What is kept and written of runs between several networks: options that `compare` and `pam` share.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::pictures::{figure_file, save_figure};
use super::records::Records;
use crate::files;

#[derive(Args, Debug)]
pub(super) struct ResultOptions {
    /// Keeps each finished run in a folder, which is made if need be, and takes those of the same inputs that are there
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Writes the table as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draws loss and accuracy along t, as .svg or .png: over several runs, their means
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    figure: Option<PathBuf>,
    /// Draws how fast the mean loss changes along t, by wavenumber, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = figure_file)]
    spectrum: Option<PathBuf>,
}

impl ResultOptions {
    /// The files to be written.
    pub(super) fn targets(&self) -> [Option<&PathBuf>; 3] {
        [&self.markdown, &self.figure, &self.spectrum].map(Option::as_ref)
    }

    /// The folder of finished runs, if there is to be one.
    pub(super) fn records(&self) -> Result<Option<Records>> {
        self.resume.as_deref().map(Records::open).transpose()
    }

    /// Writes what is wanted; figures are drawn as SVG.
    pub(super) fn save(
        &self,
        markdown: impl FnOnce() -> String,
        figure: impl FnOnce() -> Result<String>,
        spectrum: impl FnOnce() -> Result<String>,
    ) -> Result<()> {
        if let Some(path) = &self.markdown {
            files::write_atomic(path, markdown().as_bytes())?;
        }
        if let Some(path) = &self.figure {
            save_figure(path, &figure()?)?;
        }
        if let Some(path) = &self.spectrum {
            save_figure(path, &spectrum()?)?;
        }
        Ok(())
    }
}
