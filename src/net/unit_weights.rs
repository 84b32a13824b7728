//! The weights of single units: what layers that make or read them hold for each, and which of these weigh the network's
//! input, so that they can be looked at as images.

use super::{AxisUse, Network, NodeId, Op, ParamId, ParamKind, ParamLayout, ParamVec, PermutationGroup, layer_name};

/// What a layer does with the units of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitRole {
    /// Its outputs are the units.
    Makes,
    /// Its inputs are the units.
    Reads,
}

/// A weight tensor as a matrix with a row for each unit of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitMatrix {
    pub layer: String,
    pub role: UnitRole,
    /// Place of the tensor's axis among those of the group.
    pub axis: usize,
    /// Weights of one unit: all that the tensor holds for it.
    pub n_weights: usize,
}

/// Weights that the units of a group give the values of the network's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputWeights {
    /// Place of the tensor's axis among those of the group.
    pub axis: usize,
    /// `[channels, height, width]` of a convolution's kernel. `None`: one weight for each value of the input, in its order.
    pub kernel: Option<[usize; 3]>,
}

impl PermutationGroup {
    /// The weight tensors of all layers that make the units, and then of those that read them.
    pub fn matrices(&self, layout: &ParamLayout) -> Vec<UnitMatrix> {
        let mut found: Vec<UnitMatrix> = Vec::new();
        for (axis, on) in self.axes.iter().enumerate() {
            let spec = layout.spec(on.param);
            if spec.kind == ParamKind::Weight && 0 < self.n_units {
                let role = if on.axis == 0 { UnitRole::Makes } else { UnitRole::Reads };
                let n_weights = on.n_runs(&spec.shape) * on.run_length(&spec.shape);
                found.push(UnitMatrix { layer: layer_name(&spec.name).to_owned(), role, axis, n_weights });
            }
        }
        found.sort_by_key(|matrix| matrix.role == UnitRole::Reads);
        found
    }

    /// The weights that read the network's input, if the units are made of nothing else.
    pub fn input_weights(&self, network: &Network) -> Option<InputWeights> {
        let makers = self.axes.iter().enumerate().filter(|(_, on)| on.axis == 0 && on.block == 1);
        let mut weights = makers.filter(|(_, on)| network.layout().spec(on.param).kind == ParamKind::Weight);
        let (axis, on) = weights.next().filter(|_| weights.next().is_none())?;
        let node = network.nodes().iter().find(|node| weight_of(&node.op) == Some(on.param))?;
        if !is_input(network, *node.inputs.first()?) {
            return None;
        }
        let kernel = match (&node.op, network.layout().spec(on.param).shape.as_slice()) {
            (Op::Conv2d { .. }, &[_, channels, height, width]) => Some([channels, height, width]),
            (Op::Linear { .. }, _) => None,
            _ => return None,
        };
        Some(InputWeights { axis, kernel })
    }
}

impl ParamVec {
    /// Puts all that a tensor holds for one unit into `out`, which is emptied first; in the same order for every unit.
    pub fn read_unit(&self, on: &AxisUse, unit: usize, out: &mut Vec<f32>) {
        let (values, shape) = (self.tensor(on.param), &self.layout().spec(on.param).shape);
        out.clear();
        on.runs(shape, unit).for_each(|run| out.extend_from_slice(&values[run]));
    }
}

fn weight_of(op: &Op) -> Option<ParamId> {
    match *op {
        Op::Linear { weight, .. } | Op::Conv2d { weight, .. } => Some(weight),
        _ => None,
    }
}

/// Whether a node's values are those of the input, in the same order.
fn is_input(network: &Network, id: NodeId) -> bool {
    let node = &network.nodes()[id.0];
    match node.op {
        Op::Input => true,
        Op::Flatten => node.inputs.first().is_some_and(|&input| is_input(network, input)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo::{self, ConvNet};

    #[test]
    fn a_hidden_layer_is_made_by_rows_and_read_by_columns() {
        let network = zoo::mlp(&[2, 3, 4], true).unwrap();
        let values = (0..network.layout().len()).map(|v| v as f32).collect();
        let params = ParamVec::new(network.layout().clone(), values).unwrap();
        let group = &network.groups()[0];
        let matrices = group.matrices(network.layout());
        let roles: Vec<_> = matrices.iter().map(|matrix| (matrix.role, matrix.n_weights)).collect();
        assert_eq!(roles, [(UnitRole::Makes, 2), (UnitRole::Reads, 4)]);
        let mut row = Vec::new();
        params.read_unit(&group.axes[matrices[0].axis], 1, &mut row);
        assert_eq!(row, [2.0, 3.0]);
        // The second layer's weights begin behind 6 weights and 3 biases; unit 1 is its middle column.
        params.read_unit(&group.axes[matrices[1].axis], 1, &mut row);
        assert_eq!(row, [10.0, 13.0, 16.0, 19.0]);
    }

    #[test]
    fn only_the_first_layer_weighs_the_input() {
        let network = zoo::mlp(&[5, 4, 3, 2], true).unwrap();
        let found: Vec<_> = network.groups().iter().map(|group| group.input_weights(&network)).collect();
        assert_eq!(found[0].as_ref().map(|weights| weights.kernel), Some(None));
        assert_eq!(found[1], None);
    }

    #[test]
    fn the_kernels_of_a_first_convolution_are_images() {
        let network = ConvNet::lenet(&[3, 32, 32], 10).build().unwrap();
        let found: Vec<_> = network.groups().iter().map(|group| group.input_weights(&network)).collect();
        let kernel = found[0].as_ref().and_then(|weights| weights.kernel).unwrap();
        assert_eq!(kernel[0], 3);
        assert!(found[1..].iter().all(Option::is_none));
    }

    #[test]
    fn a_residual_stream_is_made_by_several_layers_and_has_no_single_image() {
        let network = zoo::by_name("resnet8").unwrap();
        let stream = network.groups().iter().find(|group| {
            1 < group.matrices(network.layout()).iter().filter(|matrix| matrix.role == UnitRole::Makes).count()
        });
        let stream = stream.unwrap();
        assert_eq!(stream.input_weights(&network), None);
        let roles: Vec<_> = stream.matrices(network.layout()).iter().map(|matrix| matrix.role).collect();
        assert!(roles.is_sorted_by_key(|role| *role == UnitRole::Reads), "makers come first");
    }
}
