//! Aligning two MLPs 784-2000-10 on 10,000 training images: correlation, assignment and seal apart; and the assignment alone
//! on random scores, its hardest case.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::time::Instant;

use lowroad::compute::{Align, AlignSpec, AlignStep, Engine};
use lowroad::data::SplitName;
use lowroad::matching::maximise;
use lowroad::net::ParamVec;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const N_UNITS: usize = 2000;

fn main() {
    let dataset = common::dataset();
    let engine = Engine::cpu();
    let network = common::network(&dataset, &[N_UNITS]);
    let mut data = common::data(&dataset, SplitName::Train);
    let train_data = data.clone();
    data.limit = Some(10_000);

    let trained = |seed| -> std::sync::Arc<ParamVec> {
        let start = common::random(&network, seed);
        let spec = common::train_spec(&network, start, train_data.clone(), seed);
        common::run_fit(&engine, spec)
    };
    let pairs = [
        ("trained", [trained(1), trained(2)]),
        ("untrained", [common::random(&network, 1), common::random(&network, 2)]),
    ];
    for (name, [a, b]) in pairs {
        let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
        let mut mean = (0.0, 0.0);
        for _ in 0..4 {
            let spec = AlignSpec::new(network.clone(), a.clone(), b.clone(), data.clone());
            let mut job = Align::new(&engine, spec).expect("the networks fit the data");
            // The share that was done after each step, and the time it took.
            let mut steps: Vec<(f64, f64)> = Vec::new();
            let (alignment, seal) = loop {
                let started = Instant::now();
                let step = job.step().expect("a CPU does not fail");
                let spent = started.elapsed().as_secs_f64();
                match step {
                    AlignStep::Working(done) => steps.push((done, spent)),
                    AlignStep::Finished(alignment) => break (alignment, spent),
                }
            };
            // Each block of images adds to the share; of the only layer's assignment its last slice alone does.
            let n_grown = (0..steps.len()).filter(|&i| i == 0 || steps[i - 1].0 < steps[i].0).count();
            let time = |range: std::ops::Range<usize>| steps[range].iter().map(|(_, spent)| spent).sum::<f64>();
            seconds[0].push(time(0..n_grown - 1));
            seconds[1].push(time(n_grown - 1..steps.len()));
            seconds[2].push(seal);
            let group = &alignment.report.groups[0];
            mean = (group.before.mean, group.after.mean);
        }
        let [correlation, assignment, seal] = seconds.map(|mut times| {
            times.remove(0);
            times.sort_by(f64::total_cmp);
            common::spread(&times)
        });
        println!(
            "align {}, {} images, {name}: correlation {correlation}, assignment {assignment}, seal {seal}; mean correlation {:.4} to {:.4}",
            network.name(),
            data.n_images(),
            mean.0,
            mean.1
        );
    }

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let scores: Vec<f64> = (0..N_UNITS * N_UNITS).map(|_| rng.random_range(-1.0..1.0)).collect();
    let times = common::times(3, || drop(maximise(&scores, N_UNITS).expect("finite scores")));
    println!("assignment {N_UNITS} x {N_UNITS}, random scores: {}", common::spread(&times));
}
