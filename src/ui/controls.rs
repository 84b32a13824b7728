//! The column of controls: modes, data, alignment; the path's and the plane's are in `path_controls`, the
//! adversary's in `attack_controls`.

use egui::{ComboBox, RichText, Role, ScrollArea, Ui, WidgetInfo};

use super::{View, align_controls, attack_controls, path_controls, theme};
use crate::app::{Action, AppState, ModeId, ModeState, Purpose, TrajectoryState};
use crate::compute::GroupCheck;
use crate::data::SplitName;
use crate::ui::dialogs::Wish;

/// Data sets in the program: name, label, explanation.
const BUILT_IN: [(&str, &str, &str); 4] = [
    (crate::data::EMBEDDED, "Digits", "UCI optical digits, 8×8, 5,620 images"),
    ("moons", "Two moons", "Points of the plane in two classes that interlock"),
    ("spirals", "Three spirals", "Points of the plane in three classes that wind around each other"),
    ("blobs", "Four blobs", "Points of the plane in four overlapping classes"),
];

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        // The scroll bar must not lie on the text.
        ui.set_max_width(ui.available_width() - theme::SCROLL_BAR_WIDTH);
        section(ui, "Modes", |ui| modes(ui, state, view, actions));
        section(ui, "Data", |ui| data(ui, state, view, actions));
        section(ui, "Alignment", |ui| align_controls::show(ui, state, actions));
        section(ui, "Path", |ui| path_controls::path(ui, state, view, actions));
        section(ui, "Plane", |ui| path_controls::plane(ui, state, actions));
        section(ui, "Adversary", |ui| attack_controls::evaluation(ui, state, actions));
    });
}

fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(RichText::new(title).heading()).default_open(true).show_unindented(ui, |ui| {
        ui.add_space(2.0);
        contents(ui);
        ui.add_space(8.0);
    });
}

fn modes(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    for (place, entry) in state.modes.iter().enumerate() {
        mode_row(ui, state, place, entry, actions);
    }
    for run in &state.trajectories {
        trajectory_row(ui, run, view, actions);
    }
    if let Some((a, b)) = state.endpoints.filter(|_| 2 < state.modes.len()) {
        ui.horizontal(|ui| {
            ui.label("Join");
            let (mut from, mut to) = (a, b);
            mode_choice(ui, state, "Start of the path", &mut from);
            ui.label("to");
            mode_choice(ui, state, "End of the path", &mut to);
            if (from, to) != (a, b) && from != to {
                actions.push(Action::SetEndpoints { a: from, b: to });
            }
        });
    }
    if let Some(Err(reason)) = &state.pair {
        ui.label(RichText::new(format!("These two cannot be joined: {reason}")).color(ui.visuals().error_fg_color));
    }
    ui.horizontal_wrapped(|ui| {
        let tip = "Or drop .safetensors, .pt or .pth files on the window (Ctrl+O)";
        if ui.button("Open checkpoints…").on_hover_text(tip).clicked() {
            view.dialogs.ask(Wish::OpenCheckpoints);
        }
        if ui.button("Train…").on_hover_text("Train new modes on the data below").clicked() {
            actions.push(Action::ShowTraining(true));
        }
    });
}

