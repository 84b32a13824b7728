//! One row a permutation group: how well its units are matched.

use egui::{RichText, Ui};

use crate::matching::MatchReport;

/// `chosen`: the group that the other parts show.
pub(super) fn show(ui: &mut Ui, report: &MatchReport, chosen: &mut usize) {
    for (index, group) in report.groups.iter().enumerate() {
        ui.selectable_value(chosen, index, RichText::new(&group.name).small());
    }
}
