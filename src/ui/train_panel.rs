//! The panel in which modes are trained: what to train, how, and how it goes.

use egui::{Align, ComboBox, Context, DragValue, Layout, ProgressBar, RichText, ScrollArea, TextEdit, Ui, Window};

use super::dialogs::Wish;
use super::{View, descent_controls, theme};
use crate::app::{Action, AppState, RunningTraining, TrainingForm};
use crate::data::Augmentation;
use crate::net::{Init, zoo};
use crate::recipe::{PRESETS, Recipe};

const WIDTH: f32 = 380.0;
const HEIGHT: f32 = 560.0;
/// Beside the controls, so that the modes can be seen as they come.
const PLACE: [f32; 2] = [330.0, 72.0];
/// The labels' column.
const LABEL_WIDTH: f32 = 92.0;

pub(super) fn show(ctx: &Context, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let mut open = state.training.open;
    let window =
        Window::new("Train modes").open(&mut open).collapsible(false).default_size([WIDTH, HEIGHT]).default_pos(PLACE);
    window.show(ctx, |ui| {
        ScrollArea::vertical().show(ui, |ui| {
            // The scroll bar must not lie on the text.
            ui.set_max_width(ui.available_width() - theme::SCROLL_BAR_WIDTH);
            let mut form = state.training.form.clone();
            ui.add_enabled_ui(!state.training.is_active(), |ui| settings(ui, state, view, &mut form));
            if form != state.training.form {
                actions.push(Action::ChangeTraining(Box::new(form)));
            }
            ui.separator();
            match &state.training.running {
                Some(running) => progress(ui, state, running, actions),
                None => {
                    start(ui, state, actions);
                    interrupted(ui, state, actions);
                }
            }
        });
    });
    if open != state.training.open {
        actions.push(Action::ShowTraining(open));
    }
}

fn settings(ui: &mut Ui, state: &AppState, view: &mut View, form: &mut TrainingForm) {
    preset(ui, form);
    network(ui, state, view, form);
    row(ui, "Modes", "How many, one after another, from seeds that follow each other", |ui| {
        ui.add(DragValue::new(&mut form.n_modes).range(1..=100))
    });
    row(ui, "First seed", "Of the initial weights and the order of images; the same seed gives the same mode", |ui| {
        ui.add(DragValue::new(&mut form.first_seed))
    });
    row(ui, "Epochs", "Passes over the training images", |ui| {
        ui.add(DragValue::new(&mut form.recipe.descent.epochs).range(1..=100_000))
    });
    egui::CollapsingHeader::new("More settings").id_salt("more training settings").show(ui, |ui| {
        descent_controls::rates(ui, &mut form.recipe.descent, state.settings.robust.adversary.attack);
        changes(ui, &mut form.recipe.augmentation);
        initial_weights(ui, state, &mut form.recipe);
        row(ui, "Wrong labels", "Share of the training images that get the label of another class", |ui| {
            let share = DragValue::new(&mut form.label_noise).range(0.0..=0.95).speed(0.005);
            ui.add(share.custom_formatter(|share, _| format!("{:.1} %", 100.0 * share)).custom_parser(percents))
        });
        row(ui, "Save epochs in", "A folder for the networks on the way, to be opened as a trajectory", |ui| {
            let folder = ui.add(TextEdit::singleline(&mut form.trajectory).hint_text("nowhere").desired_width(170.0));
            if ui.button("Folder…").clicked() {
                view.dialogs.ask(Wish::TrajectoryFolder);
            }
            folder
        });
    });
}

/// `20`, `20 %`: a share of 0.2.
fn percents(text: &str) -> Option<f64> {
    text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok().map(|percents| percents / 100.0)
}

/// A label in a column of its own, and the control that it names.
fn row(ui: &mut Ui, name: &str, tip: &str, control: impl FnOnce(&mut Ui) -> egui::Response) {
    ui.horizontal(|ui| {
        let size = egui::vec2(LABEL_WIDTH, ui.spacing().interact_size.y);
        let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(LABEL_WIDTH);
            ui.label(name)
        });
        let label = label.inner;
        control(ui).labelled_by(label.id).on_hover_text(tip);
    });
}

