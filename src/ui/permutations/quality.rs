//! Match quality.

use egui::Ui;

use super::{Focus, Shown};
use crate::app::Action;

#[derive(Debug, Default)]
pub(super) struct QualityView;

pub(super) fn show(
    _ui: &mut Ui,
    _shown: &Shown<'_>,
    _view: &mut QualityView,
    _focus: &mut Focus,
    _actions: &mut Vec<Action>,
) {
}
