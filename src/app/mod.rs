//! The document: what the user set up, what was found, and what happens when. Drawn by `ui/`, which sends back
//! [`Action`]s; [`update::on_action`] and [`events::on_event`] turn those and the compute thread's events into changes of the
//! state and into [`Effect`]s. No egui, no burn, no files: all of it is tested without a window.

mod action;
mod alignment;
mod bending;
mod by_hand;
mod candidates;
mod compare;
pub mod compare_bands;
pub mod compare_table;
mod compare_tasks;
mod decisions;
mod ensemble;
mod estimate;
pub mod events;
mod flow_training;
mod inspection;
mod jobs;
mod kept_trainings;
mod notice;
mod pairing_game;
mod placing;
mod planes;
mod predictions;
mod refresh;
mod repaired;
mod robust;
mod runs;
mod search;
mod settings;
mod state;
mod training;
mod trajectories;
pub mod units_table;
pub mod update;

pub use action::{Action, Effect, Export};
pub use alignment::AlignedBy;
pub use by_hand::{Barrier, ByHandState};
pub use compare::{CompareState, RunningComparison};
pub use compare_tasks::{CompareOver, EndAt, Task, Way};
pub use decisions::DecisionState;
pub use ensemble::{EnsembleForm, EnsembleFound, EnsembleKind, EnsembleOf, EnsembleState, POINTS as ENSEMBLE_POINTS};
pub use inspection::{Answer, Answers, PairsShown, WeightsShown};
pub use jobs::{JobInfo, Purpose};
pub use kept_trainings::InterruptedTraining;
pub use notice::{Notice, Remedy, Severity};
pub use pairing_game::PairingGame;
pub use planes::marks_third_point;
pub use predictions::{Prediction, PredictionState};
pub use repaired::RepairedState;
pub use robust::RobustState;
pub use runs::{Run, RunId};
pub use search::Expectation;
pub use settings::{
    Adversary, AlignSettings, BatchNormSettings, ConnectSettings, FitSettings, FlowSettings, Metric, PathSettings,
    PlaneSettings, RobustSettings, Settings, ThirdPoint,
};
pub use state::{
    AlignmentState, AppState, CurveState, DataState, DeviceState, ModeId, ModeState, Pair, PathState, PlaneState,
    Scored, Suggestion,
};
pub use training::{RunningTraining, TrainingForm, TrainingState};
pub use trajectories::{TrajectoryId, TrajectoryState};
