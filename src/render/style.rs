//! How values become colours: the choices a user makes, and the arithmetic that CPU and GPU share.

use serde::{Deserialize, Serialize};

use super::colormap::{ColorMap, ColorTable, table_index};

/// Isolines without bands are drawn at this many levels less one.
pub const DEFAULT_LEVELS: u32 = 10;

/// More bands than this cannot be told apart.
pub const MAX_LEVELS: u32 = 64;

/// The look of a heatmap; a change of it is a uniform write, never an upload of the values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeatmapStyle {
    /// The colours.
    pub map: ColorMap,
    /// Whether the map runs from high to low, so that low values are light.
    pub reversed: bool,
    /// The values of the first and the last colour; values beyond take the colour of the nearer end.
    pub clip: (f32, f32),
    /// Equal ratios, instead of equal differences, get equal steps of colour. Values that are not positive take the low end.
    pub log: bool,
    /// Interpolated between cell centres, or one flat rectangle a cell.
    pub smooth: bool,
    /// Filled contours and isolines.
    pub contours: Contours,
}

/// Contours at even steps of colour between the clip values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contours {
    /// Filled contours: how many flat bands of colour; `None` is a continuous ramp.
    pub bands: Option<u32>,
    /// Isolines where one band meets the next (without bands: at [`DEFAULT_LEVELS`] steps).
    pub lines: bool,
}

impl Default for HeatmapStyle {
    fn default() -> Self {
        Self {
            map: ColorMap::default(),
            reversed: false,
            clip: (0.0, 1.0),
            log: false,
            smooth: true,
            contours: Contours::default(),
        }
    }
}

impl Contours {
    /// The number of flat bands, 0 for a continuous ramp.
    pub(super) fn band_count(self) -> u32 {
        self.bands.map_or(0, |bands| bands.clamp(1, MAX_LEVELS))
    }

    /// The number of steps between which isolines lie, 0 for none.
    pub(super) fn line_levels(self) -> u32 {
        if self.lines { self.bands.map_or(DEFAULT_LEVELS, |bands| bands.clamp(1, MAX_LEVELS)) } else { 0 }
    }
}

impl HeatmapStyle {
    /// Where a value stands between the clip values, in `[0, 1]`: the twin of the shader's ramp.
    ///
    /// NaN gives NaN; infinities give the ends, but pictures hatch them and never ask.
    pub fn unit(&self, value: f32) -> f32 {
        Ramp::of(self).unit(value).clamp(0.0, 1.0)
    }

    /// The value that stands at `unit`; the inverse of [`HeatmapStyle::unit`] between the clip values.
    pub fn value_at(&self, unit: f32) -> f32 {
        Ramp::of(self).value(unit)
    }

    /// Whether values of this range lie below the first colour's value, and above the last one's.
    pub fn clips(&self, (lowest, highest): (f32, f32)) -> (bool, bool) {
        let (low, high) = effective_clip(self.clip, self.log);
        (lowest < low, high < highest)
    }

    /// The colour of a number in `[0, 1]`, with the map's direction and the bands applied.
    pub fn color_at(&self, unit: f32) -> [u8; 3] {
        let unit = match self.contours.band_count() {
            0 => unit,
            bands => band_unit((unit * bands as f32).floor(), bands),
        };
        let [red, green, blue, _] = self.table()[table_index(unit)];
        [red, green, blue]
    }

    /// The colour table with the map's direction applied.
    pub(super) fn table(&self) -> ColorTable {
        let mut table = *self.map.table();
        if self.reversed {
            table.reverse();
        }
        table
    }
}

/// The place on the ramp of a band's flat colour.
pub(super) fn band_unit(band: f32, bands: u32) -> f32 {
    (band.clamp(0.0, bands as f32 - 1.0) + 0.5) / bands as f32
}

/// The line from values to `[0, 1]`, made safe: whatever the clip values are, nothing divides by zero or overflows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ramp {
    /// Whether `low` and `inverse_span` count in log2 of the value.
    pub log: bool,
    /// The value (or its log2) of the first colour.
    pub low: f32,
    /// One over the distance to the last.
    pub inverse_span: f32,
}

/// Values are held within this before any arithmetic, so that differences of two of them stay finite.
pub(super) const LARGEST_VALUE: f32 = 1e37;
/// What stands for zero and below on a log scale.
pub(super) const SMALLEST_LOG_VALUE: f32 = 1e-37;
/// A log scale whose low end is not positive begins this far below its high end.
const LOG_DECADES: f32 = 1e-6;

impl Ramp {
    pub(super) fn of(style: &HeatmapStyle) -> Self {
        let (low, high) = effective_clip(style.clip, style.log);
        let (low, high) = if style.log { (low.log2(), high.log2()) } else { (low, high) };
        // A range of no width puts its one value in the middle.
        let least = (low.abs().max(high.abs()) * 1e-5).max(1e-30);
        let (low, high) = if high - low < least { (low - least, high + least) } else { (low, high) };
        Self { log: style.log, low, inverse_span: 1.0 / (high - low) }
    }

