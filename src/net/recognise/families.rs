//! Which networks of the zoo a file's layers may be, with the widths and depths that their shapes say.
//!
//! A guess need not be right: it is built and held against the file afterwards. Where the shapes come close to a family
//! without fitting it, the guess says in the error what was expected.

use super::super::op::Window;
use super::super::zoo::{
    ConvNet, ConvStage, GoogLeNet, Names, Order, PlainGoogLeNet, Pooling, PreActivation, ResNet, Shortcut, Stage,
    TINYTEN_LAYERS, TinyTen, Vgg, VggHead, vgg_stage_lengths,
};
use super::super::{Activation, Network};
use super::layers::{Kind, Layer};

/// Shapes of images to build networks for, `[channels, height, width]`, in groups that are tried one after the other: the
/// shape that is wanted, then those of the usual data sets.
pub(super) fn input_shapes(layers: &[Layer], wanted: Option<&[usize]>) -> Vec<Vec<Vec<usize>>> {
    // The images have as many channels as some convolution has inputs; which, depends on the order.
    let mut channels: Vec<usize> = layers.iter().filter(|l| l.kind == Kind::Conv).map(Layer::n_in).collect();
    channels.sort_unstable();
    channels.dedup();
    let wanted = wanted.filter(|shape| shape.len() == 3 && channels.contains(&shape[0]));
    let n_channels = channels.iter().find(|&&c| c == 1 || c == 3).or(channels.first()).copied().unwrap_or(1);
    let is_imagenet = layers.iter().any(|layer| layer.kind == Kind::Linear && layer.n_out() == 1000);
    let sides: &[usize] = match (n_channels, is_imagenet) {
        (1, _) => &[28, 32],
        (_, true) => &[224, 32, 64],
        (_, false) => &[32, 224, 64],
    };
    let usual = sides.iter().map(|&side| vec![vec![n_channels, side, side]]);
    wanted.map(|shape| vec![shape.to_vec()]).into_iter().chain(usual).collect()
}

/// What families have in common: the layers in their order, by kind.
struct Shapes<'a> {
    convs: Vec<&'a Layer>,
    dense: Vec<&'a Layer>,
    n_norms: usize,
    input: &'a [usize],
    n_classes: usize,
    /// Whether names call the shortcuts as torchvision does.
    has_downsample: bool,
}

/// The networks that `layers`, in this order, may be, on images of shape `input`; the likelier ones of a family first.
pub(super) fn hypotheses(layers: &[&Layer], input: &[usize]) -> Vec<Network> {
    let of = |kind: Kind| layers.iter().copied().filter(|layer| layer.kind == kind).collect::<Vec<_>>();
    let (convs, dense) = (of(Kind::Conv), of(Kind::Linear));
    let Some(last) = dense.last() else { return Vec::new() };
    let n_norms = layers.len() - convs.len() - dense.len();
    let has_downsample = layers.iter().any(|layer| layer.name.contains("downsample"));
    let shapes = Shapes { n_classes: last.n_out(), convs, dense, n_norms, input, has_downsample };
    let built = [
        vgg(&shapes).map(|vgg| vgg.build()).into_iter().collect(),
        convnets(&shapes).iter().map(ConvNet::build).collect(),
        tinyten(&shapes).map(|tinyten| tinyten.build()).into_iter().collect(),
        residual(&shapes).iter().map(ResNet::build).collect(),
        googlenet(&shapes).map(|googlenet| googlenet.build()).into_iter().collect::<Vec<_>>(),
        plain_googlenet(&shapes).map(|googlenet| googlenet.build()).into_iter().collect(),
    ];
    // A guess whose shapes do not even fit each other is wrong.
    built.into_iter().flatten().filter_map(Result::ok).collect()
}

