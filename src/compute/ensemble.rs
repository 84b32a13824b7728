//! Several networks asked together: the mean of their softmax outputs (Garipov et al. 2018, section 4; Anokhin & Yarotsky 2020).

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batches::{ImageOrder, check_fit};
use super::classify::Classifier;
use super::evaluate::{BatchNorm, DataRef, PointValue};
use super::evaluate_lanes::block_images_of;
use super::remeasure::Remeasure;
use super::score::Score;
use super::{ComputeError, Engine};
use crate::net::{Network, ParamVec};

/// Networks to ask, and on what.
#[derive(Clone, Debug)]
pub struct EnsembleSpec {
    pub network: Arc<Network>,
    /// In the order in which they join.
    pub members: Vec<Arc<ParamVec>>,
    pub data: DataRef,
    /// Whether the statistics of the members' batch norms are theirs, or measured before they are asked.
    pub batch_norm: BatchNorm,
}

/// What members are worth by themselves and together.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// As they were asked: with measured statistics where that was wanted.
    pub members: Vec<Arc<ParamVec>>,
    /// Each by itself.
    pub single: Vec<PointValue>,
    /// The first 1, 2, .. members together: loss and accuracy of the mean of their probabilities.
    pub together: Vec<PointValue>,
}

/// What a slice of work came to.
#[derive(Debug)]
pub enum EnsembleStep {
    /// Share of the work that is done, 0..1.
    Working(f64),
    Finished(Box<Ensemble>),
}

/// A running score; call [`Self::step`] until it is finished. A block of images goes through one member after another, so
/// that no more than the probabilities on one block are kept, however many images and members there are.
pub struct EnsembleScore {
    engine: Engine,
    spec: EnsembleSpec,
    order: ImageOrder,
    /// Images of a block.
    block_images: usize,
    /// The first members with their statistics, and the measurement of the next one.
    members: Vec<Arc<ParamVec>>,
    measuring: Option<Remeasure>,
    /// First image of the block at work, and the member that is asked next.
    block_start: usize,
    member: usize,
    sums: BlockSums,
    single: Vec<Score>,
    together: Vec<Score>,
}

impl EnsembleScore {
    /// # Errors
    /// Without members, or where the network does not take the images.
    pub fn new(engine: &Engine, spec: EnsembleSpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.data)?;
        if spec.members.is_empty() {
            return Err(ComputeError::Start("an ensemble needs at least one member, found none".to_owned()));
        }
        let n_members = spec.members.len();
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.data.n_images()),
            block_images: block_images_of(&spec.network),
            members: Vec::with_capacity(n_members),
            measuring: None,
            block_start: 0,
            member: 0,
            sums: BlockSums::default(),
            single: vec![Score::default(); n_members],
            together: vec![Score::default(); n_members],
            spec,
        })
    }

    /// Works for about `budget`, at least on one member.
    pub fn step(&mut self, budget: Duration) -> Result<EnsembleStep, ComputeError> {
        let deadline = Instant::now() + budget;
        while !self.is_finished() {
            if self.members.len() < self.spec.members.len() {
                self.measure(deadline)?;
            } else {
                self.ask()?;
            }
            if deadline <= Instant::now() {
                break;
            }
        }
        if !self.is_finished() {
            return Ok(EnsembleStep::Working(self.done()));
        }
        let values = |scores: &[Score]| scores.iter().map(|&score| PointValue::of(score, self.order.len())).collect();
        Ok(EnsembleStep::Finished(Box::new(Ensemble {
            single: values(&self.single),
            together: values(&self.together),
            members: self.members.clone(),
        })))
    }

    fn is_finished(&self) -> bool {
        self.block_start == self.order.len()
    }

    /// A measured member counts as much as one block of images.
    fn done(&self) -> f64 {
        let n_members = self.spec.members.len();
        let blocks = self.order.len().div_ceil(self.block_images);
        let behind = self.block_start / self.block_images * n_members + self.member;
        (self.members.len() + behind) as f64 / (n_members * (1 + blocks)) as f64
    }

    /// Readies the next member.
    fn measure(&mut self, deadline: Instant) -> Result<(), ComputeError> {
        let next = &self.spec.members[self.members.len()];
        let BatchNorm::Recompute(images) = &self.spec.batch_norm else {
            self.members.push(Arc::clone(next));
            return Ok(());
        };
        let measuring = match self.measuring.take() {
            Some(running) => running,
            None => Remeasure::new(&self.engine, &self.spec.network, next, images)?,
        };
        match measuring.step(deadline) {
            Remeasure::Known(member) => self.members.push(member),
            running @ Remeasure::Running(_) => self.measuring = Some(running),
        }
        Ok(())
    }

    /// Asks one member about the block at work.
    fn ask(&mut self) -> Result<(), ComputeError> {
        let images = self.block();
        let indices = self.order.range(images.clone());
        let EnsembleSpec { network, data, .. } = &self.spec;
        let logits = Classifier::new(&self.engine, network, &self.members[self.member]).logits(data, indices)?;
        let inputs = data.inputs();
        let labels: Vec<u16> = indices.iter().map(|&index| inputs.label(index as usize)).collect();
        let (single, together) = self.sums.add(&logits, &labels);
        self.single[self.member].add(single);
        self.together[self.member].add(together);
        self.member += 1;
        if self.member == self.members.len() {
            self.member = 0;
            self.sums = BlockSums::default();
            self.block_start = images.end;
        }
        Ok(())
    }

    fn block(&self) -> Range<usize> {
        self.block_start..self.order.len().min(self.block_start + self.block_images)
    }
}

