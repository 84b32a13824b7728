//! Things the user should know, kept until dismissed.

use std::error::Error;

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
}

impl Notice {
    pub fn info(headline: impl Into<String>) -> Self {
        Self { severity: Severity::Info, headline: headline.into(), details: Vec::new() }
    }

    pub fn warning(headline: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, headline: headline.into(), details: Vec::new() }
    }

    /// An error with its causes as details.
    pub fn error(headline: impl Into<String>, error: &dyn Error) -> Self {
        let mut details = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !details.contains(&text) {
                details.push(text);
            }
            cause = error.source();
        }
        Self { severity: Severity::Error, headline: headline.into(), details }
    }

    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}
