//! Correlations of A's units with B's, before and after B's units were moved.

use egui::Ui;

use super::{Focus, Shown};
use crate::render::Renderer;

#[derive(Debug, Default)]
pub(super) struct MatrixView;

pub(super) fn show(_ui: &mut Ui, _shown: &Shown<'_>, _view: &mut MatrixView, _focus: &mut Focus, _renderer: Renderer) {}