/// VGG of the nearest depth; stages of one width each.
fn vgg(shapes: &Shapes<'_>) -> Option<Vgg> {
    let Shapes { convs, dense, n_norms, input, n_classes, .. } = shapes;
    if convs.len() < 6 {
        return None;
    }
    let n_layers = [11_usize, 13, 16, 19].into_iter().min_by_key(|n| (n - 3).abs_diff(convs.len()))?;
    let mut units = convs.iter().map(|conv| conv.n_out());
    let stages: Vec<Vec<usize>> =
        vgg_stage_lengths(n_layers)?.iter().map(|&length| units.by_ref().take(length).collect()).collect();
    if stages.iter().any(|stage| stage.windows(2).any(|pair| pair[0] != pair[1])) {
        return None;
    }
    let n_positions = dense[0].n_in() / stages.last()?.last()?;
    let (head, input) = match n_positions {
        49 => (VggHead::Torchvision, input.to_vec()),
        // Five poolings leave one pixel of 32.
        n => (VggHead::Cifar, [&input[..1], &[32 * n.isqrt(); 2]].concat()),
    };
    if input != *shapes.input {
        return None;
    }
    let plain = [64, 128, 256, 512, 512];
    let is_plain = stages.iter().zip(plain).all(|(stage, n)| stage.first() == Some(&n));
    let ending = match (head, dense.len()) {
        (VggHead::Torchvision, _) => "-torchvision",
        (VggHead::Cifar, 1) => "-linear",
        _ => "",
    };
    Some(Vgg {
        name: format!(
            "vgg{n_layers}{}{ending}{}",
            if *n_norms == 0 { "" } else { "-bn" },
            if is_plain { String::new() } else { format!(", {} to {} units", stages[0][0], stages[4][0]) },
        ),
        input,
        stages,
        batch_norm: 0 < *n_norms,
        conv_bias: convs[0].has_bias(),
        head,
        dense: dense.iter().map(|layer| layer.n_out()).take(dense.len() - 1).chain([*n_classes]).collect(),
    })
}

/// Chains of at most four convolutions, with every padding and pooling that leaves as many pixels as the first dense layer
/// reads, and the activations that such networks have.
fn convnets(shapes: &Shapes<'_>) -> Vec<ConvNet> {
    const MAX_CONVS: usize = 4;
    let Shapes { convs, dense, .. } = shapes;
    if MAX_CONVS < convs.len() {
        return Vec::new();
    }
    let halving = Window::square(2);
    let overlapping = Window::square(3).stride(2);
    let mut nets: Vec<ConvNet> = Vec::new();
    for (window, last_only) in [(halving, false), (halving, true), (overlapping, false)] {
        for paddings in 0..1 << convs.len() {
            let stages: Vec<ConvStage> = convs
                .iter()
                .enumerate()
                .map(|(index, conv)| ConvStage {
                    n_units: conv.n_out(),
                    kernel: conv.kernel(),
                    padding: if paddings >> index & 1 == 1 { conv.kernel() / 2 } else { 0 },
                    is_pooled: !last_only || index + 1 == convs.len(),
                })
                .collect();
            let is_repeated = last_only && convs.len() == 1;
            if !is_repeated && n_flat(&stages, window, shapes.input) == Some(dense[0].n_in()) {
                nets.extend(activated(shapes, &stages, window));
            }
        }
    }
    if nets.is_empty() {
        // For the error: what a network of these convolutions would look like.
        let stage = |conv: &&Layer| ConvStage {
            n_units: conv.n_out(),
            kernel: conv.kernel(),
            padding: conv.kernel() / 2,
            is_pooled: true,
        };
        let stages: Vec<ConvStage> = convs.iter().map(stage).collect();
        nets.extend(activated(shapes, &stages, halving).into_iter().take(1));
    }
    nets
}

/// Values that reach the first dense layer; `None` where a layer is larger than its map.
fn n_flat(stages: &[ConvStage], window: Window, input: &[usize]) -> Option<usize> {
    let mut n_positions = 1;
    for (axis, &length) in input[1..].iter().enumerate() {
        let mut length = length;
        for stage in stages {
            length = (length + 2 * stage.padding + 1).checked_sub(stage.kernel)?;
            if stage.is_pooled {
                length = window.positions(axis, length)?;
            }
        }
        n_positions *= length;
    }
    Some(n_positions * stages.last()?.n_units)
}

