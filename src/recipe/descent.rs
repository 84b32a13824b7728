//! How the loss is brought down: what training a mode and fitting a path have in common.

use serde::{Deserialize, Serialize};

use crate::compute::{Optimizer, Schedule};
use crate::data::Attack;

/// How weights are moved, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descent {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch_size: usize,
    pub optimizer: Optimizer,
    /// At the start; the schedule takes it from there.
    pub learning_rate: f64,
    pub schedule: Schedule,
    /// L2 factor: half of it times |weights|^2 is added to the loss.
    pub weight_decay: f64,
    /// Trains on adversarial examples, made against the weights of each step.
    #[serde(default)]
    pub attack: Option<Attack>,
}

impl Default for Descent {
    /// Momentum, batch and L2 of Garipov et al. 2018 and Tatro et al. 2020. Their hundreds of epochs are for deep networks;
    /// small ones need a few tens, at a learning rate between the two papers' 0.015 and 0.1.
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 128,
            optimizer: Optimizer::NESTEROV,
            learning_rate: Self::usual_rate(Optimizer::NESTEROV),
            schedule: Schedule::Garipov,
            weight_decay: 5e-4,
            attack: None,
        }
    }
}

impl Descent {
    /// A learning rate to begin with.
    pub fn usual_rate(optimizer: Optimizer) -> f64 {
        match optimizer {
            Optimizer::Sgd { .. } => 0.05,
            Optimizer::Adam => 0.001,
        }
    }

    /// The command line's options that ask for this, and their values.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![("--epochs", self.epochs.to_string()), ("--batch-size", self.batch_size.to_string())];
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => options.extend([
                ("--optimizer", "sgd".to_owned()),
                ("--momentum", momentum.to_string()),
                ("--nesterov", nesterov.to_string()),
            ]),
            Optimizer::Adam => options.push(("--optimizer", "adam".to_owned())),
        }
        options.extend([
            ("--lr", self.learning_rate.to_string()),
            ("--schedule", self.schedule.to_string()),
            ("--weight-decay", self.weight_decay.to_string()),
        ]);
        options.extend(self.attack.map(|attack| ("--pgd", attack.to_string())));
        options
    }
}
