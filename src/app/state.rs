//! The document and everything found so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alignment::AlignedBy;
use super::bending::Bending;
use super::by_hand::ByHandState;
use super::candidates::CandidateTrial;
use super::compare::CompareState;
use super::decisions::DecisionState;
use super::ensemble::EnsembleState;
use super::inspection::{Answers, PairsShown, WeightsShown};
use super::jobs::{JobInfo, Purpose};
use super::placing::Placing;
use super::predictions::PredictionState;
use super::repaired::RepairedState;
use super::robust::RobustState;
use super::runs::Run;
use super::trajectories::{PlacedTrajectory, TrajectoryState};
use super::{Adversary, BatchNormSettings, Metric, Notice, Settings, ThirdPoint, TrainingState};
use crate::checkpoint::Mode;
use crate::compute::{Alignment, BatchNorm, DataRef, Excited, GroupCheck, PointValue, StepReport, Trace};
use crate::data::{Attack, Dataset, Normalization, SplitName};
use crate::geometry::{
    Family, Grid, Path, PathPlane, PathProjection, Placement, Plane, PlaneError, Summary, summarise,
};
use crate::matching::WeightMatrices;
use crate::net::{Network, ParamVec};
use crate::worker::JobId;

/// Names a mode for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModeId(pub u64);

/// Everything the window draws.
#[derive(Debug, Default)]
pub struct AppState {
    pub settings: Settings,
    pub device: DeviceState,
    pub data: Option<DataState>,
    pub modes: Vec<ModeState>,
    pub trajectories: Vec<TrajectoryState>,
    /// The chosen endpoints, once there are two modes.
    pub endpoints: Option<(ModeId, ModeId)>,
    /// The endpoints' parameters in A's layout; an error says why they cannot be joined.
    pub pair: Option<Result<Pair, String>>,
    pub alignment: Option<AlignmentState>,
    /// What the user changed about it.
    pub by_hand: Option<ByHandState>,
    /// Whether paths end at aligned B (once there is an alignment).
    pub use_aligned: bool,
    pub path: Option<PathState>,
    pub curve: Option<CurveState>,
    pub plane: Option<PlaneState>,
    /// What the network at t decides; `None` unless examples are points of a plane.
    pub decisions: Option<DecisionState>,
    /// What the network at t makes of some test images, where the user wants to see it.
    pub predictions: Option<PredictionState>,
    /// The repaired curve, where the user wants to see it.
    pub repaired: Option<RepairedState>,
    /// The curve under attack, where the settings ask for it and the path is at rest.
    pub robust: Option<RobustState>,
    /// The part of the plane that the user zoomed to: x from, to, y from, to.
    pub look: Option<[f64; 4]>,
    /// Where the scrubber stands on the path.
    pub t: f64,
    pub runs: Vec<Run>,
    /// Jobs that run, in the order they were started.
    pub jobs: BTreeMap<JobId, JobInfo>,
    pub suggestion: Option<Suggestion>,
    pub notices: Vec<Notice>,
    pub training: TrainingState,
    pub compare: CompareState,
    pub ensembles: EnsembleState,
    /// Operations a second that the families' last connections came to.
    pub(super) speeds: BTreeMap<Family, f64>,
    /// What the alignment that runs is by.
    pub(super) aligning: Option<AlignedBy>,
    pub(super) trial: Option<NormalizationTrial>,
    pub(super) plane_choice: Option<PlaneChoice>,
    pub(super) placing: Vec<Placing>,
    pub(super) bending: Bending,
    /// The training run that is being put on the plane.
    pub(super) placed_trajectory: Option<PlacedTrajectory>,
    pub(super) excitement: Answers<PairsShown, Excited>,
    pub(super) weight_matrices: Answers<WeightsShown, WeightMatrices>,
    pub(super) next_id: u64,
}

