//! Units that go to their places one by one, move by move.

use egui::{RichText, Ui};

use crate::app::{Action, AppState};
use crate::geometry::{Path, Stage, Walk};

/// How far into a move its beginning is shown, in shares of the move: rounding must not fall back into the one before.
const JUST_BEGUN: f64 = 1e-6;

/// The move at t, and buttons that go to the next one and the one before; nothing where the path is no walk.
pub(super) fn show(ui: &mut Ui, state: &AppState, path: &Path, actions: &mut Vec<Action>) {
    let (stage, s) = path.stage_at(state.t);
    let Some(Stage::Walk(walk)) = path.stages().nth(stage) else {
        return;
    };
    let (index, _) = walk.segment_at(s);
    let Some(segment) = walk.segments().get(index) else {
        return;
    };
    ui.horizontal(|ui| {
        let go_to = |index: usize| Action::SetT(begin(walk, index, stage, path.stages().len()));
        for (label, target) in [("Move back", index.checked_sub(1)), ("Next move", Some(index + 1))] {
            if ui.add_enabled(target.is_some(), egui::Button::new(label).small()).clicked() {
                actions.extend(target.map(go_to));
            }
        }
        let cost = if segment.is_flat() { ", at constant loss" } else { "" };
        let n = walk.segments().len();
        ui.label(RichText::new(format!("step {} of {n}: {}{cost}", index + 1, segment.label())).small());
    });
}

/// t at which a step of a walk begins.
fn begin(walk: &Walk, index: usize, stage: usize, n_stages: usize) -> f64 {
    let s = (index as f64 + JUST_BEGUN) / walk.segments().len() as f64;
    (stage as f64 + s.min(1.0)) / n_stages as f64
}
