//! The command line: what it prints, what it saves, and how it ends.

use std::fs;
use std::path::Path;

use lowroad::checkpoint::{self, Mode, TensorOut, write_safetensors};
use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, digits, losses, lowroad, number};

fn on_cpu<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--device", "cpu"]].concat()
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

/// Saves a mode again, its layers named `fc1`, `fc2`, ...
fn save_renamed(from: &str, to: &Path) {
    let mode = Mode::open(Path::new(from)).unwrap();
    let specs = mode.network.layout().specs();
    let names: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| format!("fc{}.{}", index / 2 + 1, spec.name.rsplit('.').next().unwrap()))
        .collect();
    let tensors: Vec<TensorOut<'_>> = specs
        .iter()
        .zip(&names)
        .map(|(spec, name)| TensorOut {
            name,
            shape: &spec.shape,
            values: &mode.params.values()[spec.offset..spec.offset + spec.n_values()],
        })
        .collect();
    write_safetensors(to, &tensors, &Default::default()).unwrap();
}

#[test]
fn help_and_version_end_with_code_0() {
    let help = lowroad(&["--help"]);
    assert_eq!(help.code, 0);
    for command in ["info", "align", "path", "compare", "ensemble", "plane", "signature", "train", "tree", "demo"] {
        assert!(help.stdout.contains(command), "{command}");
        assert_eq!(lowroad(&[command, "--help"]).code, 0, "{command}");
    }
    assert!(lowroad(&["--version"]).stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_code_2_and_names_the_option() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    for (args, parts) in [
        (&["info"][..], &["FILE"][..]),
        (&["path", &a], &["<B>"]),
        (&["path", &a, &b, "--nonsense"], &["--nonsense"]),
        (&["path", &a, &b, "--points", "1"], &["--points", "2 to"]),
        (&["path", &a, &b, "--lr", "nan"], &["--lr", "above 0"]),
        (&["path", &a, &b, "--family", "linear", "--bends", "2"], &["--bends", "linear"]),
        (&["path", &a, &b, "--family", "arc", "--epochs", "2"], &["--epochs", "arc"]),
        (&["path", &a, &b, "--normalize", "half"], &["--normalize", "half", "0.1307/0.3081"]),
        (&["path", &a, &b, "--device", "tpu"], &["--device", "auto, gpu or cpu", "tpu"]),
        (&["align", &a, &b, "--samples", "0"], &["--samples", "at least 1"]),
        (&["plane", &a, &b, &a, "--grid", "0"], &["--grid", "0", "40x30"]),
        (&["train", "--network", "64-x", "--out", "x.safetensors"], &["--network", "64-x", "784-512-10"]),
        (&["path", &a, &b, "--network", "nothing"], &["--network", "nothing"]),
    ] {
        lowroad(args).must_fail(2, parts);
    }
}

#[test]
fn info_tells_tensors_network_and_groups() {
    let one = lowroad(&["info", &digits("a.safetensors"), "--json", "-"]).json();
    assert_eq!(one["format"], "safetensors");
    assert_eq!(one["network"], "mlp 64-24-16-10");
    assert_eq!(one["parameters"], 64 * 24 + 24 + 24 * 16 + 16 + 16 * 10 + 10);
    assert_eq!(one["tensors"].as_array().unwrap().len(), 6);
    let group = &one["groups"][0];
    assert_eq!((&group["name"], &group["units"]), (&Value::from("1"), &Value::from(24)));
    let axes = serde_json::json!([
        {"tensor": "1.weight", "axis": 0}, {"tensor": "1.bias", "axis": 0}, {"tensor": "3.weight", "axis": 1}
    ]);
    assert_eq!(group["axes"], axes);

    let both = lowroad(&["info", &digits("a.safetensors"), &digits("b.pt"), "--json", "-"]).json();
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(both[1]["format"], "PyTorch zip");
    assert_eq!(both[1]["tensors"][0], serde_json::json!({"name": "1.weight", "shape": [24, 64], "dtype": "F32"}));
}

#[test]
fn info_of_a_folder_lists_the_checkpoints_of_a_run_in_order() {
    let folder = temporary();
    for epoch in [10, 2, 0] {
        std::fs::copy(digits("a.safetensors"), folder.path().join(format!("epoch{epoch}.safetensors"))).unwrap();
    }
    std::fs::write(folder.path().join("log.txt"), "loss 0.1").unwrap();
    let ended = lowroad(&["info", &text_of(folder.path()), "--json", "-"]);
    let found = ended.json();
    let expected = ["epoch0.safetensors", "epoch2.safetensors", "epoch10.safetensors"];
    assert_eq!(found["checkpoints"], serde_json::json!(expected));
    assert_eq!(found["last"]["network"], "mlp 64-24-16-10");
    assert!(ended.stderr.contains("1 of its entries are no checkpoints"), "{}", ended.stderr);
    let text = lowroad(&["info", &text_of(folder.path())]).stdout;
    assert!(text.contains("3, epoch0.safetensors to epoch10.safetensors"), "{text}");
}

#[test]
fn a_network_of_the_zoo_that_is_too_large_for_the_images_says_so() {
    let args = ["train", "--network", "lenet", "--data", "optdigits", "--out", "x.safetensors"];
    let ended = lowroad(&args);
    ended.must_fail(2, &["--network", "`lenet`", "[1, 8, 8]", "conv2"]);
    assert!(!ended.stderr.contains(".toml"), "{}", ended.stderr);
}

#[test]
fn remarks_on_a_file_that_stands_twice_are_made_once() {
    let folder = temporary();
    let path = folder.path().join("noted.safetensors");
    let (checkpoint, _) = checkpoint::read_with_metadata(Path::new(&digits("a.safetensors"))).unwrap();
    let mut tensors: Vec<TensorOut<'_>> =
        checkpoint.tensors.iter().map(|t| TensorOut { name: &t.name, shape: &t.shape, values: &t.values }).collect();
    tensors.push(TensorOut { name: "step", shape: &[], values: &[7.0] });
    write_safetensors(&path, &tensors, &Default::default()).unwrap();
    let ended =
        lowroad(&["align", &text_of(&path), &text_of(&path), "--samples", "50", "--limit", "50", "--device", "cpu"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("not used: step").count(), 1, "{}", ended.stderr);
}

#[test]
fn info_lists_tensors_of_networks_it_does_not_know() {
    let folder = temporary();
    let path = folder.path().join("conv.safetensors");
    let tensor = TensorOut { name: "conv.weight", shape: &[2, 1, 3, 3], values: &[0.5; 18] };
    write_safetensors(&path, &[tensor], &Default::default()).unwrap();
    let found = lowroad(&["info", &text_of(&path), "--json", "-"]).json();
    assert_eq!(found["network"], Value::Null);
    assert!(found["problem"].as_str().unwrap().contains("`conv`"), "{}", found["problem"]);
    assert_eq!(found["parameters"], 18);
}

#[test]
fn paths_are_reported_in_the_documented_shape() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let args = ["path", &a, &b, "--family", "arc", "--points", "5", "--split", "both", "--limit", "300", "--json", "-"];
    let found = lowroad(&on_cpu(&args)).json();
    assert_eq!((&found["family"], &found["align"]), (&Value::from("arc"), &Value::from("none")));
    let points = found["points"].as_array().unwrap();
    for (index, point) in points.iter().enumerate() {
        let t = index as f64 / 4.0;
        assert_eq!((number(&point["t"]), number(&point["s"]), &point["stage"]), (t, t, &Value::from(0)));
    }
    for split in ["test", "train"] {
        let summary = &found["summary"][split];
        assert_eq!(summary["images"], 300);
        let values: Vec<f64> = points.iter().map(|point| number(&point[split]["loss"])).collect();
        assert_eq!(number(&summary["start"]), values[0]);
        assert_eq!(number(&summary["end"]), values[4]);
        let max = values.iter().copied().fold(0.0, f64::max);
        assert_eq!(number(&summary["max"]), max);
        assert!((number(&summary["barrier"]) - (max - (values[0] + values[4]) / 2.0)).abs() < 1e-12);
        for key in ["min", "mean", "integral", "t_max"] {
            assert!(summary[key].is_number(), "{key}");
        }
    }
    assert!(found["summary"]["barrier_definition"].as_str().unwrap().contains("loss(0)"));
}

#[test]
fn planes_are_saved_as_numbers_and_pictures() {
    let folder = temporary();
    let into = |name: &str| text_of(&folder.path().join(name));
    let (a, b, c) = (digits("a.pt"), digits("b.pt"), digits("c.pt"));
    let files = [into("p.json"), into("p.npz"), into("p.csv"), into("p.png"), into("p.svg")];
    let [json, npz, csv, png, svg] = &files;
    let args = [
        "plane", &a, &b, &c, "--grid", "4x3", "--limit", "100", "--json", json, "--npz", npz, "--csv", csv, "--png",
        png, "--svg", svg,
    ];
    let ended = lowroad(&on_cpu(&args));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let found: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let loss = found["test"]["loss"].as_array().unwrap();
    assert_eq!((loss.len(), loss[0].as_array().unwrap().len()), (3, 4), "rows are y, columns x");
    assert_eq!((found["x"].as_array().unwrap().len(), found["y"].as_array().unwrap().len()), (4, 3));
    assert_eq!(found["anchors"]["A"], serde_json::json!([0.0, 0.0]));
    let rows = fs::read_to_string(csv).unwrap();
    assert_eq!(rows.lines().count(), 1 + 12);
    assert!(rows.starts_with("x,y,split,loss,accuracy\n"));
    assert!(fs::read(png).unwrap().starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(svg).unwrap().contains("lowroad plane"), "the figure says how it was made");
    let mut arrays = zip::ZipArchive::new(fs::File::open(npz).unwrap()).unwrap();
    let file = arrays.by_name("loss.npy").unwrap();
    let array = npyz::NpyFile::new(file).unwrap();
    assert_eq!(array.shape(), [3, 4]);
    let values = array.into_vec::<f64>().unwrap();
    assert_eq!(values[5], number(&found["test"]["loss"][1][1]));
}

#[test]
fn points_on_one_line_span_no_plane() {
    let folder = temporary();
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let args = ["plane", &a, &b, &b];
    lowroad(&on_cpu(&args)).must_fail(1, &["a.pt", "b.pt", "one line"]);
    lowroad(&on_cpu(&["plane", &a, &a, &b])).must_fail(1, &["same network"]);
    drop(folder);
}

#[test]
fn saved_bends_load_back_as_the_same_path() {
    let folder = temporary();
    let (saved, a, b) = (text_of(folder.path()), digits("a.pt"), digits("b.pt"));
    let common = [
        "--normalize",
        DIGITS_NORMALIZATION,
        "--points",
        "7",
        "--align",
        "activation",
        "--samples",
        "500",
        "--json",
        "-",
    ];
    let fitted = ["path", &a, &b, "--bends", "2", "--epochs", "2", "--save", &saved];
    let fitted = lowroad(&on_cpu(&[&fitted[..], &common].concat())).json();
    let bends = [1, 2].map(|index| format!("{saved}/bend.{index}.safetensors")).join(",");
    let again = ["path", &a, &b, "--bends", &bends];
    let again = lowroad(&on_cpu(&[&again[..], &common].concat())).json();
    assert_eq!(losses(&fitted), losses(&again));
    let on_disk: Value = serde_json::from_slice(&fs::read(folder.path().join("path.json")).unwrap()).unwrap();
    assert_eq!(on_disk, fitted);
    let straight = ["path", &a, &b, "--family", "linear"];
    let straight = lowroad(&on_cpu(&[&straight[..], &common].concat())).json();
    let max = |path: &Value| number(&path["summary"]["test"]["max"]);
    assert!(max(&fitted) < max(&straight), "fitting the bends lowers the barrier");
}

#[test]
fn what_is_saved_keeps_the_names_it_came_with() {
    let folder = temporary();
    let renamed = folder.path().join("b.safetensors");
    save_renamed(&digits("b.pt"), &renamed);
    let out = folder.path().join("aligned.safetensors");
    let (a, b, aligned) = (digits("a.pt"), text_of(&renamed), text_of(&out));
    let args =
        ["align", &a, &b, "--samples", "300", "--normalize", DIGITS_NORMALIZATION, "--out", &aligned, "--json", "-"];
    let found = lowroad(&on_cpu(&args)).json();
    assert!(number(&found["max_logit_difference"]) < 1e-4);
    let names = |path: &Path| -> Vec<(String, Vec<usize>)> {
        let tensors = checkpoint::read(path).unwrap().tensors;
        tensors.into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
    };
    assert_eq!(names(&out), names(&renamed));
    assert_eq!(names(&out)[0].0, "fc1.weight");
    // The aligned network is the same function under A's eyes.
    let line = ["path", &aligned, &b, "--family", "linear", "--points", "2", "--json", "-"];
    let ends = losses(&lowroad(&on_cpu(&line)).json());
    assert!((ends[0] - ends[1]).abs() < 1e-5);
}

#[test]
fn methods_that_search_for_nothing_pass_the_seal_too() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let align = |method: &str| {
        let args = ["align", &a, &b, "--method", method, "--samples", "300", "--json", "-"];
        lowroad(&on_cpu(&args)).json()
    };
    let (random, identity) = (align("random"), align("identity"));
    assert!(number(&random["max_logit_difference"]) < 1e-4);
    assert_ne!(random["layers"][0]["permutation"], identity["layers"][0]["permutation"]);
    let stay: Vec<usize> = (0..24).collect();
    assert_eq!(identity["layers"][0]["permutation"], serde_json::json!(stay));
    let layer = &identity["layers"][0];
    assert_eq!(layer["mean_correlation_before"], layer["mean_correlation_after"]);
}