/// The activations and poolings of LeNets, today's first.
fn activated(shapes: &Shapes<'_>, stages: &[ConvStage], window: Window) -> Vec<ConvNet> {
    let dense: Vec<usize> = shapes.dense.iter().map(|layer| layer.n_out()).collect();
    let family = match (stages.iter().all(|stage| stage.kernel == 5), stages.len(), dense.len()) {
        (true, 2, 1) => "conv2fc1",
        (true, 2, _) => "lenet",
        _ => "convnet",
    };
    let paddings: Vec<String> = stages.iter().map(|stage| stage.padding.to_string()).collect();
    let pooled = match (stages.iter().all(|stage| stage.is_pooled), window.kernel[0]) {
        (false, _) => "2x2 pooling at the end",
        (true, 2) => "2x2 pooling",
        (true, _) => "3x3 pooling",
    };
    let kinds = [
        (Activation::Relu, Pooling::Max(window)),
        (Activation::Tanh, Pooling::Average(window)),
        (Activation::Relu, Pooling::Average(window)),
        (Activation::Tanh, Pooling::Max(window)),
        (Activation::Sigmoid, Pooling::Average(window)),
    ];
    kinds
        .into_iter()
        .map(|(activation, pooling)| ConvNet {
            name: format!(
                "{family} {}: {}, {} {pooled}, padding {}",
                join(stages.iter().map(|stage| stage.n_units).chain(dense.iter().copied())),
                activation.name(),
                if matches!(pooling, Pooling::Max(_)) { "max" } else { "mean" },
                paddings.join(" "),
            ),
            input: shapes.input.to_vec(),
            convs: stages.to_vec(),
            activation,
            pooling,
            dense: dense.clone(),
            bias: shapes.convs[0].has_bias(),
        })
        .collect()
}

fn join(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join("-")
}

fn tinyten(shapes: &Shapes<'_>) -> Option<TinyTen> {
    let Shapes { convs, input, n_classes, .. } = shapes;
    let is_similar = convs.len() == TINYTEN_LAYERS.len() && convs[7].kernel() == 1;
    is_similar.then(|| TinyTen {
        input: input.to_vec(),
        width: convs[0].n_out(),
        bias: convs[0].has_bias(),
        n_classes: *n_classes,
    })
}

/// Residual networks of the blocks that the convolutions make, with every order and shortcut that their number allows.
fn residual(shapes: &Shapes<'_>) -> Vec<ResNet> {
    let Some((stem, rest)) = shapes.convs.split_first().filter(|(_, rest)| 2 <= rest.len()) else { return Vec::new() };
    let stages = stages(rest);
    let bias = stem.has_bias();
    let n_inner: usize = stages.iter().map(|s| s.n_blocks * if s.bottleneck.is_some() { 3 } else { 2 }).sum();
    let n_projections = rest.len().saturating_sub(n_inner);
    // One norm belongs to the stem or to the end.
    let projection = [Shortcut::Project { norm: n_inner + 1 < shapes.n_norms }];
    let shortcuts: &[Shortcut] =
        if n_projections == 0 { &[Shortcut::PadBoth, Shortcut::PadBehind] } else { &projection };
    let mut kinds: Vec<(Order, Shortcut)> = Vec::new();

    kinds.extend(shortcuts.iter().map(|&shortcut| (Order::Post, shortcut)));
    let final_norm = n_inner < shapes.n_norms;
    for &shortcut in shortcuts {
        // Networks with biases are those of Garipov et al. (2018): the second convolution halves the map. Projections read
        // what norm and ReLU made of the input in wide networks, not in those that grew out of torchvision's.
        let activates = !bias && !shapes.has_downsample;
        for late_stride in [bias, !bias] {
            for activated_shortcut in [activates, !activates] {
                kinds.push((Order::Pre(PreActivation { late_stride, activated_shortcut, final_norm }), shortcut));
            }
        }
    }
    kinds.into_iter().map(|(order, shortcut)| resnet(shapes, stem, &stages, order, shortcut, n_inner)).collect()
}

