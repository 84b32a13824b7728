//! How good the matches of a group are: against the best that each unit could have had, against chance, and how much better
//! than the next best.

mod histogram;
mod scatter;

use egui::{RichText, Ui};

use super::of_group::OfGroup;
use super::{Focus, Shown, theme};
use crate::matching::{AMBIGUOUS_MARGIN, GroupReport};
use histogram::Histogram;
use scatter::{Scatter, ScatterView};

/// Share of the null's pairs that a match must beat.
const NULL_SHARE: f64 = 0.99;
/// Width from which the two plots stand beside each other, in points.
const SIDE_BY_SIDE: f32 = 620.0;

#[derive(Debug, Default)]
pub(super) struct QualityView {
    figures: OfGroup<Option<Figures>>,
    scatter: ScatterView,
}

/// What is drawn and told of one group.
#[derive(Debug)]
struct Figures {
    histogram: Histogram,
    scatter: Scatter,
    /// Places, in order.
    ambiguous: Vec<usize>,
    contested: Vec<usize>,
    n_live: usize,
    /// The correlation that [`NULL_SHARE`] of the null stays below, and the live pairs above it.
    null: Option<(f64, usize)>,
}

impl Figures {
    fn of(group: &GroupReport) -> Self {
        let contested = group.contested();
        let null = group.null_quantile(NULL_SHARE).map(|correlation| (correlation, group.n_above(correlation)));
        Self {
            histogram: Histogram::of(group),
            scatter: Scatter::of(group, &contested),
            ambiguous: (0..group.n_units()).filter(|&place| group.units[place].is_ambiguous()).collect(),
            contested: (0..group.n_units()).filter(|&place| contested[place]).collect(),
            n_live: group.live().count(),
            null,
        }
    }

    /// What the plots come to.
    fn describe(&self) -> String {
        let n_live = theme::count(self.n_live);
        match self.null {
            Some((correlation, n_above)) => {
                let share = theme::percent(n_above as f64 / self.n_live.max(1) as f64);
                let n_above = theme::count(n_above);
                format!("{n_above} of {n_live} pairs ({share}) above {correlation:.2}, the 99th percentile of chance")
            }
            None => format!("{n_live} pairs; what chance alone gives was not measured"),
        }
    }
}

pub(super) fn show(ui: &mut Ui, shown: &Shown<'_>, view: &mut QualityView, focus: &mut Focus) {
    let Some(figures) = view.figures.get(shown, |group| Some(Figures::of(group))) else { return };
    ui.label(RichText::new(figures.describe()).small()).on_hover_text(
        "Chance: the best assignment where each image of A meets another image of B. Pairs with a dead unit are left out.",
    );
    ui.horizontal_wrapped(|ui| {
        let tip = format!("Units whose next best partner is nearly as good or better: margin below {AMBIGUOUS_MARGIN}");
        choice(ui, "ambiguous", &figures.ambiguous, &tip, focus);
        let tip = "Units that did not get their first choice, and those whose partner others wanted too";
        choice(ui, "contested", &figures.contested, tip, focus);
    });
    let size = ui.available_size();
    if SIDE_BY_SIDE <= size.x {
        let width = (size.x - ui.spacing().item_spacing.x) / 2.0;
        ui.horizontal_top(|ui| {
            for part in [Part::Histogram, Part::Scatter] {
                let room = egui::vec2(width, size.y);
                ui.allocate_ui_with_layout(room, egui::Layout::top_down(egui::Align::LEFT), |ui| {
                    part.show(ui, room, shown, figures, &mut view.scatter, focus);
                });
            }
        });
    } else {
        let room = egui::vec2(size.x, (size.y - ui.spacing().item_spacing.y) / 2.0);
        for part in [Part::Histogram, Part::Scatter] {
            part.show(ui, room, shown, figures, &mut view.scatter, focus);
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Histogram,
    Scatter,
}

impl Part {
    fn show(
        self,
        ui: &mut Ui,
        room: egui::Vec2,
        shown: &Shown<'_>,
        figures: &Figures,
        view: &mut ScatterView,
        focus: &mut Focus,
    ) {
        let null = figures.null.map(|(correlation, _)| correlation);
        match self {
            Self::Histogram => figures.histogram.show(ui, room, shown, null, focus),
            Self::Scatter => figures.scatter.show(ui, room, view, null, focus),
        }
    }
}

/// Names of the axes inside the picture, where they take no room from it.
fn axis_names(ui: &Ui, frame: egui::Rect, upwards: &str, across: &str) {
    let (font, color) = (egui::FontId::proportional(10.0), ui.visuals().weak_text_color());
    let inside = frame.shrink(4.0);
    for (at, anchor, name) in [
        (inside.left_top(), egui::Align2::LEFT_TOP, upwards),
        (inside.right_bottom(), egui::Align2::RIGHT_BOTTOM, across),
    ] {
        ui.painter().with_clip_rect(frame).text(at, anchor, name, font.clone(), color);
    }
}

/// A button that selects some units.
fn choice(ui: &mut Ui, what: &str, places: &[usize], tip: &str, focus: &mut Focus) {
    let button = egui::Button::new(RichText::new(format!("Select {} {what}", theme::count(places.len()))).small());
    if ui.add_enabled(!places.is_empty(), button).on_hover_text(tip).clicked() {
        focus.select(places.iter().copied());
    }
}
