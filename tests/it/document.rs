//! The document without a window: what the user asks for, what the threads report, and what comes of both.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lowroad::app::{
    Action, AppState, Effect, Export, ModeId, Notice, Purpose, Settings, Severity, ThirdPoint, events, update,
};
use lowroad::checkpoint::Mode;
use lowroad::compute::{DeviceChoice, FitSpec, PointValue};
use lowroad::data::{Dataset, ImageShape, Normalization, Split, SplitName, Values, optdigits};
use lowroad::demo;
use lowroad::geometry::Family;
use lowroad::net::{ParamVec, zoo};
use lowroad::worker::{Command, Disk, DiskEvent, DiskRequest, Event, JobId, Lane, Request, Worker};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

mod by_hand;
mod cards;
mod maps;
mod networks;
mod pairs;
mod paths;
mod placing;
mod robust;

/// Far more than anything here takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(240);

/// The document and the threads behind it, without a window.
struct Desk {
    state: AppState,
    worker: Worker,
    disk: Disk,
    /// What was asked of the compute thread, in order.
    started: Vec<(JobId, Lane)>,
    /// The fits among it.
    fits: Vec<FitSpec>,
    /// What the compute thread said it works on.
    alive: BTreeMap<JobId, Lane>,
    most_planes_alive: usize,
}

impl Desk {
    /// An empty document with small pictures.
    fn empty() -> Self {
        let mut state = AppState::default();
        state.settings.plane.nx = 9;
        state.settings.plane.ny = 7;
        state.settings.path.n_points = 17;
        state.settings.path.fit.descent.epochs = 4;
        Self {
            state,
            worker: Worker::spawn(DeviceChoice::Cpu, || ()).unwrap(),
            disk: Disk::spawn(|| ()).unwrap(),
            started: Vec::new(),
            fits: Vec::new(),
            alive: BTreeMap::new(),
            most_planes_alive: 0,
        }
    }

    /// These modes on the embedded digits; nothing is computed yet.
    fn with(modes: Vec<Mode>) -> Self {
        let mut desk = Self::empty();
        desk.data(optdigits());
        for mode in modes {
            events::add_mode(&mut desk.state, mode);
        }
        desk.act(Action::SetT(0.5));
        desk
    }

    /// The demo with everything evaluated.
    fn demo() -> Self {
        let mut desk = Self::with(demo::modes());
        desk.settle();
        desk
    }

    /// The demo and a third mode, with everything evaluated.
    fn three() -> Self {
        let mut modes = demo::modes();
        modes.push(third_mode());
        let mut desk = Self::with(modes);
        desk.settle();
        desk
    }

    /// The demo with a path of two fitted bends.
    fn with_two_bends() -> Self {
        let mut desk = Self::demo();
        desk.set(|s| s.path.n_bends = 2);
        desk.settle();
        desk.find_path();
        desk
    }

    fn data(&mut self, dataset: Dataset) {
        let usual = Normalization::usual(&dataset);
        let event = DiskEvent::Data { dataset: Arc::new(dataset), usual };
        let effects = events::on_disk_event(&mut self.state, event);
        self.carry_out(effects);
    }

    fn act(&mut self, action: Action) {
        let effects = update::on_action(&mut self.state, action);
        self.carry_out(effects);
    }

    fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.state.settings.clone();
        change(&mut settings);
        self.act(Action::ChangeSettings(Box::new(settings)));
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Compute(command) => {
                    if let Command::Start { job, lane, request } = &command {
                        self.started.push((*job, *lane));
                        if let Request::Fit(spec) = &**request {
                            self.fits.push(spec.clone());
                        }
                    }
                    assert!(self.worker.send(command), "the compute thread takes no commands");
                }
                Effect::Disk(request) => assert!(self.disk.send(request)),
            }
        }
    }

    /// Takes in what the threads have to say now; returns whether that was anything.
    fn pump(&mut self) -> bool {
        let mut heard = false;
        while let Some(event) = self.worker.try_event() {
            heard = true;
            self.watch(&event);
            let effects = events::on_event(&mut self.state, event);
            self.carry_out(effects);
        }
        while let Some(event) = self.disk.try_event() {
            heard = true;
            let effects = events::on_disk_event(&mut self.state, event);
            self.carry_out(effects);
        }
        heard
    }

    fn watch(&mut self, event: &Event) {
        match event {
            Event::Started { job } => {
                let (_, lane) = self.started.iter().find(|(id, _)| id == job).unwrap();
                self.alive.insert(*job, *lane);
            }
            Event::Finished { job } | Event::Cancelled { job } | Event::Failed { job, .. } => {
                self.alive.remove(job);
            }
            _ => {}
        }
        let planes = self.alive.values().filter(|lane| **lane == Lane::Plane).count();
        self.most_planes_alive = self.most_planes_alive.max(planes);
    }

    fn until(&mut self, what: &str, reached: impl Fn(&AppState) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !reached(&self.state) {
            if !self.pump() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; jobs: {:?}; notices: {:?}",
                self.state.jobs.values().map(|job| &job.label).collect::<Vec<_>>(),
                self.state.notices
            );
        }
    }

    fn settle(&mut self) {
        self.until("nothing runs", |state| state.jobs.is_empty());
    }

    fn align(&mut self) {
        self.act(Action::Align);
        self.settle();
        assert!(self.state.current_alignment().is_some());
    }

    fn find_path(&mut self) {
        self.act(Action::FindPath);
        assert!(self.state.is_fitting());
        self.settle();
    }

    fn id(&self, place: usize) -> ModeId {
        self.state.modes[place].id
    }

    /// Drags a bend to a place on the plane and holds it there until the path goes through it.
    fn hold_bend(&mut self, bend: usize, (x, y): (f64, f64)) {
        let before = self.bend(bend);
        self.act(Action::DragBend { bend, x, y, done: false });
        self.until("the path follows", |s| !Arc::ptr_eq(&s.path.as_ref().unwrap().path.bends()[bend], &before));
    }

    /// The loss barrier on the test images, nats.
    fn barrier(&self) -> f64 {
        let curve = self.state.curve.as_ref().expect("there is a curve");
        curve.loss_summary(SplitName::Test).expect("the curve is complete").barrier
    }

    fn bend(&self, index: usize) -> Arc<ParamVec> {
        Arc::clone(&self.state.path.as_ref().unwrap().path.bends()[index])
    }

    fn midpoint(&self) -> ParamVec {
        let path = &self.state.path.as_ref().unwrap().path;
        ParamVec::combination(&[Arc::clone(path.start()), Arc::clone(path.end())], &[0.5, 0.5])
    }

    fn test_values(&self) -> Vec<PointValue> {
        let curve = self.state.curve.as_ref().unwrap();
        curve.test.iter().map(|v| v.expect("the curve is complete")).collect()
    }

    /// Starts a fit that takes long, and waits until it moved the bends.
    fn start_long_fit(&mut self) {
        self.set(|s| s.path.fit.descent.epochs = 5_000);
        self.act(Action::FindPath);
        let straight = self.bend(0);
        self.until("the fit moved a bend", |state| {
            state.path.as_ref().is_some_and(|p| p.path.bends()[0].distance(&straight) > 0.0)
        });
    }

    fn has_notice(&self, severity: Severity, words: &str) -> bool {
        let says = |n: &Notice| n.headline.contains(words) || n.details.iter().any(|d| d.contains(words));
        self.state.notices.iter().any(|n| n.severity == severity && says(n))
    }

    fn open_files(&mut self, paths: &[&Path]) {
        let n_modes = self.state.modes.len();
        self.act(Action::Open(paths.iter().map(|p| (*p).to_owned()).collect()));
        self.until("the files are open", |s| s.modes.len() == n_modes + paths.len());
        self.settle();
    }
}

/// Untrained weights for an architecture, as a mode.
fn untrained(name: &str, network: &str, seed: u64) -> Mode {
    let network = Arc::new(zoo::by_name(network).unwrap());
    let params = ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(seed));
    Mode { name: name.to_owned(), path: None, network, params: Arc::new(params), notes: Vec::new(), others: Vec::new() }
}

/// The demo's B, a little off.
fn third_mode() -> Mode {
    let b = demo::modes().remove(1);
    let mut params = (*b.params).clone();
    for (index, w) in params.values_mut().iter_mut().enumerate() {
        *w += 0.02 * ((index % 7) as f32 - 3.0);
    }
    Mode { name: "c".to_owned(), params: Arc::new(params), ..b }
}

