//! Networks of images: which one a file is, for images of which size, what becomes of its batch norm; and whole runs.

use super::{Desk, demo};
use std::sync::Arc;

use lowroad::app::{Action, ThirdPoint};
use lowroad::checkpoint::{Mode, save_params};
use lowroad::net::{Network, ParamVec, zoo};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A small residual network for the embedded digits, saved to a file and opened again.
fn opened(folder: &std::path::Path, name: &str, network: &Network, seed: u64) -> Mode {
    let params = ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(seed));
    let path = folder.join(format!("{name}.safetensors"));
    save_params(&path, network, &params, &Default::default()).unwrap();
    Mode::open(&path).unwrap()
}

fn residual() -> Network {
    zoo::build("resnet8-a", &[1, 8, 8], 10).unwrap()
}

#[test]
fn networks_of_images_take_the_size_of_the_images_that_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let mode = opened(folder.path(), "a", &residual(), 1);
    assert_ne!(mode.network.input_shape(), [1, 8, 8], "the file does not tell the size");
    let mut desk = Desk::with(vec![mode]);
    desk.settle();
    assert_eq!(desk.state.modes[0].mode.network.input_shape(), [1, 8, 8]);
    assert!(desk.state.modes[0].scores.test.is_some(), "and is scored");
}

#[test]
fn a_file_that_fits_several_networks_is_taken_as_the_best_until_the_user_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::with(vec![opened(folder.path(), "a", &residual(), 1)]);
    desk.settle();
    let entry = &desk.state.modes[0];
    let id = entry.id;
    assert!(!entry.mode.others.is_empty());
    let notice = desk.state.notices.iter().find(|notice| notice.headline.contains("is taken as")).unwrap();
    assert_eq!(notice.details.len(), 1 + entry.mode.others.len(), "every network's accuracy is told");
    let (taken, other) = (entry.mode.network.clone(), entry.mode.others[0].network.clone());
    assert!(!taken.same_architecture(&other));

    desk.act(Action::TakeAs(id, 0));
    desk.settle();
    let entry = &desk.state.modes[0];
    assert!(entry.mode.network.same_architecture(&other), "the user's word counts");
    assert!(entry.scores.test.is_some() && entry.check.as_ref().is_some_and(|check| check.holds()));
}

#[test]
fn batch_norm_is_measured_anew_between_networks_and_the_picture_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let network = residual();
    let modes = vec![opened(folder.path(), "a", &network, 1), opened(folder.path(), "b", &network, 2)];
    let mut desk = Desk::with(modes);
    desk.set(|s| {
        s.plane.third = ThirdPoint::Random(1);
        s.batch_norm.n_images = 64;
    });
    desk.settle();
    let caption = |desk: &Desk| {
        let plane = desk.state.plane.as_ref().unwrap();
        plane.statistics.as_ref().unwrap().caption(&plane.values)
    };
    let found = caption(&desk);
    assert!(found.contains("measured anew on 64 training images"), "{found}");
    let measured = desk.state.curve.as_ref().unwrap().test.clone();

    desk.set(|s| s.batch_norm.recompute = false);
    desk.settle();
    let found = caption(&desk);
    assert!(found.contains("stored statistics"), "{found}");
    // Beyond the two networks the combined variances of small random ones are negative somewhere.
    let hatched = desk.state.plane.as_ref().unwrap().values.iter().flatten().any(|value| !value.loss.is_finite());
    assert_eq!(found.contains("running variances, extrapolated, turn negative"), hatched, "{found}");
    let stored = &desk.state.curve.as_ref().unwrap().test;
    assert_ne!(&measured, stored, "new statistics give other losses");
    // A itself has its own statistics and its own score.
    let own = desk.state.modes[0].scores.test.unwrap();
    assert!((stored[0].unwrap().loss - own.loss).abs() < 1e-9);
}

#[test]
fn a_folder_of_checkpoints_is_a_line_on_the_landscape_and_each_can_become_a_mode() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::demo();
    let [a, b] = <[Mode; 2]>::try_from(demo::modes()).unwrap();
    let b_params = b.params_for(&a.network).unwrap();
    for epoch in [0, 2, 10] {
        let t = f64::from(epoch) / 10.0;
        let params = ParamVec::combination(&[Arc::clone(&a.params), Arc::clone(&b_params)], &[1.0 - t, t]);
        let path = folder.path().join(format!("epoch{epoch}.safetensors"));
        save_params(&path, &a.network, &params, &Default::default()).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "not a checkpoint").unwrap();
    desk.act(Action::Open(vec![folder.path().to_owned()]));
    desk.until("the run is open", |state| !state.trajectories.is_empty());
    desk.settle();
    let run = &desk.state.trajectories[0];
    let names: Vec<&str> = run.modes.iter().map(|mode| mode.name.as_str()).collect();
    assert_eq!(names, ["epoch0", "epoch2", "epoch10"], "numbers count as numbers");
    // The first stands on A, the last on B, the second a fifth of the way.
    let plane = &desk.state.plane.as_ref().unwrap().plane;
    let (length, points) = (plane.length(), run.points(plane));
    assert_eq!(points.len(), 3);
    for (point, x) in points.iter().zip([0.0, 0.2, 1.0]) {
        assert!((point.x - x * length).abs() < 1e-3 * length && point.y.abs() < 1e-3 * length, "{point:?}");
    }
    let id = run.id;
    let n_modes = desk.state.modes.len();
    desk.act(Action::TakeCheckpoint(id, 1));
    assert_eq!(desk.state.modes.len(), n_modes + 1);
    assert_eq!(desk.state.modes[n_modes].mode.name, "epoch2");
    desk.act(Action::RemoveTrajectory(id));
    assert!(desk.state.trajectories.is_empty());
}
