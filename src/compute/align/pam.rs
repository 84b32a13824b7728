//! The permutation phase of proximal alternating minimisation: permutations of B, relaxed to doubly stochastic matrices, go
//! down the gradient of the loss between A and permuted B, and are rounded to the best permutations near them (Tatro et al.
//! 2020; METHODS-ALIGNMENT, section 2.6).
//!
//! One phase, as the authors found enough: the curve's control point is still the midpoint of its ends, so the path is
//! `r(t) = (1 - t) A + t P(B)`. The curve phase that follows is an ordinary [`super::super::Fit`] with a
//! [`super::super::Proximal`] term.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::evaluate::DataRef;
use super::super::gradient::{Gradient, Minibatches};
use super::super::score::read;
use super::super::{ComputeError, Engine, Schedule};
use crate::matching::{
    Decomposition, MatrixProducts, PamOptions, Permutation, SoftPermutation, draw, permute, permute_softly,
    soft_gradients,
};
use crate::net::{Network, ParamVec, PermutationGroup};

/// What a loss costs of what it costs with its gradient and a step.
const LOSS_SHARE: f64 = 1.0 / 3.0;

/// Where to start, and what to learn from.
pub(super) struct PamSpec {
    pub(super) network: Arc<Network>,
    pub(super) a: Arc<ParamVec>,
    pub(super) b: Arc<ParamVec>,
    /// Permutations of B that are made before any is looked for.
    pub(super) start: Vec<Permutation>,
    /// Training images.
    pub(super) data: DataRef,
    pub(super) options: PamOptions,
    pub(super) seed: u64,
}

/// The permutations of the whole search, and how it went.
pub(super) struct PamMatch {
    pub(super) permutations: Vec<Permutation>,
    /// Mean loss of the minibatches of each epoch.
    pub(super) losses: Vec<f64>,
}

/// A running phase; call [`Self::step`] until it is finished.
pub(super) struct Pam {
    spec: PamSpec,
    /// B as the start leaves it.
    b: ParamVec,
    gradient: Gradient,
    minibatches: Minibatches,
    products: DeviceProducts,
    rng: ChaCha8Rng,
    soft: Vec<SoftPermutation>,
    /// What the proximal term pulls towards: the matrices at the start.
    anchors: Vec<SoftPermutation>,
    /// Minibatches that are done.
    n_done: usize,
    losses: Vec<f64>,
    loss_sum: f64,
    rounding: Option<Rounding>,
}

/// Candidates for the rounded permutations, and their losses.
struct Rounding {
    candidates: Vec<Vec<Permutation>>,
    /// The same for all: where on the path each minibatch is evaluated, and its images.
    minibatches: Vec<(f64, Vec<u32>)>,
    /// Mean loss of each candidate that is done.
    losses: Vec<f64>,
}

impl Pam {
    pub(super) fn new(engine: &Engine, spec: PamSpec) -> Result<Self, ComputeError> {
        let gradient = Gradient::new(engine, &spec.network, &spec.data)?;
        let groups = spec.network.groups().iter();
        let soft: Vec<SoftPermutation> = groups.map(|group| SoftPermutation::identity(group.n_units)).collect();
        Ok(Self {
            b: permute(&spec.network, &spec.b, &spec.start),
            gradient,
            minibatches: Minibatches::new(&spec.data, spec.options.batch_size, spec.seed),
            products: DeviceProducts(engine.clone()),
            rng: ChaCha8Rng::seed_from_u64(spec.seed),
            anchors: soft.clone(),
            soft,
            n_done: 0,
            losses: Vec::new(),
            loss_sum: 0.0,
            rounding: None,
            spec,
        })
    }

