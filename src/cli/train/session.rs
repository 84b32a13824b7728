//! The training of one seed as it is watched: progress, the resume file, the trajectory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use indicatif::ProgressBar;

use super::EpochReport;
use crate::cli::jobs::{BAR_STEPS, Jobs, bar};
use crate::cli::output::{Number, accuracy_text, loss_text, save_network, say};
use crate::compute::{DataRef, EvaluateSpec, FitCheckpoint, FitSpec, PointValue};
use crate::net::{Network, ParamVec};
use crate::recipe::{RESUME_EVERY, Resume, file_of_epoch};
use crate::worker::{Event, JobId, Lane, Request};

/// Test images on which every epoch is scored.
const WATCHED: usize = 1000;

/// Networks on the way.
pub(super) struct Trajectory {
    pub(super) folder: PathBuf,
    /// Epochs from one to the next.
    pub(super) every: usize,
}

/// What goes on around a fit.
pub(super) struct Session<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) resume: &'a Resume,
    pub(super) trajectory: Option<Trajectory>,
    /// What makes these weights, for the files' metadata.
    pub(super) command: &'a str,
    pub(super) seed: u64,
}

/// A fit that runs.
struct Running {
    network: Arc<Network>,
    watched: DataRef,
    /// Epochs in all.
    n_epochs: usize,
    images_per_epoch: usize,
    bar: ProgressBar,
    started: Instant,
    epochs_before: usize,
    last_save: Option<Instant>,
    /// Epochs whose scores are on their way or whose lines wait for those before them; jobs are numbered in the order of epochs.
    pending: BTreeMap<JobId, PendingEpoch>,
    history: Vec<EpochReport>,
}

/// An epoch that was not told of yet.
struct PendingEpoch {
    report: EpochReport,
    /// Its line but for the score.
    line: String,
    is_scored: bool,
}

