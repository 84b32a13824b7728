//! Ready-made networks, each a few lines of graph, and their names on the command line.

mod convnet;
mod googlenet;
mod googlenet_plain;
mod mlp;
mod resnet;
mod samples;
mod tinyten;
mod vgg;

pub use convnet::{ConvNet, ConvStage, Pooling};
pub use googlenet::GoogLeNet;
pub use googlenet_plain::PlainGoogLeNet;
pub use mlp::{mlp, mlp_name};
pub use resnet::{Names, Order, PreActivation, ResNet, Shortcut, Stage};
pub use samples::samples;
pub use tinyten::TinyTen;
pub use vgg::{Vgg, VggHead};

pub(super) use tinyten::LAYERS as TINYTEN_LAYERS;
pub(super) use vgg::stage_lengths as vgg_stage_lengths;

use super::{Network, ShapeError};

/// A family of the zoo, for help texts and menus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// A name that [`build`] understands.
    pub name: &'static str,
    /// One line: what it is, and how the name varies.
    pub summary: &'static str,
}

const MEMBERS: [Member; 16] = [
    Member {
        name: "784-512-10",
        summary: "multilayer perceptron with these layer sizes; -nobias behind them: without biases",
    },
    Member { name: "fc3", summary: "fully connected, hidden layers of 6144 and 2000 units, no biases; also fc5, fc7" },
    Member { name: "lenet", summary: "LeNet-5 with ReLU and max pooling" },
    Member { name: "lenet-16-32", summary: "two 5x5 convolutions of 16 and 32 units, a dense layer of 128" },
    Member { name: "conv2fc1", summary: "two 5x5 convolutions of 32 and 64 units, one dense layer" },
    Member { name: "tinyten", summary: "eight convolutions with batch norm, 0.09 million parameters" },
    Member {
        name: "vgg16",
        summary: "VGG for CIFAR, also vgg11, vgg13, vgg19; -bn: batch norm; -linear: one dense layer; \
                  -torchvision: dense layers of 4096",
    },
    Member {
        name: "resnet20",
        summary: "ResNet for CIFAR, any depth 6n+2 (resnet32, resnet110, ...); -a: shortcuts without parameters; \
                  -w2: twice as wide",
    },
    Member { name: "resnet18", summary: "ResNet with four stages and a 3x3 stem; also resnet34, resnet50" },
    Member { name: "resnet18-imagenet", summary: "the same with torchvision's 7x7 stem and names" },
    Member {
        name: "preresnet110",
        summary: "pre-activated ResNet for CIFAR; bottlenecks from 44 layers on (preresnet164)",
    },
    Member { name: "preresnet20", summary: "pre-activated ResNet in plain blocks, depths 6n+2 below 44" },
    Member { name: "wrn28-10", summary: "WideResNet: depth 6n+4, then how many times wider than a ResNet" },
    Member { name: "googlenet", summary: "GoogLeNet for CIFAR with two auxiliary heads" },
    Member { name: "googlenet-noaux", summary: "the same without auxiliary heads" },
    Member {
        name: "googlenet-plain",
        summary: "GoogLeNet as in many CIFAR repositories: a 3x3 stem, biases, no heads",
    },
];

/// The families, from small to large.
pub fn members() -> &'static [Member] {
    &MEMBERS
}

/// A network by its name (see [`members`]) for examples of shape `input` and `n_classes` classes.
///
/// Layer sizes such as `784-512-10` fix both themselves; they must agree with what is asked for.
pub fn build(name: &str, input: &[usize], n_classes: usize) -> Result<Network, NameError> {
    let lower = name.trim().to_ascii_lowercase();
    if let Some((sizes, bias)) = mlp_sizes(&lower) {
        let (n_inputs, n_outputs) = (input.iter().product::<usize>(), n_classes);
        if sizes.first() != Some(&n_inputs) || sizes.last() != Some(&n_outputs) {
            return Err(NameError::Sizes { name: name.to_owned(), n_inputs, n_outputs });
        }
        return Ok(mlp(&sizes, bias)?);
    }
    let built = named(&lower, input, n_classes).ok_or_else(|| NameError::Unknown { name: name.to_owned() })?;
    built.map_err(|source| NameError::Input { name: name.to_owned(), input: input.to_vec(), source })
}

/// A network by its name alone: layer sizes as they are, LeNet for MNIST, all others for CIFAR-10.
pub fn by_name(name: &str) -> Result<Network, NameError> {
    let lower = name.trim().to_ascii_lowercase();
    match mlp_sizes(&lower) {
        Some((sizes, bias)) => Ok(mlp(&sizes, bias)?),
        None => build(name, if lower.starts_with("lenet") { &[1, 28, 28] } else { &[3, 32, 32] }, 10),
    }
}

