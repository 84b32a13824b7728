//! The permutation by hand: how many layers take part, pairs that are pinned, exchanged or taken apart, and what becomes of
//! the barrier.

mod barriers;
mod game;

use std::collections::BTreeSet;

use egui::{Button, DragValue, Response, RichText, Role, ScrollArea, Slider, Ui, WidgetInfo};

use super::of_group::OfGroup;
use super::unit_images::UnitImages;
use super::{Focus, Shown, theme};
use crate::app::{Action, PairingGame};
use crate::matching::{Edits, GroupEdits, GroupReport};

/// Height of the list of contested units.
const CONTESTED_HEIGHT: f32 = 96.0;

#[derive(Default)]
pub(super) struct ByHandView {
    /// The unit of B that is to be pinned, and the place that it was chosen for.
    pinned: Option<(usize, usize)>,
    /// Units that would rather have another partner.
    contested: OfGroup<Vec<usize>>,
    game: Option<game::GameView>,
    images: UnitImages,
    /// Games that were begun: every one is another.
    n_games: u64,
}

pub(super) fn show(
    ui: &mut Ui,
    shown: &Shown<'_>,
    view: &mut ByHandView,
    focus: &mut Focus,
    actions: &mut Vec<Action>,
) {
    let pane_height = ui.available_height();
    ScrollArea::vertical().id_salt("by hand").auto_shrink([false, false]).show(ui, |ui| {
        ui.set_max_width(ui.available_width() - theme::SCROLL_BAR_WIDTH);
        if view.game.as_ref().is_some_and(|game| !game.is_of(shown)) {
            view.game = None;
        }
        if let Some(game) = &mut view.game {
            if game.show(ui, shown, &mut view.images, pane_height) {
                view.game = None;
            }
            return;
        }
        let none = Edits::none(shown.alignment.report.groups.len());
        let edits = shown.state.by_hand.as_ref().map_or(&none, |by_hand| &by_hand.edits);
        header(ui, shown, view, edits, actions);
        layers(ui, shown, edits, actions);
        barriers::show(ui, shown.state, actions);
        ui.separator();
        ui.label(RichText::new(format!("Layer {}", shown.report.name)).strong());
        if edits.reaches(shown.group) {
            unmatched(ui, shown, edits, actions);
            selection(ui, shown, view, edits, focus.selected(), actions);
            contested(ui, shown, view, edits, focus, actions);
        } else {
            ui.label(RichText::new("Its permutation is not applied now: move the slider to take it in").weak());
        }
        list(ui, shown, edits, actions);
    });
}

/// Undoing, and the game.
fn header(ui: &mut Ui, shown: &Shown<'_>, view: &mut ByHandView, edits: &Edits, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let can_undo = shown.state.by_hand.as_ref().is_some_and(|by_hand| by_hand.can_undo());
        if ui.add_enabled(can_undo, Button::new("Undo")).on_hover_text("Take the last change back").clicked() {
            actions.push(Action::UndoEdit);
        }
        let reset = ui.add_enabled(!edits.is_none(), Button::new("Reset"));
        if reset.on_hover_text("Go back to the alignment that was found").clicked() {
            actions.push(Action::ResetPermutation);
        }
        let tip = "A game: find out yourself which units of this layer belong together";
        if ui.button("Pair eight units yourself").on_hover_text(tip).clicked() {
            let found = PairingGame::new(shown.report, view.n_games);
            view.game = found.map(|game| game::GameView::new(game, shown));
            view.n_games += 1;
        }
    });
}

