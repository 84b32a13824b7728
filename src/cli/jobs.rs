//! Jobs of the compute thread, one after the other, with a progress bar on a terminal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::say;
use crate::compute::{
    AlignSpec, Alignment, ConnectSpec, Connection, ContinueSpec, Continued, DeviceChoice, Ensemble, EnsembleSpec,
    EvaluateSpec, FitSpec, FlowSpec, HeadsSpec, PointValue, RobustSpec, TrainedFlow,
};
use crate::net::ParamVec;
use crate::worker::{Event, Lane, Request, Worker};

/// Steps of a progress bar.
pub(super) const BAR_STEPS: u64 = 1000;

/// What a fit came to.
pub(super) struct Fitted {
    pub(super) vectors: Vec<Arc<ParamVec>>,
    /// Epochs from 0, and the mean minibatch loss of each in nats. Epochs shorter than a slice of work may be left out.
    pub(super) epoch_losses: Vec<(usize, f64)>,
}

/// The compute thread as the commands use it.
pub(super) struct Jobs {
    worker: Worker,
}

impl Jobs {
    /// Starts the compute thread.
    ///
    /// # Errors
    /// When a GPU was asked for and there is none.
    pub(super) fn open(choice: DeviceChoice) -> Result<Self> {
        let worker = Worker::spawn(choice, || ()).context("could not start the compute thread")?;
        loop {
            match worker.wait_event() {
                Some(Event::Device { name, failed: None, .. }) => {
                    log::info!("computing on {name}");
                    return Ok(Self { worker });
                }
                Some(Event::Device { failed: Some(reason), .. }) if choice == DeviceChoice::Gpu => {
                    bail!("--device gpu: {reason}");
                }
                Some(Event::Device { name, failed: Some(reason), .. }) => {
                    say(&format!("note: computing on {name}: {reason}"));
                    return Ok(Self { worker });
                }
                Some(_) => {}
                None => bail!("the compute thread ended before it opened a device"),
            }
        }
    }

    /// One value a point, in order.
    pub(super) fn evaluate(&self, what: &str, spec: EvaluateSpec) -> Result<Vec<PointValue>> {
        let spec = EvaluateSpec { progressive: false, ..spec };
        let (lane, n_points) = (Lane::Curve(spec.data.split), spec.coefficients.len());
        self.values(what, lane, Request::Evaluate(spec), n_points)
    }

    /// The same under attack.
    pub(super) fn evaluate_robustly(&self, what: &str, spec: RobustSpec) -> Result<Vec<PointValue>> {
        let points = EvaluateSpec { progressive: false, ..spec.points };
        let n_points = points.coefficients.len();
        self.values(what, Lane::Robust, Request::EvaluateRobustly(RobustSpec { points, ..spec }), n_points)
    }

    fn values(&self, what: &str, lane: Lane, request: Request, n_points: usize) -> Result<Vec<PointValue>> {
        let mut found: Vec<Option<PointValue>> = vec![None; n_points];
        self.run(what, lane, request, |event| {
            if let Event::Values { values, .. } = event {
                for (index, value) in values {
                    if let Some(slot) = found.get_mut(index) {
                        *slot = Some(value);
                    }
                }
            }
        })?;
        let found: Option<Vec<PointValue>> = found.into_iter().collect();
        found.context("internal error: some points came back without a value")
    }

    /// B's units in A's order.
    pub(super) fn align(&self, what: &str, spec: AlignSpec) -> Result<Alignment> {
        let mut found = None;
        self.run(what, Lane::Alignment, Request::Align(spec), |event| {
            if let Event::Aligned { alignment, .. } = event {
                found = Some(*alignment);
            }
        })?;
        found.context("internal error: the alignment came back empty")
    }

    /// The trained vectors.
    pub(super) fn fit(&self, what: &str, spec: FitSpec) -> Result<Vec<Arc<ParamVec>>> {
        Ok(self.fit_traced(what, spec)?.vectors)
    }

