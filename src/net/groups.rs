//! Which axes of which parameters a permutation of hidden units must move together, derived from the graph.
//!
//! Every node's output has a leading axis of units. Layers make new units; element-wise operations, norms and pooling pass
//! them on; additions make one unit of two; concatenations put units behind each other; flattening and depthwise layers
//! repeat each unit over its positions. Units that take part in exactly the same places of the network can change places and
//! form a group. Units of the input and of the logits never move.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Network, Node, NodeId, Op, ParamId, ParamKind, ParamLayout, layer_name};

/// One parameter axis moved by a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisUse {
    pub param: ParamId,
    pub axis: usize,
    /// Positions a unit has along this axis: 1, or height x width behind a flattening.
    pub block: usize,
    /// `[n_units * block]`: where on the axis position p of unit u stands, at `u * block + p`.
    pub places: Vec<usize>,
}

impl AxisUse {
    /// Number of separate runs that a unit's values are in.
    ///
    /// `shape`: of the tensor, whose values are row-major.
    pub fn n_runs(&self, shape: &[usize]) -> usize {
        shape[..self.axis].iter().product::<usize>() * self.block
    }

    /// Values of one run.
    pub fn run_length(&self, shape: &[usize]) -> usize {
        shape[self.axis + 1..].iter().product()
    }

    /// Where run number `run` of the values of `unit` stands in the tensor; runs of all units line up. With the runs in the
    /// outer loop and the units in the inner one, memory is passed through from its beginning to its end.
    pub fn run(&self, shape: &[usize], unit: usize, run: usize) -> Range<usize> {
        // The tensor as [outer, axis, inner].
        let place = self.places[unit * self.block + run % self.block];
        let inner = self.run_length(shape);
        let start = (run / self.block * shape[self.axis] + place) * inner;
        start..start + inner
    }

    /// All runs of a unit.
    pub fn runs(&self, shape: &[usize], unit: usize) -> impl Iterator<Item = Range<usize>> {
        (0..self.n_runs(shape)).map(move |run| self.run(shape, unit, run))
    }
}

/// A node whose output shows a group's units, one channel each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub node: NodeId,
    /// `[n_units]`: the channel of each unit.
    pub channels: Vec<usize>,
}

/// A set of interchangeable hidden units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermutationGroup {
    /// Named after the first layer that makes the units: its weight's name without `.weight`.
    pub name: String,
    pub n_units: usize,
    pub axes: Vec<AxisUse>,
    /// Where the units are seen as the next layers see them: every activation that shows them all, or the last other node
    /// where none does. A residual stream has several.
    pub readings: Vec<Reading>,
    /// Layer and group norms of several units, through which the value of one unit changes those of others.
    pub joint_norms: Vec<NodeId>,
}

/// One entry of a node's leading axis: a unit, and which of the unit's positions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot {
    unit: usize,
    position: usize,
}

/// A unit's entry on a parameter axis, ordered so that equal uses of different units line up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    param: ParamId,
    axis: usize,
    position: usize,
    place: usize,
}

/// Something that sets units apart although they appear on the same axes: the part of a norm's or a convolution's groups, a
/// slice, a padding.
type Mark = (NodeId, usize);

/// What units have in common that can change places: their axes and positions (not their places), and their marks.
type Signature = (Vec<(ParamId, usize, usize)>, Vec<Mark>);

/// All units of a network while they are traced; units that turn out to be one are joined.
#[derive(Default)]
struct Units {
    parents: Vec<usize>,
    pinned: Vec<bool>,
    uses: Vec<Vec<Use>>,
    marks: Vec<Vec<Mark>>,
}

impl Units {
    fn make(&mut self, n: usize) -> Vec<Slot> {
        let first = self.parents.len();
        self.parents.extend(first..first + n);
        self.pinned.resize(first + n, false);
        self.uses.resize(first + n, Vec::new());
        self.marks.resize(first + n, Vec::new());
        (first..first + n).map(|unit| Slot { unit, position: 0 }).collect()
    }

    fn root(&mut self, mut unit: usize) -> usize {
        while self.parents[unit] != unit {
            self.parents[unit] = self.parents[self.parents[unit]];
            unit = self.parents[unit];
        }
        unit
    }

    /// Makes one unit of two; the earlier one stands for both.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (first, second) = (a.min(b), a.max(b));
        if first != second {
            self.parents[second] = first;
            self.pinned[first] |= self.pinned[second];
            let uses = std::mem::take(&mut self.uses[second]);
            self.uses[first].extend(uses);
            let marks = std::mem::take(&mut self.marks[second]);
            self.marks[first].extend(marks);
        }
    }

    fn pin(&mut self, slots: &[Slot]) {
        for slot in slots {
            let root = self.root(slot.unit);
            self.pinned[root] = true;
        }
    }

    /// The entry of `slots[i]` on the axis is `i`.
    fn use_axis(&mut self, slots: &[Slot], param: ParamId, axis: usize) {
        for (place, slot) in slots.iter().enumerate() {
            let root = self.root(slot.unit);
            if !self.pinned[root] {
                self.uses[root].push(Use { param, axis, position: slot.position, place });
            }
        }
    }

    fn use_axes(&mut self, slots: &[Slot], params: impl IntoIterator<Item = ParamId>) {
        for param in params {
            self.use_axis(slots, param, 0);
        }
    }

    fn mark(&mut self, slot: Slot, mark: Mark) {
        let root = self.root(slot.unit);
        self.marks[root].push(mark);
    }
}

