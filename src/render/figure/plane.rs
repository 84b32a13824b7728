//! A landscape on a plane: the heatmap, what lies on it, and a colour bar.

use std::sync::Arc;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use super::axes::{Axes, Scale, TICK_SIZE};
use super::svg::{Anchor, Area, INK, SOFT_INK, Stroke, Svg, TextStyle, hex, text_width, wrapped};
use crate::render::field::Field;
use crate::render::raster::{Ground, to_image_on};
use crate::render::style::{HeatmapStyle, effective_clip};

/// A figure of a plane through weight space.
#[derive(Clone, Debug)]
pub struct PlaneFigure {
    /// The values.
    pub field: Arc<Field>,
    /// The x positions of the first and the last column's centre.
    pub x: (f64, f64),
    /// The y positions of the first and the last row's centre.
    pub y: (f64, f64),
    /// How values are coloured.
    pub style: HeatmapStyle,
    /// Above the picture; may be empty.
    pub title: String,
    /// Beside the colour bar, with its unit, such as `test loss (nats)`.
    pub value_label: String,
    /// Below the picture.
    pub x_label: String,
    /// Left of the picture.
    pub y_label: String,
    /// Drawn over the paths.
    pub markers: Vec<Marker>,
    /// Drawn over the picture.
    pub paths: Vec<Polyline>,
    /// Below everything; may be empty.
    pub caption: String,
    /// What is needed to make the figure again, such as a command line; kept in `<metadata>` and `<desc>`.
    pub metadata: Option<String>,
}

/// A point with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// Written beside it; may be empty.
    pub label: String,
    /// Position on the plane.
    pub x: f64,
    /// Position on the plane.
    pub y: f64,
    /// Its shape.
    pub kind: MarkerKind,
    /// Its colour; the same mode has the same colour everywhere.
    pub color: [u8; 3],
}

/// What a marked point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    /// A mode that a path joins: a disc.
    Endpoint,
    /// An inner control point of a path: a diamond.
    Bend,
    /// A point that spans the plane without being on a path: a square.
    Anchor,
}

/// A line over the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Polyline {
    /// Positions on the plane.
    pub points: Vec<[f64; 2]>,
    /// Its colour.
    pub color: [u8; 3],
    /// Whether it is dashed.
    pub dashed: bool,
}

const LEFT: f64 = 68.0;
const RIGHT: f64 = 100.0;
const LONGEST_SIDE: f64 = 440.0;
const SHORTEST_SIDE: f64 = 180.0;
const LINE: f64 = 15.0;
/// Height of the tips of a colour bar beyond whose ends there are values.
const TIP: f64 = 11.0;
/// The size of marker labels.
const LABEL_SIZE: f64 = 13.0;
/// Pixels of the embedded picture a unit of the figure.
const SHARPNESS: f64 = 3.0;

impl PlaneFigure {
    /// The figure. Lengths along x and y are drawn alike, as long as the plane is not much longer than wide.
    pub fn to_svg(&self) -> String {
        let (x, y) = (edges(self.x, self.field.width), edges(self.y, self.field.height));
        let aspect = ((x.1 - x.0) / (y.1 - y.0)).abs();
        let aspect = if aspect.is_finite() {
            aspect.clamp(SHORTEST_SIDE / LONGEST_SIDE, LONGEST_SIDE / SHORTEST_SIDE)
        } else {
            1.0
        };
        let (width, height) = (LONGEST_SIDE * aspect.min(1.0), LONGEST_SIDE / aspect.max(1.0));
        let full_width = (LEFT + width + RIGHT).max(420.0);
        let title = wrapped(&self.title, 15.0, full_width - 32.0);
        let caption = wrapped(&self.caption, 11.0, full_width - 32.0);
        let top = if title.is_empty() { 20.0 } else { 24.0 + 19.0 * title.len() as f64 };
        let area = Area { left: LEFT + (full_width - LEFT - width - RIGHT) / 2.0, top, width, height };
        let below = area.bottom() + 60.0;
        let full_height = below + if caption.is_empty() { -8.0 } else { LINE * caption.len() as f64 + 4.0 };

        let mut svg = Svg::new(full_width, full_height);
        for (index, line) in title.iter().enumerate() {
            let style = TextStyle { size: 15.0, bold: true, ..TextStyle::default() };
            svg.text(16.0, 26.0 + 19.0 * index as f64, line, style);
        }
        let axes = Axes { area, x: Scale::new(x, false), y: Scale::new(y, false), counts_x: false };
        self.draw_picture(&mut svg, &axes);
        axes.draw(&mut svg, &self.x_label, &self.y_label);
        self.draw_labels(&mut svg, &axes);
        self.draw_color_bar(&mut svg, area);
        for (index, line) in caption.iter().enumerate() {
            let style = TextStyle { size: 11.0, fill: SOFT_INK, ..TextStyle::default() };
            svg.text(16.0, below + LINE * index as f64, line, style);
        }
        let name = if self.title.is_empty() { &self.value_label } else { &self.title };
        svg.finish(name, self.metadata.as_deref())
    }

