//! Weight matching on the device: the products of the descent are matrix products, the rest is `matching`'s.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::super::score::read;
use super::super::{ComputeError, Engine};
use crate::matching::{Permutation, UnitWeights, WeightMatching};
use crate::net::{Network, ParamVec};

/// What to match.
#[derive(Clone, Debug)]
pub(super) struct MatchWeightsSpec {
    pub(super) network: Arc<Network>,
    /// The network whose order of units is kept.
    pub(super) a: Arc<ParamVec>,
    /// The network whose units are moved; parameters in A's layout.
    pub(super) b: Arc<ParamVec>,
    /// Descents from the identity with different orders of layers; the best is kept.
    pub(super) n_restarts: usize,
    pub(super) seed: u64,
}

/// The best of the descents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeightMatch {
    /// One a permutation group of the network.
    pub(super) permutations: Vec<Permutation>,
    /// `<A, P(B)>` over the trained weights.
    objective: f64,
    /// The objective of every descent before its first sweep and after each.
    pub(super) traces: Vec<Vec<f64>>,
}

/// Running descents, one after another; call [`Self::step`] until it is finished.
pub(super) struct MatchWeights {
    engine: Engine,
    spec: MatchWeightsSpec,
    descent: WeightMatching,
    best: Option<WeightMatch>,
    traces: Vec<Vec<f64>>,
}

/// Sweeps that a descent usually takes, to tell how far it is.
const USUAL_SWEEPS: f64 = 5.0;

impl MatchWeights {
    pub(super) fn new(engine: &Engine, spec: MatchWeightsSpec) -> Self {
        Self { engine: engine.clone(), descent: descent(&spec, 0), spec, best: None, traces: Vec::new() }
    }

    /// One group of units; the result after the last descent.
    pub(super) fn step(&mut self) -> Result<Option<WeightMatch>, ComputeError> {
        if !self.descent.is_finished() {
            let products = self.products(self.descent.next_weights())?;
            self.descent.step(&products)?;
            return Ok(None);
        }
        self.traces.push(self.descent.trace().to_vec());
        let objective = self.descent.objective();
        if self.best.as_ref().is_none_or(|best| best.objective < objective) {
            let permutations = self.descent.permutations().to_vec();
            self.best = Some(WeightMatch { permutations, objective, traces: Vec::new() });
        }
        if self.traces.len() < self.spec.n_restarts {
            self.descent = descent(&self.spec, self.traces.len());
            return Ok(None);
        }
        let traces = std::mem::take(&mut self.traces);
        Ok(self.best.take().map(|best| WeightMatch { traces, ..best }))
    }

    /// Share of the work done, 0..1, as far as can be told.
    pub(super) fn done(&self) -> f64 {
        let now = (self.descent.sweeps() / USUAL_SWEEPS).min(0.9);
        ((self.traces.len() as f64 + now) / self.spec.n_restarts.max(1) as f64).min(1.0)
    }

    fn products(&self, weights: UnitWeights) -> Result<Vec<f32>, ComputeError> {
        let shape = [weights.n_units, weights.n_weights];
        let upload = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, shape), &self.engine.device);
        read(upload(weights.a).matmul(upload(weights.b).transpose()))
    }
}

fn descent(spec: &MatchWeightsSpec, number: usize) -> WeightMatching {
    let seed = spec.seed.wrapping_add(number as u64);
    WeightMatching::new(Arc::clone(&spec.network), Arc::clone(&spec.a), Arc::clone(&spec.b), seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::permute;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_device_puts_a_shuffled_network_back_and_keeps_every_trace() {
        let network = Arc::new(zoo::mlp(&[20, 30, 25, 4], true).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let a = Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng));
        let shuffle: Vec<Permutation> =
            network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect();
        let b = Arc::new(permute(&network, &a, &shuffle));
        let spec = MatchWeightsSpec { network: network.clone(), a: a.clone(), b: b.clone(), n_restarts: 3, seed: 0 };
        let mut job = MatchWeights::new(&Engine::cpu(), spec);
        let found = loop {
            if let Some(found) = job.step().unwrap() {
                break found;
            }
        };
        assert_eq!(permute(&network, &b, &found.permutations).values(), a.values());
        assert_eq!(found.traces.len(), 3);
    }
}
