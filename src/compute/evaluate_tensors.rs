//! Evaluation by tensor operations: any network on any device. (`evaluate_dense.rs` does the same for fully connected networks on the
//! CPU, in one pass.)

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::batches::{Block, images_at_once, largest_value, load};
use super::evaluate::DataRef;
use super::forward::{Activations, Basis, coefficient_tensor, first_linear, forward_from, is_flat, params_of, tensor};
use super::measured_statistics::MeasuredStatistics;
use super::score::{Score, score};
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamVec};

/// Images of a tile of flat values; with its points, its widest activations fill so many bytes.
const CPU_TILE_IMAGES: usize = 32;
const CPU_TILE_BYTES: usize = 256 << 10;
const GPU_TILE_IMAGES: usize = 1024;
const GPU_TILE_BYTES: usize = 64 << 20;
const MAX_TILE_POINTS: usize = 64;

/// A network and a basis on a device.
pub(super) struct Tiles {
    engine: Engine,
    network: Arc<Network>,
    basis: Basis,
    /// The first linear layer, if its products are shared by all points.
    shared: Option<NodeId>,
    /// Where batch norm takes its statistics from, unless they are combined as the weights are.
    statistics: Option<MeasuredStatistics>,
    tile_images: usize,
    tile_points: usize,
}

/// Images on the device, cut into tiles.
pub(super) struct TileBlock {
    tiles: Vec<Tile>,
}

struct Tile {
    n_images: usize,
    labels: Vec<u16>,
    label_tensor: Tensor<1, Int>,
    input: TileInput,
}

enum TileInput {
    /// First-layer outputs of every basis vector, `[n_basis, n_images * n_units]`.
    Products { node: NodeId, n_units: usize, products: Tensor<2> },
    /// The images themselves.
    Images(Activations),
}

impl Tiles {
    /// `recompute`: images on which the statistics of batch norm are measured at each point.
    pub(super) fn new(
        engine: &Engine,
        network: &Arc<Network>,
        basis: &[Arc<ParamVec>],
        share_first_layer: bool,
        recompute: Option<&DataRef>,
    ) -> Self {
        let recompute = recompute.filter(|_| network.layout().has_statistics());
        let (tile_images, tile_bytes) =
            if engine.is_gpu() { (GPU_TILE_IMAGES, GPU_TILE_BYTES) } else { (CPU_TILE_IMAGES, CPU_TILE_BYTES) };
        let (tile_images, tile_points) = if is_flat(network) {
            let points = tile_bytes / (size_of::<f32>() * tile_images * largest_value(network));
            (tile_images, points.clamp(1, MAX_TILE_POINTS))
        } else {
            (images_at_once(engine, network, GPU_TILE_IMAGES), 1)
        };
        Self {
            engine: engine.clone(),
            network: Arc::clone(network),
            basis: Basis::new(engine, basis),
            // Statistics are measured from the images on.
            shared: (share_first_layer && recompute.is_none()).then(|| first_linear(network)).flatten(),
            statistics: recompute.map(|data| MeasuredStatistics::new(engine, network, data)),
            tile_images,
            tile_points,
        }
    }

    /// Points that are best handed over together.
    pub(super) fn group(&self) -> usize {
        self.tile_points
    }

    /// One score a point, over all images of the block.
    pub(super) fn score(&self, block: &TileBlock, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        let groups: Vec<&[&[f64]]> = points.chunks(self.tile_points).collect();
        let score_group = |group: &&[&[f64]]| self.score_group(block, group);
        // A GPU orders its work by the thread that asks for it, so only the CPU device is called from several.
        let scores: Result<Vec<Vec<Score>>, ComputeError> = if self.engine.is_gpu() {
            groups.iter().map(score_group).collect()
        } else {
            groups.par_iter().map(score_group).collect()
        };
        Ok(scores?.into_iter().flatten().collect())
    }