/// Values without what a comparison of floats would stumble over.
fn bits(values: &[PointValue]) -> Vec<(u64, u64, usize)> {
    values.iter().map(|v| (v.loss.to_bits(), v.accuracy.to_bits(), v.n_images)).collect()
}

#[test]
fn the_demo_opens_with_a_barrier_and_aligning_lowers_it_without_changing_the_function() {
    let mut desk = Desk::demo();
    let before = desk.barrier();
    assert!(0.1 < before, "the demo's barrier is {before} nats");
    desk.align();
    let seal = desk.state.current_alignment().unwrap().seal;
    assert!(seal.max_logit_difference < 1e-3, "{seal:?}");
    assert_eq!(seal.n_same_class, seal.n_images);
    assert!(desk.state.use_aligned && desk.state.path.as_ref().unwrap().aligned);
    let after = desk.barrier();
    assert!(after < 0.5 * before, "{before} nats before, {after} after");
    desk.act(Action::UseAligned(false));
    desk.settle();
    assert_eq!(desk.barrier().to_bits(), before.to_bits(), "back to B as it was loaded");
}

#[test]
fn every_mode_is_scored_on_both_splits_at_once() {
    let desk = Desk::demo();
    for entry in &desk.state.modes {
        let (test, train) = (entry.scores.test.unwrap(), entry.scores.train.unwrap());
        assert!(0.9 < test.accuracy && test.accuracy < train.accuracy, "{test:?}, {train:?}");
        assert_eq!((test.n_images, train.n_images), (1797, 3823));
    }
    assert!(desk.state.suggestion.is_none(), "the demo's scaling is the right one");
}

#[test]
fn of_fifty_rapid_changes_the_last_one_wins_and_one_plane_at_most_is_worked_on() {
    let mut desk = Desk::demo();
    for change in 0..50 {
        desk.set(|s| {
            s.plane.nx = 12 + change;
            s.plane.ny = 61 - change;
        });
        desk.pump();
        let planes = desk.state.jobs.values().filter(|job| job.purpose == Purpose::Plane).count();
        assert!(planes <= 1, "{planes} plane jobs after change {change}");
    }
    desk.settle();
    let plane = desk.state.plane.as_ref().unwrap();
    assert_eq!((plane.grid.x.n, plane.grid.y.n), (61, 12));
    assert_eq!(plane.values.len(), 61 * 12);
    assert!(plane.values.iter().all(|v| v.is_some_and(|v| v.n_images == 1797)));
    assert!(desk.most_planes_alive <= 1, "{} planes at a time", desk.most_planes_alive);
    assert!(desk.state.notices.is_empty(), "{:?}", desk.state.notices);
}

#[test]
fn events_of_jobs_that_are_no_longer_wanted_change_nothing() {
    let mut desk = Desk::demo();
    desk.set(|s| s.plane.nx = 8);
    let old = desk.started.last().unwrap().0;
    desk.set(|s| s.plane.nx = 9);
    desk.settle();
    let picture = |s: &AppState| {
        let curve = s.curve.as_ref().unwrap();
        let plane = s.plane.as_ref().unwrap();
        (curve.test.clone(), plane.values.clone(), plane.revision, s.path.as_ref().unwrap().revision, s.runs.len())
    };
    let before = picture(&desk.state);
    let wrong = PointValue { loss: 0.0, accuracy: 1.0, n_images: 1 };
    let bend = desk.bend(0);
    for job in [old, JobId(u64::MAX)] {
        for event in [
            Event::Started { job },
            Event::Progress { job, done: 0.5 },
            Event::Values { job, values: vec![(0, wrong), (1_000_000, wrong)] },
            Event::Trained { job, vectors: vec![Arc::clone(&bend)], path: None, epochs_done: 7 },
            Event::Finished { job },
            Event::Cancelled { job },
            Event::Failed { job, error: lowroad::worker::JobError::Panicked("old".to_owned()) },
        ] {
            let effects = events::on_event(&mut desk.state, event);
            assert!(effects.is_empty(), "{effects:?}");
        }
    }
    assert!(before == picture(&desk.state), "an old event changed the picture");
    assert!(desk.state.notices.is_empty() && desk.state.jobs.is_empty());
}

