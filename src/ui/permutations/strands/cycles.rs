//! The cycles of a permutation as a row of bars, longest first.

use egui::{Align2, FontId, Rect, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo};

use super::super::{Focus, Shown, focus_color, selected_color, theme};
use crate::matching::{CycleType, Permutation, RandomCycles, Verdict};

/// Cycles that have bars of their own; shorter ones share one.
const MOST_BARS: usize = 32;
const BAR_HEIGHT: f32 = 22.0;
const LEAST_WIDTH: f32 = 5.0;
const GAP: f32 = 3.0;
/// Members that are listed.
const MOST_LISTED: usize = 60;

/// A permutation's cycles, as they are drawn.
#[derive(Debug)]
pub(super) struct Cycles {
    found: CycleType,
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    kind: Kind,
    /// Places, in order.
    members: Vec<usize>,
    /// Places in the order of the cycle.
    order: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One cycle of two or more.
    Cycle,
    /// Short cycles, so many.
    Rest(usize),
    /// Units that keep their numbers.
    Fixed,
}

impl Bar {
    fn new(kind: Kind, order: Vec<usize>) -> Self {
        let mut members = order.clone();
        members.sort_unstable();
        Self { kind, members, order }
    }

    fn label(&self) -> String {
        let n = theme::count(self.members.len());
        match self.kind {
            Kind::Cycle => format!("Cycle of {n} units"),
            Kind::Rest(n_cycles) => format!("{} shorter cycles of {n} units", theme::count(n_cycles)),
            Kind::Fixed if self.members.len() == 1 => "1 unit that keeps its number".to_owned(),
            Kind::Fixed => format!("{n} units that keep their numbers"),
        }
    }

    fn list(&self) -> String {
        let mut numbers: Vec<String> = self.order.iter().take(MOST_LISTED).map(usize::to_string).collect();
        if MOST_LISTED < self.order.len() {
            numbers.push("…".to_owned());
        }
        format!("{}: {}\nClick to select them", self.label(), numbers.join(", "))
    }
}

impl Cycles {
    pub(super) fn of(permutation: &Permutation) -> Self {
        let (fixed, mut longer): (Vec<_>, Vec<_>) =
            permutation.cycles().into_iter().partition(|cycle| cycle.len() == 1);
        longer.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
        let rest = if MOST_BARS < longer.len() { longer.split_off(MOST_BARS) } else { Vec::new() };
        let mut bars: Vec<Bar> = longer.into_iter().map(|cycle| Bar::new(Kind::Cycle, cycle)).collect();
        for (kind, cycles) in [(Kind::Rest(rest.len()), rest), (Kind::Fixed, fixed)] {
            if !cycles.is_empty() {
                bars.push(Bar::new(kind, cycles.concat()));
            }
        }
        Self { found: CycleType::of(permutation), bars }
    }

    /// Returns the places, in order, of the bar under the mouse.
    pub(super) fn show(&self, ui: &mut Ui, shown: &Shown<'_>, focus: &mut Focus) -> Option<&[usize]> {
        ui.label(RichText::new(self.describe(shown.report.n_units())).small());
        let (row, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), BAR_HEIGHT), Sense::hover());
        let mut pointed = None;
        for (index, (bar, rect)) in self.bars.iter().zip(rects(&self.bars, row)).enumerate() {
            let response = ui.interact(rect, ui.scope_id().with(("cycle", index)), Sense::CLICK);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, bar.label()));
            draw(ui, bar, rect, focus, response.hovered());
            if response.clicked() {
                focus.select(bar.members.iter().copied());
            }
            if response.hovered() {
                pointed = Some(bar.members.as_slice());
            }
            response.on_hover_ui(|ui| drop(ui.label(bar.list())));
        }
        ui.label(RichText::new(caution(shown.alignment.report.evidence.verdict)).small().weak());
        pointed
    }

    fn describe(&self, n_units: usize) -> String {
        let (found, random) = (&self.found, RandomCycles { n_units });
        format!(
            "{} cycles (random: {:.1} ± {:.1}), the longest of {} units (random: {:.0}), {} unmoved (random: {:.0})",
            theme::count(found.n_cycles()),
            random.n_cycles(),
            random.n_cycles_deviation(),
            theme::count(found.longest()),
            random.longest(),
            theme::count(found.n_fixed()),
            random.n_fixed(),
        )
    }
}

