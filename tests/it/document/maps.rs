//! Maps of neurons that are trained in the document.

use lowroad::app::FlowSettings;
use lowroad::checkpoint::open_flow;
use lowroad::geometry::FlowKind;

use super::*;

/// Networks 64-12-10 with random weights.
fn modes(n: u64) -> Vec<Mode> {
    let network = Arc::new(zoo::mlp(&[64, 12, 10], true).unwrap());
    let mode = |seed: u64| {
        let params = ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(seed));
        Mode {
            name: format!("m{seed}"),
            network: Arc::clone(&network),
            params: Arc::new(params),
            ..demo::modes().remove(0)
        }
    };
    (0..n).map(mode).collect()
}

#[test]
fn a_map_is_trained_on_the_modes_besides_a_and_b_serves_paths_and_is_saved() {
    let mut desk = Desk::with(modes(4));
    desk.settle();
    desk.set(|s| {
        s.path.family = Family::Bijection;
        s.path.connect.flow.hidden = 8;
        s.path.connect.flow.n_images = Some(256);
        s.path.connect.flow.epochs = 2;
    });
    assert!(desk.state.obstacle(Family::Bijection).unwrap().contains("needs a map"));
    desk.act(Action::TrainFlow);
    desk.settle();
    let map = desk.state.settings.path.connect.options.flow.clone().expect("a map");
    assert_eq!((map.training.n_networks, map.training.steps), (2, 2 * 256 / 128));
    assert_eq!(desk.state.obstacle(Family::Bijection), None);
    desk.act(Action::FindPath);
    desk.settle();
    assert!(desk.state.runs.iter().any(|run| run.method() == Family::Bijection.label()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map.safetensors");
    desk.act(Action::Save(file.clone(), Export::Flow));
    desk.until("it is saved", |_| file.exists());
    desk.settle();
    assert_eq!(open_flow(&file).unwrap(), *map);
}

#[test]
fn a_flow_is_trained_with_layers_of_either_kind() {
    let mut desk = Desk::with(modes(4));
    desk.settle();
    for kind in [FlowKind::Iaf, FlowKind::RealNvp] {
        desk.set(|s| {
            s.path.family = Family::Flow;
            s.path.connect.points = 3;
            s.path.connect.flow = FlowSettings { kind, hidden: 8, epochs: 2, ..s.path.connect.flow };
        });
        desk.act(Action::TrainFlow);
        desk.settle();
        let map = desk.state.settings.path.connect.options.flow.clone().expect("a map");
        assert_eq!(map.config().kind, kind);
        let n_found = desk.state.runs.len();
        desk.act(Action::FindPath);
        desk.settle();
        assert_eq!(desk.state.runs.len(), n_found + 1, "{kind:?}: {:?}", desk.state.notices);
    }
}

#[test]
fn with_fewer_than_two_others_a_map_is_trained_on_all_modes() {
    let mut desk = Desk::with(modes(3));
    desk.settle();
    let (trained_on, are_others) = desk.state.flow_modes();
    assert_eq!((trained_on.len(), are_others), (3, false));
}
