//! Images from bytes to device tensors, a block at a time: nothing larger than a block is ever widened to f32.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::evaluate::DataRef;
use super::forward::{Activations, is_flat};
use super::{ComputeError, Engine};
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

/// `(byte / max_value - mean) / std` for each byte, a table a channel.
pub(super) fn byte_tables(data: &DataRef) -> Vec<Vec<f32>> {
    let max = f32::from(data.dataset.max_value);
    let channels = data.normalization.mean.iter().zip(&data.normalization.std);
    let table = |(mean, std): (&f32, &f32)| {
        let normalised = |byte: u8| (f32::from(byte) / max - mean) / std;
        (0..=255).map(normalised).collect()
    };
    channels.take(data.dataset.shape.channels).map(table).collect()
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

/// Images as inputs of a network.
pub(super) fn load(engine: &Engine, data: &DataRef, indices: &[u32]) -> Block {
    let shape = [indices.len(), data.dataset.shape.pixels()];
    let images = Tensor::from_data(TensorData::new(read_images(data, indices), shape), &engine.device);
    let labels = &data.dataset.split(data.split).labels;
    Block { images, labels: indices.iter().map(|&index| labels[index as usize]).collect() }
}

/// Normalised images `[n_images, n_pixels]` on the host.
pub(super) fn read_images(data: &DataRef, indices: &[u32]) -> Vec<f32> {
    let dataset = &data.dataset;
    let split = dataset.split(data.split);
    let n_pixels = dataset.shape.pixels();
    let per_channel = dataset.shape.height * dataset.shape.width;
    let tables = byte_tables(data);
    let mut values = vec![0.0_f32; indices.len() * n_pixels];
    let fill = |(out, &index): (&mut [f32], &u32)| {
        let start = index as usize * n_pixels;
        let bytes = &split.pixels[start..start + n_pixels];
        for ((out, bytes), table) in out.chunks_exact_mut(per_channel).zip(bytes.chunks_exact(per_channel)).zip(&tables)
        {
            for (value, &byte) in out.iter_mut().zip(bytes) {
                *value = table[usize::from(byte)];
            }
        }
    };
    values.par_chunks_exact_mut(n_pixels).zip(indices).with_min_len(32).for_each(fill);
    values
}
