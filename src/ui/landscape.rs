//! The plane: the heatmap with its anchors, the path on it, and the bend that the mouse can drag.

use egui::{ComboBox, RichText, Role, Ui, WidgetInfo};
use egui_plot::{GridInput, GridMark, Plot, PlotPoint, PlotPoints, PlotResponse};

use super::sketch::Sketch;
use super::{View, theme};
use crate::app::{Action, AppState, Metric, PathState, PlaneState, Settings};
use crate::data::SplitName;
use crate::figures::auto_clip;
use crate::render::ticks::{linear_ticks, log_ticks};
use crate::render::{ColorMap, Contours, HeatmapItem, HeatmapStyle, color_bar_ui};

/// Distances that are aimed at between the numbers of an axis across and of one upwards, in points.
pub(super) const APART_ACROSS: f32 = 90.0;
pub(super) const APART_UPWARDS: f32 = 32.0;
/// Width kept for the colour bar.
const BAR_WIDTH: f32 = 92.0;
/// How long a zoom rests before what it shows is evaluated.
const LOOK_AFTER_SECS: f64 = 0.3;

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let (Some(plane), Some(path)) = (&state.plane, &state.path) else {
        empty(ui, state);
        return;
    };
    header(ui, state, view, actions);
    let metric = state.settings.plane.metric;
    let field = view.fields.of(plane, metric);
    if view.auto_clip
        && let Some(clip) = auto_clip(&field, metric)
    {
        view.style.clip = clip;
    }
    let sketch = Sketch::new(state, plane, path);
    let readout_height = ui.text_style_height(&egui::TextStyle::Body) + 6.0;
    let height = (ui.available_height() - readout_height).max(80.0);
    let mut hovered = None;
    ui.horizontal_top(|ui| {
        // The colour bar fills the height it finds; the line below must keep its place.
        ui.set_height(height);
        let width = (ui.available_width() - BAR_WIDTH).max(80.0);
        let (x, y) = (plane.grid.x, plane.grid.y);
        // Lines between points that stand for many would show shapes that are not there.
        let contours = if plane.is_filled() { view.style.contours } else { Contours::default() };
        let item = HeatmapItem::new(
            egui::Id::unique("landscape"),
            field.clone(),
            (x.at(0), x.at(x.n.saturating_sub(1))),
            (y.at(0), y.at(y.n.saturating_sub(1))),
            HeatmapStyle { contours, ..view.style.clone() },
            view.renderer,
        );
        // Where the mouse went down, not where it is: a quick hand is off the bend before the next frame.
        let pointer = ui.input(|i| i.pointer.press_origin().or(i.pointer.latest_pos()));
        let near = view.landscape.zip(pointer).and_then(|(transform, at)| sketch.bend_near(&transform, at));
        let holds_bend = view.held_bend.is_some() || near.is_some();
        let mut looked = None;
        let looked_out = &mut looked;
        let response = Plot::new("landscape plot")
            .width(width)
            .height(height)
            .data_aspect(1.0)
            .set_margin_fraction(egui::Vec2::ZERO)
            .show_grid(false)
            .allow_drag(!holds_bend)
            .x_axis_label("distance from A towards B")
            .y_axis_label(format!("towards {}", plane.third))
            .x_grid_spacer(round_marks(width / APART_ACROSS, false))
            .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
            .label_formatter(|_| None)
            .show(ui, |plot| {
                plot.add(item);
                sketch.draw(plot);
                let bounds = plot.plot_bounds();
                let zoomed = !plot.auto_bounds().x || !plot.auto_bounds().y;
                *looked_out = zoomed.then(|| [bounds.min()[0], bounds.max()[0], bounds.min()[1], bounds.max()[1]]);
                plot.pointer_coordinate()
            });
        sketch.legend(ui, response.transform.frame().intersect(response.response.rect));
        look(ui, state, view, looked, actions);
        hovered = response.inner.filter(|_| response.response.hovered());
        view.landscape = Some(response.transform);
        drag(&response, near, state, view, actions);
        let summary = summary(state, plane, path);
        response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &summary));
        let unit = match metric {
            Metric::Loss => "nats",
            Metric::Accuracy => "accuracy",
        };
        let range = field.finite_range().unwrap_or((0.0, 1.0));
        if color_bar_ui(ui, &mut view.style, range, unit) {
            view.auto_clip = false;
        }
    });
    readout(ui, plane, path, &sketch, hovered);
}

