use super::*;
use crate::data::{Augmentation, Normalization, SplitName, optdigits};
use crate::net::op::Window;
use crate::net::{Conv, GraphBuilder, zoo};

/// Vectors and losses after some steps with one trainer.
fn run(spec: &FitSpec, trainer: Trainer) -> (Vec<f64>, Vec<Arc<ParamVec>>) {
    let mut fit = Fit::with_trainer(spec.clone(), trainer);
    let mut losses = Vec::new();
    while let Some(report) = fit.step(true).unwrap() {
        losses.push(report.loss);
    }
    (losses, fit.trained().unwrap())
}

/// Checks that a trainer and automatic differentiation go the same way.
fn check(spec: &FitSpec, trainer: Trainer, tolerance: f32) {
    let name = spec.network.name();
    let (losses, vectors) = run(spec, trainer);
    let tensors = Trainer::Tensors(Box::new(TensorFit::new(&Engine::cpu(), spec)));
    let (expected_losses, expected) = run(spec, tensors);
    assert_eq!(losses.len(), spec.epochs * spec.steps_per_epoch());
    for (l, e) in losses.iter().zip(&expected_losses) {
        assert!((l - e).abs() < 1e-5 * e, "{name}: {losses:?} {expected_losses:?}");
    }
    for (v, e) in vectors.iter().zip(&expected) {
        for (v, e) in v.values().iter().zip(e.values()) {
            assert!((v - e).abs() < tolerance, "{name}: {v} {e}");
        }
    }
}

/// A fit on a few digits, from random weights.
fn small_fit(network: Network, family: Option<Curve>, optimizer: Optimizer, sampling: TSampling) -> FitSpec {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let n_basis = family.map_or(1, |family| family.n_bends() + 2);
    let basis = (0..n_basis).map(|_| Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut rng)));
    FitSpec {
        basis: basis.collect(),
        network: Arc::new(network),
        family,
        data: DataRef {
            dataset: Arc::new(optdigits()),
            split: SplitName::Train,
            normalization: Normalization::identity(1),
            limit: Some(90),
        },
        augmentation: Augmentation::none(),
        epochs: 3,
        start: FitStart::default(),
        // The last batch is smaller, and no multiple of a block.
        batch_size: 35,
        optimizer,
        learning_rate: if optimizer == Optimizer::Adam { 1e-3 } else { 0.05 },
        schedule: Schedule::Cosine,
        weight_decay: 1e-3,
        attack: None,
        sampling,
        proximal: None,
        seed: 1,
        checkpoints: false,
    }
}

const BEZIER: Option<Curve> = Some(Curve::Bezier { n_bends: 2 });
const CHAIN: Option<Curve> = Some(Curve::Chain { n_bends: 1 });

#[test]
fn the_gradient_by_hand_and_automatic_differentiation_agree() {
    for (hidden, bias, family, optimizer, sampling) in [
        (&[][..], true, None, Optimizer::NESTEROV, TSampling::One),
        (&[37], true, CHAIN, Optimizer::NESTEROV, TSampling::One),
        (&[40], false, BEZIER, Optimizer::NESTEROV, TSampling::Stratified { n: 3 }),
        (&[50, 33], true, BEZIER, Optimizer::Adam, TSampling::One),
        (&[20, 64, 12], true, None, Optimizer::Adam, TSampling::One),
    ] {
        let sizes: Vec<usize> = [&[64], hidden, &[10]].concat();
        let spec = small_fit(zoo::mlp(&sizes, bias).unwrap(), family, optimizer, sampling);
        check(&spec, Trainer::Dense(Box::new(DenseFit::new(&spec).unwrap())), 2e-5);
        check(&spec, Trainer::Lanes(Box::new(LanesFit::new(&spec))), 2e-5);
    }
}

