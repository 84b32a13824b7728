//! What the benchmarks share: data, networks to measure on, and medians.
#![allow(dead_code, clippy::print_stdout, reason = "each benchmark uses some of it and prints its figures")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use lowroad::checkpoint::{Mode, save_params};
use lowroad::compute::{DataRef, Engine, Fit, FitSpec, FitStart, Optimizer, Schedule, TSampling};
use lowroad::data::{Augmentation, Dataset, ImageShape, Normalization, Split, SplitName, Values, open};
use lowroad::net::{Network, ParamVec, zoo};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// MNIST from the folder `LOWROAD_DATA`; the digits of the program, far smaller, where that is not set.
pub(crate) fn dataset() -> Arc<Dataset> {
    match std::env::var("LOWROAD_DATA") {
        Ok(folder) => Arc::new(open(&folder).expect("LOWROAD_DATA must be a folder of MNIST's IDX files")),
        Err(_) => {
            println!(
                "LOWROAD_DATA is not set: measuring on the embedded 8x8 digits, NOT comparable with published figures"
            );
            Arc::new(open(lowroad::data::EMBEDDED).expect("the embedded digits are sound"))
        }
    }
}

/// One split, normalised as MNIST networks usually are.
pub(crate) fn data(dataset: &Arc<Dataset>, split: SplitName) -> DataRef {
    DataRef {
        dataset: Arc::clone(dataset),
        split,
        normalization: Normalization { mean: vec![0.1307], std: vec![0.3081] },
        limit: None,
    }
}

/// Images of bytes that `value` gives one after another, of ten classes, as they are.
pub(crate) fn made_data(shape: ImageShape, n_images: usize, mut value: impl FnMut() -> u8) -> DataRef {
    let mut split = |n_images: usize| Split {
        values: Values::Bytes((0..n_images * shape.pixels()).map(|_| value()).collect()),
        labels: vec![0; n_images],
    };
    let dataset = Dataset {
        name: "made images".to_owned(),
        source: "made for a benchmark".to_owned(),
        shape,
        max_value: u8::MAX,
        class_names: vec![String::new(); 10],
        train: split(n_images),
        test: split(1),
        notes: Vec::new(),
    };
    let normalization = Normalization::identity(shape.channels);
    DataRef { dataset: Arc::new(dataset), split: SplitName::Train, normalization, limit: None }
}

/// A multilayer perceptron for these images with the given hidden widths.
pub(crate) fn network(dataset: &Dataset, hidden: &[usize]) -> Arc<Network> {
    let mut sizes = vec![dataset.shape.pixels()];
    sizes.extend(hidden);
    sizes.push(dataset.n_classes());
    Arc::new(zoo::mlp(&sizes, true).expect("widths are positive"))
}

/// Untrained weights.
pub(crate) fn random(network: &Network, seed: u64) -> Arc<ParamVec> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng))
}

/// Plain training for one epoch as the peer does it: SGD, Nesterov momentum 0.9, L2 5e-4, batches of 128.
pub(crate) fn train_spec(network: &Arc<Network>, start: Arc<ParamVec>, data: DataRef, seed: u64) -> FitSpec {
    FitSpec {
        network: Arc::clone(network),
        family: None,
        basis: vec![start],
        data,
        augmentation: Augmentation::none(),
        epochs: 1,
        start: FitStart::default(),
        batch_size: 128,
        optimizer: Optimizer::NESTEROV,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        weight_decay: 5e-4,
        attack: None,
        sampling: TSampling::One,
        proximal: None,
        seed,
        checkpoints: false,
    }
}

/// Three trained modes of one network: a, b and c in the folder `LOWROAD_MODES`, made there if they are not.
pub(crate) fn modes(engine: &Engine, network: &Arc<Network>, dataset: &Arc<Dataset>) -> Vec<Arc<ParamVec>> {
    let folder = std::env::var("LOWROAD_MODES").map(PathBuf::from).ok();
    ["a", "b", "c"]
        .into_iter()
        .enumerate()
        .map(|(seed, name)| {
            let path = folder.as_ref().map(|folder| folder.join(format!("{name}.safetensors")));
            match path.as_deref().filter(|path| path.exists()) {
                Some(path) => {
                    let mode = Mode::open(path).expect("LOWROAD_MODES holds checkpoints");
                    mode.params_for(network).expect("LOWROAD_MODES holds modes of this network")
                }
                None => train_mode(engine, network, dataset, seed as u64, path.as_deref()),
            }
        })
        .collect()
}

fn train_mode(
    engine: &Engine,
    network: &Arc<Network>,
    dataset: &Arc<Dataset>,
    seed: u64,
    save: Option<&Path>,
) -> Arc<ParamVec> {
    let spec = train_spec(network, random(network, seed), data(dataset, SplitName::Train), seed);
    let mode = run_fit(engine, spec);
    if let Some(path) = save {
        save_params(path, network, &mode, &Default::default()).expect("LOWROAD_MODES can be written");
    }
    mode
}

/// The trained vector when all epochs are done.
pub(crate) fn run_fit(engine: &Engine, spec: FitSpec) -> Arc<ParamVec> {
    let mut fit = Fit::new(engine, spec).expect("the network fits the data");
    while fit.step(false).expect("a CPU does not fail").is_some() {}
    fit.trained().expect("a CPU does not fail").remove(0)
}

/// Times of `n` runs, after one that is not counted; seconds, sorted.
pub(crate) fn times(n: usize, mut run: impl FnMut()) -> Vec<f64> {
    run();
    let mut times: Vec<f64> = (0..n)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The middle one of sorted times.
pub(crate) fn median(times: &[f64]) -> f64 {
    times[times.len() / 2]
}

/// `0.412 s (0.405 to 0.430)`
pub(crate) fn spread(times: &[f64]) -> String {
    format!("{:.3} s ({:.3} to {:.3})", median(times), times[0], times[times.len() - 1])
}
