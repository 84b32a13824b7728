//! Loss and accuracy of many points of weight space: lines, curves, planes and the point under the mouse are all this job.
//!
//! Points are combinations of a basis. The first layer is linear in the coefficients, so its products with the images are
//! computed once a data block for each *basis vector*; a point then costs a weighted sum of them. Points go through the
//! other layers several at a time, in tiles that stay in a core's cache (or fill a GPU). Coarse points and few images come
//! first; every value says how many images it rests on.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

use super::batches::{Block, ImageOrder, check_fit, load};
use super::forward::{Basis, coefficient_tensor, first_linear, forward_from, params_of, tensor};
use super::score::{Score, score};
use super::{ComputeError, Engine};
use crate::data::{Dataset, Normalization, SplitName};
use crate::net::{Network, NodeId, ParamVec};

/// Images that one set of first-layer products covers.
const BLOCK_IMAGES: usize = 1024;
/// Images of a tile on the CPU; with its points, a tile's widest activations fill [`CPU_TILE_BYTES`].
const CPU_TILE_IMAGES: usize = 32;
const CPU_TILE_BYTES: usize = 256 << 10;
const GPU_TILE_BYTES: usize = 64 << 20;
const MAX_TILE_POINTS: usize = 64;
/// Growing numbers of images after which a progressive evaluation turns to the next.
const PROGRESSIVE_IMAGES: [usize; 3] = [256, 1024, 4096];
/// Seed of the order in which images are visited, the same for every point, so that neighbours carry no sampling noise.
const IMAGE_SEED: u64 = 0;

/// Images to evaluate on.
#[derive(Clone, Debug)]
pub struct DataRef {
    pub dataset: Arc<Dataset>,
    pub split: SplitName,
    pub normalization: Normalization,
    /// Only the first so many images of the split.
    pub limit: Option<usize>,
}

impl DataRef {
    pub fn n_images(&self) -> usize {
        let n = self.dataset.split(self.split).len();
        self.limit.map_or(n, |limit| limit.min(n))
    }
}

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct EvaluateSpec {
    pub network: Arc<Network>,
    pub basis: Vec<Arc<ParamVec>>,
    /// One row a point, one coefficient a basis vector.
    pub coefficients: Vec<Vec<f64>>,
    /// Point indices, coarse ones first (see `Grid::levels`); each point once.
    pub levels: Vec<Vec<usize>>,
    pub data: DataRef,
    /// Few images first, then more. Otherwise each point gets all its images at once.
    pub progressive: bool,
    /// Whether the first layer's products are shared by all points; off only to measure what that saves.
    pub share_first_layer: bool,
}

impl EvaluateSpec {
    /// All points in one level, progressively.
    pub fn new(
        network: Arc<Network>,
        basis: Vec<Arc<ParamVec>>,
        coefficients: Vec<Vec<f64>>,
        data: DataRef,
    ) -> Self {
        let levels = vec![(0..coefficients.len()).collect()];
        Self {
            network,
            basis,
            coefficients,
            levels,
            data,
            progressive: true,
            share_first_layer: true,
        }
    }
}

/// Value of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointValue {
    /// Mean cross-entropy, nats; NaN and infinity stay what they are.
    pub loss: f64,
    /// 0..1.
    pub accuracy: f64,
    /// Images that the value rests on.
    pub n_images: usize,
}

/// Progress of one slice of work.
#[derive(Clone, Debug, Default)]
pub struct EvaluateStep {
    /// Points whose values changed, with their values.
    pub changed: Vec<(usize, PointValue)>,
    /// Share of the whole work that is done, 0..1.
    pub done: f64,
    pub finished: bool,
}

/// Part of the work: some points over some images.
struct Pass {
    points: Arc<Vec<usize>>,
    images: Range<usize>,
}

/// Images on the device, cut into tiles.
struct LoadedBlock {
    images: Range<usize>,
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
    Products {
        node: NodeId,
        n_units: usize,
        products: Tensor<2>,
    },
    /// The images themselves, `[1, n_images, n_pixels]`.
    Images(Tensor<3>),
}

