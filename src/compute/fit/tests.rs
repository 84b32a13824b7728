use super::*;
use crate::data::{Normalization, SplitName, optdigits};
use crate::net::zoo;

/// Vectors and losses after some steps with one trainer.
fn run(spec: &FitSpec, trainer: Trainer) -> (Vec<f64>, Vec<Arc<ParamVec>>) {
    let mut fit = Fit::with_trainer(spec.clone(), trainer);
    let mut losses = Vec::new();
    while let Some(report) = fit.step(true).unwrap() {
        losses.push(report.loss);
    }
    (losses, fit.trained().unwrap())
}

#[test]
fn the_gradient_by_hand_and_automatic_differentiation_agree() {
    let data = DataRef {
        dataset: Arc::new(optdigits()),
        split: SplitName::Train,
        normalization: Normalization::identity(1),
        limit: Some(90),
    };
    let momentum = Optimizer::NESTEROV;
    let bezier = Some(PathFamily::Bezier { n_bends: 2 });
    let chain = Some(PathFamily::Chain { n_bends: 1 });
    for (hidden, bias, family, optimizer, sampling) in [
        (&[][..], true, None, momentum, TSampling::One),
        (&[37], true, chain, momentum, TSampling::One),
        (&[40], false, bezier, momentum, TSampling::Stratified { n: 3 }),
        (&[50, 33], true, bezier, Optimizer::Adam, TSampling::One),
        (&[20, 64, 12], true, None, Optimizer::Adam, TSampling::One),
    ] {
        let sizes: Vec<usize> = [&[64], hidden, &[10]].concat();
        let network = Arc::new(zoo::mlp(&sizes, bias).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let n_basis = family.map_or(1, |family| family.n_bends() + 2);
        let basis = (0..n_basis).map(|_| Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng)));
        let spec = FitSpec {
            basis: basis.collect(),
            network,
            family,
            data: data.clone(),
            epochs: 3,
            start: FitStart::default(),
            // The last batch is smaller, and no multiple of a block.
            batch_size: 35,
            optimizer,
            learning_rate: if optimizer == Optimizer::Adam { 1e-3 } else { 0.05 },
            schedule: Schedule::Cosine,
            weight_decay: 1e-3,
            sampling,
            seed: 1,
            checkpoints: false,
        };
        let dense = Trainer::Dense(Box::new(DenseFit::new(&spec).unwrap()));
        let (losses, vectors) = run(&spec, dense);
        let tensors = Trainer::Tensors(Box::new(TensorFit::new(&Engine::cpu(), &spec)));
        let (expected_losses, expected) = run(&spec, tensors);
        assert_eq!(losses.len(), 9);
        for (l, e) in losses.iter().zip(&expected_losses) {
            assert!((l - e).abs() < 1e-5 * e, "{sizes:?}: {losses:?} {expected_losses:?}");
        }
        for (v, e) in vectors.iter().zip(&expected) {
            for (v, e) in v.values().iter().zip(e.values()) {
                assert!((v - e).abs() < 2e-5, "{sizes:?}: {v} {e}");
            }
        }
    }
}
