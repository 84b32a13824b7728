//! Maps of neurons: `lowroad flow`, and paths through them.

use std::path::Path;

use crate::program::lowroad;

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

/// As many networks 64-32-10 trained on the digits, each from initial weights of its own.
fn digits(folder: &Path, n: usize) {
    let out = text_of(&folder.join("net-{seed}.safetensors"));
    let seeds: Vec<String> = (1..=n).map(|seed| seed.to_string()).collect();
    let args = ["train", "--network", "64-32-10", "--device", "cpu", "--epochs", "15", "--out", &out];
    let ended = lowroad(&[&args[..], &["--seeds", &seeds.join(",")]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

fn train_flow<'a>(networks: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["flow", "train", networks, "--device", "cpu", "--out", out], more].concat()
}

fn midpoint(report: &serde_json::Value, family: &str, what: &str) -> f64 {
    let means = report["midpoints"]["means"].as_array().unwrap();
    means.iter().find(|mean| mean["family"] == family).unwrap()[what].as_f64().unwrap()
}

#[test]
fn a_bijection_lowers_the_midpoints_of_pairs_that_it_has_not_seen_and_serves_paths() {
    let folder = tempfile::tempdir().unwrap();
    let networks = folder.path().join("networks");
    std::fs::create_dir(&networks).unwrap();
    digits(&networks, 12);
    let (networks_name, out) = (text_of(&networks), text_of(&folder.path().join("map.safetensors")));
    let sizes = ["--hidden", "128", "--batch-norm", "false", "--lr", "0.001", "--steps", "400", "--json", "-"];
    let report = lowroad(&train_flow(&networks_name, &out, &sizes)).json();
    assert_eq!((&report["map"]["kind"], &report["map"]["steps"]), (&"realnvp".into(), &400.into()));
    assert_eq!(report["midpoints"]["seen_in_training"], false);
    assert_eq!(report["midpoints"]["pairs"].as_array().unwrap().len(), 1);
    let [line, arc, bijection] = ["linear", "arc", "bijection"].map(|family| midpoint(&report, family, "loss"));
    assert!(bijection < 0.85 * arc && bijection < 0.85 * line, "linear {line}, arc {arc}, bijection {bijection}");

    let shown = lowroad(&["flow", "info", &out]);
    assert!(
        shown.stdout.contains("RealNVP") && shown.stdout.contains("on 10 networks of 32 neurons"),
        "{}",
        shown.stdout
    );

    let [a, b] = [11, 12].map(|seed| text_of(&networks.join(format!("net-{seed}.safetensors"))));
    let path = ["path", &a, &b, "--device", "cpu", "--family", "bijection", "--points", "21"];
    let found = lowroad(&[&path[..], &["--flow", &out, "--json", "-"]].concat()).json();
    assert_eq!(found["family"], "bijection");
    let middle = found["points"][10]["test"]["loss"].as_f64().unwrap();
    assert!((middle - bijection).abs() < 1e-3, "{middle} {bijection}");
    assert!(found["notes"].to_string().contains("there and back"), "{}", found["notes"]);
    lowroad(&path).must_fail(1, &["lowroad flow train", "--objective bijection"]);

    // Of several maps the one for the family counts.
    let gaussian = text_of(&folder.path().join("gaussian.safetensors"));
    let settings = ["--objective", "likelihood", "--couplings", "2", "--hidden", "8", "--steps", "1"];
    assert_eq!(lowroad(&train_flow(&networks_name, &gaussian, &settings)).code, 0);
    let both = format!("{gaussian},{out}");
    assert_eq!(lowroad(&[&path[..], &["--flow", &both, "--json", "-"]].concat()).json(), found);

    // A run is kept for a family without a map, and for the other by what the map's file holds.
    let kept = text_of(&folder.path().join("runs"));
    let compare = |map: &str| {
        let args = ["compare", &a, &b, "--families", "linear,bijection", "--points", "3", "--flow", map];
        assert_eq!(lowroad(&[&args[..], &["--device", "cpu", "--resume", &kept]].concat()).code, 0);
        std::fs::read_dir(&kept).unwrap().count()
    };
    assert_eq!(compare(&out), 2);
    let copy = text_of(&folder.path().join("copy.safetensors"));
    std::fs::copy(&out, &copy).unwrap();
    assert_eq!(compare(&copy), 2, "the same map under another name");
    let other = text_of(&folder.path().join("other.safetensors"));
    let sizes = ["--hidden", "8", "--batch-norm", "false", "--steps", "1"];
    assert_eq!(lowroad(&train_flow(&networks_name, &other, &sizes)).code, 0);
    assert_eq!(compare(&other), 3, "another map is another run of the bijection alone");

    let flow = ["path", &a, &b, "--device", "cpu", "--family", "flow", "--flow", &out];
    lowroad(&flow).must_fail(1, &["another family", "--objective likelihood"]);
}

#[test]
fn a_flow_by_iaf_reports_its_likelihood_and_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    digits(folder.path(), 6);
    let (networks, out) = (text_of(folder.path()), text_of(&folder.path().join("map")));
    let settings = ["--kind", "iaf", "--objective", "likelihood", "--lr", "0.001", "--json", "-"];
    let untrained = train_flow(&networks, &out, &[&settings[..], &["--steps", "1"]].concat());
    let first = lowroad(&untrained).json();
    std::fs::remove_file(folder.path().join("map")).unwrap();
    let trained = lowroad(&train_flow(&networks, &out, &[&settings[..], &["--epochs", "100"]].concat())).json();
    let nll = |report: &serde_json::Value| report["held_out_nll"].as_f64().unwrap();
    assert!(nll(&trained) < nll(&first), "{} {}", nll(&trained), nll(&first));
    assert_eq!(trained["losses"].as_array().unwrap().len(), 100);
    assert!(midpoint(&trained, "flow", "loss").is_finite());

    let map = folder.path().join("map");
    let kept = tempfile::tempdir().unwrap();
    let (start, more) = (text_of(&kept.path().join("start")), text_of(&kept.path().join("more")));
    std::fs::rename(&map, &start).unwrap();
    let go_on = train_flow(&networks, &more, &[&settings[..], &["--steps", "3", "--from", &start]].concat());
    let steps = |report: &serde_json::Value| report["map"]["steps"].as_u64().unwrap();
    assert_eq!(steps(&lowroad(&go_on).json()), steps(&trained) + 3);
}

#[test]
fn trainings_without_sense_and_files_that_are_no_maps_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    digits(folder.path(), 6);
    let (networks, out) = (text_of(folder.path()), text_of(&folder.path().join("map")));
    let refuse = |more: &[&str], code, parts: &[&str]| {
        lowroad(&train_flow(&networks, &out, more)).must_fail(code, parts);
    };
    refuse(&["--kind", "iaf"], 1, &["gradients of the inverse", "RealNVP"]);
    refuse(&["--held-out", "6"], 2, &["--held-out 6", "none of the 6"]);
    refuse(&["--held-out", "5"], 1, &["at least 2 networks"]);
    refuse(&["--couplings", "1000"], 1, &["1 to 256 invertible layers"]);
    let net = text_of(&folder.path().join("net-1.safetensors"));
    lowroad(&["flow", "info", &net]).must_fail(1, &["lowroad flow train", "net-1.safetensors"]);
    assert_eq!(lowroad(&["flow"]).code, 2);
}
