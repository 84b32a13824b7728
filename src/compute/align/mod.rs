//! Puts the units of one network in the order of another's: correlations of all hidden layers in one streaming pass, a
//! permutation of each group by one of the methods of [`crate::matching::AlignMethod`], what it is worth, and the seal that
//! the permuted network still computes the same function (METHODS-ALIGNMENT, sections 1.1 to 1.4 and 7.2).
//!
//! Layers are matched independently. Permuting B layer by layer while matching, as some do, finds the same: a unit responds to
//! an image as it did, wherever the units before it stand.

mod group;
mod pam;
mod rearrange;
mod seal;
mod weights;

pub use rearrange::{Rearrange, RearrangeSpec};
pub(super) use seal::compare_logits;
pub use seal::{Seal, seal};

use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::correlate::{Correlate, CorrelateSpec};
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::data::{Attack, SplitName};
use crate::matching::{
    AlignMethod, Evidence, GroupReport, MatchOptions, MatchReport, Permutation, match_units, pair_dead_units, permute,
    readings,
};
use crate::net::{Network, ParamVec, PermutationGroup};
use group::{GroupMatch, scores};
use pam::{Pam, PamSpec};
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
    /// Activations are those on each network's own adversarial examples (for pairs of robust networks).
    pub attack: Option<Attack>,
}

impl AlignSpec {
    /// Matches activations by their correlation, without a null.
    pub fn new(network: Arc<Network>, a: Arc<ParamVec>, b: Arc<ParamVec>, data: DataRef) -> Self {
        Self { network, a, b, data, options: MatchOptions::default(), given: None, with_null: false, attack: None }
    }
}

/// B with its units in A's order.
#[derive(Clone, Debug)]
pub struct Alignment {
    pub aligned: Arc<ParamVec>,
    pub report: Arc<MatchReport>,
    pub seal: Seal,
    /// How a search went: of weight matching `<A, P(B)>` before the first sweep and after each, for every descent; of PAM the
    /// mean loss of each epoch.
    pub traces: Vec<Vec<f64>>,
}

/// Progress of one slice of work.
pub enum AlignStep {
    /// Share of the work done, 0..1.
    Working(f64),
    Finished(Box<Alignment>),
}

/// A search for the permutations of all groups together.
enum Search {
    Weights(Box<MatchWeights>),
    /// Starts from the identity, or from the match of activations.
    PamToCome {
        from_activations: bool,
    },
    Pam(Box<Pam>),
}

