//! Loss and accuracy along t, the scrubber, and the numbers read off the curves.

use egui::{Align, Align2, Color32, Context, FontId, Key, Label, Rect, RichText, Role, ScrollArea, Ui, WidgetInfo};
use egui_plot::{HLine, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotTransform, PlotUi, Points, Text, VLine};

use super::connect_controls::trace_text;
use super::landscape::{APART_UPWARDS, plot_points, push_settings, round_marks};
use super::path_statistics::{self, BARRIER, worst_t};
use super::{View, predictions, robust_curve, theme, walk_controls};
use crate::app::{Action, AppState, CurveState, Metric};
use crate::compute::{PointValue, Trace};
use crate::data::SplitName;
use crate::geometry::Path;

/// Seconds that playing takes from A to B.
const PLAY_SECS: f64 = 6.0;
/// Width kept for the numbers at t and the buttons of the scrubber.
const SCRUBBER_MARGIN: f32 = 330.0;
const SCRUBBER_HEIGHT: f32 = 34.0;
/// Height of the plot in panes that are too low.
const LEAST_PLOT: f32 = 130.0;
/// Height of a pane below which numbers come under the plot, out of its way.
const LOW_PANE: f32 = 270.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let Some(curve) = &state.curve else {
        ui.centered_and_justified(|ui| ui.label(RichText::new("Loss and accuracy along the path appear here").weak()));
        return;
    };
    // Where the pane is too low for all of it, it scrolls: the plot keeps a height at which it can be read.
    let pane = ui.available_height();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let top = ui.cursor().top();
        let was_shown = view.curve.statistics;
        header(ui, state, curve, view, actions);
        let is_low = pane < LOW_PANE;
        if !is_low {
            numbers(ui, state, curve, view);
        }
        if let Some(path) = &state.path {
            walk_controls::show(ui, state, &path.path, actions);
        }
        let used = ui.cursor().top() - top;
        plot(ui, state, curve, view, (pane - used - SCRUBBER_HEIGHT).max(LEAST_PLOT));
        scrubber(ui, state, curve, view, actions);
        if is_low {
            numbers(ui, state, curve, view);
            if view.curve.statistics && !was_shown {
                ui.scroll_to_cursor(Some(Align::BOTTOM));
            }
        }
    });
}

/// Statistics of the curves, and what the network at t makes of some images, where the user wants to see them.
fn numbers(ui: &mut Ui, state: &AppState, curve: &CurveState, view: &mut View) {
    if view.curve.statistics || state.predictions.is_some() {
        ui.horizontal_top(|ui| {
            if view.curve.statistics {
                path_statistics::table(ui, curve, state.robust.as_ref());
            }
            predictions::show(ui, state, &mut view.pictures);
        });
    }
    if view.curve.statistics {
        path_statistics::place_line(ui, state, curve);
        robust_curve::statistics(ui, state, curve);
    }
}

fn header(ui: &mut Ui, state: &AppState, curve: &CurveState, view: &mut View, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        for (metric, label) in [(Metric::Loss, "Loss"), (Metric::Accuracy, "Accuracy")] {
            ui.selectable_value(&mut view.curve.metric, metric, label);
        }
        ui.separator();
        ui.add_enabled_ui(view.curve.metric == Metric::Loss, |ui| ui.toggle_value(&mut view.curve.log, "Log"));
        ui.toggle_value(&mut view.curve.train, "Training").on_hover_text("Also draw the training images, dashed");
        ui.toggle_value(&mut view.curve.statistics, "Statistics");
        let mut predictions = state.predictions.is_some();
        let tip = "What the network at t makes of the first test images";
        if ui.toggle_value(&mut predictions, "Predictions").on_hover_text(tip).changed() {
            actions.push(Action::ShowPredictions(predictions));
        }
        if state.can_repair() {
            let mut repaired = state.repaired.is_some();
            let tip = "Also draw the test values with mean and deviation of every unit put right at every point (REPAIR, Jordan \
                       et al. 2023): what averaging takes from units that are not quite alike";
            if ui.toggle_value(&mut repaired, "Repaired").on_hover_text(tip).changed() {
                actions.push(Action::ShowRepaired(repaired));
            }
        }
        let mut settings = state.settings.clone();
        let tip = "Also draw the test values on images that an adversary moves at every point anew (its numbers are under \
                   Adversary, on the left)";
        ui.toggle_value(&mut settings.robust.along_path, "Under attack").on_hover_text(tip);
        push_settings(state, settings, actions);
        if state.path.as_ref().is_some_and(|path| !path.traces.is_empty()) {
            let tip = "Also draw what was found beside the path, scaled to the height of the picture";
            ui.toggle_value(&mut view.curve.traces, "Traces").on_hover_text(tip);
        }
        ui.separator();
        if let Some(loss) = curve.loss_summary(SplitName::Test) {
            let text = format!("Barrier {} nats", theme::nats(loss.barrier));
            ui.add(Label::new(RichText::new(text).strong()).extend()).on_hover_text(BARRIER);
        }
        if let Some(loss) = state.repaired.as_ref().and_then(|repaired| repaired.loss_summary(curve)) {
            let text = format!("repaired {} nats", theme::nats(loss.barrier));
            let text = RichText::new(text).color(repaired_color(ui.visuals().dark_mode));
            ui.add(Label::new(text).extend()).on_hover_text(BARRIER);
        }
        if let Some(accuracy) = curve.accuracy_summary(SplitName::Test) {
            let text = format!("worst accuracy {} at t = {:.2}", theme::percent(accuracy.min), worst_t(curve));
            ui.add(Label::new(text).extend());
        }
        robust_curve::header(ui, state, curve);
    });
}

