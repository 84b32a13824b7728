//! Finished runs as cards: look, compare, go back.

use egui::{Align, Layout, RichText, Role, ScrollArea, Sense, Ui, WidgetInfo};

use super::{View, theme};
use crate::app::{Action, AppState, Run};

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    view.fields.keep_thumbnails(|id| state.runs.iter().any(|run| run.id == id));
    if state.runs.is_empty() {
        ui.label(
            RichText::new("Every finished path stays here: click a card to go back to it, pin it to compare.").weak(),
        );
        return;
    }
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.set_max_width(ui.available_width() - theme::SCROLL_BAR_WIDTH);
        for run in state.runs.iter().rev() {
            card(ui, state, view, run, actions);
        }
    });
}

fn card(ui: &mut Ui, state: &AppState, view: &mut View, run: &Run, actions: &mut Vec<Action>) {
    let current = state.path.as_ref().is_some_and(|p| p.revision == run.path.revision);
    let mut frame = egui::Frame::group(ui.style()).inner_margin(6);
    if current {
        frame.stroke = egui::Stroke::new(1.5, ui.visuals().selection.stroke.color);
    }
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if let Some(plane) = &run.plane {
            let metric = run.settings.plane.metric;
            let texture = view.fields.thumbnail(ui.ctx(), run.id, plane, metric, &view.style);
            let size = egui::vec2(
                ui.available_width(),
                ui.available_width() * theme::THUMBNAIL[1] as f32 / theme::THUMBNAIL[0] as f32,
            );
            let image = egui::Image::new(texture)
                .fit_to_exact_size(size)
                .sense(Sense::click())
                .alt_text(format!("Landscape of run {}", run.number));
            let response = ui.add(image).on_hover_text("Go back to this run");
            if response.clicked() {
                actions.push(Action::Restore(run.id));
            }
        }
        ui.horizontal(|ui| {
            let title = format!("{}  {}", run.number, run.title());
            let button = egui::Button::new(RichText::new(title).strong()).frame(false).truncate();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let remove = ui.small_button("×").on_hover_text("Remove this run");
                remove.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Remove run {}", run.number)));
                if remove.clicked() {
                    actions.push(Action::RemoveRun(run.id));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    if ui.add(button).on_hover_text("Go back to this run").clicked() {
                        actions.push(Action::Restore(run.id));
                    }
                });
            });
        });
        ui.label(RichText::new(&run.pair).small());
        let barrier = run.barrier().map_or_else(|| "…".to_owned(), theme::nats);
        let worst = run.worst_accuracy().map_or_else(|| "…".to_owned(), theme::percent);
        ui.label(RichText::new(format!("barrier {barrier}, worst {worst}")).small());
        if let Some(robust) = run.robust.as_ref().and_then(|robust| robust.summary(&run.curve)) {
            let text = format!("under attack: worst {}", theme::percent(robust.worst.accuracy));
            ui.label(RichText::new(text).small()).on_hover_text("The lowest accuracy along the path");
        }
        let mut facts = Vec::new();
        if 0 < run.path.epochs_done {
            facts.push(format!("{} epochs", run.path.epochs_done));
        }
        if 0.0 < run.path.seconds {
            facts.push(format!("{:.1} s", run.path.seconds));
        }
        if let Some(attack) = run.path.attack {
            facts.push(format!("against PGD {attack}"));
        }
        if run.path.by_hand {
            facts.push("bent by hand".to_owned());
        }
        if !facts.is_empty() {
            ui.add(egui::Label::new(RichText::new(facts.join(", ")).small().weak()).wrap());
        }
        let mut pinned = run.pinned;
        let dark = ui.visuals().dark_mode;
        ui.horizontal(|ui| {
            let label = format!("Pin run {}", run.number);
            let response =
                ui.checkbox(&mut pinned, "Pin").on_hover_text("Draw this run's curve beside the current one");
            response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, pinned, &label));
            if response.changed() {
                actions.push(Action::Pin(run.id, pinned));
            }
            if run.pinned {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(26.0, 3.0), Sense::hover());
                ui.painter().rect_filled(rect, 1.0, theme::run_color(run.number, dark));
            }
        });
    });
    ui.add_space(4.0);
}
