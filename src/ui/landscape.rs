//! The plane: the heatmap with its anchors, the path on it, and the bend that the mouse can drag.

use egui::{Align2, Color32, ComboBox, RichText, Role, Ui, WidgetInfo};
use egui_plot::{Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, PlotResponse, PlotUi, Points, Text};

use super::{View, theme};
use crate::app::{Action, AppState, Metric, PathState, PlaneState, Settings};
use crate::data::SplitName;
use crate::figures::auto_clip;
use crate::geometry::{PathFamily, PlanePoint, PlaneProjection};
use crate::render::{ColorMap, HeatmapItem, color_bar_ui};

/// Points with which the path is drawn.
const PATH_POINTS: usize = 129;
/// Width kept for the colour bar.
const BAR_WIDTH: f32 = 92.0;
/// How long a zoom rests before what it shows is evaluated.
const LOOK_AFTER_SECS: f64 = 0.3;
/// Distances off the plane below this share of |B - A| count as none.
const ON_PLANE: f64 = 1e-3;

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
    let projection = view.projection(plane, path);
    let sketch = Sketch::new(state, plane, path, &projection);
    let readout_height = ui.text_style_height(&egui::TextStyle::Body) + 6.0;
    let height = (ui.available_height() - readout_height).max(80.0);
    let mut hovered = None;
    ui.horizontal_top(|ui| {
        let width = (ui.available_width() - BAR_WIDTH).max(80.0);
        let (x, y) = (plane.grid.x, plane.grid.y);
        let item = HeatmapItem::new(
            egui::Id::unique("landscape"),
            field.clone(),
            (x.at(0), x.at(x.n.saturating_sub(1))),
            (y.at(0), y.at(y.n.saturating_sub(1))),
            view.style.clone(),
            view.renderer,
        );
        let holds_bend = view.held_bend.is_some() || view.hovers_bend;
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
            .label_formatter(|_| None)
            .show(ui, |plot| {
                plot.add(item);
                sketch.draw(plot);
                let bounds = plot.plot_bounds();
                let zoomed = !plot.auto_bounds().x || !plot.auto_bounds().y;
                *looked_out = zoomed.then(|| [bounds.min()[0], bounds.max()[0], bounds.min()[1], bounds.max()[1]]);
                plot.pointer_coordinate()
            });
        look(ui, state, view, looked, actions);
        hovered = response.inner.filter(|_| response.response.hovered());
        drag(&response, &sketch, state, view, actions);
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
        for (split, label) in [(SplitName::Test, "Test images"), (SplitName::Train, "Training images")] {
            ui.selectable_value(&mut plane.split, split, label);
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

/// A point of the path, with how far it is from the plane.
#[derive(Clone, Copy)]
struct Spot {
    at: PlanePoint,
}

/// Everything drawn over the heatmap, in plane coordinates.
struct Sketch {
    anchors: Vec<(String, [f64; 2], usize)>,
    bends: Vec<Spot>,
    path: Vec<Spot>,
    here: Spot,
    length: f64,
    chord: [[f64; 2]; 2],
}

impl Sketch {
    fn new(state: &AppState, plane: &PlaneState, path: &PathState, projection: &PlaneProjection) -> Self {
        let at = |t: f64| Spot { at: projection.at(&path.path.coefficients(t)) };
        let (a, b) = state.endpoints.map_or((0, 1), |(a, b)| (place(state, a), place(state, b)));
        let [at_a, at_b, at_c] = plane.plane.anchors();
        let b_name = state.endpoints.map_or_else(|| "B".to_owned(), |(_, b)| state.letter(b));
        let a_name = state.endpoints.map_or_else(|| "A".to_owned(), |(a, _)| state.letter(a));
        let b_name = if path.aligned { format!("aligned {b_name}") } else { b_name };
        let mut anchors = vec![(a_name, [at_a.0, at_a.1], a), (b_name, [at_b.0, at_b.1], b)];
        if !plane.third.starts_with("bend") && !plane.third.starts_with("random") {
            anchors.push((plane.third.clone(), [at_c.0, at_c.1], third_place(state, &plane.third)));
        }
        let unit = |index: usize| {
            let mut c = vec![0.0; path.path.basis().len()];
            c[index] = 1.0;
            c
        };
        let bends = path.path.bend_indices().map(|index| Spot { at: projection.at(&unit(index)) }).collect();
        Self {
            anchors,
            bends,
            path: PathFamily::even_ts(PATH_POINTS).into_iter().map(at).collect(),
            here: at(state.t),
            length: plane.plane.length(),
            chord: [[at_a.0, at_a.1], [at_b.0, at_b.1]],
        }
    }

    /// Largest distance of the path from the plane, if it counts.
    fn off_plane(&self) -> Option<f64> {
        let off = self.path.iter().map(|p| p.at.off).fold(0.0, f64::max);
        (ON_PLANE * self.length < off).then_some(off)
    }

    fn draw(&self, plot: &mut PlotUi<'_>) {
        let casing = Color32::from_black_alpha(170);
        let chord: Vec<[f64; 2]> = self.chord.to_vec();
        plot.line(
            Line::new("", chord).color(Color32::from_white_alpha(120)).width(1.0).style(LineStyle::dashed_loose()),
        );
        // What lies off the plane is drawn fainter: the colours under it are not its own.
        let path: Vec<[f64; 2]> = self.path.iter().map(|p| [p.at.x, p.at.y]).collect();
        let ink = if self.off_plane().is_some() { Color32::from_white_alpha(150) } else { Color32::WHITE };
        plot.line(Line::new("", path.clone()).color(casing).width(4.5));
        plot.line(Line::new("", path).color(ink).width(2.2));
        for (index, bend) in self.bends.iter().enumerate() {
            let at = [bend.at.x, bend.at.y];
            marker(plot, at, MarkerShape::Diamond, Color32::from_rgb(255, 230, 90), 7.5);
            label(plot, at, &format!("bend {}", index + 1));
        }
        for (name, at, place) in &self.anchors {
            marker(plot, *at, MarkerShape::Circle, theme::mode_color(*place, true), theme::MARKER_RADIUS);
            label(plot, *at, name);
        }
        let here = [self.here.at.x, self.here.at.y];
        plot.points(Points::new("", vec![here]).radius(5.5).color(Color32::BLACK).filled(false));
        plot.points(Points::new("", vec![here]).radius(4.5).color(Color32::WHITE).filled(false));
    }

    /// The bend under the mouse.
    fn bend_near(&self, response: &PlotResponse<Option<PlotPoint>>, pointer: egui::Pos2) -> Option<usize> {
        let distance = |spot: &Spot| {
            response.transform.position_from_point(&PlotPoint::new(spot.at.x, spot.at.y)).distance(pointer)
        };
        let near = |index: &usize| distance(&self.bends[*index]) < theme::GRAB_RADIUS;
        (0..self.bends.len())
            .filter(near)
            .min_by(|&i, &j| distance(&self.bends[i]).total_cmp(&distance(&self.bends[j])))
    }
}

fn place(state: &AppState, id: crate::app::ModeId) -> usize {
    state.modes.iter().position(|m| m.id == id).unwrap_or(0)
}

fn third_place(state: &AppState, third: &str) -> usize {
    state.modes.iter().position(|m| state.letter(m.id) == third).unwrap_or(5)
}

fn marker(plot: &mut PlotUi<'_>, at: [f64; 2], shape: MarkerShape, color: Color32, radius: f32) {
    plot.points(Points::new("", vec![at]).shape(shape).radius(radius + 2.0).color(Color32::BLACK));
    plot.points(Points::new("", vec![at]).shape(shape).radius(radius).color(color));
}

/// A name beside a marker, readable on any colour.
fn label(plot: &mut PlotUi<'_>, at: [f64; 2], name: &str) {
    let position = PlotPoint::new(at[0], at[1]);
    let pixels = plot.transform().dvalue_dpos();
    for (dx, dy, color) in [
        (1.0, 1.0, Color32::BLACK),
        (-1.0, -1.0, Color32::BLACK),
        (1.0, -1.0, Color32::BLACK),
        (-1.0, 1.0, Color32::BLACK),
        (0.0, 0.0, Color32::WHITE),
    ] {
        let spot = PlotPoint::new(position.x + (12.0 + dx) * pixels[0], position.y + (dy - 12.0) * pixels[1]);
        let text = RichText::new(name).size(13.0).strong().color(color);
        plot.text(Text::new("", spot, text).anchor(Align2::LEFT_CENTER));
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
    sketch: &Sketch,
    state: &AppState,
    view: &mut View,
    actions: &mut Vec<Action>,
) {
    let plot = &response.response;
    let pointer = plot.interact_pointer_pos().or_else(|| plot.hover_pos());
    let near = pointer.and_then(|pointer| sketch.bend_near(response, pointer));
    view.hovers_bend = near.is_some();
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
                "{} x {} points on {} {} images",
                plane.grid.x.n,
                plane.grid.y.n,
                theme::count(if known.len() < plane.values.len() { 0 } else { least }),
                plane.split
            );
            if known.len() < plane.values.len() {
                text = format!("{} of {} points evaluated", known.len(), plane.values.len());
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
    let mut text = format!("Landscape: {} loss on the plane through A, B and {}", plane.split, plane.third);
    if !losses.is_empty() {
        text += &format!(", from {} to {} nats", theme::nats(low), theme::nats(high));
    }
    text += &format!("; {} path with {} bends", path.path.family().name(), path.path.bends().len());
    if let Some(barrier) = state.curve.as_ref().and_then(|c| c.loss_summary(SplitName::Test)).map(|s| s.barrier) {
        text += &format!(", barrier {} nats", theme::nats(barrier));
    }
    text
}

/// Points as the plot wants them.
pub(super) fn plot_points(points: Vec<[f64; 2]>) -> PlotPoints<'static> {
    PlotPoints::from(points)
}
