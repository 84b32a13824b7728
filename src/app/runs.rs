//! The filmstrip: every finished path with what it was made from and what came of it.

use std::sync::Arc;

use super::jobs::Purpose;
use super::robust::RobustState;
use super::state::{AlignmentState, CurveState, ModeId, PathState, PlaneState};
use super::{AppState, ByHandState, Effect, Settings, refresh};
use crate::data::SplitName;
use crate::geometry::Family;

/// Cards kept; the oldest that is not pinned goes first.
const MAX_RUNS: usize = 200;

/// Names a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// One finished path. Restoring it is instant: nothing is computed again.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    /// Counts from 1 in the order of making.
    pub number: usize,
    pub endpoints: (ModeId, ModeId),
    /// "A to B", "A to aligned B".
    pub pair: String,
    pub settings: Settings,
    pub alignment: Option<AlignmentState>,
    /// What the user had changed about it.
    pub by_hand: Option<ByHandState>,
    pub path: PathState,
    pub curve: CurveState,
    /// The curve under attack, if it was evaluated.
    pub robust: Option<RobustState>,
    pub plane: Option<PlaneState>,
    pub pinned: bool,
}

impl Run {
    /// "Bézier curve, 1 bend"; a curve that was not bent yet is what it looks like.
    pub fn title(&self) -> String {
        if self.path.is_straight() && (self.path.family.is_fitted() || self.path.family.is_connected()) {
            return "Straight line".to_owned();
        }
        let family = self.path.family.label();
        let control = if self.path.family == Family::Simplex { "connector" } else { "bend" };
        match self.path.path.bends().len() {
            0 => family.to_owned(),
            1 => format!("{family}, 1 {control}"),
            n => format!("{family}, {n} {control}s"),
        }
    }

    /// The way it was found, for tables: a path that was not bent is the straight line, whatever its family.
    pub fn method(&self) -> String {
        let method = if self.path.is_line() { Family::Linear.label().to_owned() } else { self.title() };
        match phrase(self.alignment.as_ref(), self.by_hand.is_some()) {
            Some(phrase) => format!("{method}, {phrase}"),
            None => method,
        }
    }

    /// Whether this is the card of a path: the same one, or the same straight line drawn again.
    fn is_of(&self, path: &PathState, data_revision: u64) -> bool {
        let (old, new) = (&self.path.path, &path.path);
        let same_line = self.path.is_line() && path.is_line()
            || self.path.is_straight() && path.is_straight() && old.family() == new.family();
        let same_ends = Arc::ptr_eq(old.start(), new.start()) && Arc::ptr_eq(old.end(), new.end());
        let same_data = self.curve.key.data_revision == data_revision;
        self.path.revision == path.revision || same_line && same_ends && same_data
    }

    /// The loss barrier on the test split, nats.
    pub fn barrier(&self) -> Option<f64> {
        self.curve.loss_summary(SplitName::Test).map(|s| s.barrier)
    }

    /// The lowest accuracy along the path on the test split.
    pub fn worst_accuracy(&self) -> Option<f64> {
        self.curve.accuracy_summary(SplitName::Test).map(|s| s.min)
    }
}

/// How the end of a path was aligned, if it was.
fn phrase(alignment: Option<&AlignmentState>, is_by_hand: bool) -> Option<String> {
    alignment.map(|alignment| if is_by_hand { "aligned by hand".to_owned() } else { alignment.by.phrase() })
}

/// Makes or renews the card of the current path once its values along t are complete.
pub(super) fn record_if_complete(state: &mut AppState) {
    let is_known = |curve: &CurveState| curve.test.iter().all(Option::is_some);
    if state.curve.as_ref().is_some_and(is_known) && !state.runs_job(Purpose::Curve(SplitName::Test)) {
        record(state);
    }
}