#[test]
fn a_proximal_term_pulls_back_alike_everywhere_and_a_strong_one_holds_all() {
    for network in [zoo::mlp(&[64, 37, 10], true).unwrap(), convolutional()] {
        let mut spec = small_fit(network, BEZIER, Optimizer::NESTEROV, TSampling::One);
        let anchors = vec![Arc::clone(&spec.basis[2]), Arc::clone(&spec.basis[1])];
        spec.proximal = Some(Proximal { anchors: anchors.clone(), nu: 0.5 });
        if let Some(dense) = DenseFit::new(&spec) {
            check(&spec, Trainer::Dense(Box::new(dense)), 2e-5);
        }
        check(&spec, Trainer::Lanes(Box::new(LanesFit::new(&spec))), 2e-4);

        spec.proximal = Some(Proximal { anchors: anchors.clone(), nu: 1e-9 });
        let mut fit = Fit::new(&Engine::cpu(), spec.clone()).unwrap();
        while fit.step(false).unwrap().is_some() {}
        let n_trained = spec.network.layout().n_trained();
        for (found, anchor) in fit.trained().unwrap().iter().zip(&anchors) {
            let close = |(found, anchor): (&f32, &f32)| (found - anchor).abs() < 1e-5;
            assert!(found.values()[..n_trained].iter().zip(anchor.values()).all(close));
        }
    }
}

/// Two convolutions with batch norm, the second over a shortcut, and an auxiliary head.
fn convolutional() -> Network {
    let (mut graph, input) = GraphBuilder::new(&[1, 8, 8]);
    let x = graph.conv(input, "conv1", Conv::new(6, 3).padding(1).stride(2).no_bias()).unwrap();
    let x = graph.batch_norm(x, "bn1").unwrap();
    let x = graph.relu(x).unwrap();
    let y = graph.conv(x, "conv2", Conv::new(6, 3).padding(1)).unwrap();
    let y = graph.batch_norm(y, "bn2").unwrap();
    let sum = graph.add(x, y).unwrap();
    let x = graph.relu(sum).unwrap();
    let x = graph.max_pool(x, Window::square(2)).unwrap();
    let x = graph.flatten(x).unwrap();
    let head = graph.linear(x, "aux", 10, true).unwrap();
    graph.aux_head(head, 0.3);
    graph.linear(x, "fc", 10, true).unwrap();
    graph.finish("convolutional").unwrap()
}

#[test]
fn lanes_and_automatic_differentiation_agree_on_convolutions_and_batch_norm() {
    for (family, sampling) in
        [(None, TSampling::One), (BEZIER, TSampling::Stratified { n: 2 }), (CHAIN, TSampling::One)]
    {
        let spec = small_fit(convolutional(), family, Optimizer::NESTEROV, sampling);
        check(&spec, Trainer::Lanes(Box::new(LanesFit::new(&spec))), 2e-4);
    }
}

/// A mode's training on few images, in steps that do not divide them.
fn small_mode(optimizer: Optimizer) -> FitSpec {
    let network = Arc::new(zoo::mlp(&[64, 12, 10], true).unwrap());
    let start = Arc::new(ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(5)));
    FitSpec {
        network,
        family: None,
        basis: vec![start],
        data: DataRef {
            dataset: Arc::new(optdigits()),
            split: SplitName::Train,
            normalization: Normalization::identity(1),
            limit: Some(100),
        },
        augmentation: Augmentation::none(),
        epochs: 4,
        start: FitStart::default(),
        batch_size: 30,
        optimizer,
        learning_rate: 0.02,
        schedule: Schedule::Garipov,
        weight_decay: 1e-3,
        attack: None,
        sampling: TSampling::One,
        proximal: None,
        seed: 9,
        checkpoints: true,
    }
}

