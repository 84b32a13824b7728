//! Optimal transport of two networks: distances and assignment of every hidden layer, and the whole path with its second stage.
//!
//! Arguments name networks of [`NETWORKS`]; without any, all are measured. Modes are kept in the folder `LOWROAD_MODES`, where
//! `peer_transport.py` finds them: the first network's are trained for one epoch if `LOWROAD_DATA` is MNIST's folder, the
//! second's are untrained.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lowroad::checkpoint::save_params;
use lowroad::compute::{Connect, ConnectOptions, ConnectSpec, ConnectStep, Engine, TransportOptions};
use lowroad::data::{ImageShape, SplitName};
use lowroad::geometry::Family;
use lowroad::net::{Network, ParamVec, zoo};

const NETWORKS: [(&str, [usize; 2]); 2] = [("784-2000-10", [1, 28]), ("3072-6144-2000-10", [3, 32])];
const N_RUNS: usize = 3;

fn main() {
    // Cargo adds `--bench` to what the user says.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for (name, [channels, side]) in NETWORKS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(name, ImageShape { channels, height: side, width: side });
        }
    }
}

fn measure(name: &str, shape: ImageShape) {
    let input = [shape.channels, shape.height, shape.width];
    let network = Arc::new(zoo::build(name, &input, 10).expect("a network of the zoo"));
    let [a, b] = [0, 1].map(|seed| mode(name, &network, seed));
    let spec = ConnectSpec {
        family: Family::Transport,
        // Transport looks at no images, but every job has some.
        train: common::made_data(shape, 1, || 0),
        network,
        a,
        b,
        points: 2,
        seed: 0,
        options: ConnectOptions { transport: TransportOptions { second_stage: true }, ..Default::default() },
    };
    run(&spec);
    let mut runs: Vec<Vec<(String, f64)>> = (0..N_RUNS).map(|_| run(&spec)).collect();
    let longest = runs.iter().filter_map(|run| run.last()).map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    runs.iter_mut().for_each(|run| drop(run.pop()));
    for (index, (work, _)) in runs[0].iter().enumerate() {
        let mut times: Vec<f64> = runs.iter().map(|run| run[index].1).collect();
        times.sort_by(f64::total_cmp);
        println!("transport {name}, {work}: {}", common::spread(&times));
    }
    println!("transport {name}, longest step of all: {longest:.3} s");
}

/// Seconds of each kind of work in turn, and those of the longest step.
fn run(spec: &ConnectSpec) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = Vec::new();
    let mut longest = 0.0_f64;
    let mut job = Connect::new(&Engine::cpu(), spec.clone()).expect("the network has hidden units");
    let mut work = "first vectors".to_owned();
    loop {
        let started = Instant::now();
        let step = job.step(Duration::ZERO).expect("the weights are finite");
        let seconds = started.elapsed().as_secs_f64();
        longest = longest.max(seconds);
        match found.last_mut().filter(|(last, _)| *last == work) {
            Some((_, total)) => *total += seconds,
            None => found.push((work, seconds)),
        }
        match step {
            ConnectStep::Working { note, .. } => work = if note.is_empty() { "both stages".to_owned() } else { note },
            ConnectStep::Finished(connection) => {
                connection.notes.iter().for_each(|note| println!("  {note}"));
                found.push(("longest step".to_owned(), longest));
                return found;
            }
        }
    }
}

/// The mode of a seed, saved for the peer.
fn mode(name: &str, network: &Arc<Network>, seed: u64) -> Arc<ParamVec> {
    let mut mode = common::random(network, seed);
    if network.n_inputs() == 784 && std::env::var_os("LOWROAD_DATA").is_some() {
        let data = common::data(&common::dataset(), SplitName::Train);
        mode = common::run_fit(&Engine::cpu(), common::train_spec(network, mode, data, seed));
    }
    if let Some(folder) = std::env::var_os("LOWROAD_MODES").map(PathBuf::from) {
        let file = folder.join(format!("transport-{name}-{seed}.safetensors"));
        save_params(&file, network, &mode, &Default::default()).expect("LOWROAD_MODES can be written");
    }
    mode
}
