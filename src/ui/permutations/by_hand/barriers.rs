//! The barrier of the straight path: to B as it was loaded, as it was aligned, as it is shown, and for every number of layers
//! that are permuted.

use egui::{Color32, CornerRadius, Rect, RichText, Role, Sense, Ui, WidgetInfo, vec2};
use egui_plot::{Line, Plot, Points, VLine};

use super::super::{after_color, before_color, focus_color};
use super::theme;
use crate::app::{Action, AppState, Barrier};
use crate::data::SplitName;
use crate::ui::landscape::{APART_UPWARDS, plot_points, round_marks};

const LABEL_WIDTH: f32 = 92.0;
const VALUE_WIDTH: f32 = 52.0;
const BAR_HEIGHT: f32 = 9.0;
const DEPTHS_HEIGHT: f32 = 92.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let is_straight = state.path.as_ref().is_some_and(|path| path.is_straight());
    bars(ui, state, is_straight);
    if !is_straight && state.path.is_some() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("The path is bent: its barrier is not one of the permutation alone.").small());
            let tip = "Put the path back on the straight line, so that barriers can be compared";
            if ui.button("Show the straight line").on_hover_text(tip).clicked() {
                actions.push(Action::ResetPath);
            }
        });
    } else if state.settings.path.family.is_fitted() && state.is_changed_by_hand() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("The path is straight until it is found again.").small());
            if ui.small_button("Find path").on_hover_text("Train the bends to this end").clicked() {
                actions.push(Action::FindPath);
            }
        });
    }
    depths(ui, state, actions);
}

/// Three bars on one scale.
fn bars(ui: &mut Ui, state: &AppState, is_straight: bool) {
    let now = state.curve.as_ref().and_then(|curve| {
        let n_images = curve.test.iter().flatten().map(|value| value.n_images).min()?;
        Some(Barrier { loss: curve.loss_summary(SplitName::Test)?.barrier, n_images })
    });
    let visuals = ui.visuals();
    let rows = [
        ("not aligned", state.straight_barrier(false), before_color(visuals)),
        ("as found", state.straight_barrier(true), after_color(visuals)),
        (if is_straight { "now" } else { "now, bent path" }, now, focus_color(visuals)),
    ];
    let known = || rows.iter().filter_map(|(_, barrier, _)| Some(barrier.as_ref()?.loss));
    let highest = known().filter(|loss| loss.is_finite()).fold(0.0, f64::max);
    ui.label(RichText::new("Barrier of the test loss, nats").small());
    for (name, barrier, color) in rows {
        bar(ui, name, barrier, highest, color);
    }
}

fn bar(ui: &mut Ui, name: &str, barrier: Option<Barrier>, highest: f64, color: Color32) {
    let height = ui.text_style_height(&egui::TextStyle::Small) + 2.0;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let value = barrier.map_or_else(|| "–".to_owned(), |barrier| theme::nats(barrier.loss));
    let font = egui::TextStyle::Small.resolve(ui.style());
    let ink = ui.visuals().text_color();
    let painter = ui.painter().with_clip_rect(rect);
    painter.text(rect.left_center(), egui::Align2::LEFT_CENTER, name, font.clone(), ink);
    painter.text(rect.right_center(), egui::Align2::RIGHT_CENTER, &value, font, ink);
    let track = (rect.width() - LABEL_WIDTH - VALUE_WIDTH).max(0.0);
    if let Some(barrier) = barrier.filter(|_| 0.0 < highest) {
        let share = (barrier.loss / highest).clamp(0.0, 1.0) as f32;
        let from = rect.left_center() + vec2(LABEL_WIDTH, -0.5 * BAR_HEIGHT);
        let filled = Rect::from_min_size(from, vec2((share * track).max(1.0), BAR_HEIGHT));
        painter.rect_filled(filled, CornerRadius::same(2), color);
    }
    let on = barrier.map_or_else(String::new, |barrier| format!(", on {} images", theme::count(barrier.n_images)));
    let text = format!("Barrier of the straight path, {name}: {value}{on}");
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &text));
    response.on_hover_text(text);
}

/// The barrier as a function of the number of layers, as far as it was measured.
fn depths(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let by_hand = state.by_hand.as_ref();
    let is_sweeping = by_hand.is_some_and(|by_hand| by_hand.is_sweeping());
    let n = state.current_alignment().map_or(0, |found| found.report.groups.len());
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Barrier by number of permuted layers").small());
        let tip = "Measure it with the permutation of no layer, of the first one, of the first two, and so on";
        if ui.add_enabled(!is_sweeping, egui::Button::new("Measure all").small()).on_hover_text(tip).clicked() {
            actions.push(Action::SweepLayers);
        }
        if is_sweeping {
            ui.spinner();
        }
    });
    let Some(by_hand) = by_hand.filter(|by_hand| !by_hand.barriers().is_empty()) else {
        return;
    };
    let finite = by_hand.barriers().iter().filter(|(_, barrier)| barrier.loss.is_finite());
    let points: Vec<[f64; 2]> = finite.map(|(&layers, barrier)| [layers as f64, barrier.loss]).collect();
    let highest = points.iter().fold(0.0_f64, |highest, point| highest.max(point[1]));
    let (color, mark) = (after_color(ui.visuals()), focus_color(ui.visuals()));
    let plot = Plot::new("barrier by layers")
        .height(DEPTHS_HEIGHT)
        .show_grid([false, true])
        .allow_drag(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .show_crosshair(false)
        .y_axis_min_width(28.0)
        .y_grid_spacer(round_marks(DEPTHS_HEIGHT / APART_UPWARDS, false))
        .x_grid_spacer(move |_| layer_marks(n))
        .x_axis_formatter(|mark, _| format!("{:.0}", mark.value))
        .y_axis_formatter(|mark, _| theme::mark_number(mark.value))
        .default_x_bounds(-0.2, n as f64 + 0.2)
        .include_y(0.0)
        .include_y(1.05 * highest)
        .label_formatter(|_| None);
    let response = plot.show(ui, |plot| {
        plot.vline(VLine::new("", by_hand.n_layers_shown() as f64).color(mark.gamma_multiply(0.6)).width(1.0));
        plot.line(Line::new("", plot_points(points.clone())).color(color).width(1.4));
        plot.points(Points::new("", plot_points(points.clone())).color(color).radius(3.0));
    });
    let values = by_hand.barriers().iter();
    let told: Vec<String> =
        values.map(|(layers, barrier)| format!("{layers}: {}", theme::nats(barrier.loss))).collect();
    let text = format!("Barrier by number of permuted layers: {}", told.join(", "));
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &text));
    response.response.on_hover_text(text);
}

/// A mark at every number of layers, or at every so manieth where there are many.
fn layer_marks(n: usize) -> Vec<egui_plot::GridMark> {
    let step = n.div_ceil(12).max(1);
    (0..=n).step_by(step).map(|layers| egui_plot::GridMark { value: layers as f64, step_size: step as f64 }).collect()
}
