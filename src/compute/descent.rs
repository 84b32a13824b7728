//! Gradient descent over a basis of weight vectors on the CPU: points as combinations, gradients back through them, steps.
//! Value by value, whatever layout the vectors share.

use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

use super::fit::{BETA_1, BETA_2, EPSILON, Optimizer};
use super::simd;

/// Values that one thread moves at a time: few enough to stay in its cache.
const CHUNK: usize = 4096;

/// A vector and a factor of it.
pub(super) type Term<'a> = (f64, &'a [f32]);

/// The optimiser of one vector, with what it remembers of the gradients.
pub(super) struct Descent {
    optimizer: Optimizer,
    /// As many as [`Optimizer::n_moments`], in the vector's layout.
    moments: Vec<Vec<f32>>,
}

impl Descent {
    /// For vectors of `n` values.
    pub(super) fn new(optimizer: Optimizer, n: usize) -> Self {
        Self { optimizer, moments: vec![vec![0.0; n]; optimizer.n_moments()] }
    }

    pub(super) fn moments(&self) -> &[Vec<f32>] {
        &self.moments
    }

    pub(super) fn moments_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.moments
    }

    /// Step number `n_steps` (from 1) of `weights` against the sum of `gradients`.
    pub(super) fn step(&mut self, n_steps: u64, rate: f64, weights: &mut [f32], gradients: &[Term<'_>]) {
        let weights = weights.par_chunks_mut(CHUNK).enumerate();
        match (self.optimizer, self.moments.as_mut_slice()) {
            (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
                let (momentum, rate) = (momentum as f32, rate as f32);
                let chunks = weights.zip(velocity.par_chunks_mut(CHUNK));
                chunks.for_each_init(Vec::new, |g, ((chunk, w), v)| {
                    sum_chunk(gradients, chunk, w.len(), g);
                    AutoArch::new().dispatch(SgdStep { w, v, g, momentum, nesterov, rate });
                });
            }
            (Optimizer::Adam, [first, second]) => {
                let unbias = |beta: f64| 1.0 - beta.powf(n_steps as f64);
                let rate = (rate / unbias(BETA_1)) as f32;
                let scale = unbias(BETA_2).recip() as f32;
                let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
                weights.zip(moments).for_each_init(Vec::new, |g, ((chunk, w), (m, v))| {
                    sum_chunk(gradients, chunk, w.len(), g);
                    AutoArch::new().dispatch(AdamStep { w, m, v, g, rate, scale });
                });
            }
            _ => unreachable!("an optimiser has as many moments as it was made with"),
        }
    }
}

/// The sum of `terms` into `sum`, all of one length.
pub(super) fn combine(terms: &[Term<'_>], sum: &mut [f32]) {
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sum)| {
        sum.fill(0.0);
        add_chunk(terms, chunk, sum);
    });
}

/// `w <- (w + share anchor) / (1 + share)`
pub(super) fn pull_back(weights: &mut [f32], anchor: &[f32], share: f64) {
    let (share, scale) = (share as f32, (1.0 + share).recip() as f32);
    weights.par_chunks_mut(CHUNK).zip(anchor.par_chunks(CHUNK)).for_each(|(weights, anchor)| {
        weights.iter_mut().zip(anchor).for_each(|(w, anchor)| *w = (*w + share * anchor) * scale);
    });
}

fn sum_chunk(terms: &[Term<'_>], chunk: usize, n: usize, sum: &mut Vec<f32>) {
    sum.clear();
    sum.resize(n, 0.0);
    add_chunk(terms, chunk, sum);
}

fn add_chunk(terms: &[Term<'_>], chunk: usize, sum: &mut [f32]) {
    for &(factor, vector) in terms {
        simd::add_scaled(sum, factor as f32, &vector[chunk * CHUNK..][..sum.len()]);
    }
}

/// Momentum as PyTorch computes it: `v = mu v + g`, then `w -= rate (g + mu v)` for Nesterov's and `w -= rate v` for the plain
/// one.
struct SgdStep<'a> {
    w: &'a mut [f32],
    v: &'a mut [f32],
    g: &'a [f32],
    momentum: f32,
    nesterov: bool,
    rate: f32,
}

impl WithSimd for SgdStep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        for ((w, v), g) in self.w.iter_mut().zip(self.v).zip(self.g) {
            *v = self.momentum * *v + g;
            *w -= self.rate * if self.nesterov { g + self.momentum * *v } else { *v };
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
