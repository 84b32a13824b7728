//! Loss and accuracy of many points of weight space against an adversary: at each point the images are attacked anew
//! (Tatro et al. 2020; METHODS-ALIGNMENT, section 5).
//!
//! An image starts from the same random place in its ball at every point, so that neighbours differ by their weights alone.
//! Attacks are made on the CPU; a point is scored wherever [`super::Evaluate`] would score it.

use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::attack::{Attacker, BATCH, Siege, moved_images};
use super::batches::{Examples, check_fit};
use super::evaluate::{BatchNorm, EvaluateSpec, EvaluateStep, Pass, PointValue, plan};
use super::score::Score;
use super::scorer::Scorers;
use super::{ComputeError, Engine};
use crate::data::Attack;
use crate::net::ParamVec;

/// Seed of the random starts.
const START_SEED: u64 = 0;

/// What to evaluate, and against whom.
#[derive(Clone, Debug)]
pub struct RobustSpec {
    /// Points, and the images that are attacked.
    pub points: EvaluateSpec,
    pub attack: Attack,
}

/// A running evaluation under attack; call [`Self::step`] until it is finished.
pub struct RobustEvaluate {
    spec: EvaluateSpec,
    attacker: Attacker,
    scorer: Scorers,
    passes: Vec<Pass>,
    pass: usize,
    /// Which of the pass's points is at work, and its weights.
    place: usize,
    params: Option<ParamVec>,
    /// Images of the pass that this point is through with, and those that are attacked now.
    n_done: usize,
    siege: Option<Siege>,
    /// Random starts of the next images, and of the first of this pass.
    rng: ChaCha8Rng,
    rng_of_pass: ChaCha8Rng,
    totals: Vec<(Score, usize)>,
    work_done: usize,
    work_total: usize,
}

impl RobustEvaluate {
    /// Prepares an evaluation.
    ///
    /// # Errors
    /// When the network does not fit the data, or the images that its statistics are measured on.
    pub fn new(engine: &Engine, spec: RobustSpec) -> Result<Self, ComputeError> {
        let RobustSpec { points, attack } = spec;
        // Attacked images are one point's own: products of the basis with them would serve no other.
        let spec = EvaluateSpec { share_first_layer: false, ..points };
        check_fit(&spec.network, &spec.data)?;
        if let BatchNorm::Recompute(images) = &spec.batch_norm {
            check_fit(&spec.network, images)?;
        }
        let passes = plan(&spec.levels, spec.data.n_images(), spec.progressive);
        let rng = ChaCha8Rng::seed_from_u64(START_SEED);
        Ok(Self {
            attacker: Attacker::new(&spec.network, &spec.data, attack),
            scorer: Scorers::new(engine, &spec),
            totals: vec![(Score::default(), 0); spec.coefficients.len()],
            work_total: passes.iter().map(|pass| pass.points.len() * pass.images.len()).sum(),
            spec,
            passes,
            pass: 0,
            place: 0,
            params: None,
            n_done: 0,
            siege: None,
            rng_of_pass: rng.clone(),
            rng,
            work_done: 0,
        })
    }

    /// Works for about `budget`, at least on one step of the attack on a minibatch. A point's value is told once all images
    /// of a pass are scored.
    pub fn step(&mut self, budget: Duration) -> Result<EvaluateStep, ComputeError> {
        let deadline = Instant::now() + budget;
        let mut changed = Vec::new();
        while let Some(pass) = self.passes.get(self.pass) {
            let point = pass.points[self.place];
            if self.advance(point, deadline)? {
                let (score, n_images) = self.totals[point];
                changed.push((point, PointValue::of(score, n_images)));
            }
            if deadline <= Instant::now() {
                break;
            }
        }
        let done = if 0 < self.work_total { self.work_done as f64 / self.work_total as f64 } else { 1.0 };
        Ok(EvaluateStep { changed, done, finished: self.pass == self.passes.len() })
    }

    /// A step of the attack on the images at work, or their score; whether the point is through with this pass.
    fn advance(&mut self, point: usize, deadline: Instant) -> Result<bool, ComputeError> {
        let row = self.spec.coefficients[point].as_slice();
        if self.scorer.prepare(&[row], deadline) == 0 {
            return Ok(false);
        }
        let params = self.params.get_or_insert_with(|| ParamVec::combination(&self.spec.basis, row));
        let mut siege = match self.siege.take() {
            Some(siege) => siege,
            None => {
                let images = &self.passes[self.pass].images;
                let first = images.start + self.n_done;
                let batch: Vec<u32> = (first..images.end.min(first + BATCH)).map(|index| index as u32).collect();
                let (images, labels) = Examples::of(&self.spec.data).read_batch(&batch);
                self.attacker.begin(images, labels, &mut self.rng)
            }
        };
        if self.attacker.advance(params.values(), &mut siege) {
            self.siege = Some(siege);
            return Ok(false);
        }
        let n_images = siege.labels.len();
        let moved = moved_images(&self.spec.data, siege.images, siege.labels);
        let indices: Vec<u32> = (0..n_images as u32).collect();
        let scores = self.scorer.score(&self.scorer.load(&moved, &indices), &[row])?;
        let (total, of_images) = &mut self.totals[point];
        scores.into_iter().for_each(|score| total.add(score));
        *of_images += n_images;
        self.n_done += n_images;
        self.work_done += n_images;
        let is_through = self.n_done == self.passes[self.pass].images.len();
        if is_through {
            self.turn_to_next();
        }
        Ok(is_through)
    }

    /// Turns to the next point, or to the first of the next pass.
    fn turn_to_next(&mut self) {
        self.n_done = 0;
        self.params = None;
        self.place += 1;
        if self.place == self.passes[self.pass].points.len() {
            let end = self.passes[self.pass].images.end;
            self.place = 0;
            self.pass += 1;
            // The next pass may be over the same images, for other points.
            if self.passes.get(self.pass).is_some_and(|next| next.images.start == end) {
                self.rng_of_pass = self.rng.clone();
            }
        }
        self.rng = self.rng_of_pass.clone();
    }
}

#[cfg(test)]
mod tests;
