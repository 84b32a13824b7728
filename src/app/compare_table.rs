//! The table of families: what their newest paths come to, for one pair of networks or over several.

use std::cmp::Ordering;

use super::{AppState, CurveState, Run, RunId};
use crate::data::SplitName;
use crate::geometry::comparison::{self, Figures, Found, Outcome, Quantity, Spread};
use crate::geometry::summarise;

/// Which runs the table is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    ThisPair,
    /// Every pair that has runs: means and standard deviations.
    AllPairs,
}

/// The table's columns of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    TestWorst,
    TrainWorst,
    Midpoint,
    Barrier,
    Length,
    Seconds,
}

impl Column {
    pub const ALL: [Self; 6] =
        [Self::TestWorst, Self::TrainWorst, Self::Midpoint, Self::Barrier, Self::Length, Self::Seconds];

    pub fn title(self) -> &'static str {
        match self {
            Self::TestWorst => "test worst",
            Self::TrainWorst => "train worst",
            Self::Midpoint => "midpoint",
            Self::Barrier => "barrier",
            Self::Length => "length",
            Self::Seconds => "seconds",
        }
    }

    pub fn explanation(self) -> &'static str {
        match self {
            Self::TestWorst => {
                "Lowest accuracy over the points of the path on the test images, as the papers report it"
            }
            Self::TrainWorst => "Lowest accuracy over the points of the path on the training images",
            Self::Midpoint => "Accuracy on the test images at t = 1/2",
            Self::Barrier => "Highest test loss above the mean of the two ends', nats",
            Self::Length => "Length of the path in weight space",
            Self::Seconds => "Time to find the path, without its evaluation; pictures that were drawn meanwhile count",
        }
    }

    /// Whether values are shares of right answers, 0..1.
    pub fn is_accuracy(self) -> bool {
        matches!(self, Self::TestWorst | Self::TrainWorst | Self::Midpoint)
    }
}

/// One way to connect networks.
#[derive(Clone, Debug)]
pub struct CompareRow {
    /// "Bézier curve, 1 bend, aligned".
    pub title: String,
    /// Its newest run, of the current pair where there is one.
    pub run: RunId,
    /// That run's number.
    pub number: usize,
    pub pinned: bool,
    /// Pairs and seeds that the values are over.
    pub n_runs: usize,
    /// In the order of [`Column::ALL`]; `None` where it is not known.
    pub values: [Option<Spread>; 6],
}

impl CompareRow {
    pub fn value(&self, column: Column) -> Option<Spread> {
        self.values[Column::ALL.iter().position(|other| *other == column)?]
    }
}

/// A row for each way that has runs on the present data, in the order in which they were first tried.
pub fn rows(state: &AppState, scope: Scope) -> Vec<CompareRow> {
    let ways = ways(state, scope);
    let found = ways.iter().enumerate().flat_map(|(family, way)| {
        let outcomes = way.runs.iter().map(|run| Outcome::Found(outcome(run))).enumerate();
        outcomes.map(move |(pair, outcome)| comparison::Run { family, pair, outcome })
    });
    let averaged = comparison::rows(ways.len(), &found.collect::<Vec<_>>());
    let rows = ways.into_iter().zip(averaged);
    rows.filter_map(|(way, row)| {
        let run = way.shown(state)?;
        Some(CompareRow {
            run: run.id,
            number: run.number,
            pinned: run.pinned,
            title: way.title,
            n_runs: row.n_pairs,
            values: Column::ALL.map(|column| spread(&row, column)),
        })
    })
    .collect()
}

/// The runs of one way.
pub(super) struct WayRuns<'a> {
    pub(super) title: String,
    pub(super) runs: Vec<&'a Run>,
}

impl<'a> WayRuns<'a> {
    /// The newest, of the current pair where there is one.
    pub(super) fn shown(&self, state: &AppState) -> Option<&'a Run> {
        let is_current = |run: &Run| Some(run.endpoints) == state.endpoints;
        self.runs.iter().copied().max_by_key(|run| (is_current(run), run.number))
    }
}

/// The ways that have runs on the present data, in the order in which they were first tried. Of several runs of one way on one
/// pair from one seed the newest counts.
pub(super) fn ways(state: &AppState, scope: Scope) -> Vec<WayRuns<'_>> {
    let data_revision = state.data.as_ref().map(|data| data.revision);
    let counts = |run: &&Run| {
        Some(run.curve.key.data_revision) == data_revision
            && (scope == Scope::AllPairs || Some(run.endpoints) == state.endpoints)
    };
    let runs: Vec<&Run> = state.runs.iter().filter(counts).collect();
    let mut ways: Vec<WayRuns<'_>> = Vec::new();
    for run in runs {
        let title = run.method();
        let Some(way) = ways.iter_mut().find(|way| way.title == title) else {
            ways.push(WayRuns { title, runs: vec![run] });
            continue;
        };
        let is_older = |old: &&Run| old.endpoints == run.endpoints && old.path.seed == run.path.seed;
        match way.runs.iter().position(is_older) {
            Some(place) => way.runs[place] = run,
            None => way.runs.push(run),
        }
    }
    ways
}

