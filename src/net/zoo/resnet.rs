//! Residual networks: those for CIFAR with both kinds of shortcuts (He et al., 2015), those with four stages, with
//! pre-activation (He et al., 2016), and wide ones (Zagoruyko and Komodakis, 2016).

use super::super::op::Window;
use super::super::{Conv, GraphBuilder, Network, NodeId, Op, ShapeError};

/// A residual network: a stem, stages of blocks, a mean over the map and a dense layer. Every stage but the first halves
/// the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNet {
    pub name: String,
    /// `[channels, height, width]`.
    pub input: Vec<usize>,
    /// Units of the first convolution.
    pub stem: usize,
    /// The first convolution: 3x3, or 7x7 with stride 2 and a max pooling behind it.
    pub stem_kernel: usize,
    pub stages: Vec<Stage>,
    pub order: Order,
    pub shortcut: Shortcut,
    /// Whether the convolutions have biases.
    pub bias: bool,
    pub n_classes: usize,
    /// Names of the shortcut and of the dense layer.
    pub names: Names,
}

/// Blocks of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    pub n_blocks: usize,
    /// Units of a block's output.
    pub n_units: usize,
    /// Units inside a bottleneck of 1x1, 3x3 and 1x1 convolutions; without, a block has two 3x3 convolutions.
    pub bottleneck: Option<usize>,
}

/// Where norm and activation stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Behind the convolutions and the addition.
    Post,
    /// Before the convolutions.
    Pre(PreActivation),
}

/// What pre-activated networks differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreActivation {
    /// Whether the second 3x3 convolution of a block halves the map, not the first.
    pub late_stride: bool,
    /// Whether projections read the block's input behind norm and ReLU, not before.
    pub activated_shortcut: bool,
    /// Whether norm and ReLU follow the last block.
    pub final_norm: bool,
}

/// The shortcut around a block that changes the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Option A: every second pixel, and channels of zeros on both sides.
    PadBoth,
    /// Option A with all channels of zeros behind.
    PadBehind,
    /// Option B: a 1x1 convolution, perhaps with batch norm.
    Project { norm: bool },
}

/// How layers are called that repositories name differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    pub shortcut: &'static str,
    pub final_norm: &'static str,
    pub head: &'static str,
}

impl ResNet {
    /// ResNet for CIFAR with `6 n + 2` layers of `factor` times 16, 32 and 64 units; `None` for another depth.
    pub fn cifar(depth: usize, shortcut: Shortcut, factor: usize, input: &[usize], n_classes: usize) -> Option<Self> {
        let n_blocks = blocks_of(depth, 6)?;
        let kind = if matches!(shortcut, Shortcut::Project { .. }) { "" } else { "-a" };
        let width = if factor == 1 { String::new() } else { format!("-w{factor}") };
        Some(Self {
            name: format!("resnet{depth}{kind}{width}"),
            input: input.to_vec(),
            stem: 16 * factor,
            stem_kernel: 3,
            stages: stages(n_blocks, &[16 * factor, 32 * factor, 64 * factor], None),
            order: Order::Post,
            shortcut,
            bias: false,
            n_classes,
            names: Names { shortcut: "shortcut", final_norm: "bn", head: "linear" },
        })
    }

