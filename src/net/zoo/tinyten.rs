//! TinyTen, the small all-convolutional network of Tatro et al. (2020).

use super::super::{Conv, GraphBuilder, Network, ShapeError};

/// Units (as multiples of the first layer's), kernel, stride and padding of its convolutions.
pub(in super::super) const LAYERS: [(usize, usize, usize, usize); 8] =
    [(1, 3, 1, 1), (1, 3, 1, 1), (2, 3, 2, 1), (2, 3, 1, 1), (2, 3, 1, 1), (4, 3, 2, 1), (4, 3, 1, 0), (4, 1, 1, 0)];

/// Eight convolutions with biases, each with batch norm and ReLU, a mean over the map and a dense layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TinyTen {
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Units of the first layer: 16 in the paper.
    pub width: usize,
    pub bias: bool,
    pub n_classes: usize,
}

impl TinyTen {
    /// The network of the paper.
    pub fn new(input: &[usize], n_classes: usize) -> Self {
        Self { input: input.to_vec(), width: 16, bias: true, n_classes }
    }

    /// Builds it. Parameters are `conv1.weight`, ..., `bn1.weight`, ..., `fc.weight`, ...
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, mut x) = GraphBuilder::new(&self.input);
        for (number, (factor, kernel, stride, padding)) in (1..).zip(LAYERS) {
            let conv = Conv::new(factor * self.width, kernel).stride(stride).padding(padding);
            x = graph.conv(x, &format!("conv{number}"), Conv { bias: self.bias, ..conv })?;
            x = graph.batch_norm(x, &format!("bn{number}"))?;
            x = graph.relu(x)?;
        }
        x = graph.global_avg_pool(x)?;
        graph.linear(x, "fc", self.n_classes, true)?;
        graph.finish(if self.width == 16 { "tinyten".to_owned() } else { format!("tinyten, {} units", self.width) })
    }
}