/// The device that computes.
#[derive(Clone, Debug, Default)]
pub struct DeviceState {
    /// Empty until it is known.
    pub name: String,
    pub is_gpu: bool,
    pub choice: crate::compute::DeviceChoice,
}

/// The data set and how its pixels are scaled.
#[derive(Clone, Debug)]
pub struct DataState {
    pub dataset: Arc<Dataset>,
    pub normalization: Normalization,
    /// The usual ways to scale these pixels, by name.
    pub usual: Arc<Vec<(String, Normalization)>>,
    /// Changes with every change of the two above.
    pub(super) revision: u64,
}

impl DataState {
    /// The images of a split.
    pub fn split(&self, split: SplitName, limit: Option<usize>) -> DataRef {
        DataRef { dataset: Arc::clone(&self.dataset), split, normalization: self.normalization.clone(), limit }
    }

    /// Where the statistics of batch norm come from at points between networks.
    pub(super) fn batch_norm(&self, settings: Option<BatchNormSettings>) -> BatchNorm {
        match settings {
            Some(BatchNormSettings { recompute: true, n_images }) => {
                BatchNorm::Recompute(self.split(SplitName::Train, Some(n_images)))
            }
            _ => BatchNorm::Stored,
        }
    }

    /// Why a network cannot take these images, if it cannot.
    pub fn misfit(&self, network: &Network) -> Option<String> {
        let pixels = self.dataset.shape.pixels();
        if network.n_inputs() != pixels {
            return Some(format!("takes {} inputs, the images have {pixels} pixels", network.n_inputs()));
        }
        let n_classes = self.dataset.n_classes();
        (network.n_classes() < n_classes)
            .then(|| format!("has {} outputs, the data has {n_classes} classes", network.n_classes()))
    }
}

/// One loaded mode.
#[derive(Clone, Debug)]
pub struct ModeState {
    pub id: ModeId,
    pub mode: Arc<Mode>,
    pub scores: Scored,
    /// What moving its units at random showed, once it was tried.
    pub check: Option<GroupCheck>,
    /// The check was asked for; a failed one is not repeated.
    pub(super) check_asked: bool,
    /// Comparison of the networks that its file fits.
    pub(super) trial: Option<CandidateTrial>,
    /// The user chose among them.
    pub(super) is_chosen: bool,
    /// Data revision that `scores` belong to.
    pub(super) scored_on: Option<u64>,
}

/// Values on both splits, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scored {
    pub train: Option<PointValue>,
    pub test: Option<PointValue>,
}

impl Scored {
    pub fn split(&self, split: SplitName) -> Option<PointValue> {
        match split {
            SplitName::Train => self.train,
            SplitName::Test => self.test,
        }
    }

    pub(super) fn set(&mut self, split: SplitName, value: PointValue) {
        match split {
            SplitName::Train => self.train = Some(value),
            SplitName::Test => self.test = Some(value),
        }
    }
}

/// Two modes that can be joined.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) ends: (ModeId, ModeId),
    pub network: Arc<Network>,
    pub a: Arc<ParamVec>,
    /// B as it was loaded, in A's layout.
    pub b: Arc<ParamVec>,
}

/// An alignment of the current pair.
#[derive(Clone, Debug)]
pub struct AlignmentState {
    pub endpoints: (ModeId, ModeId),
    pub by: AlignedBy,
    pub result: Arc<Alignment>,
}

