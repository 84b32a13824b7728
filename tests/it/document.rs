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
fn finding_a_path_lowers_the_loss_along_it_and_leaves_a_card() {
    let mut desk = Desk::demo();
    let straight = desk.barrier();
    assert_eq!(desk.state.runs.len(), 1, "the straight line is the first card");
    desk.find_path();
    assert!(desk.barrier() < 0.5 * straight, "{} is not lower than {straight}", desk.barrier());
    let path = desk.state.path.as_ref().unwrap();
    assert_eq!((path.epochs_done, path.losses.is_empty()), (4, false));
    let cards: Vec<String> = desk.state.runs.iter().map(|run| run.title()).collect();
    assert_eq!(cards, ["Straight line", "Bézier curve, 1 bend"]);
    let card = desk.state.runs.last().unwrap();
    assert_eq!(card.barrier().unwrap().to_bits(), desk.barrier().to_bits());
    assert!(card.plane.is_some() && !card.pinned);
    let plane = desk.state.plane.as_ref().unwrap();
    assert_eq!(plane.third, "bend 1", "the plane follows the bend");
    let spot = plane.plane.project(path.path.basis()).at(&[0.0, 1.0, 0.0]);
    assert!(spot.off < 1e-3 * plane.plane.length(), "the bend is {} off its plane", spot.off);
}

#[test]
fn the_same_straight_line_is_one_card_however_often_it_is_drawn() {
    let mut desk = Desk::demo();
    desk.align();
    let cards = |desk: &Desk| desk.state.runs.iter().map(|run| run.pair.clone()).collect::<Vec<_>>();
    assert_eq!(cards(&desk), ["A to B", "A to aligned B"]);
    for aligned in [false, true, false] {
        desk.act(Action::UseAligned(aligned));
        desk.settle();
        assert_eq!(cards(&desk), ["A to B", "A to aligned B"]);
        let shown = desk.state.path.as_ref().unwrap().revision;
        assert_eq!(desk.state.runs[usize::from(aligned)].path.revision, shown);
    }
}

#[test]
fn stopping_a_fit_keeps_its_bends_and_continuing_goes_on_from_them() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.fit.descent.epochs = 5_000);
    desk.act(Action::FindPath);
    desk.until("two epochs are done", |s| s.path.as_ref().is_some_and(|p| 2 <= p.epochs_done));
    desk.act(Action::CancelAll);
    desk.settle();
    let (stopped, epochs) = (desk.bend(0), desk.state.path.as_ref().unwrap().epochs_done);
    assert!(0.0 < stopped.distance(&desk.midpoint()), "the bend went back to the straight line");
    assert!((2..5_000).contains(&epochs));
    assert!(desk.state.curve.as_ref().unwrap().test.iter().all(Option::is_some), "the curve was evaluated again");
    assert_eq!(desk.state.runs.len(), 2, "a stopped fit leaves a card too");

    desk.set(|s| s.path.fit.descent.epochs = 2);
    desk.find_path();
    assert_eq!(desk.fits[1].basis[1].values(), stopped.values(), "the second fit starts from these bends");
    assert_eq!(desk.fits[1].start.epoch, epochs);
    assert_eq!(desk.state.path.as_ref().unwrap().epochs_done, epochs + 2);
    let losses = &desk.state.path.as_ref().unwrap().losses;
    assert!(losses.windows(2).all(|w| w[0].0 <= w[1].0 + 1.0), "the losses are in order");
}

#[test]
fn a_fit_that_is_stopped_in_its_first_epoch_is_no_straight_line() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.fit.descent.batch_size = 1);
    desk.act(Action::FindPath);
    desk.until("a step was made", |s| s.path.as_ref().is_some_and(|p| p.last_step.is_some()));
    desk.act(Action::CancelAll);
    desk.settle();
    assert!(0.0 < desk.bend(0).distance(&desk.midpoint()));
    assert_eq!(desk.state.runs.last().unwrap().title(), "Bézier curve, 1 bend");
    assert!(!desk.state.path.as_ref().unwrap().is_straight());
    desk.act(Action::ResetPath);
    desk.settle();
    assert!(desk.state.path.as_ref().unwrap().is_straight());
    assert_eq!(desk.bend(0).distance(&desk.midpoint()), 0.0);
}