/// How many layers take part.
fn layers(ui: &mut Ui, shown: &Shown<'_>, edits: &Edits, actions: &mut Vec<Action>) {
    let groups = &shown.alignment.report.groups;
    let n = groups.len();
    let mut n_layers = edits.n_layers.map_or(n, |layers| layers.min(n));
    let label = ui.label(match n_layers.checked_sub(1).and_then(|last| groups.get(last)) {
        None => "No layer is permuted: B as it was loaded".to_owned(),
        Some(_) if n_layers == n => format!("All {n} layers are permuted"),
        Some(last) => format!("The first {n_layers} of {n} layers are permuted, up to {}", last.name),
    });
    wide_sliders(ui);
    let response = ui.add(Slider::new(&mut n_layers, 0..=n)).labelled_by(label.id);
    let tip =
        "Apply the permutation to the first layers only. B computes the same either way, but the path to it differs";
    send(&response, actions, || Edits { n_layers: (n_layers < n).then_some(n_layers), ..edits.clone() });
    response.on_hover_text(tip);
}

/// How many of the worst pairs are taken apart.
fn unmatched(ui: &mut Ui, shown: &Shown<'_>, edits: &Edits, actions: &mut Vec<Action>) {
    let n = shown.report.n_units();
    let mut n_unmatched = edits.groups[shown.group].n_unmatched.min(n);
    let label = ui.label(format!("Leave the worst {n_unmatched} of {n} pairs unmatched"));
    wide_sliders(ui);
    let response = ui.add(Slider::new(&mut n_unmatched, 0..=n)).labelled_by(label.id);
    send(&response, actions, || changed(edits, |groups| groups[shown.group].n_unmatched = n_unmatched));
    response.on_hover_text("The places of the pairs that are least alike get their units in B's own order");
}

fn wide_sliders(ui: &mut Ui) {
    ui.spacing_mut().slider_width = (ui.available_width() - 60.0).max(60.0);
}

/// Sends what a slider makes of the edits: while it is dragged, and once it is let go.
fn send(slider: &Response, actions: &mut Vec<Action>, edits: impl FnOnce() -> Edits) {
    if slider.changed() || slider.drag_stopped() {
        actions.push(Action::EditPermutation { edits: edits(), done: !slider.dragged() });
    }
}

/// Exchanging two selected units, and pinning one.
fn selection(
    ui: &mut Ui,
    shown: &Shown<'_>,
    view: &mut ByHandView,
    edits: &Edits,
    selected: &BTreeSet<usize>,
    actions: &mut Vec<Action>,
) {
    let places: Vec<usize> = selected.iter().copied().filter(|place| *place < shown.report.n_units()).collect();
    match places[..] {
        [one, other] => {
            let swap = ui.button(format!("Swap the partners of {one} and {other}"));
            if swap.on_hover_text("Units of A get each other's unit of B").clicked() {
                push(actions, changed(edits, |groups| groups[shown.group].swaps.push((one, other))));
            }
        }
        [place] => pin(ui, shown, view, edits, place, actions),
        _ => drop(
            ui.label(
                RichText::new("Select two units, in the matrix or the table, to swap their partners; or one to pin it")
                    .small()
                    .weak(),
            ),
        ),
    }
}

fn pin(ui: &mut Ui, shown: &Shown<'_>, view: &mut ByHandView, edits: &Edits, place: usize, actions: &mut Vec<Action>) {
    let unit = shown.report.units[place];
    let mut wanted = match view.pinned {
        Some((of, wanted)) if of == place => wanted,
        _ => unit.best_source,
    };
    ui.horizontal_wrapped(|ui| {
        let label = ui.label(format!("Pin {place} of A to B's"));
        ui.add(DragValue::new(&mut wanted).range(0..=shown.report.n_units() - 1)).labelled_by(label.id);
        let correlation = shown.report.correlation.at(place, wanted);
        ui.label(RichText::new(format!("correlation {correlation:.2}, now {:.2}", unit.after)).small());
        let tip = "This pair stands, and all other units of the layer are matched anew by their correlations";
        if ui.button("Pin").on_hover_text(tip).clicked() {
            push(actions, changed(edits, |groups| groups[shown.group].pin(place, wanted)));
        }
    });
    view.pinned = Some((place, wanted));
}