/// What is drawn for a value: per cent, or its logarithm on a log scale.
pub(super) fn height_of(view: &View, value: PointValue) -> Option<f64> {
    match view.curve.metric {
        Metric::Loss => height_of_loss(view, value.loss),
        Metric::Accuracy => Some(100.0 * value.accuracy),
    }
}

fn height_of_loss(view: &View, loss: f64) -> Option<f64> {
    let height = if view.curve.log { loss.log10() } else { loss };
    height.is_finite().then_some(height)
}

fn line_of(curve: &CurveState, split: SplitName, view: &View) -> Vec<[f64; 2]> {
    line_through(curve, curve.split(split), view)
}

/// `values`: at the curve's t.
pub(super) fn line_through(curve: &CurveState, values: &[Option<PointValue>], view: &View) -> Vec<[f64; 2]> {
    let known = curve.ts.iter().zip(values);
    known.filter_map(|(&t, value)| Some([t, height_of(view, (*value)?)?])).collect()
}

fn plot(ui: &mut Ui, state: &AppState, curve: &CurveState, view: &View, height: f32) {
    let dark = ui.visuals().dark_mode;
    let metric = view.curve.metric;
    let logarithmic = view.curve.log && metric == Metric::Loss;
    let label = match metric {
        Metric::Loss => "loss (nats)",
        Metric::Accuracy => "accuracy (%)",
    };
    let ink = theme::path_color(dark);
    let plot = Plot::new(("along the path", metric == Metric::Loss, view.curve.log))
        .height(height)
        .x_axis_label("t, from A to B")
        .y_axis_label(label)
        .y_grid_spacer(round_marks(height / APART_UPWARDS, logarithmic))
        .y_axis_formatter(move |mark, _| {
            let value = if logarithmic { 10.0_f64.powf(mark.value) } else { mark.value };
            if logarithmic && value < 0.1 { format!("{value:.0e}") } else { theme::mark_number(value) }
        })
        .allow_scroll(false)
        .allow_drag(false)
        .set_margin_fraction(egui::vec2(0.02, 0.12))
        .include_x(0.0)
        .include_x(1.0)
        .label_formatter(|_| None);
    let response = plot.show(ui, |plot| {
        for run in state.runs.iter().filter(|run| run.pinned) {
            let points = line_of(&run.curve, SplitName::Test, view);
            let color = theme::run_color(run.number, dark);
            plot.line(Line::new(format!("run {}", run.number), plot_points(points)).color(color).width(1.5));
        }
        if view.curve.train {
            let points = line_of(curve, SplitName::Train, view);
            plot.line(
                Line::new("training", plot_points(points))
                    .color(ink.gamma_multiply(0.6))
                    .width(1.2)
                    .style(LineStyle::dashed_dense()),
            );
        }
        if let Some(repaired) = &state.repaired {
            let points = line_through(curve, &repaired.values, view);
            repaired_line(plot, points, dark);
        }
        robust_curve::draw(plot, state, curve, view, dark);
        let points = line_of(curve, SplitName::Test, view);
        plot.line(Line::new("test", plot_points(points.clone())).color(ink).width(2.2));
        if let Some(path) = state.path.as_ref().filter(|_| view.curve.traces) {
            traces(plot, &path.traces, &points, dark);
        }
        if metric == Metric::Loss {
            barrier(plot, curve, view, ink);
        }
        landmarks(plot, curve, view, ink);
        if let Some(path) = &state.path {
            stage_lines(plot, &path.path, ink);
        }
        plot.vline(VLine::new("t", state.t).color(theme::mode_color(2, dark)).width(1.5));
    });
    if let Some(path) = &state.path {
        stage_labels(ui, &response.transform, &path.path, ink);
    }
    let summary = summary(curve) + &robust_curve::words(state, curve);
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &summary));
}

fn repaired_color(dark: bool) -> Color32 {
    theme::mode_color(4, dark)
}

