//! What is drawn over the landscape: anchors, bends, the path and the place of the scrubber, in plane coordinates.

use egui::{Align2, Color32, RichText};
use egui_plot::{Line, LineStyle, MarkerShape, PlotPoint, PlotTransform, PlotUi, Points, Text};

use super::theme;
use crate::app::{AppState, ModeId, PathState, PlaneState, marks_third_point};
use crate::geometry::{Curve, PlanePoint};

/// Distances off the plane below this share of |B - A| count as none.
const ON_PLANE: f64 = 1e-3;
/// Points with which the path is drawn.
const PATH_POINTS: usize = 129;

/// Shades of the path, from on the plane to farthest off it.
const FAINTEST: usize = 6;
/// Width of the path where it lies on the plane.
const FULL_WIDTH: f32 = 2.2;

/// Everything drawn over the heatmap, in plane coordinates.
pub(super) struct Sketch {
    anchors: Vec<(String, [f64; 2], usize)>,
    bends: Vec<PlanePoint>,
    path: Vec<PlanePoint>,
    /// The place of t; `None` until it is known where the path falls on the plane.
    here: Option<PlanePoint>,
    length: f64,
    chord: [[f64; 2]; 2],
    /// Checkpoints of runs, in order.
    trajectories: Vec<(String, Vec<[f64; 2]>)>,
}

impl Sketch {
    pub(super) fn new(state: &AppState, plane: &PlaneState, path: &PathState) -> Self {
        let projection = path.projection(&plane.plane);
        let ts = Curve::even_ts(PATH_POINTS);
        let (a, b) = state.endpoints.map_or((0, 1), |(a, b)| (place(state, a), place(state, b)));
        let [at_a, at_b, at_c] = plane.plane.anchors();
        let b_name = state.endpoints.map_or_else(|| "B".to_owned(), |(_, b)| state.letter(b));
        let a_name = state.endpoints.map_or_else(|| "A".to_owned(), |(a, _)| state.letter(a));
        let b_name = if path.aligned { format!("aligned {b_name}") } else { b_name };
        let mut anchors = vec![(a_name, [at_a.0, at_a.1], a), (b_name, [at_b.0, at_b.1], b)];
        if !plane.third.starts_with("bend") && marks_third_point(&plane.third) {
            anchors.push((plane.third.clone(), [at_c.0, at_c.1], third_place(state, &plane.third)));
        }
        Self {
            anchors,
            bends: projection.map_or_else(Vec::new, |projection| projection.bends.clone()),
            path: projection.map_or_else(Vec::new, |projection| ts.into_iter().map(|t| projection.at(t)).collect()),
            here: projection.map(|projection| projection.at(state.t)),
            length: plane.plane.length(),
            chord: [[at_a.0, at_a.1], [at_b.0, at_b.1]],
            trajectories: state
                .trajectories
                .iter()
                .map(|run| (run.name.clone(), run.points(&plane.plane).iter().map(|p| [p.x, p.y]).collect()))
                .collect(),
        }
    }

    /// Largest distance of the path from the plane, if it counts.
    pub(super) fn off_plane(&self) -> Option<f64> {
        let off = self.path.iter().map(|p| p.off).fold(0.0, f64::max);
        (ON_PLANE * self.length < off).then_some(off)
    }

    pub(super) fn draw(&self, plot: &mut PlotUi<'_>) {
        let casing = Color32::from_black_alpha(170);
        let chord: Vec<[f64; 2]> = self.chord.to_vec();
        plot.line(
            Line::new("", chord).color(Color32::from_white_alpha(120)).width(1.0).style(LineStyle::dashed_loose()),
        );
        let path: Vec<[f64; 2]> = self.path.iter().map(|p| [p.x, p.y]).collect();
        plot.line(Line::new("", path).color(casing).width(FULL_WIDTH + 2.3));
        self.draw_path(plot);
        for (name, points) in &self.trajectories {
            let ink = Color32::from_rgb(120, 220, 255);
            plot.line(Line::new("", points.clone()).color(casing).width(3.5));
            plot.line(Line::new("", points.clone()).color(ink).width(1.6));
            plot.points(Points::new("", points.clone()).radius(2.6).color(ink));
            if let Some(last) = points.last() {
                label(plot, *last, name, ABOVE_RIGHT);
            }
        }
        for (index, bend) in self.bends.iter().enumerate() {
            let at = [bend.x, bend.y];
            marker(plot, at, MarkerShape::Diamond, Color32::from_rgb(255, 230, 90), 7.5);
            label(plot, at, &format!("bend {}", index + 1), ABOVE_RIGHT);
        }
        // Beside the ends, where neither the path nor the straight line runs.
        let sides = [LEFT, RIGHT, ABOVE_RIGHT];
        for ((name, at, place), side) in self.anchors.iter().zip(sides) {
            marker(plot, *at, MarkerShape::Circle, theme::mode_color(*place, true), theme::MARKER_RADIUS);
            label(plot, *at, name, side);
        }
        for (radius, color) in [(5.5, Color32::BLACK), (4.5, Color32::WHITE)] {
            let here: Vec<[f64; 2]> = self.here.iter().map(|here| [here.x, here.y]).collect();
            plot.points(Points::new("", here).radius(radius).color(color).filled(false));
        }
    }

