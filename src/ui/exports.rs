//! Pictures and tables of what is on screen, as files.

use super::View;
use super::dialogs::{Chosen, Wish};
use crate::app::{Action, AppState, CurveState, Notice, Run};
use crate::data::SplitName;
use crate::figures::{CurveLine, PlanePicture, curve_figure, ink};
use crate::render::figure::svg_to_png;

/// Pixels of an exported PNG for each unit of the figure.
const PNG_SCALE: f32 = 2.0;

/// The action that saves an export; a notice when there is nothing to draw.
pub(super) fn export(state: &AppState, view: &View, chosen: &Chosen) -> Result<Action, Notice> {
    let nothing = || Notice::warning("There is nothing to export yet");
    let path = chosen.paths.first().cloned().ok_or_else(nothing)?;
    let bytes = match chosen.wish {
        Wish::ExportLandscapePng => {
            let svg = landscape(state, view).ok_or_else(nothing)?;
            svg_to_png(&svg, PNG_SCALE).map_err(|error| Notice::error("The picture could not be drawn", &error))?
        }
        Wish::ExportLandscapeSvg => landscape(state, view).ok_or_else(nothing)?.into_bytes(),
        Wish::ExportCurveSvg => curves(state, view).ok_or_else(nothing)?.into_bytes(),
        Wish::ExportCurveCsv => table(state.curve.as_ref().ok_or_else(nothing)?).into_bytes(),
        _ => return Err(nothing()),
    };
    Ok(Action::SaveBytes(path, bytes))
}

fn landscape(state: &AppState, view: &View) -> Option<String> {
    let (plane, path) = (state.plane.as_ref()?, state.path.as_ref()?);
    let (a, b) = state.endpoints?;
    let b_name = state.letter(b);
    let picture = PlanePicture {
        plane: &plane.plane,
        grid: plane.grid,
        values: &plane.values,
        metric: state.settings.plane.metric,
        split: plane.split,
        style: view.style.clone(),
        names: [state.letter(a), if path.aligned { format!("aligned {b_name}") } else { b_name }, plane.third.clone()],
        path: Some(&path.path),
        statistics: plane.statistics.clone(),
        attack: None,
        command: None,
    };
    Some(picture.figure().to_svg())
}

fn curves(state: &AppState, view: &View) -> Option<String> {
    let current = state.curve.as_ref()?;
    let line = |label: String, color, dashed, curve, split| CurveLine {
        label,
        color,
        dashed,
        ts: ts(curve),
        values: values(curve, split),
    };
    let mut lines = vec![line("test".to_owned(), [20; 3], false, current, SplitName::Test)];
    if view.curve.train {
        lines.push(line("training".to_owned(), [120; 3], true, current, SplitName::Train));
    }
    for run in state.runs.iter().filter(|run| run.pinned) {
        lines.push(line(run_label(run), ink(run.number + 2), false, &run.curve, SplitName::Test));
    }
    Some(curve_figure(&lines, view.curve.metric, view.curve.log, None).to_svg())
}

fn run_label(run: &Run) -> String {
    format!("{}: {}, {}", run.number, run.title(), run.pair)
}

fn ts(curve: &CurveState) -> &[f64] {
    &curve.ts
}

fn values(curve: &CurveState, split: SplitName) -> &[Option<crate::compute::PointValue>] {
    curve.split(split)
}

/// One row a point: t, then loss and accuracy on both splits.
fn table(curve: &CurveState) -> String {
    let mut text = "t,test_loss,test_accuracy,train_loss,train_accuracy\n".to_owned();
    let cells = |value: &Option<crate::compute::PointValue>| match value {
        Some(v) => format!("{},{}", v.loss, v.accuracy),
        None => ",".to_owned(),
    };
    for ((t, test), train) in curve.ts.iter().zip(&curve.test).zip(&curve.train) {
        text += &format!("{t},{},{}\n", cells(test), cells(train));
    }
    text
}
