//! What one network answers to some inputs: its logits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batches::{ImageOrder, check_fit, images_at_once, load};
use super::evaluate::{BatchNorm, DataRef};
use super::evaluate_lanes::{Lanes, lanes_logits};
use super::forward::{Basis, PointTensors, forward_from};
use super::measured_statistics::MeasuredStatistics;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamVec};

/// Inputs that go through the network at a time.
const INPUTS_AT_ONCE: usize = 1024;
/// The coefficients of a point that is its own basis.
const ITSELF: [f64; 1] = [1.0];

/// One network and the inputs that it is to classify.
#[derive(Clone, Debug)]
pub struct ClassifySpec {
    pub network: Arc<Network>,
    pub params: Arc<ParamVec>,
    pub inputs: DataRef,
    pub batch_norm: BatchNorm,
}

/// A running classification; call [`Self::step`] until there are logits.
pub struct Classify {
    engine: Engine,
    spec: ClassifySpec,
    order: ImageOrder,
    /// Measures the statistics of batch norm on the CPU, while they are not known yet.
    measuring: Option<Box<Lanes>>,
    /// The network on a GPU.
    point: Option<PointTensors>,
    logits: Vec<f32>,
    n_done: usize,
}

impl Classify {
    /// # Errors
    /// When the network does not take the inputs, or the images that its statistics are measured on.
    pub fn new(engine: &Engine, spec: ClassifySpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.inputs)?;
        let images = match &spec.batch_norm {
            BatchNorm::Recompute(images) if spec.network.layout().has_statistics() => Some(images),
            _ => None,
        };
        images.map_or(Ok(()), |images| check_fit(&spec.network, images))?;
        let basis = std::slice::from_ref(&spec.params);
        let point = engine.is_gpu().then(|| {
            let mut point = Basis::new(engine, basis).as_points();
            if let Some(images) = images {
                MeasuredStatistics::new(engine, &spec.network, images).put(&spec.network, &[&ITSELF], &mut point);
            }
            point
        });
        let measuring = images.filter(|_| point.is_none()).map(|_| Lanes::new(&spec.network, basis, images).into());
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.inputs.n_images()),
            spec,
            measuring,
            point,
            logits: Vec::new(),
            n_done: 0,
        })
    }

    /// Works for about `budget`; after the last step the logits, `[n_inputs, n_classes]`, row-major.
    pub fn step(&mut self, budget: Duration) -> Result<Option<Vec<f32>>, ComputeError> {
        let deadline = Instant::now() + budget;
        if let Some(lanes) = &mut self.measuring {
            if !lanes.prepare(&ITSELF, deadline) {
                return Ok(None);
            }
            self.spec.params = Arc::new(lanes.params(&ITSELF));
            self.measuring = None;
        }
        let ClassifySpec { network, params, inputs, .. } = &self.spec;
        while self.n_done < self.order.len() {
            let range = self.n_done..self.order.len().min(self.n_done + INPUTS_AT_ONCE);
            self.n_done = range.end;
            let indices = self.order.range(range);
            let found = match &self.point {
                Some(point) => tensor_logits(&self.engine, network, point, inputs, indices)?,
                None => lanes_logits(network, params, inputs, indices),
            };
            self.logits.extend(found);
            if deadline <= Instant::now() {
                break;
            }
        }
        Ok((self.n_done == self.order.len()).then(|| std::mem::take(&mut self.logits)))
    }
}

/// Logits of one network on the first `n_images` images: `[n_images, n_classes]`, row-major.
pub fn logits(
    engine: &Engine,
    network: &Network,
    params: &Arc<ParamVec>,
    data: &DataRef,
    n_images: usize,
) -> Result<Vec<f32>, ComputeError> {
    check_fit(network, data)?;
    let order = ImageOrder::sequential(n_images.min(data.n_images()));
    let indices = order.range(0..order.len());
    if !engine.is_gpu() {
        return Ok(lanes_logits(network, params, data, indices));
    }
    let point = Basis::new(engine, std::slice::from_ref(params)).as_points();
    tensor_logits(engine, network, &point, data, indices)
}

/// Logits by tensor operations, as many images at a time as the device has room for.
fn tensor_logits(
    engine: &Engine,
    network: &Network,
    point: &PointTensors,
    data: &DataRef,
    indices: &[u32],
) -> Result<Vec<f32>, ComputeError> {
    let mut values = Vec::with_capacity(indices.len() * network.n_classes());
    for indices in indices.chunks(images_at_once(engine, network, INPUTS_AT_ONCE)) {
        let images = load(engine, data, indices).inputs(network);
        values.extend(super::score::read(forward_from(network, NodeId(0), images, point))?);
    }
    Ok(values)
}
