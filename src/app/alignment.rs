//! Lining B up with A: what is asked for, and what becomes of the answer.

use std::path::Path;
use std::sync::Arc;

use super::jobs::Purpose;
use super::refresh::{fitting_pair, start};
use super::state::AlignmentState;
use super::{AppState, Effect, Notice};
use crate::compute::{AlignSpec, Alignment, Proximal};
use crate::geometry::Path as GeometryPath;
use crate::matching::{AlignMethod, Choice as _, Permutation};
use crate::worker::{DiskRequest, Lane, Request};

/// Largest logit difference that rounding explains; beyond it an alignment is not trusted.
const SEAL_TOLERANCE: f64 = 1e-2;

/// Where an alignment comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlignedBy {
    Method(AlignMethod),
    /// Permutations of a file, by its name.
    File(String),
}

impl AlignedBy {
    /// Behind the name of a path that ends there: "Bézier curve, PAM aligned".
    pub fn phrase(&self) -> String {
        let phrase = match self {
            Self::Method(AlignMethod::Activation) => "aligned",
            Self::Method(AlignMethod::Weight) => "aligned by weights",
            Self::Method(AlignMethod::Pam) => "PAM",
            Self::Method(AlignMethod::PamAligned) => "PAM aligned",
            Self::Method(AlignMethod::Random) => "shuffled",
            Self::Method(AlignMethod::Identity) => "identity",
            Self::File(name) => return format!("permuted as in {name}"),
        };
        phrase.to_owned()
    }
}

/// What the curve phase of PAM adds to a fit of the current path, if its end was found by PAM.
pub(super) fn proximal(state: &AppState) -> Option<Proximal> {
    let (pair, path) = (state.joined()?, state.path.as_ref().filter(|path| path.aligned)?);
    let AlignedBy::Method(method) = &state.alignment.as_ref()?.by else { return None };
    let (a, b) = (Arc::clone(&path.ends.0), Arc::clone(&path.ends.1));
    let start = GeometryPath::straight(&pair.network, path.path.curve()?, a, b);
    let nu = state.settings.align.options.pam.nu;
    method.is_pam().then(|| Proximal { anchors: start.bends().to_vec(), nu })
}

/// Aligns by the method that is set.
pub(super) fn begin(state: &mut AppState) -> Option<Effect> {
    let method = state.settings.align.options.method;
    let label = format!("Aligning B to A: {}", method.entry().label);
    begin_by(state, AlignedBy::Method(method), label, None)
}

/// Applies the permutations of a file, one a group, and judges them.
pub(super) fn apply(state: &mut AppState, path: &Path, given: Vec<Permutation>) -> Option<Effect> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    begin_by(state, AlignedBy::File(name.clone()), format!("Permuting B as in {name}"), Some(given))
}

fn begin_by(state: &mut AppState, by: AlignedBy, label: String, given: Option<Vec<Permutation>>) -> Option<Effect> {
    let (pair, data) = (fitting_pair(state)?, state.data.as_ref()?);
    let settings = &state.settings.align;
    let samples = data.split(settings.split, Some(settings.n_samples));
    let spec = AlignSpec {
        options: settings.options,
        given,
        with_null: true,
        attack: settings.attack,
        ..AlignSpec::new(pair.network, pair.a, pair.b, samples)
    };
    state.aligning = Some(by);
    Some(start(state, Purpose::Align, Lane::Alignment, label, Request::Align(spec)))
}

/// Reads permutations for the current pair.
pub(super) fn open(state: &mut AppState, path: &Path) -> Option<Effect> {
    let Some(pair) = fitting_pair(state) else {
        state.notify(Notice::warning("Open two networks and their data before a permutation of the second one"));
        return None;
    };
    Some(Effect::Disk(DiskRequest::OpenPermutation { path: path.to_owned(), network: pair.network }))
}

/// Writes the permutations that are shown.
pub(super) fn save(state: &AppState, path: &Path) -> Option<Effect> {
    let (pair, alignment) = (state.joined()?, state.shown_alignment()?);
    let (network, permutations) = (Arc::clone(&pair.network), alignment.report.permutations());
    Some(Effect::Disk(DiskRequest::SavePermutation { path: path.to_owned(), network, permutations }))
}

pub(super) fn on_aligned(state: &mut AppState, alignment: Alignment) {
    let (Some(endpoints), Some(by)) = (state.endpoints, state.aligning.take()) else {
        return;
    };
    warn_if_broken(state, &alignment);
    state.look = None;
    state.alignment = Some(AlignmentState { endpoints, by, result: Arc::new(alignment) });
    state.use_aligned = true;
}

/// Says so when the permuted network does not compute what the original does.
pub(super) fn warn_if_broken(state: &mut AppState, alignment: &Alignment) {
    let difference = alignment.seal.max_logit_difference;
    if SEAL_TOLERANCE < difference || difference.is_nan() {
        let detail = format!("the largest difference of the logits is {difference:.3e}");
        let notice = Notice::warning("The aligned network does not compute what B computes");
        state.notify(notice.with_details(vec![detail]));
    }
}
