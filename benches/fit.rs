//! One epoch of fitting a Bezier curve's bend, and of plain training: MLP 784-512-10, 60,000 MNIST images, batches of 128.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use std::sync::Arc;

use lowroad::compute::{Engine, Fit, FitSpec};
use lowroad::data::SplitName;
use lowroad::geometry::Curve;
use lowroad::net::ParamVec;

fn main() {
    let dataset = common::dataset();
    let engine = Engine::cpu();
    let network = common::network(&dataset, &[512]);
    let modes = common::modes(&engine, &network, &dataset);
    let data = common::data(&dataset, SplitName::Train);
    let middle = Arc::new(ParamVec::combination(&modes[..2], &[0.5, 0.5]));

    let train = common::train_spec(&network, modes[0].clone(), data, 0);
    let bezier = FitSpec {
        family: Some(Curve::Bezier { n_bends: 1 }),
        basis: vec![modes[0].clone(), middle, modes[1].clone()],
        ..train.clone()
    };
    for (name, spec) in [("bezier", bezier), ("train", train)] {
        let mut last = f64::NAN;
        let times = common::times(3, || {
            let mut fit = Fit::new(&engine, spec.clone()).expect("the network fits the data");
            // The worker asks for every loss.
            while let Some(report) = fit.step(true).expect("a CPU does not fail") {
                last = report.loss;
            }
        });
        println!("{name} epoch, {} images: {}, last loss {last:.4}", spec.data.n_images(), common::spread(&times));
    }
}
