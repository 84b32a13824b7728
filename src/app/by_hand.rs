//! The permutation as the user changes it: what was changed, what the path's barrier became with it, and a sweep over the
//! number of layers that take part.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alignment::warn_if_broken;
use super::jobs::Purpose;
use super::refresh::{drop_job, fitting_pair, start};
use super::{AppState, BatchNormSettings, Effect};
use crate::compute::{Alignment, RearrangeSpec};
use crate::data::SplitName;
use crate::geometry::Family;
use crate::matching::{Edits, GroupEdits};
use crate::net::ParamVec;
use crate::worker::{Lane, Request};

/// An alignment that the user changes.
#[derive(Clone, Debug)]
pub struct ByHandState {
    /// What is to be shown.
    pub edits: Edits,
    /// The alignment that is changed.
    found: Arc<Alignment>,
    /// What the applied edits made of it; the alignment itself where `None`.
    result: Option<Arc<Alignment>>,
    /// The edits that are shown, and those that are being worked out.
    applied: Edits,
    asked: Option<Edits>,
    /// Earlier edits, the last one last.
    history: Vec<Edits>,
    /// The user holds a slider now.
    is_dragging: bool,
    /// The number of layers that a sweep tries now.
    sweep: Option<usize>,
    depths: Depths,
}

/// A barrier, and the images that it was measured on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Barrier {
    /// Of the test loss, nats.
    pub loss: f64,
    pub n_images: usize,
}

/// Barriers of the straight path by the number of layers whose permutation is applied.
#[derive(Clone, Debug, Default)]
struct Depths {
    /// What they were measured with.
    setting: Option<Setting>,
    barriers: BTreeMap<usize, Barrier>,
}

/// Everything but the number of layers that decides about a barrier.
#[derive(Clone, Debug, PartialEq)]
struct Setting {
    groups: Vec<GroupEdits>,
    data_revision: u64,
    batch_norm: Option<BatchNormSettings>,
    family: Family,
}

impl ByHandState {
    fn new(found: Arc<Alignment>) -> Self {
        let none = Edits::none(found.report.groups.len());
        Self {
            edits: none.clone(),
            found,
            result: None,
            applied: none,
            asked: None,
            history: Vec::new(),
            is_dragging: false,
            sweep: None,
            depths: Depths::default(),
        }
    }

    pub fn can_undo(&self) -> bool {
        !self.history.is_empty()
    }

    /// Whether a sweep over all layers runs.
    pub fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// Number of layers whose permutation is applied, and the barrier then, where it was measured.
    pub fn barriers(&self) -> &BTreeMap<usize, Barrier> {
        &self.depths.barriers
    }

    /// Number of layers whose permutation is applied in what is shown.
    pub fn n_layers_shown(&self) -> usize {
        let n = self.applied.groups.len();
        self.applied.n_layers.map_or(n, |layers| layers.min(n))
    }

    /// As it is shown, with nothing under way: what a run keeps.
    pub(super) fn at_rest(&self) -> Self {
        Self { edits: self.applied.clone(), asked: None, is_dragging: false, sweep: None, ..self.clone() }
    }

    /// What is shown follows the hand, or a sweep.
    pub(super) fn is_moving(&self) -> bool {
        self.is_dragging || self.sweep.is_some()
    }

    /// Whether edits can be asked for now: behind a hand that moves, once the last ones are there, so that what is shown follows
    /// as fast as it can.
    fn may_ask(&self, wanted: &Edits) -> bool {
        match &self.asked {
            Some(asked) => !self.is_moving() && asked != wanted,
            None => true,
        }
    }

    /// What is to be shown now.
    fn wanted(&self) -> Edits {
        match self.sweep {
            Some(n_layers) => Edits { n_layers: Some(n_layers), ..self.edits.clone() },
            None => self.edits.clone(),
        }
    }
}

impl AppState {
    /// The alignment that is drawn and that paths end at: the user's, or the one that was found.
    pub fn shown_alignment(&self) -> Option<&Arc<Alignment>> {
        let found = self.current_alignment()?;
        let changed = self.by_hand.as_ref().filter(|by_hand| Arc::ptr_eq(&by_hand.found, found));
        Some(changed.and_then(|by_hand| by_hand.result.as_ref()).unwrap_or(found))
    }

    /// Whether what is shown was changed by hand.
    pub fn is_changed_by_hand(&self) -> bool {
        let both = self.current_alignment().zip(self.shown_alignment());
        both.is_some_and(|(found, shown)| !Arc::ptr_eq(found, shown))
    }

    /// The barrier of the straight path to aligned B, or to B as it was loaded, where a run of it is kept.
    pub fn straight_barrier(&self, aligned: bool) -> Option<Barrier> {
        let end: &Arc<ParamVec> = if aligned { &self.current_alignment()?.aligned } else { &self.joined()?.b };
        let (family, revision) = (straight_family(self), self.data.as_ref()?.revision);
        let run = self.runs.iter().rev().find(|run| {
            let path = &run.path;
            let is_line = path.is_straight() && (path.family == Family::Arc) == (family == Family::Arc);
            is_line && Arc::ptr_eq(path.path.end(), end) && run.curve.key.data_revision == revision
        })?;
        let n_images = run.curve.test.iter().flatten().map(|value| value.n_images).min()?;
        Some(Barrier { loss: run.barrier()?, n_images })
    }
}

/// The family of a path that was not bent yet.
fn straight_family(state: &AppState) -> Family {
    if state.settings.path.family == Family::Arc { Family::Arc } else { Family::Linear }
}

