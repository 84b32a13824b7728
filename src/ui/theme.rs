//! Colours, sizes and wording shared by all panels.

use egui::{Color32, Context, FontId, Stroke, TextStyle, Theme, Ui, Visuals};

/// Room kept beside what scrolls.
pub(super) const SCROLL_BAR_WIDTH: f32 = 10.0;
/// Pixels of a run's picture.
pub(super) const THUMBNAIL: [u32; 2] = [360, 190];
/// Radius of a mode's dot in lists, and of the markers in pictures.
pub(super) const DOT_RADIUS: f32 = 5.0;
pub(super) const MARKER_RADIUS: f32 = 6.0;
/// How near, in points, the mouse must be to take hold of a bend.
pub(super) const GRAB_RADIUS: f32 = 14.0;

/// Colours until they begin anew.
pub(super) const N_MODE_COLORS: usize = 6;

/// Okabe & Ito's palette, safe for colour-blind readers: (on dark, on light).
const MODE_COLORS: [(Color32, Color32); N_MODE_COLORS] = [
    (Color32::from_rgb(86, 180, 233), Color32::from_rgb(0, 114, 178)),
    (Color32::from_rgb(240, 140, 60), Color32::from_rgb(213, 94, 0)),
    (Color32::from_rgb(60, 190, 150), Color32::from_rgb(0, 140, 100)),
    (Color32::from_rgb(226, 150, 195), Color32::from_rgb(180, 90, 145)),
    (Color32::from_rgb(240, 228, 66), Color32::from_rgb(160, 130, 0)),
    (Color32::from_rgb(180, 180, 180), Color32::from_rgb(90, 90, 90)),
];

/// The colour of the n-th mode, the same everywhere.
pub(super) fn mode_color(place: usize, dark: bool) -> Color32 {
    let (on_dark, on_light) = MODE_COLORS[place % MODE_COLORS.len()];
    if dark { on_dark } else { on_light }
}

/// The colour of a pinned run's curve.
pub(super) fn run_color(number: usize, dark: bool) -> Color32 {
    mode_color(number + 2, dark)
}

/// The current path in plots.
pub(super) fn path_color(dark: bool) -> Color32 {
    if dark { Color32::WHITE } else { Color32::from_gray(20) }
}

/// Series that were found beside a path.
pub(super) fn trace_color(dark: bool) -> Color32 {
    mode_color(3, dark)
}

/// The path under attack.
pub(super) fn attack_color(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(255, 110, 130) } else { Color32::from_rgb(190, 0, 60) }
}

/// A good result.
pub(super) fn good(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(110, 200, 130) } else { Color32::from_rgb(20, 120, 50) }
}

/// Sets fonts, spacing and both themes.
pub(super) fn apply(ctx: &Context) {
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            style.text_styles.insert(TextStyle::Heading, FontId::proportional(15.0));
            style.text_styles.insert(TextStyle::Body, FontId::proportional(13.0));
            style.text_styles.insert(TextStyle::Button, FontId::proportional(13.0));
            style.text_styles.insert(TextStyle::Small, FontId::proportional(11.0));
            style.text_styles.insert(TextStyle::Monospace, FontId::monospace(12.0));
            style.spacing.item_spacing = egui::vec2(6.0, 5.0);
            style.spacing.button_padding = egui::vec2(7.0, 3.0);
            if theme == Theme::Dark {
                style.visuals.panel_fill = Color32::from_gray(24);
                style.visuals.extreme_bg_color = Color32::from_gray(14);
                style.visuals.widgets.noninteractive.fg_stroke = Stroke::new(1.0, Color32::from_gray(205));
                style.visuals.error_fg_color = Color32::from_rgb(255, 125, 110);
            } else {
                style.visuals.panel_fill = Color32::from_gray(250);
                style.visuals.widgets.noninteractive.fg_stroke = Stroke::new(1.0, Color32::from_gray(45));
                style.visuals.error_fg_color = Color32::from_rgb(185, 20, 20);
            }
        });
    }
}

/// A coloured dot with a mode's letter behind it.
pub(super) fn mode_dot(ui: &mut Ui, place: usize) {
    let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(2.0 * DOT_RADIUS + 2.0), egui::Sense::hover());
    ui.painter().circle_filled(rect.center(), DOT_RADIUS, mode_color(place, ui.visuals().dark_mode));
}

/// `98.3 %`.
pub(super) fn percent(accuracy: f64) -> String {
    format!("{:.1} %", 100.0 * accuracy)
}

/// A loss with three significant figures or so; NaN and infinity by name.
pub(super) fn nats(loss: f64) -> String {
    if loss.is_nan() {
        "NaN".to_owned()
    } else if loss.is_infinite() {
        "infinite".to_owned()
    } else if loss.abs() < 10.0 {
        format!("{loss:.3}")
    } else {
        format!("{loss:.1}")
    }
}

/// The number at a mark of an axis, without needless zeros.
pub(super) fn mark_number(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// `210 MB`, in powers of ten.
pub(super) fn bytes(n: usize) -> String {
    let n = n as f64;
    match n {
        _ if n < 1e6 => format!("{:.0} kB", (n / 1e3).ceil()),
        _ if n < 1e9 => format!("{:.0} MB", n / 1e6),
        _ => format!("{:.1} GB", n / 1e9),
    }
}

/// `12,345`.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas_between_thousands() {
        assert_eq!([count(7), count(1797), count(60_000), count(1_234_567)], ["7", "1,797", "60,000", "1,234,567"]);
    }

    #[test]
    fn marks_have_no_needless_zeros() {
        assert_eq!([0.5, 10.0, -0.00001, 0.125, -2.0].map(mark_number), ["0.5", "10", "0", "0.125", "-2"]);
    }

    #[test]
    fn memory_is_told_in_powers_of_ten() {
        assert_eq!([bytes(900), bytes(210_000_000), bytes(3_460_000_000)], ["1 kB", "210 MB", "3.5 GB"]);
    }

    #[test]
    fn losses_that_are_not_finite_are_named() {
        assert_eq!([nats(f64::NAN), nats(f64::INFINITY), nats(0.12345)], ["NaN", "infinite", "0.123"]);
    }
}
