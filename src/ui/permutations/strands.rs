//! Strands from A's units to their partners in B, and the cycles of the permutation, beside what chance would give.

mod cycles;

use std::collections::BTreeSet;

use egui::epaint::PathStroke;
use egui::{Align2, Color32, FontId, Pos2, Rect, RichText, Role, Sense, Shape, Ui, Visuals, WidgetInfo, pos2};

use super::of_group::OfGroup;
use super::{Focus, Shown, after_color, before_color, focus_color, selected_color, theme};
use crate::matching::{GroupReport, RandomCrossings, n_crossings};
use cycles::Cycles;

/// Strands at most: more than these hide each other.
const MOST_STRANDS: usize = 128;
/// Strands of a sample, where there are more units than that and none is selected.
const SAMPLE: usize = 64;
/// How near to a strand the mouse must be, in points.
const REACH: f32 = 7.0;
/// How strongly a pair without any correlation is drawn.
const FAINTEST: f32 = 0.15;
/// Room for the numbers of units on either side, and the least room that a number takes, in points.
const NUMBER_WIDTH: f32 = 34.0;
const NUMBER_HEIGHT: f32 = 10.0;
/// Pieces that a strand is drawn with.
const PIECES: usize = 24;

#[derive(Debug, Default)]
pub(super) struct StrandsView {
    found: OfGroup<Option<Found>>,
}

/// What is worked out of one group.
#[derive(Debug)]
struct Found {
    n_crossings: u64,
    cycles: Cycles,
    strands: Strands,
}

/// The strands that are drawn.
#[derive(Debug, Default)]
struct Strands {
    /// Places, in order.
    places: Vec<usize>,
    /// The rank of each one's partner among the partners.
    ends: Vec<usize>,
    n_crossings: u64,
}

impl Strands {
    fn of(group: &GroupReport, places: Vec<usize>) -> Self {
        let mut by_end: Vec<usize> = (0..places.len()).collect();
        by_end.sort_by_key(|&strand| group.permutation.source(places[strand]));
        let mut ends = vec![0; places.len()];
        for (rank, strand) in by_end.into_iter().enumerate() {
            ends[strand] = rank;
        }
        Self { n_crossings: n_crossings(&ends), places, ends }
    }
}

/// The units whose strands are drawn: all where they are few, else the first of the selected ones, or a sample.
fn drawn_places(n_units: usize, selected: &BTreeSet<usize>) -> Vec<usize> {
    if n_units <= MOST_STRANDS {
        (0..n_units).collect()
    } else if selected.is_empty() {
        (0..SAMPLE).map(|index| index * n_units / SAMPLE).collect()
    } else {
        selected.iter().copied().filter(|&place| place < n_units).take(MOST_STRANDS).collect()
    }
}

