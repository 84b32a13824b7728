//! Members out of one training that goes on.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{EnsembleArgs, Member, Work};
use crate::checkpoint::Mode;
use crate::cli::networks::shown;
use crate::cli::options::UsageError;
use crate::compute::{Averaging, FitSpec, RunningMean};
use crate::net::ParamVec;
use crate::recipe::{Descent, Recipe};

/// How training goes on, and which networks of it count.
pub(super) struct Snapshots {
    averaging: Averaging,
    recipe: Recipe,
}

/// What became of a training whose weights were averaged.
pub(super) struct Averaged {
    pub(super) start: Member,
    pub(super) end: Member,
    pub(super) mean: Member,
}

impl Snapshots {
    /// `None` where nothing is trained.
    pub(super) fn of(args: &EnsembleArgs) -> Result<Option<Self>, UsageError> {
        let (learning_rate, usual_cycle) = match (args.fge, args.swa) {
            (true, _) => (0.05, 4),
            (_, true) => (0.01, 1),
            _ => return Ok(None),
        };
        let cycle = args.cycle.unwrap_or(usual_cycle);
        let mut descent = args.find.fit.over(Descent { epochs: 20, learning_rate, ..Descent::default() });
        let averaging = if args.fge {
            if !cycle.is_multiple_of(2) {
                return Err(UsageError(format!(
                    "--cycle: expected an even number of epochs with --fge, found {cycle}"
                )));
            }
            if descent.learning_rate < args.lowest_lr {
                return Err(UsageError(format!(
                    "--lowest-lr: expected at most --lr, which is {}, found {}",
                    descent.learning_rate, args.lowest_lr
                )));
            }
            Averaging::Predictions { cycle, lowest: args.lowest_lr / descent.learning_rate }
        } else {
            Averaging::Weights { every: cycle }
        };
        if averaging.n_collected(descent.epochs) == 0 {
            return Err(UsageError(format!(
                "--epochs {} ends before the first network of a cycle of {cycle} epochs is collected",
                descent.epochs
            )));
        }
        descent.schedule = averaging.schedule();
        Ok(Some(Self { averaging, recipe: Recipe { descent, augmentation: args.augment.clone(), init: None } }))
    }

    /// Trains on; `on_network` gets the epoch and the weights of each network that counts. Returns the last network.
    pub(super) fn train(
        &self,
        work: &Work<'_>,
        mode: &Mode,
        mut on_network: impl FnMut(usize, Arc<ParamVec>),
    ) -> Result<Arc<ParamVec>> {
        let mut last = Arc::clone(&mode.params);
        let spec = FitSpec {
            basis: vec![Arc::clone(&mode.params)],
            ..self.recipe.fit(&work.network, work.training_images(), work.args.find.seed)
        };
        work.jobs.fit_watched("training goes on", spec, |checkpoint| {
            let Some(params) = checkpoint.vectors.first().filter(|_| checkpoint.start.step == 0) else {
                return;
            };
            last = Arc::clone(params);
            if self.averaging.collects(checkpoint.start.epoch) {
                on_network(checkpoint.start.epoch, Arc::clone(params));
            }
        })?;
        Ok(last)
    }

    /// Trains on and averages the weights.
    pub(super) fn mean(&self, work: &Work<'_>, mode: &Mode) -> Result<Averaged> {
        let mut mean = RunningMean::new(work.network.layout());
        let end = self.train(work, mode, |_, params| mean.add(&params))?;
        let epochs = self.recipe.descent.epochs;
        let weights = mean.mean().context("internal error: no network was averaged")?;
        Ok(Averaged {
            start: Member { name: shown(mode), params: Arc::clone(&mode.params) },
            end: Member { name: format!("after {epochs} epochs"), params: end },
            mean: Member {
                name: format!("mean of {} networks", self.averaging.n_collected(epochs)),
                params: Arc::new(weights),
            },
        })
    }
}
