//! `lowroad signature`: correlations by layer, of networks and of the middles of curves.

use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, digits, lowroad, number};

fn values(found: &Value, of: impl Fn(&Value) -> &Value) -> Vec<f64> {
    found["layers"].as_array().unwrap().iter().map(|layer| number(of(layer))).collect()
}

fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // Correlations are a little too small, so that dead units divide by no 0.
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn ends_are_those_of_align_and_the_middle_of_a_chain_is_its_bend() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let normalize = ["--normalize", DIGITS_NORMALIZATION];
    let images = ["--samples", "500", "--samples-split", "test", "--device", "cpu", "--json", "-"];
    let same_images = [&normalize[..], &images].concat();
    let align = lowroad(&[&["align", &a, &b][..], &same_images].concat()).json();
    let folder = tempfile::tempdir().unwrap();
    let figure = folder.path().join("signature.svg").display().to_string();
    let of_pairs = ["signature", &a, &b, &a, &b, "--curve", &b, "--curve", &b, "--family", "chain", "--limit", "500"];
    let found = lowroad(&[&of_pairs[..], &same_images, &["--figure", &figure]].concat()).json();

    let before = values(&align, |layer| &layer["mean_correlation_before"]);
    let after = values(&align, |layer| &layer["mean_correlation_after"]);
    assert_near(&values(&found, |layer| &layer["before"]["mean"]), &before);
    assert_near(&values(&found, |layer| &layer["after"]["mean"]), &after);
    assert_near(&values(&found, |layer| &layer["after"]["std"]), &vec![0.0; after.len()]);
    // B has correlation 1 with itself, but for dead units.
    let dead = |layer: &Value| layer["dead_b"].as_f64().unwrap() / layer["units"].as_f64().unwrap();
    let alive: Vec<f64> = align["layers"].as_array().unwrap().iter().map(|layer| 1.0 - dead(layer)).collect();
    let middles = |ends: &[f64]| -> Vec<f64> { ends.iter().zip(&alive).map(|(end, own)| 0.5 * (end + own)).collect() };
    assert_near(&values(&found, |layer| &layer["midpoint"]["before"]["mean"]), &middles(&before));
    assert_near(&values(&found, |layer| &layer["midpoint"]["after"]["mean"]), &middles(&after));
    let linear = values(&found, |layer| &layer["midpoint"]["linear"]["mean"]);
    assert!(linear.iter().zip(&before).all(|(middle, ends)| ends < middle), "half of it is the end itself");

    let svg = std::fs::read_to_string(figure).unwrap();
    assert!(svg.contains("linear midpoint") && svg.contains("Means over 2 pairs"));
}

#[test]
fn networks_come_in_pairs_and_every_pair_has_a_curve_or_none() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    lowroad(&["signature", &a, &b, &a]).must_fail(2, &["expected pairs of networks", "3"]);
    lowroad(&["signature", &a, &b, &a, &b, "--curve", &b]).must_fail(2, &["--curve", "2 pairs", "found 1"]);
}
