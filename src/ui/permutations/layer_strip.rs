//! One row a permutation group, in order of depth: how well its units are matched; or all of them as one figure.

mod signature;

use egui::{
    Align2, Color32, EventFilter, FontId, Key, Painter, Rect, Response, Role, ScrollArea, Sense, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

use super::{after_color, before_color, null_color};
use crate::matching::{GroupReport, MatchReport, Spread};
use crate::ui::theme;

/// Correlations at the ends of every row's axis.
const AXIS: [f64; 2] = [-0.2, 1.0];
const ROW_HEIGHT: f32 = 58.0;
const MARGIN: f32 = 6.0;
const TEXT_SIZE: f32 = 11.0;
/// Height of the bar that spans two quartiles, and of the tick at the median.
const BAR: f32 = 5.0;
const TICK: f32 = 9.0;

/// What is shown of the layers.
#[derive(Debug, Default)]
pub(super) struct StripView {
    /// One figure instead of rows.
    as_figure: bool,
}

/// `chosen`: the group that the other parts show.
pub(super) fn show(ui: &mut Ui, report: &MatchReport, view: &mut StripView, chosen: &mut usize) {
    ui.horizontal(|ui| {
        ui.selectable_value(&mut view.as_figure, false, "Layers").on_hover_text("The layers in order of depth");
        let tip = "Mean correlation of paired units by layer, before and after B's units were moved, on the images that \
                   they were matched on; bars span the middle half of the units";
        ui.selectable_value(&mut view.as_figure, true, "Signature").on_hover_text(tip);
    });
    legend(ui);
    if view.as_figure {
        signature::show(ui, report, chosen);
        return;
    }
    ScrollArea::vertical().id_salt("layers").auto_shrink([false, false]).show(ui, |ui| {
        ui.set_max_width(ui.available_width() - theme::SCROLL_BAR_WIDTH);
        for (index, group) in report.groups.iter().enumerate() {
            row(ui, group, index, report.groups.len(), chosen);
        }
    });
}

/// What the colours of all parts mean.
fn legend(ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let colors = [
            ("before", before_color(ui.visuals()), "Units with the same number, before B's units were moved"),
            ("after", after_color(ui.visuals()), "Matched units"),
            ("chance", null_color(ui.visuals()), "The best match of shuffled samples: what chance alone gives"),
        ];
        for (name, color, tip) in colors {
            let (dot, _) = ui.allocate_exact_size(vec2(9.0, 9.0), Sense::hover());
            ui.painter().rect_filled(dot, 2.0, color);
            ui.label(egui::RichText::new(name).small()).on_hover_text(tip);
        }
    });
}

fn row_id(index: usize) -> egui::Id {
    egui::Id::unique(("layer of the strip", index))
}

fn row(ui: &mut Ui, group: &GroupReport, index: usize, n_groups: usize, chosen: &mut usize) {
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::hover());
    let response = ui.interact(area, row_id(index), Sense::click());
    if response.clicked() {
        *chosen = index;
        response.request_focus();
    }
    if let Some(next) = next_by_keys(ui, &response, index, n_groups) {
        *chosen = next;
        ui.memory_mut(|memory| memory.request_focus(row_id(next)));
    }
    let is_chosen = *chosen == index;
    if is_chosen && response.gained_focus() {
        ui.scroll_to_rect(area, None);
    }
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &group.name));
    if ui.is_rect_visible(area) {
        paint(ui, group, area, is_chosen, &response);
    }
    response.on_hover_text(figures(group));
}

/// The row that the arrow keys ask for.
fn next_by_keys(ui: &Ui, response: &Response, index: usize, n_groups: usize) -> Option<usize> {
    if !response.has_focus() {
        return None;
    }
    let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    // Taken, so that a row further down does not hear of the same stroke.
    let presses = |key| ui.input_mut(|input| input.count_and_consume_key(egui::Modifiers::NONE, key)) as isize;
    let steps = presses(Key::ArrowDown) - presses(Key::ArrowUp);
    let last = n_groups.saturating_sub(1);
    (steps != 0).then(|| index.saturating_add_signed(steps).min(last))
}

