//! The menu of path families, in groups; those that cannot connect the present networks say why.

use egui::{ComboBox, RichText, Ui};

use crate::app::AppState;
use crate::geometry::Family;

/// The groups of the menu: what their families have in common.
pub(super) const GROUPS: [(&str, &[Family]); 5] = [
    ("Straight and arc", &[Family::Linear, Family::Arc]),
    ("Trained curves", &[Family::Chain, Family::Bezier]),
    (
        "Nothing trained: transport, weight adjustment, butterfly",
        &[
            Family::Transport,
            Family::LinearAdjusted,
            Family::ArcAdjusted,
            Family::TransportAdjusted,
            Family::LinearButterfly,
            Family::ArcButterfly,
            Family::TransportButterfly,
        ],
    ),
    ("Trained maps", &[Family::Flow, Family::Bijection]),
    ("Bands, simplices, small steps", &[Family::AutoNeb, Family::Simplex, Family::Layerwise]),
];

/// Room that all families and their groups take.
const MENU_HEIGHT: f32 = 560.0;
const MENU_WIDTH: f32 = 190.0;

/// Lets the user choose a family; under the menu stands what it is and where it comes from.
pub(super) fn show(ui: &mut Ui, state: &AppState, family: &mut Family) {
    ui.horizontal(|ui| {
        let label = ui.label("Family");
        let width = MENU_WIDTH.min(ui.available_width());
        let menu = ComboBox::from_id_salt("family").selected_text(family.label()).width(width).height(MENU_HEIGHT);
        let shown = menu.show_ui(ui, |ui| {
            // Close together, so that all are in sight.
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.spacing_mut().button_padding.y = 0.0;
            ui.spacing_mut().interact_size.y = 17.0;
            for (title, families) in GROUPS {
                ui.label(RichText::new(title).small().weak());
                for &choice in families {
                    entry(ui, state, family, choice);
                }
            }
        });
        shown.response.labelled_by(label.id).on_hover_text(family.explanation());
    });
    ui.label(RichText::new(family.explanation()).small());
    ui.label(RichText::new(family.source()).small().weak());
}

fn entry(ui: &mut Ui, state: &AppState, chosen: &mut Family, choice: Family) {
    let obstacle = state.joined().and_then(|pair| choice.unsuited(&pair.network));
    ui.add_enabled_ui(obstacle.is_none(), |ui| {
        let response = ui.selectable_value(chosen, choice, choice.label()).on_hover_text(choice.explanation());
        response.on_disabled_hover_text(obstacle.unwrap_or_default());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_in_one_group() {
        let mut grouped: Vec<Family> = GROUPS.iter().flat_map(|(_, families)| families.iter().copied()).collect();
        grouped.sort();
        assert_eq!(grouped, Family::ALL);
    }
}
