//! The pane of ensembles: what points of the path, the open modes, networks of a training that goes on, and modes with lower
//! layers in common are worth when they are asked together, and what the mean of weights is.

mod plot;

use egui::{Align, Button, ComboBox, DragValue, Label, Layout, ProgressBar, RichText, ScrollArea, Ui};

use super::connect_controls::expectation_text;
use super::theme;
use crate::app::{
    Action, AppState, ENSEMBLE_POINTS, EnsembleForm, EnsembleFound, EnsembleKind, EnsembleOf, JobInfo, Purpose,
};
use crate::compute::{Head, PointValue};
use crate::recipe::{Collect, Continuation};

/// Height of the plot in panes that are too low.
const LEAST_PLOT: f32 = 130.0;
/// Width of the words, of the pane's.
const WORDS_SHARE: f32 = 0.4;
/// Room that a number and its name take.
const FIELD_WIDTH: f32 = 110.0;

pub(super) fn show(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    // Where the pane is too low for all of it, it scrolls: the plot keeps a height at which it can be read.
    let pane = ui.available_height();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let top = ui.cursor().top();
        let mut form = state.ensembles.form.clone();
        kinds(ui, &mut form);
        match state.jobs.values().find(|job| job.purpose == Purpose::Ensemble) {
            Some(job) => progress(ui, job, actions),
            None => controls(ui, state, &mut form, actions),
        }
        let kind = form.kind;
        if form != state.ensembles.form {
            actions.push(Action::ChangeEnsemble(Box::new(form)));
        }
        let found: Vec<_> = state.ensembles_found().collect();
        if found.is_empty() {
            ui.label(RichText::new(explanation(kind)).weak());
            return;
        }
        let used = ui.cursor().top() - top;
        results(ui, &found, (pane - used).max(LEAST_PLOT), actions);
    });
}

fn explanation(kind: EnsembleKind) -> &'static str {
    match kind {
        EnsembleKind::PathAndModes => {
            "Several networks together, by the mean of their softmax outputs, are often better than the best of them. Points of \
             a path are cheap to have: are they different enough?"
        }
        EnsembleKind::Fge => {
            "Fast geometric ensembling (Garipov et al. 2018): training goes on from a mode in cycles, in each of which the \
             learning rate goes down and up again; the networks at its minima are asked together"
        }
        EnsembleKind::Swa => {
            "Stochastic weight averaging (Izmailov et al. 2018): training goes on from a mode at a constant learning rate; the \
             mean of the weights is one network, often better than any of those it is of"
        }
        EnsembleKind::Heads => {
            "WA-ensembles (Anokhin & Yarotsky 2020): the modes share the lower layers of the first of them. How many upper \
             layers must be a member's own, with the lowest of them fitted to the shared ones and without?"
        }
    }
}

/// What can be asked for.
fn kinds(ui: &mut Ui, form: &mut EnsembleForm) {
    ui.horizontal_wrapped(|ui| {
        for kind in EnsembleKind::ALL {
            let label = match kind {
                EnsembleKind::PathAndModes => "Path and modes",
                EnsembleKind::Fge => "FGE",
                EnsembleKind::Swa => "SWA",
                EnsembleKind::Heads => "Shared layers",
            };
            ui.selectable_value(&mut form.kind, kind, label).on_hover_text(explanation(kind));
        }
    });
}

/// The settings of the kind, its button, and what it will take.
fn controls(ui: &mut Ui, state: &AppState, form: &mut EnsembleForm, actions: &mut Vec<Action>) {
    let obstacle = state.ensemble_obstacle();
    ui.horizontal_wrapped(|ui| {
        let n_modes = state.ensemble_modes().len();
        let text = match form.kind {
            EnsembleKind::PathAndModes => {
                let tip = "Both ends among them; equally far from one to the next";
                let points = DragValue::new(&mut form.n_points).range(ENSEMBLE_POINTS).speed(0.1);
                field(ui, "Points of the path", tip, points);
                format!("Ask them, and {n_modes} modes, together")
            }
            EnsembleKind::Fge | EnsembleKind::Swa => {
                from(ui, state, form);
                let continuation = if form.kind == EnsembleKind::Fge { &mut form.fge } else { &mut form.swa };
                rates(ui, continuation);
                let tip = "Of the order of the training images: the same seed gives the same networks";
                field(ui, "Seed", tip, DragValue::new(&mut form.seed));
                let n = form.continuation().map_or(0, Continuation::n_collected);
                let what = if form.kind == EnsembleKind::Fge { "ask" } else { "average" };
                format!("Train on and {what} {n} networks")
            }
            EnsembleKind::Heads => format!("Share lower layers among {n_modes} modes"),
        };
        // The path's points are those of a path that stands.
        let is_ready = obstacle.is_none() && (form.kind != EnsembleKind::PathAndModes || is_path_at_rest(state));
        if ui.add_enabled(is_ready, Button::new(text)).on_hover_text("On all test images").clicked() {
            actions.push(Action::AskTogether);
        }
        if let Some(expected) = state.ensemble_expectation() {
            let tip = "An estimate: from the operations it needs and how fast the last of its kind went";
            let text = RichText::new(expectation_text(expected)).small();
            ui.add(Label::new(text).extend()).on_hover_text(tip);
        }
    });
    if let Some(reason) = obstacle {
        ui.label(RichText::new(reason).small().color(ui.visuals().warn_fg_color));
    }
}

