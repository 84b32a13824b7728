//! What `lowroad align` found, as JSON, as tables and as text.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::output::{Number, accuracy_text, loss_text, numbers, table, write_json};
use super::score::ScoreReport;
use crate::app::units_table::Units;
use crate::compute::Alignment;
use crate::files;
use crate::matching::{Evidence, GroupReport, MatchOptions, MatchReport, Permutation, Spread};

#[derive(Serialize)]
pub(super) struct AlignReport {
    method: &'static str,
    options: MatchOptions,
    samples: usize,
    verdict: VerdictReport,
    layers: Vec<LayerReport>,
    /// Of weight matching `<A, P(B)>` before the first sweep and after each, for every descent; of PAM the mean loss of each
    /// epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<Vec<Number>>,
    max_logit_difference: Number,
    /// Images the logits were compared on, and those with the same predicted class.
    images_compared: usize,
    same_class: usize,
    /// B before and after, by split; the same but for rounding.
    scores: BTreeMap<String, BeforeAfter>,
}

#[derive(Serialize)]
struct VerdictReport {
    verdict: &'static str,
    because: String,
    relative_distance: Number,
    weight_correlation_in_place: Number,
    weight_correlation_matched: Number,
    weight_correlation_null_mean: Number,
    weight_correlation_null_deviation: Number,
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    units: usize,
    /// `permutation[i]` is the unit of B that is put in place i.
    permutation: Permutation,
    mean_correlation_before: Number,
    mean_correlation_after: Number,
    before: SpreadReport,
    after: SpreadReport,
    /// Of each unit of A with the unit of B that it is most like, whoever else wants it.
    best_unconstrained: SpreadReport,
    /// Correlation of a pair less the best that its unit of A has with any other.
    margin: SpreadReport,
    /// What the best assignment reaches on shuffled samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    shuffled_samples: Option<SpreadReport>,
    share_moved: Number,
    dead_a: usize,
    dead_b: usize,
}

#[derive(Clone, Copy, Serialize)]
struct SpreadReport {
    mean: Number,
    lower_quartile: Number,
    median: Number,
    upper_quartile: Number,
}

#[derive(Serialize)]
pub(super) struct BeforeAfter {
    pub(super) b: ScoreReport,
    pub(super) b_aligned: ScoreReport,
}

impl From<Spread> for SpreadReport {
    fn from(spread: Spread) -> Self {
        Self {
            mean: spread.mean.into(),
            lower_quartile: spread.lower_quartile.into(),
            median: spread.median.into(),
            upper_quartile: spread.upper_quartile.into(),
        }
    }
}

impl From<Evidence> for VerdictReport {
    fn from(evidence: Evidence) -> Self {
        Self {
            verdict: evidence.verdict.name(),
            because: evidence.describe(),
            relative_distance: evidence.relative_distance.into(),
            weight_correlation_in_place: evidence.correlation_in_place.into(),
            weight_correlation_matched: evidence.correlation_matched.into(),
            weight_correlation_null_mean: evidence.null_mean.into(),
            weight_correlation_null_deviation: evidence.null_deviation.into(),
        }
    }
}

impl From<&GroupReport> for LayerReport {
    fn from(group: &GroupReport) -> Self {
        Self {
            name: group.name.clone(),
            units: group.n_units(),
            permutation: group.permutation.clone(),
            mean_correlation_before: group.before.mean.into(),
            mean_correlation_after: group.after.mean.into(),
            before: group.before.into(),
            after: group.after.into(),
            best_unconstrained: group.best.into(),
            margin: group.margin.into(),
            shuffled_samples: group.null.map(SpreadReport::from),
            share_moved: group.share_moved().into(),
            dead_a: group.n_dead[0],
            dead_b: group.n_dead[1],
        }
    }
}