    /// The trained vectors, and how the training went.
    pub(super) fn fit_traced(&self, what: &str, spec: FitSpec) -> Result<Fitted> {
        let mut found = None;
        // By epoch, the sum of what was reported and how often.
        let mut losses: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        self.run(what, Lane::Path, Request::Fit(spec), |event| match event {
            Event::Trained { vectors, .. } => found = Some(vectors),
            Event::FitStep { report, .. } => {
                let (sum, n) = losses.entry(report.epoch).or_default();
                *sum += report.loss;
                *n += 1;
            }
            _ => {}
        })?;
        let vectors = found.context("internal error: the fit came back empty")?;
        let epoch_losses = losses.into_iter().map(|(epoch, (sum, n))| (epoch, sum / n as f64)).collect();
        Ok(Fitted { vectors, epoch_losses })
    }

    /// Several networks by themselves and together.
    pub(super) fn ensemble(&self, what: &str, spec: EnsembleSpec) -> Result<Ensemble> {
        let mut found = None;
        self.run(what, Lane::Ensemble, Request::Ensemble(spec), |event| {
            if let Event::EnsembleScored { ensemble, .. } = event {
                found = Some(*ensemble);
            }
        })?;
        found.context("internal error: the ensemble came back empty")
    }

    /// What a training that goes on from a mode collects.
    pub(super) fn continue_training(&self, what: &str, spec: ContinueSpec) -> Result<Continued> {
        let mut found = None;
        self.run(what, Lane::Members, Request::Continue(spec), |event| {
            if let Event::Continued { continued, .. } = event {
                found = Some(*continued);
            }
        })?;
        found.context("internal error: the training collected no network")
    }

    /// The members of a WA-ensemble, in their order.
    pub(super) fn heads(&self, what: &str, spec: HeadsSpec) -> Result<Vec<Arc<ParamVec>>> {
        let mut found = None;
        self.run(what, Lane::Members, Request::MakeHeads(spec), |event| {
            if let Event::HeadsMade { members, .. } = event {
                found = Some(members);
            }
        })?;
        found.context("internal error: the heads came back empty")
    }

    /// A path of a family that is worked out.
    pub(super) fn connect(&self, what: &str, spec: ConnectSpec) -> Result<Connection> {
        let mut found = None;
        self.run(what, Lane::Path, Request::Connect(spec), |event| {
            if let Event::Connected { connection, .. } = event {
                found = Some(*connection);
            }
        })?;
        found.context("internal error: the connection came back empty")
    }

    /// A map of neurons; `on_way` gets it from time to time as it is.
    pub(super) fn train_flow(
        &self,
        what: &str,
        spec: FlowSpec,
        mut on_way: impl FnMut(&TrainedFlow),
    ) -> Result<TrainedFlow> {
        let mut found = None;
        self.run(what, Lane::Flow, Request::TrainFlow(spec), |event| {
            if let Event::FlowTrained { trained, .. } = event {
                on_way(&trained);
                found = Some(trained);
            }
        })?;
        found.context("internal error: the map came back empty")
    }

    /// The compute thread itself, for jobs that run side by side.
    pub(super) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Starts a job and waits for its end.
    fn run(&self, what: &str, lane: Lane, request: Request, mut on_event: impl FnMut(Event)) -> Result<()> {
        let bar = bar(what);
        let own = self.worker.start(lane, request);
        let outcome = loop {
            match self.worker.wait_event() {
                Some(Event::Progress { job, done }) if job == own => {
                    bar.set_position((done * BAR_STEPS as f64) as u64);
                }
                Some(Event::FitStep { job, report }) if job == own => {
                    bar.set_message(format!("epoch {} · loss {:.4}", report.epoch + 1, report.loss));
                    on_event(Event::FitStep { job, report });
                }
                Some(Event::ConnectStep { job, note, .. }) if job == own => bar.set_message(note),
                Some(Event::Finished { job }) if job == own => break Ok(()),
                Some(Event::Cancelled { job }) if job == own => {
                    break Err(anyhow!("the job was cancelled"));
                }
                Some(Event::Failed { job, error }) if job == own => {
                    break Err(anyhow::Error::new(error));
                }
                Some(Event::Device { failed: Some(reason), .. }) => say(&format!("note: {reason}")),
                Some(event) => on_event(event),
                None => break Err(anyhow!("the compute thread ended in the middle of a job")),
            }
        };
        bar.finish_and_clear();
        outcome.with_context(|| format!("{what} failed"))
    }
}

/// Draws itself on a terminal and nowhere else.
pub(super) fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(BAR_STEPS).with_prefix(what.to_owned());
    let template = "{prefix} [{wide_bar}] {percent:>3} % · {eta} left {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}
