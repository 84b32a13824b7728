//! By hand.

use egui::Ui;

use super::{Focus, Shown};
use crate::app::Action;

#[derive(Debug, Default)]
pub(super) struct ByHandView;

pub(super) fn show(
    _ui: &mut Ui,
    _shown: &Shown<'_>,
    _view: &mut ByHandView,
    _focus: &mut Focus,
    _actions: &mut Vec<Action>,
) {
}
