//! A second named thread that opens and saves files, so that no frame waits for a disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::causes::causes;
use crate::checkpoint::{
    self, CheckpointError, Mends, Mode, ModeError, OpenOptions, Trajectory, permutations, save_params,
};
use crate::compute::FitCheckpoint;
use crate::data::{Dataset, Normalization};
use crate::geometry::FlowModel;
use crate::matching::Permutation;
use crate::net::{Network, ParamVec};
use crate::recipe::{self, Interrupted, Resume};
use crate::{data, files};

const CAPACITY: usize = 256;
/// The most checkpoints of one trajectory that are opened.
const MAX_CHECKPOINTS: usize = 200;

/// Work for the disk thread.
#[derive(Clone, Debug)]
pub enum DiskRequest {
    /// Checkpoints, data files or folders, in any mix.
    Open(Vec<PathBuf>),
    /// A checkpoint with changes to its names and shapes, or as the network of a description.
    OpenMended {
        path: PathBuf,
        mends: Mends,
        description: Option<PathBuf>,
    },
    OpenBends(Vec<PathBuf>),
    OpenFlow(PathBuf),
    SaveFlow {
        path: PathBuf,
        model: Arc<FlowModel>,
    },
    OpenData(String),
    /// Answered by `DiskEvent::Permutations`.
    OpenPermutation {
        path: PathBuf,
        network: Arc<Network>,
    },
    /// One a permutation group of the network: arrays where the name ends in `.npz`, otherwise JSON.
    SavePermutation {
        path: PathBuf,
        network: Arc<Network>,
        permutations: Vec<Permutation>,
    },
    SaveParams {
        path: PathBuf,
        network: Arc<Network>,
        params: Arc<ParamVec>,
        description: String,
    },
    SaveBytes {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    /// Saves a network on the way of a training and makes its folder; says nothing if all goes well.
    SaveEpoch {
        path: PathBuf,
        network: Arc<Network>,
        params: Arc<ParamVec>,
        description: String,
    },
    /// Answered by `DiskEvent::Description`.
    ReadDescription(PathBuf),
    /// The resume files of a folder. Answered by `DiskEvent::Interrupted`.
    ListTrainings(PathBuf),
    /// Writes a resume file and makes its folder; says nothing if all goes well.
    KeepTraining {
        resume: Box<Resume>,
        checkpoint: Box<FitCheckpoint>,
    },
    /// Answered by `DiskEvent::TrainingLoaded`.
    LoadTraining(Box<Resume>),
    /// Deletes a resume file.
    ForgetTraining(PathBuf),
}

/// What the disk thread answers.
#[derive(Debug)]
pub enum DiskEvent {
    Mode(Box<Mode>),
    /// The checkpoints of one run, in order.
    Trajectory {
        name: String,
        modes: Vec<Mode>,
        notes: Vec<String>,
    },
    /// Checkpoints for the bends of a path, in order.
    Bends(Vec<Mode>),
    /// One a permutation group of the network that was asked for.
    Permutations {
        path: PathBuf,
        permutations: Vec<Permutation>,
    },
    /// A map of neurons and the name of its file.
    Flow {
        name: String,
        model: Arc<FlowModel>,
    },
    /// A data set and the usual ways to scale its pixels, by name.
    Data {
        dataset: Arc<Dataset>,
        usual: Vec<(String, Normalization)>,
    },
    /// A network's description, or why it is none.
    Description {
        path: PathBuf,
        network: Result<Arc<Network>, String>,
    },
    /// Trainings that earlier runs of the program did not finish.
    Interrupted(Vec<Interrupted>),
    /// What a training goes on from, or why it cannot.
    TrainingLoaded(Result<Box<FitCheckpoint>, Vec<String>>),
    Saved(PathBuf),
    /// A checkpoint whose network was not found, and the changes to its tensors that may help.
    Refused {
        path: PathBuf,
        headline: String,
        details: Vec<String>,
        mends: Vec<Mends>,
    },
    Failed {
        headline: String,
        details: Vec<String>,
    },
}

/// The disk thread. Dropping it lets what is queued finish first, so that no save is lost.
pub struct Disk {
    requests: Option<Sender<DiskRequest>>,
    events: Receiver<DiskEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// `notify` is called after each event, from the disk thread.
    pub fn spawn(notify: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (request_sender, request_receiver) = bounded(CAPACITY);
        let (event_sender, events) = bounded(CAPACITY);
        let thread = std::thread::Builder::new().name("disk".to_owned()).spawn(move || {
            for request in request_receiver {
                for event in carry_out(request) {
                    // Nobody listens any more, but saves that are queued are still made.
                    let _heard = event_sender.try_send(event);
                    notify();
                }
            }
        })?;
        Ok(Self { requests: Some(request_sender), events, thread: Some(thread) })
    }

