//! Networks that are chains: layers with weights one behind the other, between them only functions without parameters.

use super::op::Padding;
use super::{Activation, Network, NodeId, Op, ParamId, ParamVec, layer_name};

/// The layers with weights of a chain, from the images to the logits.
///
/// What lies between two of them (activations, pooling, flattening) is fixed, so that the values that enter a layer depend on
/// the layers before it alone, and its outputs are linear in its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    layers: Vec<SequenceLayer>,
    is_two_layer: bool,
}

/// One linear or convolutional layer of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceLayer {
    /// Its weight's name without `.weight`.
    pub name: String,
    pub node: NodeId,
    /// The node whose values enter it.
    pub input: NodeId,
    /// `[out, in]`, or `[out, in, kernel height, kernel width]`.
    pub weight: ParamId,
    /// `[out]`.
    pub bias: Option<ParamId>,
    /// How a convolution's kernel moves; `None` for linear layers.
    pub window: Option<ConvWindow>,
    /// Number of units that it makes.
    pub n_units: usize,
    /// The permutation group of its units, an index into [`Network::groups`]; `None` for the last layer.
    pub group: Option<usize>,
    /// Neighbouring places of the weight's axis 1 that each unit of the layer before fills: height x width behind a
    /// flattening, otherwise 1.
    pub block: usize,
}

/// The places of a map that a convolution reads, `[vertical, horizontal]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvWindow {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: Padding,
    pub dilation: [usize; 2],
}

impl Sequence {
    /// The chain that `network` is, or why it is none with at least one hidden layer.
    pub fn of(network: &Network) -> Result<Self, String> {
        if !network.aux_heads().is_empty() {
            return Err("it has auxiliary heads: expected a chain of layers".to_owned());
        }
        let nodes = network.nodes();
        let chain = chain(network)?;
        let mut layers: Vec<SequenceLayer> = Vec::new();
        for &node in &chain {
            let (weight, bias, window) = match nodes[node.0].op {
                Op::Linear { weight, bias } => (weight, bias, None),
                Op::Conv2d { weight, bias, stride, padding, dilation, .. } => {
                    let shape = &network.layout().spec(weight).shape;
                    (weight, bias, Some(ConvWindow { kernel: [shape[2], shape[3]], stride, padding, dilation }))
                }
                _ => continue,
            };
            let spec = network.layout().spec(weight);
            let block = layers.last().map_or(1, |before: &SequenceLayer| spec.shape[1] / before.n_units);
            layers.push(SequenceLayer {
                name: layer_name(&spec.name).to_owned(),
                node,
                input: nodes[node.0].inputs[0],
                weight,
                bias,
                window,
                n_units: spec.shape[0],
                group: group_made_by(network, weight),
                block,
            });
        }
        let Some((_, hidden)) = layers.split_last().filter(|(_, hidden)| !hidden.is_empty()) else {
            return Err(format!("it has {} layers with weights: expected at least 2", layers.len()));
        };
        if let Some(layer) = hidden.iter().find(|layer| layer.group.is_none()) {
            return Err(format!("the units of `{}` cannot change places", layer.name));
        }
        let ops: Vec<&Op> = chain.iter().map(|node| &nodes[node.0].op).filter(|op| **op != Op::Flatten).collect();
        let is_two_layer =
            matches!(ops[..], [Op::Input, Op::Linear { .. }, Op::Activation(Activation::Relu), Op::Linear { .. }]);
        Ok(Self { layers, is_two_layer })
    }

    /// From the images to the logits; at least two.
    pub fn layers(&self) -> &[SequenceLayer] {
        &self.layers
    }

    /// The layers of `member` from number `layer` on, weights and biases, upon those of `base`.
    pub fn head_on(&self, base: &ParamVec, member: &ParamVec, layer: usize) -> ParamVec {
        let mut head = member.clone();
        for below in &self.layers[..layer] {
            for id in std::iter::once(below.weight).chain(below.bias) {
                head.tensor_mut(id).copy_from_slice(base.tensor(id));
            }
        }
        head
    }

    /// Whether it is two linear layers with a ReLU between them.
    pub fn is_two_layer(&self) -> bool {
        self.is_two_layer
    }
}

