//! Alignment by activations: correlations of all hidden layers of two networks in one streaming pass, an assignment a layer,
//! and the seal that the permuted network still computes the same function (Tatro et al. 2020, sections 1.1 to 1.3 of the
//! methods).

use std::sync::Arc;

use super::batches::{ImageOrder, check_fit};
use super::classify::logits;
use super::correlate_lanes::LanesMoments;
use super::correlate_tensors::TensorMoments;
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::matching::{CrossMoments, LayerMatch, Permutation, match_by_correlation, permute};
use crate::net::{Network, ParamVec};

/// Images on which the permuted network's logits are compared with the original's.
const SEAL_IMAGES: usize = 1000;

/// What to align.
#[derive(Clone, Debug)]
pub struct CorrelateSpec {
    pub network: Arc<Network>,
    /// The network whose order of units is kept.
    pub a: Arc<ParamVec>,
    /// The network whose units are moved; parameters in A's layout.
    pub b: Arc<ParamVec>,
    /// The paper: the first 10,000 training images, without augmentation.
    pub data: DataRef,
}

/// B with its units in A's order.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// One a permutation group of the network, in order of depth.
    pub layers: Vec<LayerMatch>,
    pub aligned: Arc<ParamVec>,
    /// Images correlated.
    pub n_samples: usize,
    pub seal: Seal,
}

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

/// Progress of one slice of work.
pub enum CorrelateStep {
    /// Share of the work done, 0..1.
    Working(f64),
    Finished(Box<Alignment>),
}

/// What sums up activations: the lanes on the CPU, burn's operations on a GPU.
enum Moments {
    Lanes(Box<LanesMoments>),
    Tensors(Box<TensorMoments>),
}

impl Moments {
    fn new(engine: &Engine, spec: &CorrelateSpec) -> Self {
        if engine.is_gpu() {
            Self::Tensors(Box::new(TensorMoments::new(engine, spec)))
        } else {
            Self::Lanes(Box::new(LanesMoments::new(spec)))
        }
    }

    /// Images whose activations are correlated at a time.
    fn block_images(&self) -> usize {
        match self {
            Self::Lanes(lanes) => lanes.block_images(),
            Self::Tensors(tensors) => tensors.block_images(),
        }
    }

    /// Adds the moments over some images.
    fn add(&mut self, data: &DataRef, indices: &[u32]) -> Result<(), ComputeError> {
        match self {
            Self::Lanes(lanes) => {
                lanes.add(data, indices);
                Ok(())
            }
            Self::Tensors(tensors) => tensors.add(data, indices),
        }
    }

    /// The sums so far of each reading of a permutation group.
    fn of_group(&self, group: usize) -> Vec<&CrossMoments> {
        match self {
            Self::Lanes(lanes) => lanes.of_group(group),
            Self::Tensors(tensors) => tensors.of_group(group),
        }
    }
}

/// A running alignment; call [`Self::step`] until it is finished.
pub struct Correlate {
    engine: Engine,
    spec: CorrelateSpec,
    order: ImageOrder,
    moments: Moments,
    next_image: usize,
    layers: Vec<LayerMatch>,
}

impl Correlate {
    pub fn new(engine: &Engine, spec: CorrelateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.data.n_images()),
            moments: Moments::new(engine, &spec),
            next_image: 0,
            layers: Vec::new(),
            spec,
        })
    }

    /// One block of images, or one layer's assignment, or the seal.
    pub fn step(&mut self) -> Result<CorrelateStep, ComputeError> {
        let groups = self.spec.network.groups();
        let block_images = self.moments.block_images();
        if self.next_image < self.order.len() {
            let end = self.order.len().min(self.next_image + block_images);
            self.moments.add(&self.spec.data, self.order.range(self.next_image..end))?;
            self.next_image = end;
        } else if self.layers.len() < groups.len() {
            let n_units = groups[self.layers.len()].n_units;
            let correlation = mean_correlation(&self.moments.of_group(self.layers.len()), n_units);
            self.layers.push(match_by_correlation(&correlation, n_units)?);
        } else {
            return Ok(CorrelateStep::Finished(Box::new(self.finish()?)));
        }
        let steps_done = self.next_image.div_ceil(block_images) + self.layers.len();
        let steps = self.order.len().div_ceil(block_images) + groups.len() + 1;
        Ok(CorrelateStep::Working(steps_done as f64 / steps as f64))
    }

    fn finish(&mut self) -> Result<Alignment, ComputeError> {
        let permutations: Vec<Permutation> = self.layers.iter().map(|layer| layer.permutation.clone()).collect();
        let aligned = Arc::new(permute(&self.spec.network, &self.spec.b, &permutations));
        let seal = seal(&self.engine, &self.spec.network, &self.spec.b, &aligned, &self.spec.data)?;
        Ok(Alignment { layers: std::mem::take(&mut self.layers), aligned, n_samples: self.order.len(), seal })
    }
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
pub(super) fn compare_logits(before: &[f32], after: &[f32], n_classes: usize) -> Seal {
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

/// Mean of the correlations `[n_units, n_units]` that a group's readings show.
fn mean_correlation(readings: &[&CrossMoments], n_units: usize) -> Vec<f64> {
    let mut mean = vec![0.0; n_units * n_units];
    for moments in readings {
        for (total, correlation) in mean.iter_mut().zip(moments.correlation()) {
            *total += correlation / readings.len() as f64;
        }
    }
    mean
}