#[test]
fn a_fit_changes_only_the_path_it_was_started_for() {
    type Change = fn(&mut Desk);
    let changes: [(&str, Change); 5] = [
        ("reset", |desk| desk.act(Action::ResetPath)),
        ("other end", |desk| desk.act(Action::UseAligned(false))),
        ("other family", |desk| desk.set(|s| s.path.family = Family::Chain)),
        ("dragged", |desk| desk.hold_bend(0, (1.0, 1.0))),
        ("restored", |desk| desk.act(Action::Restore(desk.state.runs[0].id))),
    ];
    for (name, change) in changes {
        let mut desk = Desk::demo();
        desk.align();
        desk.start_long_fit();
        change(&mut desk);
        let set_up = desk.bend(0);
        assert!(!desk.state.is_fitting(), "{name}: the fit has nothing left to do");
        desk.settle();
        let moved = desk.bend(0).distance(&set_up);
        assert_eq!(moved, 0.0, "{name}: the old fit moved the new path's bend");
        desk.until("the fit is over", |_| true);
        while !desk.alive.is_empty() {
            desk.pump();
        }
    }
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
fn a_dragged_bend_stands_where_the_mouse_let_go_and_the_curve_is_evaluated_again() {
    let mut desk = Desk::demo();
    let straight = desk.test_values();
    let plane = Arc::clone(&desk.state.plane.as_ref().unwrap().plane);
    let length = plane.length();
    // Below the straight line as well as above it.
    for (x, y) in [(0.4 * length, 0.2 * length), (0.6 * length, -0.15 * length)] {
        desk.act(Action::DragBend { bend: 0, x: 0.5 * x, y: 0.5 * y, done: false });
        desk.pump();
        desk.act(Action::DragBend { bend: 0, x, y, done: true });
        desk.settle();
        let shown = desk.state.plane.as_ref().unwrap();
        assert!(Arc::ptr_eq(&shown.plane, &plane), "the plane changed under the mouse");
        let at = shown.plane.project(&[desk.bend(0)]).at(&[1.0]);
        assert!((at.x - x).abs() < 1e-3 * length && (at.y - y).abs() < 1e-3 * length, "{at:?} is not ({x}, {y})");
        assert!(at.off < 1e-3 * length, "{at:?}");
        let values = desk.test_values();
        assert!(values.iter().all(|v| v.n_images == 1797), "all images are used once the mouse let go");
        assert_eq!(values[0].loss.to_bits(), straight[0].loss.to_bits());
        assert!(0.01 < (values[8].loss - straight[8].loss).abs(), "the middle of the curve did not move");
    }
    assert_eq!(desk.state.runs.len(), 2, "one card for a path bent by hand, not one for every tug");
    assert!(desk.state.runs[1].path.by_hand);
}

#[test]
fn the_plane_stays_while_one_of_two_bends_is_dragged_below_the_other() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.n_bends = 2);
    desk.settle();
    desk.find_path();
    let plane = Arc::clone(&desk.state.plane.as_ref().unwrap().plane);
    let held = if desk.state.plane.as_ref().unwrap().third == "bend 1" { 0 } else { 1 };
    for share in [0.8, 0.5, 0.1, 0.02] {
        let (x, y) = (0.5 * plane.length(), share * plane.height());
        desk.act(Action::DragBend { bend: held, x, y, done: share == 0.02 });
        assert!(Arc::ptr_eq(&desk.state.plane.as_ref().unwrap().plane, &plane), "at {share}");
    }
    desk.settle();
    assert!(Arc::ptr_eq(&desk.state.plane.as_ref().unwrap().plane, &plane));
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
fn an_endpoint_can_be_removed_at_any_moment() {
    type Before = fn(&mut Desk);
    let moments: [(&str, Before); 6] = [
        ("while the demo opens", |_| ()),
        ("at rest", Desk::settle),
        ("while it is aligned", |desk| desk.act(Action::Align)),
        ("while a path is fitted", |desk| {
            desk.settle();
            desk.start_long_fit();
        }),
        ("while a bend is dragged", |desk| {
            desk.settle();
            desk.act(Action::DragBend { bend: 0, x: 1.0, y: 1.0, done: false });
        }),
        ("while a picture is evaluated", |desk| {
            desk.settle();
            desk.set(|s| s.plane.nx = 41);
        }),
    ];
    for (moment, before) in moments {
        for place in [0, 1] {
            let mut desk = Desk::with(demo::modes());
            before(&mut desk);
            desk.act(Action::RemoveMode(desk.id(place)));
            desk.settle();
            let state = &desk.state;
            assert_eq!((state.modes.len(), state.endpoints), (1, None), "{moment}");
            let gone = state.path.is_none() && state.curve.is_none() && state.plane.is_none() && state.pair.is_none();
            assert!(gone, "{moment}: something of the pair is left");
            desk.act(Action::RemoveMode(ModeId(u64::MAX)));
            desk.act(Action::RemoveMode(desk.id(0)));
            desk.settle();
            assert!(desk.state.notices.is_empty(), "{moment}: {:?}", desk.state.notices);
        }
    }
}

