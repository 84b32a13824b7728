//! Loss and gradient at single points of weight space, on whatever computes them best: for descents that are no [`super::Fit`],
//! because what moves is more than a few vectors, or is moved otherwise.
//!
//! Batch norm uses the statistics of the minibatch, as in training.

use std::sync::Arc;

use burn::tensor::Tensor;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::batches::{Examples, ImageOrder, check_fit};
use super::dense_tape::{DenseTape, Row};
use super::evaluate::DataRef;
use super::forward::{Basis, PointTensors};
use super::gradient_tensors::{gradients_at, loss_at};
use super::lanes::train::{Examples as LaneExamples, Tape};
use super::score::read;
use super::{ComputeError, Engine};
use crate::net::{Network, ParamVec};

/// Loss and gradient of a network on minibatches of a data set.
pub(super) struct Gradient {
    engine: Engine,
    network: Arc<Network>,
    data: DataRef,
    way: Way,
}

/// How gradients are computed.
enum Way {
    Dense { tape: Box<DenseTape>, gradient: Vec<Row> },
    Lanes(Box<Tape>),
    Tensors,
}

impl Gradient {
    /// # Errors
    /// When the network does not fit the data.
    pub(super) fn new(engine: &Engine, network: &Arc<Network>, data: &DataRef) -> Result<Self, ComputeError> {
        check_fit(network, data)?;
        let way = match DenseTape::new(network) {
            _ if engine.is_gpu() => Way::Tensors,
            Some(tape) => Way::Dense { tape: Box::new(tape), gradient: Vec::new() },
            None => Way::Lanes(Box::new(Tape::new(network))),
        };
        Ok(Self { engine: engine.clone(), network: Arc::clone(network), data: data.clone(), way })
    }

    /// Mean cross-entropy of the images `indices` in nats, and its gradient (with that of auxiliary losses), one value a
    /// trained parameter.
    pub(super) fn at(&mut self, params: &ParamVec, indices: &[u32]) -> Result<(f64, Vec<f32>), ComputeError> {
        let examples = Examples::of(&self.data);
        let layout = self.network.layout();
        match &mut self.way {
            Way::Dense { tape, gradient } => {
                let packed = tape.pack(params);
                let loss = tape.gradient(&packed, &examples, indices, indices.len(), 0.0, gradient);
                Ok((loss / indices.len() as f64, tape.unpack(gradient)))
            }
            Way::Lanes(tape) => {
                let (images, labels) = examples.read_batch(indices);
                let minibatch = LaneExamples { images: &images, labels: &labels, n_total: labels.len() };
                let mut gradient = vec![0.0; layout.n_trained()];
                let loss = tape.gradient(params.values(), minibatch, &mut gradient);
                Ok((loss / indices.len() as f64, gradient))
            }
            Way::Tensors => {
                let specs = layout.specs();
                let trained = trained_tensors(&self.engine, params);
                let found = gradients_at(&self.engine, &self.network, &examples, indices, &trained);
                let mut gradient = vec![0.0; layout.n_trained()];
                for (spec, part) in specs.iter().zip(found.gradients) {
                    if let Some(part) = part {
                        gradient[spec.offset..spec.offset + spec.n_values()].copy_from_slice(&read(part)?);
                    }
                }
                Ok((sum(found.loss)?, gradient))
            }
        }
    }

    /// What [`Self::at`] finds, without the gradient.
    pub(super) fn loss(&mut self, params: &ParamVec, indices: &[u32]) -> Result<f64, ComputeError> {
        let examples = Examples::of(&self.data);
        match &mut self.way {
            Way::Dense { tape, .. } => {
                let loss = tape.loss(&tape.pack(params), &examples, indices);
                Ok(loss / indices.len() as f64)
            }
            Way::Lanes(tape) => {
                let (images, labels) = examples.read_batch(indices);
                let minibatch = LaneExamples { images: &images, labels: &labels, n_total: labels.len() };
                Ok(tape.loss(params.values(), minibatch) / indices.len() as f64)
            }
            Way::Tensors => {
                let trained = trained_tensors(&self.engine, params);
                sum(loss_at(&self.engine, &self.network, &examples, indices, &trained))
            }
        }
    }
}

