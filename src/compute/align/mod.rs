//! Puts the units of one network in the order of another's: correlations of all hidden layers in one streaming pass, a
//! permutation of each group by one of the methods of [`crate::matching::AlignMethod`], what it is worth, and the seal that
//! the permuted network still computes the same function (METHODS-ALIGNMENT, sections 1.1 to 1.4 and 7.2).
//!
//! Layers are matched independently. Permuting B layer by layer while matching, as some do, finds the same: a unit responds to
//! an image as it did, wherever the units before it stand.

mod seal;
mod weights;

pub(super) use seal::compare_logits;
pub use seal::{Seal, seal};

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::correlate::{Correlate, CorrelateSpec, ReadingMoments};
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::matching::{
    AlignMethod, Evidence, GroupReport, MatchOptions, MatchReport, Permutation, match_units, permute, readings,
};
use crate::net::{Network, ParamVec, PermutationGroup};
use weights::{MatchWeights, MatchWeightsSpec};

/// What to align.
#[derive(Clone, Debug)]
pub struct AlignSpec {
    pub network: Arc<Network>,
    /// The network whose order of units is kept.
    pub a: Arc<ParamVec>,
    /// The network whose units are moved; parameters in A's layout.
    pub b: Arc<ParamVec>,
    /// Images whose activations are correlated. The paper: the first 10,000 training images, without augmentation.
    pub data: DataRef,
    pub options: MatchOptions,
    /// One a permutation group, to be judged instead of found; the options' method is not asked then.
    pub given: Option<Vec<Permutation>>,
    /// Whether the report tells what shuffled samples would give, for up to twice the time.
    pub with_null: bool,
}

impl AlignSpec {
    /// Matches activations by their correlation, without a null.
    pub fn new(network: Arc<Network>, a: Arc<ParamVec>, b: Arc<ParamVec>, data: DataRef) -> Self {
        Self { network, a, b, data, options: MatchOptions::default(), given: None, with_null: false }
    }
}

/// B with its units in A's order.
#[derive(Clone, Debug)]
pub struct Alignment {
    pub aligned: Arc<ParamVec>,
    pub report: Arc<MatchReport>,
    pub seal: Seal,
    /// Of weight matching: `<A, P(B)>` before the first sweep and after each, for every descent.
    pub traces: Vec<Vec<f64>>,
}

/// Progress of one slice of work.
pub enum AlignStep {
    /// Share of the work done, 0..1.
    Working(f64),
    Finished(Box<Alignment>),
}

/// A running alignment; call [`Self::step`] until it is finished.
pub struct Align {
    engine: Engine,
    spec: AlignSpec,
    correlate: Correlate,
    /// Runs once the correlations are there.
    matching: Option<MatchWeights>,
    /// One a permutation group, where they are not found group by group.
    permutations: Option<Vec<Permutation>>,
    traces: Vec<Vec<f64>>,
    groups: Vec<GroupReport>,
}

