//! Images from bytes to device tensors, a block at a time: nothing larger than a block is ever widened to f32.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::net::Network;

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

/// Images as inputs of a network.
pub(super) fn load(engine: &Engine, data: &DataRef, indices: &[u32]) -> Block {
    let inputs = data.inputs();
    let n_pixels = inputs.n_values();
    let mut values = vec![0.0_f32; indices.len() * n_pixels];
    let fill = |(out, &index): (&mut [f32], &u32)| inputs.read(index as usize, out);
    values.par_chunks_exact_mut(n_pixels).zip(indices).with_min_len(32).for_each(fill);
    let images = Tensor::from_data(TensorData::new(values, [indices.len(), n_pixels]), &engine.device);
    let labels = indices.iter().map(|&index| inputs.label(index as usize)).collect();
    Block { images, labels }
}
