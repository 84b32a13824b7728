//! Matched pairs as cards: their incoming weights, the images that excite them most, and their responses to the same images.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{
    Align, Align2, Button, Color32, CornerRadius, FontId, Label, Layout, Rect, RichText, Role, ScrollArea, Sense,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::unit_images::{Side, UnitImages};
use super::{Focus, Shown, after_color, focus_color, selected_color};
use crate::app::{Action, Answer, PairsShown};
use crate::compute::{Excited, ExcitedPair};
use crate::matching::{GroupReport, UnitMatch};
use crate::ui::{pictures, theme};

/// Pairs of a page.
const PAGE: usize = 12;
const NARROWEST_CARD: f32 = 230.0;
const CARD_MARGIN: f32 = 7.0;
const GAP: f32 = 6.0;
const TITLE: f32 = 17.0;
/// Side of the weights and of the scatter.
const PANEL: f32 = 64.0;
/// Largest side of a data image.
const THUMBNAIL: f32 = 25.0;
/// Room for what a row of images is called.
const ROW_NAME: f32 = 34.0;

#[derive(Default)]
pub(super) struct GalleryView {
    sort: Sort,
    page: usize,
    selection_only: bool,
    images: UnitImages,
    rows: Option<Rows>,
}

/// The images that excite the pairs of an answer.
struct Rows {
    of: Arc<Excited>,
    /// For each pair a picture with all images that excite both, one for A's unit, and one for B's.
    pictures: Vec<[Option<TextureHandle>; 3]>,
}

/// Which pairs come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Best,
    Worst,
    Contested,
}

impl Sort {
    const ALL: [(Self, &str, &str); 3] = [
        (Self::Best, "Best first", "Pairs with the highest correlation first"),
        (Self::Worst, "Worst first", "Pairs with the lowest correlation first"),
        (
            Self::Contested,
            "Contested first",
            "Pairs first whose unit of A correlates hardly more with its partner than with another unit of B, or less",
        ),
    ];
}

/// Units of A in the order of the cards. Pairs of which one gives the same for every image come last.
fn ordered(report: &GroupReport, sort: Sort, among: Option<&BTreeSet<usize>>) -> Vec<usize> {
    let mut places: Vec<usize> =
        (0..report.n_units()).filter(|place| among.is_none_or(|among| among.contains(place))).collect();
    let key = |place: &usize| {
        let unit = &report.units[*place];
        let value = match sort {
            Sort::Best => -unit.after,
            Sort::Worst => unit.after,
            Sort::Contested => unit.margin,
        };
        (unit.is_dead || unit.is_source_dead, value)
    };
    places.sort_by(|one, other| {
        let ((dead, value), (other_dead, other_value)) = (key(one), key(other));
        dead.cmp(&other_dead).then(value.total_cmp(&other_value))
    });
    places
}

pub(super) fn show(
    ui: &mut Ui,
    shown: &Shown<'_>,
    view: &mut GalleryView,
    focus: &mut Focus,
    actions: &mut Vec<Action>,
) {
    let before = (view.sort, view.selection_only);
    choose(ui, view, focus);
    if before != (view.sort, view.selection_only) {
        view.page = 0;
    }
    let among = Some(focus.selected()).filter(|selected| view.selection_only && !selected.is_empty());
    let places = ordered(shown.report, view.sort, among);
    let n_pages = places.len().div_ceil(PAGE).max(1);
    view.page = view.page.min(n_pages - 1);
    let mut excited = None;
    ui.horizontal_wrapped(|ui| {
        turn_pages(ui, &mut view.page, n_pages);
        excited = ask(ui, shown, page_of(&places, view.page).to_vec(), actions);
        view.images.legend(ui, shown);
    });
    view.follow(ui, shown, excited.as_ref());
    ScrollArea::vertical().id_salt("pairs").auto_shrink([false, false]).show(ui, |ui| {
        let width = ui.available_width() - theme::SCROLL_BAR_WIDTH;
        let n_columns = (((width + GAP) / (NARROWEST_CARD + GAP)) as usize).max(1);
        let card_width = (width + GAP) / n_columns as f32 - GAP;
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for row in page_of(&places, view.page).chunks(n_columns) {
            ui.horizontal(|ui| {
                for &place in row {
                    Card { shown, place, excited: excited.as_deref(), width: card_width }.show(ui, view, focus);
                }
            });
        }
    });
}

fn page_of(places: &[usize], page: usize) -> &[usize] {
    places.chunks(PAGE).nth(page).unwrap_or(&[])
}

