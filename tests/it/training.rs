//! Modes trained by `lowroad train` and in the window.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lowroad::app::{Action, Export, TrainingForm};
use lowroad::checkpoint::Mode;

use crate::program::lowroad;
use crate::ui::{Screen, open, press, until};

/// Far more than anything here takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(240);

fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--network", "64-16-10", "--device", "cpu", "--out", out], more].concat()
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

fn train(out: &Path, more: &[&str]) -> Vec<u8> {
    let ended = lowroad(&arguments(&text_of(out), more));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    fs::read(out).unwrap()
}

fn resume_file(out: &Path) -> PathBuf {
    PathBuf::from(format!("{}.resume", out.display()))
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for optimizer in ["sgd", "adam"] {
        let settings = ["--optimizer", optimizer, "--epochs", "200", "--limit", "1000", "--augment", "crop:1"];
        let expected = train(&folder.path().join("whole"), &settings);
        assert!(!resume_file(&folder.path().join("whole")).exists());

        let out = folder.path().join(optimizer);
        let mut killed = Command::new(env!("CARGO_BIN_EXE_lowroad"))
            .args(arguments(&text_of(&out), &settings))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !resume_file(&out).exists() && !out.exists() {
            assert!(Instant::now() < deadline, "no resume file appeared");
            std::thread::sleep(Duration::from_millis(2));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(resume_file(&out).exists() && !out.exists(), "the training was over before it was killed");

        let ended = lowroad(&arguments(&text_of(&out), &[&settings[..], &["--resume"]].concat()));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains("resuming after epoch"), "{}", ended.stderr);
        assert!(fs::read(&out).unwrap() == expected, "{optimizer}");
        assert!(!resume_file(&out).exists());
    }
}

#[test]
fn a_network_is_no_resume_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mode");
    train(&out, &["--epochs", "1"]);
    fs::copy(&out, resume_file(&out)).unwrap();
    let name = text_of(&out);
    let args = arguments(&name, &["--epochs", "1", "--resume"]);
    lowroad(&args).must_fail(1, &["lowroad.epoch", "mode.resume"]);
}

#[test]
fn what_an_interrupted_training_left_is_neither_lost_nor_taken_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mode.safetensors");
    let expected = train(&out, &["--epochs", "1"]);
    fs::write(resume_file(&out), b"left").unwrap();
    let name = text_of(&out);
    lowroad(&arguments(&name, &["--epochs", "1"])).must_fail(2, &["mode.safetensors.resume", "--resume", "--restart"]);
    assert_eq!(fs::read(resume_file(&out)).unwrap(), b"left");
    assert!(train(&out, &["--epochs", "1", "--restart"]) == expected);
    assert!(!resume_file(&out).exists());
}

#[test]
fn epochs_are_told_of_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let ended = lowroad(&arguments(&text_of(&folder.path().join("mode")), &["--epochs", "40", "--limit", "200"]));
    let epochs: Vec<usize> =
        ended.stderr.lines().filter_map(|line| line.strip_prefix("epoch ")?.split_once('/')?.0.parse().ok()).collect();
    assert_eq!(epochs, (1..=40).collect::<Vec<_>>(), "{}", ended.stderr);
}

#[test]
fn each_seed_has_its_file_its_trajectory_and_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let (out, kept) = (folder.path().join("m.safetensors"), folder.path().join("kept"));
    let (name, kept_name) = (text_of(&out), text_of(&kept));
    let settings =
        ["--seeds", "3,4", "--epochs", "3", "--limit", "500", "--trajectory", &kept_name, "--save-every", "2"];
    let args = [&arguments(&name, &settings)[..], &["--json", "-"]].concat();
    let reports = lowroad(&args).json();
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), 2);
    for (report, seed) in reports.iter().zip([3, 4]) {
        assert_eq!(report["seed"], seed);
        let epochs: Vec<u64> =
            report["history"].as_array().unwrap().iter().map(|epoch| epoch["epoch"].as_u64().unwrap()).collect();
        assert_eq!(epochs, [1, 2, 3]);
        let mode = Mode::open(&folder.path().join(format!("m-{seed}.safetensors"))).unwrap();
        let step = |epoch: usize| kept.join(format!("seed-{seed}/epoch-000{epoch}.safetensors"));
        assert!([0, 2, 3].iter().all(|&epoch| step(epoch).exists()) && !step(1).exists());
        assert_eq!(Mode::open(&step(3)).unwrap().params.values(), mode.params.values());
        assert_ne!(Mode::open(&step(0)).unwrap().params.values(), mode.params.values());
    }
    let alone = train(&folder.path().join("alone"), &["--seed", "3", "--epochs", "3", "--limit", "500"]);
    assert!(alone == fs::read(folder.path().join("m-3.safetensors")).unwrap());
}

