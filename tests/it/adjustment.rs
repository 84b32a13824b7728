//! Weight adjustment and butterflies on networks that were really trained, through the command line.

use std::collections::BTreeMap;

use lowroad::checkpoint::read;

use crate::program::{digits, losses, lowroad, number};
use crate::transport::{Pair, barrier, notes};

const ADJUSTED: [&str; 3] = ["linear+wa", "arc+wa", "ot+wa"];
const BUTTERFLIES: [&str; 3] = ["linear+butterfly", "arc+butterfly", "ot+butterfly"];

fn pairs() -> impl Iterator<Item = Pair> {
    [Some(Pair::digits()), Pair::mnist("mnist-mlp-784-256-128-10")].into_iter().flatten()
}

#[test]
fn adjusted_paths_have_lower_barriers_than_the_line_and_keep_its_ends() {
    for pair in pairs() {
        let line = pair.path(&["--family", "linear", "--points", "13"]);
        for family in ADJUSTED {
            let path = pair.path(&["--family", family, "--points", "13", "--stage-points", "5"]);
            assert_eq!(path["family"], family);
            assert!(barrier(&path) < 0.7 * barrier(&line), "{family}: {} and {}", barrier(&path), barrier(&line));
            let (ours, theirs) = (losses(&path), losses(&line));
            assert!((ours[0] - theirs[0]).abs() < 1e-9, "{family} starts at A");
            assert!((ours[12] / theirs[12] - 1.0).abs() < 1e-5, "{family} ends at what B computes");
            let residuals = path["traces"][0]["points"].as_array().unwrap();
            assert_eq!(path["traces"][0]["name"], "fit residual");
            assert!(residuals.iter().all(|point| (0.0..1.0).contains(&number(&point[1]))), "{residuals:?}");
            assert_eq!(notes(&path).iter().any(|note| note.contains("with its units moved")), family == "ot+wa");
        }
    }
}

#[test]
fn butterflies_keep_the_ends_and_transport_lowers_their_barrier() {
    for pair in pairs() {
        let line = losses(&pair.path(&["--family", "linear", "--points", "13"]));
        let barriers = BUTTERFLIES.map(|family| {
            let path = pair.path(&["--family", family, "--points", "13"]);
            let found = losses(&path);
            assert!((found[0] - line[0]).abs() < 1e-9, "{family} starts at A");
            assert!((found[12] / line[12] - 1.0).abs() < 1e-5, "{family} ends at what B computes");
            barrier(&path)
        });
        assert!(barriers[2] < barriers[0], "{barriers:?}");
    }
}

#[test]
fn fewer_images_and_another_ridge_are_taken_and_a_ridge_out_of_range_is_refused() {
    let fit = |options: &[&str]| {
        let common = ["--family", "linear+wa", "--points", "5", "--stage-points", "3"];
        losses(&Pair::digits().path(&[&common, options].concat()))
    };
    let plain = fit(&[]);
    for options in [["--fit-images", "100"], ["--ridge", "0.01"]] {
        let other = fit(&options);
        assert!((other[0] - plain[0]).abs() < 1e-9);
        assert!(1e-6 < (other[1] - plain[1]).abs(), "{options:?}");
    }
    let (a, b) = (digits("a.safetensors"), digits("b.safetensors"));
    let run = ["path", &a, &b, "--data", "optdigits", "--device", "cpu", "--family", "linear+wa", "--ridge", "2"];
    lowroad(&run).must_fail(2, &["--ridge", "expected a number from 0 to 1"]);
}

#[test]
fn the_points_of_a_path_are_saved_as_a_trajectory_from_a_to_b() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().display().to_string();
    Pair::digits().path(&["--family", "linear+wa", "--points", "3", "--stage-points", "3", "--save", &saved]);
    let points = folder.path().join("points");
    let values = |path: &std::path::Path| -> BTreeMap<String, Vec<f32>> {
        read(path).unwrap().tensors.into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
    };
    let a = values(digits("a.safetensors").as_ref());
    assert!(values(&points.join("000.safetensors")) == a, "the first point is A");
    // The embedded networks have two hidden layers: two stages of fits, 3 points each.
    assert_eq!(std::fs::read_dir(&points).unwrap().count(), 6);
    assert!(values(&points.join("005.safetensors")) != a);
}
