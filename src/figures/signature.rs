//! Correlations of matched units by layer.

use crate::render::figure::{CurveFigure, Series, StackedFigure};

/// Correlations of one kind of pair; layers are numbered from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureLine {
    pub label: String,
    pub color: [u8; 3],
    pub dashed: bool,
    /// By layer, with half the length of its bar, if it has one.
    pub values: Vec<(f64, Option<f64>)>,
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
        columns: 1,
        title: "Correlation of paired units by layer".to_owned(),
        caption,
        metadata: Some(command),
    }
}

fn panel_figure(panel: &SignaturePanel, n_layers: usize) -> CurveFigure {
    CurveFigure {
        series: panel.lines.iter().map(series_of).collect(),
        x_label: "layer".to_owned(),
        y_label: panel.y_label.clone(),
        counts_x: true,
        x_range: Some((0.5, n_layers as f64 + 0.5)),
        ..CurveFigure::default()
    }
}

fn series_of(line: &SignatureLine) -> Series {
    let points = line.values.iter().enumerate().map(|(index, (mean, _))| ((index + 1) as f64, *mean)).collect();
    // What is not finite is not drawn.
    let deviations = line.values.iter().map(|(_, half)| half.unwrap_or(f64::NAN)).collect();
    Series { label: line.label.clone(), color: line.color, dashed: line.dashed, points, deviations }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, values: Vec<(f64, Option<f64>)>) -> SignatureLine {
        SignatureLine { label: label.to_owned(), color: [0; 3], dashed: false, values }
    }

    #[test]
    fn layers_have_bars_where_there_is_a_deviation() {
        let values = vec![(0.5, Some(0.1)), (0.7, None), (0.8, Some(0.2))];
        let lines_of = |values: Vec<(f64, Option<f64>)>| {
            let panel = SignaturePanel { y_label: "correlation".to_owned(), lines: vec![line("after", values)] };
            let figure = signature_figure(&[panel], 3, String::new(), "lowroad".to_owned());
            figure.to_svg().matches("<polyline").count()
        };
        let plain = values.iter().map(|(mean, _)| (*mean, None)).collect();
        assert_eq!(lines_of(values), lines_of(plain) + 6, "two bars of three lines each");
    }

    #[test]
    fn the_legend_lists_what_only_a_later_panel_has_and_nothing_twice() {
        let panel = |lines| SignaturePanel { y_label: "correlation".to_owned(), lines };
        let values = vec![(0.1, None), (0.3, None)];
        let panels = [
            panel(vec![line("before", values.clone())]),
            panel(vec![line("before", values.clone()), line("linear", values)]),
        ];
        let svg = signature_figure(&panels, 2, String::new(), "lowroad".to_owned()).to_svg();
        assert_eq!((svg.matches(">before<").count(), svg.matches(">linear<").count()), (1, 1));
    }
}
