//! Weight adjustment: one fit of the layer behind the first hidden one, and what A's layer computes, which all fits share. On
//! images of noise: how long it takes does not depend on them.
//!
//! Arguments name networks of [`NETWORKS`]; without any, all are measured. The peer is `peer_connect.py`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lowroad::compute::{Connect, ConnectOptions, ConnectSpec, ConnectStep, DataRef, Engine};
use lowroad::data::ImageShape;
use lowroad::geometry::Family;
use lowroad::net::{Network, zoo};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Name, channels, side and number of images, inputs of the layer that is fitted.
const NETWORKS: [(&str, usize, usize, usize, usize); 2] =
    [("784-2000-10", 1, 28, 60_000, 2000), ("3072-6144-2000-10", 3, 32, 50_000, 6144)];
const N_FITS: usize = 3;

fn main() {
    // Cargo adds `--bench` to what the user says.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, channels, side, n_images, n_inputs) in NETWORKS {
        if !wanted.is_empty() && wanted.iter().all(|wanted| wanted != name) {
            continue;
        }
        let network = Arc::new(zoo::build(name, &[channels, side, side], 10).expect("a network of the zoo"));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let shape = ImageShape { channels, height: side, width: side };
        let data = common::made_data(shape, n_images, || rng.random());
        let before = peak_bytes();
        let ([shared, fits @ ..], longest) = measure(&network, data);
        let gram = (n_inputs * n_inputs * size_of::<f64>()) as f64;
        let point = (network.layout().len() * size_of::<f32>()) as f64;
        println!("weight adjustment {name}, {n_images} images: what A computes {shared:.3} s");
        println!("weight adjustment {name}, {n_images} images: a fit {}", common::spread(&sorted(fits)));
        println!("weight adjustment {name}, {n_images} images: longest step of all {longest:.3} s");
        if let (Some(before), Some(after)) = (before, peak_bytes()) {
            // Both ends, those of the stage, the point at work and the points found.
            let points = point * (N_FITS + 5) as f64;
            println!(
                "weight adjustment {name}, {n_images} images: {:.0} MB at the worst moment beside the images, of which networks \
                 {:.0} MB; the rest is {:.1} times the Gram matrix",
                (after - before) / 1e6,
                points / 1e6,
                (after - before - points) / gram
            );
        }
    }
}

/// Seconds of what A computes, and of each fit of the first stage; and of the longest step, which nobody can interrupt.
fn measure(network: &Arc<Network>, train: DataRef) -> ([f64; 1 + N_FITS], f64) {
    let spec = ConnectSpec {
        family: Family::LinearAdjusted,
        a: common::random(network, 1),
        b: common::random(network, 2),
        network: Arc::clone(network),
        train,
        points: 1 + N_FITS,
        seed: 0,
        options: ConnectOptions::default(),
    };
    let mut job = Connect::new(&Engine::cpu(), spec).expect("the network is a chain");
    let mut seconds = [0.0; 1 + N_FITS];
    let (mut work, mut longest) = (0, 0.0_f64);
    while work < seconds.len() {
        let started = Instant::now();
        let ConnectStep::Working { note, .. } = job.step(Duration::ZERO).expect("the weights are finite") else {
            break;
        };
        let step = started.elapsed().as_secs_f64();
        seconds[work] += step;
        longest = longest.max(step);
        // The note says what comes next: `fc2: what A computes`, then `fc2: fit 1 of 3`.
        match note.split_once(": fit ").and_then(|(_, rest)| rest.split_once(" of ")?.0.parse().ok()) {
            Some(fit) => work = fit,
            None if 0 < work => break,
            None => {}
        }
    }
    (seconds, longest)
}

fn sorted<const N: usize>(mut times: [f64; N]) -> [f64; N] {
    times.sort_by(f64::total_cmp);
    times
}

/// The most memory that this process ever had, where the system tells.
fn peak_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}
