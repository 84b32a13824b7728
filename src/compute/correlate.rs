//! One pass over the activations of two networks: sums of products of all units that their permutation groups are read at
//! (Tatro et al. 2020; METHODS-ALIGNMENT, section 1.1).

use std::sync::Arc;

use super::batches::{ImageOrder, check_fit};
use super::correlate_lanes::LanesMoments;
use super::correlate_tensors::TensorMoments;
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::matching::CrossMoments;
use crate::net::{Network, ParamVec, Reading};

/// Seed of the order in which images are taken. Data sets that are sorted by class would else put likes beside likes.
const IMAGE_SEED: u64 = 0;

/// What to correlate.
#[derive(Clone, Debug)]
pub(super) struct CorrelateSpec {
    pub(super) network: Arc<Network>,
    pub(super) a: Arc<ParamVec>,
    /// Parameters in A's layout.
    pub(super) b: Arc<ParamVec>,
    pub(super) data: DataRef,
    /// Where the units of each permutation group are read.
    pub(super) readings: Vec<Vec<Reading>>,
    /// Whether samples of A are also held against other samples of B.
    pub(super) with_null: bool,
}

/// The moments of one reading.
#[derive(Clone, Debug)]
pub(super) struct ReadingMoments {
    /// Of the same samples of both networks.
    pub(super) matched: CrossMoments,
    /// Of samples of A and others of B.
    pub(super) shuffled: Option<CrossMoments>,
}

impl ReadingMoments {
    pub(super) fn new(n_units: usize, with_null: bool) -> Self {
        Self { matched: CrossMoments::new(n_units), shuffled: with_null.then(|| CrossMoments::new(n_units)) }
    }

    /// Says from where the values of A's and B's units are counted.
    pub(super) fn count_from(&mut self, shifts: [&[f32]; 2]) {
        self.matched.count_from(shifts);
        if let Some(shuffled) = &mut self.shuffled {
            shuffled.count_from(shifts);
        }
    }
}

/// What sums up activations: the lanes on the CPU, burn's operations on a GPU.
enum Moments {
    Lanes(Box<LanesMoments>),
    Tensors(Box<TensorMoments>),
}

/// A running pass; call [`Self::step`] until [`Self::is_finished`].
pub(super) struct Correlate {
    data: DataRef,
    order: ImageOrder,
    moments: Moments,
    next_image: usize,
}

impl Correlate {
    pub(super) fn new(engine: &Engine, spec: &CorrelateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let moments = if engine.is_gpu() {
            Moments::Tensors(Box::new(TensorMoments::new(engine, spec)))
        } else {
            Moments::Lanes(Box::new(LanesMoments::new(spec)))
        };
        let order = ImageOrder::shuffled(spec.data.n_images(), IMAGE_SEED);
        Ok(Self { data: spec.data.clone(), order, moments, next_image: 0 })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.next_image == self.order.len()
    }

    /// Adds one block of images.
    pub(super) fn step(&mut self) -> Result<(), ComputeError> {
        let end = self.order.len().min(self.next_image + self.block_images());
        let indices = self.order.range(self.next_image..end);
        match &mut self.moments {
            Moments::Lanes(lanes) => lanes.add(&self.data, indices),
            Moments::Tensors(tensors) => tensors.add(&self.data, indices)?,
        }
        self.next_image = end;
        Ok(())
    }

    /// Blocks that are done, and all of them.
    pub(super) fn blocks(&self) -> (usize, usize) {
        let block_images = self.block_images();
        (self.next_image.div_ceil(block_images), self.order.len().div_ceil(block_images))
    }

    pub(super) fn n_images(&self) -> usize {
        self.order.len()
    }

    /// The sums so far of each reading of a permutation group.
    pub(super) fn of_group(&self, group: usize) -> Vec<&ReadingMoments> {
        match &self.moments {
            Moments::Lanes(lanes) => lanes.of_group(group),
            Moments::Tensors(tensors) => tensors.of_group(group),
        }
    }

    /// Images whose activations are correlated at a time.
    fn block_images(&self) -> usize {
        match &self.moments {
            Moments::Lanes(lanes) => lanes.block_images(),
            Moments::Tensors(tensors) => tensors.block_images(),
        }
    }
}
