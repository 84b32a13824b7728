//! Chooses what scores points on images: on the CPU the fused pass for fully connected networks where it covers the network and
//! the lanes for all others, burn's operations on a GPU.

use std::sync::Arc;
use std::time::Instant;

use super::evaluate::{BatchNorm, DataRef, EvaluateSpec};
use super::evaluate_dense::{Dense, DenseBlock};
use super::evaluate_lanes::{Lanes, LanesBlock};
use super::evaluate_tensors::{TileBlock, Tiles};
use super::score::Score;
use super::{ComputeError, Engine};
use crate::net::ParamVec;

/// Images that one set of first-layer products covers.
const BLOCK_IMAGES: usize = 1024;

/// Scores points of one basis.
///
/// A basis vector with NaN or infinite weights would spoil every point, since 0 x NaN is NaN; points that leave such vectors out
/// are therefore scored on the basis of the others.
pub(super) struct Scorers {
    whole: Scorer,
    sound: Option<SoundPart>,
}

/// The basis without its broken vectors.
struct SoundPart {
    scorer: Scorer,
    /// Places of its vectors in the whole basis.
    places: Vec<usize>,
}

/// A block of images as each scorer wants it.
pub(super) struct Blocks {
    whole: Block,
    sound: Option<Block>,
}

impl Scorers {
    pub(super) fn new(engine: &Engine, spec: &EvaluateSpec) -> Self {
        let is_sound = |w: &Arc<ParamVec>| w.values().iter().all(|v| v.is_finite());
        let places: Vec<usize> = (0..spec.basis.len()).filter(|&i| is_sound(&spec.basis[i])).collect();
        let is_mixed = !places.is_empty() && places.len() < spec.basis.len();
        let sound = is_mixed.then(|| {
            let vectors: Vec<Arc<ParamVec>> = places.iter().map(|&i| Arc::clone(&spec.basis[i])).collect();
            SoundPart { scorer: Scorer::new(engine, spec, &vectors), places }
        });
        Self { whole: Scorer::new(engine, spec, &spec.basis), sound }
    }

    /// One scorer for all points, to compare scorers.
    #[cfg(test)]
    pub(super) fn only(scorer: Scorer) -> Self {
        Self { whole: scorer, sound: None }
    }

    /// Points that are best handed over together.
    pub(super) fn group(&self) -> usize {
        self.whole.group()
    }

    pub(super) fn load(&self, data: &DataRef, indices: &[u32]) -> Blocks {
        let sound = self.sound.as_ref().map(|part| part.scorer.load(data, indices));
        Blocks { whole: self.whole.load(data, indices), sound }
    }

    /// Images that are best loaded together.
    pub(super) fn block_images(&self) -> usize {
        self.whole.block_images()
    }

    /// Works until `deadline` on what points need before they can be scored; how many of them, from the first on, have it.
    pub(super) fn prepare(&mut self, points: &[&[f64]], deadline: Instant) -> usize {
        let mut is_ready = |row: &&[f64]| match &mut self.sound {
            Some(part) if part.suffices(row) => part.scorer.prepare(&part.row(row), deadline),
            _ => self.whole.prepare(row, deadline),
        };
        points.iter().position(|row| !is_ready(row)).unwrap_or(points.len())
    }

    /// One score a point, in order; `points`: their coefficients. Each point was prepared.
    pub(super) fn score(&self, blocks: &Blocks, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        let (Some(part), Some(block)) = (&self.sound, &blocks.sound) else {
            return self.whole.score(&blocks.whole, points);
        };
        let (sound, broken): (Vec<usize>, Vec<usize>) = (0..points.len()).partition(|&p| part.suffices(points[p]));
        let rows: Vec<Vec<f64>> = sound.iter().map(|&p| part.row(points[p])).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let whole: Vec<&[f64]> = broken.iter().map(|&p| points[p]).collect();
        let mut scores = vec![Score::default(); points.len()];
        for (places, found) in
            [(sound, part.scorer.score(block, &rows)?), (broken, self.whole.score(&blocks.whole, &whole)?)]
        {
            for (place, score) in places.into_iter().zip(found) {
                scores[place] = score;
            }
        }
        Ok(scores)
    }
}

impl SoundPart {
    /// Whether a point leaves all other vectors out.
    fn suffices(&self, row: &[f64]) -> bool {
        (0..row.len()).all(|i| row[i] == 0.0 || self.places.contains(&i))
    }

    /// The coefficients of its vectors.
    fn row(&self, row: &[f64]) -> Vec<f64> {
        self.places.iter().map(|&i| row[i]).collect()
    }
}

pub(super) enum Scorer {
    Dense(Dense),
    Lanes(Box<Lanes>),
    Tiles(Box<Tiles>),
}

pub(super) enum Block {
    Dense(DenseBlock),
    Lanes(LanesBlock),
    Tiles(TileBlock),
}

impl Scorer {
    fn new(engine: &Engine, spec: &EvaluateSpec, basis: &[Arc<ParamVec>]) -> Self {
        // With fewer points than basis vectors, products of the basis would be more work than the points' own.
        let share = spec.share_first_layer && basis.len() <= spec.coefficients.len();
        let recompute = match &spec.batch_norm {
            BatchNorm::Stored => None,
            BatchNorm::Recompute(images) => Some(images),
        };
        if engine.is_gpu() {
            return Self::Tiles(Box::new(Tiles::new(engine, &spec.network, basis, share, recompute)));
        }
        match Dense::new(&spec.network, basis, share) {
            Some(dense) => Self::Dense(dense),
            None => Self::Lanes(Box::new(Lanes::new(&spec.network, basis, recompute))),
        }
    }

    fn group(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.group(),
            Self::Lanes(_) => 1,
            Self::Tiles(tiles) => tiles.group(),
        }
    }

    fn block_images(&self) -> usize {
        match self {
            Self::Lanes(lanes) => lanes.block_images(),
            Self::Dense(_) | Self::Tiles(_) => BLOCK_IMAGES,
        }
    }

    fn prepare(&mut self, point: &[f64], deadline: Instant) -> bool {
        match self {
            Self::Lanes(lanes) => lanes.prepare(point, deadline),
            Self::Dense(_) | Self::Tiles(_) => true,
        }
    }

    fn load(&self, data: &DataRef, indices: &[u32]) -> Block {
        match self {
            Self::Lanes(lanes) => Block::Lanes(lanes.load(data, indices)),
            Self::Dense(dense) => Block::Dense(dense.load(data, indices)),
            Self::Tiles(tiles) => Block::Tiles(tiles.load(data, indices)),
        }
    }

    fn score(&self, block: &Block, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        match (self, block) {
            _ if points.is_empty() => Ok(Vec::new()),
            (Self::Dense(dense), Block::Dense(block)) => Ok(dense.score(block, points)),
            (Self::Lanes(lanes), Block::Lanes(block)) => Ok(lanes.score(block, points)),
            (Self::Tiles(tiles), Block::Tiles(block)) => tiles.score(block, points),
            _ => unreachable!("a scorer gets the blocks that it loaded"),
        }
    }
}
