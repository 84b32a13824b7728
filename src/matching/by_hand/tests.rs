use super::*;
use crate::matching::{Evidence, Verdict, permute};
use crate::net::{Network, ParamVec, reference, zoo};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A report of groups with random correlations and the best permutations for them.
fn report(sizes: &[usize]) -> Arc<MatchReport> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let groups = sizes.iter().map(|&n| {
        let correlation: Vec<f64> = (0..n * n).map(|_| rng.random_range(-1.0..1.0)).collect();
        let permutation = assign_units(&correlation, n).and_then(|mut search| {
            while !search.step(usize::MAX) {}
            search.finish()
        });
        let alive = vec![false; n];
        GroupReport::new(format!("{n} units"), permutation.unwrap(), &correlation, [&alive, &alive], None)
    });
    let evidence = Evidence {
        verdict: Verdict::Independent,
        relative_distance: 1.0,
        correlation_in_place: 0.0,
        correlation_matched: 0.0,
        null_mean: 0.0,
        null_deviation: 1.0,
    };
    Arc::new(MatchReport { groups: groups.collect(), n_images: 1, evidence })
}

fn edits(report: &MatchReport, change: impl FnOnce(&mut Edits)) -> Edits {
    let mut edits = Edits::none(report.groups.len());
    change(&mut edits);
    edits
}

#[test]
fn without_changes_the_permutations_are_the_reports() {
    let report = report(&[5, 9]);
    let none = Edits::none(2);
    assert!(none.is_none());
    assert_eq!(edited(&report, &none).unwrap(), report.permutations());
    let all_layers = Edits { n_layers: Some(2), ..none };
    assert!(all_layers.is_none());
    assert_eq!(edited(&report, &all_layers).unwrap(), report.permutations());
}

#[test]
fn a_swap_exchanges_two_units_and_made_twice_nothing() {
    let report = report(&[6]);
    let found = &report.groups[0].permutation;
    let once = edited(&report, &edits(&report, |edits| edits.groups[0].swaps.push((1, 4)))).unwrap();
    assert_eq!((once[0].source(1), once[0].source(4)), (found.source(4), found.source(1)));
    assert_eq!(once[0].source(2), found.source(2));
    let twice = edits(&report, |edits| edits.groups[0].swaps.extend([(1, 4), (4, 1)]));
    assert_eq!(edited(&report, &twice).unwrap(), report.permutations());
}

#[test]
fn pinned_pairs_stand_and_the_others_are_assigned_as_well_as_can_be() {
    let report = report(&[6]);
    let group = &report.groups[0];
    let wrong = |place: usize| (group.permutation.source(place) + 1) % 6;
    let pinned = edits(&report, |edits| {
        edits.groups[0].pin(0, wrong(0));
        edits.groups[0].pin(3, wrong(3));
    });
    let found = &edited(&report, &pinned).unwrap()[0];
    assert_eq!((found.source(0), found.source(3)), (wrong(0), wrong(3)));
    let total =
        |sources: &[usize]| -> f64 { (0..6).map(|place| f64::from(group.correlation.at(place, sources[place]))).sum() };
    // Every other assignment of the four free units, by brute force.
    let free_units: Vec<usize> = (0..6).filter(|unit| *unit != wrong(0) && *unit != wrong(3)).collect();
    let mut best = f64::NEG_INFINITY;
    for code in 0..256 {
        let mut sources: Vec<usize> = [0, 1, 2, 3].map(|digit| free_units[(code >> (2 * digit)) & 3]).to_vec();
        sources.insert(0, wrong(0));
        sources.insert(3, wrong(3));
        if Permutation::new(sources.clone()).is_some() {
            best = best.max(total(&sources));
        }
    }
    assert!((total(found.sources()) - best).abs() < 1e-6, "{} {best}", total(found.sources()));
}

#[test]
fn a_unit_is_pinned_in_one_place_only() {
    let mut edits = GroupEdits::default();
    edits.pin(1, 5);
    edits.pin(2, 5);
    edits.pin(2, 6);
    assert_eq!(edits.pins().iter().collect::<Vec<_>>(), [(&2, &6)]);
    edits.unpin(2);
    assert!(edits.is_none());
}