/// Groups in order of depth.
pub(super) fn derive(nodes: &[Node], layout: &ParamLayout, outputs: &[NodeId]) -> Vec<PermutationGroup> {
    let mut units = Units::default();
    let mut slots: Vec<Vec<Slot>> = Vec::with_capacity(nodes.len());
    for index in 0..nodes.len() {
        let found = trace(nodes, NodeId(index), &slots, &mut units);
        slots.push(found);
    }
    for output in outputs {
        units.pin(&slots[output.0]);
    }

    let mut by_signature: BTreeMap<Signature, Vec<usize>> = BTreeMap::new();
    for unit in 0..units.parents.len() {
        if units.root(unit) == unit && !units.pinned[unit] && !units.uses[unit].is_empty() {
            units.uses[unit].sort_unstable();
            units.marks[unit].sort_unstable();
            units.marks[unit].dedup();
            let axes = units.uses[unit].iter().map(|u| (u.param, u.axis, u.position)).collect();
            by_signature.entry((axes, units.marks[unit].clone())).or_default().push(unit);
        }
    }
    // Units that a mark leaves alone (each channel of an instance norm) can go nowhere and are no group.
    let kinds = by_signature.into_iter().filter(|((_, marks), units)| 1 < units.len() || marks.is_empty());
    let mut members: Vec<Vec<usize>> = kinds.map(|(_, units)| units).collect();
    members.sort_unstable();
    let mut groups: Vec<PermutationGroup> =
        members.iter().map(|members| group(members, nodes, layout, &slots, &mut units)).collect();
    number_repeated_names(&mut groups);
    groups
}

/// The leading axis of a node's output, with what the node does to the units on the way.
fn trace(nodes: &[Node], id: NodeId, slots: &[Vec<Slot>], units: &mut Units) -> Vec<Slot> {
    let node = &nodes[id.0];
    let input = |i: usize| slots[node.inputs[i].0].as_slice();
    match &node.op {
        Op::Input => {
            let made = units.make(node.shape[0]);
            units.pin(&made);
            made
        }
        Op::Flatten => {
            let n_positions: usize = nodes[node.inputs[0].0].shape[1..].iter().product();
            let spread = |slot: &Slot| {
                let Slot { unit, position } = *slot;
                (0..n_positions).map(move |p| Slot { unit, position: position * n_positions + p })
            };
            input(0).iter().flat_map(spread).collect()
        }
        Op::Linear { weight, bias } => {
            units.use_axis(input(0), *weight, 1);
            let made = units.make(node.shape[0]);
            units.use_axes(&made, std::iter::once(*weight).chain(*bias));
            made
        }
        Op::Conv2d { weight, bias, groups, .. } => {
            let n_in = input(0).len();
            if *groups == 1 {
                units.use_axis(input(0), *weight, 1);
            }
            if 1 < *groups && *groups == n_in {
                // Depthwise: the outputs are the same units, each `n` times.
                let n = node.shape[0] / n_in;
                let repeat = |slot: &Slot| {
                    let Slot { unit, position } = *slot;
                    (0..n).map(move |copy| Slot { unit, position: position * n + copy })
                };
                let repeated: Vec<Slot> = input(0).iter().flat_map(repeat).collect();
                units.use_axes(&repeated, std::iter::once(*weight).chain(*bias));
                return repeated;
            }
            let made = units.make(node.shape[0]);
            units.use_axes(&made, std::iter::once(*weight).chain(*bias));
            if 1 < *groups {
                // All groups share one axis of inputs, which therefore stays as it is; outputs may move within their group.
                units.pin(input(0));
                let per_group = node.shape[0] / groups;
                for (i, slot) in made.iter().enumerate() {
                    units.mark(*slot, (id, i / per_group));
                }
            }
            made
        }
        Op::BatchNorm { .. } | Op::LayerNorm { .. } => {
            units.use_axes(input(0), node.op.params());
            input(0).to_vec()
        }
        Op::GroupNorm { n_groups, .. } => {
            units.use_axes(input(0), node.op.params());
            let per_group = input(0).len() / n_groups;
            for (i, slot) in input(0).iter().enumerate() {
                units.mark(*slot, (id, i / per_group));
            }
            input(0).to_vec()
        }
        Op::Activation(_)
        | Op::Scale(_)
        | Op::MaxPool(_)
        | Op::AvgPool { .. }
        | Op::AdaptiveMaxPool { .. }
        | Op::AdaptiveAvgPool { .. } => input(0).to_vec(),
        Op::Add => {
            for other in 1..node.inputs.len() {
                for (a, b) in input(0).iter().zip(input(other)) {
                    if a.position == b.position {
                        units.join(a.unit, b.unit);
                    } else {
                        units.pin(&[*a, *b]);
                    }
                }
            }
            input(0).to_vec()
        }
        Op::Concat => (0..node.inputs.len()).flat_map(|i| input(i).iter().copied()).collect(),
        Op::Slice { start, end } => {
            let taken = input(0)[*start..*end].to_vec();
            taken.iter().for_each(|slot| units.mark(*slot, (id, 0)));
            taken
        }
        Op::Pad { before, behind } => {
            let mut zeros = units.make(before + behind);
            zeros.iter().for_each(|slot| units.mark(*slot, (id, 0)));
            let last = zeros.split_off(*before);
            [zeros.as_slice(), input(0), &last].concat()
        }
    }
}

