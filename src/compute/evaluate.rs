//! Loss and accuracy of many points of weight space: lines, curves, planes and the point under the mouse are all this job.
//!
//! Points are combinations of a basis. The first layer is linear in the coefficients, so its products with the images are
//! computed once a data block for each *basis vector*; a point then costs a weighted sum of them. Points go through the
//! other layers several at a time, in tiles that stay in a core's cache (or fill a GPU). Coarse points and few images come
//! first; every value says how many images it rests on.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batches::{ImageOrder, check_fit};
use super::score::Score;
use super::scorer::{Blocks, Scorers};
use super::{ComputeError, Engine};
use crate::data::{Dataset, Inputs, Normalization, SplitName};
use crate::net::{Network, ParamVec};

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

    /// The images as inputs, those behind the limit included.
    pub(super) fn inputs(&self) -> Inputs<'_> {
        self.dataset.inputs(self.split, &self.normalization)
    }
}

/// Training images that statistics of batch norm are measured on unless said otherwise.
pub const BATCH_NORM_IMAGES: usize = 2048;

/// Which running statistics the batch norms of a network have at a point of weight space.
#[derive(Clone, Debug, Default)]
pub enum BatchNorm {
    /// Combined as they are stored, like weights: right for the networks of files, wrong between them.
    #[default]
    Stored,
    /// Measured anew at every point on these images (METHODS-ALIGNMENT, section 2.3).
    Recompute(DataRef),
}