/// Which pairs are shown, and in which order.
fn choose(ui: &mut Ui, view: &mut GalleryView, focus: &Focus) {
    ui.horizontal_wrapped(|ui| {
        for (sort, label, hint) in Sort::ALL {
            ui.selectable_value(&mut view.sort, sort, label).on_hover_text(hint);
        }
        let n_selected = focus.selected().len();
        if 0 < n_selected {
            let label = format!("Selection ({})", theme::count(n_selected));
            ui.toggle_value(&mut view.selection_only, label).on_hover_text("Only the selected units");
        }
    });
}

fn turn_pages(ui: &mut Ui, page: &mut usize, n_pages: usize) {
    let now = *page;
    let mut button = |ui: &mut Ui, sign: &str, name: &str, to: Option<usize>| {
        let response = ui.add_enabled(to.is_some(), Button::new(sign).small()).on_hover_text(name);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, to.is_some(), name));
        if let Some(to) = to.filter(|_| response.clicked()) {
            *page = to;
        }
    };
    button(ui, "<", "Previous page", now.checked_sub(1));
    ui.label(RichText::new(format!("{} of {}", now + 1, theme::count(n_pages))).small());
    button(ui, ">", "Next page", Some(now + 1).filter(|next| *next < n_pages));
}

/// What excites the pairs on the page, which is asked for if need be.
fn ask(ui: &mut Ui, shown: &Shown<'_>, places: Vec<usize>, actions: &mut Vec<Action>) -> Option<Arc<Excited>> {
    shown.state.data.as_ref()?;
    let pairs = PairsShown { group: shown.group, places };
    match shown.state.excitement(&pairs) {
        Answer::Known(excited) => {
            let images = format!("{} {}", theme::count(excited.n_images), excited.split.images());
            let hint = if excited.has_positions {
                "An image excites a unit as much as the unit's largest value over positions says; the scatter shows means over \
                 positions. For both units, the sum of what each says in deviations from its mean counts"
            } else {
                "For both units, the sum of what each says in deviations from its mean counts"
            };
            ui.label(RichText::new(format!("most exciting of {images}")).small().weak()).on_hover_text(hint);
            return Some(Arc::clone(excited));
        }
        Answer::Awaited => {
            ui.label(RichText::new("Looking for images that excite these pairs…").small().weak());
        }
        Answer::Ended => {
            ui.horizontal(|ui| {
                ui.label(RichText::new("The search for images was ended").small().weak());
                if ui.small_button("Search again").clicked() {
                    actions.push(Action::Excite(pairs));
                }
            });
        }
        Answer::NotAsked => actions.push(Action::Excite(pairs)),
    }
    None
}

impl GalleryView {
    /// Draws the images of a new answer.
    fn follow(&mut self, ui: &Ui, shown: &Shown<'_>, excited: Option<&Arc<Excited>>) {
        let (Some(excited), Some(data)) = (excited, &shown.state.data) else {
            return;
        };
        if self.rows.as_ref().is_some_and(|rows| Arc::ptr_eq(&rows.of, excited)) {
            return;
        }
        let draw = |indices: &[u32]| {
            let indices: Vec<usize> = indices.iter().map(|&index| index as usize).collect();
            let picture = pictures::strip(&data.dataset, excited.split, &indices)?;
            Some(ui.ctx().load_texture("exciting images", picture, TextureOptions::NEAREST))
        };
        let of_pair = |pair: &ExcitedPair| [draw(&pair.by_both), draw(&pair.by_a), draw(&pair.by_b)];
        let pictures = excited.pairs.iter().map(of_pair).collect();
        self.rows = Some(Rows { of: Arc::clone(excited), pictures });
    }
}

/// One matched pair.
struct Card<'a> {
    shown: &'a Shown<'a>,
    /// The unit of A.
    place: usize,
    excited: Option<&'a Excited>,
    width: f32,
}