#[test]
fn cancelling_leaves_no_value_of_an_earlier_picture() {
    let mut desk = Desk::demo();
    let plane = desk.state.plane.clone().unwrap();
    let length = plane.plane.length();
    desk.hold_bend(0, (0.5 * length, 0.2 * length));
    desk.act(Action::CancelAll);
    desk.settle();
    let curve = desk.state.curve.as_ref().unwrap();
    // The straight line's values rest on all images, those of a path on the move on fewer.
    assert!(curve.test.iter().flatten().all(|v| v.n_images < 1797), "{:?}", curve.test);
    desk.act(Action::DragBend { bend: 0, x: 0.5 * length, y: 0.2 * length, done: true });
    desk.settle();
    assert!(desk.test_values().iter().all(|v| v.n_images == 1797));
}

#[test]
fn a_save_that_fails_is_an_error_and_loses_nothing() {
    let mut desk = Desk::demo();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no").join("such").join("folder").join("point.safetensors");
    desk.act(Action::Save(nowhere.clone(), Export::PathPoint));
    desk.act(Action::SaveBytes(nowhere.with_extension("png"), vec![1, 2, 3]));
    desk.until("both failures are said", |s| s.notices.iter().filter(|n| n.severity == Severity::Error).count() == 2);
    assert!(desk.has_notice(Severity::Error, "point.safetensors"), "{:?}", desk.state.notices);
    assert!(0.1 < desk.barrier() && desk.state.modes.len() == 2);

    let target = folder.path().join("kept.safetensors");
    std::fs::write(&target, b"before").unwrap();
    let request = DiskRequest::OpenData("no/such/folder".to_owned());
    desk.carry_out(vec![Effect::Disk(request)]);
    desk.until("bad data is said", |s| s.notices.len() == 3);
    assert_eq!(desk.state.data.as_ref().unwrap().dataset.train.len(), 3823, "the data in use stays");
}

#[test]
fn without_a_gpu_the_cpu_is_used_with_a_warning_and_the_work_goes_on() {
    if lowroad::compute::Engine::open(DeviceChoice::Gpu).is_ok() {
        eprintln!("skipped: this machine has a GPU");
        return;
    }
    let mut desk = Desk::demo();
    desk.act(Action::UseDevice(DeviceChoice::Gpu));
    desk.until("the device answered", |s| !s.notices.is_empty());
    assert!(desk.has_notice(Severity::Warning, "Computing on the CPU"), "{:?}", desk.state.notices);
    assert!(!desk.state.notices[0].details.is_empty(), "the reason is there");
    assert!(!desk.state.device.is_gpu && desk.state.device.name.starts_with("CPU"));
    desk.set(|s| s.path.n_points = 5);
    desk.settle();
    assert!(0.1 < desk.barrier());
}

#[test]
fn changing_the_device_in_the_middle_finishes_the_pictures() {
    let mut desk = Desk::with(demo::modes());
    desk.set(|s| {
        s.plane.nx = 41;
        s.plane.ny = 41;
    });
    desk.act(Action::UseDevice(DeviceChoice::Cpu));
    desk.settle();
    // The device answers after the jobs it ended.
    while !desk.alive.is_empty() {
        desk.pump();
    }
    desk.settle();
    let plane = desk.state.plane.as_ref().unwrap();
    assert!(plane.values.iter().all(Option::is_some), "the plane has holes");
    assert!(0.1 < desk.barrier());
    assert!(desk.state.modes.iter().all(|m| m.scores.test.is_some() && m.scores.train.is_some()));
}

#[test]
fn closing_the_panel_of_trainings_ends_the_measuring_of_how_long_they_take() {
    let mut desk = Desk::demo();
    desk.act(Action::ShowTraining(true));
    assert!(desk.state.runs_job(Purpose::EstimateTraining));
    desk.act(Action::ShowTraining(false));
    assert!(!desk.state.runs_job(Purpose::EstimateTraining));
    desk.act(Action::ShowTraining(true));
    assert!(desk.state.runs_job(Purpose::EstimateTraining), "it was not measured to the end");
}
