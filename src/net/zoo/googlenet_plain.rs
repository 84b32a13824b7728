//! GoogLeNet for small images as kuangliu's pytorch-cifar has it, from which many CIFAR repositories took theirs.

use super::super::op::Window;
use super::super::{Conv, GraphBuilder, Network, NodeId, ShapeError};
use super::googlenet::{BLOCKS, INPUT_HALVED};

/// One 3x3 convolution before the inception blocks, two 3x3 convolutions in the third branch, biases everywhere, no auxiliary
/// heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainGoogLeNet {
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Units are divided by this: 1 in the paper.
    pub divisor: usize,
    pub n_classes: usize,
}

impl PlainGoogLeNet {
    /// With the paper's units.
    pub fn new(input: &[usize], n_classes: usize) -> Self {
        Self { input: input.to_vec(), divisor: 1, n_classes }
    }

    /// Builds it. Parameters are `pre_layers.0`, `pre_layers.1`, `a3.b1.0`, ..., `b5.b4.2`, `linear`.
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, input) = GraphBuilder::new(&self.input);
        let g = &mut graph;
        let mut x = self.conv(g, input, "pre_layers", 0, wide(192))?;
        for (name, units) in BLOCKS {
            if INPUT_HALVED.contains(&name) {
                x = g.max_pool(x, Window::square(3).stride(2).padding(1))?;
            }
            // `inception3a` is `a3`.
            let place = name.trim_start_matches("inception");
            let (stage, letter) = place.split_at(1);
            x = self.inception(g, x, &format!("{letter}{stage}"), units)?;
        }
        x = g.global_avg_pool(x)?;
        g.linear(x, "linear", self.n_classes, true)?;
        let width = if self.divisor == 1 { String::new() } else { format!(", units divided by {}", self.divisor) };
        graph.finish(format!("googlenet-plain{width}"))
    }

    fn inception(
        &self,
        g: &mut GraphBuilder,
        x: NodeId,
        name: &str,
        [b1, b2_reduce, b2, b3_reduce, b3, b4]: [usize; 6],
    ) -> Result<NodeId, ShapeError> {
        let branch = |number: usize| format!("{name}.b{number}");
        let narrow = |n_units: usize| Conv::new(n_units, 1);
        let first = self.conv(g, x, &branch(1), 0, narrow(b1))?;
        let second = self.conv(g, x, &branch(2), 0, narrow(b2_reduce))?;
        let second = self.conv(g, second, &branch(2), 3, wide(b2))?;
        let third = self.conv(g, x, &branch(3), 0, narrow(b3_reduce))?;
        let third = self.conv(g, third, &branch(3), 3, wide(b3))?;
        let third = self.conv(g, third, &branch(3), 6, wide(b3))?;
        let fourth = g.max_pool(x, Window::square(3).stride(1).padding(1))?;
        let fourth = self.conv(g, fourth, &branch(4), 1, narrow(b4))?;
        g.concat(&[first, second, third, fourth])
    }

    /// A convolution at a place of a sequence, the batch norm behind it, and ReLU.
    fn conv(
        &self,
        g: &mut GraphBuilder,
        x: NodeId,
        sequence: &str,
        place: usize,
        conv: Conv,
    ) -> Result<NodeId, ShapeError> {
        let conv = Conv { n_units: conv.n_units.div_ceil(self.divisor), ..conv };
        let x = g.conv(x, &format!("{sequence}.{place}"), conv)?;
        let x = g.batch_norm(x, &format!("{sequence}.{}", place + 1))?;
        g.relu(x)
    }
}

/// A 3x3 convolution that keeps the size of the map.
fn wide(n_units: usize) -> Conv {
    Conv::new(n_units, 3).padding(1)
}