#[test]
fn the_same_seed_trains_the_same_bytes() {
    let folder = temporary();
    let train = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let path = text_of(&out);
        let args = ["train", "--network", "64-8-10", "--epochs", "2", "--seed", seed, "--out", &path];
        let ended = lowroad(&on_cpu(&args));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stdout.contains("test") && ended.stdout.contains("train"));
        fs::read(out).unwrap()
    };
    let (one, again, other) = (train("one", "1"), train("again", "1"), train("other", "2"));
    assert!(one == again);
    assert!(one != other);
    let text = String::from_utf8_lossy(&one);
    assert!(text.contains("lowroad train --network 64-8-10") && text.contains("\"lowroad.seed\":\"1\""));
}

#[test]
fn the_demo_needs_no_window() {
    let folder = temporary();
    let out = folder.path().join("new");
    let ended = lowroad(&on_cpu(&["demo", "--out", &text_of(&out)]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: Value = serde_json::from_slice(&fs::read(out.join("demo.json")).unwrap()).unwrap();
    let barrier = |index: usize| number(&report["paths"][index]["summary"]["test"]["barrier"]);
    let (line, aligned, curve) = (barrier(0), barrier(1), barrier(2));
    assert!(0.3 < line, "the straight line crosses a wall: {line}");
    assert!(aligned < 0.2 * line, "alignment takes most of it away: {aligned}");
    assert!(curve < 0.1 * line, "the curve goes round it: {curve}");
    for name in ["plane-loss", "plane-accuracy", "paths-loss", "paths-accuracy"] {
        assert!(fs::read(out.join(format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
}

#[test]
fn planes_and_paths_under_attack_are_reported_and_drawn_beside_the_clean_ones() {
    let folder = temporary();
    let into = |name: &str| text_of(&folder.path().join(name));
    let (a, b, c) = (digits("a.pt"), digits("b.pt"), digits("c.pt"));
    let (json, npz, svg) = (into("p.json"), into("p.npz"), into("p.svg"));
    let args = [
        "plane",
        &a,
        &b,
        &c,
        "--grid",
        "3x2",
        "--limit",
        "64",
        "--pgd",
        "0.1,0.05,2",
        "--json",
        &json,
        "--npz",
        &npz,
        "--svg",
        &svg,
    ];
    let ended = lowroad(&on_cpu(&args));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let found: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!((&found["robust"]["split"], number(&found["robust"]["attack"]["eps"])), (&Value::from("test"), 0.1));
    let worse = |row: usize, column: usize| {
        let [robust, clean] = [&found["robust"], &found["test"]].map(|field| number(&field["loss"][row][column]));
        clean <= robust
    };
    assert!((0..2).all(|row| (0..3).all(|column| worse(row, column))), "{found}");
    assert!(fs::read_to_string(into("p.robust.svg")).unwrap().contains("robust test loss"));
    assert!(!fs::read_to_string(svg).unwrap().contains("robust test loss"));
    let mut arrays = zip::ZipArchive::new(fs::File::open(npz).unwrap()).unwrap();
    assert!(arrays.by_name("accuracy_robust.npy").is_ok());

    let figure = into("path.svg");
    let args = ["path", &a, &b, "--family", "linear", "--points", "3", "--limit", "64", "--figure", &figure];
    for (attack, panels) in [
        (&[][..], ["test loss (nats)", "test accuracy (0 to 1)"]),
        (&["--pgd", "0.1,0.05,2"], ["clean test accuracy (0 to 1)", "robust test loss (nats)"]),
    ] {
        let ended = lowroad(&on_cpu(&[&args[..], attack].concat()));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let drawn = fs::read_to_string(&figure).unwrap();
        assert!(panels.iter().all(|panel| drawn.contains(&format!(">{panel}</text>"))), "{panels:?}");
    }
}
