//! How a training goes on whose networks are the members, from the command line's options.

use super::EnsembleArgs;
use crate::cli::options::UsageError;
use crate::recipe::{Collect, Continuation, ContinuationError};

/// `None` where nothing is trained.
pub(super) fn continuation(args: &EnsembleArgs) -> Result<Option<Continuation>, UsageError> {
    let mut continuation = match (args.fge, args.swa) {
        (true, _) => Continuation::fge(),
        (_, true) => Continuation::swa(),
        _ => return Ok(None),
    };
    continuation.collect = match continuation.collect {
        Collect::Fge { cycle, .. } => Collect::Fge { cycle: args.cycle.unwrap_or(cycle), lowest_rate: args.lowest_lr },
        Collect::Swa { every } => Collect::Swa { every: args.cycle.unwrap_or(every) },
    };
    continuation.descent = args.find.fit.over(continuation.descent);
    continuation.augmentation = args.augment.clone();
    continuation.check().map_err(|error| {
        let option = match error {
            ContinuationError::OddCycle { .. } => "--fge --cycle".to_owned(),
            ContinuationError::LowestRate { .. } => "--lowest-lr".to_owned(),
            ContinuationError::TooShort { found, .. } => format!("--epochs {found}"),
        };
        UsageError(format!("{option}: {error}"))
    })?;
    Ok(Some(continuation))
}
