//! Images from bytes to device tensors, a block at a time: nothing larger than a block is ever widened to f32.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::evaluate::DataRef;
use super::forward::{Activations, is_flat};
use super::{ComputeError, Engine};
use crate::data::{Augmentation, Inputs};
use crate::net::{Network, NodeId};

/// What the largest value of a network may fill when images go through it in a batch. Convolutions on a GPU may unfold their
/// input to nine times its size or more, and a buffer there is often bound to 2 GiB.
const GPU_BATCH_BYTES: usize = 64 << 20;
const CPU_BATCH_BYTES: usize = 8 << 20;

/// Order in which images are visited.
#[derive(Clone, Debug)]
pub struct ImageOrder(Vec<u32>);

impl ImageOrder {
    /// The first `n` images as they stand in the file.
    pub fn sequential(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    /// The first `n` images, shuffled; the same seed gives the same order everywhere.
    pub fn shuffled(n: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
        Self(order)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn range(&self, range: Range<usize>) -> &[u32] {
        &self.0[range]
    }
}

/// Images on the device and their labels on the host.
pub(super) struct Block {
    /// `[n_images, n_pixels]`, normalised.
    pub(super) images: Tensor<2>,
    pub(super) labels: Vec<u16>,
}

impl Block {
    /// The images as `network` takes them, the same for all points of weight space.
    pub(super) fn inputs(&self, network: &Network) -> Activations {
        Activations::images(network, self.images.clone().unsqueeze_dim(0))
    }

    /// Labels as a device tensor `[n_images]`.
    pub(super) fn label_tensor(&self, engine: &Engine) -> Tensor<1, Int> {
        let labels: Vec<i32> = self.labels.iter().map(|&l| i32::from(l)).collect();
        Tensor::from_data(TensorData::new(labels, [self.labels.len()]), &engine.device)
    }
}

/// Checks that a network and a data set fit together.
pub(super) fn check_fit(network: &Network, data: &DataRef) -> Result<(), ComputeError> {
    let pixels = data.dataset.shape.pixels();
    let name = || data.dataset.name.clone();
    if network.n_inputs() != pixels {
        return Err(ComputeError::InputSize { network: network.n_inputs(), data: name(), pixels });
    }
    if data.n_images() == 0 {
        return Err(ComputeError::NoImages { data: name(), split: data.split.to_string() });
    }
    let highest = data.dataset.split(data.split).labels.iter().copied().max().unwrap_or(0);
    if network.n_classes() <= usize::from(highest) {
        return Err(ComputeError::Labels { network: network.n_classes(), data: name(), highest });
    }
    Ok(())
}

/// How many of `n_images` go through `network` at once: all of them if its values are flat, a batch that fits into memory if
/// they are maps.
pub(super) fn images_at_once(engine: &Engine, network: &Network, n_images: usize) -> usize {
    if is_flat(network) {
        return n_images;
    }
    let budget = if engine.is_gpu() { GPU_BATCH_BYTES } else { CPU_BATCH_BYTES };
    (budget / (size_of::<f32>() * largest_value(network))).clamp(1, n_images.max(1))
}

/// Size of the largest output of a node, for one image.
pub(super) fn largest_value(network: &Network) -> usize {
    let sizes = network.nodes().iter().skip(1).map(|node| node.shape.iter().product::<usize>());
    sizes.max().unwrap_or(1).max(1)
}

/// The most values that are alive at once while one image goes through `network`.
pub(super) fn live_values(network: &Network) -> usize {
    let nodes = network.nodes();
    let size = |node: usize| nodes[node].shape.iter().product::<usize>();
    let last_use = |node: usize| nodes.iter().rposition(|n| n.inputs.contains(&NodeId(node))).unwrap_or(node);
    let mut alive = vec![0; nodes.len()];
    for node in 0..nodes.len() {
        alive[node..=last_use(node)].iter_mut().for_each(|values| *values += size(node));
    }
    alive.into_iter().max().unwrap_or(1).max(1)
}

/// Examples as inputs of a network: as they are, or as one epoch of a training sees them.
pub(super) struct Examples<'a> {
    inputs: Inputs<'a>,
    changes: Option<Changes<'a>>,
}

/// Random changes that are the same for an image of an epoch, whichever thread reads it.
struct Changes<'a> {
    augmentation: &'a Augmentation,
    seed: u64,
    epoch: usize,
}

impl<'a> Examples<'a> {
    /// As they are.
    pub(super) fn of(data: &'a DataRef) -> Self {
        Self { inputs: data.inputs(), changes: None }
    }

    /// As an epoch (from 0) of the training of this seed sees them.
    pub(super) fn of_epoch(data: &'a DataRef, augmentation: &'a Augmentation, seed: u64, epoch: usize) -> Self {
        let changes = Changes { augmentation, seed, epoch };
        Self { inputs: data.inputs(), changes: (!augmentation.is_none()).then_some(changes) }
    }

    /// Values of one example.
    pub(super) fn n_values(&self) -> usize {
        self.inputs.n_values()
    }

    pub(super) fn label(&self, index: u32) -> u16 {
        self.inputs.label(index as usize)
    }

    /// Whether a network sees them otherwise than they are.
    pub(super) fn are_changed(&self) -> bool {
        self.changes.is_some()
    }

    /// Writes as many of one example's values as `out` takes, from its value `first` on, without any changes.
    pub(super) fn read_unchanged(&self, index: u32, first: usize, out: &mut [f32]) {
        self.inputs.read_from(index as usize, first, out);
    }

    /// Writes one example, `[channels, height, width]`.
    pub(super) fn read(&self, index: u32, out: &mut [f32]) {
        match &self.changes {
            None => self.inputs.read(index as usize, out),
            Some(Changes { augmentation, seed, epoch }) => {
                let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                // The streams below 2^32 belong to the orders of the epochs.
                rng.set_stream((*epoch as u64 + 1) << 32 | u64::from(index));
                self.inputs.read_augmented(index as usize, augmentation, &mut rng, out);
            }
        }
    }

    /// Some examples, `[indices.len(), n_values]`, and their labels.
    pub(super) fn read_batch(&self, indices: &[u32]) -> (Vec<f32>, Vec<u16>) {
        let mut values = vec![0.0; indices.len() * self.n_values()];
        self.read_all(indices, &mut values);
        (values, indices.iter().map(|&index| self.label(index)).collect())
    }

    /// Writes some examples, `[indices.len(), n_values]`, on all cores.
    pub(super) fn read_all(&self, indices: &[u32], out: &mut [f32]) {
        let examples = out.par_chunks_exact_mut(self.n_values()).zip(indices).with_min_len(32);
        examples.for_each(|(out, &index)| self.read(index, out));
    }
}

/// Images as inputs of a network.
pub(super) fn load(engine: &Engine, data: &DataRef, indices: &[u32]) -> Block {
    load_examples(engine, &Examples::of(data), indices)
}

/// Examples as inputs of a network.
pub(super) fn load_examples(engine: &Engine, examples: &Examples<'_>, indices: &[u32]) -> Block {
    let (values, labels) = examples.read_batch(indices);
    let images = Tensor::from_data(TensorData::new(values, [indices.len(), examples.n_values()]), &engine.device);
    Block { images, labels }
}
