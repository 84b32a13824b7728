//! When a path that is being found is worth showing again.

use std::time::{Duration, Instant};

/// A picture of a path takes a pass over its vectors.
const EVERY: Duration = Duration::from_millis(400);

/// The last time that a path was shown.
#[derive(Default)]
pub(super) struct Previews {
    last: Option<Instant>,
}

impl Previews {
    /// What `make` makes, if the last one is long ago.
    pub(super) fn when_due<T>(&mut self, make: impl FnOnce() -> T) -> Option<T> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(make())
    }
}
