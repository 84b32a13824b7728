//! Responses of units by burn's operations, for GPUs.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::batches::{images_at_once, load};
use super::correlate_tensors::pick;
use super::evaluate::DataRef;
use super::excite::{ExciteSpec, Responses, channels_of};
use super::forward::{Activations, Basis, PointTensors, visit_nodes};
use super::score::read;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamVec, Reading};

/// Images that go through the networks at a time.
const BLOCK_IMAGES: usize = 500;

/// What computes the responses of some units of A and aligned B.
pub(super) struct TensorResponses {
    engine: Engine,
    network: Arc<Network>,
    points: [PointTensors; 2],
    node: NodeId,
    channels: Vec<usize>,
}

impl TensorResponses {
    pub(super) fn new(engine: &Engine, spec: &ExciteSpec, reading: &Reading) -> Self {
        let point = |w: &Arc<ParamVec>| Basis::new(engine, std::slice::from_ref(w)).as_points();
        Self {
            engine: engine.clone(),
            network: Arc::clone(&spec.network),
            points: [point(&spec.a), point(&spec.aligned)],
            node: reading.node,
            channels: channels_of(spec, reading),
        }
    }

    pub(super) fn block_images(&self) -> usize {
        images_at_once(&self.engine, &self.network, BLOCK_IMAGES)
    }

    /// Of A and of aligned B.
    pub(super) fn responses(&self, data: &DataRef, indices: &[u32]) -> Result<[Responses; 2], ComputeError> {
        let images = load(&self.engine, data, indices).inputs(&self.network);
        let [a, b] = &self.points;
        Ok([self.of_network(images.clone(), a)?, self.of_network(images, b)?])
    }

    fn of_network(&self, images: Activations, point: &PointTensors) -> Result<Responses, ComputeError> {
        let mut found = None;
        visit_nodes(&self.network, images, point, |node, value| {
            if node == self.node {
                found = Some(peaks_and_means(value.clone()));
            }
        });
        let [peaks, means] = found.expect("the reading is behind the images");
        let of = |values: Tensor<2>| read(pick(values, &self.channels, &self.engine).transpose());
        Ok(Responses { peaks: of(peaks)?, means: of(means)? })
    }
}

/// Over positions, `[n_images, n_channels]` each.
fn peaks_and_means(value: Activations) -> [Tensor<2>; 2] {
    match value {
        Activations::Flat(x) => {
            let [_, n_images, n_units] = x.dims();
            let x = x.reshape([n_images, n_units]);
            [x.clone(), x]
        }
        Activations::Maps(x) => {
            let [n_images, channels, height, width] = x.dims();
            let x = x.reshape([n_images, channels, height * width]);
            [x.clone().max_dim(2), x.mean_dim(2)].map(|values| values.reshape([n_images, channels]))
        }
    }
}