/// The nodes from the input to the output, each of which reads the one before it.
fn chain(network: &Network) -> Result<Vec<NodeId>, String> {
    let nodes = network.nodes();
    let mut chain = vec![NodeId(nodes.len() - 1)];
    while let Some(&input) = nodes[chain[chain.len() - 1].0].inputs.first() {
        let op = &nodes[chain[chain.len() - 1].0].op;
        let found = match op {
            Op::BatchNorm { .. } | Op::LayerNorm { .. } | Op::GroupNorm { .. } => "a normalisation",
            Op::Conv2d { groups, .. } if 1 < *groups => "a convolution in groups",
            Op::Add => "an addition of several branches",
            Op::Concat => "a concatenation of several branches",
            Op::Slice { .. } | Op::Pad { .. } => "a choice of units",
            _ => {
                chain.push(input);
                continue;
            }
        };
        let layer = op.params().first().map(|id| format!(" (`{}`)", layer_name(&network.layout().spec(*id).name)));
        return Err(format!(
            "it has {found}{}: expected a chain of linear layers, convolutions, activations and pooling",
            layer.unwrap_or_default()
        ));
    }
    chain.reverse();
    Ok(chain)
}

/// The group of all units that a layer makes, if they all can change places.
fn group_made_by(network: &Network, weight: ParamId) -> Option<usize> {
    let n_units = network.layout().spec(weight).shape[0];
    network.groups().iter().position(|group| {
        group.n_units == n_units && group.axes.iter().any(|axis_use| axis_use.param == weight && axis_use.axis == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo::{self, ConvNet};

    #[test]
    fn the_layers_of_a_perceptron_are_a_chain() {
        let network = zoo::mlp(&[6, 5, 4, 3], true).unwrap();
        let sequence = Sequence::of(&network).unwrap();
        let layers = sequence.layers();
        assert_eq!(layers.iter().map(|layer| layer.n_units).collect::<Vec<_>>(), [5, 4, 3]);
        assert_eq!(layers.iter().map(|layer| layer.group).collect::<Vec<_>>(), [Some(0), Some(1), None]);
        assert!(layers.iter().all(|layer| layer.window.is_none() && layer.bias.is_some() && layer.block == 1));
        assert!(!sequence.is_two_layer());
        let two_layers = Sequence::of(&zoo::mlp(&[6, 5, 3], false).unwrap()).unwrap();
        assert!(two_layers.is_two_layer());
        assert!(two_layers.layers().iter().all(|layer| layer.bias.is_none()));
    }

    #[test]
    fn convolutions_say_their_windows_and_how_their_units_enter_dense_layers() {
        let network = ConvNet::conv2fc1(&[3, 32, 32], 10).build().unwrap();
        let sequence = Sequence::of(&network).unwrap();
        let [first, second, dense] = sequence.layers() else { panic!("{sequence:?}") };
        let window = ConvWindow { kernel: [5, 5], stride: [1, 1], padding: [[2, 2], [2, 2]], dilation: [1, 1] };
        assert_eq!([first.window, second.window, dense.window], [Some(window), Some(window), None]);
        assert_eq!([first.block, second.block, dense.block], [1, 1, 49]);
        assert_eq!(network.nodes()[dense.input.0].shape, [64 * 49]);
        assert!(!sequence.is_two_layer());
    }

    /// `block` agrees with what the groups derive from the graph.
    #[test]
    fn units_enter_the_next_layer_in_neighbouring_places() {
        for network in zoo::samples() {
            let Ok(sequence) = Sequence::of(&network) else { continue };
            for pair in sequence.layers().windows(2) {
                let group = &network.groups()[pair[0].group.unwrap()];
                let entry = group.axes.iter().find(|u| u.param == pair[1].weight && u.axis == 1).unwrap();
                assert_eq!(entry.block, pair[1].block, "{}", network.name());
                assert!(entry.places.iter().copied().eq(0..pair[0].n_units * entry.block), "{}", network.name());
            }
        }
    }

    #[track_caller]
    fn assert_refused(name: &str, reason: &str) {
        let error = Sequence::of(&zoo::by_name(name).unwrap()).unwrap_err();
        assert!(error.contains(reason), "{name}: {error}");
    }

    #[test]
    fn what_is_no_chain_says_why() {
        assert_refused("vgg11-bn", "a normalisation (`");
        assert_refused("resnet20", "an addition of several branches");
        assert_refused("googlenet", "auxiliary heads");
        assert_refused("googlenet-noaux", "a concatenation");
        assert_refused("784-10", "1 layers with weights");
        assert!(Sequence::of(&zoo::by_name("vgg16").unwrap()).is_ok());
        assert!(Sequence::of(&zoo::by_name("fc3").unwrap()).is_ok());
    }
}