/// The basis without its vectors that hold NaN or infinite weights, for points that leave those out: 0 x NaN is NaN.
struct SoundBasis {
    basis: Basis,
    /// Places of its vectors in the whole basis, for the host and for the device.
    places: Vec<usize>,
    place_tensor: Tensor<1, Int>,
}

impl SoundBasis {
    /// `None` if all vectors are sound, or none.
    fn new(engine: &Engine, basis: &[Arc<ParamVec>]) -> Option<Self> {
        let is_sound = |w: &ParamVec| w.values().iter().all(|v| v.is_finite());
        let places: Vec<usize> = (0..basis.len()).filter(|&i| is_sound(&basis[i])).collect();
        if places.is_empty() || places.len() == basis.len() {
            return None;
        }
        let vectors: Vec<Arc<ParamVec>> = places.iter().map(|&i| Arc::clone(&basis[i])).collect();
        let ints: Vec<i32> = places.iter().map(|&i| i as i32).collect();
        let place_tensor = Tensor::from_data(TensorData::new(ints, [places.len()]), &engine.device);
        Some(Self { basis: Basis::new(engine, &vectors), places, place_tensor })
    }

    fn suffices_for(&self, row: &[f64]) -> bool {
        row.iter().enumerate().all(|(i, &c)| c == 0.0 || self.places.contains(&i))
    }
}

/// A running evaluation; call [`Self::step`] until it is finished.
pub struct Evaluate {
    engine: Engine,
    spec: EvaluateSpec,
    basis: Basis,
    sound: Option<SoundBasis>,
    order: ImageOrder,
    passes: Vec<Pass>,
    pass: usize,
    /// First image of the current block, and first point (of the pass's points) not yet done on it.
    block_start: usize,
    point_start: usize,
    block: Option<LoadedBlock>,
    scores: Vec<(Score, usize)>,
    work_done: f64,
    work_total: f64,
    tile_images: usize,
    tile_points: usize,
    /// Point groups that take about one slice, measured as it goes.
    groups_a_slice: usize,
}

impl Evaluate {
    /// Prepares an evaluation.
    ///
    /// # Errors
    /// When the network does not fit the data.
    pub fn new(engine: &Engine, spec: EvaluateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        let n_images = spec.data.n_images();
        let passes = plan(&spec.levels, n_images, spec.progressive);
        let work_total = passes
            .iter()
            .map(|p| (p.points.len() * p.images.len()) as f64)
            .sum();
        let widest = spec
            .network
            .nodes()
            .iter()
            .skip(1)
            .map(|node| node.shape.iter().product())
            .max()
            .unwrap_or(1);
        let (tile_images, tile_bytes) = if engine.is_gpu() {
            (BLOCK_IMAGES, GPU_TILE_BYTES)
        } else {
            (CPU_TILE_IMAGES, CPU_TILE_BYTES)
        };
        let widest: usize = widest;
        let sound = SoundBasis::new(engine, &spec.basis);
        // With vectors that are not finite, each point by itself, for it to be spoiled by its own only.
        let most_points = if sound.is_some() { 1 } else { MAX_TILE_POINTS };
        let tile_points = (tile_bytes / (4 * tile_images * widest)).clamp(1, most_points);
        Ok(Self {
            engine: engine.clone(),
            basis: Basis::new(engine, &spec.basis),
            sound,
            order: ImageOrder::shuffled(n_images, IMAGE_SEED),
            scores: vec![(Score::default(), 0); spec.coefficients.len()],
            spec,
            passes,
            pass: 0,
            block_start: 0,
            point_start: 0,
            block: None,
            work_done: 0.0,
            work_total,
            tile_images,
            tile_points,
            groups_a_slice: 1,
        })
    }

