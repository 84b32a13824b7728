//! What ensembles are worth, as CSV, text and a figure; as JSON they are what serde makes of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Kind;
use crate::cli::output::{accuracy_text, loss_text, table};
use crate::cli::score::ScoreReport;
use crate::compute::{Ensemble, Head, PointValue};
use crate::data::SplitName;
use crate::figures::members_figure;
use crate::net::Network;
use crate::render::figure::CurveFigure;

/// Scores by split.
type Scores = BTreeMap<String, ScoreReport>;

/// An ensemble, or networks that are compared with each other.
#[derive(Serialize)]
pub(super) struct EnsembleReport {
    /// `modes`, `path`, `fge`, `swa` or `wa`.
    kind: &'static str,
    network: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    pub(super) members: Vec<MemberReport>,
    /// The first 1, 2, .. members together; empty where the members are no ensemble.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    together: Vec<TogetherReport>,
    /// Of the ensemble, whether or not it counts.
    #[serde(skip)]
    cumulative: Vec<Scores>,
}

/// A member by itself.
#[derive(Serialize)]
pub(super) struct MemberReport {
    pub(super) name: String,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Serialize)]
struct TogetherReport {
    members: usize,
    #[serde(flatten)]
    scores: Scores,
}

impl EnsembleReport {
    /// Without any scores yet.
    pub(super) fn new(kind: Kind, network: &Network, names: impl Iterator<Item = String>) -> Self {
        let members: Vec<MemberReport> = names.map(|name| MemberReport { name, scores: Scores::new() }).collect();
        Self {
            kind: kind.name,
            head: kind.head,
            network: network.name().to_owned(),
            family: None,
            cumulative: vec![Scores::new(); members.len()],
            members,
            together: Vec::new(),
        }
    }

    /// Adds what was found on one split.
    pub(super) fn add(&mut self, split: SplitName, found: &Ensemble) {
        let put = |scores: &mut Scores, value: PointValue| scores.insert(split.to_string(), value.into());
        for (member, &value) in self.members.iter_mut().zip(&found.single) {
            put(&mut member.scores, value);
        }
        for (scores, &value) in self.cumulative.iter_mut().zip(&found.together) {
            put(scores, value);
        }
    }

    /// The members as an ensemble.
    pub(super) fn with_together(mut self) -> Self {
        let scores = std::mem::take(&mut self.cumulative).into_iter().enumerate();
        self.together = scores.map(|(place, scores)| TogetherReport { members: place + 1, scores }).collect();
        self
    }

    /// Every line: its kind, its name, its scores.
    fn lines(&self) -> impl Iterator<Item = (&'static str, String, &Scores)> {
        let single = self.members.iter().map(|member| ("alone", member.name.clone(), &member.scores));
        let together = self.together.iter().map(|t| ("together", format!("first {}", t.members), &t.scores));
        single.chain(together)
    }

    /// What tells it from the others of its kind; empty where there is only one.
    fn label(&self) -> String {
        self.head.map_or_else(String::new, Head::label)
    }

    fn describe(&self) -> String {
        let mut rows = Vec::new();
        for (kind, name, scores) in self.lines() {
            for (split, score) in scores {
                let (loss, accuracy) = (loss_text(score.loss.0), accuracy_text(score.accuracy.0));
                rows.push(vec![format!("{kind}: {name}"), split.clone(), loss, accuracy]);
            }
        }
        let family = self.family.as_ref().map_or_else(String::new, |family| format!(", {family} path"));
        let head = self.head.map_or_else(String::new, |head| format!(", heads of {}", head.label()));
        format!("{}{family}{head}\n{}", self.network, table(&["members", "split", "loss", "accuracy"], &rows))
    }
}

/// All ensembles, one below the other.
pub(super) fn describe(ensembles: &[EnsembleReport]) -> String {
    ensembles.iter().map(EnsembleReport::describe).collect::<Vec<_>>().join("\n")
}

/// A line a member, alone and together with those before it, and split; unrounded.
pub(super) fn to_csv(ensembles: &[EnsembleReport]) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["ensemble", "kind", "members", "split", "loss", "accuracy"])?;
    for ensemble in ensembles {
        let label = ensemble.label();
        for (kind, name, scores) in ensemble.lines() {
            for (split, score) in scores {
                let (loss, accuracy) = (score.loss.0.to_string(), score.accuracy.0.to_string());
                out.write_record([&label, kind, &name, split, &loss, &accuracy])?;
            }
        }
    }
    out.into_inner().context("could not write the rows")
}

/// Accuracy against the number of members on the first split that was scored; of a single ensemble also that of each member
/// alone.
pub(super) fn figure(ensembles: &[EnsembleReport]) -> Result<CurveFigure> {
    let first = ensembles.first().context("internal error: no ensemble to draw")?;
    let split = first.members.first().and_then(|member| member.scores.keys().next());
    let split = split.context("internal error: an ensemble without scores")?;
    let points = |scores: Vec<&Scores>| -> Vec<(f64, f64)> {
        let accuracy = |(place, scores): (usize, &&Scores)| Some(((place + 1) as f64, scores.get(split)?.accuracy.0));
        scores.iter().enumerate().filter_map(accuracy).collect()
    };
    let together = |ensemble: &EnsembleReport| {
        let label = ensemble.head.map_or_else(|| "together".to_owned(), Head::label);
        (label, points(ensemble.together.iter().map(|together| &together.scores).collect()))
    };
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = ensembles.iter().map(together).collect();
    if ensembles.len() == 1 {
        let alone = points(first.members.iter().map(|member| &member.scores).collect());
        curves.push(("each alone".to_owned(), alone));
    }
    curves.retain(|(_, points)| !points.is_empty());
    Ok(members_figure(curves, split, format!("{}, {}", first.network, first.kind)))
}