    /// ResNet-18, 34 or 50 with four stages of 64 to 512 units (times 4 with bottlenecks); `None` for another depth.
    ///
    /// With the stem of ImageNet (7x7, stride 2, max pooling) its names are torchvision's.
    pub fn four_stages(depth: usize, is_imagenet: bool, input: &[usize], n_classes: usize) -> Option<Self> {
        let (n_blocks, expansion) = match depth {
            18 => ([2, 2, 2, 2], None),
            34 => ([3, 4, 6, 3], None),
            50 => ([3, 4, 6, 3], Some(4)),
            _ => return None,
        };
        let stage = |(n_blocks, width): (usize, usize)| stages(n_blocks, &[width], expansion);
        Some(Self {
            name: format!("resnet{depth}{}", if is_imagenet { "-imagenet" } else { "" }),
            input: input.to_vec(),
            stem: 64,
            stem_kernel: if is_imagenet { 7 } else { 3 },
            stages: n_blocks.into_iter().zip([64, 128, 256, 512]).flat_map(stage).collect(),
            order: Order::Post,
            shortcut: Shortcut::Project { norm: true },
            bias: false,
            n_classes,
            names: if is_imagenet {
                Names { shortcut: "downsample", final_norm: "bn", head: "fc" }
            } else {
                Names { shortcut: "shortcut", final_norm: "bn", head: "linear" }
            },
        })
    }

    /// Pre-activated ResNet for CIFAR: `9 n + 2` layers in bottlenecks, or `6 n + 2` in plain blocks below 44 layers; `None`
    /// for another depth.
    pub fn pre_activated(depth: usize, input: &[usize], n_classes: usize) -> Option<Self> {
        let expansion = (44 <= depth).then_some(4);
        let n_blocks = blocks_of(depth, if expansion.is_some() { 9 } else { 6 })?;
        Some(Self {
            name: format!("preresnet{depth}"),
            input: input.to_vec(),
            stem: 16,
            stem_kernel: 3,
            stages: stages(n_blocks, &[16, 32, 64], expansion),
            order: Order::Pre(PreActivation { late_stride: false, activated_shortcut: false, final_norm: true }),
            shortcut: Shortcut::Project { norm: false },
            bias: false,
            n_classes,
            names: Names { shortcut: "downsample", final_norm: "bn", head: "fc" },
        })
    }

    /// WideResNet with `6 n + 4` layers, `factor` times wider than a ResNet; `None` for another depth.
    pub fn wide(depth: usize, factor: usize, input: &[usize], n_classes: usize) -> Option<Self> {
        let n_blocks = blocks_of(depth.checked_sub(2)?, 6)?;
        Some(Self {
            name: format!("wrn{depth}-{factor}"),
            input: input.to_vec(),
            stem: 16,
            stem_kernel: 3,
            stages: stages(n_blocks, &[16 * factor, 32 * factor, 64 * factor], None),
            order: Order::Pre(PreActivation { late_stride: false, activated_shortcut: true, final_norm: true }),
            shortcut: Shortcut::Project { norm: false },
            bias: false,
            n_classes,
            names: Names { shortcut: "shortcut", final_norm: "bn1", head: "linear" },
        })
    }

    /// Builds it. Parameters are `conv1`, `bn1`, `layer1.0.conv1`, ..., the head's last.
    pub fn build(&self) -> Result<Network, ShapeError> {
        let (mut graph, input) = GraphBuilder::new(&self.input);
        let is_large = self.stem_kernel == 7;
        let stem = Conv::new(self.stem, self.stem_kernel).stride(if is_large { 2 } else { 1 });
        let mut x = graph.conv(input, "conv1", self.conv(stem.padding(self.stem_kernel / 2)))?;
        if self.order == Order::Post {
            x = graph.batch_norm(x, "bn1")?;
            x = graph.relu(x)?;
        }
        if is_large {
            x = graph.max_pool(x, Window::square(3).stride(2).padding(1))?;
        }
        for (stage_index, stage) in self.stages.iter().enumerate() {
            for block in 0..stage.n_blocks {
                let stride = if 0 < stage_index && block == 0 { 2 } else { 1 };
                x = self.block(&mut graph, x, &format!("layer{}.{block}", stage_index + 1), *stage, stride)?;
            }
        }
        if matches!(self.order, Order::Pre(PreActivation { final_norm: true, .. })) {
            x = graph.batch_norm(x, self.names.final_norm)?;
            x = graph.relu(x)?;
        }
        x = graph.global_avg_pool(x)?;
        graph.linear(x, self.names.head, self.n_classes, true)?;
        graph.finish(self.name.as_str())
    }

