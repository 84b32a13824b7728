//! Gradient descent over a basis of weight vectors on the CPU: points as combinations, gradients back through them, steps.
//! Value by value, whatever layout the vectors share.

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::fit::Optimizer;
use super::simd;

/// Values that one thread moves at a time: few enough to stay in its cache.
const CHUNK: usize = 4096;
/// Adam's, as in the paper.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// What an optimiser remembers of a vector's gradients.
pub(super) struct Descent {
    n_steps: i32,
    state: State,
}

enum State {
    Sgd { momentum: f64, velocity: Vec<f32> },
    Adam { first: Vec<f32>, second: Vec<f32> },
}

impl Descent {
    /// For vectors of `n` values.
    pub(super) fn new(optimizer: Optimizer, n: usize) -> Self {
        let state = match optimizer {
            Optimizer::Sgd { momentum } => State::Sgd { momentum, velocity: vec![0.0; n] },
            Optimizer::Adam => State::Adam { first: vec![0.0; n], second: vec![0.0; n] },
        };
        Self { n_steps: 0, state }
    }

    /// One step of `weights` against `sum_t c_t g_t`, given as pairs of a factor and a gradient.
    pub(super) fn step(&mut self, rate: f64, weights: &mut [f32], gradients: &[(f64, &[f32])]) {
        self.n_steps += 1;
        let weights = weights.par_chunks_mut(CHUNK).enumerate();
        match &mut self.state {
            State::Sgd { momentum, velocity } => {
                let (momentum, rate) = (*momentum as f32, rate as f32);
                let chunks = weights.zip(velocity.par_chunks_mut(CHUNK));
                chunks.for_each_init(Vec::new, |g, ((chunk, w), v)| {
                    sum_chunk(gradients, chunk, w.len(), g);
                    AutoArch::new().dispatch(SgdStep { w, v, g, momentum, rate });
                });
            }
            State::Adam { first, second } => {
                let unbias = |beta: f64| 1.0 - beta.powi(self.n_steps);
                let rate = (rate / unbias(BETA_1)) as f32;
                let scale = unbias(BETA_2).recip() as f32;
                let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
                weights.zip(moments).for_each_init(Vec::new, |g, ((chunk, w), (m, v))| {
                    sum_chunk(gradients, chunk, w.len(), g);
                    AutoArch::new().dispatch(AdamStep { w, m, v, g, rate, scale });
                });
            }
        }
    }
}

/// `sum_i c_i w_i` into `sum`, for pairs of a factor and a vector of its length.
pub(super) fn combine(vectors: &[(f64, &[f32])], sum: &mut [f32]) {
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sum)| {
        sum.fill(0.0);
        add_chunk(vectors, chunk, sum);
    });
}

fn sum_chunk(vectors: &[(f64, &[f32])], chunk: usize, n: usize, sum: &mut Vec<f32>) {
    sum.clear();
    sum.resize(n, 0.0);
    add_chunk(vectors, chunk, sum);
}

fn add_chunk(vectors: &[(f64, &[f32])], chunk: usize, sum: &mut [f32]) {
    for &(factor, vector) in vectors {
        simd::add_scaled(sum, factor as f32, &vector[chunk * CHUNK..][..sum.len()]);
    }
}

/// Nesterov's momentum as PyTorch computes it: `v = mu v + g`, `w -= rate (g + mu v)`.
struct SgdStep<'a> {
    w: &'a mut [f32],
    v: &'a mut [f32],
    g: &'a [f32],
    momentum: f32,
    rate: f32,
}

impl WithSimd for SgdStep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        for ((w, v), g) in self.w.iter_mut().zip(self.v).zip(self.g) {
            *v = self.momentum * *v + g;
            *w -= self.rate * (g + self.momentum * *v);
        }
    }
}

/// `m` and `v` are the moving means of the gradient and its square; `rate` and `scale` hold their corrections.
struct AdamStep<'a> {
    w: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    g: &'a [f32],
    rate: f32,
    scale: f32,
}

impl WithSimd for AdamStep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let (beta_1, beta_2) = (BETA_1 as f32, BETA_2 as f32);
        let moments = self.m.iter_mut().zip(self.v);
        for ((w, (m, v)), g) in self.w.iter_mut().zip(moments).zip(self.g) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
            *w -= self.rate * *m / ((*v * self.scale).sqrt() + EPSILON);
        }
    }
}
