//! The comparison as JSON, CSV, Markdown and text.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::cli::along::PointReport;
use crate::cli::output::{Number, markdown_table, table};
use crate::cli::records::{self, Inputs};
use crate::cli::spread::{SpreadReport, Unit};
use crate::geometry::comparison::{Figures, Found, Quantity, Row};

/// Everything that was compared.
#[derive(Serialize)]
pub(super) struct CompareReport {
    pub(super) network: String,
    pub(super) modes: Vec<String>,
    /// How B is aligned for families named `aligned/`.
    pub(super) align: &'static str,
    /// Evenly spaced points of each path.
    pub(super) points: usize,
    pub(super) splits: Vec<String>,
    pub(super) end_points: EndPoints,
    pub(super) rows: Vec<RowReport>,
    pub(super) runs: Vec<RunReport>,
}

/// The modes themselves, by split: mean and deviation over modes.
#[derive(Serialize)]
pub(super) struct EndPoints(pub(super) BTreeMap<String, EndPointScores>);

#[derive(Serialize)]
pub(super) struct EndPointScores {
    pub(super) accuracy: SpreadReport,
    pub(super) loss: SpreadReport,
}

/// One family over all pairs.
#[derive(Serialize)]
pub(super) struct RowReport {
    family: String,
    /// Pairs with a path: what the means and deviations are over.
    pairs: usize,
    /// By split and quantity.
    splits: BTreeMap<String, BTreeMap<Quantity, SpreadReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<SpreadReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<SpreadReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
}

/// Why there is no path between one pair.
#[derive(Serialize)]
struct Missing {
    pair: [String; 2],
    reason: String,
}

/// A run that found a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) inputs: Inputs,
    /// Time to find the path, alignment included, without its evaluation.
    pub(super) seconds: Number,
    pub(super) length: Number,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// By split.
    pub(super) figures: BTreeMap<String, BTreeMap<Quantity, Number>>,
    pub(super) points: Vec<PointReport>,
}

impl Record {
    /// What the table is made of.
    pub(super) fn found(&self) -> Found {
        let of_split = |figures: &BTreeMap<Quantity, Number>| -> Figures {
            figures.iter().map(|(&quantity, value)| (quantity, value.0)).collect()
        };
        Found {
            splits: self.figures.iter().map(|(split, figures)| (split.clone(), of_split(figures))).collect(),
            length: self.length.0,
            seconds: self.seconds.0,
        }
    }
}

impl records::Record for Record {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }
}

/// One family on one pair.
#[derive(Serialize)]
pub(super) struct RunReport {
    pub(super) family: String,
    pub(super) a: String,
    pub(super) b: String,
    #[serde(flatten)]
    pub(super) record: Record,
}

impl RowReport {
    /// `pairs`: the names that the row's numbers stand for.
    pub(super) fn new(family: &str, row: &Row, pairs: &[[String; 2]]) -> Self {
        let mut splits: BTreeMap<String, BTreeMap<Quantity, SpreadReport>> = BTreeMap::new();
        for ((split, quantity), &spread) in &row.figures {
            splits.entry(split.clone()).or_default().insert(*quantity, spread.into());
        }
        let missing =
            row.missing.iter().map(|(pair, reason)| Missing { pair: pairs[*pair].clone(), reason: reason.clone() });
        Self {
            family: family.to_owned(),
            pairs: row.n_pairs,
            splits,
            length: row.length.map(Into::into),
            seconds: row.seconds.map(Into::into),
            missing: missing.collect(),
        }
    }

    /// Its cells in the table of one split.
    fn cells(&self, split: &str) -> Vec<String> {
        let figures = self.splits.get(split);
        let of = |quantity: Quantity| cell(figures.and_then(|f| f.get(&quantity)), unit_of(quantity));
        let mut cells = vec![self.family.clone(), self.pairs.to_string()];
        cells.extend(Quantity::ALL.map(of));
        cells.push(cell(self.length.as_ref(), Unit::Plain));
        cells.push(cell(self.seconds.as_ref(), Unit::Plain));
        cells
    }
}

fn unit_of(quantity: Quantity) -> Unit {
    if quantity.is_accuracy() { Unit::Percent } else { Unit::Nats }
}

fn cell(spread: Option<&SpreadReport>, unit: Unit) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| spread.cell(unit))
}