    /// Not clamped: below 0 and above 1 are beyond the clip values.
    pub(super) fn unit(self, value: f32) -> f32 {
        (self.warp(value) - self.low) * self.inverse_span
    }

    pub(super) fn value(self, unit: f32) -> f32 {
        let warped = self.low + unit / self.inverse_span;
        if self.log { warped.exp2() } else { warped }
    }

    /// How much `unit` changes for a change of the value at `value`.
    pub(super) fn slope(self, value: f32) -> f32 {
        match self.log {
            true if value <= SMALLEST_LOG_VALUE => 0.0,
            true => self.inverse_span / (value * std::f32::consts::LN_2),
            false => self.inverse_span,
        }
    }

    fn warp(self, value: f32) -> f32 {
        match self.log {
            true if value.is_nan() => value,
            true => value.clamp(SMALLEST_LOG_VALUE, LARGEST_VALUE).log2(),
            false => value.clamp(-LARGEST_VALUE, LARGEST_VALUE),
        }
    }
}

/// Clip values in order, finite, and positive where the scale is logarithmic.
pub(super) fn effective_clip(clip: (f32, f32), log: bool) -> (f32, f32) {
    let tame = |value: f32, otherwise: f32| {
        if value.is_nan() { otherwise } else { value.clamp(-LARGEST_VALUE, LARGEST_VALUE) }
    };
    let (one, other) = (tame(clip.0, 0.0), tame(clip.1, 1.0));
    let (low, high) = (one.min(other), one.max(other));
    if !log {
        return (low, high);
    }
    let high = if high > 0.0 { high.max(SMALLEST_LOG_VALUE) } else { 1.0 };
    let low = if low > 0.0 { low.max(SMALLEST_LOG_VALUE) } else { (high * LOG_DECADES).max(SMALLEST_LOG_VALUE) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(clip: (f32, f32), log: bool) -> HeatmapStyle {
        HeatmapStyle { clip, log, ..HeatmapStyle::default() }
    }

    #[test]
    fn larger_values_never_stand_lower() {
        let values = [-1e38, -5.0, -1e-3, 0.0, 1e-40, 1e-6, 0.01, 0.5, 1.0, 2.0, 9.0, 1e6, f32::MAX];
        let clips =
            [(0.0, 1.0), (0.01, 10.0), (-3.0, 2.0), (2.0, 2.0), (5.0, 1.0), (f32::NAN, 3.0), (f32::MIN, f32::MAX)];
        for clip in clips {
            for log in [false, true] {
                let style = style(clip, log);
                let units: Vec<f32> = values.iter().map(|value| style.unit(*value)).collect();
                assert!(units.iter().all(|unit| (0.0..=1.0).contains(unit)), "{clip:?} log {log}: {units:?}");
                assert!(units.is_sorted(), "{clip:?} log {log}: {units:?}");
            }
        }
    }

    #[test]
    fn clip_values_are_the_ends_of_the_ramp() {
        for (clip, log) in [((0.5, 4.0), false), ((0.01, 10.0), true)] {
            let style = style(clip, log);
            assert!(style.unit(clip.0) < 1e-6 && style.unit(clip.1) > 1.0 - 1e-6);
            assert!((style.value_at(0.0) / clip.0 - 1.0).abs() < 1e-5);
            assert!((style.value_at(1.0) / clip.1 - 1.0).abs() < 1e-5);
        }
        assert!((style((0.01, 1.0), true).unit(0.1) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn values_beyond_the_colours_are_noticed_on_either_side() {
        assert_eq!(style((0.5, 4.0), false).clips((0.5, 4.0)), (false, false));
        assert_eq!(style((0.5, 4.0), false).clips((0.2, 4.0)), (true, false));
        assert_eq!(style((0.5, 4.0), true).clips((0.5, 4.1)), (false, true));
        assert_eq!(style((0.0, 4.0), true).clips((0.0, 4.0)), (true, false), "a log scale has no colour for 0");
    }

    #[test]
    fn a_range_of_no_width_puts_its_value_in_the_middle() {
        for log in [false, true] {
            assert!((style((2.3, 2.3), log).unit(2.3) - 0.5).abs() < 0.05);
        }
    }

    #[test]
    fn a_reversed_map_gives_the_low_end_the_last_colour() {
        let style = HeatmapStyle { reversed: true, ..HeatmapStyle::default() };
        assert_eq!(style.color_at(0.0), style.map.color_at(1.0));
    }

    #[test]
    fn bands_are_flat() {
        let contours = Contours { bands: Some(4), lines: false };
        let style = HeatmapStyle { contours, ..HeatmapStyle::default() };
        assert_eq!(style.color_at(0.0), style.color_at(0.24));
        assert_ne!(style.color_at(0.24), style.color_at(0.26));
        assert_eq!(style.color_at(1.0), style.color_at(0.76));
    }
}