#[test]
fn edits_of_other_groups_do_not_fit() {
    let report = report(&[5, 6]);
    assert!(edits(&report, |edits| edits.groups[1].swaps.push((5, 0))).fit(&report));
    assert!(!edits(&report, |edits| edits.groups[0].swaps.push((5, 0))).fit(&report));
    assert!(!edits(&report, |edits| edits.groups[0].pin(0, 5)).fit(&report));
    assert!(!Edits::none(1).fit(&report));
}

#[test]
fn the_worst_pairs_are_taken_apart_into_bs_own_order() {
    let report = report(&[9]);
    let group = &report.groups[0];
    let without =
        |k: usize| edited(&report, &edits(&report, |edits| edits.groups[0].n_unmatched = k)).unwrap().remove(0);
    assert_eq!(without(9), Permutation::identity(9));
    assert_eq!(without(1), group.permutation);
    let found = without(4);
    let mut places: Vec<usize> = (0..9).collect();
    places.sort_by(|one, other| group.units[*one].after.total_cmp(&group.units[*other].after));
    let (apart, kept) = places.split_at(4);
    assert!(kept.iter().all(|&place| found.source(place) == group.permutation.source(place)));
    let mut apart = apart.to_vec();
    apart.sort_unstable();
    let units: Vec<usize> = apart.iter().map(|&place| found.source(place)).collect();
    assert!(units.is_sorted(), "{units:?}");
}

#[test]
fn pinned_pairs_are_not_taken_apart() {
    let report = report(&[5]);
    let unit = (report.groups[0].permutation.source(2) + 2) % 5;
    let found = edited(
        &report,
        &edits(&report, |edits| {
            edits.groups[0].pin(2, unit);
            edits.groups[0].n_unmatched = 5;
        }),
    )
    .unwrap();
    assert_eq!(found[0].source(2), unit);
    let others: Vec<usize> = [0, 1, 3, 4].map(|place| found[0].source(place)).to_vec();
    assert!(others.is_sorted(), "{others:?}");
}

#[test]
fn groups_beyond_the_last_layer_keep_bs_own_order() {
    let report = report(&[5, 6, 7]);
    let found = edited(
        &report,
        &edits(&report, |edits| {
            edits.n_layers = Some(1);
            edits.groups[2].pin(0, 3);
        }),
    )
    .unwrap();
    assert_eq!(found[0], report.groups[0].permutation);
    assert_eq!(found[1..], [Permutation::identity(6), Permutation::identity(7)]);
}

#[test]
fn a_search_in_small_steps_finds_what_one_step_finds() {
    let report = report(&[40, 3]);
    let pinned = edits(&report, |edits| edits.groups[0].pin(5, 6));
    let mut editing = Editing::new(Arc::clone(&report), pinned.clone());
    let mut n_steps = 1;
    while !editing.step(1).unwrap() {
        n_steps += 1;
    }
    assert!(3 < n_steps);
    assert_eq!(editing.found(), edited(&report, &pinned).unwrap());
}

#[test]
fn whatever_is_changed_the_network_computes_the_same() {
    let convolutions = zoo::by_name("resnet8").unwrap().with_input_shape(&[3, 8, 8]).unwrap();
    for network in [zoo::mlp(&[6, 9, 7, 3], true).unwrap(), convolutions] {
        let network: Network = network;
        let sizes: Vec<usize> = network.groups().iter().map(|group| group.n_units).collect();
        let report = report(&sizes);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let params = ParamVec::random(Arc::clone(network.layout()), &mut rng);
        let input: Vec<f32> = (0..network.n_inputs()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let before = reference::logits(&network, &params, &input);
        for n_layers in 0..=sizes.len() {
            let changed = edits(&report, |edits| {
                edits.n_layers = Some(n_layers);
                for (group, &n) in edits.groups.iter_mut().zip(&sizes) {
                    group.pin(0, n - 1);
                    group.n_unmatched = n / 3;
                    group.swaps.extend([(0, 1), (1, n - 1)]);
                }
            });
            let found = edited(&report, &changed).unwrap();
            let after = reference::logits(&network, &permute(&network, &params, &found), &input);
            for (x, y) in before.iter().zip(&after) {
                assert!((x - y).abs() <= 1e-4 * x.abs().max(1.0), "{} {n_layers}: {x} {y}", network.name());
            }
        }
    }
}
