//! Aligning two untrained networks on random bytes as images: the correlations of all layers in one pass, and each group's
//! assignment.
//!
//! Arguments name networks of [`NETWORKS`]; without any, all are measured. `ALIGN_IMAGES` says on how many images (10,000).
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::sync::Arc;
use std::time::Instant;

use lowroad::compute::{Align, AlignSpec, AlignStep, Engine};
use lowroad::data::ImageShape;
use lowroad::net::zoo;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const GRAY: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
const COLOR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const NETWORKS: [(&str, ImageShape); 4] =
    [("784-2000-10", GRAY), ("tinyten", COLOR), ("resnet20", COLOR), ("vgg16", COLOR)];

fn main() {
    // Cargo adds `--bench` to what the user says.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let n_images = std::env::var("ALIGN_IMAGES").map_or(10_000, |n| n.parse().expect("ALIGN_IMAGES is a number"));
    for (name, shape) in NETWORKS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(name, shape, n_images);
        }
    }
}

fn measure(name: &str, shape: ImageShape, n_images: usize) {
    let input = [shape.channels, shape.height, shape.width];
    let network = Arc::new(zoo::build(name, &input, 10).expect("a network of the zoo"));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let data = common::made_data(shape, n_images, || rng.random());
    let [a, b] = [1, 2].map(|seed| common::random(&network, seed));
    let n_groups = network.groups().len();
    let mut job = Align::new(&Engine::cpu(), AlignSpec::new(Arc::clone(&network), a, b, data))
        .expect("the network fits the data");
    // Every block of images and every group's assignment, once it is there, adds to the share that is done. The last step is
    // the seal.
    let mut spans = vec![0.0];
    let mut share = 0.0;
    let report = loop {
        let started = Instant::now();
        let step = job.step().expect("a CPU does not fail");
        let spent = started.elapsed().as_secs_f64();
        match step {
            AlignStep::Working(done) => {
                *spans.last_mut().expect("never empty") += spent;
                if share < done {
                    share = done;
                    spans.push(0.0);
                }
            }
            AlignStep::Finished(alignment) => break alignment.report,
        }
    };
    spans.pop();
    let (blocks, groups) = spans.split_at(spans.len() - n_groups);
    println!("align {name}, {n_images} images: correlation {:.3} s", blocks.iter().sum::<f64>());
    for (group, seconds) in report.groups.iter().zip(groups) {
        println!("align {name}, {}, {} units: assignment {seconds:.4} s", group.name, group.units.len());
    }
    println!("align {name}: assignments {:.3} s", groups.iter().sum::<f64>());
}