/// What cycles can tell of two networks.
fn caution(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Independent => {
            "Networks trained apart have their units in arbitrary order: these are the crossings and cycles of chance, and \
             mean nothing"
        }
        Verdict::CommonAncestor => "Both come from one network: units that keep their number were never told apart",
        Verdict::Twins => "One network is the other in a new order: this permutation is the one that was applied",
    }
}

/// Where the bars stand: each as wide as its cycle is long, but never too thin for the mouse.
fn rects(bars: &[Bar], row: Rect) -> Vec<Rect> {
    let n_units: usize = bars.iter().map(|bar| bar.members.len()).sum();
    let kept = bars.len() as f32 * (LEAST_WIDTH + GAP) - GAP;
    let a_unit = (row.width() - kept).max(0.0) / n_units.max(1) as f32;
    let mut left = row.left();
    bars.iter()
        .map(|bar| {
            let rect =
                Rect::from_x_y_ranges(left..=left + LEAST_WIDTH + a_unit * bar.members.len() as f32, row.y_range());
            left = rect.right() + GAP;
            rect
        })
        .collect()
}

fn draw(ui: &Ui, bar: &Bar, rect: Rect, focus: &Focus, is_pointed: bool) {
    let visuals = ui.visuals();
    let has = |place: usize| bar.members.binary_search(&place).is_ok();
    let fill = match bar.kind {
        Kind::Cycle => visuals.widgets.inactive.bg_fill,
        Kind::Rest(_) | Kind::Fixed => visuals.faint_bg_color,
    };
    let stroke = if is_pointed || focus.hovered().is_some_and(has) {
        Stroke::new(2.0, focus_color(visuals))
    } else if focus.selected().iter().any(|&place| has(place)) {
        Stroke::new(1.5, selected_color(visuals))
    } else {
        Stroke::new(1.0, visuals.weak_text_color())
    };
    ui.painter().rect(rect, 3.0, fill, stroke, StrokeKind::Inside);
    let text = match bar.kind {
        Kind::Cycle => theme::count(bar.members.len()),
        Kind::Rest(n_cycles) => format!("{} more", theme::count(n_cycles)),
        Kind::Fixed => format!("{} stay", theme::count(bar.members.len())),
    };
    let galley = ui.painter().layout_no_wrap(text, FontId::proportional(10.0), visuals.text_color());
    if galley.size().x + 4.0 < rect.width() {
        let at = Align2::CENTER_CENTER.anchor_size(rect.center(), galley.size());
        ui.painter().galley(at.min, galley, visuals.text_color());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cycles_come_first_and_units_that_stay_share_the_last_bar() {
        let permutation = Permutation::new(vec![2, 1, 4, 3, 0, 6, 5]).unwrap();
        let cycles = Cycles::of(&permutation);
        let members: Vec<&[usize]> = cycles.bars.iter().map(|bar| bar.members.as_slice()).collect();
        assert_eq!(members, [&[0, 2, 4][..], &[5, 6], &[1, 3]]);
        assert_eq!(cycles.bars[2].label(), "2 units that keep their numbers");
        assert!(cycles.bars[0].list().starts_with("Cycle of 3 units: 0, 2, 4\n"), "{}", cycles.bars[0].list());
    }

    #[test]
    fn many_short_cycles_share_a_bar() {
        let n = 2 * (MOST_BARS + 9);
        let swaps = Permutation::new((0..n).map(|unit| unit ^ 1).collect()).unwrap();
        let cycles = Cycles::of(&swaps);
        assert_eq!(cycles.bars.len(), MOST_BARS + 1);
        assert_eq!(cycles.bars[MOST_BARS].label(), "9 shorter cycles of 18 units");
        let row = Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(600.0, 20.0));
        let rects = rects(&cycles.bars, row);
        assert!((rects[MOST_BARS].right() - row.right()).abs() < 1e-3);
        assert!(rects.windows(2).all(|pair| pair[0].right() < pair[1].left()));
    }
}
