//! `lowroad compare` and `lowroad ensemble` on the embedded digits.

use std::fs;
use std::path::Path;

use lowroad::checkpoint::Mode;
use serde_json::Value;

use crate::program::{DIGITS_NORMALIZATION, Ended, digits, losses, lowroad, number};

const QUANTITIES: [&str; 5] = ["worst_accuracy", "midpoint_accuracy", "max_loss", "barrier", "mean_loss"];

/// On few digits, so that it is quick.
fn on_digits(args: &[&str]) -> Ended {
    lowroad(&[args, &["--normalize", DIGITS_NORMALIZATION, "--limit", "200", "--device", "cpu"]].concat())
}

fn json(ended: &Ended) -> Value {
    ended.json()
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Mean and sample standard deviation, by their definitions.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt())
}

#[test]
fn every_family_has_a_row_and_its_numbers_are_those_of_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let into = |name: &str| text_of(&folder.path().join(name));
    let (a, b, c) = (digits("a.pt"), digits("b.pt"), digits("c.pt"));
    let files = [into("t.csv"), into("t.md"), into("t.svg"), into("s.svg")];
    let families = "linear,arc,chain:1,chain:2,aligned/linear,bijection";
    let args = [
        "compare",
        &a,
        &b,
        &c,
        "--families",
        families,
        "--epochs",
        "1",
        "--points",
        "5",
        "--split",
        "both",
        "--samples",
        "300",
        "--csv",
        &files[0],
        "--markdown",
        &files[1],
        "--figure",
        &files[2],
        "--spectrum",
        &files[3],
        "--json",
        "-",
    ];
    let found = json(&on_digits(&args));
    let rows = array(&found["rows"]);
    let names: Vec<&str> = rows.iter().map(|row| row["family"].as_str().unwrap()).collect();
    assert_eq!(names.join(","), families);
    let runs = array(&found["runs"]);
    assert_eq!(runs.len(), 5 * 3);
    for run in runs {
        let points = array(&run["points"]);
        let accuracies: Vec<f64> = points.iter().map(|point| number(&point["train"]["accuracy"])).collect();
        let worst = accuracies.iter().copied().fold(1.0, f64::min);
        assert!((number(&run["figures"]["train"]["worst_accuracy"]) - worst).abs() < 1e-12);
        assert!((number(&run["figures"]["train"]["midpoint_accuracy"]) - accuracies[2]).abs() < 1e-12);
    }
    for row in &rows[..5] {
        assert_eq!(row["pairs"], 3, "{row}");
        for split in ["test", "train"] {
            for quantity in QUANTITIES {
                let own = runs.iter().filter(|run| run["family"] == row["family"]);
                let values: Vec<f64> = own.map(|run| number(&run["figures"][split][quantity])).collect();
                let (mean, deviation) = spread(&values);
                let cell = &row["splits"][split][quantity];
                assert!((number(&cell["mean"]) - mean).abs() < 1e-12, "{cell} {mean}");
                assert!((number(&cell["deviation"]) - deviation).abs() < 1e-12, "{cell} {deviation}");
            }
        }
        assert!(0.0 < number(&row["length"]["mean"]) && 0.0 <= number(&row["seconds"]["mean"]));
    }
    let worst = |row: usize| number(&rows[row]["splits"]["test"]["barrier"]["mean"]);
    assert!(worst(4) < worst(0), "alignment lowers the barrier of the straight line");
    // Three layers have no single layer of hidden units.
    assert_eq!((&rows[5]["pairs"], array(&rows[5]["missing"]).len()), (&Value::from(0), 3));
    assert!(rows[5]["missing"][0]["reason"].as_str().unwrap().contains("two linear layers"), "{}", rows[5]);
    assert!(0.8 < number(&found["end_points"]["test"]["accuracy"]["mean"]));

    let csv = fs::read_to_string(&files[0]).unwrap();
    assert_eq!(csv.lines().count(), 1 + 6 * 2);
    assert!(csv.starts_with("family,split,pairs,worst_accuracy_mean,worst_accuracy_deviation,"), "{csv}");
    let markdown = fs::read_to_string(&files[1]).unwrap();
    assert!(markdown.contains("| aligned/linear | 3 |") && markdown.contains("| end points | 3 modes |"), "{markdown}");
    let svg = fs::read_to_string(&files[2]).unwrap();
    assert!(svg.contains(">chain:2</text>") && svg.contains("means over 3 pairs"));
    assert!(svg.contains("<metadata>lowroad compare "), "the figure says how it was made");
    let spectrum = fs::read_to_string(&files[3]).unwrap();
    assert!(spectrum.contains(">chain:2</text>") && spectrum.contains("Spectrum of the loss along the path"));
}