    /// Hands over a request; `false` if the disk is hopelessly behind.
    pub fn send(&self, request: DiskRequest) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok())
    }

    pub fn try_event(&self) -> Option<DiskEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn carry_out(request: DiskRequest) -> Vec<DiskEvent> {
    match request {
        DiskRequest::Open(paths) => open_all(paths),
        DiskRequest::OpenMended { path, mends, description } => vec![open_mended(path, mends, description.as_deref())],
        DiskRequest::OpenBends(paths) => {
            let bends: Result<Vec<Mode>, _> = paths.iter().map(|path| Mode::open(path)).collect();
            vec![match bends {
                Ok(bends) => DiskEvent::Bends(bends),
                Err(error) => failed("The bends cannot be opened".to_owned(), &error),
            }]
        }
        DiskRequest::OpenFlow(path) => vec![match checkpoint::open_flow(&path) {
            Ok(model) => {
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                DiskEvent::Flow { name, model: Arc::new(model) }
            }
            Err(error) => failed("The map cannot be opened".to_owned(), &error),
        }],
        DiskRequest::SaveFlow { path, model } => vec![match checkpoint::save_flow(&path, &model, &BTreeMap::new()) {
            Ok(()) => DiskEvent::Saved(path),
            Err(error) => failed(format!("{} was not saved", path.display()), &error),
        }],
        DiskRequest::OpenData(spec) => vec![open_data(&spec)],
        DiskRequest::OpenPermutation { path, network } => vec![match permutations::read(&path, &network) {
            Ok(permutations) => DiskEvent::Permutations { path, permutations },
            Err(error) => failed("The permutation cannot be opened".to_owned(), &error),
        }],
        DiskRequest::SavePermutation { path, network, permutations } => {
            vec![match permutations::write(&path, &network, &permutations) {
                Ok(()) => DiskEvent::Saved(path),
                Err(error) => failed(format!("{} was not saved", path.display()), &error),
            }]
        }
        DiskRequest::SaveParams { path, network, params, description } => {
            vec![match save_network(&path, &network, &params, description) {
                Ok(()) => DiskEvent::Saved(path),
                Err(error) => failed(format!("{} was not saved", path.display()), &error),
            }]
        }
        DiskRequest::SaveEpoch { path, network, params, description } => {
            let made = folder_of(&path);
            let saved = made.map(|()| save_network(&path, &network, &params, description));
            quietly(format!("{} was not saved", path.display()), saved)
        }
        DiskRequest::ReadDescription(path) => {
            let network = checkpoint::read_description(&path).map(Arc::new).map_err(|error| error.to_string());
            vec![DiskEvent::Description { path, network }]
        }
        DiskRequest::ListTrainings(folder) => vec![DiskEvent::Interrupted(recipe::interrupted(&folder))],
        DiskRequest::KeepTraining { resume, checkpoint } => {
            let saved = folder_of(resume.path()).map(|()| resume.save(&checkpoint));
            quietly("The training cannot be kept, a crash would lose it".to_owned(), saved)
        }
        DiskRequest::LoadTraining(resume) => {
            vec![DiskEvent::TrainingLoaded(resume.load().map(Box::new).map_err(|error| causes(&error)))]
        }
        DiskRequest::ForgetTraining(path) => match fs::remove_file(&path) {
            // None was written if the training was short.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                vec![failed(format!("{} was not deleted", path.display()), &error)]
            }
            _ => Vec::new(),
        },
        DiskRequest::SaveBytes { path, bytes } => vec![match files::write_atomic(&path, &bytes) {
            Ok(()) => DiskEvent::Saved(path),
            Err(error) => failed(format!("{} was not saved", path.display()), &error),
        }],
    }
}