/// Takes the user's changes; `done` unless a slider is still held.
pub(super) fn edit(state: &mut AppState, edits: Edits, done: bool) {
    let Some(found) = state.current_alignment().cloned() else {
        return;
    };
    if !edits.fit(&found.report) {
        return;
    }
    let by_hand = state.by_hand.get_or_insert_with(|| ByHandState::new(found));
    by_hand.sweep = None;
    // All of one drag is undone at once.
    if !by_hand.is_dragging && by_hand.edits != edits {
        by_hand.history.push(by_hand.edits.clone());
    }
    by_hand.edits = edits;
    by_hand.is_dragging = !done;
    state.use_aligned = true;
}

/// Goes back to before the last change.
pub(super) fn undo(state: &mut AppState) {
    if let Some(by_hand) = &mut state.by_hand
        && let Some(edits) = by_hand.history.pop()
    {
        by_hand.edits = edits;
        by_hand.is_dragging = false;
        by_hand.sweep = None;
    }
}

/// Goes back to the alignment that was found; it can be undone.
pub(super) fn reset(state: &mut AppState) {
    if let Some(by_hand) = &state.by_hand {
        let none = Edits::none(by_hand.edits.groups.len());
        edit(state, none, true);
    }
}

/// Measures the barrier with the permutations of no layer, of the first one, and so on.
pub(super) fn sweep(state: &mut AppState) {
    let Some(found) = state.current_alignment().cloned() else {
        return;
    };
    let by_hand = state.by_hand.get_or_insert_with(|| ByHandState::new(found));
    by_hand.is_dragging = false;
    by_hand.sweep = Some(0);
    state.use_aligned = true;
    if state.path.as_ref().is_some_and(|path| !path.is_straight()) {
        state.path = None;
    }
}

/// What was asked for is worked out.
pub(super) fn on_rearranged(state: &mut AppState, alignment: Alignment) {
    let asked = state.by_hand.as_mut().and_then(|by_hand| by_hand.asked.take());
    let Some(asked) = asked else { return };
    warn_if_broken(state, &alignment);
    if let Some(by_hand) = &mut state.by_hand {
        by_hand.result = (!asked.is_none()).then(|| Arc::new(alignment));
        by_hand.applied = asked;
    }
}

/// What was asked for will not be worked out: what is shown stands.
pub(super) fn on_interrupted(state: &mut AppState) {
    if let Some(by_hand) = &mut state.by_hand {
        by_hand.asked = None;
        by_hand.sweep = None;
        by_hand.is_dragging = false;
        by_hand.edits = by_hand.applied.clone();
    }
}

/// Throws away changes of an alignment that is not the current one any more.
pub(super) fn forget_stale(state: &mut AppState, effects: &mut Vec<Effect>) {
    let current = state.current_alignment();
    let stands = |by_hand: &ByHandState| current.is_some_and(|found| Arc::ptr_eq(found, &by_hand.found));
    if state.by_hand.as_ref().is_some_and(|by_hand| !stands(by_hand)) {
        state.by_hand = None;
        drop_job(state, Purpose::Rearrange, effects);
    }
}

/// Remembers the barrier of what is shown, lets a sweep go on, and has worked out what is to be shown next.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(mut by_hand) = state.by_hand.take() else {
        return;
    };
    observe(state, &mut by_hand);
    let wanted = by_hand.wanted();
    let is_shown = by_hand.applied == wanted;
    if is_shown && by_hand.asked.take().is_some() {
        drop_job(state, Purpose::Rearrange, effects);
    } else if !is_shown
        && by_hand.may_ask(&wanted)
        && let Some(effect) = work_out(state, &by_hand, wanted.clone())
    {
        effects.push(effect);
        by_hand.asked = Some(wanted);
    }
    state.by_hand = Some(by_hand);
}

fn work_out(state: &mut AppState, by_hand: &ByHandState, edits: Edits) -> Option<Effect> {
    let (pair, data) = (fitting_pair(state)?, state.data.as_ref()?);
    let spec = RearrangeSpec {
        network: pair.network,
        b: pair.b,
        data: data.split(SplitName::Test, None),
        found: Arc::clone(&by_hand.found),
        edits,
    };
    let label = "Rearranging B's units".to_owned();
    Some(start(state, Purpose::Rearrange, Lane::Rearrangement, label, Request::Rearrange(spec)))
}

/// Notes the barrier of the straight path that stands, and takes a sweep one layer further once its own is known.
fn observe(state: &AppState, by_hand: &mut ByHandState) {
    let (Some(curve), Some(path), true) = (&state.curve, &state.path, state.use_aligned) else {
        by_hand.sweep = None;
        return;
    };
    let is_evaluated = curve.key.path_revision == path.revision && !state.runs_job(Purpose::Curve(SplitName::Test));
    if !is_evaluated || !path.is_straight() {
        return;
    }
    let n_layers = by_hand.n_layers_shown();
    let known = curve.fresh_test_loss();
    if let Some((loss, n_images)) = known {
        let setting = Setting {
            groups: by_hand.applied.groups.clone(),
            data_revision: curve.key.data_revision,
            batch_norm: curve.key.batch_norm,
            family: straight_family(state),
        };
        by_hand.depths.note(setting, n_layers, Barrier { loss: loss.barrier, n_images });
    }
    if by_hand.asked.is_none() && by_hand.sweep == Some(n_layers) {
        // A barrier that cannot be measured ends it.
        by_hand.sweep = known.and((n_layers < by_hand.edits.groups.len()).then_some(n_layers + 1));
    }
}

impl Depths {
    fn note(&mut self, setting: Setting, n_layers: usize, barrier: Barrier) {
        if self.setting.as_ref() != Some(&setting) {
            *self = Self { setting: Some(setting), barriers: BTreeMap::new() };
        }
        let known = self.barriers.entry(n_layers).or_insert(barrier);
        if known.n_images <= barrier.n_images {
            *known = barrier;
        }
    }
}
