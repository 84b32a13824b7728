//! The evaluation's and the fit's matrix products beside the `gemm` crate alone on the same shapes, in GFLOP/s, all cores.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod common;

use lowroad::compute::{Engine, EvaluateSpec, Fit, evaluate_all};
use lowroad::data::SplitName;

/// Best of several: noise only ever adds.
const RUNS: usize = 7;

fn main() {
    let dataset = common::dataset();
    let engine = Engine::cpu();
    let n_threads = rayon::current_num_threads();
    for hidden in [&[512][..], &[2000], &[512, 512]] {
        let network = common::network(&dataset, hidden);
        let mut data = common::data(&dataset, SplitName::Test);
        data.limit = Some(data.n_images().min(1024));
        let n_images = data.n_images();
        let mut sizes = vec![network.n_inputs()];
        sizes.extend(hidden);
        sizes.push(network.n_classes());
        let weights: usize = sizes.windows(2).map(|w| w[0] * w[1]).sum();

        // Every layer for every point: no product is shared.
        let n_points = 8;
        let spec = EvaluateSpec {
            share_first_layer: false,
            ..EvaluateSpec::new(
                network.clone(),
                vec![common::random(&network, 1), common::random(&network, 2)],
                (0..n_points).map(|i| vec![1.0 - 0.1 * f64::from(i), 0.1 * f64::from(i)]).collect(),
                data.clone(),
            )
        };
        let ours = common::times(RUNS, || drop(evaluate_all(&engine, spec.clone()).expect("a CPU does not fail")));
        let theirs = common::times(RUNS, || {
            for _ in 0..n_points {
                sizes.windows(2).for_each(|w| multiply(n_images, w[0], w[1], n_threads));
            }
        });
        let flops = 2.0 * weights as f64 * n_images as f64 * f64::from(n_points);
        report(&format!("evaluation, {}", network.name()), flops, ours[0], theirs[0]);

        // One minibatch: each layer forward, its weights' gradient, and but for the first its inputs'.
        let train = common::data(&dataset, SplitName::Train);
        let spec = common::train_spec(&network, common::random(&network, 1), train, 0);
        let batch = spec.batch_size;
        let n_steps = 20;
        let mut fit = Fit::new(&engine, spec).expect("the network fits the data");
        let ours = common::times(RUNS, || {
            for _ in 0..n_steps {
                fit.step(false).expect("a CPU does not fail");
            }
        });
        let theirs = common::times(RUNS, || {
            for _ in 0..n_steps {
                for (layer, w) in sizes.windows(2).enumerate() {
                    multiply(batch, w[0], w[1], n_threads);
                    multiply(w[0], batch, w[1], n_threads);
                    if 0 < layer {
                        multiply(batch, w[1], w[0], n_threads);
                    }
                }
            }
        });
        let first = sizes[0] * sizes[1];
        let flops = 2.0 * (3 * weights - first) as f64 * batch as f64 * f64::from(n_steps);
        report(&format!("fit, {}", network.name()), flops, ours[0], theirs[0]);
    }
}

fn report(name: &str, flops: f64, ours: f64, theirs: f64) {
    println!(
        "{name}: {:.0} GFLOP/s, gemm alone {:.0} GFLOP/s, ratio {:.2}",
        flops / ours / 1e9,
        flops / theirs / 1e9,
        theirs / ours
    );
}

/// `[m, k] x [k, n]` by the gemm crate, row-major.
#[allow(unsafe_code, reason = "gemm takes pointers")]
fn multiply(m: usize, k: usize, n: usize, n_threads: usize) {
    thread_local! {
        static BUFFERS: std::cell::RefCell<[Vec<f32>; 3]> = const { std::cell::RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
    }
    BUFFERS.with_borrow_mut(|[a, b, c]| {
        for (buffer, len) in [(&mut *a, m * k), (&mut *b, k * n), (&mut *c, m * n)] {
            if buffer.len() < len {
                buffer.resize(len, 0.5);
            }
        }
        // SAFETY: the three buffers are distinct, and at least as long as their matrices with these strides.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                k as isize,
                b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(n_threads),
            );
        }
    });
}
