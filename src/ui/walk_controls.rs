//! Units that go to their places one by one, move by move.

use egui::{Label, RichText, Ui};

use crate::app::{Action, AppState};
use crate::geometry::{Path, Stage, Walk};

/// How far into a move its beginning is shown, in shares of the move: rounding must not fall back into the one before.
const JUST_BEGUN: f64 = 1e-6;

/// The move at t, and buttons that go to the next one and the one before; nothing where no stage of the path is a walk. They
/// keep their place while other stages are passed, so that the plot below does not jump.
pub(super) fn show(ui: &mut Ui, state: &AppState, path: &Path, actions: &mut Vec<Action>) {
    let n_stages = path.stages().len();
    let walks: Vec<(usize, &Walk)> = path
        .stages()
        .enumerate()
        .filter_map(|(stage, of_stage)| match of_stage {
            Stage::Walk(walk) => Some((stage, &**walk)),
            _ => None,
        })
        .collect();
    let (stage, s) = path.stage_at(state.t);
    let Some(&(nearest, walk)) = walks.iter().find(|(of, _)| stage <= *of).or(walks.last()) else {
        return;
    };
    let (back, next, text) = if nearest == stage {
        let index = walk.segment_at(s).0;
        let text = walk.segments().get(index).map_or_else(String::new, |segment| {
            let cost = if segment.is_flat() { ", at constant loss" } else { "" };
            format!("step {} of {}: {}{cost}", index + 1, walk.segments().len(), segment.label())
        });
        (index.checked_sub(1), Some(index + 1), text)
    } else {
        (None, (stage < nearest).then_some(0), path.stage_label(nearest))
    };
    ui.horizontal(|ui| {
        for (label, target) in [("Move back", back), ("Next move", next)] {
            if ui.add_enabled(target.is_some(), egui::Button::new(label).small()).clicked() {
                actions.extend(target.map(|index| Action::SetT(begin(walk, index, nearest, n_stages))));
            }
        }
        ui.add(Label::new(RichText::new(text).small()).truncate());
    });
}

/// t at which a step of a walk begins.
fn begin(walk: &Walk, index: usize, stage: usize, n_stages: usize) -> f64 {
    let s = (index as f64 + JUST_BEGUN) / walk.segments().len() as f64;
    (stage as f64 + s.min(1.0)) / n_stages as f64
}
