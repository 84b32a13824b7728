//! The units that are pointed at or selected, marked in a matrix.

use egui::{Color32, Painter, Stroke};
use egui_plot::{PlotPoint, PlotTransform};

use super::super::{Focus, focus_color, selected_color};
use super::picture::{Places, Stage};
use crate::matching::GroupReport;

/// Bands of fewer points are marked by one line instead of their two edges.
const THIN_BAND: f32 = 4.0;
/// More selected units are marked at the edges only.
const MOST_LINES: usize = 24;
const EDGE_MARK: f32 = 7.0;

/// Lines over a picture.
pub(super) struct Marks<'a> {
    pub(super) painter: &'a Painter,
    pub(super) transform: &'a PlotTransform,
    pub(super) report: &'a GroupReport,
    pub(super) places: &'a Places,
    pub(super) stage: Stage,
}

impl Marks<'_> {
    pub(super) fn paint(&self, focus: &Focus) {
        let n = self.report.n_units();
        // The colours of correlations are those of paper, whatever the theme.
        let paper = egui::Visuals::light();
        let color = selected_color(&paper);
        for &unit in focus.selected().iter().filter(|&&unit| unit < n) {
            if focus.selected().len() <= MOST_LINES {
                self.mark(unit, color, None);
            }
            self.mark(unit, color, Some(EDGE_MARK));
        }
        if let Some(unit) = focus.hovered().filter(|&unit| unit < n) {
            self.mark(unit, focus_color(&paper), None);
        }
    }

    /// Row and column of a unit of A and its partner; of `length` from the edge, else all along.
    fn mark(&self, unit: usize, color: Color32, length: Option<f32>) {
        let frame = *self.transform.frame();
        let column = self.places.column_of_partner(self.report, self.stage, unit) as f64;
        let row = self.places.of_unit[unit] as f64;
        let ends = [(column, row), (column + 1.0, row + 1.0)];
        let [low, high] = ends.map(|(x, y)| self.transform.position_from_point(&PlotPoint::new(x, y)));
        let right = length.map_or(frame.right(), |length| frame.left() + length);
        let bottom = length.map_or(frame.bottom(), |length| frame.top() + length);
        let stroke = Stroke::new(if length.is_some() { 2.0 } else { 1.0 }, color);
        for y in lines(low.y, high.y) {
            self.painter.hline(frame.left()..=right, y, stroke);
        }
        for x in lines(low.x, high.x) {
            self.painter.vline(x, frame.top()..=bottom, stroke);
        }
    }
}

/// Both edges of a band, or its middle where it is thin.
fn lines(low: f32, high: f32) -> impl Iterator<Item = f32> {
    let thin = high - low < THIN_BAND;
    let (first, second) = if thin { (0.5 * (low + high), None) } else { (low, Some(high)) };
    std::iter::once(first).chain(second)
}
