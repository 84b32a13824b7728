//! When a path that is being found is worth showing again.

use std::time::{Duration, Instant};

/// The least time between two.
const EVERY: Duration = Duration::from_millis(400);
/// A preview passes over all vectors of a path; of long paths it may take this part of the time.
const SHARE: u32 = 20;

/// When the next path may be shown.
#[derive(Default)]
pub(super) struct Previews {
    next: Option<Instant>,
}

impl Previews {
    /// What `make` makes, if it is time.
    pub(super) fn when_due<T>(&mut self, make: impl FnOnce() -> T) -> Option<T> {
        let started = Instant::now();
        if self.next.is_some_and(|next| started < next) {
            return None;
        }
        let made = make();
        let wait = EVERY.max(started.elapsed() * SHARE);
        self.next = Some(Instant::now() + wait);
        Some(made)
    }
}
