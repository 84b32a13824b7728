//! How long a training will take, measured on its first steps.

use std::time::Duration;

/// Reports whose fastest tells how long a step takes; one more before them is the warm-up.
const REPORTS: usize = 5;
/// Epochs of a fit that is only measured: it is ended as soon as there are reports enough, however short its epochs are.
pub(super) const EPOCHS: usize = 10_000;

/// Measured times of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct StepTimes {
    reports: Vec<Duration>,
    is_settled: bool,
}

impl StepTimes {
    /// Takes in the mean time of a step over some steps.
    pub(super) fn add(&mut self, spent: Duration) {
        if !self.is_settled {
            self.reports.push(spent);
            self.is_settled = REPORTS < self.reports.len();
        }
    }

    /// No more steps will be measured.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Time of a step, once enough of them were measured. The least counts: other work on the machine only adds to it. The
    /// first report, of steps that set things up, counts where there is no other.
    pub(super) fn step(&self) -> Option<Duration> {
        let warm = self.reports.get(1..).filter(|warm| !warm.is_empty()).unwrap_or(&self.reports);
        warm.iter().min().copied().filter(|_| self.is_settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(millis: &[u64]) -> StepTimes {
        let mut times = StepTimes::default();
        millis.iter().for_each(|&ms| times.add(Duration::from_millis(ms)));
        times
    }

    #[test]
    fn the_least_time_after_the_warm_up_counts() {
        assert_eq!(measured(&[1, 9, 7, 8, 30]).step(), None, "not enough yet");
        assert_eq!(measured(&[1, 9, 7, 8, 30, 12]).step(), Some(Duration::from_millis(7)));
        assert_eq!(
            measured(&[1, 9, 7, 8, 30, 12, 2]).step(),
            Some(Duration::from_millis(7)),
            "later ones do not change it"
        );
    }

    #[test]
    fn a_training_that_is_over_before_tells_what_it_can() {
        for (millis, expected) in [(&[][..], None), (&[40], Some(40)), (&[40, 3], Some(3))] {
            let mut times = measured(millis);
            times.settle();
            assert_eq!(times.step(), expected.map(Duration::from_millis));
        }
    }
}