/// A running alignment; call [`Self::step`] until it is finished.
pub struct Align {
    engine: Engine,
    spec: AlignSpec,
    correlate: Correlate,
    /// Goes on once the correlations are there.
    search: Option<Search>,
    /// One a permutation group, where they are not found group by group.
    permutations: Option<Vec<Permutation>>,
    traces: Vec<Vec<f64>>,
    groups: Vec<GroupReport>,
    /// The next one, once work on it has begun.
    group: Option<GroupMatch>,
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
            attack: spec.attack,
        };
        let correlate = Correlate::new(engine, &correlate)?;
        let groups = spec.network.groups().iter();
        let (permutations, search) = match (&spec.given, method) {
            (Some(given), _) => (Some(checked(&spec.network, given)?), None),
            (None, AlignMethod::Activation) => (None, None),
            (None, AlignMethod::Random) => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                (Some(groups.map(|group| Permutation::random(group.n_units, &mut rng)).collect()), None)
            }
            (None, AlignMethod::Identity) => (Some(identities(&spec.network)), None),
            (None, AlignMethod::Pam) => (None, Some(Search::PamToCome { from_activations: false })),
            (None, AlignMethod::PamAligned) => (None, Some(Search::PamToCome { from_activations: true })),
            (None, AlignMethod::Weight) => {
                let (network, a, b) = (Arc::clone(&spec.network), Arc::clone(&spec.a), Arc::clone(&spec.b));
                let matching = MatchWeights::new(engine, MatchWeightsSpec { network, a, b, n_restarts, seed });
                (None, Some(Search::Weights(Box::new(matching))))
            }
        };
        let (traces, groups) = (Vec::new(), Vec::new());
        Ok(Self { engine: engine.clone(), spec, correlate, search, permutations, traces, groups, group: None })
    }

    /// One block of images, one step of a search, a slice of one group's assignment, or the seal.
    pub fn step(&mut self) -> Result<AlignStep, ComputeError> {
        if !self.correlate.is_finished() {
            self.correlate.step()?;
        } else if let Some(search) = self.search.take() {
            self.search = self.go_on(search)?;
        } else if self.groups.len() < self.spec.network.groups().len() {
            let network = Arc::clone(&self.spec.network);
            self.match_group(&network.groups()[self.groups.len()])?;
        } else {
            return Ok(AlignStep::Finished(Box::new(self.finish()?)));
        }
        Ok(AlignStep::Working(self.done()))
    }

    /// One step of a search; what is left of it.
    fn go_on(&mut self, search: Search) -> Result<Option<Search>, ComputeError> {
        let (permutations, traces) = match search {
            Search::PamToCome { from_activations } => {
                return Ok(Some(Search::Pam(Box::new(self.pam(from_activations)?))));
            }
            Search::Weights(mut matching) => match matching.step()? {
                None => return Ok(Some(Search::Weights(matching))),
                Some(found) => (found.permutations, found.traces),
            },
            Search::Pam(mut pam) => match pam.step()? {
                None => return Ok(Some(Search::Pam(pam))),
                Some(found) => (found.permutations, vec![found.losses]),
            },
        };
        (self.permutations, self.traces) = (Some(permutations), traces);
        Ok(None)
    }

    fn pam(&self, from_activations: bool) -> Result<Pam, ComputeError> {
        let AlignSpec { network, a, b, data, options, .. } = &self.spec;
        let groups = network.groups().iter().enumerate();
        let start = if from_activations {
            groups.map(|(index, group)| self.by_activations(index, group.n_units)).collect::<Result<_, _>>()?
        } else {
            identities(network)
        };
        let data = DataRef { split: SplitName::Train, limit: options.pam.n_images, ..data.clone() };
        let (network, a, b) = (Arc::clone(network), Arc::clone(a), Arc::clone(b));
        let spec = PamSpec { network, a, b, start, data, options: options.pam, seed: options.seed };
        Pam::new(&self.engine, spec)
    }

    /// The match of the activations of one group.
    fn by_activations(&self, group: usize, n_units: usize) -> Result<Permutation, ComputeError> {
        let similarity = self.spec.options.similarity;
        Ok(match_units(&scores(&self.correlate.of_group(group), n_units, similarity), n_units)?)
    }

    /// Share of the work that is done, 0..1: a search counts as much as the correlations.
    fn done(&self) -> f64 {
        let (blocks_done, n_blocks) = self.correlate.blocks();
        let descends = self.search.is_some() || !self.traces.is_empty();
        let of_descent = match &self.search {
            None => 1.0,
            Some(Search::PamToCome { .. }) => 0.0,
            Some(Search::Weights(matching)) => matching.done(),
            Some(Search::Pam(pam)) => pam.done(),
        };
        let (descent_done, n_descent) = if descends { (of_descent * n_blocks as f64, n_blocks) } else { (0.0, 0) };
        let all = n_blocks + n_descent + self.spec.network.groups().len() + 1;
        (blocks_done as f64 + descent_done + self.groups.len() as f64) / all as f64
    }

    /// A slice of the work on the next group.
    fn match_group(&mut self, group: &PermutationGroup) -> Result<(), ComputeError> {
        let mut matching = match self.group.take() {
            Some(matching) => matching,
            None => {
                let index = self.groups.len();
                let known = self.permutations.as_ref().map(|known| known[index].clone());
                GroupMatch::new(&self.correlate.of_group(index), group.n_units, self.spec.options.similarity, known)?
            }
        };
        if matching.step() {
            let AlignSpec { network, a, b, .. } = &self.spec;
            let earlier: Vec<Permutation> = self.groups.iter().map(|group| group.permutation.clone()).collect();
            let pair_dead =
                |found: &Permutation, dead: [&[bool]; 2]| pair_dead_units(network, a, b, &earlier, found, dead);
            let found = matching.finish(group.name.clone(), pair_dead)?;
            self.groups.push(found);
        } else {
            self.group = Some(matching);
        }
        Ok(())
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

fn identities(network: &Network) -> Vec<Permutation> {
    network.groups().iter().map(|group| Permutation::identity(group.n_units)).collect()
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

#[cfg(test)]
mod tests;