    /// One minibatch, or one candidate; the result after the last candidate.
    pub(super) fn step(&mut self) -> Result<Option<PamMatch>, ComputeError> {
        if self.n_done < self.spec.options.epochs * self.minibatches.per_epoch() {
            self.descend()?;
            return Ok(None);
        }
        let mut rounding = match self.rounding.take() {
            Some(rounding) => rounding,
            None => self.candidates()?,
        };
        if let Some(candidate) = rounding.candidates.get(rounding.losses.len()) {
            let loss = self.mean_loss(candidate, &rounding.minibatches)?;
            rounding.losses.push(loss);
            self.rounding = Some(rounding);
            return Ok(None);
        }
        let best = (0..rounding.losses.len()).min_by(|&x, &y| rounding.losses[x].total_cmp(&rounding.losses[y]));
        let found = &rounding.candidates[best.unwrap_or(0)];
        let permutations = self.spec.start.iter().zip(found).map(|(start, found)| start.then(found)).collect();
        self.rounding = Some(rounding);
        Ok(Some(PamMatch { permutations, losses: std::mem::take(&mut self.losses) }))
    }

    /// Share of the work done, 0..1.
    pub(super) fn done(&self) -> f64 {
        let per_epoch = self.minibatches.per_epoch();
        let candidates_done = self.rounding.as_ref().map_or(0, |rounding| rounding.losses.len());
        let per_candidate = self.rounding_minibatches() as f64 * LOSS_SHARE;
        let all =
            (self.spec.options.epochs * per_epoch) as f64 + (self.spec.options.n_draws + 2) as f64 * per_candidate;
        (self.n_done as f64 + candidates_done as f64 * per_candidate) / all.max(f64::MIN_POSITIVE)
    }

    /// A step of all matrices against the gradient at a random point of the path.
    fn descend(&mut self) -> Result<(), ComputeError> {
        let options = self.spec.options;
        let per_epoch = self.minibatches.per_epoch();
        let t = self.rng.random::<f64>();
        let indices = self.minibatches.draw();
        let network = Arc::clone(&self.spec.network);
        let moved = permute_softly(&network, &self.b, &self.soft, &self.products)?;
        let (loss, mut slope) = self.gradient.at(&self.point(t, moved), &indices)?;
        slope.iter_mut().for_each(|slope| *slope *= t as f32);
        let slopes = soft_gradients(&network, &self.b, &self.soft, &slope, &self.products)?;
        let (epoch, behind) = (self.n_done / per_epoch, self.n_done % per_epoch);
        let part = behind as f64 / per_epoch as f64;
        let rate = options.learning_rate * Schedule::Halving.factor(epoch, part, options.epochs);
        for ((soft, slope), anchor) in self.soft.iter_mut().zip(&slopes).zip(&self.anchors) {
            soft.step(slope, rate, rate / options.nu, anchor);
        }
        self.n_done += 1;
        self.loss_sum += loss;
        if self.n_done.is_multiple_of(per_epoch) {
            self.losses.push(std::mem::take(&mut self.loss_sum) / per_epoch as f64);
        }
        Ok(())
    }

    /// `(1 - t) A + t moved`
    fn point(&self, t: f64, moved: ParamVec) -> ParamVec {
        ParamVec::combination(&[Arc::clone(&self.spec.a), Arc::new(moved)], &[1.0 - t, t])
    }

    /// The nearest permutations, those of the start, and draws from the mixtures that the matrices are made of.
    fn candidates(&mut self) -> Result<Rounding, ComputeError> {
        let nearest: Vec<Permutation> = self.soft.iter().map(SoftPermutation::round).collect::<Result<_, _>>()?;
        let identity = |group: &PermutationGroup| Permutation::identity(group.n_units);
        let mut candidates = vec![nearest, self.spec.network.groups().iter().map(identity).collect()];
        let mixtures: Vec<Decomposition> =
            self.soft.iter().map(SoftPermutation::decompose).collect::<Result<_, _>>()?;
        for _ in 0..self.spec.options.n_draws {
            let drawn: Option<Vec<Permutation>> = mixtures.iter().map(|mixture| draw(mixture, &mut self.rng)).collect();
            candidates.extend(drawn.filter(|drawn| !candidates.contains(drawn)));
        }
        let n = self.rounding_minibatches();
        let at = |index: usize| if n < 2 { 0.5 } else { index as f64 / (n - 1) as f64 };
        let minibatches = (0..n).map(|index| (at(index), self.minibatches.draw())).collect();
        Ok(Rounding { candidates, minibatches, losses: Vec::new() })
    }