#[test]
fn presets_are_explained_and_wrong_settings_named() {
    let help = lowroad(&["train", "--help"]);
    assert_eq!(help.code, 0);
    for word in ["garipov-vgg16", "alignment-tinyten", "two-layer-mnist", "--augment flip,crop:4"] {
        assert!(help.stdout.contains(word), "{word}");
    }
    for (more, parts) in [
        (&["--preset", "nothing"][..], &["--preset", "two-layer-mnist"][..]),
        (&["--schedule", "steps:2"], &["--schedule", "steps:0.1@150,225"]),
        (&["--init", "zero"], &["--init", "he-normal"]),
        (&["--augment", "twirl"], &["--augment", "twirl"]),
        (&["--seed", "1", "--seeds", "1,2"], &["--seed"]),
        (&["--save-every", "2"], &["--trajectory"]),
        (&["--label-noise", "1.5"], &["--label-noise", "from 0 to below 1"]),
    ] {
        lowroad(&arguments("x.safetensors", more)).must_fail(2, parts);
    }
    lowroad(&["train", "--out", "x.safetensors"]).must_fail(2, &["--network"]);
    let preset = ["train", "--preset", "fc3-cifar", "--data", "moons", "--device", "cpu", "--out", "x.safetensors"];
    lowroad(&preset).must_fail(1, &["flip,crop:4", "no images"]);
}

#[test]
fn wrong_labels_on_purpose_change_the_mode() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--epochs", "2", "--limit", "500"];
    let plain = train(&folder.path().join("plain"), &settings);
    let noisy = train(&folder.path().join("noisy"), &[&settings[..], &["--label-noise", "0.5"]].concat());
    let values = |bytes: &[u8]| {
        let path = folder.path().join("read");
        fs::write(&path, bytes).unwrap();
        Mode::open(&path).unwrap().params.values().to_vec()
    };
    assert_ne!(values(&plain), values(&noisy));
}

/// The panel, set to a small network.
fn panel(epochs: usize) -> Screen {
    let mut screen = open();
    press(&mut screen, "Train…");
    let mut form = TrainingForm { network: "64-8-10".to_owned(), ..TrainingForm::default() };
    form.recipe.descent.epochs = epochs;
    screen.state_mut().act(Action::ChangeTraining(Box::new(form)));
    until(&mut screen, "the time was measured", |s| s.training.estimate(1).is_some());
    screen
}

fn names(screen: &Screen) -> Vec<String> {
    screen.state().state().modes.iter().map(|m| m.mode.name.clone()).collect()
}

#[test]
fn modes_trained_in_the_window_take_the_demos_place_as_a_and_b() {
    let mut screen = panel(3);
    press(&mut screen, "Train");
    until(&mut screen, "both modes are trained", |s| s.training.n_finished == 2);
    assert_eq!(names(&screen), ["64-8-10 seed 1", "64-8-10 seed 2"]);
    let state = screen.state().state();
    assert_eq!([0, 1].map(|place| state.letter(state.modes[place].id)), ["A", "B"]);
    until(&mut screen, "both are scored", |s| s.modes.iter().all(|m| m.scores.test.is_some()));
    let state = screen.state().state();
    assert!(state.modes.iter().all(|m| 0.5 < m.scores.test.unwrap().accuracy));
    assert!(state.joined().is_some(), "they can be joined");

    let folder = tempfile::tempdir().unwrap();
    let (file, saved) = (folder.path().join("a.safetensors"), std::sync::Arc::clone(&state.modes[0].mode));
    let first = state.modes[0].id;
    screen.state_mut().act(Action::Save(file.clone(), Export::Mode(first)));
    until(&mut screen, "it is saved", |_| file.exists());
    assert_eq!(Mode::open(&file).unwrap().params.values(), saved.params.values());
}

#[test]
fn a_training_is_stopped_and_kept_or_thrown_away() {
    let mut screen = panel(100_000);
    press(&mut screen, "Train");
    let an_epoch = |s: &lowroad::app::AppState| s.training.running.as_ref().is_some_and(|r| 0 < r.epochs_done);
    until(&mut screen, "an epoch is done", an_epoch);
    press(&mut screen, "Stop and keep");
    until(&mut screen, "it stopped", |s| !s.training.is_active());
    assert_eq!(names(&screen), ["64-8-10 seed 1"]);
    press(&mut screen, "Train");
    until(&mut screen, "an epoch is done", an_epoch);
    press(&mut screen, "Cancel training");
    until(&mut screen, "it stopped", |s| !s.training.is_active());
    assert_eq!(names(&screen), ["64-8-10 seed 1"]);
}