#[test]
fn a_fit_that_was_interrupted_ends_where_one_that_was_not_does() {
    let (epochs, steps_per_epoch) = (4, 4);
    for optimizer in [Optimizer::NESTEROV, Optimizer::Sgd { momentum: 0.5, nesterov: false }, Optimizer::Adam] {
        let spec = small_mode(optimizer);
        let trainers: [fn(&FitSpec) -> Trainer; 3] = [
            |spec| Trainer::Dense(Box::new(DenseFit::new(spec).unwrap())),
            |spec| Trainer::Lanes(Box::new(LanesFit::new(spec))),
            |spec| Trainer::Tensors(Box::new(TensorFit::new(&Engine::cpu(), spec))),
        ];
        for trainer in trainers {
            let (losses, vectors) = run(&spec, trainer(&spec));
            assert_eq!(losses.len(), epochs * steps_per_epoch);
            // In the middle of the second epoch, and between two.
            for n_steps in [6, 8] {
                let mut fit = Fit::with_trainer(spec.clone(), trainer(&spec));
                (0..n_steps).for_each(|_| assert!(fit.step(true).unwrap().is_some()));
                let FitCheckpoint { vectors: so_far, start, .. } = fit.checkpoint().unwrap();
                assert_eq!((start.epoch, start.step), (n_steps / steps_per_epoch, n_steps % steps_per_epoch));
                let rest = FitSpec { basis: so_far, epochs: epochs - start.epoch, start, ..spec.clone() };
                check_start(&rest).unwrap();
                let (rest_losses, rest_vectors) = run(&rest, trainer(&rest));
                assert_eq!(rest_losses, losses[n_steps..]);
                assert_eq!(rest_vectors[0].values(), vectors[0].values(), "{optimizer:?} after {n_steps} steps");
            }
        }
    }
}

#[test]
fn the_loss_of_a_checkpoint_is_the_mean_over_its_epoch() {
    let spec = small_mode(Optimizer::NESTEROV);
    let mut fit = Fit::new(&Engine::cpu(), spec).unwrap();
    let losses: Vec<f64> = (0..8).map(|_| fit.step(true).unwrap().unwrap().loss).collect();
    assert!(fit.is_between_epochs());
    let mean = losses[4..].iter().sum::<f64>() / 4.0;
    assert!((fit.checkpoint().unwrap().loss - mean).abs() < 1e-12);
}

#[test]
fn a_fit_does_not_start_from_another_optimizers_state() {
    let spec = small_mode(Optimizer::NESTEROV);
    let adam = small_mode(Optimizer::Adam);
    let state = Fit::new(&Engine::cpu(), adam).unwrap().checkpoint().unwrap().start;
    let error = Fit::new(&Engine::cpu(), FitSpec { start: state, ..spec.clone() }).err().unwrap().to_string();
    assert!(error.contains("moments"), "{error}");
    let beyond = FitStart { step: 4, ..FitStart::default() };
    assert!(Fit::new(&Engine::cpu(), FitSpec { start: beyond, ..spec }).is_err());
}

#[test]
fn random_changes_of_the_images_are_the_same_for_a_seed_and_others_in_every_epoch() {
    let plain = small_mode(Optimizer::NESTEROV);
    let changed = FitSpec { augmentation: Augmentation::parse("flip,crop:1").unwrap(), ..plain.clone() };
    let dense = |spec: &FitSpec| run(spec, Trainer::Dense(Box::new(DenseFit::new(spec).unwrap())));
    let tensors = |spec: &FitSpec| run(spec, Trainer::Tensors(Box::new(TensorFit::new(&Engine::cpu(), spec))));
    let (losses, vectors) = dense(&changed);
    assert_eq!((&losses, &vectors), (&dense(&changed).0, &dense(&changed).1));
    assert_ne!(losses[0], dense(&plain).0[0]);
    for (found, expected) in tensors(&changed).0.iter().zip(&losses) {
        assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
    }
    let read = |epoch| {
        let examples = Examples::of_epoch(&changed.data, &changed.augmentation, 9, epoch);
        let mut values = vec![0.0; 20 * examples.n_values()];
        examples.read_all(&(0..20).collect::<Vec<_>>(), &mut values);
        values
    };
    assert!(read(0) == read(0) && read(0) != read(1));
}
