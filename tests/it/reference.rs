//! What PyTorch and SciPy say about the same networks on the same images.
//!
//! The digits case always runs. The MNIST case runs where `LOWROAD_DATA` names the folder that holds `cases/` and `data/`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{DIGITS_NORMALIZATION, fixture, lowroad, number};

/// Three networks, what they were trained with, and the numbers to be met.
struct Case {
    folder: PathBuf,
    data: String,
    normalize: &'static str,
    /// Images that the alignment was computed on.
    samples: &'static [&'static str],
    n_test: f64,
    /// How far losses may be off, as a share of them, and by how many images accuracies.
    tolerance: (f64, f64),
    /// Asked of every command.
    options: &'static [&'static str],
    expect: Value,
}

/// For networks without batch norm: rounding.
const ROUNDING: (f64, f64) = (1e-4, 1.5);

impl Case {
    fn digits() -> Self {
        let folder = fixture();
        Self {
            data: "optdigits".to_owned(),
            normalize: DIGITS_NORMALIZATION,
            samples: &["--samples", "2000"],
            n_test: 1797.0,
            tolerance: ROUNDING,
            options: &[],
            expect: expectations(&folder),
            folder,
        }
    }

    fn mnist() -> Option<Self> {
        Self::of_mnist("mnist-mlp-784-256-128-10", ROUNDING, &[])
    }

    /// Statistics are PyTorch's averages over five batches, ours those of all images at once.
    fn batch_norm() -> Option<Self> {
        Self::of_mnist("mnist-resnet8-bn", (1e-2, 20.0), &["--bn-images", "5000"])
    }

    fn of_mnist(name: &str, tolerance: (f64, f64), options: &'static [&'static str]) -> Option<Self> {
        let Some(root) = std::env::var_os("LOWROAD_DATA") else {
            eprintln!("skipped: LOWROAD_DATA is not set, so there is no MNIST case to compare with");
            return None;
        };
        let folder = Path::new(&root).join("cases").join(name);
        Some(Self {
            data: Path::new(&root).join("data/mnist").display().to_string(),
            normalize: "0.1307/0.3081",
            samples: &["--samples-split", "test"],
            n_test: 10_000.0,
            tolerance,
            options,
            expect: expectations(&folder),
            folder,
        })
    }

    fn run(&self, command: &str, files: &[&str], options: &[&str]) -> Value {
        let mut args = vec![command.to_owned()];
        args.extend(files.iter().map(|file| self.file(file)));
        let common = ["--data", &self.data, "--normalize", self.normalize, "--device", "cpu", "--json", "-"];
        args.extend(common.iter().chain(self.options).chain(options).map(|&option| option.to_owned()));
        lowroad(&args).json()
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn assert_scores(&self, what: &str, found: &Value, expected: &Value) {
        let (loss, wanted) = (number(&found["loss"]), number(&expected["loss"]));
        assert!((loss / wanted - 1.0).abs() < self.tolerance.0, "{what}: loss {loss}, PyTorch {wanted}");
        let (accuracy, wanted) = (number(&found["accuracy"]), number(&expected["accuracy"]));
        let n_images = (accuracy - wanted).abs() * self.n_test;
        assert!(n_images < self.tolerance.1, "{what}: accuracy {accuracy}, PyTorch {wanted}");
    }

    fn assert_path(&self, found: &Value, expected: &Value) {
        let (points, wanted) = (found["points"].as_array().unwrap(), expected.as_array().unwrap());
        assert_eq!(points.len(), wanted.len());
        for (point, wanted) in points.iter().zip(wanted) {
            assert!((number(&point["t"]) - number(&wanted["t"])).abs() < 1e-12);
            self.assert_scores(&format!("t = {}", wanted["t"]), &point["test"], wanted);
        }
    }

    /// Endpoints are the ends of the paths; checkpoints of both formats hold the same networks.
    fn paths_agree(&self) {
        for kind in ["safetensors", "pt"] {
            let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}.{kind}"));
            let line = self.run("path", &[&a, &b], &["--family", "linear", "--points", "11"]);
            self.assert_path(&line, &self.expect["linear"]);
            let points = line["points"].as_array().unwrap();
            self.assert_scores("A", &points[0]["test"], &self.expect["endpoints"][0]);
            self.assert_scores("B", &points[10]["test"], &self.expect["endpoints"][1]);

            let bend = self.file(&c);
            let bend = ["--family", "bezier", "--bends", &bend, "--points", "11"];
            let curve = self.run("path", &[&a, &b], &bend);
            self.assert_path(&curve, &self.expect["bezier_abc"]);
        }
    }

    fn alignment_agrees(&self) {
        let found = self.run("align", &["a.safetensors", "b.safetensors"], self.samples);
        let layers = found["layers"].as_array().unwrap();
        let expected = self.expect["alignment"].as_array().unwrap();
        assert_eq!(layers.len(), expected.len());
        for (layer, wanted) in layers.iter().zip(expected) {
            assert_eq!(layer["name"], wanted["layer"]);
            assert_eq!(layer["units"], wanted["units"]);
            for key in ["mean_correlation_before", "mean_correlation_after"] {
                let (found, wanted) = (number(&layer[key]), number(&wanted[key]));
                assert!((found - wanted).abs() < 1e-5, "{key} {found}, SciPy {wanted}");
            }
            // Dead units correlate with nothing, so they may change places at no cost; all others must agree.
            let (found, wanted) = (&layer["permutation"], &wanted["perm"]);
            let pairs = found.as_array().unwrap().iter().zip(wanted.as_array().unwrap());
            let n_same = pairs.filter(|(a, b)| a == b).count();
            assert!(9 * expected_units(wanted) <= 10 * n_same, "only {n_same} units agree");
        }
        assert!(number(&found["max_logit_difference"]) < 1e-4);
        let scores = &found["scores"]["test"];
        self.assert_scores("aligned B", &scores["b_aligned"], &self.expect["endpoints"][1]);
    }

    /// The line to B as PyTorch permuted it, and to B as we do: equally good.
    fn aligned_lines_agree(&self) {
        let options = ["--family", "linear", "--points", "11"];
        let theirs = self.run("path", &["a.safetensors", "b_aligned.safetensors"], &options);
        self.assert_path(&theirs, &self.expect["linear_aligned"]);
        let aligned = [&options[..], &["--align", "activation"], self.samples].concat();
        let ours = self.run("path", &["a.safetensors", "b.safetensors"], &aligned);
        let barrier = |path: &Value| number(&path["summary"]["test"]["barrier"]);
        let (ours, theirs) = (barrier(&ours), barrier(&theirs));
        assert!((ours - theirs).abs() < 0.02 * theirs.max(0.05), "barrier {ours}, PyTorch's {theirs}");
    }

    fn plane_agrees(&self, grid: &str) {
        let found = self.run("plane", &["a.safetensors", "b.safetensors", "c.safetensors"], &["--grid", grid]);
        let expected = &self.expect["plane"];
        let size = number(&expected["anchors"]["B"][0]);
        for (name, index) in [("A", 0), ("A", 1), ("B", 0), ("B", 1), ("C", 0), ("C", 1)] {
            let (x, wanted) = (number(&found["anchors"][name][index]), number(&expected["anchors"][name][index]));
            assert!((x - wanted).abs() < 1e-4 * size, "{name}: {x}, PyTorch {wanted}");
        }
        for axis in ["x", "y"] {
            let (values, wanted) = (found[axis].as_array().unwrap(), expected[axis].as_array().unwrap());
            assert_eq!(values.len(), wanted.len());
            for (value, wanted) in values.iter().zip(wanted) {
                assert!((number(value) - number(wanted)).abs() < 1e-4 * size, "{axis}");
            }
        }
        for (iy, row) in expected["loss"].as_array().unwrap().iter().enumerate() {
            for ix in 0..row.as_array().unwrap().len() {
                let at = |of: &Value| json!({ "loss": of["loss"][iy][ix], "accuracy": of["accuracy"][iy][ix] });
                self.assert_scores(&format!("({ix}, {iy})"), &at(&found["test"]), &at(expected));
            }
        }
    }
}

