//! Signatures as JSON, as a table and as a figure.

use std::path::PathBuf;

use serde::Serialize;

use super::{Correlations, MiddleLayers, PairLayers};
use crate::cli::networks::{Endpoints, shown};
use crate::cli::output::{Number, command_line, numbers, table};
use crate::figures::{SignatureLine, SignaturePanel, ink, signature_figure};
use crate::geometry::comparison::Spread;

/// Layers up to so many are named below the figure.
const MOST_NAMES: usize = 16;

#[derive(Serialize)]
pub(super) struct SignatureReport {
    network: String,
    /// Images that units were matched on, and that the correlations were measured on.
    samples: usize,
    split: String,
    images: usize,
    pairs: Vec<PairReport>,
    layers: Vec<LayerReport>,
}

#[derive(Serialize)]
struct PairReport {
    a: String,
    b: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<String>,
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    units: usize,
    before: OverPairs,
    after: OverPairs,
    #[serde(skip_serializing_if = "Option::is_none")]
    midpoint: Option<MidpointReport>,
}

/// Correlations of the middle of a curve with its ends, the mean over both.
#[derive(Serialize)]
struct MidpointReport {
    before: OverPairs,
    after: OverPairs,
    /// Of the middle of the straight line.
    linear: OverPairs,
}

/// A layer's mean correlation.
#[derive(Serialize)]
struct OverPairs {
    mean: Number,
    /// Standard deviation over the pairs, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    std: Option<Number>,
    pairs: Vec<Number>,
}

impl OverPairs {
    fn new(values: Vec<f64>) -> Self {
        let spread = Spread::of(&values);
        Self {
            mean: spread.map_or(f64::NAN, |spread| spread.mean).into(),
            std: spread.and_then(|spread| spread.deviation).map(Number),
            pairs: numbers(values),
        }
    }

    fn text(&self) -> String {
        match self.std {
            None => format!("{:.3}", self.mean.0),
            Some(std) => format!("{:.3} ± {:.3}", self.mean.0, std.0),
        }
    }
}

impl SignatureReport {
    pub(super) fn new(
        curves: &[PathBuf],
        finder: &Correlations<'_>,
        pairs: &[Endpoints],
        found: &[PairLayers],
    ) -> Self {
        let over = |value: &dyn Fn(&PairLayers) -> f64| OverPairs::new(found.iter().map(value).collect());
        let has_middles = found.iter().all(|pair| pair.middle.is_some());
        let middle = |layer: usize, value: fn(&MiddleLayers) -> &[f64]| {
            OverPairs::new(found.iter().filter_map(|pair| Some(value(pair.middle.as_ref()?)[layer])).collect())
        };
        let layers = finder.network.groups().iter().enumerate().map(|(layer, group)| LayerReport {
            name: group.name.clone(),
            units: group.n_units,
            before: over(&|pair| pair.between.before[layer]),
            after: over(&|pair| pair.between.after[layer]),
            midpoint: has_middles.then(|| MidpointReport {
                before: middle(layer, |middle| &middle.curve.before),
                after: middle(layer, |middle| &middle.curve.after),
                linear: middle(layer, |middle| &middle.line),
            }),
        });
        let pairs = pairs.iter().enumerate().map(|(index, ends)| PairReport {
            a: shown(&ends.a),
            b: shown(&ends.b),
            curve: curves.get(index).map(|file| file.display().to_string()),
        });
        Self {
            network: finder.network.name().to_owned(),
            samples: finder.samples.n_images(),
            split: finder.judge.split.to_string(),
            images: finder.judge.n_images(),
            pairs: pairs.collect(),
            layers: layers.collect(),
        }
    }

    fn has_middles(&self) -> bool {
        self.layers.iter().all(|layer| layer.midpoint.is_some())
    }

    pub(super) fn describe(&self) -> String {
        let mut heads = vec!["layer", "units", "before", "after"];
        if self.has_middles() {
            heads.extend(["midpoint before", "midpoint after", "linear midpoint"]);
        }
        let rows: Vec<Vec<String>> = self
            .layers
            .iter()
            .map(|layer| {
                let ends = [&layer.before, &layer.after];
                let middles = layer.midpoint.iter().flat_map(|m| [&m.before, &m.after, &m.linear]);
                let values = ends.into_iter().chain(middles).map(OverPairs::text);
                [layer.name.clone(), layer.units.to_string()].into_iter().chain(values).collect()
            })
            .collect();
        format!(
            "Mean correlation of paired units on {} {} images; units were matched on {}\n{}",
            self.images,
            self.split,
            self.samples,
            table(&heads, &rows)
        )
    }

    /// The figure.
    pub(super) fn svg(&self) -> String {
        let line = |label: &str, color: [u8; 3], dashed: bool, of: &dyn Fn(&LayerReport) -> Option<&OverPairs>| {
            let values = self.layers.iter().map(|layer| {
                let over = of(layer);
                (over.map_or(f64::NAN, |over| over.mean.0), over.and_then(|over| over.std).map(|std| std.0))
            });
            SignatureLine { label: label.to_owned(), color, dashed, values: values.collect() }
        };
        let mut panels = vec![SignaturePanel {
            y_label: "correlation of A and B".to_owned(),
            lines: vec![
                line("before alignment", ink(1), false, &|layer| Some(&layer.before)),
                line("after alignment", ink(0), false, &|layer| Some(&layer.after)),
            ],
        }];
        if self.has_middles() {
            panels.push(SignaturePanel {
                y_label: "correlation of midpoint and ends".to_owned(),
                lines: vec![
                    line("before alignment", ink(1), false, &|layer| layer.midpoint.as_ref().map(|m| &m.before)),
                    line("after alignment", ink(0), false, &|layer| layer.midpoint.as_ref().map(|m| &m.after)),
                    line("linear midpoint", ink(5), true, &|layer| layer.midpoint.as_ref().map(|m| &m.linear)),
                ],
            });
        }
        let mut caption = format!("{}, {} {} images.", self.network, self.images, self.split);
        if 1 < self.pairs.len() {
            caption += &format!(" Means over {} pairs; bars are standard deviations over them.", self.pairs.len());
        }
        if self.layers.len() <= MOST_NAMES {
            let named = self.layers.iter().enumerate().map(|(index, layer)| format!("{}: {}", index + 1, layer.name));
            caption += &format!(" Layers: {}.", named.collect::<Vec<_>>().join(", "));
        }
        let command = command_line();
        signature_figure(&panels, self.layers.len(), caption, command).to_svg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_has_no_deviation() {
        let one = OverPairs::new(vec![0.25]);
        assert!(one.std.is_none() && one.text() == "0.250");
        let two = OverPairs::new(vec![0.2, 0.4]);
        assert!((two.mean.0 - 0.3).abs() < 1e-12 && two.std.is_some());
    }
}
