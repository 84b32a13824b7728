//! What a map is worth: midpoints of paths between pairs of networks, beside those of the straight line and the arc.

use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::Named;
use crate::cli::jobs::Jobs;
use crate::cli::output::{Number, accuracy_text, loss_text, table};
use crate::cli::score::{ScoreReport, score_networks};
use crate::compute::{ConnectOptions, ConnectSpec, DataRef};
use crate::data::SplitName;
use crate::geometry::{Curve, Family, FlowModel, Path};
use crate::net::Network;

/// The most pairs that are looked at: those of ten networks.
const MAX_PAIRS: usize = 45;

#[derive(Serialize)]
pub(super) struct MidpointReport {
    /// Whether the map was trained on these networks.
    seen_in_training: bool,
    pairs: Vec<PairReport>,
    /// Means over the pairs.
    means: Vec<MeanReport>,
}

#[derive(Serialize)]
struct PairReport {
    a: String,
    b: String,
    midpoints: Vec<Midpoint>,
}

#[derive(Serialize)]
struct Midpoint {
    family: Family,
    split: SplitName,
    #[serde(flatten)]
    score: ScoreReport,
}

#[derive(Serialize)]
struct MeanReport {
    family: Family,
    split: SplitName,
    loss: Number,
    accuracy: Number,
    /// Standard deviation over the pairs.
    accuracy_std: Number,
}

/// Scores t = 1/2 of the line, of the arc and of the path through the map, for all pairs of `modes`.
pub(super) fn midpoints(
    jobs: &Jobs,
    network: &Arc<Network>,
    modes: &[Named],
    seen_in_training: bool,
    model: &Arc<FlowModel>,
    data: &[DataRef],
) -> Result<MidpointReport> {
    let family = model.family();
    let Some(train) = data.first() else {
        return Ok(MidpointReport { seen_in_training, pairs: Vec::new(), means: Vec::new() });
    };
    let mut pairs = Vec::new();
    let indices = (0..modes.len()).flat_map(|a| (a + 1..modes.len()).map(move |b| (a, b)));
    for (a, b) in indices.take(MAX_PAIRS) {
        let ((a_name, a), (b_name, b)) = (&modes[a], &modes[b]);
        let curve = |curve| Arc::new(Path::straight(network, curve, Arc::clone(a), Arc::clone(b)).point(0.5));
        let spec = ConnectSpec {
            family,
            network: Arc::clone(network),
            a: Arc::clone(a),
            b: Arc::clone(b),
            train: train.clone(),
            // A, the midpoint, B.
            points: 3,
            seed: 0,
            options: ConnectOptions { flow: Some(Arc::clone(model)), ..ConnectOptions::default() },
        };
        let through_map = jobs.connect("walking through the map", spec)?.path.point(0.5);
        let points = [curve(Curve::Linear), curve(Curve::Arc), Arc::new(through_map)];
        let mut found = Vec::new();
        for images in data {
            let scores = score_networks(jobs, network, &points, images)?;
            let named = [Family::Linear, Family::Arc, family].into_iter().zip(scores);
            found.extend(named.map(|(family, score)| Midpoint { family, split: images.split, score: score.into() }));
        }
        pairs.push(PairReport { a: a_name.clone(), b: b_name.clone(), midpoints: found });
    }
    let means = means(&pairs);
    Ok(MidpointReport { seen_in_training, pairs, means })
}

fn means(pairs: &[PairReport]) -> Vec<MeanReport> {
    let n_each = pairs.first().map_or(0, |pair| pair.midpoints.len());
    let mean_of = |index: usize| {
        let first = &pairs[0].midpoints[index];
        let mean = |value: &dyn Fn(&Midpoint) -> f64| {
            pairs.iter().map(|pair| value(&pair.midpoints[index])).sum::<f64>() / pairs.len() as f64
        };
        let accuracy = mean(&|midpoint| midpoint.score.accuracy.0);
        let variance = mean(&|midpoint| (midpoint.score.accuracy.0 - accuracy).powi(2));
        MeanReport {
            family: first.family,
            split: first.split,
            loss: mean(&|midpoint| midpoint.score.loss.0).into(),
            accuracy: accuracy.into(),
            accuracy_std: variance.sqrt().into(),
        }
    };
    (0..n_each).map(mean_of).collect()
}

impl MidpointReport {
    pub(super) fn describe(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .means
            .iter()
            .map(|mean| {
                vec![
                    mean.family.name().to_owned(),
                    mean.split.to_string(),
                    loss_text(mean.loss.0),
                    accuracy_text(mean.accuracy.0),
                    format!("± {:.2}", 100.0 * mean.accuracy_std.0),
                ]
            })
            .collect();
        let seen = if self.seen_in_training { "trained on" } else { "held out" };
        let heads = ["midpoint of", "split", "loss", "accuracy", "over pairs"];
        format!("mean over {} pairs of networks that were {seen}\n{}", self.pairs.len(), table(&heads, &rows))
    }
}
