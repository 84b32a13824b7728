//! Columns on their way from where B had them to the places of their partners.

use egui::{Color32, Mesh, Painter, Rect, pos2};
use egui_plot::{PlotPoint, PlotTransform};

use super::picture::{Places, Stage, style};
use crate::matching::GroupReport;

/// In larger groups no eye can follow a column.
pub(super) const MOST_COLUMNS: usize = 64;

/// `share`: 0 where the columns stand before, 1 where they stand after.
pub(super) fn paint(painter: &Painter, transform: &PlotTransform, report: &GroupReport, places: &Places, share: f32) {
    let style = style();
    let mut mesh = Mesh::default();
    for (unit, &source) in report.permutation.sources().iter().enumerate() {
        let [before, after] =
            [Stage::Before, Stage::After].map(|stage| places.column_of_partner(report, stage, unit) as f64);
        let left = before + f64::from(share) * (after - before);
        for (place, &row) in places.units.iter().enumerate() {
            let corners = [[left, place as f64], [left + 1.0, place as f64 + 1.0]];
            let [min, max] = corners.map(|[x, y]| transform.position_from_point(&PlotPoint::new(x, y)));
            let [red, green, blue] = style.color_at(style.unit(report.correlation.at(row, source)));
            let cell = Rect::from_min_max(min, pos2(max.x, max.y));
            mesh.add_colored_rect(cell, Color32::from_rgb(red, green, blue));
        }
    }
    painter.add(mesh);
}
