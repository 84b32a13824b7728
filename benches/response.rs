//! How soon the compute thread answers: the first and the last value of a coarse plane of 81 points for a network of
//! 2 million parameters, and how soon a cancelled job is gone.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::time::Instant;

use lowroad::compute::{DeviceChoice, EvaluateSpec};
use lowroad::data::SplitName;
use lowroad::geometry::{Axis, Grid};
use lowroad::worker::{Command, Event, Lane, Request, Worker};

fn main() {
    let dataset = common::dataset();
    let network = common::network(&dataset, &[1340, 670]);
    let axis = Axis { min: -0.2, max: 1.2, n: 65 };
    let grid = Grid { x: axis, y: axis };
    let levels = grid.levels(9, &[]);
    let n_coarse = levels[0].len();
    let spec = EvaluateSpec {
        levels,
        ..EvaluateSpec::new(
            network.clone(),
            (0..3).map(|seed| common::random(&network, seed)).collect(),
            grid.points().iter().map(|(x, y)| vec![1.0 - x - y, *x, *y]).collect(),
            common::data(&dataset, SplitName::Test),
        )
    };
    let worker = Worker::spawn(DeviceChoice::Cpu, || ()).expect("threads can be started");
    let [mut first, mut coarse, mut slice, mut cancelled] = [const { Vec::new() }; 4];
    for run in 0..6 {
        let started = Instant::now();
        let seconds = || started.elapsed().as_secs_f64();
        let job = worker.start(Lane::Plane, Request::Evaluate(spec.clone()));
        let mut values = 0;
        let mut last = 0.0;
        let mut longest = 0.0_f64;
        let mut found = [0.0; 2];
        while values < n_coarse {
            if let Some(Event::Values { values: some, .. }) = worker.wait_event() {
                longest = longest.max(seconds() - last);
                last = seconds();
                if values == 0 {
                    found[0] = seconds();
                }
                values += some.len();
                found[1] = seconds();
            }
        }
        let asked = seconds();
        worker.send(Command::Cancel { job });
        while !matches!(worker.wait_event(), Some(Event::Cancelled { .. }) | None) {}
        if 0 < run {
            first.push(found[0]);
            coarse.push(found[1]);
            slice.push(longest);
            cancelled.push(seconds() - asked);
        }
    }
    for (name, mut times) in [
        ("first value", first),
        ("coarse plane", coarse),
        ("longest wait between values", slice),
        ("cancelled", cancelled),
    ] {
        times.sort_by(f64::total_cmp);
        println!(
            "{} ({} parameters), {n_coarse} points: {name} after {}",
            network.name(),
            network.layout().len(),
            common::spread(&times)
        );
    }
}
