//! Families compared on the same pairs of networks: what each path comes to, and its mean and spread over the pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Summary;

/// What is compared of a path's values on one split. Its name in files is that of serde: `worst_accuracy`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// The least over the points, as Anokhin & Yarotsky 2020 define the accuracy of a path.
    WorstAccuracy,
    /// At t = 1/2, as the rows Linear, Arc and flows of their tables were measured.
    MidpointAccuracy,
    MaxLoss,
    /// Of the loss, see [`Summary::barrier`].
    Barrier,
    /// Over the points, each counting the same.
    MeanLoss,
}

impl Quantity {
    pub const ALL: [Self; 5] =
        [Self::WorstAccuracy, Self::MidpointAccuracy, Self::MaxLoss, Self::Barrier, Self::MeanLoss];

    /// The head of its column.
    pub fn label(self) -> &'static str {
        match self {
            Self::WorstAccuracy => "worst accuracy",
            Self::MidpointAccuracy => "midpoint accuracy",
            Self::MaxLoss => "max loss",
            Self::Barrier => "barrier",
            Self::MeanLoss => "mean loss",
        }
    }

    /// Whether it is a share of right answers, 0..1; the others are losses in nats.
    pub fn is_accuracy(self) -> bool {
        matches!(self, Self::WorstAccuracy | Self::MidpointAccuracy)
    }
}

/// What a path comes to on one split. Quantities that its points do not tell are missing.
pub type Figures = BTreeMap<Quantity, f64>;

/// The figures of a path from the statistics of its losses and of its shares of wrong answers, and the `(t, accuracy)` of its
/// points. There is a midpoint accuracy only where a point has t = 1/2.
pub fn figures(loss: &Summary, error: &Summary, accuracies: impl IntoIterator<Item = (f64, f64)>) -> Figures {
    let midpoint = accuracies.into_iter().find(|(t, _)| (t - 0.5).abs() < 1e-9);
    let known = [
        (Quantity::WorstAccuracy, 1.0 - error.max),
        (Quantity::MaxLoss, loss.max),
        (Quantity::Barrier, loss.barrier),
        (Quantity::MeanLoss, loss.mean),
    ];
    known.into_iter().chain(midpoint.map(|(_, accuracy)| (Quantity::MidpointAccuracy, accuracy))).collect()
}

/// Mean of a few values and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub mean: f64,
    /// Sample standard deviation, over n - 1; `None` for a single value.
    pub deviation: Option<f64>,
    pub n: usize,
}

impl Spread {
    /// `None` of nothing. A value that is not finite shows in the mean.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        (0 < n).then(|| Self { mean, deviation: (1 < n).then(|| (squares / (n - 1) as f64).sqrt()), n })
    }
}

/// How one family fared on one pair.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Found(Found),
    /// Why there is no path: the family does not suit the network, or its work failed.
    Missing(String),
}

/// A path's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// By split.
    pub splits: BTreeMap<String, Figures>,
    /// Euclidean, in weight space.
    pub length: f64,
    /// Time to compute the path, without its evaluation.
    pub seconds: f64,
}

/// One family on one pair; both as numbers in lists that the caller keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub family: usize,
    pub pair: usize,
    pub outcome: Outcome,
}

/// One family over all pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub family: usize,
    /// Pairs for which it has a path: those that the spreads are over.
    pub n_pairs: usize,
    /// By split and quantity.
    pub figures: BTreeMap<(String, Quantity), Spread>,
    pub length: Option<Spread>,
    pub seconds: Option<Spread>,
    /// Pairs without a path, with the reason.
    pub missing: Vec<(usize, String)>,
}

/// A row for each of `n_families`, in order, of what has been run so far.
pub fn rows(n_families: usize, runs: &[Run]) -> Vec<Row> {
    (0..n_families).map(|family| row(family, runs.iter().filter(|run| run.family == family))).collect()
}

