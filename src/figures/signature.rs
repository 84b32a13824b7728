//! Correlations of matched units by layer.

use crate::render::figure::{CurveFigure, Series, StackedFigure};

/// Correlations of one kind of pair; layers are numbered from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureLine {
    pub label: String,
    pub color: [u8; 3],
    pub dashed: bool,
    /// By layer.
    pub means: Vec<f64>,
    /// One a layer, drawn as bars; empty where there are none.
    pub deviations: Vec<f64>,
}

/// Lines that are drawn together.
#[derive(Clone, Debug, PartialEq)]
pub struct SignaturePanel {
    pub y_label: String,
    pub lines: Vec<SignatureLine>,
}

/// The panels one above the other, with one legend.
pub fn signature_figure(panels: &[SignaturePanel], n_layers: usize, caption: String, command: String) -> StackedFigure {
    let mut drawn: Vec<CurveFigure> = panels.iter().map(|panel| panel_figure(panel, n_layers)).collect();
    if let [first, others @ ..] = &mut drawn[..] {
        // The legend is the first panel's: what only others have is listed there without a point.
        for series in others.iter().flat_map(|panel| &panel.series) {
            if first.series.iter().all(|listed| listed.label != series.label) {
                first.series.push(Series { points: Vec::new(), deviations: Vec::new(), ..series.clone() });
            }
        }
    }
    StackedFigure {
        panels: drawn,
        title: "Correlation of paired units by layer".to_owned(),
        caption,
        metadata: Some(command),
        ..StackedFigure::default()
    }
}

fn panel_figure(panel: &SignaturePanel, n_layers: usize) -> CurveFigure {
    CurveFigure {
        series: panel.lines.iter().map(series).collect(),
        x_label: "layer".to_owned(),
        y_label: panel.y_label.clone(),
        counts_x: true,
        x_range: Some((0.5, n_layers as f64 + 0.5)),
        ..CurveFigure::default()
    }
}

fn series(line: &SignatureLine) -> Series {
    let points = line.means.iter().enumerate().map(|(index, mean)| ((index + 1) as f64, *mean)).collect();
    let (label, deviations) = (line.label.clone(), line.deviations.clone());
    Series { label, color: line.color, dashed: line.dashed, points, deviations }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_lists_what_only_a_later_panel_has_and_nothing_twice() {
        let panel = |lines| SignaturePanel { y_label: "correlation".to_owned(), lines };
        let line = |label: &str| SignatureLine {
            label: label.to_owned(),
            color: [0; 3],
            dashed: false,
            means: vec![0.1, 0.3],
            deviations: vec![0.1, 0.2],
        };
        let panels = [panel(vec![line("before")]), panel(vec![line("before"), line("linear")])];
        let svg = signature_figure(&panels, 2, String::new(), "lowroad".to_owned()).to_svg();
        assert_eq!((svg.matches(">before<").count(), svg.matches(">linear<").count()), (1, 1));
    }
}