/// The group of the units `members`, which all have the same uses.
fn group(
    members: &[usize],
    nodes: &[Node],
    layout: &ParamLayout,
    slots: &[Vec<Slot>],
    units: &mut Units,
) -> PermutationGroup {
    let mut axes: Vec<AxisUse> = Vec::new();
    let uses = &units.uses[members[0]];
    let mut start = 0;
    for run in uses.chunk_by(|a, b| (a.param, a.axis) == (b.param, b.axis)) {
        let of = |unit: &usize| units.uses[*unit][start..start + run.len()].iter().map(|u| u.place);
        let places = members.iter().flat_map(of).collect();
        axes.push(AxisUse { param: run[0].param, axis: run[0].axis, block: run.len(), places });
        start += run.len();
    }
    let maker = axes.iter().find(|u| u.axis == 0 && layout.spec(u.param).kind == ParamKind::Weight);
    let name = maker.map_or("units", |u| layer_name(&layout.spec(u.param).name)).to_owned();
    PermutationGroup {
        name,
        n_units: members.len(),
        axes,
        readings: readings(members, nodes, slots, units),
        joint_norms: joint_norms(members, nodes, slots, units),
    }
}

/// Layer and group norms that see any of the units; `members` ascend.
fn joint_norms(members: &[usize], nodes: &[Node], slots: &[Vec<Slot>], units: &mut Units) -> Vec<NodeId> {
    let mut found = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let is_joint = matches!(node.op, Op::LayerNorm { .. } | Op::GroupNorm { .. });
        if is_joint && slots[index].iter().any(|slot| members.binary_search(&units.root(slot.unit)).is_ok()) {
            found.push(NodeId(index));
        }
    }
    found
}

/// Every activation that shows all the units, or the last other node where none does.
fn readings(members: &[usize], nodes: &[Node], slots: &[Vec<Slot>], units: &mut Units) -> Vec<Reading> {
    let numbers: BTreeMap<usize, usize> = members.iter().enumerate().map(|(number, &unit)| (unit, number)).collect();
    let mut activations = Vec::new();
    let mut last = None;
    for (index, node) in nodes.iter().enumerate() {
        let mut channels = vec![None; members.len()];
        let mut is_whole = true;
        for (channel, slot) in slots[index].iter().enumerate() {
            if let Some(&number) = numbers.get(&units.root(slot.unit)) {
                // A unit with several positions here is no longer one channel.
                is_whole &= channels[number].replace(channel).is_none();
            }
        }
        let Some(channels) = channels.into_iter().collect::<Option<Vec<usize>>>().filter(|_| is_whole) else {
            continue;
        };
        let reading = Reading { node: NodeId(index), channels };
        if matches!(node.op, Op::Activation(_)) {
            activations.push(reading);
        } else {
            last = Some(reading);
        }
    }
    if activations.is_empty() { last.into_iter().collect() } else { activations }
}

/// Groups that one layer makes several of are told apart: `conv1`, `conv1 #2`, ...
fn number_repeated_names(groups: &mut [PermutationGroup]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for group in groups {
        let n = seen.entry(group.name.clone()).or_default();
        *n += 1;
        if 1 < *n {
            group.name += &format!(" #{n}");
        }
    }
}

impl Network {
    /// Breaks a group on purpose.
    #[cfg(test)]
    pub(crate) fn forget_axis_for_tests(&mut self, group: usize, forgotten: impl Fn(&AxisUse) -> bool) {
        let mut groups = self.groups().to_vec();
        groups[group].axes.retain(|axis_use| !forgotten(axis_use));
        self.groups = groups.into();
    }

    /// Why units of this network are restricted in changing places, one remark a layer that restricts them.
    pub fn restrictions(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for node in &self.nodes {
            let layer = || node.op.params().first().map_or("a layer", |id| layer_name(&self.layout.spec(*id).name));
            match node.op {
                Op::GroupNorm { n_groups, .. } if 1 < n_groups => remarks.push(format!(
                    "{}: group norm, units change places only within each of its {n_groups} groups",
                    layer()
                )),
                Op::Conv2d { groups, .. } if 1 < groups && groups < self.nodes[node.inputs[0].0].shape[0] => remarks
                    .push(format!(
                        "{}: grouped convolution, its inputs stay in place, its outputs change places only within each \
                         of its {groups} groups",
                        layer()
                    )),
                _ => {}
            }
        }
        remarks
    }
}

#[cfg(test)]
mod tests;
