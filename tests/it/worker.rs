//! The protocol of the compute thread, as the window relies on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lowroad::compute::{
    BatchNorm, DataRef, DeviceChoice, EvaluateSpec, FitSpec, FitStart, Optimizer, PointValue, RobustSpec, Schedule,
    TSampling,
};
use lowroad::data::{Attack, Augmentation, Normalization, SplitName, optdigits};
use lowroad::geometry::{Curve, Path};
use lowroad::net::{Network, ParamVec, zoo};
use lowroad::worker::{AlongSpec, Command, Event, JobError, JobId, Lane, Request, Worker};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

fn worker() -> Worker {
    let worker = Worker::spawn(DeviceChoice::Cpu, || ()).unwrap();
    assert!(matches!(worker.wait_event(), Some(Event::Device { is_gpu: false, failed: None, .. })));
    worker
}

fn network() -> Arc<Network> {
    Arc::new(zoo::mlp(&[64, 32, 10], true).unwrap())
}

fn random(network: &Network, seed: u64) -> Arc<ParamVec> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Arc::new(ParamVec::random(network.layout().clone(), &mut rng))
}

fn data(split: SplitName) -> DataRef {
    DataRef { dataset: Arc::new(optdigits()), split, normalization: Normalization::identity(1), limit: None }
}

/// `n_points` points of a line.
fn evaluation(n_points: usize) -> Request {
    let network = network();
    let basis = vec![random(&network, 1), random(&network, 2)];
    let rows = Curve::even_ts(n_points).into_iter().map(|t| vec![1.0 - t, t]).collect();
    Request::Evaluate(EvaluateSpec::new(network, basis, rows, data(SplitName::Test)))
}

/// More points than any test waits for.
fn long() -> Request {
    evaluation(200_000)
}

fn fit(epochs: usize) -> Request {
    let network = network();
    let basis = vec![random(&network, 1), random(&network, 2), random(&network, 3)];
    Request::Fit(FitSpec {
        network,
        family: Some(Curve::Bezier { n_bends: 1 }),
        basis,
        data: data(SplitName::Train),
        augmentation: Augmentation::none(),
        epochs,
        start: FitStart::default(),
        batch_size: 128,
        optimizer: Optimizer::NESTEROV,
        learning_rate: 0.05,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        attack: None,
        sampling: TSampling::One,
        proximal: None,
        seed: 0,
        checkpoints: false,
    })
}

fn job_of(event: &Event) -> Option<JobId> {
    match *event {
        Event::Device { .. } => None,
        Event::Started { job }
        | Event::Progress { job, .. }
        | Event::Values { job, .. }
        | Event::FitStep { job, .. }
        | Event::Trained { job, .. }
        | Event::Checkpoint { job, .. }
        | Event::ConnectStep { job, .. }
        | Event::Connected { job, .. }
        | Event::Continued { job, .. }
        | Event::HeadsMade { job, .. }
        | Event::EnsembleScored { job, .. }
        | Event::Placed { job, .. }
        | Event::Bent { job, .. }
        | Event::PointsPlaced { job, .. }
        | Event::PathPlane { job, .. }
        | Event::FlowTrained { job, .. }
        | Event::Aligned { job, .. }
        | Event::Rearranged { job, .. }
        | Event::Classified { job, .. }
        | Event::Excited { job, .. }
        | Event::WeightsCompared { job, .. }
        | Event::Verified { job, .. }
        | Event::Finished { job }
        | Event::Cancelled { job }
        | Event::Failed { job, .. } => Some(job),
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::Finished { .. } | Event::Cancelled { .. } | Event::Failed { .. })
}

/// The events of a job up to and with its end.
fn events_of(worker: &Worker, job: JobId) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = worker.wait_event().expect("the thread is alive");
        if job_of(&event) == Some(job) {
            let over = is_end(&event);
            events.push(event);
            if over {
                return events;
            }
        }
    }
}

#[test]
fn a_job_starts_progresses_and_ends_once() {
    let worker = worker();
    let job = worker.start(Lane::Plane, evaluation(40));
    let events = events_of(&worker, job);
    assert!(matches!(events[0], Event::Started { .. }));
    assert!(matches!(events[events.len() - 1], Event::Finished { .. }));
    assert_eq!(events.iter().filter(|event| is_end(event)).count(), 1);
    let progress: Vec<f64> =
        events.iter().filter_map(|e| if let Event::Progress { done, .. } = e { Some(*done) } else { None }).collect();
    assert!(progress.windows(2).all(|pair| pair[0] <= pair[1]), "{progress:?}");
    let mut n_images = vec![0; 40];
    for event in &events {
        if let Event::Values { values, .. } = event {
            for (index, value) in values {
                assert!(n_images[*index] < value.n_images, "values only rest on more and more images");
                n_images[*index] = value.n_images;
            }
        }
    }
    assert_eq!(n_images, [1797; 40]);
    // Nothing comes after the end.
    std::thread::sleep(Duration::from_millis(50));
    assert!(worker.try_event().is_none());
}

