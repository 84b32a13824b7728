//! One pass over the activations of two networks: sums of products of all units that their permutation groups are read at
//! (Tatro et al. 2020; METHODS-ALIGNMENT, section 1.1).

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::attack::{self, Attacker};
use super::batches::{ImageOrder, check_fit};
use super::correlate_lanes::LanesMoments;
use super::correlate_tensors::TensorMoments;
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::data::Attack;
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
    /// Each network sees the images as its own adversary has moved them.
    pub(super) attack: Option<Attack>,
}

/// Some images of a data set.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) data: &'a DataRef,
    pub(super) indices: &'a [u32],
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

impl Moments {
    /// Adds what A and B make of images: the same ones, if need be moved.
    fn add(&mut self, images: [Images<'_>; 2]) -> Result<(), ComputeError> {
        match self {
            Self::Lanes(lanes) => {
                lanes.add(images);
                Ok(())
            }
            Self::Tensors(tensors) => tensors.add(images),
        }
    }
}

/// A running pass; call [`Self::step`] until [`Self::is_finished`].
pub(super) struct Correlate {
    data: DataRef,
    order: ImageOrder,
    moments: Moments,
    next_image: usize,
    /// One a network, with its weights.
    attackers: Option<[(Attacker, Arc<ParamVec>); 2]>,
    rng: ChaCha8Rng,
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
        let attackers = spec.attack.map(|attack| {
            [&spec.a, &spec.b].map(|w| (Attacker::new(&spec.network, &spec.data, attack), Arc::clone(w)))
        });
        let rng = ChaCha8Rng::seed_from_u64(IMAGE_SEED);
        Ok(Self { data: spec.data.clone(), order, moments, next_image: 0, attackers, rng })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.next_image == self.order.len()
    }

    /// Adds one block of images.
    pub(super) fn step(&mut self) -> Result<(), ComputeError> {
        let end = self.order.len().min(self.next_image + self.block_images());
        let indices = self.order.range(self.next_image..end);
        if let Some(attackers) = &mut self.attackers {
            let moved =
                attackers.each_mut().map(|(attacker, w)| attacker.attacked(w, &self.data, indices, &mut self.rng));
            let indices: Vec<u32> = (0..indices.len() as u32).collect();
            self.moments.add(moved.each_ref().map(|data| Images { data, indices: &indices }))?;
        } else {
            self.moments.add([Images { data: &self.data, indices }; 2])?;
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

    /// Images whose activations are correlated at a time: no more than are attacked together.
    fn block_images(&self) -> usize {
        let most = if self.attackers.is_some() { attack::BATCH } else { usize::MAX };
        match &self.moments {
            Moments::Lanes(lanes) => lanes.block_images(),
            Moments::Tensors(tensors) => tensors.block_images(),
        }
        .min(most)
    }
}
