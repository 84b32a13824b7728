//! Options whose values come from the tables of [`crate::matching::Choice`].

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::matching::Choice;

/// Reads the name of a choice; help lists them all, a line each.
pub(super) fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    // The parser lets no other name through.
    PossibleValuesParser::new(possible_values::<T>()).try_map(|name| T::from_name(&name).ok_or("no such choice"))
}

/// A line of help for each choice.
pub(super) fn possible_values<T: Choice>() -> Vec<PossibleValue> {
    T::ALL.iter().map(|choice| PossibleValue::new(choice.name()).help(help(*choice))).collect()
}

fn help(choice: impl Choice) -> String {
    let entry = choice.entry();
    match entry.source {
        "" => entry.explanation.to_owned(),
        source => format!("{} ({source})", entry.explanation),
    }
}
