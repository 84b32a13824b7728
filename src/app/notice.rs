//! Things the user should know, kept until dismissed.

use std::error::Error;
use std::path::PathBuf;

use crate::causes::causes;
use crate::checkpoint::Mends;

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// One notice: a line, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub severity: Severity,
    pub headline: String,
    pub details: Vec<String>,
    /// What the user may try where a checkpoint was not understood.
    pub remedy: Option<Remedy>,
}

/// Ways to open a checkpoint that was refused: mended, if that may help, or as a network that the user describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub path: PathBuf,
    pub mends: Vec<Mends>,
}

impl Notice {
    pub fn info(headline: impl Into<String>) -> Self {
        Self { severity: Severity::Info, headline: headline.into(), details: Vec::new(), remedy: None }
    }

    pub fn warning(headline: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, headline: headline.into(), details: Vec::new(), remedy: None }
    }

    /// An error with its causes as details.
    pub fn error(headline: impl Into<String>, error: &dyn Error) -> Self {
        Self { severity: Severity::Error, headline: headline.into(), details: causes(error), remedy: None }
    }

    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}