fn spread(row: &comparison::Row, column: Column) -> Option<Spread> {
    let figure = |split: SplitName, quantity| row.figures.get(&(split.to_string(), quantity)).copied();
    match column {
        Column::TestWorst => figure(SplitName::Test, Quantity::WorstAccuracy),
        Column::TrainWorst => figure(SplitName::Train, Quantity::WorstAccuracy),
        Column::Midpoint => figure(SplitName::Test, Quantity::MidpointAccuracy),
        Column::Barrier => figure(SplitName::Test, Quantity::Barrier),
        Column::Length => row.length,
        Column::Seconds => row.seconds,
    }
}

fn outcome(run: &Run) -> Found {
    let splits = [SplitName::Test, SplitName::Train].into_iter();
    let splits = splits.filter_map(|split| Some((split.to_string(), figures_of(&run.curve, split)?)));
    Found { splits: splits.collect(), length: run.curve.length(), seconds: run.path.seconds }
}

/// `None` while points are missing.
fn figures_of(curve: &CurveState, split: SplitName) -> Option<Figures> {
    let loss = curve.loss_summary(split)?;
    let accuracies: Vec<f64> = curve.split(split).iter().flatten().map(|value| value.accuracy).collect();
    let errors: Vec<f64> = accuracies.iter().map(|accuracy| 1.0 - accuracy).collect();
    let error = summarise(&curve.ts, &errors, &curve.steps)?;
    Some(comparison::figures(&loss, &error, curve.ts.iter().copied().zip(accuracies)))
}

/// Orders rows by a column, lowest or highest first; rows without a value come last.
pub fn sort(rows: &mut [CompareRow], column: Column, highest_first: bool) {
    rows.sort_by(|a, b| match (a.value(column), b.value(column)) {
        (Some(a), Some(b)) if highest_first => b.mean.total_cmp(&a.mean),
        (Some(a), Some(b)) => a.mean.total_cmp(&b.mean),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
}

/// A value as it stands in the table: "97.9 ± 0.2".
pub fn text_of(spread: Spread, column: Column) -> String {
    let scaled = if column.is_accuracy() { 100.0 } else { 1.0 };
    let digits = match column {
        Column::Barrier => 3,
        Column::TestWorst | Column::TrainWorst | Column::Midpoint | Column::Length | Column::Seconds => 1,
    };
    let mean = scaled * spread.mean;
    match spread.deviation {
        Some(deviation) => format!("{mean:.digits$} ± {:.digits$}", scaled * deviation),
        None => format!("{mean:.digits$}"),
    }
}

/// The table for a document: accuracies in percent, losses in nats.
pub fn to_markdown(rows: &[CompareRow]) -> String {
    let mut text = "| family | runs |".to_owned();
    for column in Column::ALL {
        text += &format!(" {}{} |", column.title(), if column.is_accuracy() { " %" } else { "" });
    }
    text += &format!("\n|---|{}\n", "---:|".repeat(Column::ALL.len() + 1));
    for row in rows {
        text += &format!("| {} | {} |", row.title, row.n_runs);
        for column in Column::ALL {
            let value = row.value(column).map_or_else(|| "–".to_owned(), |spread| text_of(spread, column));
            text += &format!(" {value} |");
        }
        text.push('\n');
    }
    text
}

/// The table for a program: unrounded, accuracies 0..1; a mean and a deviation for each column.
pub fn to_csv(rows: &[CompareRow]) -> String {
    let mut text = "family,runs".to_owned();
    for column in Column::ALL {
        let name = column.title().replace(' ', "_");
        text += &format!(",{name},{name}_deviation");
    }
    text.push('\n');
    for row in rows {
        text += &format!("\"{}\",{}", row.title.replace('"', "\"\""), row.n_runs);
        for column in Column::ALL {
            let value = row.value(column);
            let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            text += &format!(",{},{}", cell(value.map(|v| v.mean)), cell(value.and_then(|v| v.deviation)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(title: &str, worst: Option<f64>, deviation: Option<f64>) -> CompareRow {
        let worst = worst.map(|mean| Spread { mean, deviation, n: 2 });
        let values = [worst, None, None, None, None, None];
        CompareRow { title: title.to_owned(), run: RunId(1), number: 1, pinned: false, n_runs: 2, values }
    }

    #[test]
    fn rows_without_a_value_come_last_whichever_way_they_are_sorted() {
        let mut rows = [row("a", None, None), row("b", Some(0.5), None), row("c", Some(0.9), None)];
        sort(&mut rows, Column::TestWorst, true);
        assert_eq!(rows.each_ref().map(|row| row.title.as_str()), ["c", "b", "a"]);
        sort(&mut rows, Column::TestWorst, false);
        assert_eq!(rows.each_ref().map(|row| row.title.as_str()), ["b", "c", "a"]);
    }

    #[test]
    fn accuracies_are_percent_for_readers_and_shares_for_programs() {
        let rows = [row("Arc", Some(0.975), Some(0.002)), row("Chain, 3 bends", None, None)];
        let markdown = to_markdown(&rows);
        assert!(markdown.contains("| Arc | 2 | 97.5 ± 0.2 | – |"), "{markdown}");
        assert!(to_csv(&rows).contains("\"Arc\",2,0.975,0.002,,"), "{}", to_csv(&rows));
        assert!(to_csv(&rows).contains("\"Chain, 3 bends\",2,,"));
        let n_columns = |line: &str| line.matches('|').count();
        assert!(markdown.lines().all(|line| n_columns(line) == n_columns(&markdown[..markdown.find('\n').unwrap()])));
    }
}
