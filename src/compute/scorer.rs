//! How points are scored: on the CPU by [`Dense`], on a GPU or for other networks by [`Tiles`], and without the broken
//! vectors of a basis where a point leaves those out.

use std::sync::Arc;

use super::dense::{Dense, DenseBlock};
use super::evaluate::{DataRef, EvaluateSpec};
use super::score::Score;
use super::tiles::{TileBlock, Tiles};
use super::{ComputeError, Engine};
use crate::net::ParamVec;

/// What turns points and images into scores.
pub(super) enum Scorer {
    Dense(Dense),
    Tiles(Tiles),
    /// For a basis some of whose vectors hold NaN or infinite weights: 0 x NaN is NaN, so points that leave those vectors
    /// out are scored without them.
    Sound {
        whole: Box<Self>,
        sound: Box<Self>,
        /// Places in the basis of the vectors that are finite throughout.
        places: Vec<usize>,
    },
}

/// Images as the scorer wants them.
pub(super) enum Block {
    Dense(DenseBlock),
    Tiles(TileBlock),
    Sound { whole: Box<Self>, sound: Box<Self> },
}

impl Scorer {
    pub(super) fn new(engine: &Engine, spec: &EvaluateSpec) -> Self {
        let is_finite = |w: &ParamVec| w.values().iter().all(|v| v.is_finite());
        let places: Vec<usize> = (0..spec.basis.len()).filter(|&i| is_finite(&spec.basis[i])).collect();
        let whole = Self::plain(engine, spec, &spec.basis);
        if places.is_empty() || places.len() == spec.basis.len() {
            return whole;
        }
        let finite: Vec<Arc<ParamVec>> = places.iter().map(|&i| Arc::clone(&spec.basis[i])).collect();
        Self::Sound { whole: Box::new(whole), sound: Box::new(Self::plain(engine, spec, &finite)), places }
    }

    fn plain(engine: &Engine, spec: &EvaluateSpec, basis: &[Arc<ParamVec>]) -> Self {
        // With fewer points than basis vectors, products of the basis would be more work than the points' own.
        let share = spec.share_first_layer && basis.len() <= spec.coefficients.len();
        if !engine.is_gpu()
            && let Some(dense) = Dense::new(&spec.network, basis, share)
        {
            return Self::Dense(dense);
        }
        Self::Tiles(Tiles::new(engine, &spec.network, basis, share))
    }

    /// Points that are best handed over together.
    pub(super) fn group(&self) -> usize {
        match self {
            Self::Dense(dense) => dense.group(),
            Self::Tiles(tiles) => tiles.group(),
            Self::Sound { whole, .. } => whole.group(),
        }
    }

    pub(super) fn load(&self, data: &DataRef, indices: &[u32]) -> Block {
        match self {
            Self::Dense(dense) => Block::Dense(dense.load(data, indices)),
            Self::Tiles(tiles) => Block::Tiles(tiles.load(data, indices)),
            Self::Sound { whole, sound, .. } => {
                Block::Sound { whole: Box::new(whole.load(data, indices)), sound: Box::new(sound.load(data, indices)) }
            }
        }
    }

    /// One score a point.
    pub(super) fn score(&self, block: &Block, points: &[&[f64]]) -> Result<Vec<Score>, ComputeError> {
        match (self, block) {
            (Self::Dense(dense), Block::Dense(block)) => Ok(dense.score(block, points)),
            (Self::Tiles(tiles), Block::Tiles(block)) => tiles.score(block, points),
            (Self::Sound { whole, sound, places }, Block::Sound { whole: whole_block, sound: sound_block }) => {
                let leaves_out_the_rest =
                    |row: &[f64]| row.iter().enumerate().all(|(i, &c)| c == 0.0 || places.contains(&i));
                let mut scores = vec![Score::default(); points.len()];
                let (within, across): (Vec<usize>, Vec<usize>) =
                    (0..points.len()).partition(|&i| leaves_out_the_rest(points[i]));
                let short: Vec<Vec<f64>> =
                    within.iter().map(|&i| places.iter().map(|&place| points[i][place]).collect()).collect();
                let short: Vec<&[f64]> = short.iter().map(Vec::as_slice).collect();
                let long: Vec<&[f64]> = across.iter().map(|&i| points[i]).collect();
                for (which, scorer, block, rows) in
                    [(within, sound, sound_block, short), (across, whole, whole_block, long)]
                {
                    if !rows.is_empty() {
                        for (i, score) in which.into_iter().zip(scorer.score(block, &rows)?) {
                            scores[i] = score;
                        }
                    }
                }
                Ok(scores)
            }
            _ => unreachable!("a scorer gets the blocks that it loaded"),
        }
    }
}