/// The curve with the units' statistics put right, and its name in the middle.
fn repaired_line(plot: &mut PlotUi<'_>, points: Vec<[f64; 2]>, dark: bool) {
    let color = repaired_color(dark);
    name_line(plot, &points, Align2::CENTER_TOP, "repaired", color);
    plot.line(Line::new("repaired", plot_points(points)).color(color).width(1.6).style(LineStyle::dashed_loose()));
}

/// A line's name at its middle; `anchor`: which part of the name stands there.
pub(super) fn name_line(plot: &mut PlotUi<'_>, points: &[[f64; 2]], anchor: Align2, name: &str, color: Color32) {
    if let Some(&[x, y]) = points.get(points.len() / 2) {
        let text = Text::new("", PlotPoint::new(x, y), RichText::new(name).size(11.0));
        plot.text(text.anchor(anchor).color(color));
    }
}

/// Where one stage ends and the next begins.
fn stage_lines(plot: &mut PlotUi<'_>, path: &Path, ink: Color32) {
    let n = path.stages().len();
    for stage in 1..n {
        let line = VLine::new("", stage as f64 / n as f64).color(ink.gamma_multiply(0.3)).width(1.0);
        plot.vline(line.style(LineStyle::dashed_loose()));
    }
}

/// Names of the stages, at the top of the picture; as items of the plot they would count among its bounds.
fn stage_labels(ui: &Ui, transform: &PlotTransform, path: &Path, ink: Color32) {
    let n = path.stages().len();
    let frame = *transform.frame();
    let painter = ui.painter().with_clip_rect(frame);
    for stage in (0..n).filter(|_| 1 < n) {
        let [left, right] = [stage, stage + 1].map(|boundary| {
            let at = PlotPoint::new(boundary as f64 / n as f64, 0.0);
            transform.position_from_point(&at).x
        });
        let part = Rect::from_x_y_ranges(left..=right - 4.0, frame.y_range());
        let at = part.left_top() + egui::vec2(5.0, 3.0);
        let font = FontId::proportional(11.0);
        painter.with_clip_rect(part.intersect(frame)).text(
            at,
            Align2::LEFT_TOP,
            path.stage_label(stage),
            font,
            ink.gamma_multiply(0.75),
        );
    }
}

/// The midpoint, and the point with the lowest accuracy.
fn landmarks(plot: &mut PlotUi<'_>, curve: &CurveState, view: &View, ink: Color32) {
    let height = |index: usize| height_of(view, curve.test[index]?);
    let at = |t: f64| curve.ts.iter().position(|other| (other - t).abs() < 1e-9);
    for (name, t, shape) in
        [("midpoint", 0.5, MarkerShape::Square), ("lowest accuracy", worst_t(curve), MarkerShape::Down)]
    {
        if let Some((index, value)) = at(t).and_then(|index| Some((index, height(index)?))) {
            let points = Points::new(name, vec![[curve.ts[index], value]]);
            plot.points(points.shape(shape).radius(4.0).filled(false).color(ink));
        }
    }
}

/// What was found beside the path, each series from the lowest to the highest point of the curve.
fn traces(plot: &mut PlotUi<'_>, traces: &[Trace], curve: &[[f64; 2]], dark: bool) {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (bottom, top) = range(&mut curve.iter().map(|point| point[1]));
    for (index, trace) in traces.iter().enumerate() {
        let finite: Vec<_> = trace.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let (low, high) = range(&mut finite.iter().map(|(_, value)| *value));
        if finite.len() < 2 || !bottom.is_finite() {
            continue;
        }
        let scale = if low < high { (top - bottom) / (high - low) } else { 0.0 };
        let points: Vec<[f64; 2]> = finite.iter().map(|(t, value)| [*t, bottom + scale * (value - low)]).collect();
        let color = theme::mode_color(3 + index, dark);
        let middle = points[points.len() / 2];
        plot.line(Line::new("", plot_points(points)).color(color).width(1.2).style(LineStyle::dotted_dense()));
        let text = RichText::new(trace_text(trace)).size(11.0);
        let at = PlotPoint::new(middle[0], middle[1]);
        plot.text(Text::new("", at, text).anchor(Align2::CENTER_BOTTOM).color(color));
    }
}

