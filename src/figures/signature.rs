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
                first.series.push(Series { points: Vec::new(), ..series.clone() });
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
        series: panel.lines.iter().flat_map(|line| [bars(line), means(line)]).collect(),
        x_label: "layer".to_owned(),
        y_label: panel.y_label.clone(),
        counts_x: true,
        x_range: Some((0.5, n_layers as f64 + 0.5)),
        ..CurveFigure::default()
    }
}

fn means(line: &SignatureLine) -> Series {
    let points = line.values.iter().enumerate().map(|(index, (mean, _))| ((index + 1) as f64, *mean)).collect();
    Series { label: line.label.clone(), color: line.color, dashed: line.dashed, points, ..Series::default() }
}

/// Upright lines with gaps between them.
fn bars(line: &SignatureLine) -> Series {
    let bar = |(index, (mean, half)): (usize, &(f64, Option<f64>))| {
        let (x, half) = ((index + 1) as f64, (*half)?);
        Some([(x, mean - half), (x, mean + half), (x, f64::NAN)])
    };
    let points = line.values.iter().enumerate().filter_map(bar).flatten().collect();
    Series { color: line.color, points, ..Series::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(label: &str, values: Vec<(f64, Option<f64>)>) -> SignatureLine {
        SignatureLine { label: label.to_owned(), color: [0; 3], dashed: false, values }
    }

    #[test]
    fn bars_reach_as_far_as_the_deviation_and_do_not_touch() {
        let bars = bars(&line("after", vec![(0.5, Some(0.1)), (0.7, None), (0.8, Some(0.2))]));
        let ends: Vec<(f64, f64)> = bars.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        assert_eq!(ends, [(1.0, 0.4), (1.0, 0.6), (3.0, 0.6000000000000001), (3.0, 1.0)]);
        assert!(bars.points[2].1.is_nan() && bars.label.is_empty());
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