fn row<'a>(family: usize, runs: impl Iterator<Item = &'a Run>) -> Row {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for run in runs {
        match &run.outcome {
            Outcome::Found(path) => found.push(path),
            Outcome::Missing(reason) => missing.push((run.pair, reason.clone())),
        }
    }
    let mut values: BTreeMap<(String, Quantity), Vec<f64>> = BTreeMap::new();
    for (split, figures) in found.iter().flat_map(|path| &path.splits) {
        for (&quantity, &value) in figures {
            values.entry((split.clone(), quantity)).or_default().push(value);
        }
    }
    let spread = |of: fn(&Found) -> f64| Spread::of(&found.iter().map(|path| of(path)).collect::<Vec<_>>());
    Row {
        family,
        n_pairs: found.len(),
        figures: values.into_iter().filter_map(|(key, values)| Some((key, Spread::of(&values)?))).collect(),
        length: spread(|path| path.length),
        seconds: spread(|path| path.seconds),
        missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::summarise;

    fn found(accuracy: f64, length: f64) -> Outcome {
        let figures = Figures::from([(Quantity::WorstAccuracy, accuracy)]);
        Outcome::Found(Found { splits: BTreeMap::from([("test".to_owned(), figures)]), length, seconds: 1.0 })
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let spread = Spread::of(&[2.0, 4.0, 9.0]).unwrap();
        // ((-3)^2 + (-1)^2 + 4^2) / 2 = 13.
        assert_eq!((spread.mean, spread.n), (5.0, 3));
        assert!((spread.deviation.unwrap() - 13.0_f64.sqrt()).abs() < 1e-15);
        assert_eq!(Spread::of(&[3.0]), Some(Spread { mean: 3.0, deviation: None, n: 1 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_hidden_by_the_others() {
        assert!(Spread::of(&[1.0, f64::NAN]).unwrap().mean.is_nan());
        assert!(Spread::of(&[1.0, f64::INFINITY]).unwrap().mean.is_infinite());
    }

    #[test]
    fn every_family_has_a_row_even_without_a_path() {
        let missing = |reason: &str| Outcome::Missing(reason.to_owned());
        let runs = [
            Run { family: 2, pair: 0, outcome: found(0.5, 10.0) },
            Run { family: 0, pair: 0, outcome: missing("batch norm") },
            Run { family: 2, pair: 1, outcome: found(0.7, 14.0) },
            Run { family: 2, pair: 2, outcome: missing("singular") },
        ];
        let rows = rows(3, &runs);
        assert_eq!(rows.iter().map(|row| (row.family, row.n_pairs)).collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 2)]);
        assert_eq!(rows[0].missing, [(0, "batch norm".to_owned())]);
        assert!(rows[1].missing.is_empty() && rows[1].length.is_none());
        let worst = rows[2].figures[&("test".to_owned(), Quantity::WorstAccuracy)];
        assert!((worst.mean - 0.6).abs() < 1e-15 && (worst.deviation.unwrap() - 0.02_f64.sqrt()).abs() < 1e-15);
        assert_eq!(rows[2].length.unwrap().mean, 12.0);
        assert_eq!(rows[2].missing, [(2, "singular".to_owned())]);
    }

    #[test]
    fn figures_are_those_of_the_points() {
        let ts = [0.0, 0.5, 1.0];
        let (losses, accuracies) = ([1.0, 4.0, 2.0], [0.9, 0.4, 0.3]);
        let errors = accuracies.map(|a| 1.0 - a);
        let steps = [1.0, 1.0];
        let (loss, error) = (summarise(&ts, &losses, &steps).unwrap(), summarise(&ts, &errors, &steps).unwrap());
        let found = figures(&loss, &error, ts.into_iter().zip(accuracies));
        for (quantity, expected) in Quantity::ALL.into_iter().zip([0.3, 0.4, 4.0, 2.5, 7.0 / 3.0]) {
            assert!((found[&quantity] - expected).abs() < 1e-12, "{quantity:?}");
        }
        let without_midpoint = figures(&loss, &error, [(0.0, 0.9), (0.4, 0.4), (1.0, 0.3)]);
        assert!(!without_midpoint.contains_key(&Quantity::MidpointAccuracy));
    }
}
