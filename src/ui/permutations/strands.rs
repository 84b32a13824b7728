//! Strands.

use egui::Ui;

use super::{Focus, Shown};
use crate::app::Action;

#[derive(Debug, Default)]
pub(super) struct StrandsView;

pub(super) fn show(
    _ui: &mut Ui,
    _shown: &Shown<'_>,
    _view: &mut StrandsView,
    _focus: &mut Focus,
    _actions: &mut Vec<Action>,
) {
}