/// Makes or renews the card of the current path.
pub(super) fn record(state: &mut AppState) {
    let (Some(path), Some(curve), Some(endpoints)) = (&state.path, &state.curve, state.endpoints) else {
        return;
    };
    if state.is_path_moving() || curve.key.quick || curve.key.path_revision != path.revision {
        return;
    }
    // A plane that was drawn for another path may stand a while longer.
    let is_shown_for_it = |plane: &PlaneState| {
        let choice = state.plane_choice.as_ref().filter(|choice| choice.path_revision == path.revision);
        choice.is_some_and(|choice| Arc::ptr_eq(&choice.plane, &plane.plane))
    };
    // What is still evaluated rests on few images so far: a card would pass it off as final.
    let plane = state.plane.clone().filter(|plane| plane.is_complete() && is_shown_for_it(plane));
    let plane = plane.filter(|_| !state.runs_job(Purpose::Plane));
    let robust =
        state.robust.clone().filter(|robust| robust.is_complete_for(curve) && !state.runs_job(Purpose::Robust));
    let mut curve = curve.clone();
    for split in [SplitName::Test, SplitName::Train] {
        if state.runs_job(Purpose::Curve(split)) {
            curve.forget(split);
        }
        curve.forget_stale(split);
    }
    if let Some(run) = state.runs.iter_mut().find(|run| run.is_of(path, curve.key.data_revision)) {
        run.path = path.clone();
        run.curve = curve;
        run.robust = robust;
        let settings = std::mem::replace(&mut run.settings, state.settings.clone());
        match plane {
            Some(plane) => run.plane = Some(plane),
            // Until the new plane stands, the card keeps the old one with the settings that it was drawn with.
            None if run.plane.is_some() => run.settings.plane = settings.plane,
            None => {}
        }
        return;
    }
    let is_by_hand = path.aligned && state.is_changed_by_hand();
    let by_hand = state.by_hand.as_ref().filter(|_| is_by_hand).map(ByHandState::at_rest);
    let alignment = state.alignment.clone().filter(|_| path.aligned);
    let (a, b) = (state.letter(endpoints.0), state.letter(endpoints.1));
    let pair = match phrase(alignment.as_ref(), by_hand.is_some()) {
        Some(phrase) if phrase == "aligned" => format!("{a} to aligned {b}"),
        Some(phrase) => format!("{a} to {b}, {phrase}"),
        None => format!("{a} to {b}"),
    };
    let number = state.runs.iter().map(|run| run.number).max().unwrap_or(0) + 1;
    let run = Run {
        id: RunId(state.next_id + 1),
        number,
        endpoints,
        pair,
        settings: state.settings.clone(),
        alignment,
        by_hand,
        path: path.clone(),
        curve,
        robust,
        plane,
        pinned: false,
    };
    state.next_id += 1;
    // What is dragged further is the same card, not one card for every tug.
    if path.by_hand {
        state.runs.retain(|old| !old.path.by_hand || old.pinned || old.endpoints != endpoints);
    }
    if run.by_hand.is_some() && path.is_straight() {
        let is_older = |old: &Run| old.by_hand.is_some() && old.path.is_straight() && old.endpoints == endpoints;
        state.runs.retain(|old| !is_older(old) || old.pinned);
    }
    state.runs.push(run);
    if MAX_RUNS < state.runs.len()
        && let Some(oldest) = state.runs.iter().position(|run| !run.pinned)
    {
        state.runs.remove(oldest);
    }
}

/// Puts a run back on the table. What is evaluated for the path that leaves it is ended: its values belong nowhere else.
pub(super) fn restore(state: &mut AppState, id: RunId, effects: &mut Vec<Effect>) {
    let Some(run) = state.runs.iter().find(|run| run.id == id).cloned() else {
        return;
    };
    if state.mode(run.endpoints.0).is_none() || state.mode(run.endpoints.1).is_none() {
        state.notify(super::Notice::warning("This run's networks are no longer open"));
        return;
    }
    state.settings = run.settings;
    state.endpoints = Some(run.endpoints);
    state.use_aligned = run.path.aligned;
    if run.alignment.is_some() {
        state.alignment = run.alignment;
        state.by_hand = run.by_hand;
    }
    state.path = Some(run.path);
    for purpose in [SplitName::Test, SplitName::Train].map(Purpose::Curve) {
        refresh::drop_job(state, purpose, effects);
    }
    refresh::drop_job(state, Purpose::Robust, effects);
    state.curve = Some(run.curve).filter(CurveState::is_complete);
    state.robust = run.robust;
    if run.plane.is_some() {
        refresh::drop_job(state, Purpose::Plane, effects);
        state.plane = run.plane;
        state.plane_choice = None;
    }
}
