//! Alignment by activations: correlations of all hidden layers of two networks in one streaming pass, an assignment a layer,
//! and the seal that the permuted network still computes the same function (Tatro et al. 2020, sections 1.1 to 1.3 of the
//! methods).

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::batches::{ImageOrder, check_fit, load};
use super::evaluate::{DataRef, logits};
use super::forward::{Basis, PointTensors, forward_from};
use super::{ComputeError, Engine};
use crate::matching::{CrossMoments, LayerMatch, Permutation, UnitSums, match_by_correlation, permute};
use crate::net::{Network, NodeId, ParamVec};

/// Images whose activations are correlated at a time.
const BLOCK_IMAGES: usize = 500;
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

/// A running alignment; call [`Self::step`] until it is finished.
pub struct Correlate {
    engine: Engine,
    spec: CorrelateSpec,
    order: ImageOrder,
    points: PointTensors,
    moments: Vec<CrossMoments>,
    /// Means of the first block per group, `[2, 1, n_units]`, subtracted from all, which keeps sums of f32 exact enough.
    shifts: Vec<Tensor<3>>,
    next_image: usize,
    layers: Vec<LayerMatch>,
}

impl Correlate {
    pub fn new(engine: &Engine, spec: CorrelateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let basis = Basis::new(engine, &[Arc::clone(&spec.a), Arc::clone(&spec.b)]);
        let moments = spec.network.groups().iter().map(|group| CrossMoments::new(group.n_units)).collect();
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.data.n_images()),
            points: basis.as_points(),
            moments,
            shifts: Vec::new(),
            next_image: 0,
            layers: Vec::new(),
            spec,
        })
    }

    /// One block of images, or one layer's assignment, or the seal.
    pub fn step(&mut self) -> Result<CorrelateStep, ComputeError> {
        if self.next_image < self.order.len() {
            self.correlate_block()?;
        } else if self.layers.len() < self.moments.len() {
            let moments = &self.moments[self.layers.len()];
            let n_units = self.spec.network.groups()[self.layers.len()].n_units;
            self.layers.push(match_by_correlation(&moments.correlation(), n_units)?);
        } else {
            return Ok(CorrelateStep::Finished(Box::new(self.finish()?)));
        }
        let steps_done = self.next_image.div_ceil(BLOCK_IMAGES) + self.layers.len();
        let steps = self.order.len().div_ceil(BLOCK_IMAGES) + self.moments.len() + 1;
        Ok(CorrelateStep::Working(steps_done as f64 / steps as f64))
    }

    fn correlate_block(&mut self) -> Result<(), ComputeError> {
        let range = self.next_image..self.order.len().min(self.next_image + BLOCK_IMAGES);
        let block = load(&self.engine, &self.spec.data, self.order.range(range.clone()));
        let images: Tensor<3> = block.images.unsqueeze_dim(0);
        let groups = self.spec.network.groups();
        let mut activations: Vec<Option<Tensor<3>>> = vec![None; groups.len()];
        forward_from(&self.spec.network, NodeId(0), images, &self.points, |node, value| {
            for (group, slot) in groups.iter().zip(&mut activations) {
                if group.readings.last().is_some_and(|reading| reading.node == node) {
                    *slot = Some(value.clone());
                }
            }
        });
        let first_block = self.shifts.is_empty();
        for (index, units) in activations.into_iter().enumerate() {
            let units = units.expect("every group is read at a node behind the input");
            if first_block {
                self.shifts.push(units.clone().mean_dim(1));
            }
            let units = units - self.shifts[index].clone();
            self.add(index, units, range.len())?;
        }
        self.next_image = range.end;
        Ok(())
    }

    /// Adds the sums over one block; `units`: `[2, n_images, n_units]`, A's and B's.
    fn add(&mut self, index: usize, units: Tensor<3>, n_images: usize) -> Result<(), ComputeError> {
        let [_, _, n_units] = units.dims();
        let of = |which: usize| {
            units.clone().slice([which..which + 1, 0..n_images, 0..n_units]).reshape([n_images, n_units])
        };
        let (a, b) = (of(0), of(1));
        let products = read(a.clone().transpose().matmul(b.clone()))?;
        let sums = |x: &Tensor<2>| read(x.clone().sum_dim(0));
        let squares = |x: &Tensor<2>| read((x.clone() * x.clone()).sum_dim(0));
        self.moments[index].add(
            n_images,
            UnitSums { sums: &sums(&a)?, squares: &squares(&a)? },
            UnitSums { sums: &sums(&b)?, squares: &squares(&b)? },
            &products,
        );
        Ok(())
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

pub(super) fn read(tensor: Tensor<2>) -> Result<Vec<f32>, ComputeError> {
    let data: TensorData = tensor.try_into_data().map_err(|error| ComputeError::Device(error.to_string()))?;
    data.try_into_vec::<f32>().map_err(|error| ComputeError::Device(error.to_string()))
}
