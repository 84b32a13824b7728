use std::time::Duration;

use super::*;
use crate::compute::{FitCheckpoint, OptimizerState};
use crate::data::optdigits;

/// A network, and a checkpoint of it with numbers that tell their places.
fn checkpoint() -> (Arc<Network>, FitCheckpoint) {
    let network = Arc::new(network_for("64-6-10", &optdigits()).unwrap());
    let vector = Recipe::default().initial_weights(&network, 1);
    let n = network.layout().n_trained();
    let moments = [0.5_f32, -2.0].map(|scale| (0..n).map(|i| scale * i as f32).collect()).to_vec();
    let optimizer = Some(Arc::new(OptimizerState { n_steps: 77, moments }));
    let start = FitStart { epoch: 3, step: 11, optimizer };
    (network, FitCheckpoint { vectors: vec![vector], start, loss: 0.25, spent: Duration::ZERO })
}

fn options(epochs: &str) -> Vec<(&'static str, String)> {
    vec![("--epochs", epochs.to_owned()), ("--seed", "1".to_owned())]
}

#[test]
fn a_resume_file_gives_back_what_was_put_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let (network, saved) = checkpoint();
    let resume = Resume::beside(&folder.path().join("mode.safetensors"), network, options("30"));
    resume.save(&saved).unwrap();
    assert_eq!(resume.path(), folder.path().join("mode.safetensors.resume"));
    let found = resume.load().unwrap();
    assert_eq!(found.vectors[0].values(), saved.vectors[0].values());
    assert_eq!((found.start.epoch, found.start.step), (3, 11));
    assert_eq!(found.start.optimizer, saved.start.optimizer);
}

#[test]
fn a_resume_file_of_other_settings_is_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (network, saved) = checkpoint();
    let out = folder.path().join("mode.safetensors");
    Resume::beside(&out, Arc::clone(&network), options("30")).save(&saved).unwrap();
    let error = Resume::beside(&out, network, options("40")).load().unwrap_err().to_string();
    assert!(error.contains("--epochs 30 then, 40 now") && !error.contains("--seed"), "{error}");
}

#[test]
fn other_files_are_no_resume_files() {
    let folder = tempfile::tempdir().unwrap();
    let (network, saved) = checkpoint();
    let resume = Resume::beside(&folder.path().join("mode"), Arc::clone(&network), options("30"));
    assert!(resume.load().unwrap_err().to_string().contains("no such file"));
    crate::checkpoint::save_params(resume.path(), &network, &saved.vectors[0], &Default::default()).unwrap();
    let error = resume.load().unwrap_err().to_string();
    assert!(error.contains("lowroad.epoch"), "{error}");
    let wider = Arc::new(network_for("64-7-10", &optdigits()).unwrap());
    resume.save(&saved).unwrap();
    let wider = Resume::beside(&folder.path().join("mode"), wider, options("30"));
    let error = wider.load().unwrap_err().to_string();
    assert!(error.contains("1.weight") && error.contains("[7, 64]"), "{error}");
}

#[test]
fn every_preset_names_a_network_of_the_zoo() {
    for preset in PRESETS {
        let found = zoo::by_name(preset.network).unwrap();
        assert!(0 < preset.recipe().descent.epochs, "{}", found.name());
        assert_eq!(Preset::by_name(preset.name).unwrap().network, preset.network);
    }
    assert!(Preset::by_name("none").unwrap_err().contains("two-layer-mnist"));
}

#[test]
fn initial_weights_are_those_of_the_papers_unless_something_else_is_asked_for() {
    let init = |name: &str| Recipe::default().init_of(&zoo::by_name(name).unwrap());
    assert_eq!(init("784-20-10"), Init::Torch);
    assert_eq!(init("tinyten"), Init::XavierNormal);
    for name in ["vgg16", "resnet20-a", "preresnet110", "wrn28-10", "resnet18", "conv2fc1"] {
        assert_eq!(init(name), Init::HeNormal, "{name}");
    }
    assert_eq!(init("googlenet"), Init::TruncatedNormal);
    let asked = Recipe { init: Some(Init::Torch), ..Recipe::default() };
    assert_eq!(asked.init_of(&zoo::by_name("vgg16").unwrap()), Init::Torch);
}
