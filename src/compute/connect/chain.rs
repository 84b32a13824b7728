//! A chain of layers on its way from A to B, layer by layer from the images on: what weight adjustment and butterflies share
//! (sections 1.7 to 1.9 of the methods).
//!
//! Segment l moves layer l, weights and bias, to B's while layer l + 1 answers to it; the layers below are B's already, those
//! above still A's. With transport, B's units of layer l change places first. B's next layer changes with them and
//! all further segments lead to that B, so that the path is continuous in weights: the authors' code leaves the permutation
//! behind at the end of each segment, which is continuous only in what the network computes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{ComputeError, DataRef, Engine};
use super::layer_samples::{geometry, n_inputs, n_samples};
use super::previews::Previews;
use super::transport::pairing_note;
use super::{ConnectSpec, ConnectStep, Connection, Connector, Cost, Trace};
use crate::geometry::{Curve, Family, Path, Stage, neuron_centre};
use crate::matching::{GroupTransport, Permutation, permute};
use crate::net::{Network, ParamVec, Sequence, SequenceLayer};

/// A chain between two layers' moves.
pub(super) struct Chain {
    pub(super) network: Arc<Network>,
    pub(super) family: Family,
    sequence: Sequence,
    pub(super) a: Arc<ParamVec>,
    /// B with its units as they have been moved so far.
    pub(super) b: Arc<ParamVec>,
    /// The images that layers are fitted on.
    pub(super) data: DataRef,
    pub(super) ridge: f64,
    /// Number of the layer that moves.
    layer: usize,
    /// Where the path has come to: the layers below are B's.
    pub(super) now: Arc<ParamVec>,
    stages: Vec<Stage>,
    n_stages: usize,
    residuals: Vec<(f64, f64)>,
    notes: Vec<String>,
    previews: Previews,
}

impl Chain {
    /// `n_joined`: layers at the end that have no segment of their own.
    pub(super) fn new(engine: &Engine, spec: ConnectSpec, n_joined: usize) -> Result<Self, ComputeError> {
        let ConnectSpec { family, network, a, b, train, options, .. } = spec;
        let sequence =
            Sequence::of(&network).map_err(|reason| ComputeError::Unsuited { family: family.label(), reason })?;
        let mut notes = Vec::new();
        if engine.is_gpu() {
            notes.push("layers were fitted on the processor, which this family always uses".to_owned());
        }
        Ok(Self {
            n_stages: sequence.layers().len() - n_joined,
            data: options.adjustment.images(&train),
            ridge: options.adjustment.ridge,
            layer: 0,
            now: Arc::clone(&a),
            stages: Vec::new(),
            residuals: vec![(0.0, 0.0)],
            notes,
            previews: Previews::default(),
            network,
            family,
            sequence,
            a,
            b,
        })
    }

    /// The layer that moves.
    pub(super) fn layer(&self) -> &SequenceLayer {
        &self.sequence.layers()[self.layer]
    }

    /// The layer that answers to it; `None` for the last.
    pub(super) fn next_layer(&self) -> Option<&SequenceLayer> {
        self.sequence.layers().get(self.layer + 1)
    }

    /// Whether the next layer is the last, which gives the logits.
    pub(super) fn is_before_last(&self) -> bool {
        self.layer + 2 == self.sequence.layers().len()
    }

    /// Whether units change places.
    pub(super) fn is_transported(&self) -> bool {
        matches!(self.family, Family::TransportAdjusted | Family::TransportButterfly)
    }

    /// Where the path is, with the layer that moves at its end.
    pub(super) fn with_layer_of_b(&self) -> ParamVec {
        let mut end = (*self.now).clone();
        for id in std::iter::once(self.layer().weight).chain(self.layer().bias) {
            end.tensor_mut(id).copy_from_slice(self.b.tensor(id));
        }
        end
    }

    /// The way of the neurons of the layer that moves from where the path is to `end`.
    ///
    /// `outgoing`: whether the next layer's weights move with them, as what leaves the neurons. On arcs a neuron is its
    /// incoming weights with its bias, and apart from them what leaves it; each about the mean of both networks' neurons.
    pub(super) fn travel(&self, end: &Arc<ParamVec>, outgoing: bool) -> (Curve, Vec<Arc<ParamVec>>) {
        let mut basis = vec![Arc::clone(&self.now), Arc::clone(end)];
        if !matches!(self.family, Family::ArcAdjusted | Family::ArcButterfly) {
            return (Curve::Linear, basis);
        }
        let layer = self.layer();
        let incoming: Vec<_> = std::iter::once(layer.weight).chain(layer.bias).collect();
        let outgoing = self.next_layer().filter(|_| outgoing).map(|next| (next.weight, layer.n_units));
        basis.push(Arc::new(neuron_centre(&self.now, end, &incoming, outgoing)));
        (Curve::Arc, basis)
    }

    /// Puts B's units of the layer that moves where `found` has them; returns the permutations of all groups.
    pub(super) fn move_units(&mut self, found: &GroupTransport) -> Vec<Permutation> {
        let groups = self.network.groups();
        let moving = self.layer().group;
        if let Some(group) = moving.and_then(|index| groups.get(index)) {
            self.notes.push(pairing_note(group, found));
        }
        let of_group = |index: usize| {
            if Some(index) == moving { found.permutation.clone() } else { Permutation::identity(groups[index].n_units) }
        };
        let permutations: Vec<Permutation> = (0..groups.len()).map(of_group).collect();
        self.b = Arc::new(permute(&self.network, &self.b, &permutations));
        permutations
    }

    /// Ends a segment.
    pub(super) fn push(&mut self, stage: Stage) {
        self.now = Arc::clone(stage.end());
        self.stages.push(stage);
        self.layer += 1;
    }