#[test]
fn when_an_endpoint_of_three_is_removed_the_other_two_are_joined() {
    let mut desk = Desk::three();
    desk.set(|s| s.plane.third = ThirdPoint::Mode(2));
    desk.settle();
    assert_eq!(desk.state.plane.as_ref().unwrap().third, "C");
    desk.start_long_fit();
    desk.act(Action::RemoveMode(desk.id(0)));
    desk.settle();
    assert_eq!(desk.state.endpoints, Some((desk.id(0), desk.id(1))));
    assert_eq!(desk.state.settings.plane.third, ThirdPoint::Mode(1), "the setting follows its mode");
    assert!(desk.state.path.as_ref().unwrap().is_straight());
    assert_eq!(desk.test_values().len(), 17);
    assert!(desk.state.plane.is_some());
}

#[test]
fn the_first_network_that_is_opened_takes_the_place_of_the_demo_at_any_moment() {
    type Before = fn(&mut Desk);
    let moments: [(&str, Before); 3] = [
        ("while the demo opens", |_| ()),
        ("while it is aligned", |desk| desk.act(Action::Align)),
        ("while a path is fitted", |desk| {
            desk.settle();
            desk.start_long_fit();
        }),
    ];
    for (moment, before) in moments {
        let mut desk = Desk::with(demo::modes());
        before(&mut desk);
        for (n_modes, name) in [(1, "x"), (2, "y")] {
            let own = Mode { path: Some(name.into()), name: name.to_owned(), ..third_mode() };
            let effects = events::on_disk_event(&mut desk.state, DiskEvent::Mode(Box::new(own)));
            desk.carry_out(effects);
            assert_eq!(desk.state.modes.len(), n_modes, "{moment}");
        }
        desk.settle();
        assert_eq!(desk.state.endpoints, Some((desk.id(0), desk.id(1))), "{moment}");
        assert!(desk.state.current_alignment().is_none() && !desk.state.path.as_ref().unwrap().aligned);
        assert!(desk.barrier().abs() < 1e-6, "{moment}: x and y are the same network");
    }
}

#[test]
fn an_alignment_belongs_to_the_pair_it_was_made_for() {
    let mut desk = Desk::three();
    desk.settle();
    desk.act(Action::Align);
    desk.act(Action::SetEndpoints { a: desk.id(0), b: desk.id(2) });
    desk.settle();
    while !desk.alive.is_empty() {
        desk.pump();
    }
    assert!(desk.state.current_alignment().is_none(), "A and C were never aligned");
    let path = desk.state.path.as_ref().unwrap();
    assert!(!path.aligned);
    assert_eq!(path.path.end().values(), desk.state.modes[2].mode.params.values());
}

