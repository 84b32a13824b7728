//! The pane that compares families: what their paths come to, as a table or as curves, and the list of those that are run.

use egui::{Align, Button, Checkbox, DragValue, Layout, RichText, Role, Sense, Ui, WidgetInfo};
use egui_extras::{Column as TableColumn, TableBuilder, TableRow};

use super::family_menu::GROUPS;
use super::tables::{number, order_mark};
use super::{View, compare_curves, theme};
use crate::app::compare_table::{Column, CompareRow, Scope, rows, sort, text_of, to_csv, to_markdown};
use crate::app::{Action, AppState, CompareOver, Metric};
use crate::geometry::Family;

const ROW_HEIGHT: f32 = 19.0;

/// How the table is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct CompareView {
    scope: Scope,
    /// Runs of each way that chance plays a part in.
    n_seeds: Seeds,
    /// Curves of this instead of the table.
    curves: Option<Metric>,
    /// The column that orders the rows, and whether its highest value comes first; as they were tried without one.
    order: Option<(Column, bool)>,
    /// The list of families to run is open.
    choosing: bool,
}

impl CompareView {
    fn over(&self) -> CompareOver {
        CompareOver { scope: self.scope, n_seeds: self.n_seeds.0 }
    }
}

/// At least one.
#[derive(Clone, Copy, Debug)]
struct Seeds(usize);

impl Default for Seeds {
    fn default() -> Self {
        Self(1)
    }
}

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let mut found = rows(state, view.compare.scope);
    if let Some((column, highest_first)) = view.compare.order {
        sort(&mut found, column, highest_first);
    }
    header(ui, state, &mut view.compare, &found, actions);
    if let Some(running) = &state.compare.running {
        let text = format!("{} of {}: {}…", running.number, running.n_tasks, state.describe_task(running.task));
        ui.label(RichText::new(text).small());
    } else if view.compare.choosing {
        choice(ui, state, view, actions);
    }
    for (task, reason) in &state.compare.failures {
        let text = format!("{}: {reason}", state.describe_task(*task));
        ui.label(RichText::new(text).small().color(ui.visuals().warn_fg_color));
    }
    if found.is_empty() {
        let text = "Every path that was found has a row here: choose the families to run with “Run all”";
        ui.label(RichText::new(text).weak());
        return;
    }
    match view.compare.curves {
        Some(metric) => compare_curves::show(ui, state, view.compare.scope, metric),
        None => table(ui, state, &mut view.compare, &found, actions),
    }
}

fn header(ui: &mut Ui, state: &AppState, view: &mut CompareView, found: &[CompareRow], actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        if state.compare.running.is_some() {
            if ui.button("Stop comparing").on_hover_text("What was found stays (Esc)").clicked() {
                actions.push(Action::CancelAll);
            }
            ui.spinner();
        } else {
            let tip = "Choose families and run them one after another on this pair";
            ui.add_enabled_ui(state.curve.is_some() && !state.is_fitting(), |ui| {
                ui.toggle_value(&mut view.choosing, "Run all…").on_hover_text(tip);
                let tip = "Bézier curves between A and B as loaded, aligned, permuted by PAM, and aligned and permuted by \
                           PAM, one after another (Tatro et al. 2020)";
                if ui.button("Four curves").on_hover_text(tip).clicked() {
                    actions.push(Action::CompareFourCurves(view.over()));
                }
            });
            let label = ui.label("seeds");
            let tip = "Runs of each family that chance plays a part in, with seeds that follow each other";
            ui.add(DragValue::new(&mut view.n_seeds.0).range(1..=20).speed(0.05)).labelled_by(label.id).on_hover_text(tip);
        }
        ui.separator();
        ui.selectable_value(&mut view.scope, Scope::ThisPair, "This pair");
        let n_pairs = state.compared_pairs(Scope::AllPairs).len();
        let tip = "Runs on every pair of the open modes that have this architecture; shown are means ± sample standard deviations";
        let text = if n_pairs < 2 { "All pairs".to_owned() } else { format!("All {n_pairs} pairs") };
        ui.selectable_value(&mut view.scope, Scope::AllPairs, text).on_hover_text(tip);
        ui.separator();
        ui.selectable_value(&mut view.curves, None, "Table");
        let tip = "Means along t with bands of one standard deviation, on the test images";
        for (metric, label) in [(Metric::Loss, "Loss curves"), (Metric::Accuracy, "Accuracy curves")] {
            ui.selectable_value(&mut view.curves, Some(metric), label).on_hover_text(tip);
        }
        ui.separator();
        for (label, tip, text) in [
            ("Copy Markdown", "Copies the table, for a document", to_markdown as fn(&[CompareRow]) -> String),
            ("Copy CSV", "Copies the table, unrounded", to_csv),
        ] {
            if ui.add_enabled(!found.is_empty(), Button::new(label).small()).on_hover_text(tip).clicked() {
                ui.ctx().copy_text(text(found));
            }
        }
    });
}

/// Which families are run; those that do not suit the networks say why.
fn choice(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    egui::Frame::group(ui.style()).show(ui, |ui| {
        for (_, families) in GROUPS {
            ui.horizontal_wrapped(|ui| {
                for &family in families {
                    tick(ui, state, family, actions);
                }
            });
        }
        let n = state.compared_families().len();
        let families = if n == 1 { "1 family".to_owned() } else { format!("{n} families") };
        let text = match state.compared_pairs(view.compare.scope).len() {
            0 | 1 => format!("Run {families}"),
            n_pairs => format!("Run {families} on {n_pairs} pairs"),
        };
        if ui.add_enabled(0 < n, Button::new(text)).clicked() {
            view.compare.choosing = false;
            actions.push(Action::Compare(view.compare.over()));
        }
    });
}

