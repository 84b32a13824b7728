//! The legend of a heatmap: the colours with their values, and handles for where they begin and end.

use egui::accesskit::Action;
use egui::{
    Align2, Color32, DragValue, EventFilter, FontId, Key, Mesh, Rect, Response, Sense, Shape, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use super::style::{HeatmapStyle, Ramp, effective_clip};
use super::ticks;

const BAR_WIDTH: f32 = 16.0;
const HANDLE: f32 = 9.0;
const LABELS_WIDTH: f32 = 52.0;
const SHORTEST_BAR: f32 = 80.0;
const TALLEST_BAR: f32 = 420.0;
const TICK_SIZE: f32 = 11.0;

/// The upper or the lower end of the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    High,
    Low,
}

/// A vertical colour bar over `full_range` (what the field's values span), with handles and number fields for the clip values
/// and a button that sets them to `full_range`. Fills the height that is left. `true` if `style.clip` changed.
///
/// `unit` is written above, such as `nats`.
pub fn color_bar_ui(ui: &mut Ui, style: &mut HeatmapStyle, full_range: (f32, f32), unit: &str) -> bool {
    let before = style.clip;
    ui.vertical(|ui| {
        ui.set_width(HANDLE + BAR_WIDTH + LABELS_WIDTH);
        let scale = if style.log { "log" } else { "" };
        let heading = [unit, scale].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
        ui.weak(heading).on_hover_text("What the colours stand for, and on which scale");
        clip_field(ui, style, full_range, End::High);
        bar(ui, style, full_range);
        clip_field(ui, style, full_range, End::Low);
        let is_auto = style.clip == full_range;
        let auto =
            ui.add_enabled(!is_auto, egui::Button::new("Auto")).on_hover_text("Spread the colours over all values");
        if auto.on_disabled_hover_text("The colours already span all values").clicked() {
            style.clip = full_range;
        }
    });
    style.clip != before
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::High => "Highest colour",
            Self::Low => "Lowest colour",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::High => "Values above this take the last colour. Drag, or focus it and press the arrow keys.",
            Self::Low => "Values below this take the first colour. Drag, or focus it and press the arrow keys.",
        }
    }

    /// Stands before the number where values lie beyond it.
    fn sign(self, style: &HeatmapStyle, full_range: (f32, f32)) -> &'static str {
        match (self, style.clips(full_range)) {
            (Self::High, (_, true)) => "≥ ",
            (Self::Low, (true, _)) => "≤ ",
            _ => "",
        }
    }

    fn of(self, style: &HeatmapStyle) -> f32 {
        let (low, high) = effective_clip(style.clip, style.log);
        match self {
            Self::High => high,
            Self::Low => low,
        }
    }

    /// Moves this end; the other one gives way rather than being passed.
    fn set(self, style: &mut HeatmapStyle, value: f32) {
        if !value.is_finite() || (style.log && value <= 0.0) {
            return;
        }
        let (low, high) = effective_clip(style.clip, style.log);
        style.clip = match self {
            Self::High => (low.min(value), value),
            Self::Low => (value, high.max(value)),
        };
    }
}

fn clip_field(ui: &mut Ui, style: &mut HeatmapStyle, full_range: (f32, f32), end: End) {
    let mut value = end.of(style);
    let span = (full_range.1 - full_range.0).abs();
    let speed = if style.log { value.abs() * 0.01 } else { span * 0.005 };
    let field = DragValue::new(&mut value)
        .speed(f64::from(if speed > 0.0 && speed.is_finite() { speed } else { 0.01 }))
        .prefix(end.sign(style, full_range))
        .custom_formatter(|value, _| ticks::number(value));
    let response = ui.add_sized(vec2(HANDLE + BAR_WIDTH + LABELS_WIDTH, ui.spacing().interact_size.y), field);
    ui.accesskit_node_builder(response.id, |node| {
        node.set_label(format!("{} value", end.name()));
    });
    if response.on_hover_text(end.hint()).changed() {
        end.set(style, value);
    }
}

fn bar(ui: &mut Ui, style: &mut HeatmapStyle, full_range: (f32, f32)) {
    let below = 2.0 * (ui.spacing().interact_size.y + ui.spacing().item_spacing.y);
    let height = (ui.available_height() - below).clamp(SHORTEST_BAR, TALLEST_BAR);
    let (area, _) = ui.allocate_exact_size(vec2(HANDLE + BAR_WIDTH + LABELS_WIDTH, height), Sense::hover());
    let bar = Rect::from_min_size(area.min + vec2(HANDLE, HANDLE), vec2(BAR_WIDTH, height - 2.0 * HANDLE));
    let axis = axis_of(style, full_range);
    let moved = [End::High, End::Low].map(|end| (end, handle(ui, style, &axis, bar, end)));
    if ui.is_rect_visible(area) {
        paint_colors(ui, style, &axis, bar);
        paint_ticks(ui, &axis, bar);
        for (end, response) in &moved {
            paint_handle(ui, y_of(end.of(style), &axis, bar), bar, *end, response);
        }
    }
}

/// A style whose ramp is the bar's own axis: everything that is there, and the clip values wherever they are.
fn axis_of(style: &HeatmapStyle, full_range: (f32, f32)) -> HeatmapStyle {
    let (full, clip) = (effective_clip(full_range, style.log), effective_clip(style.clip, style.log));
    HeatmapStyle { clip: (full.0.min(clip.0), full.1.max(clip.1)), ..style.clone() }
}