/// Each path is a folder of checkpoints, data, or a checkpoint.
fn open_all(paths: Vec<PathBuf>) -> Vec<DiskEvent> {
    let mut opened_data = false;
    let mut events = Vec::new();
    for path in paths {
        if path.is_dir()
            && let Ok(found) = checkpoint::trajectory(&path)
        {
            events.push(open_trajectory(&found));
            continue;
        }
        if data::holds_data(&path) {
            // The four files of one set may be dropped together.
            if !std::mem::replace(&mut opened_data, true) {
                events.push(open_data(&path.to_string_lossy()));
            }
            continue;
        }
        events.push(match Mode::open(&path) {
            Ok(mode) => DiskEvent::Mode(Box::new(mode)),
            Err(error) => refused(path, &error),
        });
    }
    events
}

/// A checkpoint that was refused before, as the user says it is to be understood.
fn open_mended(path: PathBuf, mends: Mends, description: Option<&Path>) -> DiskEvent {
    let network = description.map(|file| checkpoint::read_description(file).map(Arc::new)).transpose();
    let opened =
        network.and_then(|network| Mode::open_with(&path, &OpenOptions { network, mends, ..OpenOptions::default() }));
    match opened {
        Ok(mode) => DiskEvent::Mode(Box::new(mode)),
        Err(error) => refused(path, &error),
    }
}

/// A file that is no mode; where its tensors were read, with what else can be tried.
fn refused(path: PathBuf, error: &ModeError) -> DiskEvent {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let headline = format!("{name} cannot be opened");
    let mends = match error {
        ModeError::Recognise { .. } => vec![Mends { transpose: true, ..Mends::default() }],
        ModeError::DoesNotFit { report, .. } => report.helpful.iter().cloned().collect(),
        _ => return failed(headline, error),
    };
    DiskEvent::Refused { path, headline, details: causes(error), mends }
}

/// Every checkpoint of a run, or as many as are drawn, evenly chosen.
fn open_trajectory(found: &Trajectory) -> DiskEvent {
    let n = found.files.len();
    let n_opened = n.min(MAX_CHECKPOINTS);
    let mut notes = Vec::new();
    if n_opened < n {
        notes.push(format!("{n_opened} of {n} checkpoints are opened, evenly chosen"));
    }
    notes.extend(found.faults.iter().map(ToString::to_string));
    let mut modes = Vec::with_capacity(n_opened);
    for place in 0..n_opened {
        let file = &found.files[place * (n - 1) / (n_opened - 1).max(1)];
        match Mode::open(file) {
            Ok(mode) => modes.push(mode),
            Err(error) => notes.push(error.to_string()),
        }
    }
    let name = found.folder.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    if modes.is_empty() {
        return DiskEvent::Failed { headline: format!("No checkpoint of {name} can be opened"), details: notes };
    }
    DiskEvent::Trajectory { name, modes, notes }
}

fn open_data(spec: &str) -> DiskEvent {
    match data::open(spec) {
        Ok(dataset) => DiskEvent::Data { usual: Normalization::usual(&dataset), dataset: Arc::new(dataset) },
        Err(error) => failed("The data cannot be opened".to_owned(), &error),
    }
}

/// Saves a network with words on what it is.
fn save_network(path: &Path, network: &Network, params: &ParamVec, description: String) -> Result<(), CheckpointError> {
    let metadata = BTreeMap::from([
        ("lowroad".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("description".to_owned(), description),
    ]);
    save_params(path, network, params, &metadata)
}

/// Makes the folder that a file is to lie in.
fn folder_of(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// An event only if the folder or the file could not be written.
fn quietly(headline: String, saved: std::io::Result<Result<(), CheckpointError>>) -> Vec<DiskEvent> {
    match saved {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(error)) => vec![failed(headline, &error)],
        Err(error) => vec![failed(headline, &error)],
    }
}

fn failed(headline: String, error: &dyn std::error::Error) -> DiskEvent {
    DiskEvent::Failed { headline, details: causes(error) }
}
