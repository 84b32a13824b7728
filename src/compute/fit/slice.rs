//! A fit in slices of time, between which others have their turn.

use std::time::{Duration, Instant};

use super::super::ComputeError;
use super::{Fit, StepReport};

/// What a slice of a fit came to.
#[derive(Clone, Copy, Debug)]
pub struct FitSlice {
    /// The last minibatch, with the mean loss and time of all of them; `None` where there was none left.
    pub report: Option<StepReport>,
    /// The last minibatch was the last of its epoch.
    pub epoch_ended: bool,
    /// All epochs are done.
    pub finished: bool,
}

impl Fit {
    /// Minibatches for about `budget`, at least one.
    ///
    /// `stops_between_epochs`: goes no further than the end of an epoch, so that its network can be had.
    pub fn slice(&mut self, budget: Duration, stops_between_epochs: bool) -> Result<FitSlice, ComputeError> {
        let started = Instant::now();
        let mut slice = FitSlice { report: None, epoch_ended: false, finished: false };
        let (mut sum, mut spent, mut n) = (0.0, Duration::ZERO, 0_u32);
        while !(slice.finished || slice.epoch_ended && stops_between_epochs) && (n == 0 || started.elapsed() < budget) {
            match self.step(true)? {
                Some(report) => {
                    sum += report.loss;
                    spent += report.spent;
                    n += 1;
                    slice.report = Some(report);
                    slice.epoch_ended = self.is_between_epochs();
                }
                None => slice.finished = true,
            }
        }
        if let Some(report) = &mut slice.report {
            (report.loss, report.spent) = (sum / f64::from(n), spent / n);
        }
        Ok(slice)
    }
}
