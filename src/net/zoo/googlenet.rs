//! GoogLeNet (Szegedy et al., 2015) with torchvision's layers, for small images as in Tatro et al. (2020).

use super::super::op::Window;
use super::super::{Conv, GraphBuilder, Network, NodeId, Op, ShapeError};

/// The names, and units of the branches, of the inception blocks: 1x1 | 1x1, 3x3 | 1x1, 3x3 | 1x1 behind pooling.
pub(super) const BLOCKS: [(&str, [usize; 6]); 9] = [
    ("inception3a", [64, 96, 128, 16, 32, 32]),
    ("inception3b", [128, 128, 192, 32, 96, 64]),
    ("inception4a", [192, 96, 208, 16, 48, 64]),
    ("inception4b", [160, 112, 224, 24, 64, 64]),
    ("inception4c", [128, 128, 256, 24, 64, 64]),
    ("inception4d", [112, 144, 288, 32, 64, 64]),
    ("inception4e", [256, 160, 320, 32, 128, 128]),
    ("inception5a", [256, 160, 320, 32, 128, 128]),
    ("inception5b", [384, 192, 384, 48, 128, 128]),
];
/// Blocks before which plain forms of the network halve the map.
pub(super) const INPUT_HALVED: [&str; 2] = ["inception4a", "inception5a"];
/// Epsilon of its batch norms.
const EPS: f32 = 1e-3;
/// Weight of an auxiliary head's loss in training.
const AUX_WEIGHT: f32 = 0.3;
/// Units that reach the dense layers of an auxiliary head, and of the first of them.
const AUX_UNITS: [usize; 2] = [128, 1024];

/// GoogLeNet for small images: no pooling behind the first convolution, none before the last two blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogLeNet {
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Units are divided by this: 1 in the paper.
    pub divisor: usize,
    /// Whether there are auxiliary heads behind blocks 4a and 4d.
    pub aux_heads: bool,
    pub n_classes: usize,
}

impl GoogLeNet {
    /// The network of the paper.
    pub fn new(input: &[usize], n_classes: usize) -> Self {
        Self { input: input.to_vec(), divisor: 1, aux_heads: true, n_classes }
    }

    /// Builds it. Parameters are `conv1.conv`, `conv1.bn`, `inception3a.branch1.conv`, ..., `aux1.fc1`, ..., `fc`.
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, input) = GraphBuilder::new(&self.input);
        let g = &mut graph;
        let mut x = self.conv(g, input, "conv1", Conv::new(64, 7).padding(3))?;
        x = self.conv(g, x, "conv2", Conv::new(64, 1))?;
        x = self.conv(g, x, "conv3", Conv::new(192, 3).padding(1))?;
        let halve = Window::square(3).stride(2).ceil();
        x = g.max_pool(x, halve)?;
        let mut aux_inputs = Vec::new();
        for (name, units) in BLOCKS {
            if name == "inception4a" {
                x = g.max_pool(x, halve)?;
            }
            x = self.inception(g, x, name, units)?;
            if self.aux_heads && ["inception4a", "inception4d"].contains(&name) {
                aux_inputs.push(x);
            }
        }
        for (number, from) in (1..).zip(aux_inputs) {
            let head = self.aux_head(g, from, &format!("aux{number}"))?;
            g.aux_head(head, AUX_WEIGHT);
        }
        x = g.global_avg_pool(x)?;
        g.linear(x, "fc", self.n_classes, true)?;
        let kind = if self.aux_heads { "" } else { "-noaux" };
        let width = if self.divisor == 1 { String::new() } else { format!(", units divided by {}", self.divisor) };
        graph.finish(format!("googlenet{kind}{width}"))
    }

    fn inception(
        &self,
        g: &mut GraphBuilder,
        x: NodeId,
        name: &str,
        [b1, b2_reduce, b2, b3_reduce, b3, b4]: [usize; 6],
    ) -> Result<NodeId, ShapeError> {
        let wide = |n_units: usize| Conv::new(n_units, 3).padding(1);
        let first = self.conv(g, x, &format!("{name}.branch1"), Conv::new(b1, 1))?;
        let second = self.conv(g, x, &format!("{name}.branch2.0"), Conv::new(b2_reduce, 1))?;
        let second = self.conv(g, second, &format!("{name}.branch2.1"), wide(b2))?;
        let third = self.conv(g, x, &format!("{name}.branch3.0"), Conv::new(b3_reduce, 1))?;
        let third = self.conv(g, third, &format!("{name}.branch3.1"), wide(b3))?;
        let fourth = g.max_pool(x, Window::square(3).stride(1).padding(1))?;
        let fourth = self.conv(g, fourth, &format!("{name}.branch4.1"), Conv::new(b4, 1))?;
        g.concat(&[first, second, third, fourth])
    }

    fn aux_head(&self, g: &mut GraphBuilder, x: NodeId, name: &str) -> Result<NodeId, ShapeError> {
        let x = g.apply(Op::AdaptiveAvgPool { size: [4, 4] }, &[x])?;
        let x = self.conv(g, x, &format!("{name}.conv"), Conv::new(AUX_UNITS[0], 1))?;
        let x = g.flatten(x)?;
        let x = g.linear(x, &format!("{name}.fc1"), self.units(AUX_UNITS[1]), true)?;
        let x = g.relu(x)?;
        g.linear(x, &format!("{name}.fc2"), self.n_classes, true)
    }

    /// A convolution with batch norm and ReLU.
    fn conv(&self, g: &mut GraphBuilder, x: NodeId, name: &str, conv: Conv) -> Result<NodeId, ShapeError> {
        let conv = Conv { n_units: self.units(conv.n_units), ..conv.no_bias() };
        let x = g.conv(x, &format!("{name}.conv"), conv)?;
        let x = g.batch_norm_eps(x, &format!("{name}.bn"), EPS)?;
        g.relu(x)
    }

    fn units(&self, n: usize) -> usize {
        n.div_ceil(self.divisor)
    }
}