pub(super) fn show(ui: &mut Ui, shown: &Shown<'_>, view: &mut StrandsView, focus: &mut Focus) {
    let found = view.found.get(shown, |group| {
        let (cycles, n_crossings) = (Cycles::of(&group.permutation), n_crossings(group.permutation.sources()));
        Some(Found { n_crossings, cycles, strands: Strands::default() })
    });
    let Some(Found { n_crossings, cycles, strands }) = found else { return };
    let n_units = shown.report.n_units();
    let places = drawn_places(n_units, focus.selected());
    if places != strands.places {
        *strands = Strands::of(shown.report, places);
    }
    let text = format!("{} units: {}", theme::count(n_units), crossings_text(*n_crossings, n_units));
    ui.label(RichText::new(text).small()).on_hover_text("Pairs of strands that cross; of a random permutation half do");
    if MOST_STRANDS < n_units {
        ui.label(RichText::new(selection_text(strands, focus.selected().len())).small());
    }
    let pointed = cycles.show(ui, shown, focus);
    let size = egui::vec2(ui.available_width(), ui.available_height().max(80.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
    response.widget_info(|| {
        let (n, correlated) = (strands.places.len(), shown.report.after.mean);
        let label = format!("Strands of {n} units from A to B, mean correlation {correlated:.2}");
        WidgetInfo::labeled(Role::Figure, true, label)
    });
    let frame = Frame::new(rect, strands.places.len());
    if let Some(place) = response.hover_pos().and_then(|pointer| frame.nearest(strands, pointer)) {
        focus.hover(place);
        if response.clicked() {
            focus.toggle(place);
        }
    }
    draw(ui, &frame, shown.report, strands, focus, pointed);
}

/// `1,012 crossings (a random permutation: 1,008 ± 86)`.
fn crossings_text(n_crossings: u64, n_strands: usize) -> String {
    let random = RandomCrossings { n_strands };
    let [found, mean, deviation] =
        [n_crossings as usize, random.mean().round() as usize, random.deviation().round() as usize].map(theme::count);
    format!("{found} crossings (a random permutation: {mean} ± {deviation})")
}

/// Which of many units have strands.
fn selection_text(strands: &Strands, n_selected: usize) -> String {
    let n = strands.places.len();
    match n {
        _ if n_selected == 0 => {
            format!("{n} units, evenly taken; select up to {MOST_STRANDS} in any part to see theirs instead")
        }
        _ if n < n_selected => format!(
            "The first {n} of {} selected units: {}",
            theme::count(n_selected),
            crossings_text(strands.n_crossings, n)
        ),
        1 => "1 selected unit".to_owned(),
        _ => format!("{n} selected units: {}", crossings_text(strands.n_crossings, n)),
    }
}

/// Where strands run on screen.
struct Frame {
    rect: Rect,
    /// Between neighbouring units, in points.
    step: f32,
    left: f32,
    right: f32,
}

impl Frame {
    fn new(rect: Rect, n_strands: usize) -> Self {
        let step = rect.height() / n_strands.max(1) as f32;
        Self { rect, step, left: rect.left() + NUMBER_WIDTH, right: rect.right() - NUMBER_WIDTH }
    }

    fn height_of(&self, rank: usize) -> f32 {
        self.rect.top() + (rank as f32 + 0.5) * self.step
    }

    /// Height of a strand at a share of its way across, 0..1: it leaves and arrives level.
    fn height_at(&self, from: usize, to: usize, across: f32) -> f32 {
        let eased = across * across * (3.0 - 2.0 * across);
        egui::lerp(self.height_of(from)..=self.height_of(to), eased)
    }

    fn line(&self, from: usize, to: usize) -> Vec<Pos2> {
        (0..=PIECES)
            .map(|piece| {
                let across = piece as f32 / PIECES as f32;
                pos2(egui::lerp(self.left..=self.right, across), self.height_at(from, to, across))
            })
            .collect()
    }

    /// The place whose strand is under the mouse.
    fn nearest(&self, strands: &Strands, pointer: Pos2) -> Option<usize> {
        let across = ((pointer.x - self.left) / (self.right - self.left)).clamp(0.0, 1.0);
        let distance = |rank: usize| (self.height_at(rank, strands.ends[rank], across) - pointer.y).abs();
        let nearest = (0..strands.places.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))?;
        (distance(nearest) <= REACH).then(|| strands.places[nearest])
    }
}

/// `marked`: the members of the cycle under the mouse, in order.
fn draw(ui: &Ui, frame: &Frame, group: &GroupReport, strands: &Strands, focus: &Focus, marked: Option<&[usize]>) {
    let visuals = ui.visuals();
    let painter = ui.painter().with_clip_rect(frame.rect);
    painter.rect_filled(frame.rect, 3.0, visuals.extreme_bg_color);
    let is_pointed = |place: usize| match marked {
        Some(members) => members.binary_search(&place).is_ok(),
        None => focus.hovered() == Some(place),
    };
    let is_any_pointed = strands.places.iter().any(|&place| is_pointed(place));
    let mut front = Vec::new();
    for (rank, &place) in strands.places.iter().enumerate() {
        let line = frame.line(rank, strands.ends[rank]);
        let color = strand_color(group.units[place].after, visuals);
        let casing = |color: Color32| Shape::line(line.clone(), PathStroke::new(4.4, color));
        if is_pointed(place) {
            front.extend([casing(focus_color(visuals)), Shape::line(line, PathStroke::new(2.4, color))]);
        } else {
            if focus.is_selected(place) {
                painter.add(casing(selected_color(visuals)));
            }
            let color = if is_any_pointed { color.gamma_multiply(0.35) } else { color };
            painter.add(Shape::line(line, PathStroke::new(1.7, color)));
        }
    }
    painter.extend(front);
    numbers(ui, frame, group, strands, &is_pointed);
}

/// The numbers of the units, as far as there is room; those that are pointed at always.
fn numbers(ui: &Ui, frame: &Frame, group: &GroupReport, strands: &Strands, is_pointed: &dyn Fn(usize) -> bool) {
    let every = (NUMBER_HEIGHT / frame.step).ceil().max(1.0) as usize;
    let font = FontId::proportional(9.0);
    let text = |at: Pos2, anchor: Align2, unit: usize, strong: bool| {
        let color = if strong { ui.visuals().strong_text_color() } else { ui.visuals().weak_text_color() };
        let painter = ui.painter();
        let galley = painter.layout_no_wrap(unit.to_string(), font.clone(), color);
        let rect = anchor.anchor_size(at, galley.size());
        if strong {
            painter.rect_filled(rect, 2.0, ui.visuals().extreme_bg_color);
        }
        painter.galley(rect.min, galley, color);
    };
    for strong in [false, true] {
        for (rank, &place) in strands.places.iter().enumerate().filter(|(_, place)| is_pointed(**place) == strong) {
            let end = strands.ends[rank];
            if strong || rank.is_multiple_of(every) {
                text(pos2(frame.left - 5.0, frame.height_of(rank)), Align2::RIGHT_CENTER, place, strong);
            }
            if strong || end.is_multiple_of(every) {
                let source = group.permutation.source(place);
                text(pos2(frame.right + 5.0, frame.height_of(end)), Align2::LEFT_CENTER, source, strong);
            }
        }
    }
}

/// The colour of a pair of this correlation, -1..1: the fainter the less it says.
fn strand_color(correlation: f32, visuals: &Visuals) -> Color32 {
    let color = if correlation < 0.0 { before_color(visuals) } else { after_color(visuals) };
    color.gamma_multiply(FAINTEST + (1.0 - FAINTEST) * correlation.abs().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;

    fn group(sources: Vec<usize>) -> GroupReport {
        let n = sources.len();
        let alive = vec![false; n];
        let permutation = Permutation::new(sources).unwrap();
        GroupReport::new("layer".to_owned(), permutation, &vec![0.0; n * n], [&alive, &alive], None)
    }

    #[test]
    fn strands_of_a_selection_end_in_the_order_of_their_partners() {
        let strands = Strands::of(&group(vec![4, 0, 3, 1, 2]), vec![0, 2, 3]);
        assert_eq!(strands.ends, [2, 1, 0]);
        assert_eq!(strands.n_crossings, 3);
    }

    #[test]
    fn few_units_are_all_drawn_and_of_many_the_selected_ones() {
        let selected: BTreeSet<usize> = (3..200).step_by(2).collect();
        assert_eq!(drawn_places(128, &selected).len(), 128);
        assert_eq!(drawn_places(129, &selected), (3..129).step_by(2).collect::<Vec<_>>());
        assert_eq!(drawn_places(5000, &(0..500).collect()).len(), MOST_STRANDS);
        let sample = drawn_places(130, &BTreeSet::new());
        assert_eq!((sample.len(), &sample[..3], sample[SAMPLE - 1]), (SAMPLE, &[0, 2, 4][..], 127));
    }

    #[test]
    fn the_strand_under_the_mouse_is_found_all_along_its_way() {
        let frame = Frame::new(Rect::from_min_size(Pos2::ZERO, egui::vec2(300.0, 100.0)), 5);
        let strands = Strands::of(&group(vec![4, 0, 3, 1, 2]), (0..5).collect());
        for (rank, &end) in strands.ends.iter().enumerate() {
            let line = frame.line(rank, end);
            assert_eq!(frame.nearest(&strands, line[1]), Some(rank));
            assert_eq!(frame.nearest(&strands, line[PIECES]), Some(rank));
        }
        assert_eq!(frame.nearest(&strands, pos2(150.0, 400.0)), None);
    }
}
