//! Weights.

use egui::Ui;

use super::{Focus, Shown};
use crate::app::Action;
use crate::render::Renderer;

#[derive(Debug, Default)]
pub(super) struct WeightsView;

pub(super) fn show(
    _ui: &mut Ui,
    _shown: &Shown<'_>,
    _view: &mut WeightsView,
    _focus: &mut Focus,
    _renderer: Renderer,
    _actions: &mut Vec<Action>,
) {
}