    /// The path, fainter and thinner the farther it lies off the plane: the colours under it are not its own.
    fn draw_path(&self, plot: &mut PlotUi<'_>) {
        let farthest = self.off_plane();
        let level = |p: &PlanePoint| farthest.map_or(0, |off| ((p.off / off) * FAINTEST as f64).round() as usize);
        let mut first = 0;
        while first + 1 < self.path.len() {
            let shade = level(&self.path[first]);
            let n_alike = self.path[first + 1..].iter().take_while(|p| level(p) == shade).count();
            // Up to where the next shade begins, so that no gap is left.
            let last = (first + n_alike + 1).min(self.path.len() - 1);
            let part: Vec<[f64; 2]> = self.path[first..=last].iter().map(|p| [p.x, p.y]).collect();
            let (ink, width) = path_stroke(shade);
            plot.line(Line::new("", part).color(ink).width(width));
            first = last;
        }
    }

    /// Says in a corner of the picture how far off the plane the faintest part of the path is.
    pub(super) fn legend(&self, ui: &egui::Ui, frame: egui::Rect) {
        let Some(farthest) = self.off_plane() else {
            return;
        };
        let painter = ui.painter().with_clip_rect(frame);
        let text = format!("path: on this plane to {farthest:.2} off it");
        let galley = painter.layout_no_wrap(text, egui::FontId::proportional(11.0), Color32::WHITE);
        let sample_width = 44.0;
        let size = egui::vec2(galley.size().x + sample_width + 18.0, galley.size().y + 8.0);
        let panel = egui::Rect::from_min_size(frame.right_top() + egui::vec2(-size.x - 6.0, 6.0), size);
        painter.rect_filled(panel, 3.0, Color32::from_black_alpha(170));
        let (left, middle) = (panel.left() + 6.0, panel.center().y);
        for shade in 0..=FAINTEST {
            let (ink, width) = path_stroke(shade);
            let part = sample_width / (FAINTEST + 1) as f32;
            let from = left + shade as f32 * part;
            painter.hline(from..=from + part, middle, egui::Stroke::new(width, ink));
        }
        painter.galley(egui::pos2(left + sample_width + 6.0, middle - galley.size().y / 2.0), galley, Color32::WHITE);
    }

    /// The bend under the mouse.
    pub(super) fn bend_near(&self, transform: &PlotTransform, pointer: egui::Pos2) -> Option<usize> {
        let distance =
            |spot: &PlanePoint| transform.position_from_point(&PlotPoint::new(spot.x, spot.y)).distance(pointer);
        let near = |index: &usize| distance(&self.bends[*index]) < theme::GRAB_RADIUS;
        (0..self.bends.len())
            .filter(near)
            .min_by(|&i, &j| distance(&self.bends[i]).total_cmp(&distance(&self.bends[j])))
    }
}

/// Colour and width of one of the path's shades.
fn path_stroke(shade: usize) -> (Color32, f32) {
    let share = shade as f32 / FAINTEST as f32;
    (Color32::from_white_alpha((255.0 - 165.0 * share) as u8), FULL_WIDTH - 1.2 * share)
}

fn place(state: &AppState, id: ModeId) -> usize {
    state.modes.iter().position(|m| m.id == id).unwrap_or(0)
}

fn third_place(state: &AppState, third: &str) -> usize {
    state.modes.iter().position(|m| state.letter(m.id) == third).unwrap_or(5)
}

fn marker(plot: &mut PlotUi<'_>, at: [f64; 2], shape: MarkerShape, color: Color32, radius: f32) {
    plot.points(Points::new("", vec![at]).shape(shape).radius(radius + 2.0).color(Color32::BLACK));
    plot.points(Points::new("", vec![at]).shape(shape).radius(radius).color(color));
}

/// Where a name stands beside its marker: points to the right and downwards, and the part of the text that is there.
type Side = (f64, f64, Align2);
const ABOVE_RIGHT: Side = (12.0, -12.0, Align2::LEFT_CENTER);
const LEFT: Side = (-12.0, 0.0, Align2::RIGHT_CENTER);
const RIGHT: Side = (12.0, 0.0, Align2::LEFT_CENTER);

/// A name beside a marker, readable on any colour.
fn label(plot: &mut PlotUi<'_>, at: [f64; 2], name: &str, (right, down, anchor): Side) {
    let position = PlotPoint::new(at[0], at[1]);
    let pixels = plot.transform().dvalue_dpos();
    for (dx, dy, color) in [
        (1.0, 1.0, Color32::BLACK),
        (-1.0, -1.0, Color32::BLACK),
        (1.0, -1.0, Color32::BLACK),
        (-1.0, 1.0, Color32::BLACK),
        (0.0, 0.0, Color32::WHITE),
    ] {
        let spot = PlotPoint::new(position.x + (right + dx) * pixels[0], position.y + (down + dy) * pixels[1]);
        let text = RichText::new(name).size(13.0).strong().color(color);
        plot.text(Text::new("", spot, text).anchor(anchor));
    }
}