impl Card<'_> {
    fn show(&self, ui: &mut Ui, view: &mut GalleryView, focus: &mut Focus) {
        let Some(unit) = self.shown.report.units.get(self.place) else {
            return;
        };
        let has_images = self.shown.state.data.as_ref().is_some_and(|data| !data.dataset.shape.is_tabular());
        let images = if has_images { 3.0 * (THUMBNAIL + 3.0) } else { 0.0 };
        let size = vec2(self.width, 2.0 * CARD_MARGIN + TITLE + GAP + PANEL + GAP + images);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let is_selected = focus.is_selected(self.place);
        let described = describe(self.place, unit);
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, &described));
        // What is drawn on the card takes the pointer from it, but not its place.
        if ui.rect_contains_pointer(rect) {
            focus.hover(self.place);
        }
        if response.clicked() {
            focus.toggle(self.place);
        }
        let visuals = ui.visuals();
        let frame = if focus.hovered() == Some(self.place) {
            Stroke::new(1.5, focus_color(visuals))
        } else if is_selected {
            Stroke::new(1.5, selected_color(visuals))
        } else {
            Stroke::new(1.0, visuals.widgets.noninteractive.bg_stroke.color)
        };
        ui.painter().rect(rect, CornerRadius::same(4), visuals.faint_bg_color, frame, StrokeKind::Inside);
        let inside = UiBuilder::new().max_rect(rect.shrink(CARD_MARGIN)).layout(Layout::top_down(Align::Min));
        ui.scope_builder(inside, |ui| {
            ui.spacing_mut().item_spacing = vec2(GAP, 3.0);
            // A click on a text is one on the card.
            ui.style_mut().interaction.selectable_labels = false;
            self.title(ui, unit, &described);
            ui.horizontal(|ui| self.panels(ui, unit, view));
            if has_images {
                self.rows(ui, view);
            }
        });
    }

    fn title(&self, ui: &mut Ui, unit: &UnitMatch, described: &str) {
        ui.horizontal(|ui| {
            ui.set_height(TITLE);
            let text = format!("A {}, B {}", self.place, unit.source);
            ui.label(RichText::new(text).strong());
            let numbers = format!("correlation {:.2}, margin {:+.2}", unit.after, unit.margin);
            let label = Label::new(RichText::new(numbers).small()).truncate();
            ui.add(label).on_hover_text(described);
        });
    }

    /// Both units' weights and the scatter of their responses.
    fn panels(&self, ui: &mut Ui, unit: &UnitMatch, view: &mut GalleryView) {
        if view.images.can_draw(self.shown) {
            view.images.show(ui, self.shown, Side::A, self.place, PANEL);
            view.images.show(ui, self.shown, Side::B, unit.source, PANEL);
        }
        if let Some((excited, pair)) = self.pair() {
            scatter(ui, excited, pair, self.place, unit.source);
        }
        if unit.is_dead || unit.is_source_dead {
            let whose = match (unit.is_dead, unit.is_source_dead) {
                (true, true) => "Both give",
                (true, false) => "A's gives",
                _ => "B's gives",
            };
            let text = format!("{whose} the same for every image");
            ui.add(Label::new(RichText::new(text).small().weak()).wrap());
        }
    }

    fn pair(&self) -> Option<(&Excited, &ExcitedPair)> {
        let excited = self.excited?;
        Some((excited, excited.pairs.iter().find(|pair| pair.place == self.place)?))
    }

    /// The images that excite both, A's unit alone, and B's.
    fn rows(&self, ui: &mut Ui, view: &GalleryView) {
        let (Some((excited, pair)), Some(data), Some(drawn)) = (self.pair(), &self.shown.state.data, &view.rows) else {
            return;
        };
        let mut pictures = drawn.of.pairs.iter().zip(&drawn.pictures);
        let Some((_, textures)) = pictures.find(|(of, _)| of.place == pair.place) else {
            return;
        };
        let rows = [("both", &pair.by_both), ("A", &pair.by_a), ("B", &pair.by_b)];
        for ((name, indices), texture) in rows.into_iter().zip(textures) {
            ui.horizontal(|ui| {
                let (name_rect, _) = ui.allocate_exact_size(vec2(ROW_NAME, THUMBNAIL), Sense::hover());
                let font = FontId::proportional(11.0);
                ui.painter().text(name_rect.left_center(), Align2::LEFT_CENTER, name, font, ui.visuals().text_color());
                let of = if name == "both" { "both units" } else { name };
                let of = if of.len() == 1 { format!("{of}'s unit") } else { of.to_owned() };
                let label = |index: u32| {
                    let class = data.dataset.split(excited.split).labels.get(index as usize).copied().unwrap_or(0);
                    data.dataset.class_names.get(usize::from(class)).map_or("?", String::as_str)
                };
                match texture {
                    Some(texture) => {
                        let names: Vec<String> = indices.iter().map(|&i| format!("{i} ({})", label(i))).collect();
                        let text = format!("Images that excite {of} most: {}", names.join(", "));
                        thumbnails(ui, texture, indices.len(), &text, |place| {
                            let index = indices.get(place).copied().unwrap_or(0);
                            format!("Number {index} of the {}: {}", excited.split.images(), label(index))
                        });
                    }
                    None => {
                        ui.label(RichText::new("the same for every image").small().weak());
                    }
                }
            });
        }
    }
}

