//! Loss or accuracy along paths: lines against t, with a legend below.

use super::axes::{Axes, Scale};
use super::svg::{Area, SOFT_INK, Stroke, Svg, TextStyle, hex, text_width, wrapped};

/// A figure of one or more curves.
#[derive(Clone, Debug, Default)]
pub struct CurveFigure {
    /// The curves, drawn in order.
    pub series: Vec<Series>,
    /// Below the axis, such as `t`.
    pub x_label: String,
    /// Left of the axis, with its unit, such as `test loss (nats)`.
    pub y_label: String,
    /// Above the axes; may be empty.
    pub title: String,
    /// Whether the values are on a logarithmic axis; values that are not positive are then gaps.
    pub log: bool,
    /// Whether x counts things: only whole numbers are marked.
    pub counts_x: bool,
    /// The ends of the x axis; `None` takes what the points need.
    pub x_range: Option<(f64, f64)>,
    /// The ends of the y axis; `None` takes what the points need, and a little more.
    pub y_range: Option<(f64, f64)>,
    /// Below everything; may be empty.
    pub caption: String,
    /// What is needed to make the figure again, such as a command line; kept in `<metadata>` and `<desc>`.
    pub metadata: Option<String>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the legend; without one, the curve is not listed.
    pub label: String,
    /// Its colour.
    pub color: [u8; 3],
    /// Whether it is dashed.
    pub dashed: bool,
    /// `(t, value)` in order; a value that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
    /// One a point, drawn as bars up and down at some of them; empty where there are none.
    pub deviations: Vec<f64>,
}

const WIDTH: f64 = 600.0;
const LEFT: f64 = 68.0;
const HEIGHT: f64 = 280.0;
/// From one panel's axes to the next one's: tick labels, the axis label, and air.
const BELOW_AXES: f64 = 62.0;
/// Points of a series that have bars, at most.
const MOST_BARS: usize = 17;
/// Half the width of the ends of a bar.
const BAR_END: f64 = 2.5;
const LEGEND_LINE: f64 = 18.0;
const CAPTION_LINE: f64 = 15.0;

/// Several quantities of the same curves, row by row, with one legend: that of the first.
#[derive(Clone, Debug, Default)]
pub struct StackedFigure {
    /// Their titles, captions and metadata are not shown.
    pub panels: Vec<CurveFigure>,
    /// Panels beside each other; 0 is like 1.
    pub columns: usize,
    /// Above the axes; may be empty.
    pub title: String,
    /// Below everything; may be empty.
    pub caption: String,
    /// As that of [`CurveFigure`].
    pub metadata: Option<String>,
}

impl CurveFigure {
    /// The figure.
    pub fn to_svg(&self) -> String {
        stacked(std::slice::from_ref(self), 1, &self.title, &self.caption, self.metadata.as_deref())
    }
}

impl StackedFigure {
    /// The figure.
    pub fn to_svg(&self) -> String {
        stacked(&self.panels, self.columns.max(1), &self.title, &self.caption, self.metadata.as_deref())
    }
}

fn stacked(panels: &[CurveFigure], columns: usize, title: &str, caption: &str, metadata: Option<&str>) -> String {
    let width = WIDTH * columns as f64;
    let title_lines = wrapped(title, 15.0, width - 32.0);
    let caption_lines = wrapped(caption, 11.0, width - 32.0);
    let top = if title_lines.is_empty() { 20.0 } else { 24.0 + 19.0 * title_lines.len() as f64 };
    let area = |panel: usize| {
        let (row, column) = (panel / columns, panel % columns);
        let (left, top) = (LEFT + column as f64 * WIDTH, top + row as f64 * (HEIGHT + BELOW_AXES));
        Area { left, top, width: WIDTH - LEFT - 24.0, height: HEIGHT }
    };
    let legend = panels.first().map_or_else(Vec::new, |panel| panel.legend(area(0)));
    let legend_rows = legend.last().map_or(0, |entry| entry.row + 1);
    let legend_top = area(panels.len().saturating_sub(1)).bottom() + 58.0;
    let caption_top = legend_top + LEGEND_LINE * legend_rows as f64 + 2.0;
    let full_height = caption_top - 8.0 + CAPTION_LINE * caption_lines.len() as f64;

    let mut svg = Svg::new(width, full_height);
    for (index, line) in title_lines.iter().enumerate() {
        let style = TextStyle { size: 15.0, bold: true, ..TextStyle::default() };
        svg.text(16.0, 26.0 + 19.0 * index as f64, line, style);
    }
    for (index, panel) in panels.iter().enumerate() {
        panel.draw(&mut svg, area(index), &format!("curves-{index}"));
    }
    for entry in &legend {
        let y = legend_top + LEGEND_LINE * entry.row as f64;
        let color = hex(entry.series.color);
        let stroke = Stroke { color: &color, width: 2.2, dashed: entry.series.dashed };
        svg.line([entry.left, y - 4.0], [entry.left + SAMPLE, y - 4.0], stroke);
        svg.text(entry.left + SAMPLE + 7.0, y, &entry.series.label, TextStyle::default());
    }
    for (index, line) in caption_lines.iter().enumerate() {
        let style = TextStyle { size: 11.0, fill: SOFT_INK, ..TextStyle::default() };
        svg.text(16.0, caption_top + CAPTION_LINE * index as f64, line, style);
    }
    let name = match panels.first() {
        Some(panel) if title.is_empty() => &panel.y_label,
        _ => title,
    };
    svg.finish(name, metadata)
}

