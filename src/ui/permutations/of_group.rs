//! What a part of the view works out of a group's report, kept while that group is shown.

use std::sync::{Arc, Weak};

use super::Shown;
use crate::matching::{GroupReport, MatchReport};

/// A value that belongs to one group of one report.
#[derive(Debug, Default)]
pub(super) struct OfGroup<T> {
    /// Weak, so that a replaced report is freed; while it lives, its address stays taken.
    key: Option<(Weak<MatchReport>, usize)>,
    value: T,
}

impl<T> OfGroup<T> {
    /// The value of the shown group, worked out anew where it is still that of another one.
    pub(super) fn get(&mut self, shown: &Shown<'_>, work_out: impl FnOnce(&GroupReport) -> T) -> &mut T {
        let report = Arc::downgrade(&shown.alignment.report);
        let is_same =
            self.key.as_ref().is_some_and(|(known, group)| Weak::ptr_eq(known, &report) && *group == shown.group);
        if !is_same {
            self.value = work_out(shown.report);
            self.key = Some((report, shown.group));
        }
        &mut self.value
    }
}