/// Images that stand beside each other in one texture.
fn thumbnails(ui: &mut Ui, texture: &TextureHandle, n: usize, text: &str, name: impl Fn(usize) -> String) {
    let step = (ui.available_width() / n.max(1) as f32).min(THUMBNAIL + 2.0);
    let [width, height] = texture.size();
    let aspect = width as f32 / n.max(1) as f32 / height.max(1) as f32;
    let side = vec2(step - 2.0, (step - 2.0) / aspect.max(1.0));
    let (rect, response) = ui.allocate_exact_size(vec2(step * n as f32, THUMBNAIL), Sense::hover());
    for place in 0..n {
        let corner = pos2(rect.left() + place as f32 * step, rect.center().y - 0.5 * side.y);
        let uv = Rect::from_min_max(pos2(place as f32 / n as f32, 0.0), pos2((place + 1) as f32 / n as f32, 1.0));
        ui.painter().image(texture.id(), Rect::from_min_size(corner, side), uv, Color32::WHITE);
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, text));
    let pointed = response.hover_pos().map(|at| (((at.x - rect.left()) / step) as usize).min(n.saturating_sub(1)));
    if let Some(place) = pointed {
        response.on_hover_text(name(place));
    }
}

/// What the units of a pair answer to the same images, each on its own scale.
fn scatter(ui: &mut Ui, excited: &Excited, pair: &ExcitedPair, place: usize, source: usize) {
    let (rect, response) = ui.allocate_exact_size(vec2(PANEL, PANEL), Sense::hover());
    let visuals = ui.visuals();
    let frame = Stroke::new(1.0, visuals.widgets.noninteractive.bg_stroke.color);
    ui.painter().rect(rect, CornerRadius::ZERO, visuals.extreme_bg_color, frame, StrokeKind::Outside);
    let inner = rect.shrink(4.0);
    let finite = || pair.responses.iter().filter(|response| response.iter().all(|value| value.is_finite()));
    let range = |axis: usize| {
        let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), response| {
            (low.min(response[axis]), high.max(response[axis]))
        });
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    let (x, y) = (range(0), range(1));
    let color = after_color(visuals).gamma_multiply(0.55);
    for [a, b] in finite() {
        let at = pos2(
            inner.left() + (a - x.0) / (x.1 - x.0) * inner.width(),
            inner.bottom() - (b - y.0) / (y.1 - y.0) * inner.height(),
        );
        ui.painter().circle_filled(at, 1.3, color);
    }
    let kind = if excited.has_positions { "mean activation over positions" } else { "activation" };
    let text = format!(
        "Across: {kind} of unit {place} of A, {:.2} to {:.2}; upwards: of unit {source} of B, {:.2} to {:.2}; one point for \
         each of {} {}",
        x.0,
        x.1,
        y.0,
        y.1,
        excited.sampled.len(),
        excited.split.images()
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &text));
    response.on_hover_text(text);
}

/// A pair in words.
fn describe(place: usize, unit: &UnitMatch) -> String {
    format!(
        "Pair of unit {place} of A and unit {} of B: correlation {:.3}, margin {:.3}",
        unit.source, unit.after, unit.margin
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;

    fn report() -> GroupReport {
        // Rows are A's units; unit 3 of A is dead.
        let correlation = [
            0.9, 0.1, 0.0, 0.0, //
            0.7, 0.6, 0.0, 0.0, //
            0.0, 0.0, 0.3, 0.1, //
            0.0, 0.0, 0.0, 0.0,
        ];
        let dead = [&[false, false, false, true][..], &[false; 4]];
        GroupReport::new("layer".to_owned(), Permutation::identity(4), &correlation, dead, None)
    }

    #[test]
    fn the_best_the_worst_or_the_most_contested_come_first_and_the_dead_last() {
        let report = report();
        assert_eq!(ordered(&report, Sort::Best, None), [0, 1, 2, 3]);
        assert_eq!(ordered(&report, Sort::Worst, None), [2, 1, 0, 3]);
        assert_eq!(ordered(&report, Sort::Contested, None), [1, 2, 0, 3]);
    }

    #[test]
    fn only_the_selection_is_shown_where_it_is_asked_for() {
        let selected = BTreeSet::from([3, 0]);
        assert_eq!(ordered(&report(), Sort::Worst, Some(&selected)), [0, 3]);
    }
}
