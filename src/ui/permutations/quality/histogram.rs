//! How the matched correlations lie beside the best unconstrained ones and beside chance.

use egui::{Color32, Role, Stroke, Ui, Vec2, Visuals, WidgetInfo};
use egui_plot::{Bar, BarChart, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotUi, Points, VLine};

use super::super::{after_color, focus_color, null_color, selected_color};
use super::{Focus, Shown, axis_names, theme};
use crate::matching::{Bins, GroupReport};
use crate::ui::landscape::{APART_ACROSS, APART_UPWARDS, round_marks};

/// Bins at most.
const MOST_BINS: usize = 48;
/// Opacity of the bars, through which the other strokes are seen.
const FILL: f32 = 0.45;
/// Height of the line that explains the strokes.
const KEY_HEIGHT: f32 = 18.0;

/// Pairs and units in each bin.
#[derive(Debug)]
pub(super) struct Histogram {
    /// `None` without a live pair.
    bins: Option<Bins>,
    matched: Vec<usize>,
    best: Vec<usize>,
    /// Empty without a null.
    null: Vec<usize>,
    /// Each bin's units of A.
    members: Vec<Vec<usize>>,
}

/// One of the three histograms: told apart by bars and strokes as well as by colours.
#[derive(Clone, Copy)]
enum Series {
    Matched,
    Best,
    Null,
}

impl Series {
    const ALL: [Self; 3] = [Self::Null, Self::Best, Self::Matched];

    fn label(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Best => "best unconstrained",
            Self::Null => "chance",
        }
    }

    fn style(self) -> LineStyle {
        match self {
            Self::Matched => LineStyle::Solid,
            Self::Best => LineStyle::Dashed { length: 6.0 },
            Self::Null => LineStyle::Dotted { spacing: 4.0 },
        }
    }

    fn color(self, visuals: &Visuals) -> Color32 {
        match self {
            Self::Matched => after_color(visuals),
            Self::Best => theme::mode_color(2, visuals.dark_mode),
            Self::Null => null_color(visuals),
        }
    }
}

impl Histogram {
    pub(super) fn of(group: &GroupReport) -> Self {
        let matched = || group.live().map(|(_, unit)| f64::from(unit.after));
        let best = || group.live().map(|(_, unit)| f64::from(unit.best));
        let null = || group.null_sorted.iter().copied();
        let Some(bins) = Bins::covering(matched().chain(best()).chain(null()), MOST_BINS) else {
            return Self { bins: None, matched: Vec::new(), best: Vec::new(), null: Vec::new(), members: Vec::new() };
        };
        let mut members = vec![Vec::new(); bins.n];
        for (place, unit) in group.live() {
            if let Some(bin) = bins.of(f64::from(unit.after)) {
                members[bin].push(place);
            }
        }
        let null = if group.null_sorted.is_empty() { Vec::new() } else { bins.counts(null()) };
        Self { bins: Some(bins), matched: bins.counts(matched()), best: bins.counts(best()), null, members }
    }

    fn counts(&self, series: Series) -> &[usize] {
        match series {
            Series::Matched => &self.matched,
            Series::Best => &self.best,
            Series::Null => &self.null,
        }
    }

