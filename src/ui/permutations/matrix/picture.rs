//! What of a correlation matrix is on screen, as a field for the heatmap: true cells, or the strongest of those that one pixel
//! stands for.

use std::ops::Range;
use std::sync::Arc;

use egui_plot::PlotPoint;

use crate::matching::{GroupReport, Matrix, OVERVIEW_CELLS, Overview, pool, pooled_lines};
use crate::render::{ColorMap, Field, HeatmapItem, HeatmapStyle, Renderer};

/// In which order A's units stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Units that respond alike side by side.
    #[default]
    Seriated,
    /// By their numbers.
    Own,
}

/// Which unit of B stands in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// That of the same number as A's unit in the row of this place.
    Before,
    /// That unit's partner.
    #[default]
    After,
}

/// Where A's units stand.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The unit at each place.
    pub(super) units: Vec<usize>,
    /// The place of each unit.
    pub(super) of_unit: Vec<usize>,
}

impl Places {
    pub(super) fn new(report: &GroupReport, order: Order) -> Self {
        let units = match order {
            Order::Seriated => report.order.clone(),
            Order::Own => (0..report.n_units()).collect(),
        };
        let mut of_unit = vec![0; units.len()];
        for (place, &unit) in units.iter().enumerate() {
            of_unit[unit] = place;
        }
        Self { units, of_unit }
    }

    /// The unit of B in a column.
    pub(super) fn source(&self, report: &GroupReport, stage: Stage, column: usize) -> usize {
        match stage {
            Stage::Before => self.units[column],
            Stage::After => report.permutation.source(self.units[column]),
        }
    }

    /// The column of the partner of a unit of A.
    pub(super) fn column_of_partner(&self, report: &GroupReport, stage: Stage, unit: usize) -> usize {
        match stage {
            Stage::Before => self.of_unit[report.permutation.source(unit)],
            Stage::After => self.of_unit[unit],
        }
    }
}

/// What a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sight {
    /// Places.
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Cells along a side at most: there is no use in more than pixels.
    pub(super) most: usize,
}

/// A part of the matrix, ready to be drawn.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) field: Arc<Field>,
    /// Places that the field's rows and columns stand for, evenly.
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Picture {
    /// Gathers at most [`OVERVIEW_CELLS`] squared cells: the true ones, unless more are in sight.
    pub(super) fn new(report: &GroupReport, places: &Places, order: Order, stage: Stage, sight: &Sight) -> Self {
        let n = report.n_units();
        let Sight { rows, columns, most } = sight.clone();
        if rows.len().max(columns.len()) <= OVERVIEW_CELLS {
            let sources: Vec<usize> = columns.clone().map(|column| places.source(report, stage, column)).collect();
            let pooled = pool(&report.correlation, &places.units[rows.clone()], &sources, most);
            return Self { field: field(pooled), rows, columns };
        }
        let overview = match order {
            Order::Seriated => &report.overview,
            Order::Own => &report.unordered_overview,
        };
        let Overview { before, after } = overview;
        let overview = match stage {
            Stage::Before => before,
            Stage::After => after,
        };
        let n_cells = overview.n_rows();
        let cells = |places: Range<usize>| places.start * n_cells / n..(places.end * n_cells).div_ceil(n);
        let (rows, columns) = (cells(rows), cells(columns));
        let all = |cells: &Range<usize>| cells.clone().collect::<Vec<_>>();
        let pooled = pool(overview, &all(&rows), &all(&columns), most);
        let back = |cells: Range<usize>| cells.start * n / n_cells..cells.end * n / n_cells;
        Self { field: field(pooled), rows: back(rows), columns: back(columns) }
    }

    /// Between two pictures of the same sight: `share` 0 is the first, 1 the second.
    pub(super) fn between(first: &Self, second: &Self, share: f32) -> Self {
        let mixed = first.field.values.iter().zip(&second.field.values).map(|(a, b)| a + share * (b - a)).collect();
        let field = Arc::new(Field::from_values(first.field.width, first.field.height, mixed));
        Self { field, ..first.clone() }
    }

    /// The rows and the columns, as places, that the cell at this point stands for.
    pub(super) fn places_at(&self, point: PlotPoint) -> Option<[Range<usize>; 2]> {
        let lines = |places: &Range<usize>, n_cells: usize, at: f64| {
            let share = (at - places.start as f64) / places.len() as f64;
            let cell = (share * n_cells as f64).floor();
            let inside = (0.0..n_cells as f64).contains(&cell);
            let lines = inside.then(|| pooled_lines(places.len(), n_cells, cell as usize))?;
            Some(places.start + lines.start..places.start + lines.end)
        };
        Some([lines(&self.rows, self.field.height, point.y)?, lines(&self.columns, self.field.width, point.x)?])
    }

    /// For a plot whose y axis runs downwards.
    pub(super) fn item(&self, id: egui::Id, renderer: Renderer) -> HeatmapItem {
        let centres = |places: &Range<usize>, n_cells: usize| {
            let half = 0.5 * places.len() as f64 / n_cells.max(1) as f64;
            (places.start as f64 + half, places.end as f64 - half)
        };
        let x = centres(&self.columns, self.field.width);
        let y = centres(&self.rows, self.field.height);
        HeatmapItem::new(id, Arc::clone(&self.field), x, y, style(), renderer)
    }
}