impl Session<'_> {
    /// Trains from the start, or from the resume file if there is one and `go_on`. Returns the weights and how the epochs
    /// ended.
    pub(super) fn run(
        &self,
        spec: FitSpec,
        watched: DataRef,
        go_on: bool,
    ) -> Result<(Arc<ParamVec>, Vec<EpochReport>)> {
        let spec = if go_on { self.resumed(spec)? } else { spec };
        let start = spec.basis.first().map(Arc::clone).context("internal error: nothing to train")?;
        if spec.start.epoch == 0 && spec.start.step == 0 {
            self.save_on_the_way(&spec.network, &start, 0, true)?;
        }
        let what = format!("training, seed {}", self.seed);
        let mut running = Running {
            network: Arc::clone(&spec.network),
            watched: DataRef { limit: Some(watched.n_images().min(WATCHED)), ..watched },
            n_epochs: spec.start.epoch + spec.epochs,
            images_per_epoch: spec.data.n_images(),
            bar: bar(&what),
            started: Instant::now(),
            epochs_before: spec.start.epoch,
            last_save: None,
            pending: BTreeMap::new(),
            history: Vec::new(),
        };
        let fit = self.jobs.worker().start(Lane::Training, Request::Fit(spec));
        let trained = self.watch(fit, &mut running);
        running.bar.finish_and_clear();
        let trained = trained.with_context(|| format!("{what} failed"))?;
        Ok((trained.unwrap_or(start), running.history))
    }

    /// Deletes the resume file, once the result is saved.
    pub(super) fn end(&self) -> Result<()> {
        let path = self.resume.path();
        if path.exists() {
            fs::remove_file(path).with_context(|| format!("could not delete {}", path.display()))?;
        }
        Ok(())
    }

    /// The fit from where the resume file has it.
    fn resumed(&self, spec: FitSpec) -> Result<FitSpec> {
        let path = self.resume.path();
        if !path.exists() {
            say(&format!("note: nothing to resume, training begins anew: no {}", path.display()));
            return Ok(spec);
        }
        let checkpoint = self.resume.load()?;
        say(&format!("resuming after epoch {} of {}", checkpoint.start.epoch, spec.epochs));
        Ok(spec.going_on(checkpoint))
    }

    /// Waits for the fit and the scores of its epochs; the trained weights, if any step was made.
    fn watch(&self, fit: JobId, running: &mut Running) -> Result<Option<Arc<ParamVec>>> {
        let (mut trained, mut is_done) = (None, false);
        while !is_done || !running.pending.is_empty() {
            match self.jobs.worker().wait_event() {
                Some(Event::Progress { job, done }) if job == fit => {
                    running.bar.set_position((done * BAR_STEPS as f64) as u64);
                }
                Some(Event::FitStep { job, report }) if job == fit => {
                    running.bar.set_message(format!("epoch {} · loss {:.4}", report.epoch + 1, report.loss));
                }
                Some(Event::Checkpoint { job, checkpoint }) if job == fit => {
                    self.on_checkpoint(*checkpoint, running)?;
                }
                Some(Event::Trained { job, vectors, .. }) if job == fit => trained = vectors.into_iter().next(),
                Some(Event::Values { job, values }) => {
                    if let Some(&(_, value)) = values.last() {
                        running.on_score(job, value);
                    }
                }
                Some(Event::Finished { job }) if job == fit => is_done = true,
                Some(Event::Finished { job }) => running.on_scored(job),
                Some(Event::Cancelled { .. }) => return Err(anyhow!("the job was cancelled")),
                Some(Event::Failed { error, .. }) => return Err(error.into()),
                Some(Event::Device { failed: Some(reason), .. }) => say(&format!("note: {reason}")),
                Some(_) => {}
                None => return Err(anyhow!("the compute thread ended in the middle of a job")),
            }
        }
        Ok(trained)
    }

    fn on_checkpoint(&self, checkpoint: FitCheckpoint, running: &mut Running) -> Result<()> {
        if running.last_save.is_none_or(|last| RESUME_EVERY <= last.elapsed()) {
            self.resume.save(&checkpoint)?;
            running.last_save = Some(Instant::now());
        }
        // Within an epoch there is nothing to report.
        let Some(mode) = checkpoint.vectors.first().filter(|_| checkpoint.start.step == 0) else {
            return Ok(());
        };
        let epoch = checkpoint.start.epoch;
        self.save_on_the_way(&running.network, mode, epoch, epoch == running.n_epochs)?;
        let line = running.line_of_epoch(epoch, &checkpoint);
        let spec = EvaluateSpec {
            progressive: false,
            ..EvaluateSpec::new(
                Arc::clone(&running.network),
                vec![Arc::clone(mode)],
                vec![vec![1.0]],
                running.watched.clone(),
            )
        };
        let lane = Lane::Score { mode: epoch as u64, split: running.watched.split };
        let job = self.jobs.worker().start(lane, Request::Evaluate(spec));
        let unknown = Number(f64::NAN);
        let report = EpochReport { epoch, loss: Number(checkpoint.loss), test_loss: unknown, test_accuracy: unknown };
        running.pending.insert(job, PendingEpoch { report, line, is_scored: false });
        Ok(())
    }

    /// Saves a network of the trajectory, if this epoch is of it.
    fn save_on_the_way(&self, network: &Network, mode: &ParamVec, epoch: usize, is_end: bool) -> Result<()> {
        match &self.trajectory {
            Some(trajectory) if is_end || epoch.is_multiple_of(trajectory.every) => {
                let path = file_of_epoch(&trajectory.folder, epoch);
                let made_by = format!("{}, epoch {epoch}", self.command);
                save_network(&path, network, mode, &made_by, Some(self.seed))
            }
            _ => Ok(()),
        }
    }
}

impl Running {
    /// How an epoch went, in words.
    fn line_of_epoch(&self, epoch: usize, FitCheckpoint { loss, spent, .. }: &FitCheckpoint) -> String {
        let speed = self.images_per_epoch as f64 / spent.as_secs_f64().max(1e-9);
        let n_done = epoch.saturating_sub(self.epochs_before).max(1);
        let left = self.started.elapsed().mul_f64((self.n_epochs - epoch) as f64 / n_done as f64).as_secs();
        let left = format!("{}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60);
        format!("epoch {epoch}/{}: loss {}, {speed:.0} images/s, {left} left", self.n_epochs, loss_text(*loss))
    }

    fn on_score(&mut self, job: JobId, value: PointValue) {
        if let Some(PendingEpoch { report, .. }) = self.pending.get_mut(&job) {
            report.test_loss = Number(value.loss);
            report.test_accuracy = Number(value.accuracy);
        }
    }

    /// An epoch's scores are complete: tells of it, and of those that waited for it.
    fn on_scored(&mut self, job: JobId) {
        if let Some(epoch) = self.pending.get_mut(&job) {
            epoch.is_scored = true;
        }
        while let Some(first) = self.pending.first_entry().filter(|first| first.get().is_scored) {
            let PendingEpoch { report, line, .. } = first.remove();
            let text = format!("{line}, test {}", accuracy_text(report.test_accuracy.0));
            self.bar.suspend(|| say(&text));
            self.history.push(report);
        }
    }
}
