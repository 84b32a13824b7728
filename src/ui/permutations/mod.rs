//! The pane of permutations: how well the units of each layer are matched, the correlations of all of them, and one more part
//! to its right. A unit that one part points at is marked in all.

mod by_hand;
mod focus;
mod gallery;
mod layer_strip;
mod matrix;
mod of_group;
mod quality;
mod strands;
mod unit_images;
mod units;
mod weights;

use std::sync::Arc;

use egui::{Align, Color32, Layout, RichText, Ui, Visuals};

use super::dialogs::Wish;
use super::{View, align_controls, theme};
use crate::app::{Action, AppState, Purpose};
use crate::compute::Alignment;
use crate::matching::{GroupReport, UnitMatch};
use crate::render::Renderer;
use focus::Focus;

const STRIP_WIDTH: f32 = 190.0;
/// The matrix is left out where it and the part beside it would be narrower than this.
const LEAST_WIDTH: f32 = 240.0;

/// What the pane shows of the alignment.
#[derive(Default)]
pub(super) struct PermutationsView {
    /// The group that is shown.
    group: usize,
    part: Part,
    focus: Focus,
    strip: layer_strip::StripView,
    matrix: matrix::MatrixView,
    quality: quality::QualityView,
    gallery: gallery::GalleryView,
    strands: strands::StrandsView,
    weights: weights::WeightsView,
    by_hand: by_hand::ByHandView,
    units: units::TableView,
}

/// What stands to the right of the matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Quality,
    Gallery,
    Strands,
    Weights,
    ByHand,
    Units,
}

impl Part {
    const ALL: [Self; 6] = [Self::Quality, Self::Gallery, Self::Strands, Self::Weights, Self::ByHand, Self::Units];

    fn label(self) -> &'static str {
        match self {
            Self::Quality => "Quality",
            Self::Gallery => "Pairs",
            Self::Strands => "Strands",
            Self::Weights => "Weights",
            Self::ByHand => "By hand",
            Self::Units => "Table",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::Quality => "How alike matched units are, and how clear each match is",
            Self::Gallery => "Matched units side by side: their weights, and the images that excite them",
            Self::Strands => "Which unit of B goes where, and the cycles of the permutation",
            Self::Weights => "The weights of A and aligned B, and their difference",
            Self::ByHand => "Change the permutation yourself, and see what becomes of the path",
            Self::Units => "All units of the layer in a table",
        }
    }
}

/// What every part draws.
struct Shown<'a> {
    state: &'a AppState,
    alignment: &'a Arc<Alignment>,
    report: &'a GroupReport,
    /// Its number in the alignment.
    group: usize,
}

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let (renderer, dialogs, view) = (view.renderer, &mut view.dialogs, &mut view.permutations);
    let Some(alignment) = state.shown_alignment() else {
        empty(ui, state, actions);
        return;
    };
    header(ui, alignment);
    let mut group = view.group.min(alignment.report.groups.len().saturating_sub(1));
    let footer = ui.text_style_height(&egui::TextStyle::Small) + ui.spacing().item_spacing.y;
    let height = (ui.available_height() - footer).max(80.0);
    ui.horizontal_top(|ui| {
        column(ui, STRIP_WIDTH, height, |ui| {
            layer_strip::show(ui, &alignment.report, &mut view.strip, &mut group);
        });
        if group != view.group {
            view.group = group;
            view.focus.clear();
        }
        let Some(report) = alignment.report.groups.get(group) else {
            ui.label("No layer of this network has units that can change places");
            return;
        };
        let shown = Shown { state, alignment, report, group };
        let (width, gap) = (ui.available_width(), ui.spacing().item_spacing.x);
        let half = 0.5 * (width - gap);
        if LEAST_WIDTH <= half {
            column(ui, half, height, |ui| matrix::show(ui, &shown, &mut view.matrix, &mut view.focus, renderer));
        }
        // What is left: the matrix takes a little more than its half where its controls do.
        column(ui, ui.available_width(), height, |ui| {
            ui.horizontal_wrapped(|ui| {
                // All of them in one line of a pane of the usual width.
                ui.spacing_mut().item_spacing.x = 1.0;
                ui.spacing_mut().button_padding.x = 5.0;
                for part in Part::ALL {
                    ui.selectable_value(&mut view.part, part, part.label()).on_hover_text(part.explanation());
                }
            });
            part(ui, &shown, view, renderer, actions);
        });
    });
    if let Some(table) = view.units.take_to_save() {
        dialogs.save(Wish::SaveUnits, table.into_bytes());
    }
    let focused = view.focus.hovered().zip(alignment.report.groups.get(view.group));
    let text = focused.and_then(|(place, report)| Some(describe(place, report.units.get(place)?)));
    let text = text.unwrap_or_else(|| "Point at a unit to find it in every part; click to select it".to_owned());
    ui.label(RichText::new(text).small());
    if view.focus.end_frame() {
        ui.ctx().request_repaint();
    }
}

