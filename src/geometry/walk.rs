//! From a permuted network back to the network itself, one hidden unit at a time: the second stage of optimal transport
//! (Anokhin & Yarotsky 2020, section 1.6 of the methods).
//!
//! The unit that matters least is taken out, so that its slot is free. A unit moves into the free slot in two slides: first
//! the slot's *incoming* values (everything that says what a unit computes: its entries on axis 0 of weights, biases and norms)
//! become those of the unit, which nobody notices while the slot's *outgoing* weights (its entries on the other axes: what the
//! next layers make of it) are zero; then the outgoing weights are handed over, which changes nothing since both slots compute
//! the same. The unit's old slot is free now. Moves follow the cycles of the permutation; at the end the unit that was taken out
//! comes back. So the loss changes only where that unit goes and where it returns, and is constant in between.

mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use plan::GroupPlan;
pub use plan::{Change, Segment};

use crate::matching::{Permutation, gather, permute};
use crate::net::{Network, ParamVec, PermutationGroup, layer_name};

/// A polyline from `P(B)` to `B` whose corners are found when they are asked for.
#[derive(Clone, Debug)]
pub struct Walk {
    network: Arc<Network>,
    /// `P(B)`.
    start: Arc<ParamVec>,
    /// `B`.
    end: Arc<ParamVec>,
    permutations: Vec<Permutation>,
    /// Of the groups in which units move, in the order of depth.
    plans: Vec<GroupPlan>,
    segments: Vec<Segment>,
    /// Length of the walk up to the end of each segment.
    lengths: Vec<f64>,
}

impl Walk {
    /// A walk that undoes `permutations`, one a group of the network, one group after another.
    ///
    /// `b`: the network as it was before it was permuted. Refuses, with the reason, where units of a group that has to be
    /// undone cannot move by themselves: see [`obstacle`].
    pub fn new(network: Arc<Network>, b: Arc<ParamVec>, permutations: Vec<Permutation>) -> Result<Self, String> {
        let mut plans = Vec::new();
        for (index, (group, permutation)) in network.groups().iter().zip(&permutations).enumerate() {
            if permutation.n_fixed() < permutation.len() {
                if let Some(obstacle) = obstacle(&network, group) {
                    return Err(obstacle);
                }
                plans.push(GroupPlan::new(index, group, permutation, &b));
            }
        }
        let segments: Vec<Segment> = plans.iter().flat_map(|plan| plan.segments.iter().copied()).collect();
        let mut length = 0.0;
        let grown = segments.iter().map(|segment| {
            length += segment.length;
            length
        });
        let lengths = grown.collect();
        let start = Arc::new(permute(&network, &b, &permutations));
        Ok(Self { network, start, end: b, permutations, plans, segments, lengths })
    }

    /// `P(B)`.
    pub fn start(&self) -> &Arc<ParamVec> {
        &self.start
    }

    /// `B`.
    pub fn end(&self) -> &Arc<ParamVec> {
        &self.end
    }

    /// The straight pieces, each of which takes the same share of s.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Number of the segment at `s` in [0, 1], and how far along it `s` is, 0..1; (0, 0) where there is nothing to walk.
    pub fn segment_at(&self, s: f64) -> (usize, f64) {
        let at = s.clamp(0.0, 1.0) * self.segments.len() as f64;
        let index = (at.floor() as usize).min(self.segments.len().saturating_sub(1));
        (index, at - index as f64)
    }

    /// The network at `s` in [0, 1]: exactly P(B) at 0 and B at 1.
    pub fn point(&self, s: f64) -> ParamVec {
        if s <= 0.0 {
            return (*self.start).clone();
        }
        let (index, done) = self.segment_at(s);
        let Some(segment) = self.segments.get(index).filter(|_| s < 1.0) else {
            return (*self.end).clone();
        };
        let walked = self.plans.iter().take_while(|plan| plan.group < segment.group);
        let index = index - walked.map(|plan| plan.segments.len()).sum::<usize>();
        // Groups before are as in B already, groups behind still as in P(B).
        let identity = |group: &PermutationGroup| Permutation::identity(group.n_units);
        let groups = self.network.groups().iter().zip(&self.permutations).enumerate();
        let others: Vec<Permutation> = groups
            .map(|(at, (group, permutation))| if at <= segment.group { identity(group) } else { permutation.clone() })
            .collect();
        let base = permute(&self.network, &self.end, &others);
        let plan = self.plans.iter().find(|plan| plan.group == segment.group);
        match plan {
            Some(plan) => self.materialise(&base, &self.permutations[plan.group], plan, index, done),
            None => base,
        }
    }

    /// A group's units as they stand when `done` (0..1) of segment number `index` of its plan is done.
    ///
    /// `base`: the network with all units of this group in their places.
    fn materialise(
        &self,
        base: &ParamVec,
        permutation: &Permutation,
        plan: &GroupPlan,
        index: usize,
        done: f64,
    ) -> ParamVec {
        let group = &self.network.groups()[plan.group];
        let (units, free) = plan.state_before(permutation, index);
        let segment = plan.segments[index];
        let mut point = base.clone();
        gather(group, &mut point, &units);
        let left = 1.0 - done;
        match segment.change {
            Change::Remove => scale_outgoing(group, &mut point, segment.slot, left),
            Change::Restore => scale_outgoing(group, &mut point, segment.slot, done),
            Change::HandOver { from } => {
                scale_outgoing(group, &mut point, segment.slot, done);
                scale_outgoing(group, &mut point, from, left);
            }
            Change::Copy => {
                blend_incoming(group, &mut point, segment.slot, base, segment.unit, done);
                if let Some(free) = free {
                    scale_outgoing(group, &mut point, free, 0.0);
                }
            }
        }
        point
    }

