//! Pictures and tables of what is on screen, as files.

use super::View;
use super::dialogs::{Chosen, Wish};
use crate::app::{Action, AppState, CurveState, Metric, Notice, RobustState, Run};
use crate::compute::PointValue;
use crate::data::{Attack, SplitName};
use crate::figures::{CurveLine, FamilyCurve, PlanePicture, curve_figure, ink, robust_figure};
use crate::render::figure::svg_to_png;

/// Pixels of an exported PNG for each unit of the figure.
const PNG_SCALE: f32 = 2.0;

/// The path under attack, on paper.
const ATTACK_INK: [u8; 3] = [190, 0, 60];

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
        Wish::ExportCurveCsv => table(state.curve.as_ref().ok_or_else(nothing)?, state.robust.as_ref()).into_bytes(),
        Wish::ExportRobustSvg => clean_and_robust(state).ok_or_else(nothing)?.into_bytes(),
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
        attack: plane.adversary.map(|adversary| adversary.attack),
        command: None,
    };
    Some(picture.figure().to_svg())
}

fn curves(state: &AppState, view: &View) -> Option<String> {
    let current = state.curve.as_ref()?;
    let mut lines = vec![line("test".to_owned(), [20; 3], current, &current.test)];
    if view.curve.train {
        lines.push(CurveLine { dashed: true, ..line("training".to_owned(), [120; 3], current, &current.train) });
    }
    if let Some(robust) = &state.robust {
        lines.push(under_attack("test", ATTACK_INK, current, robust));
    }
    for run in state.runs.iter().filter(|run| run.pinned) {
        let (label, color) = (run_label(run), ink(run.number + 2));
        if let Some(robust) = &run.robust {
            lines.push(under_attack(&label, color, &run.curve, robust));
        }
        lines.push(line(label, color, &run.curve, &run.curve.test));
    }
    Some(curve_figure(&lines, view.curve.metric, view.curve.log, None).to_svg())
}

/// `values`: at the curve's t.
fn line<'a>(label: String, color: [u8; 3], curve: &'a CurveState, values: &'a [Option<PointValue>]) -> CurveLine<'a> {
    CurveLine { label, color, dashed: false, ts: &curve.ts, values }
}

fn under_attack<'a>(of: &str, color: [u8; 3], curve: &'a CurveState, robust: &'a RobustState) -> CurveLine<'a> {
    let label = format!("{of}, under attack (PGD {})", robust.adversary.attack);
    CurveLine { dashed: true, ..line(label, color, curve, &robust.values) }
}

/// Clean and robust loss and accuracy of the path and of pinned runs (METHODS-ALIGNMENT, F8).
fn clean_and_robust(state: &AppState) -> Option<String> {
    let (path, curve, robust) = (state.path.as_ref()?, state.curve.as_ref()?, state.robust.as_ref()?);
    let mut clean = vec![family_curve("this path".to_owned(), curve, &curve.test)];
    let mut attacked = vec![family_curve(String::new(), curve, &robust.values)];
    for run in state.runs.iter().filter(|run| run.pinned && run.path.revision != path.revision) {
        if let Some(robust) = &run.robust {
            clean.push(family_curve(run_label(run), &run.curve, &run.curve.test));
            attacked.push(family_curve(String::new(), &run.curve, &robust.values));
        }
    }
    let (attack, n_images) = (robust.adversary.attack, robust.n_images());
    let caption = format!(
        "{} points. Robust: on the first {n_images} test images, attacked at each point anew (PGD {attack}).",
        curve.ts.len()
    );
    Some(robust_figure(&clean, &attacked, SplitName::Test, caption).to_svg())
}

/// `values`: at the curve's t.
fn family_curve(label: String, curve: &CurveState, values: &[Option<PointValue>]) -> FamilyCurve {
    let along = |metric: Metric| {
        curve.ts.iter().zip(values).filter_map(|(&t, value)| Some((t, metric.of((*value)?)))).collect()
    };
    FamilyCurve { label, losses: along(Metric::Loss), accuracies: along(Metric::Accuracy), ..FamilyCurve::default() }
}

fn run_label(run: &Run) -> String {
    format!("{}: {}, {}", run.number, run.title(), run.pair)
}

/// One row a point: t, then loss and accuracy on both splits, and under attack where that is shown, with the attack.
fn table(curve: &CurveState, robust: Option<&RobustState>) -> String {
    let mut text = "t,test_loss,test_accuracy,train_loss,train_accuracy".to_owned();
    if robust.is_some() {
        text += ",robust_loss,robust_accuracy,attack_eps,attack_step,attack_steps";
    }
    text.push('\n');
    let cells = |value: Option<PointValue>| match value {
        Some(v) => format!("{},{}", v.loss, v.accuracy),
        None => ",".to_owned(),
    };
    for (index, t) in curve.ts.iter().enumerate() {
        text += &format!("{t},{},{}", cells(curve.test[index]), cells(curve.train[index]));
        if let Some(robust) = robust {
            let Attack { eps, step, n_steps } = robust.adversary.attack;
            text += &format!(",{},{eps},{step},{n_steps}", cells(robust.values[index]));
        }
        text.push('\n');
    }
    text
}
