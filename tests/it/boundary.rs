//! What networks of two inputs decide: the compute thread's answer, and the view that draws it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::{Action, AppState};
use lowroad::checkpoint::save_params;
use lowroad::compute::{BatchNorm, ClassifySpec, DataRef, DeviceChoice, Engine, logits};
use lowroad::data::{self, Dataset, ImageShape, Normalization, Split, SplitName, Values};
use lowroad::geometry::{Axis, ClassMap, Grid};
use lowroad::net::{GraphBuilder, Network, ParamVec, zoo};
use lowroad::ui::{Window, WindowOptions};
use lowroad::worker::{Event, Lane, Request, Worker};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::ui::{Screen, settle, until};

fn points(points: &[(f64, f64)]) -> Dataset {
    let values = points.iter().flat_map(|&(x, y)| [x as f32, y as f32]).collect();
    Dataset {
        name: "points".to_owned(),
        source: "test".to_owned(),
        shape: ImageShape::tabular(2),
        max_value: u8::MAX,
        class_names: vec!["0".to_owned(), "1".to_owned()],
        train: Split::default(),
        test: Split { values: Values::Floats(values), labels: vec![0; points.len()] },
        notes: Vec::new(),
    }
}

fn classify(spec: ClassifySpec) -> Vec<f32> {
    let worker = Worker::spawn(DeviceChoice::Cpu, || ()).unwrap();
    let job = worker.start(Lane::Decisions, Request::Classify(spec));
    loop {
        match worker.wait_event().unwrap() {
            Event::Classified { job: of, logits } if of == job => return logits,
            Event::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
}

#[test]
fn the_boundary_of_a_linear_network_is_the_line_that_its_weights_say() {
    let network = Arc::new(zoo::mlp(&[2, 2], true).unwrap());
    let mut params = ParamVec::zeros(network.layout().clone());
    // Class 1 where 3 x - 2 y > 0.6, of inputs x and y that are normalised first.
    params.values_mut().copy_from_slice(&[0.0, 0.0, 3.0, -2.0, 0.6, 0.0]);
    let grid = Grid { x: Axis { min: -2.0, max: 2.0, n: 41 }, y: Axis { min: -1.0, max: 3.0, n: 31 } };
    let spec = ClassifySpec {
        network,
        params: Arc::new(params),
        inputs: DataRef {
            dataset: Arc::new(points(&grid.points())),
            split: SplitName::Test,
            normalization: Normalization { mean: vec![0.5, 1.0], std: vec![2.0, 0.5] },
            limit: None,
        },
        batch_norm: BatchNorm::Stored,
    };
    let map = ClassMap::new(grid, 2, classify(spec));
    for step in 0..200 {
        let y = -1.0 + 0.02 * f64::from(step);
        // 3 (x - 0.5) / 2 - 2 (y - 1) / 0.5 = 0.6
        let x = 0.5 + 2.0 / 3.0 * (0.6 + 4.0 * (y - 1.0));
        for (offset, class) in [(-1e-3, 0), (1e-3, 1)] {
            if (-2.0..=2.0).contains(&(x + offset)) {
                assert_eq!(map.decision(x + offset, y).unwrap().class, class, "x {x}, y {y}");
            }
        }
    }
}

#[test]
fn statistics_are_measured_for_the_point_that_is_classified() {
    let (mut graph, input) = GraphBuilder::new(&[2]);
    let x = graph.linear(input, "one", 6, true).unwrap();
    let x = graph.batch_norm(x, "norm").unwrap();
    graph.linear(x, "two", 2, true).unwrap();
    let network = Arc::new(graph.finish("normed").unwrap());
    let params = Arc::new(ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(3)));
    let moons = Arc::new(data::open("moons").unwrap());
    let of =
        |split| DataRef { dataset: Arc::clone(&moons), split, normalization: Normalization::identity(2), limit: None };
    let spec = |batch_norm| ClassifySpec {
        network: Arc::clone(&network),
        params: Arc::clone(&params),
        inputs: of(SplitName::Test),
        batch_norm,
    };
    let stored = classify(spec(BatchNorm::Stored));
    let expected = logits(&Engine::cpu(), &network, &params, &of(SplitName::Test), usize::MAX).unwrap();
    assert_eq!(stored, expected);
    let measured = classify(spec(BatchNorm::Recompute(of(SplitName::Train))));
    assert_eq!(measured.len(), stored.len());
    assert_ne!(measured, stored);
}

/// Two networks of the moons' shape, and what they were saved as.
fn two_networks(folder: &Path) -> (Arc<Network>, Vec<Arc<ParamVec>>, Vec<PathBuf>) {
    let network = Arc::new(zoo::by_name("2-8-2").unwrap());
    let (mut params, mut files) = (Vec::new(), Vec::new());
    for seed in [1, 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights = ParamVec::random(network.layout().clone(), &mut rng);
        let file = folder.join(format!("seed-{seed}.safetensors"));
        save_params(&file, &network, &weights, &BTreeMap::new()).unwrap();
        params.push(Arc::new(weights));
        files.push(file);
    }
    (network, params, files)
}

pub(crate) fn open_moons(files: Vec<PathBuf>) -> Screen {
    let data = Some("moons".to_owned());
    let options = WindowOptions { files, data, device: DeviceChoice::Cpu, ..WindowOptions::default() };
    Harness::builder()
        .with_size([1440.0, 900.0])
        .with_step_dt(1.0 / 30.0)
        .build_eframe(move |cc| Window::new(cc, options).unwrap())
}

fn t_of_map(state: &AppState) -> Option<f64> {
    state.decisions.as_ref()?.map.as_ref().map(|(t, _)| *t)
}

#[test]
fn the_view_follows_t_and_shows_only_points_of_a_plane() {
    let folder = tempfile::tempdir().unwrap();
    let (network, params, files) = two_networks(folder.path());
    let mut screen = open_moons(files);
    until(&mut screen, "both are open", |s| s.modes.len() == 2);
    settle(&mut screen);
    let words =
        |screen: &Screen| screen.get_by_label_contains("Decision boundary at t").accesskit_node().label().unwrap();
    assert!(words(&screen).contains("at t = 0.500: class 0 takes"), "{}", words(&screen));

    for (t, end) in [(0.0, &params[0]), (1.0, &params[1])] {
        screen.state_mut().act(Action::SetT(t));
        until(&mut screen, "the decisions are those at t", move |s| t_of_map(s) == Some(t));
        settle(&mut screen);
        assert!(words(&screen).contains(&format!("at t = {t:.3}")), "{}", words(&screen));
        let state = screen.state().state();
        let decisions = state.decisions.as_ref().unwrap();
        let grid = decisions.grid;
        let inputs = DataRef {
            dataset: Arc::new(points(&grid.points())),
            split: SplitName::Test,
            normalization: state.data.as_ref().unwrap().normalization.clone(),
            limit: None,
        };
        let expected = logits(&Engine::cpu(), &network, end, &inputs, grid.len()).unwrap();
        assert_eq!(*decisions.map.as_ref().unwrap().1, ClassMap::new(grid, 2, expected));
    }
    screen.state_mut().act(Action::SetT(0.5));
    settle(&mut screen);
    let before = screen.state().state().decisions.as_ref().unwrap().revision;
    screen.state_mut().act(Action::DragBend { bend: 0, x: 0.5, y: 2.0, done: false });
    until(&mut screen, "they follow the bend", |s| s.decisions.as_ref().is_some_and(|d| before < d.revision));

    screen.state_mut().act(Action::OpenData("optdigits".to_owned()));
    until(&mut screen, "images are open", |s| s.data.as_ref().is_some_and(|d| d.dataset.name == "optdigits"));
    settle(&mut screen);
    assert!(screen.query_by_label_contains("Decision boundary").is_none());
    assert!(screen.state().state().decisions.is_none());
}
