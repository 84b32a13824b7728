//! Adversarial examples by projected gradient descent, made on the CPU (Tatro et al. 2020, robust curves; METHODS-ALIGNMENT,
//! section 5).
//!
//! Slopes are those of training: batch norm uses the statistics of the images that are attacked together.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::batches::Examples;
use super::evaluate::DataRef;
use super::lanes::train::{Examples as LaneExamples, Tape};
use crate::data::{Attack, Ball, Dataset, Normalization, Split, SplitName, Values};
use crate::net::{Network, ParamVec};

/// Images that are attacked together, and whose statistics a batch norm then uses.
pub(super) const BATCH: usize = 128;

/// What attacks the images of a data set on behalf of one network.
pub(super) struct Attacker {
    tape: Tape,
    attack: Attack,
    ball: Ball,
    /// Values of an image.
    n_values: usize,
}

/// Images that are attacked together, on their way to where a network does worse.
pub(super) struct Siege {
    clean: Vec<f32>,
    pub(super) images: Vec<f32>,
    pub(super) labels: Vec<u16>,
    steps_left: usize,
}

impl Attacker {
    pub(super) fn new(network: &Arc<Network>, data: &DataRef, attack: Attack) -> Self {
        let ball = Ball::new(attack, &data.dataset, data.split, &data.normalization);
        Self { tape: Tape::with_input_gradient(network), attack, ball, n_values: network.n_inputs() }
    }

    /// Moves images `[labels.len(), n_values]` to random places in the balls around them.
    pub(super) fn begin(&self, clean: Vec<f32>, labels: Vec<u16>, rng: &mut ChaCha8Rng) -> Siege {
        let mut images = clean.clone();
        for (clean, image) in clean.chunks_exact(self.n_values).zip(images.chunks_exact_mut(self.n_values)) {
            self.ball.start(clean, rng, image);
        }
        Siege { clean, images, labels, steps_left: self.attack.n_steps }
    }

    /// A step to where the network at `params` (the flat vector) does worse; whether there was one left to take.
    pub(super) fn advance(&mut self, params: &[f32], siege: &mut Siege) -> bool {
        if siege.steps_left == 0 {
            return false;
        }
        siege.steps_left -= 1;
        let (images, labels) = (&siege.images[..], &siege.labels[..]);
        let slope = self.tape.input_gradient(params, LaneExamples { images, labels, n_total: labels.len() });
        let moved = siege.images.chunks_exact_mut(self.n_values).zip(slope.chunks_exact(self.n_values));
        for ((image, slope), clean) in moved.zip(siege.clean.chunks_exact(self.n_values)) {
            self.ball.advance(clean, slope, image);
        }
        true
    }

    /// Images `[labels.len(), n_values]`, moved to where the network at `params` (the flat vector) does worse.
    pub(super) fn attack(&mut self, params: &[f32], images: Vec<f32>, labels: Vec<u16>, rng: &mut ChaCha8Rng) -> Siege {
        let mut siege = self.begin(images, labels, rng);
        while self.advance(params, &mut siege) {}
        siege
    }

    /// The images `indices` of `data`, moved, as a data set of their own. The same `rng` gives the same images.
    pub(super) fn attacked(
        &mut self,
        params: &ParamVec,
        data: &DataRef,
        indices: &[u32],
        rng: &mut ChaCha8Rng,
    ) -> DataRef {
        let examples = Examples::of(data);
        let (mut values, mut labels) = (Vec::new(), Vec::with_capacity(indices.len()));
        for batch in indices.chunks(BATCH) {
            let (images, of_images) = examples.read_batch(batch);
            let moved = self.attack(params.values(), images, of_images, rng);
            values.extend(moved.images);
            labels.extend(moved.labels);
        }
        moved_images(data, values, labels)
    }
}