    /// Works for about `budget`, at least on one group of points.
    pub fn step(&mut self, budget: Duration) -> Result<EvaluateStep, ComputeError> {
        let started = Instant::now();
        let mut changed = Vec::new();
        while self.pass < self.passes.len() && (changed.is_empty() || started.elapsed() < budget) {
            let left = budget.saturating_sub(started.elapsed());
            self.advance(left, &mut changed)?;
        }
        let done = if 0.0 < self.work_total {
            self.work_done / self.work_total
        } else {
            1.0
        };
        // Several blocks of images may have gone by.
        changed.sort_unstable();
        changed.dedup();
        let changed = changed
            .into_iter()
            .map(|point| (point, self.value(point)))
            .collect();
        Ok(EvaluateStep {
            changed,
            done,
            finished: self.pass == self.passes.len(),
        })
    }

    /// Value of a point so far.
    fn value(&self, point: usize) -> PointValue {
        let (score, n_images) = self.scores[point];
        let n = n_images as f64;
        PointValue {
            loss: score.loss / n,
            accuracy: score.n_correct as f64 / n,
            n_images,
        }
    }

    /// One batch of point groups on the current block of images.
    fn advance(&mut self, budget: Duration, changed: &mut Vec<usize>) -> Result<(), ComputeError> {
        let pass = &self.passes[self.pass];
        let first_image = pass.images.start + self.block_start;
        let images = first_image..pass.images.end.min(first_image + BLOCK_IMAGES);
        if self
            .block
            .as_ref()
            .is_none_or(|block| block.images != images)
        {
            self.block = Some(self.load_block(images.clone())?);
        }
        let Some(block) = &self.block else {
            return Ok(());
        };
        let points = Arc::clone(&pass.points);
        let n_points =
            (self.groups_a_slice * self.tile_points).min(points.len() - self.point_start);
        let batch = &points[self.point_start..self.point_start + n_points];

        let started = Instant::now();
        let found = self.score_batch(block, batch)?;
        let elapsed = started.elapsed();

        for (&point, score) in batch.iter().zip(found) {
            let (total, n_images) = &mut self.scores[point];
            total.loss += score.loss;
            total.n_correct += score.n_correct;
            *n_images += images.len();
            changed.push(point);
        }
        self.work_done += (n_points * images.len()) as f64;
        self.point_start += n_points;
        if self.point_start == points.len() {
            self.point_start = 0;
            self.block_start += images.len();
            if self.block_start == pass.images.len() {
                self.block_start = 0;
                self.pass += 1;
            }
        }
        // Grow or shrink so that the next batch takes about the whole budget.
        let share = budget.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
        let groups = (self.groups_a_slice as f64 * share.clamp(0.25, 4.0)).round() as usize;
        self.groups_a_slice = groups.clamp(1, 4096);
        Ok(())
    }

    fn score_batch(
        &self,
        block: &LoadedBlock,
        points: &[usize],
    ) -> Result<Vec<Score>, ComputeError> {
        let groups: Vec<&[usize]> = points.chunks(self.tile_points).collect();
        let score_group = |group: &&[usize]| self.score_group(block, group);
        // A GPU orders its work by the thread that asks for it, so only the CPU device is called from several.
        let scores: Result<Vec<Vec<Score>>, ComputeError> = if self.engine.is_gpu() {
            groups.iter().map(score_group).collect()
        } else {
            groups.par_iter().map(score_group).collect()
        };
        Ok(scores?.into_iter().flatten().collect())
    }