/// The current path.
#[derive(Clone, Debug)]
pub struct PathState {
    pub path: Arc<Path>,
    /// What it joins; it ends elsewhere where the family permutes B.
    pub(super) ends: (Arc<ParamVec>, Arc<ParamVec>),
    /// The family that was asked for, and its bends; until it is found, the path is a straight line.
    pub family: Family,
    pub aligned: bool,
    /// Changes with every change of the path.
    pub revision: u64,
    pub epochs_done: usize,
    /// What its last fit was against.
    pub attack: Option<Attack>,
    /// Loss of the fit: (epoch, mean minibatch loss), in order.
    pub losses: Vec<(f64, f64)>,
    pub last_step: Option<StepReport>,
    /// What a connection found beside the path.
    pub traces: Vec<Trace>,
    pub remarks: Vec<String>,
    /// Time that finding it took.
    pub seconds: f64,
    /// What chance was drawn from when it was found.
    pub seed: Option<u64>,
    /// The bends were read from files.
    pub from_files: bool,
    /// A bend was moved by the user.
    pub by_hand: bool,
    /// The user holds a bend now.
    pub dragging: bool,
    /// The fit that moves the bends, or the last one that did.
    pub(super) fit: Option<FitOf>,
    /// The connection that works it out, or the last one that did.
    pub(super) connect: Option<JobId>,
    pub(super) own_plane: Option<OwnPlane>,
    /// Where it falls on the plane that is drawn: it, or as it was a moment ago, by its revision.
    pub(super) placed: Option<(u64, Placement)>,
}

/// The search for the plane that shows most of a path.
#[derive(Clone, Debug)]
pub(super) struct OwnPlane {
    pub(super) path_revision: u64,
    pub(super) job: JobId,
    /// An error where the path has none.
    pub(super) found: Option<Result<Arc<PathPlane>, PlaneError>>,
}

/// A fit of one path: what it finds belongs to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FitOf {
    pub(super) job: JobId,
    /// Epochs that this fit adds.
    pub(super) epochs: usize,
    /// Epochs when it will be done, counted from the first fit of the path.
    pub(super) until: usize,
}

impl PathState {
    /// Nothing was found yet: the bends stand on the segment, or it is the segment.
    pub fn is_straight(&self) -> bool {
        let is_found = self.family.is_connected() && self.path.family() == self.family;
        self.epochs_done == 0 && self.fit.is_none() && !is_found && !self.by_hand && !self.from_files
    }

    /// It is the straight line, whatever its family.
    pub(super) fn is_line(&self) -> bool {
        self.is_straight() && self.family != Family::Arc
    }

    /// The plane that shows most of it, where it was sought and found.
    pub fn own_plane(&self) -> Option<&Arc<PathPlane>> {
        let own = self.own_plane.as_ref().filter(|own| own.path_revision == self.revision)?;
        own.found.as_ref()?.as_ref().ok()
    }

    /// Where the path falls on a plane, once that is known; of a path on the move, where it fell a moment ago.
    pub fn projection(&self, plane: &Arc<Plane>) -> Option<&Arc<PathProjection>> {
        let own = self.own_plane().filter(|own| Arc::ptr_eq(&own.plane, plane)).map(|own| &own.projection);
        let placed = self.placed.as_ref().map(|(_, placed)| placed).filter(|placed| Arc::ptr_eq(&placed.plane, plane));
        let placed = placed.map(|placed| &placed.projection);
        // What the user drags is ahead of the path.
        placed.or(own)
    }

    pub(super) fn is_found_by(&self, job: JobId) -> bool {
        self.fit.is_some_and(|fit| fit.job == job) || self.connect == Some(job)
    }
}

/// Values along the path.
#[derive(Clone, Debug)]
pub struct CurveState {
    pub ts: Vec<f64>,
    /// Lengths in weight space between neighbouring t.
    pub steps: Vec<f64>,
    pub test: Vec<Option<PointValue>>,
    pub train: Vec<Option<PointValue>>,
    /// Which values are still those of an earlier curve: (test, train).
    pub(super) stale: (Vec<bool>, Vec<bool>),
    pub(super) key: CurveKey,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CurveKey {
    pub(super) path_revision: u64,
    pub(super) data_revision: u64,
    pub(super) n_points: usize,
    pub(super) batch_norm: Option<BatchNormSettings>,
    /// Only few images and no training split, for a path that is on the move.
    pub(super) quick: bool,
}

impl CurveState {
    pub fn split(&self, split: SplitName) -> &[Option<PointValue>] {
        match split {
            SplitName::Train => &self.train,
            SplitName::Test => &self.test,
        }
    }

