//! The table of a group's units.

use std::collections::BTreeSet;

use egui::{Align, Button, ComboBox, Layout, RichText, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder, TableRow};

use super::of_group::OfGroup;
use super::{Focus, Shown, theme};
use crate::app::units_table::{UnitColumn, UnitFilter, UnitQuery, Units};
use crate::ui::tables::{number, order_mark};

const ROW_HEIGHT: f32 = 19.0;
/// Widths of a column of numbers, and of all columns where the view is narrower than they are.
const COLUMN_WIDTH: f32 = 56.0;
const LEAST_WIDTH: f32 = 560.0;

#[derive(Debug, Default)]
pub(super) struct TableView {
    query: UnitQuery,
    found: OfGroup<Found>,
    /// The table as CSV, for a file that is still to be named.
    to_save: Option<String>,
}

/// What is kept of a group while it is shown.
#[derive(Debug, Default)]
struct Found {
    /// One a unit.
    contested: Vec<bool>,
    rows: Rows,
}

/// The rows of the table, kept until others are asked for.
#[derive(Debug, Default)]
struct Rows {
    /// With the selection, where the rows are the selected units.
    asked: Option<(UnitQuery, Option<BTreeSet<usize>>)>,
    places: Vec<usize>,
}

impl Rows {
    fn of(&mut self, units: Units<'_>, query: &UnitQuery, focus: &Focus) -> &[usize] {
        let selected = (query.filter == UnitFilter::Selected).then(|| focus.selected());
        let is_same = |(asked, of): &(UnitQuery, Option<BTreeSet<usize>>)| asked == query && of.as_ref() == selected;
        if !self.asked.as_ref().is_some_and(is_same) {
            self.places = units.places(focus.selected(), query);
            self.asked = Some((query.clone(), selected.cloned()));
        }
        &self.places
    }
}

impl TableView {
    /// The table that the user wants in a file, once.
    pub(super) fn take_to_save(&mut self) -> Option<String> {
        self.to_save.take()
    }
}

pub(super) fn show(ui: &mut Ui, shown: &Shown<'_>, view: &mut TableView, focus: &mut Focus) {
    let TableView { query, found, to_save } = view;
    let Found { contested, rows } =
        found.get(shown, |group| Found { contested: group.contested(), rows: Rows::default() });
    let units = Units { group: shown.report, contested };
    question(ui, query);
    let places = rows.of(units, query, focus);
    ui.horizontal_wrapped(|ui| {
        let text = format!("{} of {} units", theme::count(places.len()), theme::count(shown.report.n_units()));
        ui.label(RichText::new(text).small());
        let tip = "These rows in this order, unrounded";
        if ui.add(Button::new("Copy as CSV").small()).on_hover_text(tip).clicked() {
            ui.ctx().copy_text(units.to_csv(places.iter().copied()));
        }
        if ui.add(Button::new("Save as CSV…").small()).on_hover_text(tip).clicked() {
            *to_save = Some(units.to_csv(places.iter().copied()));
        }
        let select = ui.add_enabled(!places.is_empty(), Button::new("Select these").small());
        if select.on_hover_text("Selects the units of these rows, and no others").clicked() {
            focus.select(places.iter().copied());
        }
    });
    if places.is_empty() {
        ui.label(RichText::new("No unit is like that").weak());
        return;
    }
    ScrollArea::horizontal().auto_shrink([false, false]).show(ui, |ui| {
        ui.set_min_width(LEAST_WIDTH);
        table(ui, units, places, query, focus);
    });
}

/// Which units are wanted.
fn question(ui: &mut Ui, query: &mut UnitQuery) {
    ui.horizontal(|ui| {
        let menu = ComboBox::from_id_salt("units shown").selected_text(query.filter.label()).width(88.0);
        menu.show_ui(ui, |ui| {
            for filter in UnitFilter::ALL {
                ui.selectable_value(&mut query.filter, filter, filter.label());
            }
        })
        .response
        .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Units shown"));
        let field = TextEdit::singleline(&mut query.numbers).hint_text("Unit numbers").desired_width(110.0);
        let response = ui.add(field).on_hover_text("Numbers find units of A and of B; several are parted by blanks");
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Find units"));
    });
}

fn table(ui: &mut Ui, units: Units<'_>, places: &[usize], query: &mut UnitQuery, focus: &mut Focus) {
    TableBuilder::new(ui)
        .id_salt("units")
        .striped(true)
        // For the mouse only: keyboards and screen readers have the button in the first column.
        .sense(Sense::CLICK)
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink([false, false])
        .min_scrolled_height(60.0)
        .columns(Column::exact(COLUMN_WIDTH), UnitColumn::ALL.len() - 1)
        .column(Column::remainder().at_least(90.0).clip(true))
        .header(ROW_HEIGHT, |mut header| {
            for column in UnitColumn::ALL {
                header.col(|ui| head(ui, query, column));
            }
        })
        .body(|body| {
            body.rows(ROW_HEIGHT, places.len(), |mut row| {
                let place = places[row.index()];
                row.set_selected(focus.is_selected(place));
                row.set_hovered(focus.hovered() == Some(place));
                cells(&mut row, units, place, focus);
                let response = row.response();
                if response.hovered() {
                    focus.hover(place);
                }
                if response.clicked() {
                    focus.toggle(place);
                }
            });
        });
}

fn head(ui: &mut Ui, query: &mut UnitQuery, column: UnitColumn) {
    let button = Button::new(RichText::new(column.title()).small().strong()).frame(false);
    let response = ui.add(button).on_hover_text(format!("{}. Click to sort by it", column.explanation()));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Sort by {}", column.title())));
    let is_sorted = query.column == column;
    if is_sorted {
        order_mark(ui, query.highest_first);
    }
    if response.clicked() {
        // Flags come first; of numbers the lowest do: what is worst is what is sought.
        query.highest_first = if is_sorted { !query.highest_first } else { column == UnitColumn::Flags };
        query.column = column;
    }
}

fn cells(row: &mut TableRow<'_, '_>, units: Units<'_>, place: usize, focus: &mut Focus) {
    let unit = &units.group.units[place];
    row.col(|ui| {
        let is_selected = focus.is_selected(place);
        let response = ui.add(Button::new(RichText::new(place.to_string()).small()).frame(false));
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, format!("Unit {place} of A")));
        if response.clicked() {
            focus.toggle(place);
        }
        if response.hovered() {
            focus.hover(place);
        }
    });
    let correlation = |value: f32| format!("{value:.3}");
    let texts = [
        unit.source.to_string(),
        correlation(unit.before),
        correlation(unit.after),
        correlation(unit.margin),
        unit.best_source.to_string(),
        correlation(unit.best),
    ];
    for text in texts {
        row.col(|ui| drop(ui.add(number(text, None))));
    }
    row.col(|ui| {
        let flags = units.flags(place);
        ui.add(number(flags, None).truncate());
    });
}
