//! Alignment by activations: correlations of all hidden layers of two networks in one streaming pass, an assignment a layer,
//! and the seal that the permuted network still computes the same function (Tatro et al. 2020, sections 1.1 to 1.3 of the
//! methods).

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use super::batches::{ImageOrder, check_fit, images_at_once, load};
use super::evaluate::{DataRef, logits};
use super::forward::{Activations, Basis, PointTensors, visit_nodes};
use super::score::read;
use super::{ComputeError, Engine};
use crate::matching::{CrossMoments, LayerMatch, Permutation, UnitSums, match_by_correlation, permute};
use crate::net::{Network, ParamVec, Reading};

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
    /// A and B.
    points: [PointTensors; 2],
    /// One a reading, for each group.
    moments: Vec<Vec<CrossMoments>>,
    /// Means of the first block, `[1, n_units]`, for A's readings and then for B's; subtracted from all, which keeps sums of
    /// f32 exact enough.
    shifts: Vec<Tensor<2>>,
    /// Images correlated at a time.
    block_images: usize,
    next_image: usize,
    layers: Vec<LayerMatch>,
}

impl Correlate {
    pub fn new(engine: &Engine, spec: CorrelateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let point = |w: &Arc<ParamVec>| Basis::new(engine, std::slice::from_ref(w)).as_points();
        let moments =
            spec.network.groups().iter().map(|g| vec![CrossMoments::new(g.n_units); g.readings.len()]).collect();
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.data.n_images()),
            points: [point(&spec.a), point(&spec.b)],
            moments,
            shifts: Vec::new(),
            block_images: images_at_once(engine, &spec.network, BLOCK_IMAGES),
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
            let n_units = self.spec.network.groups()[self.layers.len()].n_units;
            let correlation = mean_correlation(&self.moments[self.layers.len()], n_units);
            self.layers.push(match_by_correlation(&correlation, n_units)?);
        } else {
            return Ok(CorrelateStep::Finished(Box::new(self.finish()?)));
        }
        let steps_done = self.next_image.div_ceil(self.block_images) + self.layers.len();
        let steps = self.order.len().div_ceil(self.block_images) + self.moments.len() + 1;
        Ok(CorrelateStep::Working(steps_done as f64 / steps as f64))
    }

    fn correlate_block(&mut self) -> Result<(), ComputeError> {
        let range = self.next_image..self.order.len().min(self.next_image + self.block_images);
        let block = load(&self.engine, &self.spec.data, self.order.range(range.clone()));
        let [a, b] = &self.points;
        let units_a = self.readings(block.inputs(&self.spec.network), a);
        let units_b = self.readings(block.inputs(&self.spec.network), b);
        if self.shifts.is_empty() {
            self.shifts = units_a.iter().chain(&units_b).map(|units| units.clone().mean_dim(0)).collect();
        }
        let (shifts_a, shifts_b) = self.shifts.split_at(units_a.len());
        let units_a = units_a.into_iter().zip(shifts_a).map(|(units, shift)| units - shift.clone());
        let units_b = units_b.into_iter().zip(shifts_b).map(|(units, shift)| units - shift.clone());
        for ((moments, a), b) in self.moments.iter_mut().flatten().zip(units_a).zip(units_b) {
            add(moments, a, b)?;
        }
        self.next_image = range.end;
        Ok(())
    }

    /// What each reading of each group shows: `[n_samples, n_units]`.
    fn readings(&self, images: Activations, point: &PointTensors) -> Vec<Tensor<2>> {
        let readings: Vec<&Reading> = self.spec.network.groups().iter().flat_map(|group| &group.readings).collect();
        let mut found: Vec<Option<Tensor<2>>> = vec![None; readings.len()];
        visit_nodes(&self.spec.network, images, point, |node, value| {
            for (reading, slot) in readings.iter().zip(&mut found) {
                if reading.node == node {
                    *slot = Some(pick(value.samples(), &reading.channels, &self.engine));
                }
            }
        });
        found.into_iter().map(|units| units.expect("every reading is behind the images")).collect()
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
fn mean_correlation(readings: &[CrossMoments], n_units: usize) -> Vec<f64> {
    let mut mean = vec![0.0; n_units * n_units];
    for moments in readings {
        for (total, correlation) in mean.iter_mut().zip(moments.correlation()) {
            *total += correlation / readings.len() as f64;
        }
    }
    mean
}

/// The columns `channels` of `samples` `[n_samples, n_channels]`.
fn pick(samples: Tensor<2>, channels: &[usize], engine: &Engine) -> Tensor<2> {
    if channels.iter().copied().eq(0..samples.dims()[1]) {
        return samples;
    }
    let channels: Vec<i32> = channels.iter().map(|&channel| channel as i32).collect();
    let n_units = channels.len();
    samples.select(1, Tensor::<1, Int>::from_data(TensorData::new(channels, [n_units]), &engine.device))
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