    pub(super) fn set(&mut self, split: SplitName, point: usize, value: PointValue) {
        let (values, stale) = self.split_mut(split);
        values[point] = Some(value);
        stale[point] = false;
    }

    /// Forgets the values of a split that are still those of an earlier curve.
    pub(super) fn forget_stale(&mut self, split: SplitName) {
        let (values, stale) = self.split_mut(split);
        forget(values, stale);
    }

    /// Forgets all values of a split.
    pub(super) fn forget(&mut self, split: SplitName) {
        let (values, stale) = self.split_mut(split);
        values.fill(None);
        stale.fill(false);
    }

    fn split_mut(&mut self, split: SplitName) -> (&mut Vec<Option<PointValue>>, &mut Vec<bool>) {
        match split {
            SplitName::Train => (&mut self.train, &mut self.stale.1),
            SplitName::Test => (&mut self.test, &mut self.stale.0),
        }
    }

    /// Euclidean, through the points.
    pub fn length(&self) -> f64 {
        self.steps.iter().sum()
    }

    /// Every point of both splits has a value of this very curve.
    pub(super) fn is_complete(&self) -> bool {
        let known = self.test.iter().chain(&self.train).all(Option::is_some);
        known && !self.stale.0.iter().chain(&self.stale.1).any(|stale| *stale)
    }

    /// Statistics of one metric of some values at its t, when every point has one.
    pub fn summary(&self, values: &[Option<PointValue>], metric: Metric) -> Option<Summary> {
        let values: Option<Vec<f64>> = values.iter().map(|value| Some(metric.of((*value)?))).collect();
        summarise(&self.ts, &values?, &self.steps)
    }

    /// Statistics of the loss, when every point has a value.
    pub fn loss_summary(&self, split: SplitName) -> Option<Summary> {
        self.summary(self.split(split), Metric::Loss)
    }

    /// Statistics of the test loss, and the least images that one of its values rests on, when every point has a value of
    /// this very curve.
    pub(super) fn fresh_test_loss(&self) -> Option<(Summary, usize)> {
        if self.stale.0.contains(&true) {
            return None;
        }
        let n_images = self.test.iter().flatten().map(|value| value.n_images).min()?;
        Some((self.loss_summary(SplitName::Test)?, n_images))
    }

    /// Statistics of the accuracy, when every point has a value.
    pub fn accuracy_summary(&self, split: SplitName) -> Option<Summary> {
        self.summary(self.split(split), Metric::Accuracy)
    }
}

/// The plane that is drawn.
#[derive(Clone, Debug)]
pub struct PlaneState {
    pub plane: Arc<Plane>,
    /// Name of the third point: "bend", "mean neuron", "C", ...
    pub third: String,
    pub grid: Grid,
    pub split: SplitName,
    /// What moved the images at every point before they were scored.
    pub adversary: Option<Adversary>,
    /// One a grid point, x first.
    pub values: Vec<Option<PointValue>>,
    /// Changes whenever the plane or its values do.
    pub revision: u64,
    pub(super) data_revision: u64,
    /// `None` where the network has no batch norm.
    pub(super) batch_norm: Option<BatchNormSettings>,
    /// What was done about batch norm, where there is some.
    pub statistics: Option<BatchNorm>,
    pub(super) quick: bool,
    /// Which values are still those of an earlier picture.
    pub(super) stale: Vec<bool>,
}

/// Empties what is stale.
fn forget(values: &mut [Option<PointValue>], stale: &mut [bool]) {
    for (value, stale) in values.iter_mut().zip(stale) {
        if std::mem::take(stale) {
            *value = None;
        }
    }
}

impl PlaneState {
    /// Forgets the values that are still those of an earlier picture.
    pub(super) fn forget_stale(&mut self) {
        forget(&mut self.values, &mut self.stale);
    }

