//! Several networks asked together: points of the path, the open modes, networks that a training collects that goes on from a
//! mode (FGE), and modes that share their lower layers (WA-ensembles). What they are worth is the accuracy of the mean of their
//! softmax outputs (Garipov et al. 2018, section 4). Beside them, one network that is the mean of many (SWA).

mod work;

pub(super) use work::{
    ask, end, on_continued, on_finished, on_heads_made, on_interrupted, on_scored, on_step, refresh,
};

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::events::add_mode;
use super::search::{Expectation, expected};
use super::{AppState, BatchNormSettings, ModeId};
use crate::checkpoint::Mode;
use crate::compute::{AdjustmentOptions, ContinueSpec, Cost, Head, HeadsSpec, PointValue, heads_cost};
use crate::data::SplitName;
use crate::net::{ParamVec, Sequence};
use crate::recipe::{Collect, Continuation};
use work::{Made, Running};

/// Points of a path that can be asked together.
pub const POINTS: RangeInclusive<usize> = 2..=32;

/// Which ensembles are asked for at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnsembleKind {
    #[default]
    PathAndModes,
    Fge,
    Swa,
    /// Modes that share their lower layers.
    Heads,
}

impl EnsembleKind {
    pub const ALL: [Self; 4] = [Self::PathAndModes, Self::Fge, Self::Swa, Self::Heads];
}

/// What the pane is set to.
#[derive(Clone, Debug, PartialEq)]
pub struct EnsembleForm {
    pub kind: EnsembleKind,
    /// Points of the path that are asked.
    pub n_points: usize,
    /// The mode that FGE and SWA go on from; A, unless it is open.
    pub from: Option<ModeId>,
    pub fge: Continuation,
    pub swa: Continuation,
    /// Of the order of the training images.
    pub seed: u64,
}

impl Default for EnsembleForm {
    fn default() -> Self {
        Self {
            kind: EnsembleKind::default(),
            n_points: 5,
            from: None,
            fge: Continuation::fge(),
            swa: Continuation::swa(),
            seed: 0,
        }
    }
}

impl EnsembleForm {
    /// How training goes on, where the kind is one that trains.
    pub fn continuation(&self) -> Option<&Continuation> {
        match self.kind {
            EnsembleKind::Fge => Some(&self.fge),
            EnsembleKind::Swa => Some(&self.swa),
            EnsembleKind::PathAndModes | EnsembleKind::Heads => None,
        }
    }
}

/// Who the members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnsembleOf {
    /// Points of the current path, both ends among them; between neighbours it is equally long.
    PathPoints,
    /// The open modes that have the pair's architecture, in the order of the list.
    Modes,
    /// Networks at the minima of a learning rate that goes down and up.
    Fge,
    /// No ensemble: where a training went on from, where it ended, and the mean of its networks' weights.
    Swa,
    /// The open modes, but the first of them has the lower layers of all.
    Heads(Head),
}

/// What ensembles came to.
#[derive(Clone, Debug, Default)]
pub struct EnsembleState {
    pub form: EnsembleForm,
    /// The newest of each kind, in the order in which they were found.
    found: Vec<EnsembleFound>,
    /// Whose turn is still to come.
    waiting: VecDeque<EnsembleOf>,
    running: Option<Running>,
    /// Members that were made and are to be asked next.
    made: Option<Made>,
    /// Operations a second that the last training and the last fit of heads came to.
    training_speed: Option<f64>,
    heads_speed: Option<f64>,
}

/// What members are worth by themselves and together, on the test images.
#[derive(Clone, Debug)]
pub struct EnsembleFound {
    /// Each member by itself.
    pub single: Vec<PointValue>,
    /// The first 1, 2, .. members together.
    pub together: Vec<PointValue>,
    /// The mean of weights, where that is what was sought, and of how many networks it is.
    pub averaged: Option<(Arc<ParamVec>, usize)>,
    /// The letter of the mode that a training went on from, or whose lower layers are shared.
    pub from: Option<String>,
    /// "stopped after 3 of 20 epochs".
    pub remark: Option<String>,
    asked: Asked,
}