fn is_path_at_rest(state: &AppState) -> bool {
    state.curve.is_some() && !state.is_fitting()
}

/// The mode that a training goes on from.
fn from(ui: &mut Ui, state: &AppState, form: &mut EnsembleForm) {
    let Some(start) = state.ensemble_start() else { return };
    let mut chosen = start;
    let label = ui.label("From");
    let name = |id| format!("{} {}", state.letter(id), state.mode(id).map_or("", |entry| &entry.mode.name));
    let combo = ComboBox::from_id_salt("ensemble start").selected_text(state.letter(start)).width(40.0);
    let shown = combo.show_ui(ui, |ui| {
        for entry in &state.modes {
            ui.selectable_value(&mut chosen, entry.id, name(entry.id));
        }
    });
    shown.response.labelled_by(label.id).on_hover_text(format!("Training goes on from {}", name(start)));
    if chosen != start {
        form.from = Some(chosen);
    }
}

/// Epochs, which networks count, and learning rates.
fn rates(ui: &mut Ui, continuation: &mut Continuation) {
    let descent = &mut continuation.descent;
    let tip = "Passes over the training images";
    field(ui, "Epochs", tip, DragValue::new(&mut descent.epochs).range(1..=10_000).speed(0.2));
    let rate = |value| DragValue::new(value).range(1e-7..=10.0).speed(1e-4).max_decimals(7);
    match &mut continuation.collect {
        Collect::Fge { cycle, lowest_rate } => {
            // Odd cycles have their minimum in the middle of an epoch.
            let mut half = *cycle / 2;
            let tip = "Epochs from one network to the next (the paper: 2 to 4); an even number";
            let whole = |half: f64| format!("{}", 2.0 * half);
            let halved = |text: &str| text.trim().parse::<f64>().ok().map(|cycle| 0.5 * cycle);
            let value = DragValue::new(&mut half).range(1..=500).speed(0.1);
            field(ui, "Cycle", tip, value.custom_formatter(move |half, _| whole(half)).custom_parser(halved));
            *cycle = 2 * half;
            field(ui, "Rate from", "The highest learning rate of a cycle", rate(&mut descent.learning_rate));
            field(ui, "to", "The lowest learning rate of a cycle, where networks are taken", rate(lowest_rate));
        }
        Collect::Swa { every } => {
            let tip = "Epochs from one network that is averaged to the next";
            field(ui, "Average every", tip, DragValue::new(every).range(1..=1_000).speed(0.1));
            field(ui, "Rate", "The learning rate, constant", rate(&mut descent.learning_rate));
        }
    }
    let tip = "Images a step";
    field(ui, "Batch", tip, DragValue::new(&mut descent.batch_size).range(1..=100_000));
}

/// A number with its name in front, which stay together where lines are wrapped.
fn field(ui: &mut Ui, name: &str, tip: &str, value: DragValue<'_>) {
    if ui.available_size_before_wrap().x < FIELD_WIDTH {
        ui.end_row();
    }
    let label = ui.label(name).on_hover_text(tip);
    ui.add(value).labelled_by(label.id).on_hover_text(tip);
}

fn progress(ui: &mut Ui, job: &JobInfo, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let tip = "Networks that a training has collected are asked; what is found stays (Esc)";
        if ui.button("Stop").on_hover_text(tip).clicked() {
            actions.push(Action::CancelAll);
        }
        ui.add(ProgressBar::new(job.done as f32).desired_width(160.0).desired_height(10.0));
        ui.label(RichText::new(format!("{}…", job.label)).small());
    });
}

/// The results in words, beside their plot; they are its legend.
fn results(ui: &mut Ui, found: &[(&EnsembleFound, bool)], height: f32, actions: &mut Vec<Action>) {
    let rows = rows(found);
    let words: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let summary = words.join("; ");
    ui.horizontal_top(|ui| {
        let size = egui::vec2(WORDS_SHARE * ui.available_width(), height);
        ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
            ScrollArea::vertical().id_salt("ensembles in words").auto_shrink([false, false]).show(ui, |ui| {
                rows.iter().for_each(|row| in_words(ui, row, actions));
            });
        });
        plot::show(ui, found, height, &summary);
    });
}

fn in_words(ui: &mut Ui, row: &Row, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        plot::swatch(ui, row.of);
        ui.label(RichText::new(&row.text).small());
    });
    if row.of == EnsembleOf::Swa {
        let button = ui.small_button("Open the mean as a mode");
        if button.on_hover_text("To join it with others, to score and to save it").clicked() {
            actions.push(Action::TakeAverage);
        }
    }
}