fn part(ui: &mut Ui, shown: &Shown<'_>, view: &mut PermutationsView, renderer: Renderer, actions: &mut Vec<Action>) {
    let focus = &mut view.focus;
    match view.part {
        Part::Quality => quality::show(ui, shown, &mut view.quality, focus),
        Part::Gallery => gallery::show(ui, shown, &mut view.gallery, focus, actions),
        Part::Strands => strands::show(ui, shown, &mut view.strands, focus),
        Part::Weights => weights::show(ui, shown, &mut view.weights, focus, renderer, actions),
        Part::ByHand => by_hand::show(ui, shown, &mut view.by_hand, focus, actions),
        Part::Units => units::show(ui, shown, &mut view.units, focus),
    }
}

/// Contents of a fixed size, whatever they take.
fn column(ui: &mut Ui, width: f32, height: f32, contents: impl FnOnce(&mut Ui)) {
    ui.allocate_ui_with_layout(egui::vec2(width, height), Layout::top_down(Align::Min), |ui| {
        ui.set_min_size(egui::vec2(width, height));
        ui.set_max_width(width);
        contents(ui);
    });
}

fn empty(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    if state.runs_job(Purpose::Align) {
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label("Aligning…");
        });
        return;
    }
    ui.label("Which unit of B does what a unit of A does? Align the two networks to see.");
    if ui.add_enabled(state.curve.is_some(), egui::Button::new("Align B to A")).clicked() {
        actions.push(Action::Align);
    }
}

/// How the networks are related, and the proof that moving units changed nothing.
fn header(ui: &mut Ui, alignment: &Alignment) {
    ui.horizontal_wrapped(|ui| {
        align_controls::seal(ui, alignment);
        ui.separator();
        ui.label(RichText::new(alignment.report.evidence.describe()).small());
    });
}

/// A matched pair in words.
fn describe(place: usize, unit: &UnitMatch) -> String {
    let choice = if unit.is_dead && unit.is_source_dead {
        "both give the same for every image"
    } else if unit.is_dead {
        "A's gives the same for every image"
    } else if unit.is_source_dead {
        "B's gives the same for every image"
    } else if unit.best_source == unit.source {
        "A's first choice"
    } else {
        return format!(
            "Unit {place} of A, unit {} of B: correlation {:.3}, margin {:.3}; A's first choice is {} with {:.3}",
            unit.source, unit.after, unit.margin, unit.best_source, unit.best
        );
    };
    format!(
        "Unit {place} of A, unit {} of B: correlation {:.3}, margin {:.3}; {choice}",
        unit.source, unit.after, unit.margin
    )
}

/// Pairs of units with the same number, before B's were moved.
fn before_color(visuals: &Visuals) -> Color32 {
    theme::mode_color(1, visuals.dark_mode)
}

/// Matched pairs.
fn after_color(visuals: &Visuals) -> Color32 {
    theme::mode_color(0, visuals.dark_mode)
}

/// What chance gives.
fn null_color(visuals: &Visuals) -> Color32 {
    visuals.weak_text_color()
}

/// The unit that is pointed at.
fn focus_color(visuals: &Visuals) -> Color32 {
    visuals.strong_text_color()
}

fn selected_color(visuals: &Visuals) -> Color32 {
    theme::mode_color(4, visuals.dark_mode)
}
