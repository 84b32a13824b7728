//! An area with two axes: from values to places in the figure, ticks, labels.

use super::svg::{Anchor, Area, HAIRLINE, INK, SOFT_INK, Stroke, Svg, TextStyle};
use crate::render::ticks::{Tick, linear_ticks, log_ticks};

/// The size of tick labels.
pub(super) const TICK_SIZE: f64 = 11.0;
/// The size of axis labels.
pub(super) const LABEL_SIZE: f64 = 12.0;

/// Values along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// A scale that is never empty: ends that are equal or not finite are moved apart.
    pub(super) fn new((low, high): (f64, f64), log: bool) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low.min(high), low.max(high)) } else { (0.0, 1.0) };
        let log = log && high > 0.0;
        if log {
            let low = if low > 0.0 { low } else { high * 1e-6 };
            return if low < high { Self { low, high, log } } else { Self { low: low / 2.0, high: high * 2.0, log } };
        }
        let apart = if high > low { 0.0 } else { (low.abs() * 0.05).max(1e-9) };
        Self { low: low - apart, high: high + apart, log }
    }

    /// Where a value stands, 0 at the low end and 1 at the high one; `None` for values that have no place.
    pub(super) fn unit(self, value: f64) -> Option<f64> {
        let unit = if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        unit.is_finite().then_some(unit)
    }

    pub(super) fn ticks(self, count: usize) -> Vec<Tick> {
        if self.log { log_ticks(self.low, self.high, count) } else { linear_ticks(self.low, self.high, count) }
    }
}

/// Two scales over an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axes {
    pub area: Area,
    pub x: Scale,
    pub y: Scale,
    /// Whether x counts things: only whole numbers are marked.
    pub counts_x: bool,
}

impl Axes {
    /// Where a point stands in the figure.
    pub(super) fn place(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let (x, y) = (self.x.unit(x)?, self.y.unit(y)?);
        Some([self.area.left + x * self.area.width, self.area.bottom() - y * self.area.height])
    }

    /// Lines at the ticks, to be drawn under the data.
    pub(super) fn draw_grid(&self, svg: &mut Svg) {
        let stroke = Stroke { color: HAIRLINE, width: 1.0, dashed: false };
        for (x, _) in self.x_ticks() {
            svg.line([x, self.area.top], [x, self.area.bottom()], stroke);
        }
        for (y, _) in self.y_ticks() {
            svg.line([self.area.left, y], [self.area.right(), y], stroke);
        }
    }

    /// The frame, the ticks and what the axes are called, to be drawn over the data.
    pub(super) fn draw(&self, svg: &mut Svg, x_label: &str, y_label: &str) {
        let Area { left, .. } = self.area;
        let bottom = self.area.bottom();
        svg.frame(self.area);
        let mark = Stroke { color: INK, width: 1.0, dashed: false };
        let tick = TextStyle { size: TICK_SIZE, ..TextStyle::default() };
        for (x, label) in self.x_ticks() {
            svg.line([x, bottom], [x, bottom + 4.0], mark);
            svg.text(x, bottom + 16.0, &label, TextStyle { anchor: Anchor::Middle, ..tick });
        }
        for (y, label) in self.y_ticks() {
            svg.line([left - 4.0, y], [left, y], mark);
            svg.text(left - 7.0, y + 3.8, &label, TextStyle { anchor: Anchor::End, ..tick });
        }
        let label = TextStyle { size: LABEL_SIZE, anchor: Anchor::Middle, fill: SOFT_INK, ..TextStyle::default() };
        svg.text(left + self.area.width / 2.0, bottom + 36.0, x_label, label);
        let middle = self.area.top + self.area.height / 2.0;
        svg.text(left - 48.0, middle, y_label, TextStyle { upright: true, ..label });
    }

    fn x_ticks(&self) -> Vec<(f64, String)> {
        let mut ticks = self.x.ticks((self.area.width / 60.0) as usize);
        if self.counts_x {
            ticks.retain(|tick| (tick.value - tick.value.round()).abs() < 1e-9);
            ticks.iter_mut().for_each(|tick| tick.label = format!("{:.0}", tick.value));
        }
        let place = |tick: Tick| Some((self.area.left + self.x.unit(tick.value)? * self.area.width, tick.label));
        ticks.into_iter().filter_map(place).collect()
    }

    fn y_ticks(&self) -> Vec<(f64, String)> {
        let ticks = self.y.ticks((self.area.height / 50.0) as usize);
        let place = |tick: Tick| Some((self.area.bottom() - self.y.unit(tick.value)? * self.area.height, tick.label));
        ticks.into_iter().filter_map(place).collect()
    }
}