    fn block(
        &self,
        graph: &mut GraphBuilder,
        input: NodeId,
        name: &str,
        stage: Stage,
        stride: usize,
    ) -> Result<NodeId, ShapeError> {
        // Units and kernels of the convolutions, and which of them has the stride.
        let (convs, strided): (Vec<(usize, usize)>, usize) = match (stage.bottleneck, self.order) {
            (Some(inner), _) => (vec![(inner, 1), (inner, 3), (stage.n_units, 1)], 1),
            (None, Order::Pre(pre)) => (vec![(stage.n_units, 3); 2], usize::from(pre.late_stride)),
            (None, Order::Post) => (vec![(stage.n_units, 3); 2], 0),
        };
        let mut x = input;
        let mut shortcut_input = input;
        for (index, &(n_units, kernel)) in convs.iter().enumerate() {
            let conv = Conv::new(n_units, kernel).padding(kernel / 2).stride(if index == strided { stride } else { 1 });
            let (conv_name, norm_name) = (format!("{name}.conv{}", index + 1), format!("{name}.bn{}", index + 1));
            if let Order::Pre(pre) = self.order {
                x = graph.batch_norm(x, &norm_name)?;
                x = graph.relu(x)?;
                if index == 0 && pre.activated_shortcut {
                    shortcut_input = x;
                }
                x = graph.conv(x, &conv_name, self.conv(conv))?;
            } else {
                x = graph.conv(x, &conv_name, self.conv(conv))?;
                x = graph.batch_norm(x, &norm_name)?;
                if index + 1 < convs.len() {
                    x = graph.relu(x)?;
                }
            }
        }
        let changes = stride != 1 || graph.shape(input)[0] != stage.n_units;
        let shortcut =
            if changes { self.shortcut(graph, input, shortcut_input, name, stage.n_units, stride)? } else { input };
        let sum = graph.add(x, shortcut)?;
        if self.order == Order::Post { graph.relu(sum) } else { Ok(sum) }
    }

    /// The shortcut of a block that changes the width or the size of the map.
    fn shortcut(
        &self,
        graph: &mut GraphBuilder,
        input: NodeId,
        projected: NodeId,
        block: &str,
        n_units: usize,
        stride: usize,
    ) -> Result<NodeId, ShapeError> {
        let Shortcut::Project { norm } = self.shortcut else {
            let kept = if stride == 1 { input } else { graph.max_pool(input, Window::square(1).stride(stride))? };
            let missing = n_units.saturating_sub(graph.shape(input)[0]);
            let before = if self.shortcut == Shortcut::PadBoth { missing / 2 } else { 0 };
            return graph.apply(Op::Pad { before, behind: missing - before }, &[kept]);
        };
        let name = format!("{block}.{}", self.names.shortcut);
        let x = graph.conv(projected, &format!("{name}.0"), self.conv(Conv::new(n_units, 1).stride(stride)))?;
        if norm { graph.batch_norm(x, &format!("{name}.1")) } else { Ok(x) }
    }

    fn conv(&self, conv: Conv) -> Conv {
        Conv { bias: self.bias, ..conv }
    }
}

/// Blocks of each of three stages with `per_block` layers for one block in each, and two layers around them.
fn blocks_of(depth: usize, per_block: usize) -> Option<usize> {
    let inner = depth.checked_sub(2)?;
    (0 < inner && inner.is_multiple_of(per_block)).then_some(inner / per_block)
}

/// Stages of `n_blocks` blocks each; with an `expansion`, bottlenecks whose outputs are so many times wider.
fn stages(n_blocks: usize, widths: &[usize], expansion: Option<usize>) -> Vec<Stage> {
    let stage = |&width: &usize| Stage {
        n_blocks,
        n_units: width * expansion.unwrap_or(1),
        bottleneck: expansion.map(|_| width),
    };
    widths.iter().map(stage).collect()
}