/// The whole score at once.
pub fn score_ensemble(engine: &Engine, spec: EnsembleSpec) -> Result<Ensemble, ComputeError> {
    let mut job = EnsembleScore::new(engine, spec)?;
    loop {
        if let EnsembleStep::Finished(found) = job.step(Duration::from_secs(3600))? {
            return Ok(*found);
        }
    }
}

/// The probabilities that the members so far give the images of a block, summed.
#[derive(Default)]
struct BlockSums {
    n_members: usize,
    /// `[n_images, n_classes]`.
    probabilities: Vec<f64>,
    /// Logarithms of the sums for each image's label: exact where the probabilities themselves are too small for a number.
    label_logs: Vec<f64>,
}

impl BlockSums {
    /// Adds a member's `logits` `[n_images, n_classes]`. What it is worth by itself, and all so far together.
    fn add(&mut self, logits: &[f32], labels: &[u16]) -> (Score, Score) {
        let n_classes = logits.len() / labels.len();
        self.n_members += 1;
        self.probabilities.resize(logits.len(), 0.0);
        self.label_logs.resize(labels.len(), f64::NEG_INFINITY);
        let (mut single, mut together) = (Score::default(), Score::default());
        let images = logits.chunks_exact(n_classes).zip(self.probabilities.chunks_exact_mut(n_classes));
        for ((row, sums), (&label, label_log)) in images.zip(labels.iter().zip(&mut self.label_logs)) {
            let label = usize::from(label);
            let row: Vec<f64> = row.iter().map(|&z| f64::from(z)).collect();
            let log_sum = log_sum_exp(&row);
            sums.iter_mut().zip(&row).for_each(|(sum, z)| *sum += (z - log_sum).exp());
            *label_log = log_sum_exp(&[*label_log, row[label] - log_sum]);
            single.add(Score { loss: log_sum - row[label], n_correct: u64::from(first_best(&row) == Some(label)) });
            let loss = (self.n_members as f64).ln() - *label_log;
            together.add(Score { loss, n_correct: u64::from(first_best(sums) == Some(label)) });
        }
        (single, together)
    }
}

/// `ln sum_i exp(z_i)`; NaN where a value is NaN or infinite upwards.
fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY && !values.iter().any(|z| z.is_nan()) {
        return max;
    }
    max + values.iter().map(|z| (z - max).exp()).sum::<f64>().ln()
}

/// The first of the largest values; `None` if any is NaN.
fn first_best(values: &[f64]) -> Option<usize> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    (0..values.len()).reduce(|best, i| if values[best] < values[i] { i } else { best })
}

#[cfg(test)]
mod tests;
