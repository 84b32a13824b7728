use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::test_data::{fit_spec, noise, params};
use super::super::{DeviceChoice, Fit};
use super::*;
use crate::checkpoint;
use crate::data::{self, Normalization, SplitName};
use crate::net::ParamId;
use crate::net::zoo::{self, ResNet, Shortcut, Stage};

/// Mean loss and accuracy of each point over all images of `data`.
fn scores(tiles: &Tiles, data: &DataRef, points: &[&[f64]]) -> Vec<(f64, f64)> {
    let n_images = data.n_images();
    let indices: Vec<u32> = (0..n_images as u32).collect();
    let mut totals = vec![Score::default(); points.len()];
    for indices in indices.chunks(1000) {
        Score::add_all(&mut totals, &tiles.score(&tiles.load(data, indices), points).unwrap());
    }
    totals.iter().map(|score| (score.loss / n_images as f64, score.n_correct as f64 / n_images as f64)).collect()
}

#[test]
fn statistics_measured_at_a_point_serve_it_again() {
    for network in zoo::samples().into_iter().filter(|network| network.layout().has_statistics()) {
        let data = noise(&network, 40);
        let network = Arc::new(network);
        let basis = [params(&network, 1), params(&network, 2)];
        let points: [&[f64]; 3] = [&[0.5, 0.5], &[0.5, 0.5], &[1.3, -0.3]];
        let tiles = Tiles::new(&Engine::cpu(), &network, &basis, true, Some(&data));
        let found = scores(&tiles, &data, &points);
        assert!(found.iter().all(|(loss, _)| loss.is_finite()), "{}", network.name());
        // Later, alone and together with others.
        for point in [1, 2] {
            let again = scores(&tiles, &data, &points[point..=point])[0];
            assert!((again.0 - found[point].0).abs() < 1e-5, "{}: {again:?} {found:?}", network.name());
        }
        let stored = Tiles::new(&Engine::cpu(), &network, &basis, true, None);
        assert_ne!(scores(&stored, &data, &points)[0], found[0], "{}", network.name());
    }
}

/// ResNet-8 of width 8 on MNIST, trained by PyTorch.
struct ResNetCase {
    folder: PathBuf,
    network: Arc<Network>,
    basis: Vec<Arc<ParamVec>>,
    data: DataRef,
    expect: Value,
}

impl ResNetCase {
    /// `None` where `LOWROAD_DATA` does not say where the case is.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn open() -> Option<Self> {
        let Some(root) = std::env::var_os("LOWROAD_DATA") else {
            eprintln!("skipped: LOWROAD_DATA is not set, so there is no MNIST case to compare with");
            return None;
        };
        let folder = Path::new(&root).join("cases/mnist-resnet8-bn");
        let projected = Shortcut::Project { norm: true };
        let mut resnet = ResNet::cifar(8, projected, 1, &[1, 28, 28], 10).unwrap();
        resnet.stem = 8;
        resnet.stages = [8, 16, 32].map(|n_units| Stage { n_blocks: 1, n_units, bottleneck: None }).to_vec();
        let network = Arc::new(resnet.build().unwrap());
        let dataset = data::open(&Path::new(&root).join("data/mnist").display().to_string()).unwrap();
        let expect = std::fs::read_to_string(folder.join("expect.json")).unwrap();
        let mut case = Self {
            network,
            basis: Vec::new(),
            data: DataRef {
                dataset: Arc::new(dataset),
                split: SplitName::Test,
                normalization: Normalization { mean: vec![0.1307], std: vec![0.3081] },
                limit: None,
            },
            expect: serde_json::from_str(&expect).unwrap(),
            folder,
        };
        case.basis = ["a", "b"].iter().map(|name| case.vector(name)).collect();
        Some(case)
    }

    fn vector(&self, name: &str) -> Arc<ParamVec> {
        let file = checkpoint::read(&self.folder.join(format!("{name}.safetensors"))).unwrap();
        let layout = self.network.layout();
        let mut vector = ParamVec::zeros(Arc::clone(layout));
        for (index, spec) in layout.specs().iter().enumerate() {
            let tensor = file.tensors.iter().find(|tensor| tensor.name == spec.name).unwrap();
            vector.tensor_mut(ParamId(index)).copy_from_slice(&tensor.values);
        }
        Arc::new(vector)
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn a_residual_network_scores_what_pytorch_says() {
    let Some(case) = ResNetCase::open() else {
        return;
    };
    let engine = Engine::cpu();
    let stored = Tiles::new(&engine, &case.network, &case.basis, true, None);
    let found = scores(&stored, &case.data, &[&[1.0, 0.0]]);
    for ((loss, accuracy), expected) in found.iter().zip(case.expect["endpoints"].as_array().unwrap()) {
        assert!((loss / number(&expected["loss"]) - 1.0).abs() < 1e-4, "{found:?}");
        assert!((accuracy - number(&expected["accuracy"])).abs() < 1.5e-4, "{found:?}");
    }

    let train = DataRef { split: SplitName::Train, limit: Some(5000), ..case.data.clone() };
    let measured = Tiles::new(&engine, &case.network, &case.basis, true, Some(&train));
    for place in [3, 9] {
        let expected = &case.expect["linear"][place];
        let t = number(&expected["t"]);
        let (loss, accuracy) = scores(&measured, &case.data, &[&[1.0 - t, t]])[0];
        // PyTorch averaged the statistics of five batches of 1,000.
        assert!((loss / number(&expected["loss"]) - 1.0).abs() < 0.01, "{t}: {loss} {expected}");
        assert!((accuracy - number(&expected["accuracy"])).abs() < 2e-3, "{t}: {accuracy} {expected}");
    }
}

/// `cargo test --lib -- --ignored the_gpu` on a machine with a GPU.
#[test]
#[ignore = "needs a GPU"]
fn the_gpu_and_the_cpu_agree() {
    assert_agrees_with_the_cpu(&Engine::open(DeviceChoice::Gpu).unwrap());
}

/// Evaluates and trains every sample of the zoo on the GPU and on the CPU.
fn assert_agrees_with_the_cpu(gpu: &Engine) {
    for network in zoo::samples() {
        let data = noise(&network, 150);
        let network = Arc::new(network);
        let basis: Vec<_> = (0..3).map(|seed| params(&network, seed)).collect();
        let points: [&[f64]; 3] = [&[1.0, 0.0, 0.0], &[0.3, 0.3, 0.4], &[-0.2, 0.7, 0.5]];
        let [expected, found] = [&Engine::cpu(), gpu].map(|engine| {
            let recompute = network.layout().has_statistics().then_some(&data);
            scores(&Tiles::new(engine, &network, &basis, true, recompute), &data, &points)
        });
        for ((loss, _), (expected, _)) in found.iter().zip(&expected) {
            assert!((loss - expected).abs() < 1e-4 * expected, "{}: {loss} {expected}", network.name());
        }

        let spec = fit_spec(Network::clone(&network), None, 150);
        let [expected, found] = [&Engine::cpu(), gpu].map(|engine| {
            let mut fit = Fit::new(engine, spec.clone()).unwrap();
            let losses: Vec<f64> = std::iter::from_fn(|| fit.step(true).unwrap()).map(|report| report.loss).collect();
            losses
        });
        for (loss, expected) in found.iter().zip(&expected) {
            assert!((loss - expected).abs() < 1e-3 * expected, "{}: {loss} {expected}", network.name());
        }
    }
}
