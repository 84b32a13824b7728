//! Alignment from outside: methods, reports, permutations as files, curves after PAM, repaired paths.

use std::fs;

use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, digits, lowroad, number};

/// Runs a command on the small digits networks.
fn run(args: &[&str]) -> Value {
    let common = ["--normalize", DIGITS_NORMALIZATION, "--device", "cpu", "--json", "-"];
    lowroad(&[args, &common].concat()).json()
}

fn align(options: &[&str]) -> Value {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    run(&[&["align", &a, &b, "--samples", "500"][..], options].concat())
}

fn mean_after(found: &Value) -> f64 {
    number(&found["layers"][0]["after"]["mean"])
}

#[test]
fn every_method_keeps_the_function_and_beats_chance() {
    let random = mean_after(&align(&["--method", "random"]));
    let variants: [&[&str]; 6] = [
        &["--similarity", "l2"],
        &["--similarity", "product"],
        &["--reading", "pre"],
        &["--stream", "paper"],
        &["--method", "weight", "--restarts", "2"],
        &["--method", "pam", "--pam-epochs", "2"],
    ];
    let best = mean_after(&align(&[]));
    for options in variants {
        let found = align(options);
        assert!(number(&found["max_logit_difference"]) < 1e-4, "{options:?}");
        if options[1] != "pam" {
            assert!(random + 0.1 < mean_after(&found), "{options:?}");
        }
        assert!(options.contains(&"pre") || mean_after(&found) <= best + 1e-9, "{options:?}");
    }
}

#[test]
fn the_report_says_what_every_unit_is_worth_and_how_the_networks_are_related() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("report");
    let found = align(&["--report", &at.display().to_string()]);
    let layer = &found["layers"][0];
    let mean = |key: &str| number(&layer[key]["mean"]);
    assert!(mean("shuffled_samples") < mean("after"), "{layer}");
    assert!(mean("after") <= mean("best_unconstrained"));
    assert_eq!(found["verdict"]["verdict"], "independent", "{}", found["verdict"]);
    let saved: Value = serde_json::from_slice(&fs::read(at.join("align.json")).unwrap()).unwrap();
    assert_eq!(saved, found);
    let layers = fs::read_to_string(at.join("layers.csv")).unwrap();
    let n_layers = found["layers"].as_array().unwrap().len();
    assert_eq!(layers.lines().count(), 1 + n_layers);
    let units: Vec<_> = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(units.len(), 2 + n_layers, "{units:?}");
}

#[test]
fn permutations_come_back_from_files_and_tell_twins() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, npz, moved) = (path("p.json"), path("p.npz"), path("moved.safetensors"));
    let exported = align(&["--export", &npz, "--out", &moved]);
    align(&["--export", &json]);
    for file in [&json, &npz] {
        let given = align(&["--permutation", file]);
        assert_eq!(given["method"], "file");
        assert_eq!(given["layers"], exported["layers"]);
    }
    // B and B with its units moved are one network; matching puts the one in the order of the other.
    let twins = run(&["align", &digits("b.pt"), &moved, "--samples", "500"]);
    assert_eq!(twins["verdict"]["verdict"], "twins", "{}", twins["verdict"]);
    fs::write(folder.path().join("short.json"), r#"{"layers":[{"name":"fc1","permutation":[0]}]}"#).unwrap();
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let short = path("short.json");
    lowroad(&["align", &a, &b, "--device", "cpu", "--permutation", &short]).must_fail(1, &["short.json"]);
}

#[test]
fn the_four_curves_of_the_paper_are_trained_and_compared() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let options = ["--epochs", "2", "--pam-epochs", "1", "--points", "5", "--seeds", "2", "--samples", "500"];
    let folder = tempfile::tempdir().unwrap();
    let files = ["f.svg", "s.svg", "t.svg"].map(|name| folder.path().join(name).display().to_string());
    let figures = ["--figure", &files[0], "--spectrum", &files[1], "--training", &files[2]];
    let found = run(&[&["pam", &a, &b][..], &options, &figures].concat());
    let curves = found["curves"].as_array().unwrap();
    let names: Vec<&str> = curves.iter().map(|curve| curve["curve"].as_str().unwrap()).collect();
    assert_eq!(names, ["unaligned", "PAM unaligned", "PAM aligned", "aligned"]);
    for curve in curves {
        assert_eq!(curve["runs"].as_array().unwrap().len(), 2);
        let scores = &curve["scores"]["test"];
        assert_eq!(scores["accuracy"]["mean"].as_array().unwrap().len(), 5);
        assert!(number(&scores["min_accuracy"]["mean"]) <= number(&scores["mean_accuracy"]["mean"]));
    }
    for (file, words) in files.iter().zip([">test accuracy (0 to 1)</text>", "wavenumber", ">epoch</text>"]) {
        let drawn = fs::read_to_string(file).unwrap();
        assert!(drawn.contains(">PAM aligned</text>") && drawn.contains(words), "{file}: {words}");
    }
    lowroad(&["pam", &a, &b, &a]).must_fail(2, &["pairs"]);
}

