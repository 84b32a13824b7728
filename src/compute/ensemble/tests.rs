use super::super::test_data::{noise, params};
use super::super::{EvaluateSpec, evaluate_all, logits};
use super::*;
use crate::net::zoo;

fn spec(sizes: &[usize], seeds: &[u64], n_images: usize) -> EnsembleSpec {
    let network = zoo::mlp(sizes, true).unwrap();
    EnsembleSpec {
        members: seeds.iter().map(|&seed| params(&network, seed)).collect(),
        data: noise(&network, n_images),
        network: Arc::new(network),
        batch_norm: BatchNorm::Stored,
    }
}

/// Loss and accuracy of the mean of the members' probabilities, by plain loops.
fn by_loops(spec: &EnsembleSpec) -> (f64, f64) {
    let (n_images, n_classes) = (spec.data.n_images(), spec.network.n_classes());
    let mut probabilities = vec![vec![0.0; n_classes]; n_images];
    for member in &spec.members {
        let all = logits(&Engine::cpu(), &spec.network, member, &spec.data, n_images).unwrap();
        for (image, row) in all.chunks_exact(n_classes).enumerate() {
            let sum: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
            for (class, &z) in row.iter().enumerate() {
                probabilities[image][class] += f64::from(z).exp() / sum / spec.members.len() as f64;
            }
        }
    }
    let (mut loss, mut n_correct) = (0.0, 0);
    for (image, p) in probabilities.iter().enumerate() {
        let label = usize::from(spec.data.inputs().label(image));
        loss -= p[label].ln();
        n_correct += usize::from(p.iter().all(|&other| other <= p[label]));
    }
    (loss / n_images as f64, n_correct as f64 / n_images as f64)
}

#[test]
fn the_ensemble_is_the_mean_of_probabilities() {
    // More images than a block holds.
    for n_images in [50, 2500] {
        let whole = spec(&[12, 9, 4], &[1, 2, 3], n_images);
        let found = score_ensemble(&Engine::cpu(), whole.clone()).unwrap();
        for n_members in 1..=3 {
            let part = EnsembleSpec { members: whole.members[..n_members].to_vec(), ..whole.clone() };
            let (loss, accuracy) = by_loops(&part);
            let together = found.together[n_members - 1];
            assert!((together.loss - loss).abs() < 1e-9 * loss, "{} {loss}", together.loss);
            assert!((together.accuracy - accuracy).abs() < 1e-12);
            assert_eq!(together.n_images, n_images);
        }
    }
}

#[test]
fn members_by_themselves_have_the_values_of_an_evaluation() {
    let spec = spec(&[12, 9, 4], &[4, 5], 300);
    let found = score_ensemble(&Engine::cpu(), spec.clone()).unwrap();
    for (member, single) in spec.members.iter().zip(&found.single) {
        let alone =
            EvaluateSpec::new(Arc::clone(&spec.network), vec![Arc::clone(member)], vec![vec![1.0]], spec.data.clone());
        let expected = evaluate_all(&Engine::cpu(), alone).unwrap()[0];
        assert!((single.loss - expected.loss).abs() < 1e-5 * expected.loss);
        assert_eq!(single.accuracy, expected.accuracy);
    }
}

#[test]
fn an_ensemble_of_identical_networks_is_the_network() {
    let spec = spec(&[12, 7, 4], &[6, 6, 6], 400);
    let found = score_ensemble(&Engine::cpu(), spec).unwrap();
    for together in &found.together {
        assert!((together.loss - found.single[0].loss).abs() < 1e-12 * found.single[0].loss);
        assert_eq!(together.accuracy, found.single[0].accuracy);
    }
}

#[test]
fn probabilities_too_small_for_a_number_still_have_a_loss() {
    let mut sums = BlockSums::default();
    let (single, together) = sums.add(&[2000.0, 0.0], &[1]);
    assert_eq!((single.loss, together.loss), (2000.0, 2000.0));
    // The other member is sure of the label: half of its probability is left.
    let (_, together) = sums.add(&[0.0, 2000.0], &[1]);
    assert!((together.loss - 2.0_f64.ln()).abs() < 1e-12);
}

#[test]
fn a_broken_member_is_seen_from_where_it_joins() {
    let mut spec = spec(&[12, 7, 4], &[1, 2], 40);
    Arc::make_mut(&mut spec.members[1]).values_mut()[0] = f32::NAN;
    let found = score_ensemble(&Engine::cpu(), spec).unwrap();
    assert!(found.together[0].loss.is_finite() && found.together[1].loss.is_nan());
    assert_eq!(found.together[1].accuracy, 0.0);
}

#[test]
fn an_ensemble_of_nothing_is_refused() {
    let spec = spec(&[12, 7, 4], &[], 40);
    assert!(EnsembleScore::new(&Engine::cpu(), spec).err().unwrap().to_string().contains("found none"));
}

#[test]
fn measured_statistics_are_those_of_an_evaluation_that_measures() {
    let network = Arc::new(zoo::by_name("resnet20-a").unwrap());
    let data = noise(&network, 40);
    let member = params(&network, 3);
    let batch_norm = BatchNorm::Recompute(data.clone());
    let ensemble = EnsembleSpec {
        network: Arc::clone(&network),
        members: vec![Arc::clone(&member)],
        data: data.clone(),
        batch_norm: batch_norm.clone(),
    };
    let found = score_ensemble(&Engine::cpu(), ensemble).unwrap();
    assert_ne!(found.members[0], member);
    let alone = EvaluateSpec { batch_norm, ..EvaluateSpec::new(network, vec![member], vec![vec![1.0]], data) };
    let expected = evaluate_all(&Engine::cpu(), alone).unwrap()[0];
    assert!((found.single[0].loss - expected.loss).abs() < 1e-5 * expected.loss);
}