impl AlignReport {
    pub(super) fn new(
        method: &'static str,
        options: MatchOptions,
        alignment: &Alignment,
        scores: BTreeMap<String, BeforeAfter>,
    ) -> Self {
        let Alignment { report, seal, traces, .. } = alignment;
        Self {
            method,
            options,
            samples: report.n_images,
            verdict: report.evidence.into(),
            layers: report.groups.iter().map(LayerReport::from).collect(),
            traces: traces.iter().map(|trace| numbers(trace.iter().copied())).collect(),
            max_logit_difference: seal.max_logit_difference.into(),
            images_compared: seal.n_images,
            same_class: seal.n_same_class,
            scores,
        }
    }

    /// Writes align.json, layers.csv, and the units of each layer as `NUMBER-LAYER.csv`.
    pub(super) fn write(&self, folder: &Path, report: &MatchReport) -> Result<()> {
        write_json(&folder.join("align.json"), self)?;
        files::write_atomic(&folder.join("layers.csv"), &self.layers_csv()?)?;
        for (index, group) in report.groups.iter().enumerate() {
            let name: String = group
                .name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' })
                .collect();
            let contested = group.contested();
            let csv = Units { group, contested: &contested }.to_csv(0..group.n_units());
            files::write_atomic(&folder.join(format!("{index:02}-{name}.csv")), csv.as_bytes())?;
        }
        Ok(())
    }

    fn layers_csv(&self) -> Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut heads: Vec<String> = ["layer", "units", "share moved", "dead A", "dead B"].map(str::to_owned).to_vec();
        for what in ["before", "after", "best unconstrained", "margin", "shuffled samples"] {
            heads.extend(["mean", "lower quartile", "median", "upper quartile"].map(|of| format!("{what} {of}")));
        }
        out.write_record(&heads)?;
        for layer in &self.layers {
            let mut row = vec![layer.name.clone()];
            row.extend([layer.units.to_string(), layer.share_moved.0.to_string()]);
            row.extend([layer.dead_a.to_string(), layer.dead_b.to_string()]);
            let spreads = [layer.before, layer.after, layer.best_unconstrained, layer.margin].map(Some);
            for spread in spreads.into_iter().chain([layer.shuffled_samples]) {
                row.extend(match spread {
                    Some(s) => [s.mean, s.lower_quartile, s.median, s.upper_quartile].map(|v| v.0.to_string()),
                    None => [const { String::new() }; 4],
                });
            }
            out.write_record(&row)?;
        }
        out.into_inner().context("could not write the rows")
    }

    pub(super) fn describe(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .layers
            .iter()
            .map(|layer| {
                let null = layer.shuffled_samples.map_or_else(|| "-".to_owned(), |null| format!("{:.4}", null.mean.0));
                vec![
                    layer.name.clone(),
                    layer.units.to_string(),
                    layer.permutation.n_fixed().to_string(),
                    format!("{}/{}", layer.dead_a, layer.dead_b),
                    format!("{:.4}", layer.mean_correlation_before.0),
                    format!("{:.4}", layer.mean_correlation_after.0),
                    format!("{:.4}", layer.best_unconstrained.mean.0),
                    null,
                ]
            })
            .collect();
        let heads = ["layer", "units", "unmoved", "dead A/B", "correlation before", "after", "best", "by chance"];
        let mut text = table(&heads, &rows);
        for (index, trace) in self.traces.iter().enumerate() {
            if let (Some(first), Some(last)) = (trace.first(), trace.last()) {
                let (number, n_rounds) = (index + 1, trace.len());
                text += &format!("\nsearch {number}: {:.4} to {:.4} over {n_rounds} rounds", first.0, last.0);
            }
        }
        text += &format!(
            "\nseal: logits differ by at most {:.2e} on {} images, {} of the same class\nverdict: {}\n",
            self.max_logit_difference.0, self.images_compared, self.same_class, self.verdict.because
        );
        for (split, pair) in &self.scores {
            text += &format!(
                "{split}: B {} / {}, aligned B {} / {}\n",
                loss_text(pair.b.loss.0),
                accuracy_text(pair.b.accuracy.0),
                loss_text(pair.b_aligned.loss.0),
                accuracy_text(pair.b_aligned.accuracy.0)
            );
        }
        text
    }
}