fn paint(ui: &Ui, group: &GroupReport, area: Rect, is_chosen: bool, response: &Response) {
    let visuals = ui.visuals();
    let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
    let fill = if is_chosen {
        visuals.selection.bg_fill.gamma_multiply(0.45)
    } else if response.hovered() {
        visuals.widgets.hovered.weak_bg_fill
    } else {
        visuals.faint_bg_color
    };
    painter.rect_filled(area, 4.0, fill);
    if response.has_focus() {
        painter.rect_stroke(area.shrink(1.0), 4.0, visuals.selection.stroke, egui::StrokeKind::Inside);
    }
    let inner = area.shrink2(vec2(MARGIN, 4.0));
    let font = FontId::proportional(TEXT_SIZE);
    let weak = if is_chosen { visuals.text_color() } else { visuals.weak_text_color() };
    let count = theme::count(group.n_units());
    let count = painter.text(inner.right_top(), Align2::RIGHT_TOP, count, font.clone(), weak);
    let name_width = count.left() - inner.left() - MARGIN;
    let color = if is_chosen { visuals.strong_text_color() } else { visuals.text_color() };
    let name = egui::WidgetText::from(egui::RichText::new(&group.name).size(TEXT_SIZE));
    let name = name.into_galley(ui, Some(egui::TextWrapMode::Truncate), name_width, egui::TextStyle::Small);
    painter.galley(inner.left_top(), name, color);
    let axis = Rect::from_min_size(pos2(inner.left(), inner.top() + 16.0), vec2(inner.width(), 20.0));
    paint_spreads(ui, &painter, group, axis);
    painter.text(inner.left_bottom(), Align2::LEFT_BOTTOM, short(group), font, weak);
}

/// Quartiles and medians before (above) and after (below), zero, and what chance gives.
fn paint_spreads(ui: &Ui, painter: &Painter, group: &GroupReport, axis: Rect) {
    let visuals = ui.visuals();
    let x = |value: f64| {
        let share = (value.clamp(AXIS[0], AXIS[1]) - AXIS[0]) / (AXIS[1] - AXIS[0]);
        axis.left() + share as f32 * axis.width()
    };
    let hairline = Stroke::new(1.0, visuals.weak_text_color().gamma_multiply(0.35));
    for value in [0.0, 0.5, 1.0] {
        painter.vline(x(value), axis.y_range(), hairline);
    }
    if let Some(null) = group.null {
        let ends = [pos2(x(null.mean), axis.top()), pos2(x(null.mean), axis.bottom())];
        painter.extend(egui::Shape::dashed_line(&ends, Stroke::new(1.5, null_color(visuals)), 3.0, 2.0));
    }
    let bar = |spread: Spread, y: f32, color: Color32| {
        let ends = [spread.lower_quartile, spread.upper_quartile].map(x);
        let bar = Rect::from_min_max(pos2(ends[0], y - 0.5 * BAR), pos2(ends[1].max(ends[0] + 1.0), y + 0.5 * BAR));
        painter.rect_filled(bar, 1.0, color.gamma_multiply(0.55));
        let tick = Stroke::new(2.0, color);
        painter.vline(x(spread.median), y - 0.5 * TICK..=y + 0.5 * TICK, tick);
    };
    bar(group.before, axis.top() + 5.0, before_color(visuals));
    bar(group.after, axis.bottom() - 5.0, after_color(visuals));
}

/// `margin 0.41, 98 % moved, 2 dead`.
fn short(group: &GroupReport) -> String {
    // Rounded first, so that there is no -0.00.
    let margin = (100.0 * group.margin.mean).round() / 100.0 + 0.0;
    let mut text = format!("margin {margin:.2}, {:.0} % moved", 100.0 * group.share_moved());
    let n_dead = group.n_dead[0] + group.n_dead[1];
    if 0 < n_dead {
        text += &format!(", {n_dead} dead");
    }
    text
}

/// All figures of a group.
fn figures(group: &GroupReport) -> String {
    let spread = |name: &str, spread: Spread| {
        let Spread { mean, lower_quartile, median, upper_quartile } = spread;
        format!("\n{name}: mean {mean:.3}, median {median:.3}, middle half {lower_quartile:.3} to {upper_quartile:.3}")
    };
    let mut text = format!("{}: {} units", group.name, theme::count(group.n_units()));
    text += &spread("Correlation before", group.before);
    text += &spread("Correlation after", group.after);
    text += &spread("Best match whoever else wants it", group.best);
    match group.null {
        Some(null) => text += &spread("Best match of shuffled samples", null),
        None => text += "\nWhat chance gives was not measured",
    }
    text += &spread("Margin to the best alternative", group.margin);
    text += &format!("\n{:.1} % of the units moved", 100.0 * group.share_moved());
    let [a, b] = group.n_dead;
    text += &format!("\nDead units (the same for every image): {a} of A, {b} of B");
    if 0 < group.n_non_finite {
        text += &format!("\n{} correlations are not numbers and count as 0", theme::count(group.n_non_finite));
    }
    text
}
