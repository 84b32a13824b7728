//! Which axes of which parameters a permutation of hidden units must move together, derived from the graph.
//!
//! Every node's output has a leading axis of units. Each linear layer starts a new set of units; element-wise operations
//! keep the set; flattening repeats each unit over its positions. Units of the input and of the logits never move.

use super::{Node, NodeId, Op, ParamId, ParamLayout};

/// One parameter axis moved by a group: index `unit * block + position` for each position in `0..block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisUse {
    pub param: ParamId,
    pub axis: usize,
    /// Positions a unit has along this axis: 1, or height x width behind a flattening.
    pub block: usize,
}

/// A set of interchangeable hidden units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermutationGroup {
    /// Named after the layer that makes the units: the weight's name without `.weight`.
    pub name: String,
    pub n_units: usize,
    pub axes: Vec<AxisUse>,
    /// The node whose output holds the units as the next layer sees them (after the activation).
    pub read_at: NodeId,
}

/// Units of a node's leading axis: which set, and how many positions each unit has.
#[derive(Clone, Copy)]
struct Units {
    set: usize,
    block: usize,
}

struct Set {
    /// `None` for the input's units, which nothing made.
    made_by: Option<ParamId>,
    n_units: usize,
    axes: Vec<AxisUse>,
    read_at: NodeId,
}

/// Groups in order of depth.
pub(super) fn derive(nodes: &[Node], layout: &ParamLayout) -> Vec<PermutationGroup> {
    let mut sets: Vec<Set> = Vec::new();
    let mut units: Vec<Units> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let id = NodeId(index);
        let found = match &node.op {
            Op::Input => {
                sets.push(Set { made_by: None, n_units: node.shape[0], axes: Vec::new(), read_at: id });
                Units { set: sets.len() - 1, block: 1 }
            }
            Op::Flatten => {
                let before = units[node.inputs[0].0];
                let n_positions: usize = nodes[node.inputs[0].0].shape[1..].iter().product();
                Units { set: before.set, block: before.block * n_positions }
            }
            Op::Relu => {
                let before = units[node.inputs[0].0];
                if before.block == 1 {
                    sets[before.set].read_at = id;
                }
                before
            }
            Op::Linear { weight, bias } => {
                let before = units[node.inputs[0].0];
                sets[before.set].axes.push(AxisUse { param: *weight, axis: 1, block: before.block });
                let mut axes = vec![AxisUse { param: *weight, axis: 0, block: 1 }];
                axes.extend(bias.map(|param| AxisUse { param, axis: 0, block: 1 }));
                sets.push(Set { made_by: Some(*weight), n_units: node.shape[0], axes, read_at: id });
                Units { set: sets.len() - 1, block: 1 }
            }
        };
        units.push(found);
    }
    let output_set = units[units.len() - 1].set;
    sets.into_iter()
        .enumerate()
        .filter(|(index, _)| *index != output_set)
        .filter_map(|(_, set)| {
            let weight = set.made_by?;
            let name = layout.spec(weight).name.trim_end_matches(".weight").to_owned();
            Some(PermutationGroup { name, n_units: set.n_units, axes: set.axes, read_at: set.read_at })
        })
        .collect()
}