fn preset(ui: &mut Ui, form: &mut TrainingForm) {
    let of_paper = |form: &TrainingForm| {
        PRESETS.iter().find(|preset| preset.network == form.network && preset.recipe() == form.recipe)
    };
    let shown = of_paper(form).map_or("own settings", |preset| preset.name);
    row(ui, "Recipe", "All settings as a paper has them", |ui| {
        let combo = ComboBox::from_id_salt("training recipe").selected_text(shown).width(220.0);
        let shown = combo.show_ui(ui, |ui| {
            for preset in &PRESETS {
                let tip = format!("{}: {}, {} epochs", preset.summary, preset.network, preset.recipe().descent.epochs);
                if ui.selectable_label(shown == preset.name, preset.name).on_hover_text(tip).clicked() {
                    form.recipe = preset.recipe();
                    form.network = preset.network.to_owned();
                }
            }
        });
        shown.response
    });
}

fn network(ui: &mut Ui, state: &AppState, view: &mut View, form: &mut TrainingForm) {
    let tip = "A name of the zoo, layer sizes such as 784-512-10, or a description (.toml)";
    row(ui, "Network", tip, |ui| {
        let name = ui.add(TextEdit::singleline(&mut form.network).desired_width(150.0));
        if ui.button("Describe…").on_hover_text("Choose a description: a list of layers").clicked() {
            view.dialogs.ask(Wish::DescribeTraining);
        }
        name
    });
    row(ui, "Zoo", "Networks that have a name", |ui| {
        let combo = ComboBox::from_id_salt("zoo").selected_text("choose…").width(220.0);
        let shown = combo.show_ui(ui, |ui| {
            // The first stands for layer sizes, which are typed.
            for member in &zoo::members()[1..] {
                let chosen = ui.selectable_label(form.network == member.name, member.name);
                if chosen.on_hover_text(member.summary).clicked() {
                    form.network = member.name.to_owned();
                }
            }
        });
        shown.response
    });
    let text = match &state.training.network {
        None if state.data.is_some() => RichText::new("reading…"),
        None => RichText::new("Open data first"),
        Some(Err(reason)) => RichText::new(reason).color(ui.visuals().error_fg_color),
        Some(Ok(network)) => {
            let data = state.data.as_ref().map_or("", |data| data.dataset.name.as_str());
            RichText::new(format!("{} parameters, on {data}", theme::count(network.layout().n_trained())))
        }
    };
    ui.add(egui::Label::new(text.small()).wrap());
}

/// The random changes of images that the papers train with.
fn changes(ui: &mut Ui, augmentation: &mut Augmentation) {
    ui.horizontal(|ui| {
        let label = ui.label("Image changes");
        let combo = ComboBox::from_id_salt("image changes").selected_text(augmentation.to_string());
        let shown = combo.show_ui(ui, |ui| {
            for (choice, tip) in [
                (Augmentation::none(), "Images as they are"),
                (Augmentation::cifar(), "CIFAR in Garipov et al. 2018"),
                (Augmentation::neuron_alignment_cifar(), "CIFAR in Tatro et al. 2020"),
                (Augmentation::tiny_imagenet(), "Tiny ImageNet in Tatro et al. 2020"),
            ] {
                let text = choice.to_string();
                ui.selectable_value(augmentation, choice, text).on_hover_text(tip);
            }
        });
        shown.response.labelled_by(label.id).on_hover_text("At random, anew in every epoch");
    });
}

fn initial_weights(ui: &mut Ui, state: &AppState, recipe: &mut Recipe) {
    let usual = state.training.network.as_ref().and_then(|network| network.as_ref().ok()).map(|n| Init::usual(n));
    let usual = usual.map_or_else(|| "usual".to_owned(), |init| format!("usual ({init})"));
    ui.horizontal(|ui| {
        let label = ui.label("Initial weights");
        let text = recipe.init.map_or_else(|| usual.clone(), |init| init.to_string());
        let combo = ComboBox::from_id_salt("initial weights").selected_text(text);
        let shown = combo.show_ui(ui, |ui| {
            ui.selectable_value(&mut recipe.init, None, usual).on_hover_text("As the network's paper draws them");
            for init in Init::ALL {
                ui.selectable_value(&mut recipe.init, Some(init), init.to_string()).on_hover_text(init.explanation());
            }
        });
        shown.response.labelled_by(label.id).on_hover_text("How they are drawn");
    });
}