impl EnsembleFound {
    pub fn of(&self) -> EnsembleOf {
        self.asked.members.of()
    }
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
    Continued { from: ModeId, continuation: Continuation, seed: u64 },
    Heads { modes: Vec<ModeId>, head: Head, options: AdjustmentOptions, n_images: Option<usize> },
}

impl Members {
    fn of(&self) -> EnsembleOf {
        match self {
            Self::Points { .. } => EnsembleOf::PathPoints,
            Self::Modes(_) => EnsembleOf::Modes,
            Self::Continued { continuation: Continuation { collect: Collect::Fge { .. }, .. }, .. } => EnsembleOf::Fge,
            Self::Continued { continuation: Continuation { collect: Collect::Swa { .. }, .. }, .. } => EnsembleOf::Swa,
            Self::Heads { head, .. } => EnsembleOf::Heads(*head),
        }
    }
}

impl AppState {
    /// The newest ensembles, each with whether it is one of what is open and set now.
    pub fn ensembles_found(&self) -> impl Iterator<Item = (&EnsembleFound, bool)> {
        self.ensembles.found.iter().map(|found| {
            let is_current = self.ensemble_question(found.of()).as_ref() == Some(&found.asked);
            (found, is_current)
        })
    }

    /// The newest ensemble of a kind, and whether it is one of what is open and set now.
    pub fn ensemble(&self, of: EnsembleOf) -> Option<(&EnsembleFound, bool)> {
        self.ensembles_found().find(|(found, _)| found.of() == of)
    }

    /// Modes that can be asked together with A.
    pub fn ensemble_modes(&self) -> Vec<ModeId> {
        let Some(pair) = self.joined() else { return Vec::new() };
        let fits =
            |id: &ModeId| self.mode(*id).is_some_and(|entry| pair.network.difference(&entry.mode.network).is_none());
        self.modes.iter().map(|entry| entry.id).filter(fits).collect()
    }

    /// The mode that FGE and SWA go on from.
    pub fn ensemble_start(&self) -> Option<ModeId> {
        let chosen = self.ensembles.form.from.filter(|id| self.mode(*id).is_some());
        chosen.or(self.endpoints.map(|(a, _)| a)).or(self.modes.first().map(|entry| entry.id))
    }

    /// Why the ensembles that the pane is set to cannot be asked for, if they cannot.
    pub fn ensemble_obstacle(&self) -> Option<String> {
        let form = &self.ensembles.form;
        let Some(data) = &self.data else { return Some("there are no images".to_owned()) };
        if let Some(continuation) = form.continuation() {
            let Some(entry) = self.ensemble_start().and_then(|id| self.mode(id)) else {
                return Some("there is no mode to go on from".to_owned());
            };
            return data.misfit(&entry.mode.network).or(continuation.check().err().map(|error| error.to_string()));
        }
        let Some(pair) = self.joined() else { return Some("it needs two modes of one architecture".to_owned()) };
        data.misfit(&pair.network).or_else(|| {
            let is_heads = form.kind == EnsembleKind::Heads;
            Sequence::of(&pair.network).err().filter(|_| is_heads)
        })
    }

    /// What the ensembles that the pane is set to will take; `None` where that is not worth telling or not known.
    pub fn ensemble_expectation(&self) -> Option<Expectation> {
        if self.ensemble_obstacle().is_some() {
            return None;
        }
        match self.ensembles.form.kind {
            EnsembleKind::PathAndModes => None,
            EnsembleKind::Fge | EnsembleKind::Swa => {
                Some(expected(self.continue_spec()?.cost(), self.ensembles.training_speed))
            }
            EnsembleKind::Heads => {
                let costs =
                    self.ensemble_heads().into_iter().filter_map(|head| Some(heads_cost(&self.heads_spec(head)?)));
                let sum = |sum: Cost, one: Cost| Cost { flops: sum.flops + one.flops, bytes: sum.bytes.max(one.bytes) };
                Some(expected(costs.reduce(sum)?, self.ensembles.heads_speed))
            }
        }
    }

