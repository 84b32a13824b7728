//! What the user wants, in the words of the domain, and what the rest of the house is asked to do about it.

use std::path::PathBuf;

use super::{CompareOver, EnsembleForm, ModeId, PairsShown, RunId, Settings, TrainingForm, TrajectoryId, WeightsShown};
use crate::checkpoint::Mends;
use crate::compute::DeviceChoice;
use crate::data::Normalization;
use crate::geometry::Family;
use crate::matching::Edits;
use crate::worker::{Command, DiskRequest};

/// An intent of the user.
#[derive(Clone, Debug)]
pub enum Action {
    /// Checkpoints, data files or folders, in any mix.
    Open(Vec<PathBuf>),
    /// A checkpoint that was refused, with changes to its names and shapes, or as the network of a description.
    OpenMended {
        path: PathBuf,
        mends: Mends,
        description: Option<PathBuf>,
    },
    /// Checkpoints that become the bends of the path, in order.
    OpenBends(Vec<PathBuf>),
    /// A map of neurons, for the families that go through one.
    OpenFlow(PathBuf),
    /// Trains a map of neurons on open modes.
    TrainFlow,
    /// `optdigits`, or a folder.
    OpenData(String),
    Normalize(Normalization),
    DismissSuggestion,
    RemoveMode(ModeId),
    RemoveTrajectory(TrajectoryId),
    /// Makes a checkpoint of a trajectory a mode, by its place.
    TakeCheckpoint(TrajectoryId, usize),
    /// Takes a file as another of the networks that it fits, by its place among `Mode::others`.
    TakeAs(ModeId, usize),
    /// Chooses the endpoints.
    SetEndpoints {
        a: ModeId,
        b: ModeId,
    },
    ChangeSettings(Box<Settings>),
    Align,
    /// Permutations of B that are judged instead of found.
    OpenPermutation(PathBuf),
    /// What is changed about the alignment that was found; `done` unless a slider is still held.
    EditPermutation {
        edits: Edits,
        done: bool,
    },
    UndoEdit,
    /// Goes back to the alignment that was found.
    ResetPermutation,
    /// Measures the barrier for each number of layers whose permutation is applied.
    SweepLayers,
    /// Whether paths end at aligned B or at B as it was loaded.
    UseAligned(bool),
    /// Fits the bends, from where they are.
    FindPath,
    /// Puts the bends back on the segment.
    ResetPath,
    /// The user drags a bend to a place on the plane; `done` when the mouse lets go.
    DragBend {
        bend: usize,
        x: f64,
        y: f64,
        done: bool,
    },
    /// The user zoomed to a part of the plane (x from, to, y from, to), or back to all of it.
    Look(Option<[f64; 4]>),
    /// Keeps the path as it is as a run.
    KeepRun,
    SetT(f64),
    /// Shows or hides what the network at t makes of some test images.
    ShowPredictions(bool),
    ChangeEnsemble(Box<EnsembleForm>),
    /// Asks for the ensembles that the pane is set to.
    AskTogether,
    /// Makes the mean of weights that SWA found a mode.
    TakeAverage,
    /// Shows or hides the curve with the units' statistics put right.
    ShowRepaired(bool),
    /// Looks for what excites some pairs of the alignment that is shown.
    Excite(PairsShown),
    /// Lays the weights of a group's units in A and aligned B side by side.
    CompareWeights(WeightsShown),
    /// Runs the chosen families one after another.
    Compare(CompareOver),
    /// Runs the four curves of Tatro et al. one after another.
    CompareFourCurves(CompareOver),
    /// Takes a family out of comparisons, or in again.
    LeaveOut(Family, bool),
    Restore(RunId),
    Pin(RunId, bool),
    RemoveRun(RunId),
    /// Stops everything that runs; what was found stays.
    CancelAll,
    UseDevice(DeviceChoice),
    /// Shows or hides the panel of trainings.
    ShowTraining(bool),
    ChangeTraining(Box<TrainingForm>),
    /// Names the description of the network that the panel trains.
    TrainDescribed(PathBuf),
    /// Names the folder for the networks on the way of a training.
    SaveTrajectory(PathBuf),
    /// Keeps trainings in this folder while they run, and offers those that are there.
    KeepTrainings(PathBuf),
    /// Goes on with an interrupted training, by its place.
    GoOnTraining(usize),
    /// Throws an interrupted training away, by its place.
    ForgetTraining(usize),
    /// Trains the modes that the panel is set to.
    Train,
    /// Ends the trainings; the mode that runs is kept as it is, or not.
    StopTraining {
        keep: bool,
    },
    DismissNotice(usize),
    DismissNotices,
    Save(PathBuf, Export),
    /// A picture or table that was drawn already.
    SaveBytes(PathBuf, Vec<u8>),
}

/// Networks that can be saved.
#[derive(Clone, Debug)]
pub enum Export {
    /// The network at the current t.
    PathPoint,
    /// All bends, one file each: `NAME.1.safetensors`, ...
    Bends,
    AlignedB,
    /// Where the units of aligned B come from: JSON, or arrays where the name ends in `.npz`.
    Permutation,
    /// The map of neurons in use.
    Flow,
    Mode(ModeId),
}

/// Work for other threads.
#[derive(Debug)]
pub enum Effect {
    Compute(Command),
    Disk(DiskRequest),
}