fn tick(ui: &mut Ui, state: &AppState, family: Family, actions: &mut Vec<Action>) {
    let obstacle = state.obstacle(family);
    let mut chosen = obstacle.is_none() && !state.compare.left_out.contains(&family);
    let label = match state.settings.path.n_bends {
        1 if family.is_fitted() => format!("{}, 1 bend", family.label()),
        n if family.is_fitted() => format!("{}, {n} bends", family.label()),
        _ => family.label().to_owned(),
    };
    let response = ui.add_enabled(obstacle.is_none(), Checkbox::new(&mut chosen, RichText::new(label).small()));
    let response = response.on_hover_text(family.explanation());
    if response.on_disabled_hover_text(obstacle.unwrap_or_default()).changed() {
        actions.push(Action::LeaveOut(family, !chosen));
    }
}

fn table(ui: &mut Ui, state: &AppState, view: &mut CompareView, found: &[CompareRow], actions: &mut Vec<Action>) {
    let current = state.path.as_ref().map(|path| path.revision);
    let is_current =
        |row: &CompareRow| state.runs.iter().any(|run| run.id == row.run && Some(run.path.revision) == current);
    let best = best_values(found);
    TableBuilder::new(ui)
        .id_salt("comparison")
        .striped(true)
        // For the mouse only: keyboards and screen readers have the button in the first column.
        .sense(Sense::CLICK)
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink([false, false])
        .min_scrolled_height(60.0)
        .column(TableColumn::remainder().at_least(120.0).clip(true))
        .column(TableColumn::auto().at_least(34.0))
        .columns(TableColumn::auto().at_least(62.0), Column::ALL.len())
        .column(TableColumn::auto().at_least(30.0))
        .header(ROW_HEIGHT, |mut header| {
            header.col(|ui| drop(ui.label(RichText::new("family").small().strong())));
            header.col(|ui| {
                ui.label(RichText::new("runs").small().strong())
                    .on_hover_text("Pairs of networks, and seeds, it was run on");
            });
            for column in Column::ALL {
                header.col(|ui| head(ui, view, column));
            }
            header.col(|ui| drop(ui.label(RichText::new("pin").small().strong())));
        })
        .body(|body| {
            body.rows(ROW_HEIGHT, found.len(), |mut row| {
                let entry = &found[row.index()];
                row.set_selected(is_current(entry));
                cells(&mut row, entry, &best, actions);
                if row.response().clicked() {
                    actions.push(Action::Restore(entry.run));
                }
            });
        });
}

fn head(ui: &mut Ui, view: &mut CompareView, column: Column) {
    let mut text = column.title().to_owned();
    if column.is_accuracy() {
        text += " %";
    }
    let button = Button::new(RichText::new(text).small().strong()).frame(false);
    let response = ui.add(button).on_hover_text(format!("{}. Click to sort by it", column.explanation()));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Sort by {}", column.title())));
    let sorted = view.order.filter(|(by, _)| *by == column);
    if let Some((_, highest_first)) = sorted {
        order_mark(ui, highest_first);
    }
    if response.clicked() {
        // What is good comes first.
        view.order = Some((column, sorted.map_or(column.is_accuracy(), |(_, highest_first)| !highest_first)));
    }
}

fn cells(row: &mut TableRow<'_, '_>, entry: &CompareRow, best: &[Option<f64>; 6], actions: &mut Vec<Action>) {
    row.col(|ui| {
        let response = ui.add(Button::new(&entry.title).frame(false).truncate()).on_hover_text("Go back to this run");
        let label = format!("Go back to {}", entry.title);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        if response.clicked() {
            actions.push(Action::Restore(entry.run));
        }
    });
    row.col(|ui| drop(ui.add(number(entry.n_runs.to_string(), None))));
    for (column, best) in Column::ALL.into_iter().zip(best) {
        row.col(|ui| {
            let value = entry.value(column);
            let is_best = value.is_some_and(|value| Some(value.mean) == *best);
            let color = is_best.then(|| theme::good(ui.visuals()));
            let text = value.map_or_else(|| "–".to_owned(), |value| text_of(value, column));
            ui.add(number(text, color));
        });
    }
    row.col(|ui| {
        let mut pinned = entry.pinned;
        let response = ui.checkbox(&mut pinned, "").on_hover_text("Draw this path's curve beside the current one");
        let label = format!("Pin {}", entry.title);
        response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, pinned, &label));
        if response.changed() {
            actions.push(Action::Pin(entry.run, pinned));
        }
        if entry.pinned {
            let (rect, _) = ui.allocate_exact_size(egui::vec2(14.0, 3.0), Sense::hover());
            ui.painter().rect_filled(rect, 1.0, theme::run_color(entry.number, ui.visuals().dark_mode));
        }
    });
}

/// The highest accuracies and the lowest barrier, where there are several to choose from; other columns have no best value.
fn best_values(found: &[CompareRow]) -> [Option<f64>; 6] {
    Column::ALL.map(|column| {
        let means = found.iter().filter_map(|row| row.value(column)).map(|value| value.mean);
        let means: Vec<f64> = means.filter(|mean| mean.is_finite()).collect();
        let best = if column.is_accuracy() {
            means.iter().copied().max_by(f64::total_cmp)
        } else {
            means.iter().copied().min_by(f64::total_cmp)
        };
        let is_judged = column.is_accuracy() || column == Column::Barrier;
        best.filter(|_| is_judged && 1 < means.len())
    })
}