fn y_of(value: f32, axis: &HeatmapStyle, bar: Rect) -> f32 {
    bar.bottom() - axis.unit(value) * bar.height()
}

fn value_at(y: f32, axis: &HeatmapStyle, bar: Rect) -> f32 {
    axis.value_at(((bar.bottom() - y) / bar.height()).clamp(0.0, 1.0))
}

fn handle(ui: &Ui, style: &mut HeatmapStyle, axis: &HeatmapStyle, bar: Rect, end: End) -> Response {
    let y = y_of(end.of(style), axis, bar);
    // Handles that meet can still be told apart: one is held above, the other below.
    let (above, below) = if end == End::High { (HANDLE, 2.0) } else { (2.0, HANDLE) };
    let grip = Rect::from_min_max(pos2(bar.left() - HANDLE, y - above), pos2(bar.right() + 6.0, y + below));
    let response = ui.interact(grip, ui.scope_id().with(("colour bar", end.name())), Sense::click_and_drag());
    if response.clicked() || response.drag_started() {
        response.request_focus();
    }
    if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
        end.set(style, value_at(pointer.y, axis, bar));
    }
    let steps = key_steps(ui, &response);
    if steps != 0 {
        end.set(style, axis.value_at((axis.unit(end.of(style)) + 0.01 * steps as f32).clamp(0.0, 1.0)));
    }
    let value = f64::from(end.of(style));
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), value, end.name()));
    ui.accesskit_node_builder(response.id, |node| {
        node.add_action(Action::Increment);
        node.add_action(Action::Decrement);
    });
    response.on_hover_cursor(egui::CursorIcon::ResizeVertical).on_hover_text(end.hint())
}

/// How many steps up the keyboard, or an assistive program, asks for.
fn key_steps(ui: &Ui, response: &Response) -> i32 {
    let mut steps = 0;
    if response.has_focus() {
        let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let pressed = |key| ui.input(|input| input.num_presses(key)) as i32;
        steps += pressed(Key::ArrowUp) - pressed(Key::ArrowDown);
    }
    let asked = |action| ui.input(|input| input.num_accesskit_action_requests(response.id, action)) as i32;
    steps + asked(Action::Increment) - asked(Action::Decrement)
}

fn paint_colors(ui: &Ui, style: &HeatmapStyle, axis: &HeatmapStyle, bar: Rect) {
    let ramp = Ramp::of(style);
    let rows = (bar.height() * ui.ctx().pixels_per_point()).round().clamp(1.0, 2048.0) as usize;
    let mut mesh = Mesh::default();
    for row in 0..rows {
        let top = bar.top() + bar.height() * row as f32 / rows as f32;
        let bottom = bar.top() + bar.height() * (row + 1) as f32 / rows as f32;
        let value = value_at((top + bottom) / 2.0, axis, bar);
        let [red, green, blue] = style.color_at(ramp.unit(value).clamp(0.0, 1.0));
        let strip = Rect::from_min_max(pos2(bar.left(), top), pos2(bar.right(), bottom));
        mesh.add_colored_rect(strip, Color32::from_rgb(red, green, blue));
    }
    ui.painter().add(mesh);
    let stroke = ui.visuals().widgets.noninteractive.fg_stroke;
    ui.painter().rect_stroke(bar, 0.0, Stroke::new(1.0, stroke.color.gamma_multiply(0.6)), StrokeKind::Outside);
}

fn paint_ticks(ui: &Ui, axis: &HeatmapStyle, bar: Rect) {
    let (low, high) = (f64::from(axis.clip.0), f64::from(axis.clip.1));
    let count = (bar.height() / 36.0).max(2.0) as usize;
    let ticks = if axis.log { ticks::log_ticks(low, high, count) } else { ticks::linear_ticks(low, high, count) };
    let color = ui.visuals().text_color();
    for tick in ticks {
        let y = y_of(tick.value as f32, axis, bar);
        ui.painter().hline(bar.right()..=bar.right() + 4.0, y, Stroke::new(1.0, color));
        let at = pos2(bar.right() + 7.0, y);
        ui.painter().text(at, Align2::LEFT_CENTER, tick.label, FontId::proportional(TICK_SIZE), color);
    }
}

fn paint_handle(ui: &Ui, y: f32, bar: Rect, end: End, response: &Response) {
    let visuals = ui.style().interact(response);
    let tip = pos2(bar.left() - 1.0, y);
    // Flat on the side of the colours, so that two handles at one place lie above each other.
    let far = if end == End::High { -HANDLE } else { HANDLE };
    let points = vec![tip, pos2(bar.left() - HANDLE, y), pos2(bar.left() - HANDLE, y + far)];
    ui.painter().add(Shape::convex_polygon(points, visuals.fg_stroke.color, Stroke::NONE));
    let width = if response.has_focus() || response.dragged() { 2.5 } else { 1.0 };
    // Cased, so that it is seen on any colour.
    ui.painter().hline(bar.x_range(), y, Stroke::new(width + 2.0, Color32::from_black_alpha(160)));
    ui.painter().hline(bar.x_range(), y, Stroke::new(width, Color32::WHITE));
}

#[cfg(test)]
#[path = "color_bar_tests.rs"]
mod tests;