impl CurveFigure {
    /// Axes and curves.
    fn draw(&self, svg: &mut Svg, area: Area, clip: &str) {
        let axes = self.axes(area);
        axes.draw_grid(svg);
        svg.begin_clip(clip, area);
        for series in &self.series {
            draw_series(svg, &axes, series);
        }
        svg.end_clip();
        axes.draw(svg, &self.x_label, &self.y_label);
    }

    fn axes(&self, area: Area) -> Axes {
        let shown = |value: f64| value.is_finite() && (!self.log || value > 0.0);
        let points =
            || self.series.iter().flat_map(|series| &series.points).filter(|(t, value)| t.is_finite() && shown(*value));
        let x = self.x_range.or_else(|| range(points().map(|(t, _)| *t))).unwrap_or((0.0, 1.0));
        let log = self.log && points().next().is_some();
        let ends = self.series.iter().flat_map(Series::ends).filter(|value| shown(*value));
        let y = self.y_range.or_else(|| range(ends).map(|ends| roomier(ends, log)));
        Axes { area, x: Scale::new(x, false), y: Scale::new(y.unwrap_or((0.0, 1.0)), log), counts_x: self.counts_x }
    }

    fn legend(&self, area: Area) -> Vec<LegendEntry<'_>> {
        let (mut row, mut left) = (0, area.left);
        let mut entries = Vec::new();
        for series in self.series.iter().filter(|series| !series.label.is_empty()) {
            let width = SAMPLE + 7.0 + text_width(&series.label, 12.0);
            if left > area.left && left + width > area.right() {
                (row, left) = (row + 1, area.left);
            }
            entries.push(LegendEntry { series, row, left });
            left += width + 22.0;
        }
        entries
    }
}

impl Series {
    /// The values and the ends of their bars.
    fn ends(&self) -> impl Iterator<Item = f64> {
        let deviations = self.deviations.iter().map(|by| if by.is_finite() { *by } else { 0.0 });
        let deviations = deviations.chain(std::iter::repeat(0.0));
        self.points.iter().zip(deviations).flat_map(|((_, value), by)| [value - by, value + by])
    }
}

/// Bars of one deviation up and down.
fn draw_bars(svg: &mut Svg, axes: &Axes, series: &Series, color: &str) {
    let stroke = Stroke { color, width: 1.0, dashed: false };
    // What is counted has few points, each of which matters.
    let stride = if axes.counts_x { 1 } else { series.points.len().div_ceil(MOST_BARS).max(1) };
    for ((t, value), by) in series.points.iter().zip(&series.deviations).step_by(stride) {
        if let (Some(low), Some(high)) = (axes.place([*t, value - by]), axes.place([*t, value + by])) {
            svg.line(low, high, stroke);
            for [x, y] in [low, high] {
                svg.line([x - BAR_END, y], [x + BAR_END, y], stroke);
            }
        }
    }
}

fn draw_series(svg: &mut Svg, axes: &Axes, series: &Series) {
    let color = hex(series.color);
    draw_bars(svg, axes, series, &color);
    let stroke = Stroke { color: &color, width: 2.0, dashed: series.dashed };
    let places: Vec<Option<[f64; 2]>> = series.points.iter().map(|(t, value)| axes.place([*t, *value])).collect();
    for run in places.split(Option::is_none) {
        let run: Vec<[f64; 2]> = run.iter().flatten().copied().collect();
        match run.as_slice() {
            // A point between two gaps would otherwise vanish.
            [point] => svg.circle(*point, 3.0, &color),
            points => svg.polyline(points, stroke),
        }
    }
}

/// The length of the piece of line in the legend.
const SAMPLE: f64 = 24.0;

struct LegendEntry<'a> {
    series: &'a Series,
    row: usize,
    left: f64,
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

fn roomier((low, high): (f64, f64), log: bool) -> (f64, f64) {
    if log {
        let room = (high / low).powf(0.06);
        return (low / room, high * room);
    }
    let room = (high - low) * 0.06;
    // Losses and accuracies begin at nought; an axis that shows less than that shows nothing.
    let lower = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
    (lower, high + room)
}