fn heads() -> Vec<String> {
    let quantity = |quantity: Quantity| match unit_of(quantity) {
        Unit::Percent => format!("{} (%)", quantity.label()),
        _ => quantity.label().to_owned(),
    };
    let mut heads = vec!["family".to_owned(), "pairs".to_owned()];
    heads.extend(Quantity::ALL.map(quantity));
    heads.extend(["length".to_owned(), "seconds".to_owned()]);
    heads
}

impl CompareReport {
    /// The rows of one split's table: all families, and the end points below them.
    fn cells(&self, split: &str) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.cells(split)).collect();
        if let Some(scores) = self.end_points.0.get(split) {
            let of = |quantity| match quantity {
                Quantity::WorstAccuracy => cell(Some(&scores.accuracy), Unit::Percent),
                Quantity::MeanLoss => cell(Some(&scores.loss), Unit::Nats),
                _ => "-".to_owned(),
            };
            let mut row = vec!["end points".to_owned(), format!("{} modes", self.modes.len())];
            row.extend(Quantity::ALL.map(of));
            row.extend(["-".to_owned(), "-".to_owned()]);
            rows.push(row);
        }
        rows
    }

    /// Families without a path on some pair: a line a family and reason, which names the pairs unless they are all.
    fn missing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &self.rows {
            let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for Missing { pair: [a, b], reason } in &row.missing {
                by_reason.entry(reason).or_default().push(format!("{a} to {b}"));
            }
            for (reason, pairs) in by_reason {
                let is_all = row.pairs == 0 && pairs.len() == row.missing.len();
                let pairs = if is_all { String::new() } else { format!(", {}", pairs.join(", ")) };
                lines.push(format!("{}{pairs}: {reason}", row.family));
            }
        }
        lines
    }

    pub(super) fn to_text(&self) -> String {
        let heads = heads();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut text = String::new();
        for split in &self.splits {
            text += &format!("{split}, {} points\n{}\n", self.points, table(&heads, &self.cells(split)));
        }
        for line in self.missing() {
            text += &format!("no path: {line}\n");
        }
        text
    }

    pub(super) fn to_markdown(&self) -> String {
        let heads = heads();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut text = format!(
            "{}, {} points of each path; means{} over the pairs, length in weight space, seconds to find the path.\n",
            self.network,
            self.points,
            if 1 < self.runs_per_row() { " and sample standard deviations" } else { "" }
        );
        for split in &self.splits {
            text += &format!("\n### {split}\n\n{}", markdown_table(&heads, &self.cells(split)));
        }
        let missing = self.missing();
        if !missing.is_empty() {
            text += "\nWithout a path:\n\n";
            for reason in missing {
                text += &format!("- {reason}\n");
            }
        }
        text
    }

    fn runs_per_row(&self) -> usize {
        self.rows.iter().map(|row| row.pairs).max().unwrap_or(0)
    }

    /// A line a family and split, unrounded.
    pub(super) fn to_csv(&self) -> Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut heads = vec!["family".to_owned(), "split".to_owned(), "pairs".to_owned()];
        let names = Quantity::ALL.map(|quantity| quantity.label().replace(' ', "_"));
        for name in names.iter().map(String::as_str).chain(["length", "seconds"]) {
            heads.extend([format!("{name}_mean"), format!("{name}_deviation")]);
        }
        heads.push("missing".to_owned());
        out.write_record(&heads)?;
        for row in &self.rows {
            let missing: Vec<&str> = row.missing.iter().map(|missing| missing.reason.as_str()).collect();
            for split in &self.splits {
                let figures = row.splits.get(split);
                let figures = Quantity::ALL.map(|quantity| figures.and_then(|f| f.get(&quantity)));
                let mut line = vec![row.family.clone(), split.clone(), row.pairs.to_string()];
                for spread in figures.into_iter().chain([row.length.as_ref(), row.seconds.as_ref()]) {
                    let number = |value: Option<Number>| value.map_or_else(String::new, |value| value.0.to_string());
                    line.extend([number(spread.map(|s| s.mean)), number(spread.and_then(|s| s.deviation))]);
                }
                line.push(missing.join("; "));
                out.write_record(&line)?;
            }
        }
        out.into_inner().context("could not write the rows")
    }
}