    pub(super) fn show(&self, ui: &mut Ui, room: Vec2, shown: &Shown<'_>, null: Option<f64>, focus: &mut Focus) {
        let Some(bins) = self.bins else {
            ui.label("Every pair has a dead unit: there is nothing to compare");
            return;
        };
        ui.horizontal(|ui| {
            ui.set_height(KEY_HEIGHT - ui.spacing().item_spacing.y);
            for series in Series::ALL.into_iter().rev().filter(|series| !self.counts(*series).is_empty()) {
                let highest = self.counts(series).iter().copied().max().unwrap_or(0);
                let is_cut = self.height() < highest as f64;
                key(ui, series, if is_cut { format!(", up to {}", theme::count(highest)) } else { String::new() });
            }
        });
        let height = (room.y - KEY_HEIGHT).max(60.0);
        let visuals = ui.visuals().clone();
        let response = Plot::new("match histogram")
            .width(room.x)
            .height(height)
            .x_grid_spacer(round_marks(room.x / APART_ACROSS, false))
            .x_axis_formatter(|mark, _| theme::mark_number(mark.value))
            .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
            .set_margin_fraction(egui::vec2(0.02, 0.05))
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .label_formatter(|_| None)
            .show(ui, |plot| {
                plot.set_plot_bounds_y(0.0..=self.height());
                for series in Series::ALL {
                    self.draw(plot, bins, series, &visuals);
                }
                if let Some(null) = null {
                    let line = VLine::new("chance, 99th percentile", null).color(null_color(&visuals)).width(1.0);
                    plot.vline(line.allow_hover(false));
                }
                marks(plot, shown.report, focus, &visuals);
            });
        axis_names(ui, *response.transform.frame(), "pairs", "correlation");
        response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, self.describe(bins)));
        let Some(at) = response.response.hover_pos().map(|at| response.transform.value_from_position(at)) else {
            return;
        };
        if let Some(bin) = bins.of(at.x) {
            if response.response.clicked() {
                focus.select(self.members[bin].iter().copied());
            }
            response.response.on_hover_text_at_pointer(self.describe_bin(bins, bin));
        }
    }

    /// Height of the picture, in pairs: chance, which lies close together, may rise out of it.
    fn height(&self) -> f64 {
        1.12 * self.matched.iter().chain(&self.best).copied().max().unwrap_or(1) as f64
    }

    fn draw(&self, plot: &mut PlotUi<'_>, bins: Bins, series: Series, visuals: &Visuals) {
        let (counts, color) = (self.counts(series), series.color(visuals));
        if counts.is_empty() {
            return;
        }
        if matches!(series, Series::Matched) {
            let bars = counts.iter().enumerate().filter(|(_, count)| 0 < **count).map(|(bin, &count)| {
                Bar::new(0.5 * (bins.edge(bin) + bins.edge(bin + 1)), count as f64)
                    .width(bins.width)
                    .fill(color.gamma_multiply(FILL))
                    .stroke(Stroke::NONE)
            });
            plot.bar_chart(BarChart::new(series.label(), bars.collect()).allow_hover(false));
            return;
        }
        let line = Line::new(series.label(), outline(bins, counts)).color(color).style(series.style());
        plot.line(line.width(1.6).allow_hover(false));
    }

    fn describe_bin(&self, bins: Bins, bin: usize) -> String {
        let mut text = format!("{:.3} to {:.3}", bins.edge(bin), bins.edge(bin + 1));
        for series in Series::ALL.into_iter().rev() {
            if let Some(count) = self.counts(series).get(bin) {
                text += &format!("\n{}: {}", series.label(), theme::count(*count));
            }
        }
        text + "\nClick to select the matched ones"
    }

    fn describe(&self, bins: Bins) -> String {
        let n: usize = self.matched.iter().sum();
        format!(
            "Histogram: matched correlations of {} pairs from {:.2} to {:.2}, beside the best unconstrained ones{}",
            theme::count(n),
            bins.edge(0),
            bins.edge(bins.n),
            if self.null.is_empty() { "" } else { " and chance" }
        )
    }
}

/// The outline of the bars, without the strokes between them.
fn outline(bins: Bins, counts: &[usize]) -> Vec<[f64; 2]> {
    let tops = counts.iter().enumerate().flat_map(|(bin, &count)| {
        let height = count as f64;
        [[bins.edge(bin), height], [bins.edge(bin + 1), height]]
    });
    let ends = [[bins.edge(0), 0.0], [bins.edge(bins.n), 0.0]];
    let mut points: Vec<[f64; 2]> = std::iter::once(ends[0]).chain(tops).chain([ends[1]]).collect();
    // Strokes go astray where a piece has no length.
    points.dedup();
    points
}

/// Where the hovered unit and the selected ones lie.
fn marks(plot: &mut PlotUi<'_>, group: &GroupReport, focus: &Focus, visuals: &Visuals) {
    let after = |place: usize| group.units.get(place).map(|unit| f64::from(unit.after));
    let selected: Vec<PlotPoint> =
        focus.selected().iter().filter_map(|&place| Some(PlotPoint::new(after(place)?, 0.0))).collect();
    let ticks = Points::new("selected", egui_plot::PlotPoints::Owned(selected)).shape(MarkerShape::Up).radius(4.0);
    plot.points(ticks.color(selected_color(visuals)).allow_hover(false));
    if let Some(after) = focus.hovered().and_then(after) {
        plot.vline(VLine::new("hovered", after).color(focus_color(visuals)).width(2.0).allow_hover(false));
    }
}

/// A piece of the stroke and what it stands for.
fn key(ui: &mut Ui, series: Series, remark: String) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(22.0, 10.0), egui::Sense::hover());
    let stroke = Stroke::new(1.6, series.color(ui.visuals()));
    let ends = [rect.left_center(), rect.right_center()];
    let shapes = match series.style() {
        LineStyle::Solid => vec![egui::Shape::rect_filled(rect, 0.0, stroke.color.gamma_multiply(FILL))],
        LineStyle::Dashed { length } => egui::Shape::dashed_line(&ends, stroke, length, 0.6 * length),
        LineStyle::Dotted { spacing } => egui::Shape::dotted_line(&ends, stroke.color, spacing, 1.0),
    };
    ui.painter().extend(shapes);
    ui.label(egui::RichText::new(series.label().to_owned() + &remark).small());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_turns_only_where_neighbouring_bins_differ() {
        let bins = Bins::covering([0.0, 0.04], 4).unwrap();
        assert_eq!((bins.n, bins.width), (4, 0.01));
        let points = outline(bins, &[0, 2, 2, 1]);
        assert_eq!(points.iter().map(|point| point[1]).collect::<Vec<_>>(), [0.0, 0.0, 2.0, 2.0, 2.0, 1.0, 1.0, 0.0]);
        assert!(points.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
