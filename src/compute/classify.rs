//! What one network answers to some inputs: its logits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batches::{ImageOrder, check_fit, images_at_once, load};
use super::evaluate::{BatchNorm, DataRef};
use super::evaluate_lanes::LanesClassifier;
use super::forward::{Basis, PointTensors, forward_from};
use super::remeasure::Remeasure;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamVec};

/// Inputs that go through the network at a time.
const INPUTS_AT_ONCE: usize = 1024;

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
    /// What the statistics of batch norm are measured with, while they are not known yet.
    measuring: Option<Remeasure>,
    /// The network, once it is asked.
    classifier: Option<Classifier>,
    logits: Vec<f32>,
    n_done: usize,
}

impl Classify {
    /// # Errors
    /// When the network does not take the inputs, or the images that its statistics are measured on.
    pub fn new(engine: &Engine, spec: ClassifySpec) -> Result<Self, ComputeError> {
        check_fit(&spec.network, &spec.inputs)?;
        let measuring = match &spec.batch_norm {
            BatchNorm::Stored => None,
            BatchNorm::Recompute(images) => Some(Remeasure::new(engine, &spec.network, &spec.params, images)?),
        };
        Ok(Self {
            engine: engine.clone(),
            order: ImageOrder::sequential(spec.inputs.n_images()),
            spec,
            measuring,
            classifier: None,
            logits: Vec::new(),
            n_done: 0,
        })
    }

    /// Works for about `budget`; after the last step the logits, `[n_inputs, n_classes]`, row-major.
    pub fn step(&mut self, budget: Duration) -> Result<Option<Vec<f32>>, ComputeError> {
        let deadline = Instant::now() + budget;
        if let Some(measuring) = self.measuring.take() {
            match measuring.step(deadline) {
                Remeasure::Known(params) => self.spec.params = params,
                running @ Remeasure::Running(_) => {
                    self.measuring = Some(running);
                    return Ok(None);
                }
            }
        }
        let ClassifySpec { network, params, inputs, .. } = &self.spec;
        let classifier = self.classifier.get_or_insert_with(|| Classifier::new(&self.engine, network, params));
        while self.n_done < self.order.len() {
            let range = self.n_done..self.order.len().min(self.n_done + INPUTS_AT_ONCE);
            self.n_done = range.end;
            self.logits.extend(classifier.logits(inputs, self.order.range(range))?);
            if deadline <= Instant::now() {
                break;
            }
        }
        Ok((self.n_done == self.order.len()).then(|| std::mem::take(&mut self.logits)))
    }
}

/// One network at one point of weight space, laid out once for as many images as come.
pub struct Classifier(Laid);

enum Laid {
    Lanes(Box<LanesClassifier>),
    Tensors { engine: Engine, network: Arc<Network>, point: PointTensors },
}

impl Classifier {
    /// Batch norm uses the statistics in `params`.
    pub fn new(engine: &Engine, network: &Arc<Network>, params: &Arc<ParamVec>) -> Self {
        if !engine.is_gpu() {
            return Self(Laid::Lanes(Box::new(LanesClassifier::new(network, params))));
        }
        let point = Basis::new(engine, std::slice::from_ref(params)).as_points();
        Self(Laid::Tensors { engine: engine.clone(), network: Arc::clone(network), point })
    }

    /// Logits on some images, as many at a time as the device has room for: `[indices.len(), n_classes]`, row-major.
    ///
    /// # Errors
    /// When the network does not take the images.
    pub fn logits(&self, data: &DataRef, indices: &[u32]) -> Result<Vec<f32>, ComputeError> {
        check_fit(self.network(), data)?;
        let (engine, network, point) = match &self.0 {
            Laid::Lanes(classifier) => return Ok(classifier.logits(data, indices)),
            Laid::Tensors { engine, network, point } => (engine, network, point),
        };
        let mut values = Vec::with_capacity(indices.len() * network.n_classes());
        for batch in indices.chunks(images_at_once(engine, network, INPUTS_AT_ONCE)) {
            let images = load(engine, data, batch).inputs(network);
            values.extend(super::score::read(forward_from(network, NodeId(0), images, point))?);
        }
        Ok(values)
    }

    fn network(&self) -> &Network {
        match &self.0 {
            Laid::Lanes(classifier) => classifier.network(),
            Laid::Tensors { network, .. } => network,
        }
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
    let order = ImageOrder::sequential(n_images.min(data.n_images()));
    Classifier::new(engine, &Arc::new(network.clone()), params).logits(data, order.range(0..order.len()))
}
