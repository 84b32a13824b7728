//! Chooses what scores points on images: the fused pass of the CPU where it covers the network, burn's operations otherwise.

use std::sync::Arc;

use super::evaluate::{BatchNorm, DataRef, EvaluateSpec};
use super::evaluate_dense::{Dense, DenseBlock};
use super::evaluate_tensors::{TileBlock, Tiles};
use super::score::Score;
use super::{ComputeError, Engine};
use crate::net::ParamVec;

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

    /// One score a point, in order; `points`: their coefficients.
    pub(super) fn score(&self, blocks: &Blocks, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        let (Some(part), Some(block)) = (&self.sound, &blocks.sound) else {
            return self.whole.score(&blocks.whole, points);
        };
        let suffices = |row: &[f64]| (0..row.len()).all(|i| row[i] == 0.0 || part.places.contains(&i));
        let (sound, broken): (Vec<usize>, Vec<usize>) = (0..points.len()).partition(|&p| suffices(points[p]));
        let rows: Vec<Vec<f64>> = sound.iter().map(|&p| part.places.iter().map(|&i| points[p][i]).collect()).collect();
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

pub(super) enum Scorer {
    Dense(Dense),
    Tiles(Box<Tiles>),
}

pub(super) enum Block {
    Dense(DenseBlock),
    Tiles(TileBlock),
}

impl Scorer {
    fn new(engine: &Engine, spec: &EvaluateSpec, basis: &[Arc<ParamVec>]) -> Self {
        // With fewer points than basis vectors, products of the basis would be more work than the points' own.
        let share = spec.share_first_layer && basis.len() <= spec.coefficients.len();
        if !engine.is_gpu()
            && let Some(dense) = Dense::new(&spec.network, basis, share)
        {
            return Self::Dense(dense);
        }
        let recompute = match &spec.batch_norm {
            BatchNorm::Stored => None,
            BatchNorm::Recompute(images) => Some(images),
        };
        Self::Tiles(Box::new(Tiles::new(engine, &spec.network, basis, share, recompute)))
    }

    fn group(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.group(),
            Self::Tiles(tiles) => tiles.group(),
        }
    }

    fn load(&self, data: &DataRef, indices: &[u32]) -> Block {
        match self {
            Self::Dense(dense) => Block::Dense(dense.load(data, indices)),
            Self::Tiles(tiles) => Block::Tiles(tiles.load(data, indices)),
        }
    }

    fn score(&self, block: &Block, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        match (self, block) {
            _ if points.is_empty() => Ok(Vec::new()),
            (Self::Dense(dense), Block::Dense(block)) => Ok(dense.score(block, points)),
            (Self::Tiles(tiles), Block::Tiles(block)) => tiles.score(block, points),
            _ => unreachable!("a scorer gets the blocks that it loaded"),
        }
    }
}