/// A result in words; heads with as many layers, raw and adjusted, are one.
struct Row {
    of: EnsembleOf,
    text: String,
}

fn rows(found: &[(&EnsembleFound, bool)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &(found, is_current) in found {
        let text = match found.of() {
            EnsembleOf::Heads(_) => continue,
            EnsembleOf::Swa => describe_average(found, is_current),
            _ => describe(found, is_current),
        };
        rows.push(Row { of: found.of(), text });
    }
    let heads = found.iter().filter_map(|&(found, is_current)| Some((head_of(found)?, found, is_current)));
    let heads: Vec<_> = heads.collect();
    let n_layers = heads.iter().map(|(head, ..)| head.layers).max().unwrap_or(0);
    rows.extend((1..=n_layers).filter_map(|layers| {
        let alike: Vec<_> = heads.iter().filter(|(head, ..)| head.layers == layers).copied().collect();
        let text = describe_heads(layers, &alike)?;
        Some(Row { of: EnsembleOf::Heads(Head { layers, adjusted: true }), text })
    }));
    rows
}

fn head_of(found: &EnsembleFound) -> Option<Head> {
    match found.of() {
        EnsembleOf::Heads(head) => Some(head),
        _ => None,
    }
}

/// What the members are called.
fn members(found: &EnsembleFound) -> String {
    match found.of() {
        EnsembleOf::PathPoints => "points of the path".to_owned(),
        EnsembleOf::Modes => "open modes".to_owned(),
        EnsembleOf::Fge => format!("networks of FGE from {}", start_of(found)),
        EnsembleOf::Swa => format!("SWA from {}", start_of(found)),
        EnsembleOf::Heads(head) => format!("modes with heads of {}", head.label()),
    }
}

fn start_of(found: &EnsembleFound) -> &str {
    found.from.as_deref().unwrap_or_default()
}

/// Says of what it was, where that is not what is open and set now, and how it ended.
fn remarks(found: &EnsembleFound, is_current: bool) -> String {
    let earlier = match (is_current, found.of()) {
        (true, _) => "",
        (false, EnsembleOf::PathPoints) => " (of an earlier path)",
        (false, EnsembleOf::Modes | EnsembleOf::Heads(_)) => " (of other modes)",
        (false, EnsembleOf::Fge | EnsembleOf::Swa) => " (of other settings)",
    };
    found.remark.as_ref().map_or_else(|| earlier.to_owned(), |remark| format!("{earlier} ({remark})"))
}

/// "98.10 %, 0.062 nats".
fn worth(value: &PointValue) -> String {
    format!("{}, {} nats", exact_percent(value), theme::nats(value.loss))
}

fn exact_percent(value: &PointValue) -> String {
    format!("{:.2} %", 100.0 * value.accuracy)
}

/// "5 points of the path together 98.10 %, 0.062 nats; the best of them alone 97.60 %".
fn describe(found: &EnsembleFound, is_current: bool) -> String {
    let Some(all) = found.together.last() else { return String::new() };
    let best = found.single.iter().map(|value| value.accuracy).fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{} {} together {}; the best of them alone {:.2} %{}",
        found.together.len(),
        members(found),
        worth(all),
        100.0 * best,
        remarks(found, is_current)
    )
}

/// "SWA from A: the mean of 20 networks 98.10 %, 0.062 nats; A 97.60 %, the last network 97.20 %".
fn describe_average(found: &EnsembleFound, is_current: bool) -> String {
    let (Some((_, n)), [start, last, mean]) = (&found.averaged, found.single.as_slice()) else {
        return String::new();
    };
    format!(
        "{}: the mean of {n} networks {}; {} {}, the last network {}{}",
        members(found),
        worth(mean),
        start_of(found),
        exact_percent(start),
        exact_percent(last),
        remarks(found, is_current)
    )
}

/// "3 modes with 1 layer of their own on A's lower layers together 97.80 % adjusted, 97.10 % raw (dotted)"; `heads`: with so
/// many layers.
fn describe_heads(layers: usize, heads: &[(Head, &EnsembleFound, bool)]) -> Option<String> {
    let &(_, first, is_current) = heads.first()?;
    let accuracy = |adjusted: bool| {
        let (_, found, _) = heads.iter().find(|(head, ..)| head.adjusted == adjusted)?;
        Some(exact_percent(found.together.last()?))
    };
    let adjusted = accuracy(true).map(|accuracy| format!("{accuracy} adjusted"));
    let raw = accuracy(false).map(|accuracy| format!("{accuracy} raw (dotted)"));
    let values: Vec<String> = adjusted.into_iter().chain(raw).collect();
    let layers = if layers == 1 { "1 layer".to_owned() } else { format!("{layers} layers") };
    Some(format!(
        "{} modes with {layers} of their own on {}'s lower layers together {}{}",
        first.single.len(),
        start_of(first),
        values.join(", "),
        remarks(first, is_current)
    ))
}
