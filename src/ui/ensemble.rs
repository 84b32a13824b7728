//! The pane of ensembles: what points of the path, and the open modes, are worth when they are asked together.

use egui::{Button, Color32, DragValue, RichText, Role, Ui, Visuals, WidgetInfo};
use egui_plot::{Line, LineStyle, MarkerShape, Plot, PlotUi, Points};

use super::landscape::{APART_ACROSS, APART_UPWARDS, round_marks};
use super::theme;
use crate::app::{Action, AppState, ENSEMBLE_POINTS, EnsembleFound, EnsembleOf, EnsembleState, Purpose};
use crate::compute::PointValue;

/// Points of the path that the user wants to ask.
#[derive(Debug)]
pub(super) struct EnsembleView {
    n_points: usize,
}

impl Default for EnsembleView {
    fn default() -> Self {
        Self { n_points: EnsembleState::default().n_points }
    }
}

/// How a kind is drawn: told apart by stroke and markers as well as by colour.
struct Look {
    color: Color32,
    style: LineStyle,
    shape: MarkerShape,
}

impl Look {
    fn of(kind: EnsembleOf, visuals: &Visuals) -> Self {
        match kind {
            EnsembleOf::PathPoints => Self {
                color: theme::path_color(visuals.dark_mode),
                style: LineStyle::Solid,
                shape: MarkerShape::Circle,
            },
            EnsembleOf::Modes => Self {
                color: theme::mode_color(0, visuals.dark_mode),
                style: LineStyle::dashed_dense(),
                shape: MarkerShape::Square,
            },
        }
    }
}

fn members(kind: EnsembleOf) -> &'static str {
    match kind {
        EnsembleOf::PathPoints => "points of the path",
        EnsembleOf::Modes => "open modes",
    }
}

pub(super) fn show(ui: &mut Ui, state: &AppState, view: &mut EnsembleView, actions: &mut Vec<Action>) {
    header(ui, state, view, actions);
    let found = EnsembleOf::ALL.map(|kind| state.ensemble(kind).map(|(found, is_current)| (kind, found, is_current)));
    let found: Vec<_> = found.into_iter().flatten().collect();
    if found.is_empty() {
        let text = "Several networks together, by the mean of their softmax outputs, are often better than the best of \
                    them. Points of a path are cheap to have: are they different enough?";
        ui.label(RichText::new(text).weak());
        return;
    }
    let mut lines = Vec::new();
    for &(kind, found, is_current) in &found {
        let line = describe(kind, found, is_current);
        ui.label(RichText::new(&line).small());
        lines.push(line);
    }
    plot(ui, &found, &lines.join("; "));
}

fn header(ui: &mut Ui, state: &AppState, view: &mut EnsembleView, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Points of the path");
        let field = DragValue::new(&mut view.n_points).range(ENSEMBLE_POINTS).speed(0.1);
        ui.add(field).labelled_by(label.id).on_hover_text("Both ends among them; equally far from one to the next");
        if state.runs_job(Purpose::Ensemble) {
            ui.spinner();
            ui.label(RichText::new("Asking…").small());
            return;
        }
        let text = format!("Ask them, and {} modes, together", state.ensemble_modes().len());
        let button = ui.add_enabled(state.curve.is_some() && !state.is_fitting(), Button::new(text));
        if button.on_hover_text("On all test images").clicked() {
            actions.push(Action::AskTogether { n_points: view.n_points });
        }
    });
}

/// `5 points of the path together 98.10 %, 0.062 nats; the best of them alone 97.60 %`.
fn describe(kind: EnsembleOf, found: &EnsembleFound, is_current: bool) -> String {
    let Some(all) = found.together.last() else { return String::new() };
    let best = found.single.iter().map(|value| value.accuracy).fold(f64::NEG_INFINITY, f64::max);
    let earlier = match (is_current, kind) {
        (true, _) => "",
        (false, EnsembleOf::PathPoints) => " (of an earlier path)",
        (false, EnsembleOf::Modes) => " (of other modes)",
    };
    format!(
        "{} {} together {:.2} %, {} nats; the best of them alone {:.2} %{earlier}",
        found.together.len(),
        members(kind),
        100.0 * all.accuracy,
        theme::nats(all.loss),
        100.0 * best
    )
}

fn plot(ui: &mut Ui, found: &[(EnsembleOf, &EnsembleFound, bool)], summary: &str) {
    let size = ui.available_size();
    let height = size.y.max(60.0);
    let visuals = ui.visuals().clone();
    let response = Plot::new("ensembles")
        .height(height)
        .x_axis_label("members (alone: the n-th by itself)")
        .y_axis_label("test accuracy (%)")
        .x_grid_spacer(round_marks(size.x / APART_ACROSS, false))
        .y_grid_spacer(round_marks(height / APART_UPWARDS, false))
        .set_margin_fraction(egui::vec2(0.04, 0.12))
        .allow_scroll(false)
        .allow_drag(false)
        .label_formatter(|_| None)
        .legend(egui_plot::Legend::default().position(egui_plot::Corner::RightBottom))
        .show(ui, |plot| {
            for (kind, found, _) in found {
                draw(plot, *kind, found, &visuals);
            }
        });
    response.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, format!("Ensembles: {summary}")));
}

fn draw(plot: &mut PlotUi<'_>, kind: EnsembleOf, found: &EnsembleFound, visuals: &Visuals) {
    let Look { color, style, shape } = Look::of(kind, visuals);
    let points = |values: &[PointValue]| -> Vec<[f64; 2]> {
        values.iter().enumerate().map(|(place, value)| [place as f64 + 1.0, 100.0 * value.accuracy]).collect()
    };
    let (single, together) = (points(&found.single), points(&found.together));
    let names = [format!("{} together", members(kind)), format!("{}, each alone", members(kind))];
    plot.line(Line::new(names[0].clone(), together.clone()).color(color).width(2.0).style(style).allow_hover(false));
    plot.points(Points::new(names[0].clone(), together).shape(shape).radius(4.0).color(color).allow_hover(false));
    let alone = Points::new(names[1].clone(), single).shape(shape).radius(4.0).filled(false);
    plot.points(alone.color(color).allow_hover(false));
}
