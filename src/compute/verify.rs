//! Whether the permutation groups of a network are true: units are moved at random and the logits compared.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::align::{Seal, compare_logits};
use super::classify::logits;
use super::evaluate::DataRef;
use super::{ComputeError, Engine};
use crate::data::{Dataset, ImageShape, Normalization, Split, SplitName, Values};
use crate::matching::{Permutation, permute};
use crate::net::{Network, ParamVec, PermutationGroup};

/// Images of noise that logits are compared on.
const N_IMAGES: usize = 32;
/// The largest difference of logits that counts as rounding, for logits of about 1; larger logits may differ by more.
const TOLERANCE: f64 = 1e-3;
const SEED: u64 = 0;

/// What moving units at random did to the logits of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCheck {
    pub n_groups: usize,
    /// With the units of all groups moved at once.
    pub seal: Seal,
    /// Names of the groups that, moved alone, change the logits: the graph says something false about them.
    pub failed: Vec<String>,
}

impl GroupCheck {
    pub fn holds(&self) -> bool {
        is_rounding(self.seal)
    }
}

/// A running check: all units are permuted at once and the logits on noise compared; if they differ, the groups are tried
/// alone, one a step.
pub struct VerifyGroups {
    engine: Engine,
    network: Arc<Network>,
    params: Arc<ParamVec>,
    noise: DataRef,
    shuffled: Vec<Permutation>,
    /// Logits of the network as it is, and the first comparison, once they are known.
    whole: Option<(Vec<f32>, Seal)>,
    next_group: usize,
    failed: Vec<String>,
}

impl VerifyGroups {
    pub fn new(engine: &Engine, network: Arc<Network>, params: Arc<ParamVec>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let shuffle = |group: &PermutationGroup| Permutation::random(group.n_units, &mut rng);
        Self {
            engine: engine.clone(),
            noise: noise(&network),
            shuffled: network.groups().iter().map(shuffle).collect(),
            network,
            params,
            whole: None,
            next_group: 0,
            failed: Vec::new(),
        }
    }

    /// One comparison; the result after the last one.
    pub fn step(&mut self) -> Result<Option<GroupCheck>, ComputeError> {
        let Some((before, whole)) = &self.whole else {
            let before = self.logits(&self.params)?;
            let after = self.moved_logits(&self.shuffled)?;
            let whole = compare_logits(&before, &after, self.network.n_classes());
            self.whole = Some((before, whole));
            return Ok(is_rounding(whole).then(|| self.result(whole)));
        };
        let whole = *whole;
        let Some(group) = self.network.groups().get(self.next_group) else {
            return Ok(Some(self.result(whole)));
        };
        let identity = |group: &PermutationGroup| Permutation::identity(group.n_units);
        let mut alone: Vec<Permutation> = self.network.groups().iter().map(identity).collect();
        alone[self.next_group].clone_from(&self.shuffled[self.next_group]);
        let after = self.moved_logits(&alone)?;
        if !is_rounding(compare_logits(before, &after, self.network.n_classes())) {
            self.failed.push(group.name.clone());
        }
        self.next_group += 1;
        Ok(None)
    }

    fn result(&self, seal: Seal) -> GroupCheck {
        GroupCheck { n_groups: self.network.groups().len(), seal, failed: self.failed.clone() }
    }

    fn moved_logits(&self, permutations: &[Permutation]) -> Result<Vec<f32>, ComputeError> {
        self.logits(&Arc::new(permute(&self.network, &self.params, permutations)))
    }

    fn logits(&self, params: &Arc<ParamVec>) -> Result<Vec<f32>, ComputeError> {
        logits(&self.engine, &self.network, params, &self.noise, N_IMAGES)
    }
}

/// The whole check at once.
pub fn verify_groups(
    engine: &Engine,
    network: &Arc<Network>,
    params: &Arc<ParamVec>,
) -> Result<GroupCheck, ComputeError> {
    let mut check = VerifyGroups::new(engine, Arc::clone(network), Arc::clone(params));
    loop {
        if let Some(found) = check.step()? {
            return Ok(found);
        }
    }
}

fn is_rounding(seal: Seal) -> bool {
    seal.max_logit_difference <= TOLERANCE * seal.largest_logit.max(1.0)
}

/// Images of bytes at random, scaled to about -1.7..1.7 as normalised pixels are.
fn noise(network: &Network) -> DataRef {
    let (channels, height, width) = match *network.input_shape() {
        [c, h, w] => (c, h, w),
        _ => (network.n_inputs(), 1, 1),
    };
    let shape = ImageShape { channels, height, width };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let pixels: Vec<u8> = (0..N_IMAGES * shape.pixels()).map(|_| rng.random()).collect();
    let test = Split { values: Values::Bytes(pixels), labels: vec![0; N_IMAGES] };
    let dataset = Dataset {
        name: "noise".to_owned(),
        source: "made for the check".to_owned(),
        shape,
        max_value: u8::MAX,
        class_names: (0..network.n_classes()).map(|class| class.to_string()).collect(),
        train: Split::default(),
        test,
        notes: Vec::new(),
    };
    DataRef {
        dataset: Arc::new(dataset),
        split: SplitName::Test,
        normalization: Normalization { mean: vec![0.5; channels], std: vec![0.29; channels] },
        limit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{AxisUse, zoo};

    #[test]
    fn a_sound_network_holds() {
        let network = zoo::mlp(&[12, 9, 7, 3], true).unwrap();
        let params = ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(1));
        let check = verify_groups(&Engine::cpu(), &Arc::new(network), &Arc::new(params)).unwrap();
        assert!(check.holds(), "{check:?}");
        assert_eq!((check.n_groups, check.seal.n_images), (2, N_IMAGES));
    }

    #[test]
    fn a_group_that_forgets_an_axis_is_named() {
        let mut network = zoo::mlp(&[12, 9, 7, 3], true).unwrap();
        network.forget_axis_for_tests(1, |axis_use: &AxisUse| axis_use.axis == 1);
        let params = ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(1));
        let check = verify_groups(&Engine::cpu(), &Arc::new(network), &Arc::new(params)).unwrap();
        assert_eq!(check.failed, ["3"]);
    }
}