#[test]
fn curves_that_are_done_are_trained_once() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().display().to_string();
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let pam = |options: &[&str]| -> Value {
        let short = ["--pam-epochs", "1", "--points", "3", "--samples", "200", "--train-images", "200"];
        run(&[&["pam", &a, &b, "--resume", &kept][..], &short, options].concat())
    };
    let files = || -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let first = pam(&["--epochs", "1"]);
    assert_eq!(files().len(), 4, "one for each kind: {:?}", files());
    // A number that no training gives shows that the kept run is taken; without its file a run is done again.
    let [marked, lost] = [&files()[0], &files()[1]];
    let mut run: Value = serde_json::from_slice(&fs::read(marked).unwrap()).unwrap();
    run["length"] = Value::from(-1.0);
    fs::write(marked, run.to_string()).unwrap();
    fs::remove_file(lost).unwrap();
    let second = pam(&["--epochs", "1"]);
    assert_eq!(files().len(), 4);
    let mut lengths = [&first, &second].map(|found| -> Vec<f64> {
        found["curves"].as_array().unwrap().iter().map(|curve| number(&curve["runs"][0]["length"])).collect()
    });
    let at = lengths[1].iter().position(|&length| length == -1.0).unwrap();
    lengths[1][at] = lengths[0][at];
    for (first, second) in lengths[0].iter().zip(&lengths[1]) {
        assert!((first - second).abs() < 1e-9 * first, "{lengths:?}");
    }
    for other in [&["--epochs", "2"][..], &["--epochs", "1", "--augment", "flip"], &["--epochs", "1", "--seeds", "2"]] {
        let before = files().len();
        pam(other);
        assert_eq!(files().len(), before + 4, "{other:?}");
    }
}

#[test]
fn a_repaired_line_is_reported_beside_the_raw_one_and_keeps_its_ends() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let line = ["--family", "linear", "--points", "5", "--align", "activation", "--samples", "500", "--repair"];
    let found = run(&[&["path", &a, &b][..], &line].concat());
    let losses = |path: &Value| -> Vec<f64> {
        let points = path["points"].as_array().unwrap();
        points.iter().map(|point| number(&point["test"]["loss"])).collect()
    };
    let (raw, repaired) = (losses(&found), losses(&found["repaired"]));
    assert!((raw[0] - repaired[0]).abs() < 0.01 && (raw[4] - repaired[4]).abs() < 0.01, "{raw:?} {repaired:?}");
    assert!((raw[2] - repaired[2]).abs() > 1e-3, "{raw:?} {repaired:?}");
    let arc = ["path", &a, &b, "--family", "arc", "--repair", "--device", "cpu"];
    lowroad(&arc).must_fail(1, &["--repair", "arc"]);
}

#[test]
fn robust_modes_and_curves_are_trained_and_scored_under_attack() {
    let folder = tempfile::tempdir().unwrap();
    let attack = "0.1,0.04,3";
    let train = |name: &str, options: &[&str]| -> String {
        let out = folder.path().join(name).display().to_string();
        let args =
            ["train", "--network", "64-24-10", "--epochs", "10", "--limit", "2000", "--device", "cpu", "--out", &out];
        assert_eq!(lowroad(&[&args[..], options].concat()).code, 0);
        out
    };
    let robust =
        [train("a.safetensors", &["--pgd", attack]), train("b.safetensors", &["--pgd", attack, "--seed", "1"])];
    let plain = [train("c.safetensors", &[]), train("d.safetensors", &["--seed", "1"])];
    let path = |ends: &[String; 2], options: &[&str]| -> Value {
        let args = ["path", &ends[0], &ends[1], "--points", "3", "--limit", "200", "--pgd", attack];
        lowroad(&[&args[..], &["--device", "cpu", "--json", "-"], options].concat()).json()
    };
    let line = ["--family", "linear"];
    let (of_robust, of_plain) = (path(&robust, &line), path(&plain, &line));
    let losses = |path: &Value| -> [f64; 2] {
        let at_a = |points: &Value, key: Option<&str>| {
            let score = key.map_or(&points[0], |key| &points[0][key]);
            number(&score["loss"])
        };
        [at_a(&path["points"], Some("test")), at_a(&path["robust"]["points"], None)]
    };
    let ([_, robust_loss], [clean, attacked]) = (losses(&of_robust), losses(&of_plain));
    assert!(clean < attacked, "an attack raises the loss: {clean} {attacked}");
    assert!(robust_loss < attacked, "training against it helps: {robust_loss} {attacked}");
    let curve = path(&robust, &["--family", "bezier", "--epochs", "1"]);
    assert_eq!(curve["robust"]["points"].as_array().unwrap().len(), 3);
    assert_eq!(number(&curve["robust"]["attack"]["eps"]), 0.1);
    lowroad(&["path", &robust[0], &robust[1], "--pgd", "0.1"]).must_fail(2, &["EPS,STEP,STEPS"]);
}
