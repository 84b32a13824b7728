//! A permutation that was changed by hand: what it is worth, and that the network still computes the same.

use std::sync::Arc;

use super::super::evaluate::DataRef;
use super::super::{ComputeError, Engine};
use super::{AlignStep, Alignment, seal};
use crate::matching::{Editing, Edits, GroupReport, MatchReport, Permutation, permute};
use crate::net::{Network, ParamVec};

/// Correlations that one slice looks at: about 20 ms.
const SLICE_VALUES: usize = 10_000_000;
/// Images of the seal: a slider that is dragged must not wait for it.
const SEAL_IMAGES: usize = 200;

/// Which alignment is changed, and how.
#[derive(Clone, Debug)]
pub struct RearrangeSpec {
    pub network: Arc<Network>,
    /// B as it was loaded; parameters in A's layout.
    pub b: Arc<ParamVec>,
    /// Images that the seal is tried on.
    pub data: DataRef,
    pub found: Arc<Alignment>,
    /// Of the groups of `found`, with places and units that they have.
    pub edits: Edits,
}

/// A running rearrangement; call [`Self::step`] until it is finished.
pub struct Rearrange {
    engine: Engine,
    spec: RearrangeSpec,
    editing: Editing,
}

impl Rearrange {
    pub fn new(engine: &Engine, spec: RearrangeSpec) -> Self {
        let editing = Editing::new(Arc::clone(&spec.found.report), spec.edits.clone());
        Self { engine: engine.clone(), spec, editing }
    }

    /// A slice of one group's assignment, or all that follows. What was found about the two networks, and how it was searched,
    /// stands as in the alignment that is changed.
    pub fn step(&mut self) -> Result<AlignStep, ComputeError> {
        if !self.editing.step(SLICE_VALUES)? {
            return Ok(AlignStep::Working(self.editing.done()));
        }
        let RearrangeSpec { network, b, data, found, .. } = &self.spec;
        let groups: Vec<GroupReport> =
            found.report.groups.iter().zip(self.editing.found()).map(|(group, new)| moved(group, new)).collect();
        let aligned = Arc::new(permute(network, b, self.editing.found()));
        let limit = data.limit.map_or(SEAL_IMAGES, |limit| limit.min(SEAL_IMAGES));
        let seal = seal(&self.engine, network, b, &aligned, &DataRef { limit: Some(limit), ..data.clone() })?;
        let report = Arc::new(MatchReport { groups, ..MatchReport::clone(&found.report) });
        Ok(AlignStep::Finished(Box::new(Alignment { aligned, report, seal, traces: found.traces.clone() })))
    }
}

/// A group with its units in another order; what is the same is not worked out again.
fn moved(group: &GroupReport, permutation: &Permutation) -> GroupReport {
    if group.permutation == *permutation { group.clone() } else { group.with_permutation(permutation.clone()) }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_data::{noise, params};
    use super::super::{AlignSpec, align_all};
    use super::*;
    use crate::net::zoo;

    #[test]
    fn what_was_changed_is_judged_on_the_same_correlations_and_sealed() {
        let network = Arc::new(zoo::mlp(&[12, 10, 8, 3], true).unwrap());
        let (a, b, data) = (params(&network, 1), params(&network, 2), noise(&network, 64));
        let engine = Engine::cpu();
        let spec = AlignSpec::new(Arc::clone(&network), a, Arc::clone(&b), data.clone());
        let found = Arc::new(align_all(&engine, spec).unwrap());
        let mut edits = Edits::none(2);
        edits.groups[0].swaps.push((0, 1));
        edits.n_layers = Some(1);
        let spec =
            RearrangeSpec { network: Arc::clone(&network), b: Arc::clone(&b), data, found: Arc::clone(&found), edits };
        let mut job = Rearrange::new(&engine, spec);
        let changed = loop {
            if let AlignStep::Finished(changed) = job.step().unwrap() {
                break changed;
            }
        };
        let [before, after] = [&found, &Arc::from(changed)].map(|alignment| Arc::clone(&alignment.report));
        assert!(Arc::ptr_eq(&before.groups[0].correlation, &after.groups[0].correlation));
        assert_eq!(after.groups[0].units[0].source, before.groups[0].units[1].source);
        assert_eq!(after.groups[1].share_moved(), 0.0);
        assert!(after.groups[0].after.mean < before.groups[0].after.mean);
        assert_eq!(after.evidence, before.evidence);
    }
}