/// Correlations have the same colours everywhere.
pub(super) fn style() -> HeatmapStyle {
    HeatmapStyle { map: ColorMap::Diverging, clip: (-1.0, 1.0), smooth: false, ..HeatmapStyle::default() }
}

fn field(matrix: Matrix) -> Arc<Field> {
    Arc::new(Field::from_values(matrix.n_columns(), matrix.n_rows(), matrix.values().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Permutation;

    /// Unit i of A is unit i + 1 of B.
    fn report(n: usize) -> GroupReport {
        let sources: Vec<usize> = (0..n).map(|unit| (unit + 1) % n).collect();
        let mut correlation = vec![0.01; n * n];
        for (unit, &source) in sources.iter().enumerate() {
            correlation[unit * n + source] = 0.9;
        }
        let dead = vec![false; n];
        GroupReport::new("layer".to_owned(), Permutation::new(sources).unwrap(), &correlation, [&dead, &dead], None)
    }

    fn picture(report: &GroupReport, stage: Stage, rows: Range<usize>, most: usize) -> Picture {
        let places = Places::new(report, Order::Own);
        Picture::new(report, &places, Order::Own, stage, &Sight { columns: rows.clone(), rows, most })
    }

    #[test]
    fn a_few_places_are_shown_cell_by_cell() {
        let report = report(8);
        let shown = picture(&report, Stage::Before, 2..5, 100);
        assert_eq!(shown.field.values, [0.01, 0.9, 0.01, 0.01, 0.01, 0.9, 0.01, 0.01, 0.01]);
        let point = PlotPoint::new(3.2, 2.5);
        assert_eq!(shown.places_at(point), Some([2..3, 3..4]));
        assert_eq!(shown.places_at(PlotPoint::new(5.1, 2.5)), None);
        let after = picture(&report, Stage::After, 2..5, 100);
        assert!((0..3).all(|place| after.field.get(place, place) == Some(0.9)));
    }

    #[test]
    fn the_diagonal_is_whole_however_far_the_picture_is_zoomed_out() {
        let report = report(1500);
        for (range, most) in [(0..1500, 300), (100..1400, 411), (200..900, 333)] {
            let shown = picture(&report, Stage::After, range, most);
            assert_eq!((shown.field.width, shown.field.height), (most, most));
            assert!((0..most).all(|cell| shown.field.get(cell, cell) == Some(0.9)));
        }
    }

    #[test]
    fn partners_are_found_in_their_column_before_and_after() {
        let report = report(5);
        let places = Places::new(&report, Order::Seriated);
        for unit in 0..5 {
            for stage in [Stage::Before, Stage::After] {
                let column = places.column_of_partner(&report, stage, unit);
                assert_eq!(places.source(&report, stage, column), report.permutation.source(unit));
            }
        }
    }
}