/// What to do first, where there is nothing to draw.
fn empty(ui: &mut Ui, state: &AppState) {
    ui.centered_and_justified(|ui| {
        let text = match (&state.data, state.modes.len()) {
            (None, _) => "Open a data set: drop a folder on the window, or File > Open data…".to_owned(),
            (Some(_), 0 | 1) => {
                "Drop two checkpoints on the window (.safetensors, .pt, .pth), or File > Open checkpoints…".to_owned()
            }
            (Some(data), _) => match &state.pair {
                Some(Err(reason)) => format!("These two networks cannot be joined: {reason}"),
                Some(Ok(pair)) => match data.misfit(&pair.network) {
                    Some(reason) => format!("The network {reason}: open the data it was trained on"),
                    None => "A and B are one and the same point, or hold weights that are not numbers".to_owned(),
                },
                None => "Choose two modes".to_owned(),
            },
        };
        ui.label(RichText::new(text).size(15.0).weak());
    });
}

fn header(ui: &mut Ui, state: &AppState, view: &mut View, actions: &mut Vec<Action>) {
    let mut settings = state.settings.clone();
    ui.horizontal_wrapped(|ui| {
        let plane = &mut settings.plane;
        let metrics = [
            (Metric::Loss, "Loss", "Mean cross-entropy, in nats"),
            (Metric::Accuracy, "Accuracy", "Share of images classified correctly"),
        ];
        for (metric, label, tip) in metrics {
            ui.selectable_value(&mut plane.metric, metric, label).on_hover_text(tip);
        }
        ui.separator();
        let choices = [
            (SplitName::Test, false, "Test images", "Images as they are"),
            (SplitName::Train, false, "Training images", "Images as they are"),
            (
                SplitName::Test,
                true,
                "Attacked",
                "Test images under attack: the adversary on the left moves them at every point anew",
            ),
        ];
        for (split, under_attack, label, tip) in choices {
            let chosen = (plane.split, plane.under_attack) == (split, under_attack);
            if ui.selectable_label(chosen, label).on_hover_text(tip).clicked() {
                (plane.split, plane.under_attack) = (split, under_attack);
            }
        }
        ui.separator();
        ui.toggle_value(&mut view.style.log, "Log").on_hover_text("Colours on a logarithmic scale");
        ui.toggle_value(&mut view.style.smooth, "Smooth").on_hover_text("Blend between the evaluated points");
        ui.toggle_value(&mut view.style.contours.lines, "Lines").on_hover_text("Lines of equal value");
        let mut bands = view.style.contours.bands.is_some();
        if ui.toggle_value(&mut bands, "Bands").on_hover_text("Filled contours: steps of one colour").changed() {
            view.style.contours.bands = bands.then_some(12);
        }
        let maps = ComboBox::from_id_salt("colour map").selected_text(view.style.map.name()).width(92.0);
        maps.show_ui(ui, |ui| {
            for &map in ColorMap::ALL {
                ui.selectable_value(&mut view.style.map, map, map.name());
            }
        })
        .response
        .on_hover_text("Colours: perceptually even and safe for colour-blind readers")
        .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Colours"));
        ui.toggle_value(&mut view.style.reversed, "Reversed");
        ui.toggle_value(&mut view.auto_clip, "Auto range").on_hover_text("The range of colours follows the values");
    });
    push_settings(state, settings, actions);
}

/// Asks for changed settings.
pub(super) fn push_settings(state: &AppState, settings: Settings, actions: &mut Vec<Action>) {
    if settings != state.settings {
        actions.push(Action::ChangeSettings(Box::new(settings)));
    }
}

/// Evaluates what the user zoomed to, once the zoom comes to rest.
fn look(ui: &Ui, state: &AppState, view: &mut View, looked: Option<[f64; 4]>, actions: &mut Vec<Action>) {
    let now = ui.input(|i| i.time);
    if looked != view.looked.0 {
        view.looked = (looked, now);
    }
    if state.look == looked || state.is_fitting() {
        return;
    }
    let rest = now - view.looked.1;
    if LOOK_AFTER_SECS < rest {
        actions.push(Action::Look(looked));
    } else {
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(LOOK_AFTER_SECS - rest + 0.02));
    }
}

/// Follows the mouse that holds a bend.
fn drag(
    response: &PlotResponse<Option<PlotPoint>>,
    near: Option<usize>,
    state: &AppState,
    view: &mut View,
    actions: &mut Vec<Action>,
) {
    let plot = &response.response;
    let pointer = plot.interact_pointer_pos().or_else(|| plot.hover_pos());
    let near = near.filter(|_| pointer.is_some());
    if near.is_some() || view.held_bend.is_some() {
        plot.ctx.set_cursor_icon(if view.held_bend.is_some() {
            egui::CursorIcon::Grabbing
        } else {
            egui::CursorIcon::Grab
        });
    }
    if plot.drag_started() {
        view.held_bend = near;
    }
    let Some(bend) = view.held_bend else { return };
    let done = plot.drag_stopped() || !plot.dragged();
    let moved = plot.drag_delta() != egui::Vec2::ZERO;
    if let Some(pointer) = pointer.filter(|_| moved || done) {
        let at = response.transform.value_from_position(pointer);
        if state.path.is_some() {
            actions.push(Action::DragBend { bend, x: at.x, y: at.y, done });
        }
    }
    if done {
        view.held_bend = None;
    }
}

