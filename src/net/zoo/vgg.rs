//! VGG networks (Simonyan and Zisserman, 2015), with the heads they have on CIFAR and ImageNet.

use super::super::op::Window;
use super::super::{Conv, GraphBuilder, Network, Op, ShapeError};

/// A VGG network: stages of 3x3 convolutions with ReLU, each stage closed by a halving max pooling, then dense layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vgg {
    pub name: String,
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Units of the convolutions of every stage.
    pub stages: Vec<Vec<usize>>,
    pub batch_norm: bool,
    /// Whether the convolutions have biases.
    pub conv_bias: bool,
    pub head: VggHead,
    /// Units of the dense layers; the last are the classes.
    pub dense: Vec<usize>,
}

/// How the maps become dense layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VggHead {
    /// Flattened; dense layers are named `classifier.1`, `.4`, `.6`, as behind dropout (Garipov et al., 2018), or `classifier`
    /// where there is only one.
    Cifar,
    /// Pooled to 7x7 and flattened; `classifier.0`, `.3`, `.6` (torchvision).
    Torchvision,
}

/// Convolutions of each stage of VGG with `n_layers` layers (11, 13, 16 or 19).
pub(in super::super) fn stage_lengths(n_layers: usize) -> Option<[usize; 5]> {
    match n_layers {
        11 => Some([1, 1, 2, 2, 2]),
        13 => Some([2, 2, 2, 2, 2]),
        16 => Some([2, 2, 3, 3, 3]),
        19 => Some([2, 2, 4, 4, 4]),
        _ => None,
    }
}

impl Vgg {
    /// VGG with `n_layers` layers and CIFAR's head of two dense layers of 512 units, as mode connectivity papers use it;
    /// `None` if there is no such VGG.
    pub fn new(n_layers: usize, batch_norm: bool, input: &[usize], n_classes: usize) -> Option<Self> {
        let units = [64, 128, 256, 512, 512];
        let lengths = stage_lengths(n_layers)?;
        Some(Self {
            name: format!("vgg{n_layers}{}", if batch_norm { "-bn" } else { "" }),
            input: input.to_vec(),
            stages: units.iter().zip(lengths).map(|(&n_units, length)| vec![n_units; length]).collect(),
            batch_norm,
            conv_bias: true,
            head: VggHead::Cifar,
            dense: vec![512, 512, n_classes],
        })
    }

    /// A single dense layer behind the convolutions.
    pub fn single_dense(mut self) -> Self {
        self.name += "-linear";
        self.dense.drain(..self.dense.len() - 1);
        self
    }

    /// torchvision's head of two dense layers of 4,096 units.
    pub fn torchvision(mut self) -> Self {
        self.name += "-torchvision";
        self.head = VggHead::Torchvision;
        let n_hidden = self.dense.len() - 1;
        self.dense[..n_hidden].fill(4096);
        self
    }

    /// Builds it. Convolutions are `features.N`, numbered as in PyTorch's `Sequential`.
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, mut x) = GraphBuilder::new(&self.input);
        let mut place = 0;
        for stage in &self.stages {
            for &n_units in stage {
                let conv = Conv { bias: self.conv_bias, ..Conv::new(n_units, 3).padding(1) };
                x = graph.conv(x, &format!("features.{place}"), conv)?;
                if self.batch_norm {
                    place += 1;
                    x = graph.batch_norm(x, &format!("features.{place}"))?;
                }
                x = graph.relu(x)?;
                place += 2;
            }
            x = graph.max_pool(x, Window::square(2))?;
            place += 1;
        }
        if self.head == VggHead::Torchvision {
            x = graph.apply(Op::AdaptiveAvgPool { size: [7, 7] }, &[x])?;
        }
        x = graph.flatten(x)?;
        for (index, &n_units) in self.dense.iter().enumerate() {
            if 0 < index {
                x = graph.relu(x)?;
            }
            x = graph.linear(x, &self.dense_name(index), n_units, true)?;
        }
        graph.finish(self.name.as_str())
    }

    fn dense_name(&self, index: usize) -> String {
        match self.head {
            VggHead::Cifar if self.dense.len() == 1 => "classifier".to_owned(),
            VggHead::Cifar if self.dense.len() == index + 1 => format!("classifier.{}", 3 * index),
            VggHead::Cifar => format!("classifier.{}", 3 * index + 1),
            VggHead::Torchvision => format!("classifier.{}", 3 * index),
        }
    }
}