impl BatchNorm {
    /// For the caption of a picture of these values.
    pub fn caption(&self, values: &[Option<PointValue>]) -> String {
        match self {
            Self::Stored if values.iter().flatten().any(|value| !value.loss.is_finite()) => {
                "batch norm with stored statistics (hatched: stored running variances, extrapolated, turn negative: measure \
                 batch norm anew)"
                    .to_owned()
            }
            Self::Stored => "batch norm with stored statistics".to_owned(),
            Self::Recompute(data) => {
                format!("batch norm measured anew on {} {}", data.n_images(), data.split.images())
            }
        }
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
    pub batch_norm: BatchNorm,
    /// Whether the first layer's products are shared by all points; off only to measure what that saves.
    pub share_first_layer: bool,
}

impl EvaluateSpec {
    /// All points in one level, progressively, with stored statistics.
    pub fn new(network: Arc<Network>, basis: Vec<Arc<ParamVec>>, coefficients: Vec<Vec<f64>>, data: DataRef) -> Self {
        let levels = vec![(0..coefficients.len()).collect()];
        Self {
            network,
            basis,
            coefficients,
            levels,
            data,
            progressive: true,
            batch_norm: BatchNorm::Stored,
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

impl PointValue {
    /// The means of sums over `n_images`.
    pub(super) fn of(score: Score, n_images: usize) -> Self {
        let n = n_images as f64;
        Self { loss: score.loss / n, accuracy: score.n_correct as f64 / n, n_images }
    }
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
pub(super) struct Pass {
    pub(super) points: Arc<Vec<usize>>,
    pub(super) images: Range<usize>,
}

/// A running evaluation; call [`Self::step`] until it is finished.
pub struct Evaluate {
    spec: EvaluateSpec,
    scorer: Scorers,
    order: ImageOrder,
    passes: Vec<Pass>,
    pass: usize,
    /// First image of the current block, and first point (of the pass's points) not yet done on it.
    block_start: usize,
    point_start: usize,
    block: Option<(Range<usize>, Blocks)>,
    scores: Vec<(Score, usize)>,
    work_done: f64,
    work_total: f64,
    /// Point groups that take about one slice, measured as it goes.
    groups_a_slice: usize,
}

impl Evaluate {
    /// Prepares an evaluation.
    ///
    /// # Errors
    /// When the network does not fit the data, or the images that its statistics are measured on.
    pub fn new(engine: &Engine, spec: EvaluateSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        if let BatchNorm::Recompute(images) = &spec.batch_norm {
            check_fit(&spec.network, images)?;
        }
        let scorer = Scorers::new(engine, &spec);
        Ok(Self::with_scorer(spec, scorer))
    }

    fn with_scorer(spec: EvaluateSpec, scorer: Scorers) -> Self {
        let n_images = spec.data.n_images();
        let passes = plan(&spec.levels, n_images, spec.progressive);
        let work_total = passes.iter().map(|p| (p.points.len() * p.images.len()) as f64).sum();
        Self {
            scorer,
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
            groups_a_slice: 1,
        }
    }

    /// Works for about `budget`, at least on one group of points or on a part of what they need first.
    pub fn step(&mut self, budget: Duration) -> Result<EvaluateStep, ComputeError> {
        let started = Instant::now();
        let mut changed = Vec::new();
        while self.pass < self.passes.len() {
            let left = budget.saturating_sub(started.elapsed());
            self.advance(left, &mut changed)?;
            if budget <= started.elapsed() {
                break;
            }
        }
        let done = if 0.0 < self.work_total { self.work_done / self.work_total } else { 1.0 };
        // A point may have been through several blocks of images; its value is told once.
        changed.sort_unstable();
        changed.dedup();
        let changed = changed.into_iter().map(|point| (point, self.value(point))).collect();
        Ok(EvaluateStep { changed, done, finished: self.pass == self.passes.len() })
    }

    /// Value of a point so far.
    fn value(&self, point: usize) -> PointValue {
        let (score, n_images) = self.scores[point];
        PointValue::of(score, n_images)
    }

    /// One batch of point groups on the current block of images.
    fn advance(&mut self, budget: Duration, changed: &mut Vec<usize>) -> Result<(), ComputeError> {
        let pass = &self.passes[self.pass];
        let first_image = pass.images.start + self.block_start;
        let images = first_image..pass.images.end.min(first_image + self.scorer.block_images());
        if self.block.as_ref().is_none_or(|(range, _)| *range != images) {
            let block = self.scorer.load(&self.spec.data, self.order.range(images.clone()));
            self.block = Some((images.clone(), block));
        }
        let Some((_, block)) = &self.block else {
            return Ok(());
        };
        let points = Arc::clone(&pass.points);
        let n_points = (self.groups_a_slice * self.scorer.group()).min(points.len() - self.point_start);
        let batch = &points[self.point_start..self.point_start + n_points];

        let started = Instant::now();
        let rows: Vec<&[f64]> = batch.iter().map(|&point| self.spec.coefficients[point].as_slice()).collect();
        // Not all may be ready within the budget: the others go on next time.
        let n_points = self.scorer.prepare(&rows, started + budget);
        let (batch, rows) = (&batch[..n_points], &rows[..n_points]);
        let found = self.scorer.score(block, rows)?;
        let elapsed = started.elapsed();

        for (&point, score) in batch.iter().zip(found) {
            let (total, n_images) = &mut self.scores[point];
            total.add(score);
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
}

/// Coarse level over few images first, then all points over more and more images.
pub(super) fn plan(levels: &[Vec<usize>], n_images: usize, progressive: bool) -> Vec<Pass> {
    let mut bounds: Vec<usize> = PROGRESSIVE_IMAGES.iter().copied().filter(|&n| progressive && n < n_images).collect();
    bounds.push(n_images);
    let all = Arc::new(levels.iter().flatten().copied().collect::<Vec<_>>());
    let mut passes = Vec::new();
    let mut start = 0;
    for (index, &end) in bounds.iter().enumerate() {
        if index == 0 && progressive {
            passes.extend(levels.iter().map(|level| Pass { points: Arc::new(level.clone()), images: start..end }));
        } else {
            passes.push(Pass { points: Arc::clone(&all), images: start..end });
        }
        start = end;
    }
    passes.retain(|pass| !pass.points.is_empty() && !pass.images.is_empty());
    passes
}

/// Evaluates everything at once: one value a point, in order.
pub fn evaluate_all(engine: &Engine, spec: EvaluateSpec) -> Result<Vec<PointValue>, ComputeError> {
    let spec = EvaluateSpec { progressive: false, ..spec };
    let mut job = Evaluate::new(engine, spec)?;
    while !job.step(Duration::from_secs(3600))?.finished {}
    Ok((0..job.scores.len()).map(|point| job.value(point)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::evaluate_dense::Dense;
    use super::super::evaluate_tensors::Tiles;
    use super::super::scorer::Scorer;
    use super::*;
    use crate::data::{ImageShape, Split, Values};
    use crate::net::zoo;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// A small data set, `n` test images of 12 pixels and 3 classes.
    fn digits(n: usize, rng: &mut ChaCha8Rng) -> DataRef {
        let split = |n: usize, rng: &mut ChaCha8Rng| Split {
            values: Values::Bytes((0..12 * n).map(|_| rng.random()).collect()),
            labels: (0..n).map(|_| rng.random_range(0..3)).collect(),
        };
        let dataset = Dataset {
            name: "noise".to_owned(),
            source: "embedded".to_owned(),
            shape: ImageShape { channels: 1, height: 3, width: 4 },
            max_value: 255,
            class_names: vec![String::new(); 3],
            train: split(1, rng),
            test: split(n, rng),
            notes: Vec::new(),
        };
        DataRef {
            dataset: Arc::new(dataset),
            split: SplitName::Test,
            normalization: Normalization { mean: vec![0.5], std: vec![0.3] },
            limit: None,
        }
    }

    /// The same points by the fused pass and by tensors; `spoil` makes weights that are not finite.
    fn by_both(spec: &EvaluateSpec, spoil: impl Fn(usize, &mut ParamVec)) -> [Vec<PointValue>; 2] {
        let engine = Engine::cpu();
        let mut spec = spec.clone();
        for (index, w) in spec.basis.iter_mut().enumerate() {
            spoil(index, Arc::make_mut(w));
        }
        let share = spec.share_first_layer;
        let dense = Dense::new(&spec.network, &spec.basis, share).unwrap();
        let tiles = Tiles::new(&engine, &spec.network, &spec.basis, share, None);
        [Scorer::Dense(dense), Scorer::Tiles(Box::new(tiles))].map(Scorers::only).map(|scorer| {
            let mut job = Evaluate::with_scorer(spec.clone(), scorer);
            while !job.step(Duration::from_millis(5)).unwrap().finished {}
            (0..spec.coefficients.len()).map(|point| job.value(point)).collect()
        })
    }

    /// Networks of 1 to 4 layers, with and without biases, on few and many images and points, with few basis vectors and
    /// many.
    fn specs() -> Vec<EvaluateSpec> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut specs = Vec::new();
        for hidden in [&[][..], &[5], &[33, 20], &[7, 64, 9]] {
            for (bias, n_images, n_basis, n_points) in
                [(true, 1, 1, 1), (false, 31, 3, 5), (true, 32, 2, 40), (true, 1100, 6, 19), (false, 65, 3, 2)]
            {
                let sizes: Vec<usize> = [&[12], hidden, &[3]].concat();
                let network = Arc::new(zoo::mlp(&sizes, bias).unwrap());
                let basis =
                    (0..n_basis).map(|_| Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng))).collect();
                let coefficients =
                    (0..n_points).map(|_| (0..n_basis).map(|_| rng.random_range(-2.0..2.0)).collect()).collect();
                let data = digits(n_images, &mut rng);
                for share_first_layer in [true, false] {
                    specs.push(EvaluateSpec {
                        share_first_layer,
                        ..EvaluateSpec::new(
                            Arc::clone(&network),
                            Vec::clone(&basis),
                            Vec::clone(&coefficients),
                            data.clone(),
                        )
                    });
                }
            }
        }
        specs
    }

    #[test]
    fn the_fused_pass_and_tensors_agree() {
        for spec in specs() {
            let [dense, tiles] = by_both(&spec, |_, _| ());
            for (d, t) in dense.iter().zip(&tiles) {
                assert!((d.loss - t.loss).abs() <= 1e-5 * t.loss, "{d:?} {t:?} {}", spec.network.name());
                assert_eq!((d.accuracy, d.n_images), (t.accuracy, t.n_images));
            }
        }
    }

    #[test]
    fn the_fused_pass_and_tensors_agree_on_what_is_not_finite() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            for spec in specs() {
                // The first weight, and the last parameter of all.
                for last in [false, true] {
                    let [dense, tiles] = by_both(&spec, |index, w| {
                        let values = w.values_mut();
                        let place = if last { values.len() - 1 } else { 0 };
                        if index == 0 {
                            values[place] = bad;
                        }
                    });
                    for (d, t) in dense.iter().zip(&tiles) {
                        assert_eq!(d.loss.is_nan(), t.loss.is_nan(), "{bad} {d:?} {t:?}");
                        assert_eq!(d.loss.is_finite(), t.loss.is_finite(), "{bad} {d:?} {t:?}");
                        assert_eq!(d.accuracy, t.accuracy, "{bad} {d:?} {t:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_vector_that_takes_no_part_does_no_harm() {
        let engine = Engine::cpu();
        for mut spec in specs().into_iter().filter(|spec| 1 < spec.basis.len()) {
            Arc::make_mut(&mut spec.basis[1]).values_mut().fill(f32::NAN);
            for row in &mut spec.coefficients {
                row[1] = 0.0;
            }
            let values = evaluate_all(&engine, spec).unwrap();
            assert!(values.iter().all(|value| value.loss.is_finite()));
        }
    }

    #[test]
    fn a_plan_covers_every_point_and_image_once() {
        for progressive in [false, true] {
            for n_images in [1, 200, 256, 257, 5000, 10_000] {
                let levels = [vec![0, 3], vec![1, 2, 4]];
                let mut seen = vec![0; 5];
                for pass in plan(&levels, n_images, progressive) {
                    for &point in pass.points.iter() {
                        assert!(pass.images.start == seen[point], "each image once, in order");
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
        assert_eq!((passes[0].points.as_slice(), passes[0].images.clone()), ([0, 3].as_slice(), 0..256));
    }
}
