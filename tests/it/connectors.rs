//! Families that train what lies between: AutoNEB, simplexes and layer-wise paths, and trees of them.

use std::path::Path;

use lowroad::checkpoint::Mode;
use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, digits, lowroad, number};

/// A path between the digits' A and B.
fn path(family: &str, options: &[&str]) -> Value {
    let (a, b) = (digits("a.safetensors"), digits("b.safetensors"));
    let common = ["path", &a, &b, "--normalize", DIGITS_NORMALIZATION, "--device", "cpu", "--json", "-"];
    lowroad(&[&common[..], &["--family", family, "--split", "train"], options].concat()).json()
}

fn training_losses(path: &Value) -> Vec<f64> {
    path["points"].as_array().unwrap().iter().map(|point| number(&point["train"]["loss"])).collect()
}

fn barrier(path: &Value) -> f64 {
    number(&path["summary"]["train"]["barrier"])
}

fn notes(path: &Value) -> Vec<&str> {
    path["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect()
}

/// Asserts that a path begins and ends with the networks' own losses.
fn assert_ends(found: &Value, line: &Value) {
    let (found, line) = (training_losses(found), training_losses(line));
    for (found, expected) in [(found[0], line[0]), (found[found.len() - 1], line[line.len() - 1])] {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}

#[test]
fn every_trained_family_lowers_the_barrier_of_the_straight_line() {
    let line = path("linear", &[]);
    for (family, options) in [
        ("autoneb", &["--neb-steps", "0.3", "--neb-batch", "128"][..]),
        ("simplex", &["--simplex-epochs", "3"]),
        ("layerwise", &["--loss-threshold", "0.1"]),
    ] {
        let found = path(family, options);
        assert_eq!(found["family"], family);
        assert_ends(&found, &line);
        assert!(barrier(&found) < 0.3 * barrier(&line), "{family}: {} {}", barrier(&found), barrier(&line));
        assert!(!notes(&found).is_empty(), "{family}");
    }
}

#[test]
fn a_band_tells_its_saddle_and_the_losses_of_its_pivots() {
    let found = path("autoneb", &["--neb-steps", "0.05", "--neb-batch", "64"]);
    assert!(notes(&found)[0].contains("saddle") && notes(&found)[0].contains("straight line"), "{:?}", notes(&found));
    let traces = found["traces"].as_array().unwrap();
    let [pivots, dense] = [0, 1].map(|index| traces[index]["points"].as_array().unwrap());
    assert!(9 <= pivots.len());
    assert_eq!(dense.len(), 10 * (pivots.len() - 1) + 1);
    assert_eq!((&dense[0][0], &dense[dense.len() - 1][0]), (&0.0.into(), &1.0.into()));
}

#[test]
fn a_seed_gives_the_same_path_again() {
    for (family, options) in [
        ("autoneb", &["--neb-steps", "0.02", "--neb-batch", "64"][..]),
        ("simplex", &["--simplex-epochs", "1"]),
        ("layerwise", &["--step-size", "0.5"]),
    ] {
        let losses = [(); 2].map(|()| training_losses(&path(family, options)));
        assert_eq!(losses[0], losses[1], "{family}");
    }
}

#[test]
fn connectors_are_bends_and_span_an_area() {
    let found = path("simplex", &["--simplex-epochs", "1"]);
    assert_eq!(found["bends"], 2);
    assert!(notes(&found).iter().any(|note| note.contains("area of the simplex of A")), "{:?}", notes(&found));
    let single = path("simplex", &["--simplex-epochs", "1", "--connectors", "1"]);
    assert_eq!(single["bends"], 1);
}

#[test]
fn a_tree_joins_all_networks_and_its_ways_are_no_higher_than_direct_paths() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b", "c"].map(|name| digits(&format!("{name}.safetensors")));
    let saved = folder.path().display().to_string();
    let options = ["--neb-steps", "0.05", "--neb-batch", "64", "--normalize", DIGITS_NORMALIZATION, "--save", &saved];
    let [a, b, c] = &files;
    let args = [&["tree", a, b, c, "--paths", "3", "--device", "cpu", "--json", "-"][..], &options].concat();
    let tree = lowroad(&args).json();
    let paths = tree["paths"].as_array().unwrap();
    assert_eq!(paths.len(), 3);
    assert_eq!(paths.iter().filter(|path| path["in_tree"] == true).count(), 2);
    let routes = tree["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 3);
    for route in routes {
        assert!(number(&route["saddle"]) <= number(&route["direct"]), "{route}");
    }
    for path in paths {
        let [from, to] = ["from", "to"].map(|end| path[end].as_u64().unwrap() as usize);
        let points = folder.path().join(format!("{}-{}", from + 1, to + 1));
        let last = path["pivots"].as_u64().unwrap() + 1;
        for (file, end) in [(0, from), (last, to)] {
            let point = Mode::open(&points.join(format!("{file:03}.safetensors"))).unwrap();
            assert_eq!(point.params.values(), Mode::open(Path::new(&files[end])).unwrap().params.values());
        }
    }
}

#[test]
fn wrong_settings_are_refused() {
    let (a, b) = (digits("a.safetensors"), digits("b.safetensors"));
    for (args, parts) in [
        (&["path", &a, &b, "--neb-preset", "slow"][..], &["--neb-preset", "fast or paper", "slow"][..]),
        (&["path", &a, &b, "--step-size", "2"], &["--step-size", "at most 1"]),
        (&["path", &a, &b, "--connectors", "0"], &["--connectors", "at least 1"]),
        (&["tree", &a], &["NETWORK", "2"]),
    ] {
        lowroad(args).must_fail(2, parts);
    }
}
