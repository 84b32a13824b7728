//! Several networks asked together: points of the path, and the open modes. What they are worth is the accuracy of the mean of
//! their softmax outputs (Garipov et al. 2018, section 4).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::refresh::{fitting_pair, start};
use super::state::{Pair, Purpose};
use super::{AppState, BatchNormSettings, DataState, Effect, ModeId};
use crate::compute::{BatchNorm, Ensemble, EnsembleSpec, PointValue};
use crate::data::SplitName;
use crate::worker::{JobId, Lane, PathEnsembleSpec, Request};

/// Points of a path that can be asked together.
pub const POINTS: RangeInclusive<usize> = 2..=32;

/// Who the members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnsembleOf {
    /// Points of the current path, both ends among them; between neighbours it is equally long.
    PathPoints,
    /// The open modes that have the pair's architecture, in the order of the list.
    Modes,
}

impl EnsembleOf {
    pub const ALL: [Self; 2] = [Self::PathPoints, Self::Modes];
}

/// What ensembles came to.
#[derive(Clone, Debug)]
pub struct EnsembleState {
    /// Points of the path that are asked.
    pub n_points: usize,
    /// The newest of each kind.
    found: Vec<EnsembleFound>,
    /// Kinds whose turn is still to come.
    waiting: VecDeque<EnsembleOf>,
    /// What runs, and what it was asked for.
    running: Option<(JobId, Asked)>,
}

impl Default for EnsembleState {
    fn default() -> Self {
        Self { n_points: 5, found: Vec::new(), waiting: VecDeque::new(), running: None }
    }
}

/// What members are worth by themselves and together, on the test images.
#[derive(Clone, Debug)]
pub struct EnsembleFound {
    /// Each member by itself.
    pub single: Vec<PointValue>,
    /// The first 1, 2, .. members together.
    pub together: Vec<PointValue>,
    asked: Asked,
}

/// What an ensemble's values depend on.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    data_revision: u64,
    members: Members,
}

#[derive(Clone, Debug, PartialEq)]
enum Members {
    Points { path_revision: u64, n: usize, batch_norm: Option<BatchNormSettings> },
    Modes(Vec<ModeId>),
}

impl Members {
    fn kind(&self) -> EnsembleOf {
        match self {
            Self::Points { .. } => EnsembleOf::PathPoints,
            Self::Modes(_) => EnsembleOf::Modes,
        }
    }
}

impl AppState {
    /// The newest ensemble of a kind, and whether it is one of what is open now.
    pub fn ensemble(&self, of: EnsembleOf) -> Option<(&EnsembleFound, bool)> {
        let found = self.ensembles.found.iter().find(|found| found.asked.members.kind() == of)?;
        let is_current = self.ensemble_question(of).as_ref() == Some(&found.asked);
        Some((found, is_current))
    }

    /// Modes that can be asked together with A.
    pub fn ensemble_modes(&self) -> Vec<ModeId> {
        let Some(pair) = self.joined() else { return Vec::new() };
        let fits =
            |id: &ModeId| self.mode(*id).is_some_and(|entry| pair.network.difference(&entry.mode.network).is_none());
        self.modes.iter().map(|entry| entry.id).filter(fits).collect()
    }

    /// What asking an ensemble would be about now.
    fn ensemble_question(&self, of: EnsembleOf) -> Option<Asked> {
        let (pair, data) = (self.joined()?, self.data.as_ref()?);
        let batch_norm = pair.network.layout().has_statistics().then_some(self.settings.batch_norm);
        let members = match of {
            EnsembleOf::PathPoints => {
                let path_revision = self.path.as_ref()?.revision;
                Members::Points { path_revision, n: self.ensembles.n_points, batch_norm }
            }
            EnsembleOf::Modes => Members::Modes(self.ensemble_modes()),
        };
        Some(Asked { data_revision: data.revision, members })
    }
}

/// Asks points of the path and the modes, one after the other.
pub(super) fn ask(state: &mut AppState, n_points: usize) {
    state.ensembles.n_points = n_points.clamp(*POINTS.start(), *POINTS.end());
    state.ensembles.waiting = EnsembleOf::ALL.into();
}

/// What runs is the last; its job may be done before it can be cancelled.
pub(super) fn end(state: &mut AppState) {
    state.ensembles.waiting.clear();
}

/// Starts what is next.
pub(super) fn refresh(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.runs_job(Purpose::Ensemble) {
        return;
    }
    while let Some(of) = state.ensembles.waiting.pop_front() {
        let asked = state.ensemble_question(of);
        let (Some(pair), Some(data), Some(asked)) = (fitting_pair(state), state.data.clone(), asked) else {
            continue;
        };
        let Some(request) = request(state, &asked.members, &pair, &data) else { continue };
        let label = match &asked.members {
            Members::Points { n, .. } => format!("Asking {n} points of the path together"),
            Members::Modes(modes) => format!("Asking {} modes together", modes.len()),
        };
        let effect = start(state, Purpose::Ensemble, Lane::Ensemble, label, request);
        state.ensembles.running = state.job_of(Purpose::Ensemble).map(|job| (job, asked));
        effects.push(effect);
        return;
    }
}

fn request(state: &AppState, members: &Members, pair: &Pair, data: &DataState) -> Option<Request> {
    let network = Arc::clone(&pair.network);
    let images = data.split(SplitName::Test, None);
    match members {
        Members::Points { n, batch_norm, .. } => {
            let path = Arc::clone(&state.path.as_ref()?.path);
            let batch_norm = data.batch_norm(*batch_norm);
            Some(Request::EnsembleOnPath(PathEnsembleSpec { network, path, n_points: *n, data: images, batch_norm }))
        }
        Members::Modes(modes) => {
            // Those whose architecture differs were not counted in.
            let members =
                modes.iter().map(|id| state.mode(*id)?.mode.params_for(&network).ok()).collect::<Option<_>>()?;
            Some(Request::Ensemble(EnsembleSpec { network, members, data: images, batch_norm: BatchNorm::Stored }))
        }
    }
}

pub(super) fn on_scored(state: &mut AppState, job: JobId, ensemble: Ensemble) {
    let Some((_, asked)) = state.ensembles.running.take_if(|(running, _)| *running == job) else {
        return;
    };
    let Ensemble { single, together, .. } = ensemble;
    state.ensembles.found.retain(|found| found.asked.members.kind() != asked.members.kind());
    state.ensembles.found.push(EnsembleFound { single, together, asked });
}

/// What is not asked yet will not be.
pub(super) fn on_interrupted(state: &mut AppState) {
    state.ensembles.waiting.clear();
    state.ensembles.running = None;
}