#[test]
fn a_networks_groups_are_checked_once_and_hold() {
    let worker = worker();
    let Request::Evaluate(spec) = evaluation(1) else { unreachable!("an evaluation is one") };
    let (network, params) = (spec.network, Arc::clone(&spec.basis[0]));
    let job = worker.start(Lane::Verify { mode: 0 }, Request::Verify { network, params });
    let events = events_of(&worker, job);
    let checks: Vec<_> =
        events.iter().filter_map(|e| if let Event::Verified { check, .. } = e { Some(check) } else { None }).collect();
    assert_eq!(checks.len(), 1);
    assert!(checks[0].holds() && 0 < checks[0].n_groups, "{:?}", checks[0]);
}

#[test]
fn a_cancelled_job_ends_soon_and_does_not_finish() {
    let worker = worker();
    let job = worker.start(Lane::Plane, long());
    while !matches!(worker.wait_event(), Some(Event::Values { .. })) {}
    let asked = Instant::now();
    assert!(worker.send(Command::Cancel { job }));
    let events = events_of(&worker, job);
    assert!(matches!(events[events.len() - 1], Event::Cancelled { .. }));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// Five points of a line under attack.
fn attacked(n_steps: usize) -> AlongSpec {
    let network = network();
    let (a, b) = (random(&network, 1), random(&network, 2));
    let path = Arc::new(Path::straight(&network, Curve::Linear, a, b));
    let attack = Some(Attack { eps: 0.1, step: 0.04, n_steps });
    let data = DataRef { limit: Some(600), ..data(SplitName::Test) };
    AlongSpec { network, path, ts: Curve::even_ts(5), data, batch_norm: BatchNorm::Stored, attack }
}

/// Every value that a job tells, in order.
fn values_of(worker: &Worker, lane: Lane, request: Request) -> Vec<(usize, PointValue)> {
    let job = worker.start(lane, request);
    let told = events_of(worker, job).into_iter().filter_map(|event| match event {
        Event::Values { values, .. } => Some(values),
        _ => None,
    });
    told.flatten().collect()
}

#[test]
fn points_under_attack_are_told_one_after_the_other_on_few_images_first() {
    let worker = worker();
    let spec = attacked(2);
    let told = values_of(&worker, Lane::Robust, Request::EvaluatePath(spec.clone()));
    let order: Vec<(usize, usize)> = told.iter().map(|(point, value)| (*point, value.n_images)).collect();
    let expected = [256, 600].into_iter().flat_map(|n_images| (0..5).map(move |point| (point, n_images)));
    assert_eq!(order, expected.collect::<Vec<_>>());

    let clean = values_of(&worker, Lane::Robust, Request::EvaluatePath(AlongSpec { attack: None, ..spec.clone() }));
    for (point, robust) in &told[5..] {
        let (_, clean) = clean.iter().rfind(|(other, _)| other == point).unwrap();
        assert!(clean.loss < robust.loss && clean.n_images == robust.n_images, "{clean:?} {robust:?}");
    }
    // As the command line asks: all images of a point at once.
    let sample = spec.path.sample(&spec.ts);
    let points =
        EvaluateSpec { progressive: false, ..EvaluateSpec::new(spec.network, sample.basis, sample.rows, spec.data) };
    let attack = spec.attack.unwrap();
    let at_once = values_of(&worker, Lane::Robust, Request::EvaluateRobustly(RobustSpec { points, attack }));
    for ((point, value), (other, last)) in at_once.iter().zip(&told[5..]) {
        assert_eq!((point, value.accuracy, value.n_images), (other, last.accuracy, last.n_images));
        assert!((value.loss - last.loss).abs() < 1e-9 * value.loss, "{value:?} {last:?}");
    }
}

#[test]
fn an_attack_is_cancelled_in_the_middle_of_a_minibatch() {
    let worker = worker();
    let job = worker.start(Lane::Robust, Request::EvaluatePath(attacked(1_000_000_000)));
    while !matches!(worker.wait_event(), Some(Event::Progress { .. })) {}
    assert!(worker.send(Command::Cancel { job }));
    assert!(matches!(events_of(&worker, job).last(), Some(Event::Cancelled { .. })));
}

#[test]
fn cancelling_a_fit_hands_over_what_it_has() {
    let worker = worker();
    let job = worker.start(Lane::Path, fit(100_000));
    while !matches!(worker.wait_event(), Some(Event::FitStep { .. })) {}
    worker.send(Command::Cancel { job });
    let events = events_of(&worker, job);
    assert!(matches!(events[events.len() - 1], Event::Cancelled { .. }));
    let Event::Trained { vectors, .. } = &events[events.len() - 2] else {
        panic!("expected the trained bend before the end");
    };
    assert_eq!(vectors.len(), 1);
    assert_ne!(vectors[0], random(&network(), 2), "the bend has moved");
}

#[test]
fn the_newest_of_fifty_rapid_requests_wins() {
    let worker = worker();
    let jobs: Vec<JobId> = (0..50).map(|_| worker.start(Lane::Plane, long())).collect();
    let last = worker.start(Lane::Plane, evaluation(5));
    let mut cancelled = Vec::new();
    loop {
        match worker.wait_event().unwrap() {
            Event::Cancelled { job } => cancelled.push(job),
            Event::Finished { job } => {
                assert_eq!(job, last);
                break;
            }
            Event::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(cancelled, jobs);
}

#[test]
fn jobs_of_different_lanes_run_side_by_side() {
    let worker = worker();
    let slow = worker.start(Lane::Plane, long());
    let quick = worker.start(Lane::Curve(SplitName::Test), evaluation(5));
    let events = events_of(&worker, quick);
    assert!(matches!(events[events.len() - 1], Event::Finished { .. }));
    worker.send(Command::Cancel { job: slow });
    assert!(matches!(events_of(&worker, slow).last(), Some(Event::Cancelled { .. })));
}

#[test]
fn a_panic_ends_its_job_and_no_other() {
    let worker = worker();
    worker.send(Command::PanicInNextSlice);
    let job = worker.start(Lane::Plane, evaluation(5));
    let events = events_of(&worker, job);
    let Some(Event::Failed { error: JobError::Panicked(text), .. }) = events.last() else {
        panic!("expected a failure, found {:?}", events.last());
    };
    assert!(text.contains("asked to panic"), "{text}");
    let next = worker.start(Lane::Plane, evaluation(5));
    assert!(matches!(events_of(&worker, next).last(), Some(Event::Finished { .. })));
}

#[test]
fn a_network_that_does_not_fit_the_data_fails_with_both_sizes() {
    let worker = worker();
    let network = Arc::new(zoo::mlp(&[65, 10], true).unwrap());
    let basis = vec![random(&network, 1)];
    let spec = EvaluateSpec::new(network, basis, vec![vec![1.0]], data(SplitName::Test));
    let job = worker.start(Lane::Plane, Request::Evaluate(spec));
    let events = events_of(&worker, job);
    let Some(Event::Failed { error, .. }) = events.last() else {
        panic!("expected a failure, found {:?}", events.last());
    };
    let text = error.to_string();
    assert!(text.contains("65") && text.contains("64") && text.contains("optdigits"), "{text}");
}

#[test]
fn dropping_the_handle_in_the_middle_of_a_job_ends_the_thread() {
    let worker = worker();
    worker.start(Lane::Plane, long());
    worker.start(Lane::Path, fit(100_000));
    while !matches!(worker.wait_event(), Some(Event::FitStep { .. })) {}
    // Events pile up unread; dropping joins the thread, so it must return.
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    drop(worker);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// How far the calling thread gives way to others: its nice value, -20 to 19.
#[cfg(target_os = "linux")]
fn niceness() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The 19th field; the name, which is the second, may hold blanks.
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn behind_a_window_what_computes_gives_way_and_elsewhere_it_does_not() {
    type Spawn = fn(std::sync::mpsc::Sender<i32>) -> std::io::Result<Worker>;
    let spawn: Spawn = |sender| Worker::spawn(DeviceChoice::Cpu, move || _ = sender.send(niceness()));
    let behind: Spawn = |sender| Worker::spawn_behind_window(DeviceChoice::Cpu, move || _ = sender.send(niceness()));
    if niceness() != 0 {
        eprintln!("skipped: the tests themselves run with another priority than usual");
        return;
    }
    for (spawn, expected) in [(spawn, 0), (behind, 9)] {
        let (sender, receiver) = std::sync::mpsc::channel();
        let worker = spawn(sender).unwrap();
        // The thread calls after each event; the first tells the device.
        assert_eq!(receiver.recv().unwrap(), expected);
        drop(worker);
    }
}
