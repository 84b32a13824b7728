//! Means and deviations over several runs, as JSON and as cells of tables.

use serde::Serialize;

use super::output::Number;
use crate::geometry::comparison::Spread;

/// A mean and its sample standard deviation, which a single value does not have.
#[derive(Clone, Copy, Serialize)]
pub(super) struct SpreadReport {
    pub(super) mean: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deviation: Option<Number>,
}

impl From<Spread> for SpreadReport {
    fn from(spread: Spread) -> Self {
        Self { mean: spread.mean.into(), deviation: spread.deviation.map(Number) }
    }
}

/// How a number is shown.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Percent,
    Nats,
    Plain,
}

impl SpreadReport {
    /// Mean ± deviation.
    pub(super) fn cell(self, unit: Unit) -> String {
        let number = |value: f64| match unit {
            Unit::Percent => format!("{:.2}", 100.0 * value),
            Unit::Nats => format!("{value:.4}"),
            Unit::Plain => format!("{value:.2}"),
        };
        match self.deviation {
            None => number(self.mean.0),
            Some(deviation) => format!("{} ± {}", number(self.mean.0), number(deviation.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_value_has_no_deviation() {
        let cell = |values: &[f64]| SpreadReport::from(Spread::of(values).unwrap()).cell(Unit::Percent);
        assert_eq!(cell(&[0.5]), "50.00");
        assert_eq!(cell(&[0.5, 0.5]), "50.00 ± 0.00");
    }
}
