//! A network as steps over a few reused buffers.

use std::sync::Arc;

use super::conv::ConvGeometry;
use super::{Row, map_shape};
use crate::net::{Activation, Network, NodeId, Op};

/// Where batch norm gets its statistics from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchNormMode {
    /// From the parameters: it disappears in the weights of the layer before it, where it can.
    Known,
    /// Measured on the way: it is a step of its own.
    Measured,
}

/// What one step computes: a node, and what follows it directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The node whose operation is carried out.
    pub(super) node: NodeId,
    /// The batch norm behind it, folded into its weights.
    pub(super) norm: Option<NodeId>,
    /// A value added behind that.
    pub(super) residual: Option<usize>,
    /// Whether a ReLU comes last.
    pub(super) relu: bool,
    /// Slots read; without the residual's.
    pub(super) inputs: Vec<usize>,
    /// Slot written; the first input's if the step works in place.
    pub(super) output: usize,
}

/// Steps from the images to the logits. Nodes that share a slot are alive one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    network: Arc<Network>,
    pub(super) steps: Vec<Step>,
    /// Rows that each slot holds for one block.
    pub(super) slots: Vec<usize>,
    /// Slot of each node whose values are still there at the end.
    places: Vec<Option<usize>>,
}

impl Program {
    /// Plans a network; the values of the nodes `keep` are still there at the end.
    pub(crate) fn new(network: &Arc<Network>, mode: BatchNormMode, keep: &[NodeId]) -> Self {
        Planner::new(network, mode, keep).plan()
    }

    pub(crate) fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Rows of the images of one block.
    pub(crate) fn n_input_rows(&self) -> usize {
        self.network.n_inputs()
    }

    /// Multiplications that one image takes in convolutions and linear layers.
    pub(crate) fn n_products(&self) -> usize {
        let layers = self.steps.iter().filter_map(|step| ConvGeometry::of(self, step));
        layers.map(|geometry| geometry.n_products()).sum()
    }

    /// Memory that one block takes on its way.
    pub(crate) fn bytes_a_block(&self) -> usize {
        self.slots.iter().sum::<usize>() * size_of::<Row>()
    }

    /// Rows of a node's values for one block.
    pub(super) fn n_rows(&self, node: NodeId) -> usize {
        self.network.nodes()[node.0].shape.iter().product()
    }

    /// `[channels, height, width]` of a node.
    pub(super) fn shape(&self, node: NodeId) -> [usize; 3] {
        map_shape(&self.network.nodes()[node.0].shape)
    }

    /// The shape of the first input of a step's node.
    pub(super) fn input_shape(&self, step: &Step) -> [usize; 3] {
        self.shape(self.network.nodes()[step.node.0].inputs[0])
    }

    /// The slot of the logits or of a kept node.
    pub(super) fn place(&self, node: NodeId) -> Option<usize> {
        self.places.get(node.0).copied().flatten()
    }

    /// The steps, from the first on, after which the values of a kept node are there.
    pub(super) fn n_steps_to(&self, node: NodeId) -> usize {
        let slot = self.place(node);
        // A kept node is the last that its slot holds.
        self.steps.iter().rposition(|step| Some(step.output) == slot).map_or(0, |last| last + 1)
    }

    pub(super) fn output_node(&self) -> NodeId {
        NodeId(self.network.nodes().len() - 1)
    }
}

/// What is known while a program is planned, one entry a node.
struct Planner<'a> {
    network: &'a Arc<Network>,
    mode: BatchNormMode,
    needed: Vec<bool>,
    /// Whether it must be there at the end.
    kept: Vec<bool>,
    /// The nodes that read it.
    readers: Vec<Vec<NodeId>>,
    /// The input that it computes in the same step.
    absorbed: Vec<Option<NodeId>>,
    /// The node whose values it shares: itself but for flattenings that move nothing.
    value: Vec<NodeId>,
}

