//! Optimal transport on networks that were really trained, through the command line.
//!
//! The digits always run. MNIST's networks run where `LOWROAD_DATA` names the folder that holds `cases/` and `data/`.

use std::path::Path;

use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, digits, losses, lowroad, number};

/// Two networks and the data that they were trained on.
pub(crate) struct Pair {
    a: String,
    b: String,
    data: String,
    normalize: &'static str,
}

impl Pair {
    pub(crate) fn digits() -> Self {
        let normalize = DIGITS_NORMALIZATION;
        Self { a: digits("a.safetensors"), b: digits("b.safetensors"), data: "optdigits".to_owned(), normalize }
    }

    pub(crate) fn mnist(case: &str) -> Option<Self> {
        let Some(root) = std::env::var_os("LOWROAD_DATA") else {
            eprintln!("skipped: LOWROAD_DATA is not set, so there are no networks trained on MNIST");
            return None;
        };
        let file = |name: &str| Path::new(&root).join(name).display().to_string();
        let mode = |name: &str| file(&format!("cases/{case}/{name}.safetensors"));
        Some(Self { a: mode("a"), b: mode("b"), data: file("data/mnist"), normalize: "0.1307/0.3081" })
    }

    pub(crate) fn path(&self, options: &[&str]) -> Value {
        let common = ["--data", &self.data, "--normalize", self.normalize, "--device", "cpu", "--json", "-"];
        let ends = ["path", &self.a, &self.b];
        lowroad(&[&ends[..], &common, options].concat()).json()
    }
}

pub(crate) fn barrier(path: &Value) -> f64 {
    number(&path["summary"]["test"]["barrier"])
}

pub(crate) fn notes(path: &Value) -> Vec<String> {
    path["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
}

/// The losses of points within a stage but its ends.
fn inner_losses(path: &Value, stage: u64) -> Vec<f64> {
    let points = path["points"].as_array().unwrap().iter();
    let inner = points.filter(|point| point["stage"] == stage && !matches!(point["s"].as_f64().unwrap(), 0.0 | 1.0));
    inner.map(|point| number(&point["test"]["loss"])).collect()
}

#[test]
fn the_line_to_the_nearest_units_has_a_lower_barrier_and_ends_at_the_same_function() {
    for pair in [Some(Pair::digits()), Pair::mnist("mnist-mlp-784-256-128-10")].into_iter().flatten() {
        let line = pair.path(&["--family", "linear", "--points", "11"]);
        let transport = pair.path(&["--family", "ot", "--points", "11"]);
        assert_eq!(transport["family"], "ot");
        assert!(barrier(&transport) < 0.8 * barrier(&line), "{} and {}", barrier(&transport), barrier(&line));
        let (ours, theirs) = (losses(&transport), losses(&line));
        assert!((ours[0] - theirs[0]).abs() < 1e-9);
        assert!((ours[10] / theirs[10] - 1.0).abs() < 1e-5, "the moved B is B");
        assert!(number(&transport["distance"]) < number(&line["distance"]));
        assert!(notes(&transport).iter().any(|note| note.contains("mean squared distance")));
    }
}

#[test]
fn the_second_stage_keeps_the_loss_while_units_move_and_ends_at_b_itself() {
    // How much more loss one missing unit may cost: little, but of 8 channels that run through a whole stage.
    let pairs = [
        (Some(Pair::digits()), 0.05),
        (Pair::mnist("mnist-mlp-784-256-128-10"), 0.05),
        (Pair::mnist("mnist-resnet8-bn"), 0.5),
    ];
    for (pair, most) in pairs.into_iter().filter_map(|(pair, most)| Some((pair?, most))) {
        // Statistics as they are stored: along the walk they move with their units.
        let options = ["--points", "9", "--limit", "1000", "--bn", "stored"];
        let line = pair.path(&[&["--family", "linear"][..], &options].concat());
        let walked = pair.path(&[&["--family", "ot", "--stage2"][..], &options].concat());
        let (ours, theirs) = (losses(&walked), losses(&line));
        assert!((ours[8] - theirs[8]).abs() < 1e-9, "the path ends at B itself");
        assert!((ours[4] / theirs[8] - 1.0).abs() < 1e-5, "half-way stands the moved B");
        let stages: Vec<u64> =
            walked["points"].as_array().unwrap().iter().map(|p| p["stage"].as_u64().unwrap()).collect();
        assert_eq!(stages, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
        for loss in inner_losses(&walked, 1) {
            assert!(loss < theirs[8] + most, "{loss} on the walk, B has {}", theirs[8]);
        }
        assert_eq!(number(&walked["distance"]), number(&line["distance"]));
        assert!(notes(&walked).iter().any(|note| note.contains("at constant loss")), "{:?}", notes(&walked));
    }
}

#[test]
fn the_loss_is_one_and_the_same_all_along_the_moves_of_one_layer() {
    let pair = Pair { a: digits("b.safetensors"), b: digits("a.safetensors"), ..Pair::digits() };
    let walked = pair.path(&["--family", "ot", "--stage2", "--points", "101"]);
    let mut found = inner_losses(&walked, 1);
    found.sort_by(f64::total_cmp);
    let middle = found[found.len() / 2];
    let n_same = found.iter().filter(|loss| (**loss / middle - 1.0).abs() < 1e-5).count();
    // Of a network with several hidden layers, each layer's moves have a loss of their own.
    assert!(found.len() < 3 * n_same, "{n_same} of {} points have the loss {middle}", found.len());
}

#[test]
fn a_second_stage_of_other_families_is_refused() {
    let pair = Pair::digits();
    let run = ["path", &pair.a, &pair.b, "--data", "optdigits", "--device", "cpu", "--family", "linear", "--stage2"];
    lowroad(&run).must_fail(2, &["--stage2", "linear", "its path ends at B itself"]);
}
