//! The curves of a comparison: the values of each way along t, means over its runs with how far they lie apart.

use super::compare_table::{Scope, ways};
use super::{AppState, CurveState};
use crate::compute::PointValue;
use crate::data::SplitName;
use crate::geometry::comparison::Spread;

/// The test values of one way along t.
#[derive(Clone, Debug)]
pub struct Band {
    /// "Bézier curve, 1 bend, aligned".
    pub title: String,
    pub n_runs: usize,
    pub points: Vec<(f64, Spread)>,
}

/// A band for each row of the table, in its order, at the t of the run that the row shows; runs with other t are read between
/// their points. `value`: what is drawn of a point.
pub fn bands(state: &AppState, scope: Scope, value: fn(PointValue) -> f64) -> Vec<Band> {
    let bands = ways(state, scope).into_iter().filter_map(|way| {
        let shown = way.shown(state)?;
        let at = |t: f64| {
            let values: Vec<f64> = way.runs.iter().filter_map(|run| value_at(&run.curve, t, value)).collect();
            Spread::of(&values).map(|spread| (t, spread))
        };
        let points = shown.curve.ts.iter().filter_map(|&t| at(t)).collect();
        Some(Band { n_runs: way.runs.len(), points, title: way.title })
    });
    bands.collect()
}

/// The test value at t, on the straight line between the neighbouring points.
fn value_at(curve: &CurveState, t: f64, value: fn(PointValue) -> f64) -> Option<f64> {
    let values = curve.split(SplitName::Test);
    let after = curve.ts.iter().position(|&other| t <= other)?;
    let height = |place: usize| values[place].map(value);
    let before = after.saturating_sub(1);
    let (from, to) = (curve.ts[before], curve.ts[after]);
    if to <= from || to <= t {
        return height(after);
    }
    let share = (t - from) / (to - from);
    Some(height(before)? * (1.0 - share) + height(after)? * share)
}
