//! The four curves as figures: scores along t, the spectrum of the loss, and how training went (METHODS-ALIGNMENT, F5 to F7).

use super::tables::{CurveReport, PamReport};
use crate::cli::output::{Number, command_line};
use crate::data::SplitName;
use crate::figures::{FamilyCurve, curve_ink, families_figure, spectrum_figure};
use crate::geometry::comparison::Spread;
use crate::render::figure::{CurveFigure, Series, StackedFigure};

impl PamReport {
    /// Loss above accuracy along t, with the deviations over runs as bars.
    pub(super) fn figure(&self, split: SplitName) -> StackedFigure {
        let drawn = families_figure(&self.family_curves(split), split, self.caption());
        StackedFigure { metadata: Some(command_line()), ..drawn }
    }

    /// Of the mean loss of each curve.
    pub(super) fn spectrum(&self, split: SplitName) -> CurveFigure {
        let drawn = spectrum_figure(&self.family_curves(split), split, self.caption());
        CurveFigure { metadata: Some(command_line()), ..drawn }
    }

    /// The loss of minibatches by epoch.
    pub(super) fn training(&self) -> CurveFigure {
        let series = self.curves.iter().enumerate().map(|(place, curve)| {
            let means = curve.epoch_losses();
            Series {
                label: curve.curve.to_owned(),
                color: curve_ink(place),
                points: means.iter().map(|(epoch, loss)| (*epoch as f64, loss.mean)).collect(),
                deviations: means.iter().filter_map(|(_, loss)| loss.deviation).collect(),
                ..Series::default()
            }
        });
        CurveFigure {
            series: series.collect(),
            x_label: "epoch".to_owned(),
            counts_x: true,
            y_label: "training loss (nats)".to_owned(),
            title: "Training of the curves".to_owned(),
            caption: self.caption(),
            metadata: Some(command_line()),
            ..CurveFigure::default()
        }
    }

    fn family_curves(&self, split: SplitName) -> Vec<FamilyCurve> {
        let at = |values: &[Number]| self.t.iter().copied().zip(values.iter().map(|value| value.0)).collect();
        let numbers = |values: &[Number]| values.iter().map(|value| value.0).collect();
        let of = |curve: &CurveReport| {
            let scores = curve.scores.get(&split.to_string())?;
            Some(FamilyCurve {
                label: curve.curve.to_owned(),
                dashed: false,
                losses: at(&scores.loss.mean),
                accuracies: at(&scores.accuracy.mean),
                loss_deviations: numbers(&scores.loss.deviation),
                accuracy_deviations: numbers(&scores.accuracy.deviation),
            })
        };
        self.curves.iter().filter_map(of).collect()
    }

    fn caption(&self) -> String {
        let bars = if 1 < self.pairs * self.seeds { "; bars are one deviation up and down" } else { "" };
        format!("{}{bars}.", self.counts())
    }
}

impl CurveReport {
    /// Over the runs, for each epoch (from 1) that any of them reported on.
    fn epoch_losses(&self) -> Vec<(usize, Spread)> {
        let n_epochs =
            self.runs.iter().flat_map(|run| &run.epoch_losses).map(|(epoch, _)| epoch + 1).max().unwrap_or(0);
        let of_epoch = |epoch: usize| {
            let own = self.runs.iter().flat_map(|run| &run.epoch_losses).filter(|(of, _)| *of == epoch);
            let values: Vec<f64> = own.map(|(_, loss)| loss.0).collect();
            Some((epoch + 1, Spread::of(&values)?))
        };
        (0..n_epochs).filter_map(of_epoch).collect()
    }
}
