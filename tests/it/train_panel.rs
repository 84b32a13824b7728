//! Trainings set up in the window: what they leave on the disk, and what a crash does to them. And checkpoints that are refused
//! at first.

use std::fs;
use std::path::{Path, PathBuf};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use lowroad::app::{Action, AppState, TrainingForm};
use lowroad::checkpoint::{Mode, TensorOut, write_safetensors};
use lowroad::compute::DeviceChoice;
use lowroad::data::SplitName;
use lowroad::net::{ParamId, ParamVec, description, zoo};
use lowroad::ui::{Window, WindowOptions};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::ui::{Screen, press, settle, until};

/// The demo with trainings kept in a folder, and the panel open.
fn panel(keep_trainings: Option<PathBuf>, form: TrainingForm) -> Screen {
    let options = WindowOptions { device: DeviceChoice::Cpu, keep_trainings, ..WindowOptions::default() };
    let mut screen = Harness::builder()
        .with_size([1440.0, 900.0])
        .with_step_dt(1.0 / 30.0)
        .build_eframe(move |cc| Window::new(cc, options).unwrap());
    press(&mut screen, "Train…");
    screen.state_mut().act(Action::ChangeTraining(Box::new(form)));
    screen
}

fn form(network: &str, epochs: usize) -> TrainingForm {
    let mut form = TrainingForm { network: network.to_owned(), n_modes: 1, ..TrainingForm::default() };
    form.recipe.descent.epochs = epochs;
    form
}

fn train(screen: &mut Screen, n_modes: usize) {
    until(screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
    press(screen, "Train");
    until(screen, "the modes are trained", move |s| s.training.n_finished == n_modes);
}

fn newest(state: &AppState) -> Vec<f32> {
    state.modes.last().unwrap().mode.params.values().to_vec()
}

fn resume_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "resume")).count()
}

#[test]
fn a_training_that_the_window_was_closed_in_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("trainings");
    let long = form("64-8-10", 1000);
    let mut screen = panel(None, long.clone());
    train(&mut screen, 1);
    let expected = newest(screen.state().state());
    drop(screen);
    assert_eq!(resume_files(&kept), 0, "nowhere to keep it");

    let mut screen = panel(Some(kept.clone()), long);
    until(&mut screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
    press(&mut screen, "Train");
    let place = kept.clone();
    until(&mut screen, "it is kept", move |_| resume_files(&place) == 1);
    assert_eq!(screen.state().state().training.n_finished, 0);
    drop(screen);

    // At the next start the panel is set to something else.
    let mut screen = panel(Some(kept.clone()), form("64-4-10", 7));
    until(&mut screen, "it is offered", |s| s.training.interrupted.len() == 1);
    let found = screen.state().state().training.interrupted[0].clone();
    assert!(1 <= found.epoch && found.epoch < 1000 && found.form.network == "64-8-10");
    screen.state_mut().act(Action::Normalize(lowroad::data::Normalization { mean: vec![0.5], std: vec![0.5] }));
    screen.state_mut().act(Action::GoOnTraining(0));
    assert_eq!(screen.state().state().training.interrupted.len(), 1, "these are other inputs");
    screen.state_mut().act(Action::Normalize(lowroad::data::Normalization::identity(1)));
    screen.run_steps(2);
    press(&mut screen, "Go on");
    until(&mut screen, "it is trained", |s| s.training.n_finished == 1);
    assert_eq!(newest(screen.state().state()), expected);
    let place = kept.clone();
    until(&mut screen, "nothing is left of it", move |_| resume_files(&place) == 0);
}

#[test]
fn an_interrupted_training_can_be_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().to_owned();
    let mut screen = panel(Some(kept.clone()), form("64-8-10", 100_000));
    until(&mut screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
    press(&mut screen, "Train");
    let place = kept.clone();
    until(&mut screen, "it is kept", move |_| resume_files(&place) == 1);
    drop(screen);
    fs::write(kept.join("other.resume"), b"no resume file").unwrap();
    let mut screen = panel(Some(kept.clone()), form("64-8-10", 3));
    until(&mut screen, "it is offered", |s| s.training.interrupted.len() == 1);
    press(&mut screen, "Forget");
    let place = kept.clone();
    until(&mut screen, "it is gone", move |_| resume_files(&place) == 1);
    assert!(kept.join("other.resume").exists(), "what is not ours stays");
}

