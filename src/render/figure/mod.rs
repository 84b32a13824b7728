//! Publication figures as SVG with live text, from the data alone: no window, no display, no system fonts.

mod axes;
mod curve;
mod plane;
mod png;
mod svg;

pub use curve::{CurveFigure, Series, StackedFigure};
pub use plane::{Marker, MarkerKind, PlaneFigure, Polyline};
pub use png::{FigureError, svg_to_png};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
