//! Sums over the activations of two networks by burn's operations, for GPUs.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use super::batches::{images_at_once, load};
use super::correlate::{CorrelateSpec, Images, ReadingMoments};
use super::forward::{Activations, Basis, PointTensors, visit_nodes};
use super::score::read;
use super::{ComputeError, Engine};
use crate::matching::{CrossMoments, UnitSums};
use crate::net::{Network, ParamVec, Reading};

/// Images whose activations are correlated at a time.
const BLOCK_IMAGES: usize = 500;

/// The moments of all readings of two networks.
pub(super) struct TensorMoments {
    engine: Engine,
    network: Arc<Network>,
    /// A and B.
    points: [PointTensors; 2],
    /// One a reading, for each group.
    moments: Vec<Vec<ReadingMoments>>,
    readings: Vec<Vec<Reading>>,
    /// Means of the first block, `[1, n_units]`, for A's readings and then for B's; subtracted from all, which keeps sums of
    /// f32 exact enough.
    shifts: Vec<Tensor<2>>,
}

impl TensorMoments {
    pub(super) fn new(engine: &Engine, spec: &CorrelateSpec) -> Self {
        let point = |w: &Arc<ParamVec>| Basis::new(engine, std::slice::from_ref(w)).as_points();
        let moments = |reading: &Reading| ReadingMoments::new(reading.channels.len(), spec.with_null);
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            points: [point(&spec.a), point(&spec.b)],
            moments: spec.readings.iter().map(|readings| readings.iter().map(moments).collect()).collect(),
            readings: spec.readings.clone(),
            shifts: Vec::new(),
        }
    }

    pub(super) fn block_images(&self) -> usize {
        images_at_once(&self.engine, &self.network, BLOCK_IMAGES)
    }

    pub(super) fn of_group(&self, group: usize) -> Vec<&ReadingMoments> {
        self.moments[group].iter().collect()
    }

    /// Adds the moments over some images, as A and as B sees them.
    pub(super) fn add(&mut self, images: [Images<'_>; 2]) -> Result<(), ComputeError> {
        let n_images = images[0].indices.len();
        let [of_a, of_b] = images.map(|images| load(&self.engine, images.data, images.indices).inputs(&self.network));
        let [a, b] = &self.points;
        let units_a = self.readings(of_a, a);
        let units_b = self.readings(of_b, b);
        if self.shifts.is_empty() {
            self.shifts = units_a.iter().chain(&units_b).map(|units| units.clone().mean_dim(0)).collect();
            let (of_a, of_b) = self.shifts.split_at(units_a.len());
            for ((moments, a), b) in self.moments.iter_mut().flatten().zip(of_a).zip(of_b) {
                moments.count_from([&read(a.clone())?, &read(b.clone())?]);
            }
        }
        let (shifts_a, shifts_b) = self.shifts.split_at(units_a.len());
        let units_a = units_a.into_iter().zip(shifts_a).map(|(units, shift)| units - shift.clone());
        let units_b = units_b.into_iter().zip(shifts_b).map(|(units, shift)| units - shift.clone());
        for ((moments, a), b) in self.moments.iter_mut().flatten().zip(units_a).zip(units_b) {
            if let Some(shuffled) = moments.shuffled.as_mut().filter(|_| 1 < n_images) {
                add(shuffled, a.clone(), turned(b.clone(), n_images))?;
            }
            add(&mut moments.matched, a, b)?;
        }
        Ok(())
    }

    /// What each reading of each group shows: `[n_samples, n_units]`.
    fn readings(&self, images: Activations, point: &PointTensors) -> Vec<Tensor<2>> {
        let readings: Vec<&Reading> = self.readings.iter().flatten().collect();
        let mut found: Vec<Option<Tensor<2>>> = vec![None; readings.len()];
        visit_nodes(&self.network, images, point, |node, value| {
            for (reading, slot) in readings.iter().zip(&mut found) {
                if reading.node == node {
                    *slot = Some(pick(value.samples(), &reading.channels, &self.engine));
                }
            }
        });
        found.into_iter().map(|units| units.expect("every reading is behind the images")).collect()
    }
}

/// The columns `channels` of `samples` `[n_samples, n_channels]`.
pub(super) fn pick(samples: Tensor<2>, channels: &[usize], engine: &Engine) -> Tensor<2> {
    if channels.iter().copied().eq(0..samples.dims()[1]) {
        return samples;
    }
    let channels: Vec<i32> = channels.iter().map(|&channel| channel as i32).collect();
    let n_units = channels.len();
    samples.select(1, Tensor::<1, Int>::from_data(TensorData::new(channels, [n_units]), &engine.device))
}

/// Samples `[n_images * positions, n_units]`, the second half of the images first.
fn turned(samples: Tensor<2>, n_images: usize) -> Tensor<2> {
    let n_samples = samples.dims()[0];
    let first = n_images / 2 * (n_samples / n_images);
    Tensor::cat(vec![samples.clone().narrow(0, first, n_samples - first), samples.narrow(0, 0, first)], 0)
}

/// Adds the sums over a block of samples `[n_samples, n_units]`.
fn add(moments: &mut CrossMoments, a: Tensor<2>, b: Tensor<2>) -> Result<(), ComputeError> {
    let sums = |x: &Tensor<2>| read(x.clone().sum_dim(0));
    let squares = |x: &Tensor<2>| read((x.clone() * x.clone()).sum_dim(0));
    let products = read(a.clone().transpose().matmul(b.clone()))?;
    moments.add(
        a.dims()[0],
        UnitSums { sums: &sums(&a)?, squares: &squares(&a)? },
        UnitSums { sums: &sums(&b)?, squares: &squares(&b)? },
        &products,
    );
    Ok(())
}
