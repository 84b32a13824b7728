//! The heatmap's shader on the CPU, for exported figures, thumbnails, and windows without wgpu.
//!
//! Mirrors `shaders/heatmap.wgsl` line by line; a test holds the two together.

use std::sync::LazyLock;

use image::RgbaImage;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::colormap::{ColorTable, table_index};
use super::field::{CellState, Field, Sample};
use super::style::{HeatmapStyle, Ramp, band_unit};

/// What the picture lies on, which decides how loud the hatching may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Paper, or a light window.
    #[default]
    Light,
    /// A dark window.
    Dark,
}

/// Which part of a field a picture shows: a linear map from pixels to cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// The cell coordinate (cell i covers `[i, i + 1]`) at the top-left corner of the picture.
    pub cell_origin: [f32; 2],
    /// Cells a pixel, along x and along y downwards.
    pub cell_step: [f32; 2],
    /// Where the patterns begin, in pixels: they stay with the field when it is moved.
    pub pattern_origin: [f32; 2],
    /// Physical pixels a logical one: how thick lines and patterns are.
    pub scale: f32,
}

/// Greys of the hatching. Pure greys: no colour map contains one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hatching {
    pub broken_ground: f32,
    pub broken_ink: f32,
    pub unknown_ground: f32,
    pub unknown_ink: f32,
}

impl Hatching {
    pub(super) fn on(ground: Ground) -> Self {
        match ground {
            Ground::Light => Self { broken_ground: 0.86, broken_ink: 0.30, unknown_ground: 0.95, unknown_ink: 0.74 },
            Ground::Dark => Self { broken_ground: 0.22, broken_ink: 0.72, unknown_ground: 0.13, unknown_ink: 0.28 },
        }
    }
}

/// Widths in logical pixels.
pub(super) const LINE_HALF_WIDTH: f32 = 0.55;
pub(super) const CASING_HALF_WIDTH: f32 = 1.5;
pub(super) const PATTERN_PERIOD: f32 = 8.0;
pub(super) const STRIPE_HALF_WIDTH: f32 = 1.1;
pub(super) const DOT_RADIUS: f32 = 0.9;

/// Threads that draw. Those of the global pool compute: a frame would wait for a piece of their work.
static DRAWING: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().build().ok());

const FLATTEST: f32 = 1e-4;
const DARK_INK: f32 = 0.06;
const LIGHT_INK: f32 = 0.97;
const LINE_OPACITY: f32 = 0.85;
const CASING_OPACITY: f32 = 0.35;

/// The whole field as a picture of any size, row 0 of the field at the bottom, hatched for paper.
pub fn to_image(field: &Field, style: &HeatmapStyle, width_px: u32, height_px: u32) -> RgbaImage {
    to_image_on(field, style, width_px, height_px, Ground::Light, 1.0)
}

/// [`to_image`] for a ground, with lines and patterns `scale` times as thick (2 for a picture shown at half its size).
pub fn to_image_on(
    field: &Field,
    style: &HeatmapStyle,
    width_px: u32,
    height_px: u32,
    ground: Ground,
    scale: f32,
) -> RgbaImage {
    let view = View {
        cell_origin: [0.0, field.height as f32],
        cell_step: [field.width as f32 / width_px.max(1) as f32, -(field.height as f32) / height_px.max(1) as f32],
        pattern_origin: [0.0; 2],
        scale,
    };
    draw(field, style, &view, ground, [width_px, height_px])
}

/// The part of a field that a view shows; transparent outside the field.
pub(super) fn draw(field: &Field, style: &HeatmapStyle, view: &View, ground: Ground, size: [u32; 2]) -> RgbaImage {
    let shader = Shader::new(field, style, view, ground);
    let mut picture = RgbaImage::new(size[0], size[1]);
    let row_bytes = (size[0] as usize * 4).max(1);
    let draw_row = |(y, row): (usize, &mut [u8])| {
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            if let Some(color) = shader.shade([x as f32 + 0.5, y as f32 + 0.5]) {
                let [red, green, blue] = color.map(|channel| (channel * 255.0 + 0.5) as u8);
                pixel.copy_from_slice(&[red, green, blue, 255]);
            }
        }
    };
    match &*DRAWING {
        Some(pool) => {
            pool.install(|| picture.par_chunks_exact_mut(row_bytes).enumerate().for_each(draw_row));
        }
        None => picture.chunks_exact_mut(row_bytes).enumerate().for_each(draw_row),
    }
    picture
}

type Rgb = [f32; 3];

struct Shader<'a> {
    field: &'a Field,
    view: &'a View,
    hatching: Hatching,
    ramp: Ramp,
    table: ColorTable,
    is_smooth: bool,
    bands: u32,
    line_levels: u32,
}

impl<'a> Shader<'a> {
    fn new(field: &'a Field, style: &HeatmapStyle, view: &'a View, ground: Ground) -> Self {
        Self {
            field,
            view,
            hatching: Hatching::on(ground),
            ramp: Ramp::of(style),
            table: style.table(),
            is_smooth: style.smooth,
            bands: style.contours.band_count(),
            line_levels: style.contours.line_levels(),
        }
    }

