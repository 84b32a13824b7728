//! Data for the tests of this module: noise, with labels at random.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::evaluate::DataRef;
use super::{FitSpec, FitStart, Optimizer, Schedule, TSampling};
use crate::data::{Augmentation, Dataset, ImageShape, Normalization, Split, SplitName, Values};
use crate::geometry::Curve;
use crate::net::{Network, ParamId, ParamKind, ParamVec, Sequence, reference, zoo};

/// `n_images` training images (and as many others for testing) that `network` takes, scaled to about -1.7..1.7.
pub(super) fn noise(network: &Network, n_images: usize) -> DataRef {
    let (channels, height, width) = match *network.input_shape() {
        [c, h, w] => (c, h, w),
        _ => (network.n_inputs(), 1, 1),
    };
    let shape = ImageShape { channels, height, width };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut split = || Split {
        values: Values::Bytes((0..n_images * shape.pixels()).map(|_| rng.random()).collect()),
        labels: (0..n_images).map(|_| rng.random_range(0..network.n_classes() as u16)).collect(),
    };
    let dataset = Dataset {
        name: "noise".to_owned(),
        source: "made for a test".to_owned(),
        shape,
        max_value: u8::MAX,
        class_names: vec![String::new(); network.n_classes()],
        train: split(),
        test: split(),
        notes: Vec::new(),
    };
    DataRef {
        dataset: Arc::new(dataset),
        split: SplitName::Train,
        normalization: Normalization { mean: vec![0.5; channels], std: vec![0.29; channels] },
        limit: None,
    }
}

/// Weights of no special values: normalisations are no identities.
pub(super) fn params(network: &Network, seed: u64) -> Arc<ParamVec> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut params = ParamVec::random(Arc::clone(network.layout()), &mut rng);
    for (index, spec) in network.layout().specs().iter().enumerate() {
        let range = match spec.kind {
            ParamKind::Weight | ParamKind::Bias => continue,
            ParamKind::Scale | ParamKind::RunningVar => 0.5..2.0,
            ParamKind::Shift | ParamKind::RunningMean => -1.0..1.0,
        };
        params.tensor_mut(ParamId(index)).fill_with(|| rng.random_range(range.clone()));
    }
    Arc::new(params)
}

/// The zoo's networks that are chains of layers.
pub(super) fn chains() -> impl Iterator<Item = Arc<Network>> {
    zoo::samples().into_iter().filter(|network| Sequence::of(network).is_ok()).map(Arc::new)
}

/// The largest difference of two networks' logits on some images.
pub(super) fn logit_difference(network: &Network, a: &ParamVec, b: &ParamVec, data: &DataRef) -> f64 {
    let mut image = vec![0.0; network.n_inputs()];
    let mut largest = 0.0_f64;
    for index in 0..10 {
        data.inputs().read(index, &mut image);
        let pairs = reference::logits(network, a, &image).into_iter().zip(reference::logits(network, b, &image));
        largest = pairs.map(|(x, y)| (x - y).abs()).fold(largest, f64::max);
    }
    largest
}

/// One epoch of a mode or a path between vectors at random, on noise.
pub(super) fn fit_spec(network: Network, family: Option<Curve>, n_images: usize) -> FitSpec {
    let n_basis = family.map_or(1, |family| family.n_bends() + 2);
    FitSpec {
        basis: (0..n_basis as u64).map(|seed| params(&network, seed)).collect(),
        family,
        data: noise(&network, n_images),
        network: Arc::new(network),
        augmentation: Augmentation::none(),
        epochs: 1,
        start: FitStart::default(),
        batch_size: 50,
        optimizer: Optimizer::NESTEROV,
        learning_rate: 0.05,
        schedule: Schedule::Constant,
        weight_decay: 1e-2,
        attack: None,
        sampling: TSampling::One,
        proximal: None,
        seed: 5,
        checkpoints: false,
    }
}