fn mode_row(ui: &mut Ui, state: &AppState, place: usize, entry: &ModeState, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        theme::mode_dot(ui, place);
        ui.label(RichText::new(state.letter(entry.id)).strong());
        let name = ui.add(egui::Label::new(&entry.mode.name).truncate());
        name.on_hover_ui(|ui| mode_tooltip(ui, entry));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let letter = state.letter(entry.id);
            let remove = ui.small_button("×").on_hover_text(format!("Take {letter} out"));
            remove.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Take {letter} out")));
            if remove.clicked() {
                actions.push(Action::RemoveMode(entry.id));
            }
        });
    });
    if !entry.mode.others.is_empty() {
        network_choice(ui, state, entry, actions);
    }
    ui.horizontal_wrapped(|ui| {
        ui.add_space(2.0 * theme::DOT_RADIUS + 8.0);
        let misfit = state.data.as_ref().and_then(|data| data.misfit(&entry.mode.network));
        if let Some(reason) = misfit {
            ui.label(RichText::new(reason).small().color(ui.visuals().warn_fg_color));
            return;
        }
        for split in [SplitName::Test, SplitName::Train] {
            let text = match entry.scores.split(split) {
                Some(value) => format!("{split} {}  loss {}", theme::percent(value.accuracy), theme::nats(value.loss)),
                None => format!("{split} …"),
            };
            ui.label(RichText::new(text).small());
        }
    });
    // The line is there from the start, so that nothing moves under the mouse when the answer comes.
    ui.horizontal(|ui| {
        ui.add_space(2.0 * theme::DOT_RADIUS + 8.0);
        match &entry.check {
            Some(check) => badge(ui, check),
            None => {
                let is_running = state.runs_job(Purpose::Verify { mode: entry.id });
                let text = if is_running { "groups …" } else { "groups not tried" };
                let tip = "Whether the network computes the same after its units changed places";
                ui.label(RichText::new(text).small().weak()).on_hover_text(tip);
            }
        }
    });
}

/// Says whether the network computes the same after its units changed places.
fn badge(ui: &mut Ui, check: &GroupCheck) {
    let n = check.n_groups;
    let (text, color, meaning) = if check.holds() {
        let meaning = format!(
            "Units of {n} groups were moved at random: the logits stayed the same, to {:.0e}. The network can be aligned.",
            check.seal.max_logit_difference
        );
        let text = if n == 1 { "1 group holds".to_owned() } else { format!("{n} groups hold") };
        (text, ui.visuals().weak_text_color(), meaning)
    } else {
        let which = if check.failed.is_empty() { "all at once".to_owned() } else { check.failed.join(", ") };
        let meaning =
            format!("Moving units ({which}) changed the logits: alignments of this network are not to be trusted.");
        ("groups do not hold".to_owned(), ui.visuals().warn_fg_color, meaning)
    };
    ui.label(RichText::new(text).small().color(color)).on_hover_text(meaning);
}

/// A run's checkpoints, any of which can become a mode.
fn trajectory_row(ui: &mut Ui, run: &TrajectoryState, view: &mut View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let name = ui.add(egui::Label::new(RichText::new(&run.name).strong()).truncate());
        name.on_hover_text("Checkpoints of one run: drawn on the landscape as a line from the first to the last");
        let remove = ui.small_button("×").on_hover_text(format!("Take {} out", run.name));
        remove.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Take {} out", run.name)));
        if remove.clicked() {
            actions.push(Action::RemoveTrajectory(run.id));
        }
    });
    ui.horizontal(|ui| {
        let last = run.modes.len() - 1;
        let chosen = view.checkpoints.entry(run.id).or_insert(last);
        let label = ui.label(RichText::new("checkpoint").small());
        ui.add(egui::DragValue::new(chosen).range(0..=last)).labelled_by(label.id);
        ui.label(RichText::new(format!("of 0 to {last}")).small());
        let meaning = run.modes.get(*chosen).map_or_else(String::new, |mode| mode.name.clone());
        if ui.small_button("Add as mode").on_hover_text(meaning).clicked() {
            actions.push(Action::TakeCheckpoint(run.id, *chosen));
        }
    });
}

/// Which of the networks that it fits a file is taken as.
fn network_choice(ui: &mut Ui, state: &AppState, entry: &ModeState, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.add_space(2.0 * theme::DOT_RADIUS + 8.0);
        let label = ui.label(RichText::new("taken as").small());
        let shown = ComboBox::from_id_salt(("network", entry.id.0))
            .selected_text(RichText::new(entry.mode.network.name()).small())
            .width(ui.available_width() - theme::SCROLL_BAR_WIDTH)
            .truncate()
            .show_ui(ui, |ui| {
                let _as_it_is = ui.selectable_label(true, entry.mode.network.name());
                for (index, other) in entry.mode.others.iter().enumerate() {
                    if ui.selectable_label(false, other.network.name()).clicked() {
                        actions.push(Action::TakeAs(entry.id, index));
                    }
                }
            });
        let letter = state.letter(entry.id);
        let n = 1 + entry.mode.others.len();
        let meaning = format!(
            "Names and shapes of {letter}'s file fit {n} networks. The one that scores best on the data is taken, unless \
             you choose another"
        );
        shown.response.labelled_by(label.id).on_hover_text(meaning);
    });
}