/// One line under the picture: what is under the mouse, or what the picture rests on.
fn readout(ui: &mut Ui, plane: &PlaneState, path: &PathState, sketch: &Sketch, hovered: Option<PlotPoint>) {
    let text = match hovered {
        Some(at) => {
            let value = nearest(plane, at).map_or_else(
                || "not evaluated".to_owned(),
                |value| {
                    let images = theme::count(value.n_images);
                    format!(
                        "loss {}, accuracy {} on {images} images",
                        theme::nats(value.loss),
                        theme::percent(value.accuracy)
                    )
                },
            );
            format!("x {:.2}, y {:.2}: {value}", at.x, at.y)
        }
        None => {
            let known: Vec<usize> = plane.values.iter().flatten().map(|v| v.n_images).collect();
            let least = known.iter().min().copied().unwrap_or(0);
            let mut text = format!(
                "{} x {} points on {} {}",
                plane.grid.x.n,
                plane.grid.y.n,
                theme::count(if known.len() < plane.values.len() { 0 } else { least }),
                plane.split.images()
            );
            if known.len() < plane.values.len() {
                text = format!("{} of {} points evaluated", known.len(), plane.values.len());
            }
            if let Some(adversary) = plane.adversary {
                text += &format!(", attacked at every point anew (PGD {})", adversary.attack);
            }
            if let Some(statistics) = &plane.statistics {
                text += &format!("; {}", statistics.caption(&plane.values));
            }
            match sketch.off_plane() {
                Some(off) => text += &format!("; the path runs up to {off:.2} off this plane"),
                None => text += "; the path lies in this plane",
            }
            if !path.path.bends().is_empty() {
                text += "; drag a bend with the mouse";
            }
            text
        }
    };
    ui.label(RichText::new(text).small());
}

/// The evaluated point nearest to a place.
fn nearest(plane: &PlaneState, at: PlotPoint) -> Option<crate::compute::PointValue> {
    let index = |axis: crate::geometry::Axis, v: f64| -> Option<usize> {
        let step = (axis.max - axis.min) / (axis.n.max(2) - 1) as f64;
        let i = ((v - axis.min) / step).round();
        (0.0 <= i && i < axis.n as f64).then_some(i as usize)
    };
    let (x, y) = (index(plane.grid.x, at.x)?, index(plane.grid.y, at.y)?);
    plane.values[y * plane.grid.x.n + x]
}

/// The picture in words, for those who cannot see it.
fn summary(state: &AppState, plane: &PlaneState, path: &PathState) -> String {
    let losses: Vec<f64> = plane.values.iter().flatten().map(|v| v.loss).filter(|l| l.is_finite()).collect();
    let low = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let high = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let under_attack = if plane.adversary.is_some() { " under attack" } else { "" };
    let mut text =
        format!("Landscape: {} loss{under_attack} on the plane through A, B and {}", plane.split, plane.third);
    if !losses.is_empty() {
        text += &format!(", from {} to {} nats", theme::nats(low), theme::nats(high));
    }
    text += &format!("; {} path with {} bends", path.path.family().name(), path.path.bends().len());
    if let Some(barrier) = state.curve.as_ref().and_then(|c| c.loss_summary(SplitName::Test)).map(|s| s.barrier) {
        text += &format!(", barrier {} nats", theme::nats(barrier));
    }
    text
}

/// About so many round numbers; on a logarithmic axis heights are logarithms to base ten.
pub(super) fn round_marks(count: f32, logarithmic: bool) -> impl Fn(GridInput) -> Vec<GridMark> {
    let count = count.max(2.0) as usize;
    move |input| {
        let (low, high) = input.bounds;
        let step_size = (high - low) / count as f64;
        let mark = |value| GridMark { value, step_size };
        if logarithmic {
            let ticks = log_ticks(10.0_f64.powf(low), 10.0_f64.powf(high), count);
            ticks.into_iter().map(|tick| mark(tick.value.log10())).collect()
        } else {
            let ticks = linear_ticks(low, high, count);
            ticks.into_iter().map(|tick| mark(tick.value)).collect()
        }
    }
}

/// Points as the plot wants them.
pub(super) fn plot_points(points: Vec<[f64; 2]>) -> PlotPoints<'static> {
    PlotPoints::from(points)
}