fn start(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let training = &state.training;
    let ready = matches!(training.network, Some(Ok(_))) && training.misfit.is_none();
    if let Some(reason) = &training.misfit {
        ui.label(RichText::new(reason).small().color(ui.visuals().error_fg_color));
    }
    ui.horizontal(|ui| {
        let train = ui.add_enabled(ready, egui::Button::new("Train"));
        if train.on_hover_text("The modes appear in the list as they are finished").clicked() {
            actions.push(Action::Train);
        }
        let n_images = state.data.as_ref().map_or(0, |data| data.dataset.train.len());
        let text = match training.estimate(n_images) {
            Some(time) if ready => format!("about {}", duration(time.as_secs_f64())),
            _ if ready => "measuring…".to_owned(),
            _ => String::new(),
        };
        ui.label(RichText::new(text).small()).on_hover_text("Measured on the first steps");
    });
}

/// Trainings that earlier runs of the program did not finish.
fn interrupted(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    for (index, found) in state.training.interrupted.iter().enumerate() {
        let TrainingForm { network, first_seed, recipe, .. } = &found.form;
        let n_epochs = recipe.descent.epochs;
        let text = format!("Interrupted: {network} seed {first_seed}, {} of {n_epochs} epochs", found.epoch);
        ui.separator();
        ui.add(egui::Label::new(text).wrap());
        ui.horizontal(|ui| {
            let fits = state.data.as_ref().is_some_and(|data| found.is_of(data));
            let go_on =
                ui.add_enabled(fits, egui::Button::new("Go on")).on_hover_text("Ends as if it had never stopped");
            let needs = format!("Open {} first, scaled by {}", found.data, found.normalization);
            if go_on.on_disabled_hover_text(needs).clicked() {
                actions.push(Action::GoOnTraining(index));
            }
            if ui.button("Forget").on_hover_text("Deletes what it goes on from").clicked() {
                actions.push(Action::ForgetTraining(index));
            }
        });
    }
}

fn progress(ui: &mut Ui, state: &AppState, running: &RunningTraining, actions: &mut Vec<Action>) {
    let (place, n_modes) = running.place;
    let loss = running.losses.last().map_or_else(|| "…".to_owned(), |l| theme::nats(l.1));
    ui.label(RichText::new(format!("Mode {place} of {n_modes}, seed {}", running.seed)).strong());
    let epoch = (running.epochs_done + 1).min(running.n_epochs);
    let mut text = format!("epoch {epoch} of {}, loss {loss}", running.n_epochs);
    if let Some((scored, value)) = running.scores.last() {
        text += &format!("; test {} after {scored}", theme::percent(value.accuracy));
    }
    ui.label(text);
    let (behind, before) = running.progress();
    let n_epochs = running.n_epochs.max(1) as f64;
    ui.add(ProgressBar::new((behind / n_epochs) as f32).desired_height(10.0));
    if let Some(job) = state.jobs.values().find(|job| job.purpose == crate::app::Purpose::Train)
        && before < behind
    {
        let left = job.started.elapsed().as_secs_f64() * (n_epochs - behind) / (behind - before);
        ui.label(RichText::new(format!("{} left for this mode", duration(left))).small());
    }
    ui.horizontal(|ui| {
        let keep = ui.button("Stop and keep").on_hover_text("Ends here; the mode joins the list as it is (Esc)");
        if keep.clicked() {
            actions.push(Action::StopTraining { keep: true });
        }
        let cancel =
            ui.button("Cancel training").on_hover_text("Ends here; modes that are finished stay, this one goes");
        if cancel.clicked() {
            actions.push(Action::StopTraining { keep: false });
        }
    });
    let caption = format!("Training loss: {loss} after {} epochs", running.epochs_done);
    ui.label(RichText::new("Training loss").small());
    descent_controls::loss_plot(ui, "training losses", &caption, &running.losses);
    let accuracies: Vec<(f64, f64)> =
        running.scores.iter().map(|(epoch, value)| (*epoch as f64, 100.0 * value.accuracy)).collect();
    if 1 < accuracies.len() {
        ui.label(RichText::new("Accuracy on test images, %").small());
        let last = running.scores.last().map_or(f64::NAN, |(_, value)| value.accuracy);
        let caption = format!("Accuracy on test images: {}", theme::percent(last));
        descent_controls::loss_plot(ui, "training accuracies", &caption, &accuracies);
    }
}

/// `12 s`, `3:05 min`, `2:10 h`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_typed_as_percents() {
        assert_eq!([percents("20"), percents(" 2.5 %"), percents("x")], [Some(0.2), Some(0.025), None]);
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(
            [duration(0.2), duration(59.0), duration(185.0), duration(7800.0)],
            ["1 s", "59 s", "3:05 min", "2:10 h"]
        );
    }
}