#[test]
fn data_that_the_networks_cannot_take_is_said_and_starts_no_job() {
    let mut desk = Desk::demo();
    let n_started = desk.started.len();
    let split = Split { values: Values::Bytes(vec![9; 16 * 6]), labels: vec![0, 1, 2, 0, 1, 2] };
    desk.data(Dataset {
        name: "small".to_owned(),
        source: "a test".to_owned(),
        shape: ImageShape { channels: 1, height: 4, width: 4 },
        max_value: 255,
        class_names: ["x", "y", "z"].map(str::to_owned).to_vec(),
        train: split.clone(),
        test: split,
        notes: Vec::new(),
    });
    assert!(desk.state.jobs.is_empty());
    desk.act(Action::Align);
    desk.act(Action::FindPath);
    desk.settle();
    let starts = &desk.started[n_started..];
    assert!(starts.is_empty(), "{starts:?}");
    let state = &desk.state;
    let data = state.data.as_ref().unwrap();
    let reason = data.misfit(&state.modes[0].mode.network).expect("64 inputs do not take 16 pixels");
    assert!(reason.contains("64") && reason.contains("16"), "{reason}");
    assert!(state.curve.is_none() && state.plane.is_none());
    assert!(state.modes.iter().all(|m| m.scores.test.is_none()), "no score of the old data is left");

    desk.data(optdigits());
    desk.settle();
    assert!(0.1 < desk.barrier(), "the right data brings everything back");
}

#[test]
fn networks_of_different_shape_are_not_joined_and_both_shapes_are_named() {
    let mut modes = demo::modes();
    modes[1] = untrained("narrow", "64-48-32-10", 1);
    let mut desk = Desk::with(modes);
    desk.settle();
    let reason = desk.state.pair.clone().unwrap().unwrap_err();
    assert!(reason.contains("64, 64") && reason.contains("48, 64"), "{reason}");
    assert!(desk.state.path.is_none() && desk.state.plane.is_none());
    for action in [Action::Align, Action::FindPath, Action::ResetPath, Action::KeepRun, Action::CancelAll] {
        desk.act(action);
    }
    desk.settle();
    assert!(desk.state.modes.iter().all(|m| m.scores.test.is_some()), "each is scored all the same");
}

#[test]
fn a_wrong_normalisation_is_noticed_and_the_suggestion_restores_the_accuracy() {
    let mut desk = Desk::demo();
    desk.act(Action::Normalize(Normalization::parse("0.9/0.1", 1).unwrap()));
    desk.settle();
    let wrong = desk.state.modes[0].scores.test.unwrap().accuracy;
    let suggestion = desk.state.suggestion.clone().expect("another scaling is offered");
    assert!(wrong + 0.1 < suggestion.accuracy_then, "{wrong}, {suggestion:?}");
    desk.act(Action::Normalize(suggestion.normalization));
    desk.settle();
    let right = desk.state.modes[0].scores.test.unwrap().accuracy;
    assert!(0.9 < right && desk.state.suggestion.is_none(), "{right}");
}

#[test]
fn normalisations_changed_in_quick_succession_end_with_the_last() {
    let mut desk = Desk::with(demo::modes());
    for change in 0..20 {
        let text = if change % 2 == 0 { "0.3/0.7" } else { "0/1" };
        desk.act(Action::Normalize(Normalization::parse(text, 1).unwrap()));
        if change % 3 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        desk.pump();
    }
    desk.settle();
    let scores = desk.state.modes[0].scores.test.unwrap();
    assert_eq!(desk.state.data.as_ref().unwrap().normalization, Normalization::identity(1));
    assert!(0.9 < scores.accuracy);
}