    /// Every point has a value of this very plane.
    pub(super) fn is_complete(&self) -> bool {
        self.is_filled() && !self.stale.contains(&true)
    }

    /// Every point has a value, if only on few images or of an earlier picture.
    pub fn is_filled(&self) -> bool {
        self.values.iter().all(Option::is_some)
    }

    /// Distance in points between neighbours of the coarse picture that comes first.
    pub fn coarse_stride(&self) -> usize {
        self.grid.coarse_stride(super::refresh::coarse_points(self.batch_norm))
    }
}

/// The plane that serves a path and a choice of the third point, so that it is not worked out again at every event.
#[derive(Clone, Debug)]
pub(super) struct PlaneChoice {
    pub(super) path_revision: u64,
    pub(super) third: ThirdPoint,
    pub(super) n_modes: usize,
    pub(super) plane: Arc<Plane>,
    pub(super) name: String,
}

/// Another normalisation that scores better.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    pub label: String,
    pub normalization: Normalization,
    /// Accuracy on the same images, now and with the suggestion.
    pub accuracy_now: f64,
    pub accuracy_then: f64,
}

/// The usual normalisations being tried on one mode.
#[derive(Clone, Debug)]
pub(super) struct NormalizationTrial {
    pub(super) candidates: Vec<(String, Normalization)>,
    pub(super) accuracies: Vec<Option<f64>>,
    pub(super) data_revision: u64,
}

impl AppState {
    /// A number that was not given out before.
    pub(super) fn fresh(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn mode(&self, id: ModeId) -> Option<&ModeState> {
        self.modes.iter().find(|m| m.id == id)
    }

    /// The letter of a mode: its place in the list.
    pub fn letter(&self, id: ModeId) -> String {
        let place = self.modes.iter().position(|m| m.id == id).unwrap_or(0);
        match u8::try_from(place) {
            Ok(place) if place < 26 => char::from(b'A' + place).to_string(),
            _ => format!("#{}", place + 1),
        }
    }

    /// The pair that can be joined now.
    pub fn joined(&self) -> Option<&Pair> {
        self.pair.as_ref()?.as_ref().ok()
    }

    /// The alignment of the current pair, if there is one.
    pub fn current_alignment(&self) -> Option<&Arc<Alignment>> {
        let alignment = self.alignment.as_ref()?;
        (Some(alignment.endpoints) == self.endpoints).then_some(&alignment.result)
    }

    /// Where paths end: aligned B, or B as it was loaded.
    pub fn path_end(&self) -> Option<Arc<ParamVec>> {
        match self.shown_alignment() {
            Some(alignment) if self.use_aligned => Some(Arc::clone(&alignment.aligned)),
            _ => Some(Arc::clone(&self.joined()?.b)),
        }
    }

    /// Whether a job of this purpose runs.
    pub fn runs_job(&self, purpose: Purpose) -> bool {
        self.jobs.values().any(|job| job.purpose == purpose)
    }

    pub(super) fn job_of(&self, purpose: Purpose) -> Option<JobId> {
        self.jobs.iter().find(|(_, job)| job.purpose == purpose).map(|(id, _)| *id)
    }

    pub fn is_fitting(&self) -> bool {
        self.runs_job(Purpose::FindPath)
    }

    /// The path is on the move: fitted, dragged, or its end follows the hand.
    pub(super) fn is_path_moving(&self) -> bool {
        self.is_fitting() || self.path.as_ref().is_some_and(|p| p.dragging) || self.is_end_moving()
    }

    /// Aligned B follows the hand.
    pub(super) fn is_end_moving(&self) -> bool {
        self.by_hand.as_ref().is_some_and(ByHandState::is_moving)
    }

    pub fn notify(&mut self, notice: Notice) {
        if self.notices.last() != Some(&notice) {
            log::info!("{}: {}", notice.headline, notice.details.join("; "));
            self.notices.push(notice);
        }
    }
}
