use egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::*;

fn harness<'a>(style: HeatmapStyle, full_range: (f32, f32)) -> Harness<'a, HeatmapStyle> {
    Harness::builder().with_size(vec2(120.0, 320.0)).build_ui_state(
        move |ui, style| {
            color_bar_ui(ui, style, full_range, "nats");
        },
        style,
    )
}

#[test]
fn auto_spreads_the_colours_over_all_values() {
    let mut harness = harness(HeatmapStyle::default(), (0.1, 7.5));
    harness.get_by_label("Auto").click();
    harness.run();
    assert_eq!(harness.state().clip, (0.1, 7.5));
}

#[test]
fn ends_with_values_beyond_them_are_marked() {
    let style = HeatmapStyle { clip: (0.0, 2.5), ..HeatmapStyle::default() };
    assert_eq!((End::High.sign(&style, (0.0, 7.5)), End::Low.sign(&style, (0.0, 7.5))), ("≥ ", ""));
    assert_eq!((End::High.sign(&style, (-1.0, 2.5)), End::Low.sign(&style, (-1.0, 2.5))), ("", "≤ "));
}

#[test]
fn arrow_keys_move_a_focused_handle() {
    let mut harness = harness(HeatmapStyle { clip: (0.0, 0.5), ..HeatmapStyle::default() }, (0.0, 1.0));
    harness.get_by_label("Highest colour").focus();
    harness.run();
    harness.key_press(egui::Key::ArrowUp);
    harness.run();
    harness.key_press(egui::Key::ArrowUp);
    harness.run();
    assert!((harness.state().clip.1 - 0.52).abs() < 1e-5, "{:?}", harness.state().clip);
    harness.get_by_label("Lowest colour").focus();
    harness.run();
    harness.key_press(egui::Key::ArrowUp);
    harness.run();
    assert!((harness.state().clip.0 - 0.01).abs() < 1e-5, "{:?}", harness.state().clip);
}

#[test]
fn dragging_a_handle_follows_the_pointer_on_a_log_scale() {
    let mut harness =
        harness(HeatmapStyle { clip: (0.01, 100.0), log: true, ..HeatmapStyle::default() }, (0.01, 100.0));
    harness.run();
    let (high, low) = ["Highest colour", "Lowest colour"].map(|name| harness.get_by_label(name).rect()).into();
    let grip = pos2(high.center().x, high.bottom() - 4.0);
    harness.drag_at(grip);
    harness.run();
    let middle = pos2(grip.x, (high.bottom() - 2.0 + low.top() + 2.0) / 2.0);
    harness.hover_at(middle);
    harness.run();
    harness.drop_at(middle);
    harness.run();
    let clip = harness.state().clip;
    assert!((0.9..1.1).contains(&clip.1), "half-way between 0.01 and 100 is 1, not {clip:?}");
}

#[test]
fn an_end_never_passes_the_other_and_never_leaves_a_log_scale() {
    let mut style = HeatmapStyle { clip: (0.2, 0.6), ..HeatmapStyle::default() };
    End::Low.set(&mut style, 0.9);
    assert_eq!(style.clip, (0.9, 0.9));
    End::High.set(&mut style, 0.1);
    assert_eq!(style.clip, (0.1, 0.1));
    style.log = true;
    End::High.set(&mut style, -1.0);
    End::Low.set(&mut style, f32::NAN);
    assert_eq!(style.clip, (0.1, 0.1));
}

#[test]
fn any_range_is_drawn_without_panic() {
    for range in [(0.0, 0.0), (f32::NAN, f32::INFINITY), (-1.0, -1.0), (f32::MIN, f32::MAX), (3.0, 1.0)] {
        for log in [false, true] {
            harness(HeatmapStyle { log, ..HeatmapStyle::default() }, range).run();
        }
    }
}
