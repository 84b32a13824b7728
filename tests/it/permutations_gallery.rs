//! Matched pairs and weight matrices in the Permutations view, driven by the words on them; and the jobs behind them.

use std::sync::Arc;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::app::{Action, Answer, PairsShown, Purpose, WeightsShown};
use lowroad::compute::{AlignSpec, DataRef, DeviceChoice, Engine, ExciteSpec, align_all};
use lowroad::data::{Normalization, SplitName, optdigits};
use lowroad::demo;
use lowroad::matching::{WeightMatrices, WeightSpec};
use lowroad::worker::{Event, Lane, Request, Worker};

use crate::ui::{Screen, assert_shows, demo, press, settle, shows, until};

/// The demo, aligned, with a part of the Permutations view open.
fn open(part: &str) -> Screen {
    let mut screen = demo();
    press(&mut screen, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    press(&mut screen, "Permutations");
    press(&mut screen, part);
    screen
}

fn n_pairs(screen: &Screen) -> usize {
    screen.query_all_by_label_contains("Pair of unit").count()
}

/// The first card: what it says.
fn first_pair(screen: &Screen) -> String {
    screen.query_all_by_label_contains("Pair of unit").next().unwrap().accesskit_node().label().unwrap()
}

#[test]
fn pairs_are_shown_by_pages_with_their_weights_and_images() {
    let mut screen = open("Pairs");
    settle(&mut screen);
    let n_units = screen.state().state().current_alignment().unwrap().report.groups[0].n_units();
    assert!(12 < n_units, "the demo has {n_units} units");
    assert_eq!(n_pairs(&screen), 12);
    assert_shows(&screen, "most exciting of 1,797 test images");
    assert_shows(&screen, "Incoming weights of unit");
    assert_shows(&screen, "Images that excite both units most");
    assert_shows(&screen, "one point for each of");
    let best = first_pair(&screen);
    press(&mut screen, "Next page");
    settle(&mut screen);
    assert_shows(&screen, "2 of ");
    assert_ne!(first_pair(&screen), best);

    press(&mut screen, "Worst first");
    settle(&mut screen);
    assert_shows(&screen, "1 of ");
    let report = Arc::clone(&screen.state().state().current_alignment().unwrap().report);
    let units = report.groups[0].units.iter().enumerate().filter(|(_, unit)| !unit.is_dead && !unit.is_source_dead);
    let (worst, unit) = units.min_by(|(_, one), (_, other)| one.after.total_cmp(&other.after)).unwrap();
    assert!(first_pair(&screen).contains(&format!("unit {worst} of A and unit {} of B", unit.source)));
}

#[test]
fn a_click_selects_a_pair_and_the_gallery_can_show_the_selection_alone() {
    let mut screen = open("Pairs");
    settle(&mut screen);
    let name = first_pair(&screen);
    assert!(!shows(&screen, "Selection (1)"));
    press(&mut screen, &name);
    press(&mut screen, "Selection (1)");
    assert_eq!(n_pairs(&screen), 1);
    assert_eq!(first_pair(&screen), name);
    press(&mut screen, &name);
    assert_eq!(n_pairs(&screen), 12, "without a selection all pairs are shown");
}

#[test]
fn images_are_only_looked_for_while_the_gallery_is_open_and_once() {
    let mut screen = demo();
    press(&mut screen, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    let state = screen.state().state();
    let pairs = PairsShown { group: 0, places: vec![0] };
    assert!(matches!(state.excitement(&pairs), Answer::NotAsked));
    assert!(!state.runs_job(Purpose::Excite));
    screen.state_mut().act(Action::Excite(pairs.clone()));
    assert!(screen.state().state().runs_job(Purpose::Excite));
    until(&mut screen, "it is known", {
        let pairs = pairs.clone();
        move |s| matches!(s.excitement(&pairs), Answer::Known(_))
    });
    let Answer::Known(found) = screen.state().state().excitement(&pairs) else { panic!("it was known") };
    assert_eq!((found.pairs.len(), found.pairs[0].by_both.len()), (1, 8));
}

#[test]
fn weight_matrices_are_drawn_with_their_distances() {
    let mut screen = open("Weights");
    settle(&mut screen);
    assert_shows(&screen, "Distance of B's weights from A's (Frobenius)");
    for name in ["A: ", "aligned B: ", "aligned B less A: "] {
        assert_shows(&screen, &format!("Weights of {name}"));
    }
    let shown = |screen: &Screen| {
        let state = screen.state().state();
        let matrices = state.joined().unwrap().network.groups()[0].matrices(state.joined().unwrap().network.layout());
        let known = matrices.iter().filter(|matrix| {
            matches!(state.weight_matrices(WeightsShown { group: 0, axis: matrix.axis }), Answer::Known(_))
        });
        (matrices.len(), known.count())
    };
    assert_eq!(shown(&screen), (2, 1));
    let name = {
        let state = screen.state().state();
        let network = &state.joined().unwrap().network;
        format!("read by {}", network.groups()[0].matrices(network.layout())[1].layer)
    };
    press(&mut screen, &name);
    settle(&mut screen);
    assert_eq!(shown(&screen), (2, 2));
}

/// The demo's pair, aligned, and its test images.
fn aligned_demo() -> (ExciteSpec, WeightSpec) {
    let modes = demo::modes();
    let (a, network) = (Arc::clone(&modes[0].params), Arc::clone(&modes[0].network));
    let b = modes[1].params_for(&network).unwrap();
    let data = |split, limit| DataRef {
        dataset: Arc::new(optdigits()),
        split,
        normalization: Normalization::identity(1),
        limit,
    };
    let spec = AlignSpec::new(Arc::clone(&network), Arc::clone(&a), Arc::clone(&b), data(SplitName::Train, Some(500)));
    let aligned = align_all(&Engine::cpu(), spec).unwrap().aligned;
    let excite = ExciteSpec {
        network: Arc::clone(&network),
        a: Arc::clone(&a),
        aligned: Arc::clone(&aligned),
        group: 0,
        places: vec![0, 1],
        data: data(SplitName::Test, None),
        n_top: 5,
    };
    let n_units = network.groups()[0].n_units;
    (excite, WeightSpec { network, a, b, aligned, group: 0, axis: 0, order: (0..n_units).collect() })
}

#[test]
fn the_newest_search_wins_and_a_search_for_nothing_that_is_there_fails_alone() {
    let (excite, weights) = aligned_demo();
    let worker = Worker::spawn(DeviceChoice::Cpu, || ()).unwrap();
    let older = worker.start(Lane::Excite, Request::Excite(excite.clone()));
    let newer = worker.start(Lane::Excite, Request::Excite(ExciteSpec { places: vec![3], ..excite.clone() }));
    let wrong =
        worker.start(Lane::CompareWeights, Request::CompareWeights(WeightSpec { group: 99, ..weights.clone() }));
    let right = worker.start(Lane::CompareWeights, Request::CompareWeights(weights));
    let (mut excited, mut ended, mut failed) = (None, Vec::new(), None);
    let mut matrices: Option<Box<WeightMatrices>> = None;
    while excited.is_none() || matrices.is_none() || failed.is_none() {
        match worker.wait_event().unwrap() {
            Event::Excited { job, excited: found } => {
                ended.push(job);
                if job == newer {
                    excited = Some(found);
                }
            }
            Event::Cancelled { job } => ended.push(job),
            Event::WeightsCompared { job, matrices: found } if job == right => matrices = Some(found),
            Event::Failed { job, error } => failed = Some((job, error.to_string())),
            _ => {}
        }
    }
    assert!(ended.contains(&older));
    assert_eq!(excited.unwrap().pairs.iter().map(|pair| pair.place).collect::<Vec<_>>(), [3]);
    assert_eq!(failed.unwrap().0, wrong);
    let matrices = matrices.unwrap();
    assert!(matrices.distance_after < matrices.distance_before, "alignment brings weights nearer");
}