    fn draw_picture(&self, svg: &mut Svg, axes: &Axes) {
        let [width, height] = [axes.area.width, axes.area.height].map(|side| (side * SHARPNESS).round() as u32);
        let mut picture = to_image_on(&self.field, &self.style, width, height, Ground::Light, SHARPNESS as f32);
        if self.x.1 < self.x.0 {
            image::imageops::flip_horizontal_in_place(&mut picture);
        }
        if self.y.1 < self.y.0 {
            image::imageops::flip_vertical_in_place(&mut picture);
        }
        svg.image(axes.area, &png_bytes(&picture));
        svg.begin_clip("picture", axes.area);
        for path in &self.paths {
            let points: Vec<[f64; 2]> = path.points.iter().filter_map(|point| axes.place(*point)).collect();
            svg.polyline(&points, Stroke { color: "#ffffff", width: 4.5, dashed: false });
            svg.polyline(&points, Stroke { color: &hex(path.color), width: 2.2, dashed: path.dashed });
        }
        svg.end_clip();
    }

    fn draw_labels(&self, svg: &mut Svg, axes: &Axes) {
        for marker in &self.markers {
            let Some([x, y]) = axes.place([marker.x, marker.y]).filter(|place| within(axes.area, *place)) else {
                continue;
            };
            let fill = hex(marker.color);
            match marker.kind {
                MarkerKind::Endpoint => svg.circle([x, y], 5.5, &fill),
                MarkerKind::Bend => svg.shape(&[[x, y - 6.5], [x + 6.5, y], [x, y + 6.5], [x - 6.5, y]], &fill),
                MarkerKind::Anchor => {
                    svg.shape(&[[x - 5.0, y - 5.0], [x + 5.0, y - 5.0], [x + 5.0, y + 5.0], [x - 5.0, y + 5.0]], &fill);
                }
            }
            if !marker.label.is_empty() {
                let (at, anchor) = self.label_place(axes, [x, y], &marker.label);
                let style = TextStyle { size: LABEL_SIZE, bold: true, anchor, halo: true, ..TextStyle::default() };
                svg.text(at[0], at[1], &marker.label, style);
            }
        }
    }

