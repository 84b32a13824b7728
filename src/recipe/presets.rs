//! The papers' recipes by name.

use super::{Descent, Recipe};
use crate::compute::{Optimizer, Schedule};
use crate::data::Augmentation;

/// One paper's way to train one network.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// A name that the zoo understands.
    pub network: &'static str,
    /// One line: whose it is, and on what data.
    pub summary: &'static str,
    epochs: usize,
    learning_rate: f64,
    weight_decay: f64,
    nesterov: bool,
    schedule: fn() -> Schedule,
    augmentation: fn() -> Augmentation,
}

impl Preset {
    /// The preset of this name.
    pub fn by_name(name: &str) -> Result<&'static Self, String> {
        let names = || PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let found = PRESETS.iter().find(|preset| preset.name == name);
        found.ok_or_else(|| format!("expected one of {}, found `{name}`", names()))
    }

    pub fn recipe(&self) -> Recipe {
        Recipe {
            descent: Descent {
                epochs: self.epochs,
                batch_size: 128,
                optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: self.nesterov },
                learning_rate: self.learning_rate,
                schedule: (self.schedule)(),
                weight_decay: self.weight_decay,
                attack: None,
            },
            augmentation: (self.augmentation)(),
            init: None,
        }
    }
}

const ANOKHIN: Preset = Preset {
    name: "",
    network: "",
    summary: "",
    epochs: 400,
    learning_rate: 0.01,
    weight_decay: 1e-4,
    nesterov: false,
    schedule: || Schedule::Garipov,
    augmentation: Augmentation::cifar,
};

const GARIPOV: Preset = Preset { epochs: 200, learning_rate: 0.1, weight_decay: 5e-4, ..ANOKHIN };

const TATRO: Preset = Preset {
    epochs: 250,
    nesterov: true,
    schedule: || Schedule::Halving,
    augmentation: Augmentation::neuron_alignment_cifar,
    ..GARIPOV
};

/// All of them, by paper.
pub const PRESETS: [Preset; 13] = [
    Preset {
        name: "two-layer-mnist",
        network: "784-2000-10",
        summary: "Anokhin & Yarotsky 2020, MNIST",
        epochs: 30,
        augmentation: Augmentation::none,
        ..ANOKHIN
    },
    Preset {
        name: "two-layer-cifar",
        network: "3072-2000-10",
        summary: "Anokhin & Yarotsky 2020, CIFAR-10",
        ..ANOKHIN
    },
    Preset { name: "fc3-cifar", network: "fc3", summary: "Anokhin & Yarotsky 2020, CIFAR-10", ..ANOKHIN },
    Preset { name: "fc5-cifar", network: "fc5", summary: "Anokhin & Yarotsky 2020, CIFAR-10", ..ANOKHIN },
    Preset { name: "fc7-cifar", network: "fc7", summary: "Anokhin & Yarotsky 2020, CIFAR-10", ..ANOKHIN },
    Preset { name: "anokhin-vgg16", network: "vgg16", summary: "Anokhin & Yarotsky 2020, CIFAR-10", ..ANOKHIN },
    Preset {
        name: "garipov-vgg16",
        network: "vgg16",
        summary: "Garipov et al. 2018, CIFAR",
        learning_rate: 0.05,
        ..GARIPOV
    },
    Preset {
        name: "garipov-preresnet164",
        network: "preresnet164",
        summary: "Garipov et al. 2018, CIFAR",
        epochs: 150,
        weight_decay: 3e-4,
        ..GARIPOV
    },
    Preset { name: "garipov-wrn28-10", network: "wrn28-10", summary: "Garipov et al. 2018, CIFAR", ..GARIPOV },
    Preset { name: "alignment-tinyten", network: "tinyten", summary: "Tatro et al. 2020, CIFAR", ..TATRO },
    Preset { name: "alignment-resnet32", network: "resnet32", summary: "Tatro et al. 2020, CIFAR", ..TATRO },
    Preset { name: "alignment-googlenet", network: "googlenet", summary: "Tatro et al. 2020, CIFAR", ..TATRO },
    Preset {
        name: "landscape-resnet56",
        network: "resnet56",
        summary: "Li et al. 2018, CIFAR-10",
        epochs: 300,
        nesterov: true,
        schedule: || Schedule::Steps { factor: 0.1, epochs: vec![150, 225, 275] },
        ..GARIPOV
    },
];
