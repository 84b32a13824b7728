//! Networks on the CPU executor: images a second of a forward pass (batches of 128, weights laid out once), and training steps a
//! second (128 images), on random bytes as images.
//!
//! Arguments name networks of [`NETWORKS`]; without any, all are measured.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lowroad::compute::{Classifier, DataRef, Engine, Fit, FitSpec};
use lowroad::data::{Dataset, ImageShape, Normalization, Split, SplitName, Values};
use lowroad::net::zoo;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const GRAY: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
const COLOR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const NETWORKS: [(&str, ImageShape); 4] =
    [("784-2000-10", GRAY), ("tinyten", COLOR), ("resnet20", COLOR), ("vgg16", COLOR)];
const BATCH: usize = 128;
const N_CLASSES: u16 = 10;
/// How long a rate is measured at least.
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    // Cargo adds `--bench` to what the user says.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, shape) in NETWORKS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(name, shape);
        }
    }
}

fn measure(name: &str, shape: ImageShape) {
    let engine = Engine::cpu();
    let input = [shape.channels, shape.height, shape.width];
    let network = Arc::new(zoo::build(name, &input, N_CLASSES.into()).expect("a network of the zoo"));
    let params = common::random(&network, 0);
    let data = DataRef {
        dataset: Arc::new(random_images(shape)),
        split: SplitName::Train,
        normalization: Normalization { mean: vec![0.5; shape.channels], std: vec![0.25; shape.channels] },
        limit: None,
    };
    let classifier = Classifier::new(&engine, &network, &params);
    let indices: Vec<u32> = (0..BATCH as u32).collect();
    let batches = rate(|| {
        classifier.logits(&data, &indices).expect("the network fits the data");
    });
    // One epoch is one step; there are more epochs than anyone waits for.
    let spec =
        FitSpec { epochs: 1_000_000, learning_rate: 1e-3, ..common::train_spec(&network, params.clone(), data, 0) };
    let mut fit = Fit::new(&engine, spec).expect("the network fits the data");
    let steps = rate(|| {
        fit.step(false).expect("a CPU does not fail");
    });
    println!("{name}: forward {:.0} images/s, training {steps:.2} steps/s", batches * BATCH as f64);
}

/// Runs a second, after one that is not counted.
fn rate(mut run: impl FnMut()) -> f64 {
    run();
    let started = Instant::now();
    let mut n = 0;
    while started.elapsed() < SPAN {
        run();
        n += 1;
    }
    f64::from(n) / started.elapsed().as_secs_f64()
}

fn random_images(shape: ImageShape) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut split = || Split {
        values: Values::Bytes((0..BATCH * shape.pixels()).map(|_| rng.random()).collect()),
        labels: (0..BATCH).map(|_| rng.random_range(0..N_CLASSES)).collect(),
    };
    Dataset {
        name: "random".to_owned(),
        source: "random".to_owned(),
        shape,
        max_value: 255,
        class_names: (0..N_CLASSES).map(|class| class.to_string()).collect(),
        train: split(),
        test: split(),
        notes: Vec::new(),
    }
}