    /// The corner of a marker at which its label is farthest from paths and other markers, and within the picture.
    fn label_place(&self, axes: &Axes, [x, y]: [f64; 2], label: &str) -> ([f64; 2], Anchor) {
        let width = text_width(label, LABEL_SIZE);
        let corners = [(1.0, -1.0), (-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
        let places = |points: &[[f64; 2]]| points.iter().filter_map(|point| axes.place(*point)).collect::<Vec<_>>();
        let mut lines: Vec<Vec<[f64; 2]>> = self.paths.iter().map(|path| places(&path.points)).collect();
        lines.extend(
            self.markers.iter().map(|marker| places(&[[marker.x, marker.y]])).filter(|place| *place != [[x, y]]),
        );
        let room = |(right, down): (f64, f64)| {
            let middle = [x + right * (9.0 + width / 2.0), y + down * 12.0];
            let far = [middle[0] + right * width / 2.0, middle[1] + down * 6.0];
            let clear = lines.iter().map(|line| distance(middle, line)).fold(f64::INFINITY, f64::min);
            // Beyond a label's own size more room is no better, and the first corner wins.
            if within(axes.area, far) { clear.min(width + 8.0) } else { -1.0 }
        };
        let best =
            corners.into_iter().rev().max_by(|one, other| room(*one).total_cmp(&room(*other))).unwrap_or(corners[0]);
        let anchor = if best.0 > 0.0 { Anchor::Start } else { Anchor::End };
        ([x + 9.0 * best.0, y + if best.1 > 0.0 { 17.0 } else { -7.0 }], anchor)
    }

    fn draw_color_bar(&self, svg: &mut Svg, area: Area) {
        let (below, above) = self.field.finite_range().map_or((false, false), |range| self.style.clips(range));
        let tip = |is_there: bool| if is_there { TIP } else { 0.0 };
        let (top, height) = (area.top + tip(above), area.height - tip(above) - tip(below));
        let bar = Area { left: area.right() + 22.0, top, width: 14.0, height };
        // Values beyond the colours: a tip in the colour that they take.
        for (is_there, y, far, unit) in
            [(above, bar.top, bar.top - TIP, 1.0), (below, bar.bottom(), bar.bottom() + TIP, 0.0)]
        {
            if is_there {
                let corners = [[bar.left, y], [bar.right(), y], [0.5 * (bar.left + bar.right()), far]];
                svg.shape(&corners, &hex(self.style.color_at(unit)));
                let ink = Stroke { color: INK, width: 1.0, dashed: false };
                svg.polyline(&[corners[0], corners[2], corners[1]], ink);
            }
        }
        let steps = 256_usize;
        let ramp = image::RgbaImage::from_fn(1, steps as u32, |_, y| {
            let [red, green, blue] = self.style.color_at(1.0 - (y as f32 + 0.5) / steps as f32);
            image::Rgba([red, green, blue, 255])
        });
        svg.image(bar, &png_bytes(&ramp));
        svg.frame(bar);
        let clip = effective_clip(self.style.clip, self.style.log);
        let scale = Scale::new((f64::from(clip.0), f64::from(clip.1)), self.style.log);
        for tick in scale.ticks((bar.height / 36.0) as usize) {
            let Some(unit) = scale.unit(tick.value) else {
                continue;
            };
            let y = bar.bottom() - unit * bar.height;
            svg.line([bar.right(), y], [bar.right() + 4.0, y], Stroke { color: INK, width: 1.0, dashed: false });
            svg.text(bar.right() + 7.0, y + 3.8, &tick.label, TextStyle { size: TICK_SIZE, ..TextStyle::default() });
        }
        let label = TextStyle { anchor: Anchor::Middle, fill: SOFT_INK, upright: true, ..TextStyle::default() };
        let scale_note = if self.style.log { " \u{b7} log scale" } else { "" };
        let middle = bar.top + bar.height / 2.0;
        svg.text(bar.right() + 56.0, middle, &format!("{}{scale_note}", self.value_label), label);
    }
}

/// The outer borders of the first and the last cell, from their centres.
fn edges((first, last): (f64, f64), cells: usize) -> (f64, f64) {
    let half = (last - first) / (cells.max(2) - 1) as f64 / 2.0;
    let half = if half == 0.0 { 0.5 } else { half };
    (first - half, last + half)
}

/// From a point to the nearest point of a line.
fn distance([x, y]: [f64; 2], line: &[[f64; 2]]) -> f64 {
    let ends = line.iter().zip(line.iter().skip(1).chain(line.last()));
    let distances = ends.map(|([x0, y0], [x1, y1])| {
        let (along_x, along_y) = (x1 - x0, y1 - y0);
        let length = (along_x * along_x + along_y * along_y).max(1e-12);
        let part = (((x - x0) * along_x + (y - y0) * along_y) / length).clamp(0.0, 1.0);
        (x - x0 - part * along_x).hypot(y - y0 - part * along_y)
    });
    distances.fold(f64::INFINITY, f64::min)
}

fn within(area: Area, [x, y]: [f64; 2]) -> bool {
    (area.left..=area.right()).contains(&x) && (area.top..=area.bottom()).contains(&y)
}

fn png_bytes(picture: &image::RgbaImage) -> Vec<u8> {
    let opaque = image::DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    opaque.write_with_encoder(encoder).expect("a picture in memory, of more than no pixels, can be encoded");
    bytes
}
