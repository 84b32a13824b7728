//! Small networks for the program's own checks.

use super::super::op::Window;
use super::super::{Activation, Conv, GraphBuilder, Network, Op, ShapeError};
use super::{
    ConvNet, ConvStage, GoogLeNet, Order, Pooling, PreActivation, ResNet, Shortcut, Stage, TinyTen, Vgg, VggHead, mlp,
};

/// One network of few units for every family and every kind of operation, on images of `[2, 8, 8]` (perceptrons: 12 values)
/// and 3 classes: what permutations, forward passes and descriptions are checked on.
pub fn samples() -> Vec<Network> {
    let built: Result<Vec<Network>, ShapeError> = [mlp(&[12, 8, 6, 3], true), mlp(&[12, 8, 3], false)]
        .into_iter()
        .chain(convnets())
        .chain(residual_nets())
        .chain([googlenet().build(), norms_and_groups(), slices_and_scales()])
        .collect();
    built.expect("the shapes of the samples fit")
}

const INPUT: [usize; 3] = [2, 8, 8];
const N_CLASSES: usize = 3;

fn convnets() -> Vec<Result<Network, ShapeError>> {
    let stage = |n_units: usize| ConvStage { n_units, kernel: 5, padding: 2, is_pooled: true };
    let lenet =
        ConvNet { convs: vec![stage(4), stage(5)], dense: vec![6, N_CLASSES], ..ConvNet::lenet(&INPUT, N_CLASSES) };
    let average = ConvNet {
        name: "lenet, tanh and mean pooling".to_owned(),
        activation: Activation::Tanh,
        pooling: Pooling::Average(Window::square(2)),
        ..lenet.clone()
    };
    let conv2fc1 = ConvNet { convs: vec![stage(4), stage(5)], ..ConvNet::conv2fc1(&INPUT, N_CLASSES) };
    // Its last convolution but one does not pad: a map of 8 pixels would end empty.
    let tinyten = TinyTen { width: 2, ..TinyTen::new(&[2, 12, 12], N_CLASSES) };
    let vgg = |batch_norm: bool, head: VggHead| Vgg {
        name: format!("vgg, small, {head:?}"),
        input: INPUT.to_vec(),
        stages: vec![vec![4], vec![5, 5], vec![6]],
        batch_norm,
        conv_bias: true,
        head,
        dense: vec![5, 5, N_CLASSES],
    };
    vec![
        lenet.build(),
        average.build(),
        conv2fc1.build(),
        tinyten.build(),
        vgg(false, VggHead::Cifar).build(),
        vgg(true, VggHead::Torchvision).build(),
    ]
}

fn residual_nets() -> Vec<Result<Network, ShapeError>> {
    let small = |name: &str, resnet: Option<ResNet>, widths: &[usize]| {
        let mut resnet = resnet.expect("a depth of the family");
        resnet.name = name.to_owned();
        resnet.stem = 4;
        resnet.stages = widths.iter().map(|&n_units| Stage { n_blocks: 1, n_units, bottleneck: None }).collect();
        resnet
    };
    let cifar = |shortcut: Shortcut| ResNet::cifar(8, shortcut, 1, &INPUT, N_CLASSES);
    let mut bottlenecks = small("preresnet, bottlenecks", ResNet::pre_activated(56, &INPUT, N_CLASSES), &[8, 12]);
    bottlenecks.stages.iter_mut().for_each(|stage| stage.bottleneck = Some(stage.n_units / 4));
    let mut late = small("wrn, late stride and biases", ResNet::wide(10, 1, &INPUT, N_CLASSES), &[6, 8]);
    late.order = Order::Pre(PreActivation { late_stride: true, activated_shortcut: false, final_norm: true });
    late.bias = true;
    vec![
        small("resnet8", cifar(Shortcut::Project { norm: true }), &[4, 6, 8]).build(),
        small("resnet8-a", cifar(Shortcut::PadBoth), &[4, 6, 8]).build(),
        small("resnet8-a, zeros behind", cifar(Shortcut::PadBehind), &[4, 6, 8]).build(),
        small("resnet, imagenet stem", ResNet::four_stages(18, true, &INPUT, N_CLASSES), &[4, 6]).build(),
        small("preresnet8", ResNet::pre_activated(8, &INPUT, N_CLASSES), &[4, 6, 8]).build(),
        bottlenecks.build(),
        small("wrn", ResNet::wide(10, 1, &INPUT, N_CLASSES), &[6, 8]).build(),
        late.build(),
    ]
}

fn googlenet() -> GoogLeNet {
    GoogLeNet { divisor: 32, ..GoogLeNet::new(&INPUT, N_CLASSES) }
}

/// Layer norm, group norm, depthwise and grouped convolutions, dilation, and the activations that no family uses.
fn norms_and_groups() -> Result<Network, ShapeError> {
    let (mut graph, x) = GraphBuilder::new(&INPUT);
    let x = graph.conv(x, "first", Conv { dilation: [2, 1], ..Conv::new(6, 3).padding(2) })?;
    let x = graph.group_norm(x, "group_norm", 2, 1e-5)?;
    let x = graph.activation(x, Activation::Gelu)?;
    let x = graph.conv(x, "depthwise", Conv::new(6, 3).padding(1).groups(6))?;
    let x = graph.activation(x, Activation::Silu)?;
    let x = graph.conv(x, "pointwise", Conv::new(8, 1).no_bias())?;
    let x = graph.activation(x, Activation::LeakyRelu(0.1))?;
    let x = graph.conv(x, "grouped", Conv::new(4, 3).stride(2).groups(2))?;
    let x = graph.activation(x, Activation::GeluTanh)?;
    let x = graph.apply(Op::AdaptiveMaxPool { size: [2, 2] }, &[x])?;
    let x = graph.flatten(x)?;
    let x = graph.linear(x, "hidden", 6, true)?;
    let x = graph.layer_norm(x, "layer_norm", 1e-6)?;
    let x = graph.activation(x, Activation::Sigmoid)?;
    let x = graph.linear(x, "head", N_CLASSES, true)?;
    graph.batch_norm(x, "head_norm")?;
    graph.finish("norms and groups")
}

/// Halves of a map by themselves, scaled and put together again.
fn slices_and_scales() -> Result<Network, ShapeError> {
    let (mut graph, x) = GraphBuilder::new(&INPUT);
    let x = graph.conv(x, "stem", Conv::new(6, 3).padding(1))?;
    let whole = graph.relu(x)?;
    let front = graph.apply(Op::Slice { start: 0, end: 3 }, &[whole])?;
    let back = graph.apply(Op::Slice { start: 3, end: 6 }, &[whole])?;
    let back = graph.conv(back, "back", Conv::new(3, 3).padding(1))?;
    let back = graph.apply(Op::Scale(0.5), &[back])?;
    let joined = graph.concat(&[front, back])?;
    let window = Window { padding: [[0, 1], [0, 1]], ..Window::square(2) };
    let pooled = graph.apply(Op::AvgPool { window, count_padding: false }, &[joined])?;
    let pooled = graph.global_avg_pool(pooled)?;
    graph.linear(pooled, "head", N_CLASSES, true)?;
    graph.finish("slices and scales")
}