    /// One group of points over all tiles of a block.
    fn score_group(
        &self,
        block: &LoadedBlock,
        points: &[usize],
    ) -> Result<Vec<Score>, ComputeError> {
        let rows: Vec<&[f64]> = points
            .iter()
            .map(|&p| self.spec.coefficients[p].as_slice())
            .collect();
        let sound = self.sound.as_ref().filter(|sound| rows.iter().all(|row| sound.suffices_for(row)));
        let coefficients = match sound {
            None => coefficient_tensor(&self.engine, &rows),
            Some(sound) => {
                let rows: Vec<Vec<f64>> =
                    rows.iter().map(|row| sound.places.iter().map(|&i| row[i]).collect()).collect();
                let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
                coefficient_tensor(&self.engine, &rows)
            }
        };
        let shared = match block.tiles.first().map(|tile| &tile.input) {
            Some(TileInput::Products { node, .. }) => params_of(&self.spec.network, *node),
            _ => Vec::new(),
        };
        let basis = sound.map_or(&self.basis, |sound| &sound.basis);
        let params = basis.combine(&coefficients, |id| !shared.contains(&id));
        let score_tile = |tile: &Tile| {
            let logits = match &tile.input {
                TileInput::Products {
                    node,
                    n_units,
                    products,
                } => {
                    let products = match sound {
                        None => products.clone(),
                        Some(sound) => products.clone().select(0, sound.place_tensor.clone()),
                    };
                    let first = coefficients.clone().matmul(products);
                    let first = first.reshape([points.len(), tile.n_images, *n_units]);
                    forward_from(&self.spec.network, *node, first, &params, |_, _| {})
                }
                TileInput::Images(images) => forward_from(
                    &self.spec.network,
                    NodeId(0),
                    images.clone(),
                    &params,
                    |_, _| {},
                ),
            };
            score(&self.engine, logits, &tile.labels, &tile.label_tensor)
        };
        let add = |mut total: Vec<Score>, part: Vec<Score>| {
            for (t, p) in total.iter_mut().zip(part) {
                t.loss += p.loss;
                t.n_correct += p.n_correct;
            }
            total
        };
        // Tiles are added in their order whatever thread computed them: the same sums every time.
        let parts: Result<Vec<Vec<Score>>, ComputeError> = if self.engine.is_gpu() {
            block.tiles.iter().map(score_tile).collect()
        } else {
            block
                .tiles
                .par_iter()
                .with_min_len(8)
                .map(score_tile)
                .collect()
        };
        Ok(parts?
            .into_iter()
            .fold(vec![Score::default(); points.len()], add))
    }

    fn load_block(&self, images: Range<usize>) -> Result<LoadedBlock, ComputeError> {
        let Block {
            images: pixels,
            labels,
        } = load(
            &self.engine,
            &self.spec.data,
            self.order.range(images.clone()),
        );
        let shared = if self.spec.share_first_layer {
            first_linear(&self.spec.network)
        } else {
            None
        };
        let products = shared.map(|node| (node, self.first_products(node, &pixels)));
        let n_pixels = pixels.dims()[1];
        let tiles = (0..images.len()).step_by(self.tile_images).map(|start| {
            let range = start..images.len().min(start + self.tile_images);
            let input = match &products {
                Some((node, products)) => {
                    let [n_basis, _, n_units] = products.dims();
                    let part = products
                        .clone()
                        .slice([0..n_basis, range.clone(), 0..n_units]);
                    let products = part.reshape([n_basis, range.len() * n_units]);
                    TileInput::Products {
                        node: *node,
                        n_units,
                        products,
                    }
                }
                None => {
                    let part = pixels.clone().slice([range.clone(), 0..n_pixels]);
                    TileInput::Images(part.reshape([1, range.len(), n_pixels]))
                }
            };
            let block = Block {
                images: pixels.clone(),
                labels: labels[range.clone()].to_vec(),
            };
            Tile {
                n_images: range.len(),
                label_tensor: block.label_tensor(&self.engine),
                labels: block.labels,
                input,
            }
        });
        Ok(LoadedBlock {
            tiles: tiles.collect(),
            images,
        })
    }

