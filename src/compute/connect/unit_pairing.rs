//! The pairing of two networks' units by the distance of their vectors: products of all pairs by the kernels of
//! [`super::super::lanes`], then the assignment, in steps that whoever cancels need not wait for.
//!
//! On the processor whatever the engine: the assignment, which takes most of the time, runs there anyway.

use std::ops::Range;

use super::super::ComputeError;
use super::super::lanes::{CrossProducts, LANES, Row, Samples};
use crate::matching::{CrossMoments, GroupTransport, Pairing, UnitWeights};

/// Multiplications of one step: about 50 ms on two cores.
const STEP_PRODUCTS: usize = 4_000_000_000;
/// Most components of the vectors that are multiplied in one step.
const STEP_COMPONENTS: usize = 512;
/// Products that the assignment looks at in one step: about 50 ms.
const STEP_VALUES: usize = 40_000_000;

/// A running pairing; call [`Self::step`] until it is finished.
pub(crate) struct UnitPairing {
    vectors: UnitWeights,
    /// `0..n_units`: each unit is a channel of its own.
    channels: Vec<usize>,
    shifts: Vec<f32>,
    /// Components multiplied so far.
    multiplied: usize,
    products: CrossProducts,
    moments: CrossMoments,
    pairing: Option<Pairing>,
}

impl UnitPairing {
    pub(crate) fn new(vectors: UnitWeights) -> Self {
        let n_units = vectors.n_units;
        Self {
            channels: (0..n_units).collect(),
            shifts: vec![0.0; n_units],
            multiplied: 0,
            products: CrossProducts::new(n_units),
            moments: CrossMoments::new(n_units),
            pairing: None,
            vectors,
        }
    }

    /// Some more components of all vectors, or some more of the assignment; the result at last.
    pub(crate) fn step(&mut self) -> Result<Option<GroupTransport>, ComputeError> {
        if let Some(mut pairing) = self.pairing.take() {
            if pairing.step(STEP_VALUES) {
                return Ok(Some(pairing.finish()?));
            }
            self.pairing = Some(pairing);
        } else if self.multiplied < self.vectors.n_weights {
            self.multiply();
        } else {
            let moments = std::mem::replace(&mut self.moments, CrossMoments::new(0));
            self.pairing = Some(Pairing::new(moments)?);
        }
        Ok(None)
    }

    /// Share of the work done, 0..1, as far as can be told.
    pub(crate) fn done(&self) -> f64 {
        let multiplied = self.multiplied as f64 / self.vectors.n_weights.max(1) as f64;
        (multiplied + self.pairing.as_ref().map_or(0.0, Pairing::done)) / 2.0
    }

    /// Whether all distances are known and the units are being paired.
    pub(crate) fn is_measured(&self) -> bool {
        self.pairing.is_some()
    }

    fn multiply(&mut self) {
        let UnitWeights { n_units, n_weights, ref a, ref b } = self.vectors;
        let n_components = STEP_PRODUCTS / (n_units * n_units).max(1);
        let n_components = n_components.clamp(LANES, STEP_COMPONENTS) / LANES * LANES;
        let components = self.multiplied..n_weights.min(self.multiplied + n_components);
        self.multiplied = components.end;
        let n_blocks = components.len().div_ceil(LANES);
        let rows = [a, b].map(|vectors| in_lanes(vectors, n_weights, components.clone()));
        let groups = rows.each_ref().map(|rows| [rows.as_slice()]);
        let samples = groups.each_ref().map(|groups| Samples {
            groups,
            group_blocks: n_blocks,
            n_channels: n_units,
            map_pixels: 1,
            pixels: &[0],
            n_images: components.len(),
            channels: &self.channels,
            turn: 0,
        });
        self.products.add(samples, [&self.shifts, &self.shifts], &mut self.moments);
    }
}

/// Some components of every vector as the lanes' kernels take images: `[block][unit]`, a component a lane.
fn in_lanes(vectors: &[f32], n_weights: usize, components: Range<usize>) -> Vec<Row> {
    let n_units = vectors.len() / n_weights.max(1);
    let mut rows = vec![[0.0; LANES]; components.len().div_ceil(LANES) * n_units];
    for (unit, vector) in vectors.chunks_exact(n_weights.max(1)).enumerate() {
        for (block, values) in vector[components.clone()].chunks(LANES).enumerate() {
            rows[block * n_units + unit][..values.len()].copy_from_slice(values);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn pairs_are_those_of_the_distances_in_plain_loops() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // One step and a part of a block; several steps.
        for (n_units, n_weights) in [(1, 3), (13, 40), (40, 1100)] {
            let mut draw = || (0..n_units * n_weights).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
            let (a, b) = (draw(), draw());
            let distance = |i: usize, j: usize| -> f64 {
                let (x, y) = (&a[i * n_weights..][..n_weights], &b[j * n_weights..][..n_weights]);
                x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
            };
            let scores: Vec<f64> = (0..n_units * n_units).map(|at| -distance(at / n_units, at % n_units)).collect();
            let expected = crate::matching::maximise(&scores, n_units).unwrap();
            let mut pairing = UnitPairing::new(UnitWeights { n_units, n_weights, a: a.clone(), b: b.clone() });
            let found = loop {
                if let Some(found) = pairing.step().unwrap() {
                    break found;
                }
            };
            assert_eq!(found.permutation, expected, "{n_units} units of {n_weights}");
            let mean = |source: &dyn Fn(usize) -> usize| {
                (0..n_units).map(|i| distance(i, source(i))).sum::<f64>() / n_units as f64
            };
            assert!((found.mean_cost_before / mean(&|i| i) - 1.0).abs() < 1e-5);
            assert!((found.mean_cost_after / mean(&|i| expected.source(i)) - 1.0).abs() < 1e-5);
        }
    }
}