#[test]
fn weights_that_are_not_numbers_are_shown_as_such_and_never_as_good() {
    let a = Mode { path: Some("a.safetensors".into()), ..demo::modes().remove(0) };
    let mut params = (*demo::modes().remove(1).params).clone();
    params.values_mut()[100] = f32::NAN;
    // Other names than A's, so that B must be brought into A's layout.
    let b = untrained("broken", "64-64-32-10", 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.safetensors");
    let params = params.renamed(b.network.layout().clone()).unwrap();
    lowroad::checkpoint::save_params(&file, &b.network, &params, &BTreeMap::new()).unwrap();
    let mut desk = Desk::with(vec![a]);
    desk.open_files(&[&file]);
    assert!(desk.has_notice(Severity::Info, "NaN"), "{:?}", desk.state.notices);
    let broken = desk.state.modes[1].scores.test.unwrap();
    assert!(broken.loss.is_nan() && broken.accuracy == 0.0, "{broken:?}");
    let values = desk.test_values();
    assert!(values[0].loss.is_finite(), "A itself is sound");
    assert!(values[1..].iter().all(|v| v.loss.is_nan() && v.accuracy == 0.0), "{values:?}");
    assert!(desk.barrier().is_nan());
    assert!(desk.state.plane.is_none(), "there is no plane through what is not a number");
    assert!(desk.started.len() < 40, "{} jobs for one broken file", desk.started.len());
    desk.act(Action::Align);
    desk.act(Action::FindPath);
    desk.until("all has ended", |s| s.jobs.is_empty());
}

#[test]
fn the_same_network_twice_is_said_and_does_no_harm() {
    let mode = demo::modes().remove(0);
    let mut desk = Desk::with(vec![mode.clone(), mode]);
    desk.settle();
    assert!(desk.has_notice(Severity::Info, "the same network"), "{:?}", desk.state.notices);
    assert!(desk.barrier().abs() < 1e-6);
    desk.align();
    assert!(desk.barrier().abs() < 1e-6);
    desk.find_path();
    desk.act(Action::DragBend { bend: 0, x: 0.5, y: 0.5, done: true });
    desk.settle();
}

#[test]
fn bends_are_saved_and_go_back_onto_the_path() {
    let mut desk = Desk::demo();
    desk.set(|s| s.path.n_bends = 2);
    desk.settle();
    desk.find_path();
    let bends = [desk.bend(0), desk.bend(1)];
    let folder = tempfile::tempdir().unwrap();
    desk.act(Action::Save(folder.path().join("bend.safetensors"), Export::Bends));
    desk.until("both are saved", |s| s.notices.iter().filter(|n| n.headline.starts_with("Saved")).count() == 2);

    desk.set(|s| s.path.family = Family::Linear);
    desk.settle();
    let files = ["bend.1.safetensors", "bend.2.safetensors"].map(|name| folder.path().join(name));
    desk.act(Action::OpenBends(files.to_vec()));
    desk.until("the bends are on the path", |s| s.path.as_ref().is_some_and(|p| p.from_files));
    desk.settle();
    for (index, bend) in bends.iter().enumerate() {
        assert_eq!(desk.bend(index).values(), bend.values(), "bend {index}");
    }
    let settings = &desk.state.settings.path;
    assert_eq!((settings.family, settings.n_bends), (Family::Bezier, 2));
    assert!(!desk.state.path.as_ref().unwrap().is_straight());

    let narrow = folder.path().join("narrow.safetensors");
    let other = untrained("narrow", "64-8-10", 1);
    lowroad::checkpoint::save_params(&narrow, &other.network, &other.params, &BTreeMap::new()).unwrap();
    desk.act(Action::OpenBends(vec![narrow]));
    desk.until("the misfit is said", |s| s.notices.iter().any(|n| n.severity == Severity::Error));
    assert_eq!(desk.bend(0).values(), bends[0].values(), "the path is as it was");
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
fn the_network_at_t_is_saved_under_the_names_it_came_with() {
    let mut desk = Desk::demo();
    desk.act(Action::SetT(0.25));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("point.safetensors");
    desk.act(Action::Save(file.clone(), Export::PathPoint));
    desk.until("it is saved", |s| !s.notices.is_empty());
    let saved = Mode::open(&file).unwrap();
    assert_eq!(saved.network.layout(), desk.state.modes[0].mode.network.layout());
    assert_eq!(saved.params.values(), desk.state.path.as_ref().unwrap().path.point(0.25).values());
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
fn t_stays_on_the_path() {
    let mut desk = Desk::empty();
    for (asked, is) in [(-1.0, 0.0), (0.3, 0.3), (7.0, 1.0)] {
        desk.act(Action::SetT(asked));
        assert_eq!(desk.state.t.to_bits(), f64::to_bits(is));
    }
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