impl<'a> Planner<'a> {
    fn new(network: &'a Arc<Network>, mode: BatchNormMode, keep: &[NodeId]) -> Self {
        let nodes = network.nodes();
        let mut needed = network.needed();
        let mut kept = vec![false; nodes.len()];
        kept[nodes.len() - 1] = true;
        for node in keep {
            kept[node.0] = true;
            needed[node.0] = true;
        }
        let mut readers = vec![Vec::new(); nodes.len()];
        for (index, node) in nodes.iter().enumerate().rev() {
            if needed[index] {
                for input in &node.inputs {
                    needed[input.0] = true;
                    readers[input.0].push(NodeId(index));
                }
            }
        }
        let mut value: Vec<NodeId> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let is_alias = node.op == Op::Flatten && moves_nothing(map_shape(&nodes[node.inputs[0].0].shape));
            value.push(if is_alias { value[node.inputs[0].0] } else { NodeId(index) });
        }
        // What shares the values of a kept node is kept with it.
        for index in 0..nodes.len() {
            if kept[index] {
                kept[value[index].0] = true;
            }
        }
        Self { network, mode, needed, kept, readers, absorbed: vec![None; nodes.len()], value }
    }

    fn plan(mut self) -> Program {
        let is_root = self.absorb();
        let nodes = self.network.nodes();
        let roots = (1..nodes.len()).map(NodeId).filter(|id| self.needed[id.0] && is_root[id.0]);
        // With nodes in place of slots at first.
        let (roots, mut steps): (Vec<NodeId>, Vec<Step>) =
            roots.filter(|id| self.value[id.0] == *id).map(|id| (id, self.step(id))).unzip();
        let slots = self.assign_slots(&roots, &mut steps);
        let slot_of = |node: usize| slots.of_node[self.value[node].0].filter(|_| self.kept[node]);
        let places = (0..nodes.len()).map(slot_of).collect();
        Program { network: Arc::clone(self.network), steps, slots: slots.rows, places }
    }

    /// Decides which nodes are computed together with their only reader; returns which are not.
    fn absorb(&mut self) -> Vec<bool> {
        let nodes = self.network.nodes();
        let mut is_root = vec![true; nodes.len()];
        for index in 0..nodes.len() {
            let &[reader] = self.readers[index].as_slice() else {
                continue;
            };
            if self.kept[index] || self.absorbed[reader.0].is_some() {
                continue;
            }
            let is_layer = matches!(nodes[index].op, Op::Conv2d { .. } | Op::Linear { .. });
            let is_norm = matches!(nodes[index].op, Op::BatchNorm { .. });
            let fits = match &nodes[reader.0].op {
                Op::BatchNorm { .. } => is_layer && self.mode == BatchNormMode::Known,
                Op::Add => (is_layer || is_norm) && nodes[reader.0].inputs.len() == 2,
                Op::Activation(Activation::Relu) => is_layer || is_norm || nodes[index].op == Op::Add,
                _ => false,
            };
            if fits {
                self.absorbed[reader.0] = Some(NodeId(index));
                is_root[index] = false;
            }
        }
        is_root
    }

    /// The step that ends with the node `root`; values are given by their nodes.
    fn step(&self, root: NodeId) -> Step {
        let nodes = self.network.nodes();
        let mut step = Step { node: root, norm: None, residual: None, relu: false, inputs: Vec::new(), output: root.0 };
        while let Some(before) = self.absorbed[step.node.0] {
            match nodes[step.node.0].op {
                Op::BatchNorm { .. } => step.norm = Some(step.node),
                Op::Add => {
                    let other = nodes[step.node.0].inputs.iter().find(|input| **input != before);
                    step.residual = other.map(|other| self.value[other.0].0);
                }
                _ => step.relu = true,
            }
            step.node = before;
        }
        step.inputs = nodes[step.node.0].inputs.iter().map(|input| self.value[input.0].0).collect();
        step
    }

    /// Replaces nodes by slots.
    fn assign_slots(&self, roots: &[NodeId], steps: &mut [Step]) -> Slots {
        let n_nodes = self.network.nodes().len();
        let mut last_use = vec![0; n_nodes];
        for (index, step) in steps.iter().enumerate() {
            for value in step.inputs.iter().chain(&step.residual) {
                last_use[*value] = index;
            }
        }
        let dies = |value: usize, index: usize| !self.kept[value] && last_use[value] == index;
        let mut slots = Slots { rows: Vec::new(), free: Vec::new(), of_node: vec![None; n_nodes] };
        let size = |node: usize| self.network.nodes()[node].shape.iter().product();
        slots.take(0, size(0));
        for (index, (root, step)) in roots.iter().zip(steps).enumerate() {
            let mut read: Vec<usize> = step.inputs.iter().chain(&step.residual).copied().collect();
            let is_in_place = works_in_place(&self.network.nodes()[step.node.0].op)
                && dies(read[0], index)
                && !read[1..].contains(&read[0]);
            let slot_of = |slots: &Slots, value: usize| slots.of_node[value].unwrap_or_default();
            step.inputs.iter_mut().for_each(|value| *value = slot_of(&slots, *value));
            step.residual = step.residual.map(|value| slot_of(&slots, value));
            if is_in_place {
                slots.of_node[root.0] = slots.of_node[read[0]];
                read.remove(0);
            } else {
                slots.take(root.0, size(root.0));
            }
            step.output = slot_of(&slots, root.0);
            read.sort_unstable();
            read.dedup();
            for value in read.into_iter().filter(|&value| dies(value, index)) {
                slots.free.push(slot_of(&slots, value));
            }
        }
        slots
    }
}

/// Slots as they are handed out.
struct Slots {
    rows: Vec<usize>,
    free: Vec<usize>,
    of_node: Vec<Option<usize>>,
}

impl Slots {
    /// A slot for a node's `n_rows` rows: of the free ones the largest.
    fn take(&mut self, node: usize, n_rows: usize) {
        let largest = (0..self.free.len()).max_by_key(|&i| self.rows[self.free[i]]);
        let slot = largest.map_or(self.rows.len(), |i| self.free.swap_remove(i));
        self.rows.resize(self.rows.len().max(slot + 1), 0);
        self.rows[slot] = self.rows[slot].max(n_rows);
        self.of_node[node] = Some(slot);
    }
}

/// Whether flattening leaves the rows of a map where they are.
pub(super) fn moves_nothing([c, h, w]: [usize; 3]) -> bool {
    c == 1 || h * w == 1
}

/// Whether an operation may write over its first input.
pub(super) fn works_in_place(op: &Op) -> bool {
    matches!(
        op,
        Op::BatchNorm { .. } | Op::LayerNorm { .. } | Op::GroupNorm { .. } | Op::Activation(_) | Op::Add | Op::Scale(_)
    )
}
