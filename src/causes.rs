//! Errors as lines of text.

use std::error::Error;

/// An error and what caused it, a line each; a cause that a line above tells already is left out.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !lines.iter().any(|line| line.contains(&text)) {
            lines.push(text);
        }
        cause = error.source();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error("the file ends after 3 bytes")]
        Short,
        #[error("x.bin: {0}")]
        Named(#[source] Box<Self>),
        #[error("nothing was opened")]
        Nothing(#[source] Box<Self>),
    }

    #[test]
    fn a_cause_is_told_once() {
        let named = Fault::Named(Box::new(Fault::Short));
        assert_eq!(causes(&named), ["x.bin: the file ends after 3 bytes"]);
        let nothing = Fault::Nothing(Box::new(named));
        assert_eq!(causes(&nothing), ["nothing was opened", "x.bin: the file ends after 3 bytes"]);
    }
}