    /// The colour of a pixel; `None` outside the field.
    fn shade(&self, pixel: [f32; 2]) -> Option<Rgb> {
        let cell = [0, 1].map(|axis| self.view.cell_origin[axis] + pixel[axis] * self.view.cell_step[axis]);
        let size = [self.field.width as f32, self.field.height as f32];
        if !(0..2).all(|axis| (0.0..=size[axis]).contains(&cell[axis])) || size.contains(&0.0) {
            return None;
        }
        let sampled = self.field.sample(cell);
        let at = [0, 1].map(|axis| pixel[axis] - self.view.pattern_origin[axis]);
        let hatching = &self.hatching;
        Some(match sampled.state {
            CellState::Unknown => mix([hatching.unknown_ground; 3], [hatching.unknown_ink; 3], self.dots(at)),
            CellState::Nan | CellState::Above | CellState::Below => {
                mix([hatching.broken_ground; 3], [hatching.broken_ink; 3], self.stripes(at))
            }
            CellState::Finite => self.color(&sampled),
        })
    }

    fn color(&self, sampled: &Sample) -> Rgb {
        let unit = self.ramp.unit(sampled.value);
        let climb = [0, 1].map(|axis| sampled.gradient[axis] * self.view.cell_step[axis]);
        let steepness = (climb[0] * climb[0] + climb[1] * climb[1]).sqrt() * self.ramp.slope(sampled.value);
        let ground =
            if self.is_smooth { self.fill(unit, steepness) } else { self.fill(self.ramp.unit(sampled.nearest), 0.0) };
        self.isolines(ground, unit, steepness)
    }

    fn fill(&self, unit: f32, steepness: f32) -> Rgb {
        if self.bands < 1 {
            return self.table_color(unit);
        }
        let bands = self.bands as f32;
        let level = unit.clamp(0.0, 1.0) * bands;
        let levels_per_pixel = steepness * bands;
        if levels_per_pixel < FLATTEST {
            return self.band_color(level.floor());
        }
        let edge = (level + 0.5).floor();
        let past = ((level - edge) / levels_per_pixel + 0.5).clamp(0.0, 1.0);
        mix(self.band_color(edge - 1.0), self.band_color(edge), past)
    }

    fn isolines(&self, ground: Rgb, unit: f32, steepness: f32) -> Rgb {
        let levels = self.line_levels as f32;
        let level = unit * levels;
        let line = (level + 0.5).floor();
        let levels_per_pixel = steepness * levels;
        if line < 1.0 || line > levels - 1.0 || levels_per_pixel < FLATTEST {
            return ground;
        }
        let distance = (level - line).abs() / levels_per_pixel;
        let casing_half_width = CASING_HALF_WIDTH * self.view.scale;
        // Where lines crowd they would hide what they lie on.
        let fade = (0.5 / (levels_per_pixel * casing_half_width) - 1.0).clamp(0.0, 1.0);
        let [red, green, blue] = self.table_color(line / levels);
        let is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5;
        let (ink, casing) = if is_light { (DARK_INK, LIGHT_INK) } else { (LIGHT_INK, DARK_INK) };
        let cased = mix(ground, [casing; 3], fade * CASING_OPACITY * coverage(casing_half_width, distance));
        mix(cased, [ink; 3], fade * LINE_OPACITY * coverage(LINE_HALF_WIDTH * self.view.scale, distance))
    }

    fn stripes(&self, at: [f32; 2]) -> f32 {
        let period = PATTERN_PERIOD * self.view.scale;
        let phase = (at[0] + at[1]) / period;
        let distance = (phase.rem_euclid(1.0) - 0.5).abs() * period * std::f32::consts::FRAC_1_SQRT_2;
        coverage(STRIPE_HALF_WIDTH * self.view.scale, distance)
    }

    fn dots(&self, at: [f32; 2]) -> f32 {
        let period = PATTERN_PERIOD * self.view.scale;
        let [x, y] = at.map(|along| ((along / period).rem_euclid(1.0) - 0.5) * period);
        coverage(DOT_RADIUS * self.view.scale, x.hypot(y))
    }

    fn band_color(&self, band: f32) -> Rgb {
        self.table_color(band_unit(band, self.bands))
    }

    fn table_color(&self, unit: f32) -> Rgb {
        let [red, green, blue, _] = self.table[table_index(unit)];
        [red, green, blue].map(|channel| f32::from(channel) / 255.0)
    }
}