    /// One group of points over all tiles of a block.
    fn score_group(&self, block: &TileBlock, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        let coefficients = coefficient_tensor(&self.engine, points);
        let shared = self.shared.map_or_else(Vec::new, |node| params_of(&self.network, node));
        let mut params = self.basis.combine(&coefficients, |id| !shared.contains(&id));
        if let Some(statistics) = &self.statistics {
            statistics.put(&self.network, points, &mut params);
        }
        let score_tile = |tile: &Tile| {
            let (from, value) = match &tile.input {
                TileInput::Products { node, n_units, products } => {
                    let first = coefficients.clone().matmul(products.clone());
                    (*node, Activations::Flat(first.reshape([points.len(), tile.n_images, *n_units])))
                }
                TileInput::Images(images) => (NodeId(0), images.clone()),
            };
            let logits = forward_from(&self.network, from, value, &params);
            score(&self.engine, logits, &tile.labels, &tile.label_tensor)
        };
        // Tiles are added in their order whatever thread computed them: the same sums every time.
        let parts: Result<Vec<Vec<Score>>, ComputeError> = if self.engine.is_gpu() {
            block.tiles.iter().map(score_tile).collect()
        } else {
            let tiles = block.tiles.par_iter().with_min_len(8);
            tiles.map(score_tile).collect()
        };
        let mut totals = vec![Score::default(); points.len()];
        for part in parts? {
            Score::add_all(&mut totals, &part);
        }
        Ok(totals)
    }

    /// Brings images to the device and, if the first layer is shared, multiplies them with every basis vector's weights.
    pub(super) fn load(&self, data: &DataRef, indices: &[u32]) -> TileBlock {
        let Block { images: pixels, labels } = load(&self.engine, data, indices);
        let products = self.shared.map(|node| (node, self.first_products(node, &pixels)));
        let n_pixels = pixels.dims()[1];
        let tiles = (0..indices.len()).step_by(self.tile_images).map(|start| {
            let range = start..indices.len().min(start + self.tile_images);
            let input = match &products {
                Some((node, products)) => product_tile(*node, products, range.clone()),
                None => {
                    let part = pixels.clone().slice([range.clone(), 0..n_pixels]);
                    TileInput::Images(Activations::images(&self.network, part.unsqueeze_dim(0)))
                }
            };
            let block = Block { images: pixels.clone(), labels: labels[range.clone()].to_vec() };
            Tile { n_images: range.len(), label_tensor: block.label_tensor(&self.engine), labels: block.labels, input }
        });
        TileBlock { tiles: tiles.collect() }
    }

    /// Outputs of the first linear layer for each basis vector: `[n_basis, n_images, n_units]`.
    fn first_products(&self, node: NodeId, pixels: &Tensor<2>) -> Tensor<3> {
        let points = self.basis.as_points();
        let ids = params_of(&self.network, node);
        let [n_basis, n_units, n_pixels] = tensor(&points, ids[0]).dims();
        let one = |i: usize| {
            let weight = tensor(&points, ids[0]).clone().slice([i..i + 1, 0..n_units, 0..n_pixels]);
            let product = pixels.clone().matmul(weight.reshape([n_units, n_pixels]).transpose());
            match ids.get(1) {
                Some(&bias) => {
                    let bias = tensor(&points, bias).clone().slice([i..i + 1, 0..1, 0..n_units]);
                    product + bias.reshape([1, n_units])
                }
                None => product,
            }
        };
        Tensor::stack((0..n_basis).map(one).collect(), 0)
    }
}

fn product_tile(node: NodeId, products: &Tensor<3>, images: Range<usize>) -> TileInput {
    let [n_basis, _, n_units] = products.dims();
    let part = products.clone().slice([0..n_basis, images.clone(), 0..n_units]);
    TileInput::Products { node, n_units, products: part.reshape([n_basis, images.len() * n_units]) }
}

#[cfg(test)]
mod tests;