fn mode_tooltip(ui: &mut Ui, entry: &ModeState) {
    ui.label(RichText::new(entry.mode.network.name()).strong());
    ui.label(format!("{} parameters", theme::count(entry.mode.network.layout().n_trained())));
    if let Some(path) = &entry.mode.path {
        ui.label(path.display().to_string());
    }
    for note in entry.mode.network.restrictions().iter().chain(&entry.mode.notes) {
        ui.label(RichText::new(note).small());
    }
}

fn mode_choice(ui: &mut Ui, state: &AppState, label: &str, chosen: &mut ModeId) {
    ComboBox::from_id_salt(label)
        .selected_text(state.letter(*chosen))
        .width(48.0)
        .show_ui(ui, |ui| {
            for entry in &state.modes {
                let text = format!("{}  {}", state.letter(entry.id), entry.mode.name);
                ui.selectable_value(chosen, entry.id, text);
            }
        })
        .response
        .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, label));
}

fn data(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    match &state.data {
        None => drop(ui.label(RichText::new("No data yet").weak())),
        Some(data) => {
            let set = &data.dataset;
            ui.label(RichText::new(&set.name).strong()).on_hover_text(&set.source);
            let size = if set.shape.is_tabular() {
                set.shape.to_string()
            } else {
                format!("{}×{}×{} pixels", set.shape.channels, set.shape.height, set.shape.width)
            };
            ui.label(
                RichText::new(format!(
                    "{size}, {} classes, {} train, {} test",
                    set.n_classes(),
                    theme::count(set.train.len()),
                    theme::count(set.test.len())
                ))
                .small(),
            );
            normalization(ui, data, actions);
        }
    }
    if let Some(suggestion) = &state.suggestion {
        egui::Frame::group(ui.style()).show(ui, |ui| {
            ui.label(format!(
                "Accuracy is {} as the pixels are scaled now. Scaled as “{}” it is {}.",
                theme::percent(suggestion.accuracy_now),
                suggestion.label,
                theme::percent(suggestion.accuracy_then)
            ));
            ui.horizontal(|ui| {
                if ui.button("Use that normalisation").clicked() {
                    actions.push(Action::Normalize(suggestion.normalization.clone()));
                }
                if ui.button("Keep").clicked() {
                    actions.push(Action::DismissSuggestion);
                }
            });
        });
    }
    ui.horizontal(|ui| {
        if ui
            .button("Open data…")
            .on_hover_text("Folders of MNIST, CIFAR or images; .csv and .npz files (Ctrl+D)")
            .clicked()
        {
            view.dialogs.ask(Wish::OpenData);
        }
        ui.menu_button("Built-in", |ui| {
            for (name, label, meaning) in BUILT_IN {
                if ui.button(label).on_hover_text(meaning).clicked() {
                    actions.push(Action::OpenData(name.to_owned()));
                }
            }
        });
    });
}

/// How pixels are scaled, with the usual choices.
fn normalization(ui: &mut Ui, data: &crate::app::DataState, actions: &mut Vec<Action>) {
    let usual = data.usual.as_slice();
    let known = usual.iter().find(|(_, n)| *n == data.normalization);
    let text = known.map_or_else(|| data.normalization.to_string(), |(label, _)| label.clone());
    ui.horizontal(|ui| {
        let label = ui.label("Scaling");
        let mut chosen = None;
        ComboBox::from_id_salt("normalisation")
            .selected_text(text)
            .truncate()
            .width(ui.available_width().min(170.0))
            .show_ui(ui, |ui| {
                for (name, normalization) in usual {
                    let text = format!("{name} ({normalization})");
                    if ui.selectable_label(*normalization == data.normalization, text).clicked() {
                        chosen = Some(normalization.clone());
                    }
                }
            })
            .response
            .labelled_by(label.id)
            .on_hover_text("How pixels become inputs. It must be what the networks were trained with, or all accuracies are too low.");
        actions.extend(chosen.map(Action::Normalize));
    });
}
