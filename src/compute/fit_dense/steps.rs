//! A step of an optimiser over a chunk of values.

use macerator::{Simd, WithSimd};

use crate::compute::fit::{BETA_1, BETA_2, EPSILON};

/// Momentum as PyTorch computes it: `v = mu v + g`, then `w -= rate (g + mu v)` for Nesterov's and `w -= rate v` for the plain
/// one.
pub(super) struct SgdStep<'a> {
    pub(super) w: &'a mut [f32],
    pub(super) v: &'a mut [f32],
    pub(super) g: &'a [f32],
    pub(super) momentum: f32,
    pub(super) nesterov: bool,
    pub(super) rate: f32,
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
pub(super) struct AdamStep<'a> {
    pub(super) w: &'a mut [f32],
    pub(super) m: &'a mut [f32],
    pub(super) v: &'a mut [f32],
    pub(super) g: &'a [f32],
    pub(super) rate: f32,
    pub(super) scale: f32,
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
