//! Small networks of the classic kind: convolutions with pooling, then dense layers. LeNet, Conv2FC1 and their relatives.

use super::super::op::Window;
use super::super::{Activation, Conv, GraphBuilder, Network, Op, ShapeError};

/// A chain of convolutions, each with an activation and perhaps a pooling behind it, and of dense layers.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvNet {
    pub name: String,
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    pub convs: Vec<ConvStage>,
    pub activation: Activation,
    pub pooling: Pooling,
    /// Units of the dense layers; the last are the classes.
    pub dense: Vec<usize>,
    pub bias: bool,
}

/// One convolution of a [`ConvNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvStage {
    pub n_units: usize,
    pub kernel: usize,
    pub padding: usize,
    pub is_pooled: bool,
}

/// The pooling of a [`ConvNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    Max(Window),
    Average(Window),
}

impl ConvNet {
    /// LeNet-5 with ReLU and max pooling, as PyTorch's tutorials have it: 5x5 convolutions of 6 and 16 units, dense layers of
    /// 120 and 84. Images of 28x28 are padded to 32x32.
    pub fn lenet(input: &[usize], n_classes: usize) -> Self {
        let padding = if input.get(1) == Some(&28) { 2 } else { 0 };
        Self::pooled("lenet", input, &[(6, padding), (16, 0)], vec![120, 84, n_classes])
    }

    /// 5x5 convolutions of 16 and 32 units that keep the size of the map, then a dense layer of 128.
    pub fn lenet_16_32(input: &[usize], n_classes: usize) -> Self {
        Self::pooled("lenet-16-32", input, &[(16, 2), (32, 2)], vec![128, n_classes])
    }

    /// Conv2FC1 of Anokhin and Yarotsky (2020): 5x5 convolutions of 32 and 64 units, max pooling 3x3 with stride 2.
    pub fn conv2fc1(input: &[usize], n_classes: usize) -> Self {
        let pooling = Pooling::Max(Window::square(3).stride(2));
        Self { pooling, ..Self::pooled("conv2fc1", input, &[(32, 2), (64, 2)], vec![n_classes]) }
    }

    /// 5x5 convolutions of `(units, padding)`, each with ReLU and a halving max pooling.
    fn pooled(name: &str, input: &[usize], convs: &[(usize, usize)], dense: Vec<usize>) -> Self {
        let stage = |&(n_units, padding): &(usize, usize)| ConvStage { n_units, kernel: 5, padding, is_pooled: true };
        Self {
            name: name.to_owned(),
            input: input.to_vec(),
            convs: convs.iter().map(stage).collect(),
            activation: Activation::Relu,
            pooling: Pooling::Max(Window::square(2)),
            dense,
            bias: true,
        }
    }

    /// Builds it. Parameters are `conv1.weight`, ..., `fc1.weight`, ...
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, mut x) = GraphBuilder::new(&self.input);
        for (index, stage) in self.convs.iter().enumerate() {
            let conv = Conv { bias: self.bias, ..Conv::new(stage.n_units, stage.kernel).padding(stage.padding) };
            x = graph.conv(x, &format!("conv{}", index + 1), conv)?;
            x = graph.activation(x, self.activation)?;
            if stage.is_pooled {
                x = match self.pooling {
                    Pooling::Max(window) => graph.max_pool(x, window)?,
                    Pooling::Average(window) => graph.apply(Op::AvgPool { window, count_padding: true }, &[x])?,
                };
            }
        }
        x = graph.flatten(x)?;
        for (index, &n_units) in self.dense.iter().enumerate() {
            if 0 < index {
                x = graph.activation(x, self.activation)?;
            }
            x = graph.linear(x, &format!("fc{}", index + 1), n_units, self.bias)?;
        }
        graph.finish(self.name.as_str())
    }
}
