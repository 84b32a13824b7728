//! The bar at the top and the keyboard shortcuts.

use egui::{Align, Button, Key, KeyboardShortcut, Layout, Modifiers, Panel, RichText, ThemePreference, Ui};

use super::dialogs::Wish;
use super::{View, default_layout};
use crate::app::{Action, AppState};
use crate::compute::DeviceChoice;

const OPEN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::O);
const OPEN_DATA: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::D);
const ALIGN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::L);
const FIND_PATH: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter);
const THEME: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::T);
const QUIT: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Q);
const SHORTCUTS: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F1);
const STOP: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::Escape);

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    Panel::top("menu").exact_size(32.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.label(RichText::new("lowroad").heading().strong());
            ui.add_space(8.0);
            ui.menu_button("File", |ui| file(ui, state, view, actions));
            ui.menu_button("Edit", |ui| edit(ui, state, actions));
            ui.menu_button("View", |ui| look(ui, view));
            ui.menu_button("Help", |ui| {
                if ui.add(entry(ui, "Keyboard shortcuts", &SHORTCUTS)).clicked() {
                    view.shortcuts = true;
                }
                if ui.button("About lowroad").clicked() {
                    view.about = true;
                }
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let dark = ui.visuals().dark_mode;
                let label = if dark { "Light" } else { "Dark" };
                if ui.button(label).on_hover_text("Change the theme (Ctrl+T)").clicked() {
                    toggle_theme(ui.ctx());
                }
            });
        });
    });
}

/// An entry of a menu with its keys.
fn entry(ui: &Ui, label: &'static str, keys: &KeyboardShortcut) -> Button<'static> {
    Button::new(label).shortcut_text(ui.ctx().format_shortcut(keys))
}

fn file(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    if ui.add(entry(ui, "Open checkpoints…", &OPEN)).clicked() {
        view.dialogs.ask(Wish::OpenCheckpoints);
    }
    if ui.add(entry(ui, "Open data…", &OPEN_DATA)).clicked() {
        view.dialogs.ask(Wish::OpenData);
    }
    let tip = "B's units in an order of yours or of another program (JSON, NPZ), judged as if it had been found";
    let open_permutation = ui.add_enabled(state.curve.is_some(), Button::new("Open a permutation…"));
    if open_permutation.on_hover_text(tip).clicked() {
        view.dialogs.ask(Wish::OpenPermutation);
    }
    if ui.button("Train modes…").clicked() {
        actions.push(Action::ShowTraining(true));
    }
    if ui.button("Type a path…").clicked() {
        view.dialogs.type_path(Wish::OpenCheckpoints);
    }
    ui.separator();
    // Those of files are saved already.
    for entry in state.modes.iter().filter(|entry| entry.mode.path.is_none()) {
        let label = format!("Save mode {}…", state.letter(entry.id));
        if ui.button(label).on_hover_text(&entry.mode.name).clicked() {
            view.dialogs.ask(Wish::SaveMode(entry.id));
        }
    }
    let has_path = state.path.is_some();
    let has_bends = state.path.as_ref().is_some_and(|p| !p.path.bends().is_empty());
    let has_alignment = state.current_alignment().is_some();
    for (enabled, label, wish) in [
        (has_path, "Save the network at t…", Wish::SavePathPoint),
        (has_bends, "Save the bends…", Wish::SaveBends),
        (has_alignment, "Save aligned B…", Wish::SaveAligned),
        (has_alignment, "Save the permutation…", Wish::SavePermutation),
        (state.plane.is_some(), "Export the landscape as PNG…", Wish::ExportLandscapePng),
        (state.plane.is_some(), "Export the landscape as SVG…", Wish::ExportLandscapeSvg),
        (state.curve.is_some(), "Export the curves as SVG…", Wish::ExportCurveSvg),
        (state.curve.is_some(), "Export the curves as CSV…", Wish::ExportCurveCsv),
        (state.robust.is_some(), "Export clean and robust curves as SVG…", Wish::ExportRobustSvg),
    ] {
        if ui.add_enabled(enabled, Button::new(label)).clicked() {
            view.dialogs.ask(wish);
        }
    }
    ui.separator();
    if ui.add_enabled(has_path, Button::new("Keep this path as a run")).clicked() {
        actions.push(Action::KeepRun);
    }
    ui.separator();
    if ui.add(entry(ui, "Quit", &QUIT)).clicked() {
        quit(ui);
    }
}

fn quit(ui: &Ui) {
    ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
}

fn edit(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    ui.menu_button("Device", |ui| {
        for (choice, label) in [
            (DeviceChoice::Auto, "Automatic"),
            (DeviceChoice::Gpu, "Graphics processor"),
            (DeviceChoice::Cpu, "Processor"),
        ] {
            if ui.radio(state.device.choice == choice, label).clicked() {
                actions.push(Action::UseDevice(choice));
            }
        }
    });
    if ui.add_enabled(!state.jobs.is_empty(), entry(ui, "Stop what runs", &STOP)).clicked() {
        actions.push(Action::CancelAll);
    }
}

fn look(ui: &mut Ui, view: &mut View) {
    // In words: egui's own buttons need a font with emoji.
    let chosen = ui.ctx().options(|o| o.theme_preference);
    for (preference, label) in [
        (ThemePreference::Dark, "Dark theme"),
        (ThemePreference::Light, "Light theme"),
        (ThemePreference::System, "The system's theme"),
    ] {
        if ui.radio(chosen == preference, label).clicked() {
            ui.ctx().set_theme(preference);
        }
    }
    ui.separator();
    if ui.button("Reset the layout").clicked() {
        view.tree = default_layout();
    }
    egui::gui_zoom::zoom_menu_buttons(ui);
}

fn toggle_theme(ctx: &egui::Context) {
    let dark = ctx.theme() == egui::Theme::Dark;
    ctx.set_theme(if dark { egui::Theme::Light } else { egui::Theme::Dark });
}

/// Shortcuts that work wherever the focus is.
pub(super) fn shortcuts(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let pressed = |keys| ui.input_mut(|i| i.consume_shortcut(keys));
    if pressed(&OPEN) {
        view.dialogs.ask(Wish::OpenCheckpoints);
    }
    if pressed(&OPEN_DATA) {
        view.dialogs.ask(Wish::OpenData);
    }
    if pressed(&ALIGN) {
        actions.push(Action::Align);
    }
    if pressed(&FIND_PATH) {
        actions.push(Action::FindPath);
    }
    if pressed(&THEME) {
        toggle_theme(ui.ctx());
    }
    if pressed(&QUIT) {
        quit(ui);
    }
    if pressed(&SHORTCUTS) {
        view.shortcuts = !view.shortcuts;
    }
    // Escape belongs to the menu or dialog that is open.
    let is_busy_elsewhere = egui::Popup::is_any_open(ui.ctx()) || view.dialogs.is_open();
    if !state.jobs.is_empty() && !is_busy_elsewhere && pressed(&STOP) {
        actions.push(Action::CancelAll);
    }
}