#[test]
fn a_comparison_that_goes_on_computes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let kept = text_of(folder.path());
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let compare = |families: &str, points: &str, more: &[&str]| {
        let args = ["compare", &a, &b, "--families", families, "--points", points, "--resume", &kept, "--json", "-"];
        json(&on_digits(&[&args[..], more].concat()))
    };
    let first = compare("linear", "5", &[]);
    let second = compare("linear,chain", "5", &["--epochs", "1"]);
    // The time that a run took is only the same (but for the last digit that a file may lose) if it was not run again.
    let seconds = [&first, &second].map(|found| number(&found["runs"][0]["seconds"]));
    assert!((seconds[0] - seconds[1]).abs() < 1e-12 * seconds[0], "{seconds:?}");
    assert_eq!(losses(&first["runs"][0]), losses(&second["runs"][0]));
    assert_eq!(array(&second["runs"]).len(), 2);
    let n_files = || fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(n_files(), 2);
    compare("linear", "7", &[]);
    assert_eq!(n_files(), 3, "other inputs are another run");
}

#[test]
fn a_family_that_fails_ends_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let out = text_of(&folder.path().join("m-{seed}.safetensors"));
    let train = ["train", "--network", "64-6-10", "--epochs", "1", "--seeds", "1,2", "--out", &out];
    let trained = on_digits(&train);
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    let [a, b] = ["1", "2"].map(|seed| out.replace("{seed}", seed));
    let args = ["compare", &a, &b, "--families", "bijection,linear", "--points", "3", "--json", "-"];
    let found = json(&on_digits(&args));
    assert_eq!((&found["rows"][0]["pairs"], &found["rows"][1]["pairs"]), (&Value::from(0), &Value::from(1)));
    let reason = found["rows"][0]["missing"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("lowroad flow train"), "{reason}");
    assert!(found["rows"][1]["splits"]["test"]["barrier"].get("deviation").is_none(), "one pair has no deviation");
}

#[test]
fn comparisons_that_mean_nothing_are_wrong_usage() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    for (args, parts) in [
        (&["compare", &a, "--families", "linear"][..], &["2"][..]),
        (&["compare", &a, &b], &["--families"]),
        (&["compare", &a, &b, "--families", "straight"], &["straight", "linear+wa"]),
        (&["compare", &a, &b, "--families", "linear", "--points", "4"], &["--points", "odd"]),
        (&["compare", &a, &b, "--families", "linear,arc", "--epochs", "3"], &["--epochs", "linear, arc"]),
        (&["compare", &a, &b, "--families", "linear", "--figure", "f.pdf"], &["--figure", ".svg or .png"]),
        (&["compare", &a, &b, "--families", "aligned/linear", "--align", "none"], &["--align none"]),
        (&["ensemble", &a, "--path"], &["2 networks", "found 1"]),
        (&["ensemble", &a, &b, "--fge"], &["1 network", "found 2"]),
        (&["ensemble", &a, "--fge", "--cycle", "3"], &["--cycle", "even"]),
        (&["ensemble", &a, "--fge", "--epochs", "1"], &["--epochs 1"]),
        (&["ensemble", &a, "--swa", "--schedule", "cosine"], &["--schedule"]),
        (&["ensemble", &a, "--fge", "--swa"], &["--swa"]),
        (&["path", &a, &b, "--at", "0.5"], &["--save-point"]),
        (&["path", &a, &b, "--at", "1.5", "--save-point", "p.safetensors"], &["--at", "0 to 1"]),
    ] {
        lowroad(args).must_fail(2, parts);
    }
}

#[test]
fn a_network_twice_is_no_better_than_once() {
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let found = json(&on_digits(&["ensemble", &a, &a, &b, "--json", "-"]));
    let (alone, together) = (array(&found["members"]), array(&found["together"]));
    assert_eq!((alone.len(), together.len()), (3, 3));
    for (place, member) in [(0, 0), (1, 0)] {
        let (t, m) = (&together[place]["test"], &alone[member]["test"]);
        assert!((number(&t["loss"]) - number(&m["loss"])).abs() < 1e-9);
        assert_eq!(t["accuracy"], m["accuracy"]);
    }
    // By Jensen's inequality the loss of the mean is at most the mean of the losses.
    let mean = alone.iter().map(|member| number(&member["test"]["loss"])).sum::<f64>() / 3.0;
    assert!(number(&together[2]["test"]["loss"]) < mean);
}

