//! Which units are pointed at and which are selected, the same for all parts of the view.

use std::collections::BTreeSet;

/// Units by their place, which is their number in A, of the group that is shown.
#[derive(Debug, Default)]
pub(super) struct Focus {
    hovered: Option<usize>,
    /// What a part of the frame that is being drawn points at.
    hovers: Option<usize>,
    selected: BTreeSet<usize>,
}

impl Focus {
    /// What was pointed at in the last frame.
    pub(super) fn hovered(&self) -> Option<usize> {
        self.hovered
    }

    pub(super) fn hover(&mut self, place: usize) {
        self.hovers = Some(place);
    }

    /// Ends a frame; returns whether something else is pointed at than before, so that all parts must be drawn anew.
    pub(super) fn end_frame(&mut self) -> bool {
        let hovers = self.hovers.take();
        std::mem::replace(&mut self.hovered, hovers) != hovers
    }

    pub(super) fn selected(&self) -> &BTreeSet<usize> {
        &self.selected
    }

    pub(super) fn is_selected(&self, place: usize) -> bool {
        self.selected.contains(&place)
    }

    /// Selects these instead of what was selected.
    pub(super) fn select(&mut self, places: impl IntoIterator<Item = usize>) {
        self.selected = places.into_iter().collect();
    }

    pub(super) fn toggle(&mut self, place: usize) {
        if !self.selected.remove(&place) {
            self.selected.insert(place);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pointed_at_is_known_to_all_parts_of_the_next_frame() {
        let mut focus = Focus::default();
        focus.hover(7);
        assert_eq!(focus.hovered(), None);
        assert!(focus.end_frame());
        assert_eq!(focus.hovered(), Some(7));
        focus.hover(7);
        assert!(!focus.end_frame());
        assert!(focus.end_frame(), "nothing is pointed at any more");
        assert_eq!(focus.hovered(), None);
    }

    #[test]
    fn a_second_click_takes_a_unit_out_of_the_selection() {
        let mut focus = Focus::default();
        focus.select([3, 1]);
        focus.toggle(1);
        focus.toggle(5);
        assert_eq!(focus.selected().iter().copied().collect::<Vec<_>>(), [3, 5]);
        assert!(focus.is_selected(5) && !focus.is_selected(1));
    }
}