    fn is_finished(&self) -> bool {
        self.stages.len() == self.n_stages
    }

    /// Share of the work done, 0..1, if that share of the segment's is.
    fn done(&self, share: f64) -> f64 {
        (self.stages.len() as f64 + share) / self.n_stages as f64
    }

    /// The residual of the fit at time s of the segment.
    pub(super) fn note_residual(&mut self, s: f64, residual: f64) {
        self.residuals.push((self.done(s), residual));
    }

    pub(super) fn note(&mut self, note: Option<String>) {
        self.notes.extend(note);
    }

    /// The path as it is shown on the way, from time to time; nothing while it has not left A.
    ///
    /// `points`: of the segment that is being worked out, evenly from its start on; so many when it will be whole.
    fn preview(&mut self, points: &[Arc<ParamVec>], n_points: usize) -> Option<Arc<Path>> {
        if Arc::ptr_eq(points.last().unwrap_or(&self.now), &self.a) {
            return None;
        }
        let mut previews = std::mem::take(&mut self.previews);
        let path = previews.when_due(|| Arc::new(self.so_far(points, n_points)));
        self.previews = previews;
        path
    }

    /// The path as far as it is known, and straight from there to B.
    pub(super) fn so_far(&self, points: &[Arc<ParamVec>], n_points: usize) -> Path {
        let mut stages = self.stages.clone();
        if 1 < points.len() {
            stages.push(waiting(points, n_points));
        }
        // A corner between segments would be a network more to keep: the next one goes all the way, the others rest at B.
        let line = |from| Stage::Curve { curve: Curve::Linear, basis: vec![Arc::clone(from), Arc::clone(&self.b)] };
        if stages.len() < self.n_stages {
            stages.push(line(points.last().unwrap_or(&self.now)));
        }
        stages.resize_with(self.n_stages, || line(&self.b));
        Path::staged(self.family, stages)
    }

    fn finish(&mut self) -> Connection {
        if self.is_transported() {
            self.notes.push("the path ends at B with its units moved, which computes what B computes".to_owned());
        }
        let path = Arc::new(Path::staged(self.family, std::mem::take(&mut self.stages)));
        let points = std::mem::take(&mut self.residuals);
        let residual = Trace { name: "fit residual".to_owned(), unit: String::new(), points };
        // Where nothing was fitted there is only the start.
        let traces = if residual.points.len() < 2 { Vec::new() } else { vec![residual] };
        Connection { path, traces, notes: std::mem::take(&mut self.notes) }
    }
}

/// The first of a segment's `n_points` points, which then stands still.
fn waiting(points: &[Arc<ParamVec>], n_points: usize) -> Stage {
    let mut points = points.to_vec();
    let mut times = Curve::even_ts(n_points);
    times.truncate(points.len());
    if let (Some(last), true) = (points.last().map(Arc::clone), points.len() < n_points) {
        points.push(last);
        times.push(1.0);
    }
    Stage::Polyline { times, points }
}

/// A family that moves a chain.
pub(super) trait ChainMover: Send {
    fn chain(&mut self) -> &mut Chain;

    /// Points of the segment that are worked out already, evenly from its start on, and how many it will have; none where
    /// segments come whole.
    fn points(&self) -> (&[Arc<ParamVec>], usize) {
        (&[], 0)
    }

    /// Does a piece of work.
    fn advance(&mut self) -> Result<(), ComputeError>;

    /// Share of the segment that is done, 0..1, and what is being done.
    fn progress(&self) -> (f64, String);
}

impl<T: ChainMover> Connector for T {
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        let started = Instant::now();
        loop {
            self.advance()?;
            if self.chain().is_finished() {
                return Ok(ConnectStep::Finished(Box::new(self.chain().finish())));
            }
            if budget <= started.elapsed() {
                let (share, note) = self.progress();
                let (points, n_points) = self.points();
                let points = points.to_vec();
                let path = self.chain().preview(&points, n_points);
                return Ok(ConnectStep::Working { done: self.chain().done(share), note, path });
            }
        }
    }
}

/// What fits of every layer but the first take, `n_fits` of each, and the largest one's matrix, targets and solution.
pub(super) fn cost(spec: &ConnectSpec, n_fits: usize) -> Cost {
    let mut cost = Cost { flops: 0.0, bytes: 0 };
    let Ok(sequence) = Sequence::of(&spec.network) else {
        return cost;
    };
    let n_images = spec.options.adjustment.images(&spec.train).n_images();
    let mut forward = 0.0;
    for pair in sequence.layers().windows(2) {
        forward += geometry(&spec.network, &pair[0]).n_products() as f64 * n_images as f64;
        let fit = fit_cost(&spec.network, &pair[1], n_images);
        cost.flops += n_fits as f64 * (2.0 * forward + fit.flops);
        cost.bytes = cost.bytes.max(fit.bytes);
    }
    cost
}

/// What the equations of one fit of a layer on so many images take, and their solution; not the way of the images to it.
pub(super) fn fit_cost(network: &Network, layer: &SequenceLayer, n_images: usize) -> Cost {
    let fitted = geometry(network, layer);
    let samples = n_samples(&fitted, n_images);
    let [n, m] = [n_inputs(&fitted), fitted.output[0]];
    let sums = (n * n / 2 + n * m) as f64 * samples as f64;
    let solution = (n * n) as f64 * (n as f64 / 6.0 + m as f64);
    let bytes = (n * n + 2 * n * m) * size_of::<f64>() + samples * m * size_of::<f32>();
    Cost { flops: 2.0 * (sums + solution), bytes }
}