/// The trained parameters on the device.
fn trained_tensors(engine: &Engine, params: &ParamVec) -> PointTensors {
    let point = Basis::new(engine, &[Arc::new(params.clone())]).as_points();
    let specs = params.layout().specs();
    specs.iter().zip(point).map(|(spec, w)| w.filter(|_| spec.kind.is_trained())).collect()
}

/// The sum of a tensor's values.
fn sum(values: Tensor<1>) -> Result<f64, ComputeError> {
    Ok(read(values)?.into_iter().map(f64::from).sum())
}

/// Minibatches of a data set, all of one size, in a new order each time all images were seen. What is left over of an order
/// sits it out.
pub(super) struct Minibatches {
    rng: ChaCha8Rng,
    order: ImageOrder,
    size: usize,
    next: usize,
}

impl Minibatches {
    /// The same seed gives the same minibatches everywhere.
    pub(super) fn new(data: &DataRef, size: usize, seed: u64) -> Self {
        let n_images = data.n_images();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let order = ImageOrder::shuffled(n_images, rng.random());
        Self { rng, order, size: size.clamp(1, n_images.max(1)), next: 0 }
    }

    /// How many there are until all images were seen.
    pub(super) fn per_epoch(&self) -> usize {
        self.order.len() / self.size
    }

    /// The images of the next one.
    pub(super) fn draw(&mut self) -> Vec<u32> {
        if self.order.len() < self.next + self.size {
            self.order = ImageOrder::shuffled(self.order.len(), self.rng.random());
            self.next = 0;
        }
        self.next += self.size;
        self.order.range(self.next - self.size..self.next).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{noise, params};
    use super::*;
    use crate::net::zoo;

    /// The loss at `params` and its gradient, on the first images.
    fn at(network: &Arc<Network>, data: &DataRef, way: Way, params: &ParamVec) -> (f64, Vec<f32>) {
        let (engine, network, data) = (Engine::cpu(), Arc::clone(network), data.clone());
        let (mut gradient, indices) = (Gradient { engine, network, data, way }, [3, 1, 4, 15, 9, 2, 6]);
        let (loss, found) = gradient.at(params, &indices).unwrap();
        assert!((gradient.loss(params, &indices).unwrap() - loss).abs() < 1e-6, "the loss alone is the same");
        (loss, found)
    }

    #[test]
    fn every_way_finds_the_same_gradient() {
        for network in [zoo::mlp(&[12, 33, 7, 3], true).unwrap(), zoo::mlp(&[12, 5, 3], false).unwrap()] {
            let network = Arc::new(network);
            let (data, params) = (noise(&network, 20), params(&network, 1));
            let dense = DenseTape::new(&network).unwrap();
            let dense = Way::Dense { tape: Box::new(dense), gradient: Vec::new() };
            let (expected_loss, expected) = at(&network, &data, Way::Tensors, &params);
            for way in [dense, Way::Lanes(Box::new(Tape::new(&network)))] {
                let (loss, gradient) = at(&network, &data, way, &params);
                assert!((loss - expected_loss).abs() < 1e-5, "{loss} {expected_loss}");
                assert_eq!(gradient.len(), expected.len());
                for (found, expected) in gradient.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn each_image_is_in_one_minibatch_of_an_epoch_and_orders_differ() {
        let network = zoo::mlp(&[4, 3], true).unwrap();
        let mut minibatches = Minibatches::new(&noise(&network, 12), 4, 7);
        let mut epoch = || -> Vec<u32> { (0..3).flat_map(|_| minibatches.draw()).collect() };
        let (first, second) = (epoch(), epoch());
        assert_ne!(first, second);
        for mut seen in [first, second] {
            seen.sort_unstable();
            assert_eq!(seen, (0..12).collect::<Vec<u32>>());
        }
    }
}