/// `784-512-10`, `mlp-784-512-10`, either with `-nobias` behind it: the sizes, and whether there are biases.
fn mlp_sizes(name: &str) -> Option<(Vec<usize>, bool)> {
    let rest = name.strip_prefix("mlp").unwrap_or(name).trim_start_matches(['-', ' ', ':']);
    let (rest, bias) = rest.strip_suffix("-nobias").map_or((rest, true), |rest| (rest, false));
    let sizes: Vec<usize> = rest.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    (2 <= sizes.len()).then_some((sizes, bias))
}

/// A member with layers of its own; `None` if there is none of this name.
fn named(name: &str, input: &[usize], n_classes: usize) -> Option<Result<Network, ShapeError>> {
    match name {
        "lenet" => return Some(ConvNet::lenet(input, n_classes).build()),
        "lenet-16-32" => return Some(ConvNet::lenet_16_32(input, n_classes).build()),
        "conv2fc1" => return Some(ConvNet::conv2fc1(input, n_classes).build()),
        "tinyten" => return Some(TinyTen::new(input, n_classes).build()),
        "googlenet" => return Some(GoogLeNet::new(input, n_classes).build()),
        "googlenet-noaux" => {
            return Some(GoogLeNet { aux_heads: false, ..GoogLeNet::new(input, n_classes) }.build());
        }
        "googlenet-plain" => return Some(PlainGoogLeNet::new(input, n_classes).build()),
        _ => {}
    }
    if let Some(depth) = name.strip_prefix("fc") {
        let hidden = mlp::fc_widths(depth.parse().ok()?)?;
        let sizes = [&[input.iter().product()][..], &hidden, &[n_classes]].concat();
        return Some(mlp(&sizes, false));
    }
    if let Some(rest) = name.strip_prefix("vgg") {
        return vgg(rest, input, n_classes).map(|vgg| vgg.build());
    }
    if let Some(depth) = name.strip_prefix("preresnet") {
        return ResNet::pre_activated(depth.parse().ok()?, input, n_classes).map(|resnet| resnet.build());
    }
    if let Some(rest) = name.strip_prefix("wrn") {
        let (depth, factor) = rest.trim_start_matches('-').split_once(['-', 'x'])?;
        return ResNet::wide(depth.parse().ok()?, factor.parse().ok()?, input, n_classes).map(|resnet| resnet.build());
    }
    resnet(name.strip_prefix("resnet")?, input, n_classes).map(|resnet| resnet.build())
}

/// `16`, then any of `-bn`, `-linear` and `-torchvision`.
fn vgg(rest: &str, input: &[usize], n_classes: usize) -> Option<Vgg> {
    let mut parts = rest.split('-');
    let n_layers = parts.next()?.parse().ok()?;
    let parts: Vec<&str> = parts.collect();
    let vgg = Vgg::new(n_layers, parts.contains(&"bn"), input, n_classes)?;
    match *parts.strip_prefix(&["bn"]).unwrap_or(&parts) {
        [] => Some(vgg),
        ["linear"] => Some(vgg.single_dense()),
        ["torchvision"] => Some(vgg.torchvision()),
        _ => None,
    }
}

/// `18`, `18-imagenet`, or `20` and any of `-a` and `-w2`.
fn resnet(rest: &str, input: &[usize], n_classes: usize) -> Option<ResNet> {
    let mut parts = rest.split('-');
    let depth = parts.next()?.parse().ok()?;
    let parts: Vec<&str> = parts.collect();
    let four_stages = match *parts {
        [] => ResNet::four_stages(depth, false, input, n_classes),
        ["imagenet"] => ResNet::four_stages(depth, true, input, n_classes),
        _ => None,
    };
    if four_stages.is_some() {
        return four_stages;
    }
    let projected = Shortcut::Project { norm: true };
    let (shortcut, factor) = match *parts {
        [] => (projected, "w1"),
        ["a"] => (Shortcut::PadBoth, "w1"),
        ["a", factor] | [factor, "a"] => (Shortcut::PadBoth, factor),
        [factor] => (projected, factor),
        _ => return None,
    };
    let factor = factor.strip_prefix('w')?.parse().ok()?;
    ResNet::cifar(depth, shortcut, factor, input, n_classes)
}

/// Why a network's name was not understood.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    #[error(
        "network `{name}` is not known: expected layer sizes such as `784-512-10`, optionally with `-nobias` behind \
         them, or one of {}",
        member_names()
    )]
    Unknown { name: String },
    #[error("network `{name}` must begin with {n_inputs} inputs and end with {n_outputs} classes, as the data does")]
    Sizes { name: String, n_inputs: usize, n_outputs: usize },
    #[error("network `{name}` takes no examples of shape {input:?}: {source}")]
    Input { name: String, input: Vec<usize>, source: ShapeError },
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

fn member_names() -> String {
    MEMBERS[1..].iter().map(|member| member.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
