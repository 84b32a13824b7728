use super::super::test_data::{noise, params};
use super::*;
use crate::matching::{Choice as _, ReadAt, Similarity, StreamRule, Verdict};
use crate::net::zoo;

/// A network, the same one shuffled, and the permutations that put it back.
fn twins(network: Network) -> (AlignSpec, Vec<Permutation>) {
    let network = Arc::new(network);
    let a = params(&network, 1);
    twins_of(network, a)
}

fn twins_of(network: Arc<Network>, a: Arc<ParamVec>) -> (AlignSpec, Vec<Permutation>) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let groups = network.groups().iter();
    let shuffle: Vec<Permutation> = groups.map(|group| Permutation::random(group.n_units, &mut rng)).collect();
    let b = Arc::new(permute(&network, &a, &shuffle));
    let data = noise(&network, 96);
    (AlignSpec::new(network, a, b, data), shuffle.iter().map(Permutation::inverse).collect())
}

fn networks() -> Vec<Network> {
    let resnet = zoo::by_name("resnet8").unwrap().with_input_shape(&[3, 8, 8]).unwrap();
    vec![zoo::mlp(&[20, 16, 12, 4], true).unwrap(), resnet]
}

#[test]
fn every_way_to_match_activations_puts_a_shuffled_network_back() {
    for network in networks() {
        let (spec, back) = twins(network);
        for &similarity in Similarity::ALL {
            for &read_at in ReadAt::ALL {
                for &stream in StreamRule::ALL {
                    let options = MatchOptions { similarity, read_at, stream, ..MatchOptions::default() };
                    let found = align_all(&Engine::cpu(), AlignSpec { options, ..spec.clone() }).unwrap();
                    let name = format!("{} {options:?}", spec.network.name());
                    assert_eq!(found.report.permutations(), back, "{name}");
                    assert!(found.seal.max_logit_difference < 1e-4, "{name}");
                    assert_eq!(found.report.evidence.verdict, Verdict::Twins, "{name}");
                }
            }
        }
    }
}

#[test]
fn twins_with_dead_units_are_told_as_twins() {
    let network = Arc::new(zoo::mlp(&[20, 16, 12, 4], true).unwrap());
    let mut a = (*params(&network, 1)).clone();
    for (group, n_dead) in network.groups().iter().zip([5, 7]) {
        let bias = group.axes.iter().find(|axis| a.layout().spec(axis.param).shape == [group.n_units]).unwrap().param;
        a.tensor_mut(bias)[..n_dead].fill(-100.0);
    }
    let (spec, back) = twins_of(network, Arc::new(a));
    let found = align_all(&Engine::cpu(), spec.clone()).unwrap();
    assert_eq!(found.report.groups.iter().map(|group| group.n_dead).collect::<Vec<_>>(), [[5, 5], [7, 7]]);
    assert_eq!((found.report.permutations(), found.aligned.values()), (back, spec.a.values()));
    assert_eq!(found.report.evidence.verdict, Verdict::Twins);
}

#[test]
fn weight_matching_puts_a_shuffled_network_back_and_tells_every_descent() {
    for network in networks() {
        let (spec, _) = twins(network);
        let options = MatchOptions { n_restarts: 3, ..MatchOptions::of(AlignMethod::Weight) };
        let found = align_all(&Engine::cpu(), AlignSpec { options, ..spec.clone() }).unwrap();
        assert_eq!(found.aligned.values(), spec.a.values(), "{}", spec.network.name());
        assert_eq!(found.report.evidence.verdict, Verdict::Twins);
        assert_eq!(found.traces.len(), 3);
        assert!(found.traces.iter().flat_map(|trace| trace.windows(2)).all(|pair| pair[0] <= pair[1]));
    }
}

#[test]
fn given_permutations_are_judged_and_the_controls_move_as_they_say() {
    let (spec, back) = twins(zoo::mlp(&[20, 16, 12, 4], true).unwrap());
    let align = |spec: AlignSpec| align_all(&Engine::cpu(), spec).unwrap();
    let given = align(AlignSpec { given: Some(back.clone()), ..spec.clone() });
    assert_eq!((given.report.permutations(), given.aligned.values()), (back, spec.a.values()));
    assert!(given.report.groups.iter().all(|group| 0.999 < group.after.mean && group.before.mean < 0.9));
    let identity = align(AlignSpec { options: MatchOptions::of(AlignMethod::Identity), ..spec.clone() });
    assert_eq!(identity.aligned.values(), spec.b.values());
    let random = align(AlignSpec { options: MatchOptions::of(AlignMethod::Random), ..spec.clone() });
    assert!(random.seal.max_logit_difference < 1e-4 && random.aligned.values() != spec.b.values());
    let short = align_all(&Engine::cpu(), AlignSpec { given: Some(vec![Permutation::identity(16)]), ..spec });
    assert!(matches!(short, Err(ComputeError::Permutations(_))));
}

#[test]
fn shuffled_samples_reach_far_less_than_the_same_samples() {
    let (spec, _) = twins(zoo::mlp(&[20, 16, 12, 4], true).unwrap());
    let found = align_all(&Engine::cpu(), AlignSpec { with_null: true, ..spec }).unwrap();
    for group in &found.report.groups {
        let null = group.null.unwrap();
        assert!(null.mean < 0.7 && 0.999 < group.after.mean, "{null:?} {:?}", group.after);
    }
}

#[test]
fn networks_can_be_matched_on_their_own_adversarial_examples() {
    let (spec, _) = twins(zoo::mlp(&[20, 16, 12, 4], true).unwrap());
    let attack = Some(Attack { eps: 0.02, step: 0.01, n_steps: 2 });
    let found = align_all(&Engine::cpu(), AlignSpec { attack, ..spec.clone() }).unwrap();
    assert_eq!(found.aligned.values(), spec.a.values());
    // Each network sees images of its own, so that even twins do not respond quite alike.
    let clean = align_all(&Engine::cpu(), spec).unwrap();
    let mean = |found: &Alignment| found.report.groups[0].after.mean;
    assert!(0.9 < mean(&found) && mean(&found) < mean(&clean), "{} {}", mean(&found), mean(&clean));
}