    /// All heads that a WA-ensemble can have, raw and adjusted; none where the network is no chain of layers.
    fn ensemble_heads(&self) -> Vec<Head> {
        let sequence = self.joined().and_then(|pair| Sequence::of(&pair.network).ok());
        let n_layers = sequence.map_or(0, |sequence| sequence.layers().len());
        (1..=n_layers).flat_map(|layers| [false, true].map(|adjusted| Head { layers, adjusted })).collect()
    }

    /// The training that would go on now.
    fn continue_spec(&self) -> Option<ContinueSpec> {
        let (form, data) = (&self.ensembles.form, self.data.as_ref()?);
        let mode = &self.mode(self.ensemble_start()?)?.mode;
        let images = data.split(SplitName::Train, None);
        Some(form.continuation()?.spec(&mode.network, &mode.params, images, form.seed))
    }

    /// The members that would be made now.
    fn heads_spec(&self, head: Head) -> Option<HeadsSpec> {
        let (pair, data) = (self.joined()?, self.data.as_ref()?);
        let connect = &self.settings.path.connect;
        let members = self.ensemble_modes();
        let members = members.iter().map(|id| self.mode(*id)?.mode.params_for(&pair.network).ok());
        Some(HeadsSpec {
            network: Arc::clone(&pair.network),
            members: members.collect::<Option<_>>()?,
            head,
            train: data.split(SplitName::Train, connect.n_images),
            options: connect.options.adjustment,
        })
    }

    /// What asking an ensemble would be about now.
    fn ensemble_question(&self, of: EnsembleOf) -> Option<Asked> {
        let (data, form) = (self.data.as_ref()?, &self.ensembles.form);
        let continued = |continuation: &Continuation| {
            let from = self.ensemble_start()?;
            Some(Members::Continued { from, continuation: continuation.clone(), seed: form.seed })
        };
        let members = match of {
            EnsembleOf::PathPoints => {
                let has_statistics = self.joined()?.network.layout().has_statistics();
                let batch_norm = has_statistics.then_some(self.settings.batch_norm);
                Members::Points { path_revision: self.path.as_ref()?.revision, n: form.n_points, batch_norm }
            }
            EnsembleOf::Modes => Members::Modes(self.ensemble_modes()),
            EnsembleOf::Fge => continued(&form.fge)?,
            EnsembleOf::Swa => continued(&form.swa)?,
            EnsembleOf::Heads(head) => {
                let connect = &self.settings.path.connect;
                let (options, n_images) = (connect.options.adjustment, connect.n_images);
                Members::Heads { modes: self.ensemble_modes(), head, options, n_images }
            }
        };
        Some(Asked { data_revision: data.revision, members })
    }
}

/// Changes what the pane is set to.
pub(super) fn change(state: &mut AppState, form: EnsembleForm) {
    let n_points = form.n_points.clamp(*POINTS.start(), *POINTS.end());
    state.ensembles.form = EnsembleForm { n_points, ..form };
}

/// Makes the mean of weights a mode.
pub(super) fn take_average(state: &mut AppState) {
    let found = state.ensembles.found.iter().find(|found| found.of() == EnsembleOf::Swa);
    let Some((params, n)) = found.and_then(|found| found.averaged.clone()) else {
        return;
    };
    let Some(Members::Continued { from, .. }) = found.map(|found| &found.asked.members) else {
        return;
    };
    let Some(start) = state.mode(*from).map(|entry| Arc::clone(&entry.mode)) else {
        state.notify(super::Notice::warning("The mode that this mean was trained from is no longer open"));
        return;
    };
    let name = format!("{}, mean of {n} (SWA)", start.name);
    let network = Arc::clone(&start.network);
    add_mode(state, Mode { name, path: None, network, params, notes: Vec::new(), others: Vec::new() });
}
