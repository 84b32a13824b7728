//! What tables have in common.

use egui::{Color32, Label, RichText, Sense, Ui};

/// A triangle that points down where the highest value comes first; drawn, since the font has no arrows.
pub(super) fn order_mark(ui: &mut Ui, highest_first: bool) {
    let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(7.0), Sense::hover());
    let (base, tip) = if highest_first { (rect.top(), rect.bottom()) } else { (rect.bottom(), rect.top()) };
    let corners = vec![egui::pos2(rect.left(), base), egui::pos2(rect.right(), base), egui::pos2(rect.center().x, tip)];
    ui.painter().add(egui::Shape::convex_polygon(corners, ui.visuals().text_color(), egui::Stroke::NONE));
}

/// A cell's number; clicks go to its row.
pub(super) fn number(text: String, color: Option<Color32>) -> Label {
    let text = RichText::new(text).small();
    Label::new(color.map_or_else(|| text.clone(), |color| text.clone().color(color).strong())).selectable(false)
}