    /// Minibatches that a candidate is judged by: an epoch, or those of the images that were asked for.
    fn rounding_minibatches(&self) -> usize {
        let PamOptions { batch_size, n_rounding_images, .. } = self.spec.options;
        let wanted = n_rounding_images.map_or(usize::MAX, |n| n.div_ceil(batch_size.max(1)));
        self.minibatches.per_epoch().min(wanted)
    }

    /// Over the minibatches, t going from one end of the path to the other.
    fn mean_loss(&mut self, candidate: &[Permutation], minibatches: &[(f64, Vec<u32>)]) -> Result<f64, ComputeError> {
        let moved = permute(&self.spec.network, &self.b, candidate);
        let mut sum = 0.0;
        for (t, indices) in minibatches {
            let point = self.point(*t, moved.clone());
            sum += self.gradient.loss(&point, indices)?;
        }
        Ok(sum / minibatches.len().max(1) as f64)
    }
}

/// Products of matrices on the device.
struct DeviceProducts(Engine);

impl MatrixProducts for DeviceProducts {
    type Error = ComputeError;

    fn product(&self, a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Result<Vec<f32>, ComputeError> {
        let upload = |values: &[f32], shape: [usize; 2]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), &self.0.device)
        };
        read(upload(a, [m, k]).matmul(upload(b, [k, n])))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_data::{noise, params};
    use super::*;
    use crate::net::zoo;

    fn job(epochs: usize, seed: u64) -> Pam {
        let network = Arc::new(zoo::mlp(&[12, 10, 8, 3], true).unwrap());
        let (a, b, data) = (params(&network, 1), params(&network, 2), noise(&network, 64));
        let options = PamOptions { epochs, batch_size: 16, n_draws: 4, learning_rate: 1.0, ..PamOptions::default() };
        let start: Vec<Permutation> =
            network.groups().iter().map(|group| Permutation::identity(group.n_units)).collect();
        Pam::new(&Engine::cpu(), PamSpec { network, a, b, start, data, options, seed }).unwrap()
    }

    fn run(mut job: Pam) -> PamMatch {
        let mut last_done = 0.0;
        loop {
            let found = job.step().unwrap();
            assert!(last_done <= job.done() && job.done() <= 1.0);
            last_done = job.done();
            if let Some(rounding) = &job.rounding {
                assert!(rounding.candidates.len() <= 6 && rounding.minibatches.len() == 4);
            }
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Mean loss of all images over the path to softly permuted B.
    fn loss(job: &mut Pam) -> f64 {
        let moved = permute_softly(&job.spec.network, &job.b, &job.soft, &job.products).unwrap();
        let indices: Vec<u32> = (0..64).collect();
        let ts = [0.25, 0.5, 0.75, 1.0];
        ts.iter().map(|t| job.gradient.at(&job.point(*t, moved.clone()), &indices).unwrap().0).sum::<f64>() / 4.0
    }

    #[test]
    fn the_matrices_go_downhill_and_end_as_permutations() {
        let mut job = job(8, 0);
        let before = loss(&mut job);
        for _ in 0..8 * 4 {
            job.descend().unwrap();
        }
        let after = loss(&mut job);
        assert!(after < before, "{before} {after}");
        let sizes: Vec<usize> = job.spec.network.groups().iter().map(|group| group.n_units).collect();
        let found = run(job);
        assert_eq!(found.losses.len(), 8);
        assert_eq!(found.permutations.iter().map(Permutation::len).collect::<Vec<_>>(), sizes);
    }

    #[test]
    fn few_images_can_decide_between_the_candidates() {
        let mut job = job(1, 0);
        job.spec.options.n_rounding_images = Some(17);
        while job.step().unwrap().is_none() {}
        let rounding = job.rounding.unwrap();
        assert_eq!(rounding.minibatches.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(rounding.losses.len(), rounding.candidates.len());
    }

    #[test]
    fn a_seed_always_finds_the_same() {
        assert_eq!(run(job(2, 3)).permutations, run(job(2, 3)).permutations);
    }

    #[test]
    fn without_an_epoch_the_start_remains() {
        assert!(run(job(0, 0)).permutations.iter().all(|permutation| permutation.n_fixed() == permutation.len()));
    }
}