#[test]
fn epochs_are_saved_where_the_panel_says_and_wrong_labels_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let settings = TrainingForm { n_modes: 2, trajectory: run.display().to_string(), ..form("64-8-10", 3) };
    let mut screen = panel(None, settings.clone());
    train(&mut screen, 2);
    let last = run.join("seed-2/epoch-0003.safetensors");
    let waited = last.clone();
    until(&mut screen, "the last is saved", move |_| waited.exists());
    for seed in [1, 2] {
        assert!((0..=3).all(|epoch| run.join(format!("seed-{seed}/epoch-000{epoch}.safetensors")).exists()));
    }
    let clean = newest(screen.state().state());
    assert_eq!(Mode::open(&last).unwrap().params.values(), clean);
    drop(screen);

    let mut screen = panel(None, TrainingForm { label_noise: 0.8, trajectory: String::new(), ..settings });
    train(&mut screen, 2);
    settle(&mut screen);
    assert_ne!(newest(screen.state().state()), clean);
    let labels = &screen.state().state().data.as_ref().unwrap().dataset.split(SplitName::Train).labels;
    assert_eq!(labels, &lowroad::data::optdigits().train.labels, "the data themselves stay as they are");
}

#[test]
fn a_described_network_is_trained_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, description(&zoo::by_name("64-6-10").unwrap())).unwrap();
    let mut screen = panel(None, form("64-8-10", 2));
    screen.state_mut().act(Action::TrainDescribed(file.clone()));
    train(&mut screen, 1);
    let mode = &screen.state().state().modes[0].mode;
    assert_eq!(mode.name, format!("{} seed 1", zoo::by_name("64-6-10").unwrap().name()));
    assert_eq!(mode.network.layout().n_trained(), 64 * 6 + 6 + 6 * 10 + 10);

    fs::write(&file, "input = [64]\n[[layer]]\nop = \"convolve\"\n").unwrap();
    screen.state_mut().act(Action::TrainDescribed(folder.path().join("none.toml")));
    until(&mut screen, "a missing one is refused", |s| matches!(s.training.network, Some(Err(_))));
    screen.state_mut().act(Action::TrainDescribed(file));
    until(
        &mut screen,
        "a wrong one is named",
        |s| matches!(&s.training.network, Some(Err(reason)) if reason.contains("convolve")),
    );
}

#[test]
fn a_refused_checkpoint_is_opened_with_the_mends_that_its_notice_offers() {
    let folder = tempfile::tempdir().unwrap();
    let network = zoo::by_name("64-6-10").unwrap();
    let params = ParamVec::random(network.layout().clone(), &mut ChaCha8Rng::seed_from_u64(1));
    let names: Vec<String> = network.layout().specs().iter().map(|spec| format!("wrapped.{}", spec.name)).collect();
    let specs = network.layout().specs().iter().enumerate();
    let tensors: Vec<TensorOut<'_>> = specs
        .map(|(id, spec)| TensorOut { name: &names[id], shape: &spec.shape, values: params.tensor(ParamId(id)) })
        .collect();
    let file = folder.path().join("mode.safetensors");
    write_safetensors(&file, &tensors, &Default::default()).unwrap();
    fs::write(folder.path().join("mode.network.toml"), description(&network)).unwrap();

    let mut screen = panel(None, form("64-8-10", 2));
    screen.state_mut().act(Action::ShowTraining(false));
    screen.state_mut().act(Action::Open(vec![file]));
    until(&mut screen, "it was refused", |s| s.notices.iter().any(|notice| notice.remedy.is_some()));
    settle(&mut screen);
    assert!(screen.query_by_label("Describe its network…").is_some(), "what may help is offered without being asked");
    press(&mut screen, "Open, but take the prefix `wrapped.` off");
    until(&mut screen, "it is open", |s| s.modes.len() == 1 && s.modes[0].mode.name == "mode");
    assert_eq!(newest(screen.state().state()), params.values());
}