    /// How often a unit goes from one slot to another.
    pub fn n_moves(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment.change, Change::HandOver { .. })).count()
    }

    /// Euclidean length over the trained values, exactly: the sum of the segments' lengths.
    pub fn length(&self) -> f64 {
        self.lengths.last().copied().unwrap_or(0.0)
    }

    /// Length of the part between two times.
    pub fn length_between(&self, from: f64, to: f64) -> f64 {
        (self.length_until(to) - self.length_until(from)).abs()
    }

    fn length_until(&self, s: f64) -> f64 {
        let (index, done) = self.segment_at(s);
        let Some(segment) = self.segments.get(index) else { return 0.0 };
        self.lengths[index] - (1.0 - done) * segment.length
    }

    /// From and to which s the network computes one and the same function: one range for each group that is walked, from the
    /// moment its unit is out until it returns.
    pub fn flat_ranges(&self) -> Vec<(f64, f64)> {
        let mut first = 0;
        let mut ranges = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            let end = first + plan.segments.len();
            ranges.push((self.time_of(first + 1), self.time_of(end - 1)));
            first = end;
        }
        ranges
    }

    /// Both ends, and the ends of [`Self::flat_ranges`]: the times between which there is nothing to see.
    pub fn landmarks(&self) -> Vec<f64> {
        let flat = self.flat_ranges().into_iter().flat_map(|(from, to)| [from, to]);
        std::iter::once(0.0).chain(flat).chain([1.0]).collect()
    }

    /// When segment number `index` begins.
    fn time_of(&self, index: usize) -> f64 {
        index as f64 / self.segments.len() as f64
    }

    /// One sentence a group that is walked: which unit is taken out, and how many moves follow.
    pub fn notes(&self) -> Vec<String> {
        let name = |plan: &GroupPlan| &self.network.groups()[plan.group].name;
        let note = |plan: &GroupPlan| {
            let (n_moves, unit) = (plan.n_moves(), plan.removed());
            let moves = if n_moves == 1 { "move" } else { "moves" };
            format!("{}: {n_moves} {moves} at constant loss while unit {unit} is out", name(plan))
        };
        self.plans.iter().map(note).collect()
    }
}

/// Why units of a group cannot move one by one without changing what the network computes, if they cannot.
///
/// Under a layer or group norm a unit changes the others' values even while nothing reads it. A tensor with the group on two of
/// its axes holds weights that are incoming and outgoing at once.
pub fn obstacle(network: &Network, group: &PermutationGroup) -> Option<String> {
    let layout = network.layout();
    if let Some(norm) = group.joint_norms.first() {
        let op = &network.nodes()[norm.0].op;
        let layer = op.params().first().map_or(op.name(), |id| layer_name(&layout.spec(*id).name));
        return Some(format!(
            "the units of {} cannot move one by one: {layer} normalises them together, so that each acts on the others",
            group.name
        ));
    }
    let is_outgoing = |param| group.axes.iter().any(|other| other.param == param && 0 < other.axis);
    let both = group.axes.iter().find(|axis_use| axis_use.axis == 0 && is_outgoing(axis_use.param))?;
    Some(format!(
        "the units of {} cannot move one by one: {} leads from them to themselves, its weights are incoming and outgoing",
        group.name,
        layout.spec(both.param).name
    ))
}

/// Multiplies what the next layers make of a slot.
fn scale_outgoing(group: &PermutationGroup, params: &mut ParamVec, slot: usize, factor: f64) {
    let layout = Arc::clone(params.layout());
    for axis_use in group.axes.iter().filter(|axis_use| 0 < axis_use.axis) {
        let values = params.tensor_mut(axis_use.param);
        for range in axis_use.runs(&layout.spec(axis_use.param).shape, slot) {
            values[range].iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        }
    }
}

/// Slides what a slot computes towards what `unit` computes in `base`: `(1 - done) slot + done unit`.
fn blend_incoming(
    group: &PermutationGroup,
    params: &mut ParamVec,
    slot: usize,
    base: &ParamVec,
    unit: usize,
    done: f64,
) {
    let layout = base.layout();
    for axis_use in group.axes.iter().filter(|axis_use| axis_use.axis == 0) {
        let shape = &layout.spec(axis_use.param).shape;
        let aims = base.tensor(axis_use.param);
        let values = params.tensor_mut(axis_use.param);
        for (to, from) in axis_use.runs(shape, slot).zip(axis_use.runs(shape, unit)) {
            for (value, &aim) in values[to].iter_mut().zip(&aims[from]) {
                *value = ((1.0 - done) * f64::from(*value) + done * f64::from(aim)) as f32;
            }
        }
    }
}