/// Units that would rather have another partner.
fn contested(
    ui: &mut Ui,
    shown: &Shown<'_>,
    view: &mut ByHandView,
    edits: &Edits,
    focus: &mut Focus,
    actions: &mut Vec<Action>,
) {
    let report = shown.report;
    let places = view.contested.get(shown, dissatisfied);
    if places.is_empty() {
        ui.label(RichText::new("Every unit has its first choice").small());
        return;
    }
    let n = places.len();
    ui.label(if n == 1 {
        "1 unit does not have its first choice:".to_owned()
    } else {
        format!("{n} units do not have their first choice:")
    });
    let row = ui.spacing().interact_size.y;
    let area = ScrollArea::vertical().id_salt("contested").max_height(CONTESTED_HEIGHT).auto_shrink([false, true]);
    area.show_rows(ui, row, n, |ui, rows| {
        for &place in &places[rows] {
            let unit = report.units[place];
            let text = format!(
                "{place} has {} ({:.2}), prefers {} ({:.2})",
                unit.source, unit.after, unit.best_source, unit.best
            );
            let tip = "Give it its first choice, and that one's owner what it had";
            let response = ui.add(Button::new(RichText::new(&text).small()).truncate()).on_hover_text(tip);
            if response.hovered() {
                focus.hover(place);
            }
            if response.clicked()
                && let Some(owner) =
                    report.permutation.sources().iter().position(|unit_of| *unit_of == unit.best_source)
            {
                push(actions, changed(edits, |groups| groups[shown.group].swaps.push((place, owner))));
            }
        }
    });
}

/// Live units whose partner is not their first choice, those that lose most by it first.
fn dissatisfied(report: &GroupReport) -> Vec<usize> {
    let wants_another = |place: &usize| {
        let unit = &report.units[*place];
        unit.best_source != unit.source && !unit.is_dead
    };
    let mut places: Vec<usize> = (0..report.n_units()).filter(wants_another).collect();
    places.sort_by(|one, other| report.units[*one].margin.total_cmp(&report.units[*other].margin));
    places
}

/// What was changed about the layer, each with a button that takes it back.
fn list(ui: &mut Ui, shown: &Shown<'_>, edits: &Edits, actions: &mut Vec<Action>) {
    let own = &edits.groups[shown.group];
    let elsewhere = edits.groups.iter().enumerate().filter(|(index, group)| *index != shown.group && !group.is_none());
    let n_elsewhere = elsewhere.count();
    if own.is_none() && n_elsewhere == 0 {
        return;
    }
    ui.separator();
    ui.label(RichText::new("Changes").strong());
    for (&place, &unit) in own.pins() {
        if entry(ui, &format!("B's {unit} is pinned to {place} of A")) {
            push(actions, changed(edits, |groups| groups[shown.group].unpin(place)));
        }
    }
    if 0 < own.n_unmatched && entry(ui, &format!("the worst {} pairs are taken apart", own.n_unmatched)) {
        push(actions, changed(edits, |groups| groups[shown.group].n_unmatched = 0));
    }
    for (index, (one, other)) in own.swaps.iter().enumerate() {
        if entry(ui, &format!("{one} and {other} of A swap their partners")) {
            push(
                actions,
                changed(edits, |groups| {
                    groups[shown.group].swaps.remove(index);
                }),
            );
        }
    }
    if 0 < n_elsewhere {
        let text = if n_elsewhere == 1 {
            "1 other layer is changed too".to_owned()
        } else {
            format!("{n_elsewhere} other layers are changed too")
        };
        ui.label(RichText::new(text).small());
    }
}

/// One change; whether it is to be taken back.
fn entry(ui: &mut Ui, text: &str) -> bool {
    ui.horizontal(|ui| {
        let name = format!("Take back: {text}");
        let remove = ui.small_button("×").on_hover_text(&name);
        remove.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        ui.add(egui::Label::new(RichText::new(text).small()).truncate());
        remove.clicked()
    })
    .inner
}

fn changed(edits: &Edits, change: impl FnOnce(&mut Vec<GroupEdits>)) -> Edits {
    let mut edits = edits.clone();
    change(&mut edits.groups);
    edits
}

fn push(actions: &mut Vec<Action>, edits: Edits) {
    actions.push(Action::EditPermutation { edits, done: true });
}