fn resnet(
    shapes: &Shapes<'_>,
    stem: &Layer,
    stages: &[Stage],
    order: Order,
    shortcut: Shortcut,
    n_inner: usize,
) -> ResNet {
    // In the zoo's words: layers with weights, how much wider than 16 units, the stem and the shortcuts.
    let width = stages.first().map_or(0, |stage| stage.bottleneck.unwrap_or(stage.n_units));
    let usual = if stages.len() == 4 { 64 } else { 16 };
    let mut name = match order {
        Order::Post => format!("resnet{}", n_inner + 2),
        Order::Pre(_) if width != stem.n_out() && width.is_multiple_of(16) => {
            format!("wrn{}-{}", n_inner + 4, width / 16)
        }
        Order::Pre(_) => format!("preresnet{}", n_inner + 2),
    };
    let is_wide_by_name = name.starts_with("wrn");
    if stem.kernel() == 7 {
        name += "-imagenet";
    }
    if !matches!(shortcut, Shortcut::Project { .. }) {
        name += "-a";
    }
    if width != usual && !is_wide_by_name {
        name += &if width.is_multiple_of(usual) { format!("-w{}", width / usual) } else { format!(", {width} units") };
    }
    if shortcut == Shortcut::PadBehind {
        name += ", zeros behind";
    }
    if let Order::Pre(pre) = order {
        name += if pre.late_stride { ", late stride" } else { "" };
        name += if pre.activated_shortcut { ", activated shortcuts" } else { "" };
    }
    ResNet {
        name,
        input: shapes.input.to_vec(),
        stem: stem.n_out(),
        stem_kernel: stem.kernel(),
        stages: stages.to_vec(),
        order,
        shortcut,
        bias: stem.has_bias(),
        n_classes: shapes.n_classes,
        names: Names { shortcut: "shortcut", final_norm: "bn", head: "linear" },
    }
}

/// Runs of equal blocks, read from the convolutions behind the stem.
fn stages(convs: &[&Layer]) -> Vec<Stage> {
    let n_spatial = convs.iter().filter(|conv| 1 < conv.kernel()).count();
    let mut blocks: Vec<(usize, Option<usize>)> = Vec::new();
    if n_spatial < convs.len() - n_spatial {
        // Bottlenecks: the units of a 3x3 convolution, then those of the 1x1 convolution that reads them.
        for pair in convs.windows(2).filter(|pair| 1 < pair[0].kernel()) {
            blocks.push((pair[1].n_out(), Some(pair[0].n_out())));
        }
    } else {
        let spatial: Vec<&&Layer> = convs.iter().filter(|conv| 1 < conv.kernel()).collect();
        blocks.extend(spatial.chunks_exact(2).map(|pair| (pair[1].n_out(), None)));
    }
    let stage = |run: &[(usize, Option<usize>)]| Stage { n_blocks: run.len(), n_units: run[0].0, bottleneck: run[0].1 };
    blocks.chunk_by(|a, b| a == b).map(stage).collect()
}

/// GoogLeNet by its number of convolutions.
fn googlenet(shapes: &Shapes<'_>) -> Option<GoogLeNet> {
    /// Three before the inception blocks, six in each of nine blocks; one in each of two auxiliary heads.
    const N_CONVS: usize = 3 + 9 * 6;
    const N_AUX: usize = 2;
    let Shapes { convs, input, n_classes, .. } = shapes;
    let n_aux = convs.len().checked_sub(N_CONVS).filter(|n| [0, N_AUX].contains(n))?;
    Some(GoogLeNet {
        input: input.to_vec(),
        divisor: (64 / convs[0].n_out()).max(1),
        aux_heads: n_aux == N_AUX,
        n_classes: *n_classes,
    })
}

/// The same of a plain one: one before the blocks, seven in each.
fn plain_googlenet(shapes: &Shapes<'_>) -> Option<PlainGoogLeNet> {
    const N_CONVS: usize = 1 + 9 * 7;
    let Shapes { convs, input, n_classes, .. } = shapes;
    let divisor = (192 / convs[0].n_out()).max(1);
    (convs.len() == N_CONVS).then(|| PlainGoogLeNet { input: input.to_vec(), divisor, n_classes: *n_classes })
}
