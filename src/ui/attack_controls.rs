//! Controls of the adversary: against which points are evaluated, modes and paths are trained, and units are matched.

use egui::{ComboBox, DragValue, Ui};

use super::descent_controls::number_row;
use super::landscape::push_settings;
use crate::app::{Action, AppState};
use crate::data::{Attack, in_shades, parse_shades};

/// Shades of a byte from black to white: what dragging counts in.
const SHADES: f64 = 255.0;

/// The usual attacks: name, attack, explanation.
const PRESETS: [(&str, Attack, &str); 3] = [
    ("colour images", Attack::COLOUR, "CIFAR in Tatro et al. 2020"),
    ("Tiny ImageNet", Attack::COLOUR_HALF, "Tiny ImageNet in Tatro et al. 2020"),
    ("grey images", Attack::GREY, "A larger ball, for digits and the like"),
];

/// The adversary that points are evaluated against.
pub(super) fn evaluation(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let mut settings = state.settings.clone();
    let robust = &mut settings.robust;
    let tip = "Also evaluates the path on test images that an adversary moves at every point anew: projected gradient descent \
               (Madry et al. 2018). Planes under attack are chosen above the landscape";
    ui.checkbox(&mut robust.along_path, "Under attack (PGD)").on_hover_text(tip);
    numbers(ui, &mut robust.adversary.attack);
    let tip = "The first images of the split are attacked; each costs a pass forth and back a step";
    number_row(ui, "Attacked images", &mut robust.adversary.n_images, 16..=1_000_000, tip);
    push_settings(state, settings, actions);
}

/// A checkbox, and the numbers of the attack where it is ticked; `usual`: what it begins with.
pub(super) fn optional(ui: &mut Ui, label: &str, tip: &str, attack: &mut Option<Attack>, usual: Attack) {
    let mut on = attack.is_some();
    if ui.checkbox(&mut on, label).on_hover_text(tip).changed() {
        *attack = on.then_some(usual);
    }
    if let Some(attack) = attack {
        ui.indent(label, |ui| numbers(ui, attack));
    }
}

fn numbers(ui: &mut Ui, attack: &mut Attack) {
    ui.horizontal(|ui| {
        let tip = "The furthest that a pixel is moved, of the 255 shades between black and white";
        shades(ui, "eps", &mut attack.eps, tip);
        let tip = "What one step moves a pixel, along the sign of the loss's slope";
        shades(ui, "step", &mut attack.step, tip);
        let tip = "Steps of the attack, from a random start (the paper: 5)";
        let label = ui.label("steps");
        ui.add(DragValue::new(&mut attack.n_steps).range(0..=1000)).labelled_by(label.id).on_hover_text(tip);
    });
    ui.horizontal(|ui| {
        let label = ui.label("as usual for");
        let chosen = PRESETS.iter().find(|(_, preset, _)| preset == attack).map_or("own numbers", |(name, ..)| name);
        let shown = ComboBox::from_id_salt("attack preset").selected_text(chosen).show_ui(ui, |ui| {
            for (name, preset, tip) in PRESETS {
                ui.selectable_value(attack, preset, name).on_hover_text(tip);
            }
        });
        shown.response.labelled_by(label.id);
    });
}

/// An amount in pixels between 0 and 1, as whole shades of 255 or as a decimal.
fn shades(ui: &mut Ui, name: &str, amount: &mut f64, tip: &str) {
    let label = ui.label(name);
    let mut shades = SHADES * *amount;
    let value = DragValue::new(&mut shades)
        .range(0.0..=SHADES)
        .speed(0.1)
        .custom_formatter(|shades, _| in_shades(shades / SHADES))
        .custom_parser(|text| parse_shades(text).map(|amount| SHADES * amount));
    if ui.add(value).labelled_by(label.id).on_hover_text(tip).changed() {
        *amount = shades / SHADES;
    }
}