fn expectations(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("expect.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn expected_units(permutation: &Value) -> usize {
    permutation.as_array().unwrap().len()
}

#[test]
fn paths_have_the_losses_that_pytorch_finds() {
    Case::digits().paths_agree();
}

#[test]
fn alignment_has_the_correlations_that_scipy_finds() {
    Case::digits().alignment_agrees();
}

#[test]
fn lines_to_aligned_networks_have_the_losses_that_pytorch_finds() {
    Case::digits().aligned_lines_agree();
}

#[test]
fn planes_have_the_coordinates_and_losses_that_pytorch_finds() {
    Case::digits().plane_agrees("7x5");
}

#[test]
fn training_images_have_the_losses_that_pytorch_finds() {
    let case = Case::digits();
    let line = case.run("path", &["a.pt", "b.pt"], &["--family", "linear", "--points", "2", "--split", "both"]);
    for (index, point) in line["points"].as_array().unwrap().iter().enumerate() {
        case.assert_scores("test", &point["test"], &case.expect["endpoints"][index]);
        let (loss, wanted) = (number(&point["train"]["loss"]), number(&case.expect["endpoints_train"][index]["loss"]));
        assert!((loss / wanted - 1.0).abs() < 1e-4, "{loss}, PyTorch {wanted}");
    }
}

#[test]
fn mnist_paths_have_the_losses_that_pytorch_finds() {
    if let Some(case) = Case::mnist() {
        case.paths_agree();
    }
}

#[test]
fn mnist_alignment_has_the_correlations_that_scipy_finds() {
    if let Some(case) = Case::mnist() {
        case.alignment_agrees();
        case.aligned_lines_agree();
    }
}

#[test]
fn mnist_planes_have_the_coordinates_and_losses_that_pytorch_finds() {
    if let Some(case) = Case::mnist() {
        case.plane_agrees("9");
    }
}

#[test]
fn networks_with_batch_norm_have_the_losses_that_pytorch_finds() {
    let Some(case) = Case::batch_norm() else { return };
    let (ends, stored) = (["a.safetensors", "b.pt"], ["--family", "linear", "--points", "2", "--bn", "stored"]);
    let exact = Case { tolerance: ROUNDING, options: &[], ..Case::batch_norm().unwrap() };
    for (index, point) in exact.run("path", &ends, &stored)["points"].as_array().unwrap().iter().enumerate() {
        exact.assert_scores(ends[index], &point["test"], &case.expect["endpoints"][index]);
    }
    let line = case.run("path", &ends, &["--family", "linear", "--points", "11"]);
    case.assert_path(&line, &case.expect["linear"]);
    let bend = case.file("c.safetensors");
    let curve = case.run("path", &ends, &["--family", "bezier", "--bends", &bend, "--points", "11"]);
    case.assert_path(&curve, &case.expect["bezier_abc"]);
    case.plane_agrees("5");
}