/// Images `[labels.len(), n_values]` that were `data`'s, as networks take them, as a data set of their own.
pub(super) fn moved_images(data: &DataRef, values: Vec<f32>, labels: Vec<u16>) -> DataRef {
    let split = Split { values: Values::Floats(values), labels };
    let (train, test) = match data.split {
        SplitName::Train => (split, Split::default()),
        SplitName::Test => (Split::default(), split),
    };
    let of = &data.dataset;
    let dataset = Dataset {
        name: format!("{} under attack", of.name),
        source: of.source.clone(),
        shape: of.shape,
        max_value: of.max_value,
        class_names: of.class_names.clone(),
        train,
        test,
        notes: Vec::new(),
    };
    let normalization = Normalization::identity(of.shape.channels);
    DataRef { dataset: Arc::new(dataset), split: data.split, normalization, limit: None }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{noise, params};
    use super::super::{Engine, EvaluateSpec, evaluate_all};
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;

    /// All images of `data`, moved.
    fn attacked(network: &Arc<Network>, params: &ParamVec, data: &DataRef, attack: Attack, seed: u64) -> DataRef {
        let indices: Vec<u32> = (0..data.n_images() as u32).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Attacker::new(network, data, attack).attacked(params, data, &indices, &mut rng)
    }

    #[test]
    fn an_attack_raises_the_loss_the_more_the_larger_its_ball() {
        for network in [zoo::mlp(&[20, 16, 3], true).unwrap(), zoo::by_name("lenet").unwrap()] {
            let network = Arc::new(network);
            let (data, params) = (noise(&network, 40), params(&network, 1));
            let loss = |eps: f64| {
                let attack = Attack { eps, step: eps / 2.0, n_steps: 4 };
                let moved = attacked(&network, &params, &data, attack, 0);
                let rows = vec![vec![1.0]];
                let spec = EvaluateSpec::new(Arc::clone(&network), vec![Arc::clone(&params)], rows, moved);
                evaluate_all(&Engine::cpu(), spec).unwrap()[0].loss
            };
            let losses = [0.0, 0.02, 0.1].map(loss);
            assert!(losses[0] < losses[1] && losses[1] < losses[2], "{} {losses:?}", network.name());
        }
    }

    #[test]
    fn attacked_images_are_in_the_ball_about_the_clean_ones_and_between_0_and_1() {
        let network = Arc::new(zoo::mlp(&[20, 16, 3], true).unwrap());
        let (data, params) = (noise(&network, 40), params(&network, 1));
        let attack = Attack { eps: 0.1, step: 0.04, n_steps: 5 };
        let moved = attacked(&network, &params, &data, attack, 3);
        // Both are read as networks take them, and `noise` normalises all channels alike.
        let pixels = |data: &DataRef| -> Vec<f32> {
            let mut values = vec![0.0; 20 * 40];
            Examples::of(data).read_all(&(0..40).collect::<Vec<u32>>(), &mut values);
            let Normalization { mean, std } = noise(&network, 1).normalization;
            values.iter().map(|value| value * std[0] + mean[0]).collect()
        };
        let (clean, moved) = (pixels(&data), pixels(&moved));
        let distances: Vec<f32> = moved.iter().zip(&clean).map(|(moved, clean)| (moved - clean).abs()).collect();
        assert!(distances.iter().all(|distance| *distance < 0.1 + 1e-6));
        assert!(moved.iter().all(|value| (-1e-6..=1.0 + 1e-6).contains(value)));
        assert!(
            distances.iter().filter(|distance| 0.09 < **distance).count() > distances.len() / 4,
            "it goes to the edge"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_images() {
        let network = Arc::new(zoo::mlp(&[20, 16, 3], true).unwrap());
        let (data, params) = (noise(&network, 20), params(&network, 1));
        let attack = Attack { eps: 0.1, step: 0.05, n_steps: 2 };
        let values = |seed: u64| attacked(&network, &params, &data, attack, seed).dataset.train.values.clone();
        let [Values::Floats(one), Values::Floats(again), Values::Floats(other)] = [1, 1, 2].map(values) else {
            panic!("attacked images are floats");
        };
        assert!(one == again && one != other);
    }
}