    /// Outputs of the first linear layer for each basis vector: `[n_basis, n_images, n_units]`.
    fn first_products(&self, node: NodeId, pixels: &Tensor<2>) -> Tensor<3> {
        let points = self.basis.as_points();
        let ids = params_of(&self.spec.network, node);
        let [n_basis, n_units, n_pixels] = tensor(&points, ids[0]).dims();
        let one = |i: usize| {
            let weight = tensor(&points, ids[0])
                .clone()
                .slice([i..i + 1, 0..n_units, 0..n_pixels]);
            let product = pixels
                .clone()
                .matmul(weight.reshape([n_units, n_pixels]).transpose());
            match ids.get(1) {
                Some(&bias) => {
                    product
                        + tensor(&points, bias)
                            .clone()
                            .slice([i..i + 1, 0..1, 0..n_units])
                            .reshape([1, n_units])
                }
                None => product,
            }
        };
        Tensor::stack((0..n_basis).map(one).collect(), 0)
    }
}

/// Coarse level over few images first, then all points over more and more images.
fn plan(levels: &[Vec<usize>], n_images: usize, progressive: bool) -> Vec<Pass> {
    let mut bounds: Vec<usize> = PROGRESSIVE_IMAGES
        .iter()
        .copied()
        .filter(|&n| progressive && n < n_images)
        .collect();
    bounds.push(n_images);
    let all = Arc::new(levels.iter().flatten().copied().collect::<Vec<_>>());
    let mut passes = Vec::new();
    let mut start = 0;
    for (index, &end) in bounds.iter().enumerate() {
        if index == 0 && progressive {
            passes.extend(levels.iter().map(|level| Pass {
                points: Arc::new(level.clone()),
                images: start..end,
            }));
        } else {
            passes.push(Pass {
                points: Arc::clone(&all),
                images: start..end,
            });
        }
        start = end;
    }
    passes.retain(|pass| !pass.points.is_empty() && !pass.images.is_empty());
    passes
}

/// Evaluates everything at once: one value a point, in order.
pub fn evaluate_all(engine: &Engine, spec: EvaluateSpec) -> Result<Vec<PointValue>, ComputeError> {
    let spec = EvaluateSpec {
        progressive: false,
        ..spec
    };
    let mut job = Evaluate::new(engine, spec)?;
    while !job.step(Duration::from_secs(3600))?.finished {}
    Ok((0..job.scores.len())
        .map(|point| job.value(point))
        .collect())
}

/// Logits of one network on the first `n_images` images: `[n_images, n_classes]`, row-major.
pub fn logits(
    engine: &Engine,
    network: &Network,
    params: &Arc<ParamVec>,
    data: &DataRef,
    n_images: usize,
) -> Result<Vec<f32>, ComputeError> {
    check_fit(network, data)?;
    let points = Basis::new(engine, std::slice::from_ref(params)).as_points();
    let order = ImageOrder::sequential(n_images.min(data.n_images()));
    let mut values = Vec::with_capacity(order.len() * network.n_classes());
    for start in (0..order.len()).step_by(BLOCK_IMAGES) {
        let range = start..order.len().min(start + BLOCK_IMAGES);
        let block = load(engine, data, order.range(range));
        let images: Tensor<3> = block.images.unsqueeze_dim(0);
        values.extend(super::score::read(forward_from(
            network,
            NodeId(0),
            images,
            &points,
            |_, _| {},
        ))?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_covers_every_point_and_image_once() {
        for progressive in [false, true] {
            for n_images in [1, 200, 256, 257, 5000, 10_000] {
                let levels = [vec![0, 3], vec![1, 2, 4]];
                let mut seen = vec![0; 5];
                for pass in plan(&levels, n_images, progressive) {
                    for &point in pass.points.iter() {
                        assert!(
                            pass.images.start == seen[point],
                            "each image once, in order"
                        );
                        seen[point] = pass.images.end;
                    }
                }
                assert_eq!(seen, [n_images; 5]);
            }
        }
    }

    #[test]
    fn a_progressive_plan_begins_with_the_coarse_points_on_few_images() {
        let passes = plan(&[vec![0, 3], vec![1, 2]], 10_000, true);
        assert_eq!(
            (passes[0].points.as_slice(), passes[0].images.clone()),
            ([0, 3].as_slice(), 0..256)
        );
    }
}
