//! The proof that moving units changed nothing: logits before and after.

use std::sync::Arc;

use super::super::classify::logits;
use super::super::evaluate::DataRef;
use super::super::{ComputeError, Engine};
use crate::net::{Network, ParamVec};

/// Images on which the permuted network's logits are compared with the original's.
const SEAL_IMAGES: usize = 1000;

/// How far the permuted network's outputs are from the original's; rounding only, if all is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seal {
    pub max_logit_difference: f64,
    /// The largest absolute value of the original's logits, which differences are to be held against.
    pub largest_logit: f64,
    /// Images compared, and those with the same predicted class.
    pub n_images: usize,
    pub n_same_class: usize,
}

/// Compares two networks' logits on the first images of `data`.
pub fn seal(
    engine: &Engine,
    network: &Network,
    original: &Arc<ParamVec>,
    permuted: &Arc<ParamVec>,
    data: &DataRef,
) -> Result<Seal, ComputeError> {
    let before = logits(engine, network, original, data, SEAL_IMAGES)?;
    let after = logits(engine, network, permuted, data, SEAL_IMAGES)?;
    Ok(compare_logits(&before, &after, network.n_classes()))
}

/// Compares logits `[n_images, n_classes]` before and after.
pub(in crate::compute) fn compare_logits(before: &[f32], after: &[f32], n_classes: usize) -> Seal {
    let mut seal = Seal { max_logit_difference: 0.0, largest_logit: 0.0, n_images: 0, n_same_class: 0 };
    let best = |row: &[f32]| (0..row.len()).reduce(|best, i| if row[best] < row[i] { i } else { best });
    for (x, y) in before.chunks_exact(n_classes).zip(after.chunks_exact(n_classes)) {
        for (p, q) in x.iter().zip(y) {
            seal.largest_logit = seal.largest_logit.max(f64::from(p.abs()));
            // Equal infinities differ by nothing; a NaN on one side only differs by everything.
            let difference = if p == q || (p.is_nan() && q.is_nan()) { 0.0 } else { f64::from((p - q).abs()) };
            if difference.is_nan() || seal.max_logit_difference < difference {
                seal.max_logit_difference = if difference.is_nan() { f64::INFINITY } else { difference };
            }
        }
        seal.n_images += 1;
        seal.n_same_class += usize::from(best(x) == best(y));
    }
    seal
}