/// The level the barrier is measured from, and its peak.
fn barrier(plot: &mut PlotUi<'_>, curve: &CurveState, view: &View, ink: Color32) {
    let Some(loss) = curve.loss_summary(SplitName::Test) else {
        return;
    };
    let level = 0.5 * (loss.start + loss.end);
    let (Some(level), Some(peak)) = (height_of_loss(view, level), height_of_loss(view, loss.max)) else {
        return;
    };
    plot.hline(
        HLine::new("mean of the ends", level)
            .color(ink.gamma_multiply(0.35))
            .width(1.0)
            .style(LineStyle::dashed_loose()),
    );
    if 0.005 < loss.barrier {
        plot.line(
            Line::new("barrier", plot_points(vec![[loss.t_max, level], [loss.t_max, peak]]))
                .color(ink.gamma_multiply(0.5))
                .width(1.0),
        );
        plot.points(Points::new("peak", vec![[loss.t_max, peak]]).shape(MarkerShape::Circle).radius(4.0).color(ink));
        let text = RichText::new(format!("  barrier {}  ", theme::nats(loss.barrier))).size(12.0);
        let pixel = plot.transform().dvalue_dpos()[1].abs();
        // Beside the barrier where there is room, else above it, clear of the curve.
        let (height, side) = if (peak - level) / pixel < 40.0 {
            (peak + 6.0 * pixel, Align2::CENTER_BOTTOM)
        } else if loss.t_max < 0.8 {
            (0.5 * (level + peak), Align2::LEFT_CENTER)
        } else {
            (0.5 * (level + peak), Align2::RIGHT_CENTER)
        };
        plot.text(Text::new("barrier", PlotPoint::new(loss.t_max, height), text).anchor(side).color(ink));
    }
}

fn scrubber(ui: &mut Ui, state: &AppState, curve: &CurveState, view: &mut View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let label = if view.playing { "Pause" } else { "Play" };
        if ui.button(label).on_hover_text("Move along the path (space)").clicked() {
            view.playing = !view.playing;
        }
        let worst = curve.loss_summary(SplitName::Test).map(|s| s.t_max);
        for (name, t, tip) in [
            ("A", Some(0.0), "Go to the start (Home)"),
            ("Worst", worst, "Go to the highest test loss"),
            ("B", Some(1.0), "Go to the end (End)"),
        ] {
            if ui.add_enabled(t.is_some(), egui::Button::new(name)).on_hover_text(tip).clicked() {
                view.playing = false;
                actions.extend(t.map(Action::SetT));
            }
        }
        ui.spacing_mut().slider_width = (ui.available_width() - SCRUBBER_MARGIN).max(80.0);
        let mut t = state.t;
        // Shown to three places, but not rounded to them: moves of a walk are shorter than that.
        let slider = egui::Slider::new(&mut t, 0.0..=1.0).custom_formatter(|t, _| format!("{t:.3}"));
        let label = ui.label("t");
        if ui
            .add(slider)
            .labelled_by(label.id)
            .on_hover_text("Place on the path: 0 is A, 1 is B (arrow keys)")
            .changed()
        {
            view.playing = false;
            actions.push(Action::SetT(t));
        }
        if let Some((loss, accuracy)) = interpolated(curve, state.t) {
            ui.label(format!("test loss {}, {}", theme::nats(loss), theme::percent(accuracy)));
        }
    });
}

/// Loss and accuracy at t, between the two nearest points.
fn interpolated(curve: &CurveState, t: f64) -> Option<(f64, f64)> {
    let right = curve.ts.iter().position(|&other| t <= other)?;
    let left = right.saturating_sub(1);
    let (a, b) = (curve.test[left]?, curve.test[right]?);
    let span = curve.ts[right] - curve.ts[left];
    let s = if span == 0.0 { 0.0 } else { (t - curve.ts[left]) / span };
    Some((a.loss + s * (b.loss - a.loss), a.accuracy + s * (b.accuracy - a.accuracy)))
}

/// Moves t while playing; keys move it too.
pub(super) fn play(ctx: &Context, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    if !ctx.egui_wants_keyboard_input() {
        ctx.input(|i| {
            if i.key_pressed(Key::Space) {
                view.playing = !view.playing;
            }
            for (key, t) in
                [(Key::Home, 0.0), (Key::End, 1.0), (Key::ArrowLeft, state.t - 0.02), (Key::ArrowRight, state.t + 0.02)]
            {
                if i.key_pressed(key) {
                    view.playing = false;
                    actions.push(Action::SetT(t));
                }
            }
        });
    }
    if view.playing {
        let step = f64::from(ctx.input(|i| i.stable_dt)).min(0.1) / PLAY_SECS;
        let t = state.t + step;
        actions.push(Action::SetT(if 1.0 < t { 0.0 } else { t }));
        ctx.request_repaint();
    }
}

/// The curve in words.
fn summary(curve: &CurveState) -> String {
    match (curve.loss_summary(SplitName::Test), curve.accuracy_summary(SplitName::Test)) {
        (Some(loss), Some(accuracy)) => format!(
            "Along the path: test loss {} at A, {} at B, at most {} at t = {:.2}, barrier {}; accuracy at least {}",
            theme::nats(loss.start),
            theme::nats(loss.end),
            theme::nats(loss.max),
            loss.t_max,
            theme::nats(loss.barrier),
            theme::percent(accuracy.min)
        ),
        _ => "Along the path: not evaluated yet".to_owned(),
    }
}