fn mix(from: Rgb, to: Rgb, part: f32) -> Rgb {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// How much of a pixel lies within `half_width` of a line that is `distance` pixels away.
fn coverage(half_width: f32, distance: f32) -> f32 {
    (half_width - distance + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::super::colormap::ColorMap;
    use super::super::style::Contours;
    use super::*;

    fn styles() -> Vec<HeatmapStyle> {
        let mut styles = Vec::new();
        for map in ColorMap::ALL {
            for (log, smooth, bands, lines) in [
                (false, true, None, false),
                (true, true, Some(7), true),
                (false, false, Some(3), true),
                (true, false, None, true),
            ] {
                let contours = Contours { bands, lines };
                styles.push(HeatmapStyle { map: *map, log, smooth, contours, ..HeatmapStyle::default() });
            }
        }
        styles
    }

    #[test]
    fn cells_that_are_not_finite_never_get_a_colour_of_the_ramp() {
        let values = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.2, 0.5, 0.9, 0.1, 0.3, 0.7];
        let mut field = Field::from_values(3, 3, values);
        field.known[5] = false;
        for style in styles() {
            for ground in [Ground::Light, Ground::Dark] {
                let image = to_image_on(&field, &style, 60, 60, ground, 1.0);
                for (x, y, Rgba([red, green, blue, _])) in image.enumerate_pixels() {
                    let hatched = y >= 40 || (x >= 40 && y >= 20);
                    let is_grey = red == green && green == blue;
                    assert!(!hatched || is_grey, "{style:?}: {red} {green} {blue} at {x}, {y}");
                    let of_ramp = style.table().iter().any(|color| color[..3] == [*red, *green, *blue]);
                    assert!(!hatched || !of_ramp, "{style:?}: {red} {green} {blue} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn unknown_and_broken_cells_look_different() {
        let mut field = Field::from_values(2, 1, vec![f32::NAN, f32::NAN]);
        field.known[1] = false;
        for ground in [Ground::Light, Ground::Dark] {
            let image = to_image_on(&field, &HeatmapStyle::default(), 32, 16, ground, 1.0);
            let spread = |from: u32| {
                let greys = (from..from + 16).flat_map(|x| (0..16).map(move |y| (x, y)));
                let greys: Vec<i32> = greys.map(|(x, y)| i32::from(image.get_pixel(x, y).0[0])).collect();
                greys.iter().max().unwrap() - greys.iter().min().unwrap()
            };
            assert!(spread(0) > 2 * spread(16), "broken cells are louder: {} {}", spread(0), spread(16));
            assert!(spread(16) > 20, "unknown cells are still a pattern");
        }
    }

    #[test]
    fn degenerate_fields_and_sizes_draw_without_panic() {
        let fields = [
            Field::from_values(4, 4, vec![0.3; 16]),
            Field::from_values(3, 2, vec![f32::NAN; 6]),
            Field::from_values(1, 1, vec![-2.0]),
            Field::from_values(1, 5, vec![-2.0, 0.0, 1e38, f32::MIN_POSITIVE, 4.0]),
            Field::from_values(5, 1, vec![f32::MAX, f32::MIN, 0.0, 1.0, f32::INFINITY]),
            Field::from_values(0, 0, Vec::new()),
            Field::unknown(3, 3),
            Field { values: Vec::new(), ..Field::unknown(2, 2) },
        ];
        for field in &fields {
            for style in styles() {
                for clip in [(0.0, 1.0), (0.3, 0.3), (f32::NEG_INFINITY, f32::NAN), (-2.0, -1.0)] {
                    let style = HeatmapStyle { clip, ..style.clone() };
                    for (width, height) in [(0, 0), (1, 1), (0, 5), (9, 4)] {
                        assert_eq!(to_image(field, &style, width, height).dimensions(), (width, height));
                    }
                }
            }
        }
    }

    #[test]
    fn the_picture_of_a_rising_field_rises_and_row_zero_is_at_the_bottom() {
        let field = Field::from_values(2, 2, vec![0.0, 0.3, 0.6, 1.0]);
        let style = HeatmapStyle { smooth: false, ..HeatmapStyle::default() };
        let image = to_image(&field, &style, 2, 2);
        let expected = [(0, 1, 0.0), (1, 1, 0.3), (0, 0, 0.6), (1, 0, 1.0)];
        for (x, y, unit) in expected {
            assert_eq!(image.get_pixel(x, y).0[..3], style.color_at(unit), "{x}, {y}");
        }
    }

    #[test]
    fn a_flat_field_has_no_isolines_even_on_a_level() {
        let contours = Contours { bands: None, lines: true };
        let style = HeatmapStyle { contours, ..HeatmapStyle::default() };
        let image = to_image(&Field::from_values(3, 3, vec![0.5; 9]), &style, 30, 30);
        assert!(image.pixels().all(|pixel| pixel.0[..3] == style.color_at(0.5)));
    }

    #[test]
    fn isolines_keep_their_width_when_the_picture_grows() {
        let contours = Contours { bands: Some(2), lines: true };
        let style = HeatmapStyle { contours, ..HeatmapStyle::default() };
        let field = Field::from_values(2, 1, vec![0.0, 1.0]);
        let plain = HeatmapStyle { contours: Contours { bands: Some(2), lines: false }, ..style.clone() };
        let lined = |width: u32| {
            let (with, without) = (to_image(&field, &style, width, 1), to_image(&field, &plain, width, 1));
            let differ = with.pixels().zip(without.pixels()).filter(|(with, without)| with != without).count();
            assert!(differ > 0, "no line at {width}");
            differ
        };
        assert!(lined(100).abs_diff(lined(1000)) <= 1, "{} {}", lined(100), lined(1000));
    }
}