#[test]
fn members_of_a_path_reach_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let into = |name: &str| text_of(&folder.path().join(name));
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let (csv, figure, saved) = (into("m.csv"), into("m.png"), into("members"));
    let args = [
        "ensemble",
        &a,
        &b,
        "--path",
        "--family",
        "linear",
        "--members",
        "3",
        "--split",
        "both",
        "--csv",
        &csv,
        "--figure",
        &figure,
        "--save",
        &saved,
        "--json",
        "-",
    ];
    let found = json(&on_digits(&args));
    assert_eq!((&found["kind"], &found["family"]), (&Value::from("path"), &Value::from("linear")));
    let ends = json(&on_digits(&["ensemble", &a, &b, "--split", "both", "--json", "-"]));
    for (point, mode) in [(0, 0), (2, 1)] {
        for split in ["test", "train"] {
            let of = |report: &Value, member: usize| number(&report["members"][member][split]["loss"]);
            assert!((of(&found, point) - of(&ends, mode)).abs() < 1e-6);
        }
    }
    let [first, middle, last] = [1, 2, 3].map(|place| {
        let file = Path::new(&saved).join(format!("member-{place}.safetensors"));
        Mode::open(&file).unwrap().params
    });
    assert!((middle.distance(&first) - 0.5 * last.distance(&first)).abs() < 1e-3 * last.distance(&first));
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 1 + 2 * 3 * 2);
    assert!(fs::read(&figure).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn fge_collects_where_the_rate_is_lowest_and_swa_compares_the_mean_with_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (a, saved) = (digits("a.pt"), text_of(folder.path()));
    let found = json(&on_digits(&["ensemble", &a, "--fge", "--epochs", "4", "--cycle", "2", "--json", "-"]));
    let names: Vec<&str> = array(&found["members"]).iter().map(|member| member["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["epoch 1", "epoch 3"]);
    assert_eq!(array(&found["together"]).len(), 2);

    let swa = ["ensemble", &a, "--swa", "--epochs", "3", "--save", &saved, "--json", "-"];
    let found = json(&on_digits(&swa));
    let members = array(&found["members"]);
    assert_eq!((members.len(), &members[2]["name"]), (3, &Value::from("mean of 3 networks")));
    assert!(found.get("together").is_none(), "these are no ensemble");
    let mean = text_of(&folder.path().join("member-1.safetensors"));
    let again = json(&on_digits(&["ensemble", &mean, "--json", "-"]));
    assert_eq!(again["members"][0]["test"], members[2]["test"]);
}

#[test]
fn heads_of_all_layers_are_the_networks_and_adjusted_heads_beat_raw_ones() {
    let [a, b, c] = ["a.pt", "b.pt", "c.pt"].map(digits);
    let found = json(&on_digits(&["ensemble", &a, &b, &c, "--wa", "1,3", "--json", "-"]));
    let found = array(&found);
    let heads: Vec<(u64, bool)> = found
        .iter()
        .map(|ensemble| (ensemble["head"]["layers"].as_u64().unwrap(), ensemble["head"]["adjusted"].as_bool().unwrap()))
        .collect();
    assert_eq!(heads, [(1, false), (1, true), (3, false), (3, true)]);
    let accuracy = |ensemble: usize, member: usize| number(&found[ensemble]["members"][member]["test"]["accuracy"]);
    let modes = json(&on_digits(&["ensemble", &a, &b, &c, "--json", "-"]));
    for member in 0..3 {
        let own = number(&modes["members"][member]["test"]["accuracy"]);
        assert_eq!((accuracy(2, member), accuracy(3, member)), (own, own));
        assert!(member == 0 || accuracy(0, member) + 0.3 < accuracy(1, member), "a head of another backbone is lost");
    }
    let four = ["ensemble", &a, &b, "--wa", "4"];
    on_digits(&four).must_fail(1, &["--wa", "1 to 3", "found 4"]);
}

#[test]
fn a_point_of_a_path_is_saved_as_the_network_that_was_scored_there() {
    let folder = tempfile::tempdir().unwrap();
    let point = text_of(&folder.path().join("point.safetensors"));
    let (a, b) = (digits("a.pt"), digits("b.pt"));
    let args =
        ["path", &a, &b, "--family", "arc", "--points", "3", "--at", "0.5", "--save-point", &point, "--json", "-"];
    let path = json(&on_digits(&args));
    let saved = json(&on_digits(&["ensemble", &point, "--json", "-"]));
    let loss = number(&path["points"][1]["test"]["loss"]);
    assert!((number(&saved["members"][0]["test"]["loss"]) - loss).abs() < 1e-5 * loss);
    let off = number(&path["points"][1]["from_chord"]);
    let line = ["path", &a, &b, "--family", "linear", "--points", "3", "--json", "-"];
    let line = json(&on_digits(&line));
    let [from_a, from_b, from_chord] = ["from_a", "from_b", "from_chord"].map(|name| number(&line["points"][1][name]));
    assert!((from_a - from_b).abs() < 1e-5 * from_a && from_chord < 1e-5 * from_a);
    assert!(0.1 * from_a < off, "an arc leaves the straight line: {off} {from_a}");
}