impl Align {
    pub fn new(engine: &Engine, spec: AlignSpec) -> Result<Self, ComputeError> {
        let MatchOptions { method, read_at, stream, n_restarts, seed, .. } = spec.options;
        let correlate = CorrelateSpec {
            network: Arc::clone(&spec.network),
            a: Arc::clone(&spec.a),
            b: Arc::clone(&spec.b),
            data: spec.data.clone(),
            readings: readings(&spec.network, read_at, stream),
            with_null: spec.with_null,
        };
        let correlate = Correlate::new(engine, &correlate)?;
        let groups = spec.network.groups().iter();
        let (permutations, matching) = match (&spec.given, method) {
            (Some(given), _) => (Some(checked(&spec.network, given)?), None),
            (None, AlignMethod::Activation) => (None, None),
            (None, AlignMethod::Random) => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                (Some(groups.map(|group| Permutation::random(group.n_units, &mut rng)).collect()), None)
            }
            (None, AlignMethod::Identity) => {
                (Some(groups.map(|group| Permutation::identity(group.n_units)).collect()), None)
            }
            (None, AlignMethod::Weight) => {
                let (network, a, b) = (Arc::clone(&spec.network), Arc::clone(&spec.a), Arc::clone(&spec.b));
                (None, Some(MatchWeights::new(engine, MatchWeightsSpec { network, a, b, n_restarts, seed })))
            }
        };
        let (traces, groups) = (Vec::new(), Vec::new());
        Ok(Self { engine: engine.clone(), spec, correlate, matching, permutations, traces, groups })
    }

    /// One block of images, one group of a descent, one group's assignment, or the seal.
    pub fn step(&mut self) -> Result<AlignStep, ComputeError> {
        if !self.correlate.is_finished() {
            self.correlate.step()?;
        } else if let Some(matching) = &mut self.matching {
            if let Some(found) = matching.step()? {
                (self.permutations, self.traces, self.matching) = (Some(found.permutations), found.traces, None);
            }
        } else if let Some(group) = self.spec.network.groups().get(self.groups.len()) {
            let report = self.report_of(group)?;
            self.groups.push(report);
        } else {
            return Ok(AlignStep::Finished(Box::new(self.finish()?)));
        }
        Ok(AlignStep::Working(self.done()))
    }

    /// Share of the work that is done, 0..1: a descent counts as much as the correlations.
    fn done(&self) -> f64 {
        let (blocks_done, n_blocks) = self.correlate.blocks();
        let descends = self.matching.is_some() || !self.traces.is_empty();
        let of_descent = self.matching.as_ref().map_or(1.0, MatchWeights::done);
        let (descent_done, n_descent) = if descends { (of_descent * n_blocks as f64, n_blocks) } else { (0.0, 0) };
        let all = n_blocks + n_descent + self.spec.network.groups().len() + 1;
        (blocks_done as f64 + descent_done + self.groups.len() as f64) / all as f64
    }

    /// Assigns the units of the next group, unless that was done, and says what it is worth.
    fn report_of(&self, group: &PermutationGroup) -> Result<GroupReport, ComputeError> {
        let (index, n) = (self.groups.len(), group.n_units);
        let readings = self.correlate.of_group(index);
        let correlation = mean(&readings, n, |moments| moments.matched.correlation());
        let permutation = match &self.permutations {
            Some(known) => known[index].clone(),
            None => {
                let similarity = self.spec.options.similarity;
                match_units(&mean(&readings, n, |moments| moments.matched.similarity(similarity)), n)?
            }
        };
        let dead = |dead_in: fn(&ReadingMoments) -> Vec<bool>| -> Vec<bool> {
            let each: Vec<Vec<bool>> = readings.iter().map(|moments| dead_in(moments)).collect();
            (0..n).map(|unit| each.iter().all(|dead| dead[unit])).collect()
        };
        let dead_a = dead(|moments| moments.matched.a.dead(moments.matched.n_samples));
        let dead_b = dead(|moments| moments.matched.b.dead(moments.matched.n_samples));
        let null = by_chance(&readings, n)?;
        Ok(GroupReport::new(group.name.clone(), permutation, &correlation, [&dead_a, &dead_b], null.as_deref()))
    }

    fn finish(&mut self) -> Result<Alignment, ComputeError> {
        let AlignSpec { network, a, b, data, .. } = &self.spec;
        let groups = std::mem::take(&mut self.groups);
        let permutations: Vec<Permutation> = groups.iter().map(|group| group.permutation.clone()).collect();
        let aligned = Arc::new(permute(network, b, &permutations));
        let seal = seal(&self.engine, network, b, &aligned, data)?;
        let evidence = Evidence::find(network, a, b, &aligned);
        let report = Arc::new(MatchReport { groups, n_images: self.correlate.n_images(), evidence });
        Ok(Alignment { aligned, report, seal, traces: std::mem::take(&mut self.traces) })
    }
}

/// The whole alignment at once.
pub fn align_all(engine: &Engine, spec: AlignSpec) -> Result<Alignment, ComputeError> {
    let mut job = Align::new(engine, spec)?;
    loop {
        if let AlignStep::Finished(alignment) = job.step()? {
            return Ok(*alignment);
        }
    }
}

/// Permutations that fit the groups of a network.
fn checked(network: &Network, given: &[Permutation]) -> Result<Vec<Permutation>, ComputeError> {
    let expected: Vec<usize> = network.groups().iter().map(|group| group.n_units).collect();
    let found: Vec<usize> = given.iter().map(Permutation::len).collect();
    if expected != found {
        let text = format!("expected permutations of {expected:?} units, found {found:?}");
        return Err(ComputeError::Permutations(text));
    }
    Ok(given.to_vec())
}

/// Mean over a group's readings of `[n_units, n_units]` values.
fn mean(readings: &[&ReadingMoments], n_units: usize, of: impl Fn(&ReadingMoments) -> Vec<f64>) -> Vec<f64> {
    let mut mean = vec![0.0; n_units * n_units];
    for moments in readings {
        for (total, value) in mean.iter_mut().zip(of(moments)) {
            *total += value / readings.len() as f64;
        }
    }
    mean
}

/// The correlations of the pairs that are best where samples are shuffled; `None` if that was not measured.
fn by_chance(readings: &[&ReadingMoments], n_units: usize) -> Result<Option<Vec<f64>>, ComputeError> {
    if !readings.iter().all(|moments| moments.shuffled.as_ref().is_some_and(|shuffled| 0 < shuffled.n_samples)) {
        return Ok(None);
    }
    let null = mean(readings, n_units, |moments| {
        moments.shuffled.as_ref().map_or_else(Vec::new, |shuffled| shuffled.correlation())
    });
    let best = match_units(&null, n_units)?;
    Ok(Some((0..n_units).map(|unit| null[unit * n_units + best.source(unit)]).collect()))
}

#[cfg(test)]
mod tests;
