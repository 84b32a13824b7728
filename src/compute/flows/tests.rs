use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::connect::{Connect, ConnectOptions, ConnectSpec, connect_all};
use super::super::score::read;
use super::super::test_data::{noise, params};
use super::super::{ComputeError, Engine};
use super::map::{FlowMap, HostMap};
use super::objective::{PathPoint, path_loss};
use super::*;
use crate::geometry::{
    Curve, Family, FlowConfig, FlowKind, FlowModel, FlowObjective, FlowRole, FlowTraining, NeuronShape, Neurons, Path,
    Stage,
};
use crate::net::{Network, ParamVec, zoo};
use burn::tensor::{Int, Tensor, TensorData};
use std::sync::Arc;

const KINDS: [FlowKind; 2] = [FlowKind::RealNvp, FlowKind::Iaf];

fn training(objective: FlowObjective) -> FlowTraining {
    FlowTraining { objective, steps: 0, seed: 0, n_networks: 2, n_neurons: 3 }
}

fn config(kind: FlowKind, neuron: NeuronShape) -> FlowConfig {
    FlowConfig { kind, neuron, n_layers: 3, hidden: 8, n_hidden: 2, batch_norm: true }
}

/// A map none of whose values is special.
fn random_map(config: FlowConfig, objective: FlowObjective) -> Arc<FlowModel> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let rows: Vec<f32> = (0..20 * config.dim()).map(|_| rng.random_range(-2.0..3.0)).collect();
    let model = FlowModel::untrained(config, training(objective), &rows, &mut rng).unwrap();
    let mut values = model.values().to_vec();
    for (tensor, values) in config.tensors().iter().zip(&mut values).skip(2) {
        let range = if tensor.name.ends_with("var") { 0.5..2.0 } else { -0.4..0.4 };
        values.fill_with(|| rng.random_range(range.clone()));
        if let FlowRole::Weight { layer, depth } = tensor.role
            && let Some(mask) = config.mask(layer, depth)
        {
            values.iter_mut().zip(mask).for_each(|(value, allowed)| *value *= allowed);
        }
    }
    Arc::new(FlowModel::new(config, model.training.clone(), values).unwrap())
}

fn rows(n: usize, dim: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    (0..n * dim).map(|_| rng.random_range(-2.0..3.0)).collect()
}

#[test]
fn both_kinds_lead_there_and_back() {
    for kind in KINDS {
        let config = config(kind, NeuronShape { n_inputs: 16, bias: true, n_outputs: 4 });
        let map = HostMap::new(&Engine::cpu(), &random_map(config, FlowObjective::Likelihood));
        // More neurons than one task of the substitution takes, and an odd number of coordinates.
        let neurons = rows(150, config.dim());
        let latent = map.forward(&neurons).unwrap();
        let moved = latent.iter().zip(&neurons).filter(|(a, b)| 0.1 < (*a - *b).abs()).count();
        assert!(neurons.len() / 2 < moved, "{kind:?} hardly does anything");
        for (found, expected) in map.inverse(&latent).unwrap().iter().zip(&neurons) {
            assert!((found - expected).abs() < 1e-4, "{kind:?}: {found} {expected}");
        }
    }
}

/// Absolute value of the determinant, by elimination.
fn abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut det = 1.0;
    for column in 0..n {
        let pivot = (column..n).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs())).unwrap();
        matrix.swap(column, pivot);
        let pivot_row = matrix[column].clone();
        det *= pivot_row[column];
        for row in &mut matrix[column + 1..] {
            let factor = row[column] / pivot_row[column];
            row.iter_mut().zip(&pivot_row).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    det.abs()
}

#[test]
fn log_determinants_are_those_of_numerical_jacobians() {
    const STEP: f32 = 1e-2;
    for kind in KINDS {
        let config = config(kind, NeuronShape { n_inputs: 3, bias: true, n_outputs: 2 });
        let dim = config.dim();
        let model = random_map(config, FlowObjective::Likelihood);
        let (engine, neuron) = (Engine::cpu(), rows(1, dim));
        let map = FlowMap::new(&engine, &model);
        let upload = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [1, dim]), &engine.device);
        let log_det = read(map.forward(upload(neuron.clone())).log_det).unwrap()[0];
        let column = |coordinate: usize| -> Vec<f64> {
            let at = |step: f32| {
                let mut neuron = neuron.clone();
                neuron[coordinate] += step;
                read(map.forward(upload(neuron)).values).unwrap()
            };
            at(STEP).iter().zip(at(-STEP)).map(|(a, b)| f64::from(a - b) / f64::from(2.0 * STEP)).collect()
        };
        let numerical = abs_det((0..dim).map(column).collect()).ln();
        assert!((f64::from(log_det) - numerical).abs() < 2e-3, "{kind:?}: {log_det} {numerical}");
    }
}

fn small() -> (Network, Neurons) {
    let network = zoo::mlp(&[4, 3, 3], true).unwrap();
    let neurons = Neurons::of(&network).unwrap();
    (network, neurons)
}

/// Along the gradient of each tensor the loss of a point of a path rises as fast as its length says.
#[test]
fn gradients_of_the_bijection_are_those_of_central_differences() {
    const STEP: f32 = 5e-3;
    let (network, neurons) = small();
    let config = config(FlowKind::RealNvp, neurons.shape);
    let model = random_map(config, FlowObjective::Bijection);
    let engine = Engine::cpu();
    let (a, b) = (params(&network, 1), params(&network, 2));
    let data = noise(&network, 20);
    let indices: Vec<u32> = (0..20).collect();
    let loss = |map: &FlowMap| {
        let tensor =
            |values: Vec<f32>, shape| Tensor::<2>::from_data(TensorData::new(values, shape), &engine.device).autodiff();
        let point = PathPoint {
            neurons: tensor([neurons.rows(&a), neurons.rows(&b)].concat(), [6, config.dim()]),
            output_bias: Some(tensor(vec![0.1, -0.2, 0.3], [1, 3])),
            t: 0.4,
        };
        let block = super::super::batches::load(&engine, &data, &indices);
        let labels: Tensor<3, Int> = block.label_tensor(&engine).reshape([1, 20, 1]).autodiff();
        path_loss(map, &network, &neurons, point, block.images.unsqueeze_dim(0).autodiff(), labels).0
    };
    let tensors = config.tensors();
    let trained: Vec<usize> = (0..tensors.len()).filter(|&i| tensors[i].role != FlowRole::Statistic).collect();
    let map = FlowMap::new(&engine, &model).tracked(&trained);
    let mut gradients = loss(&map).backward();
    for &index in &trained {
        let gradient = read(map.tensors()[index].grad_remove(&mut gradients).unwrap()).unwrap();
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let at = |step: f32| {
            let mut values = model.values().to_vec();
            values[index].iter_mut().zip(&gradient).for_each(|(value, g)| *value += step * g / length);
            let moved = FlowModel::new(config, model.training.clone(), values).unwrap();
            read(loss(&FlowMap::new(&engine, &moved).tracked(&[])).inner()).unwrap()[0]
        };
        let numerical = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let name = &tensors[index].name;
        assert!(1e-5 < length, "{name} has no gradient");
        assert!((numerical - length).abs() < 1e-4 + 0.02 * length, "{name}: {numerical} {length}");
    }
}

/// Networks whose neurons `[x1, x2, bias, y]` are Gaussian with the correlation 0.9 between x1 and x2, and between bias and y.
fn gaussian_networks(n_networks: u64, n: usize) -> (Arc<Network>, Vec<Arc<ParamVec>>) {
    let network = Arc::new(zoo::mlp(&[2, n, 1], true).unwrap());
    let neurons = Neurons::of(&network).unwrap();
    let one = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random_range(-0.5_f32..0.5)).sum::<f32>();
        let pair = |a: f32, b: f32| [a, 0.9 * a + 0.19_f32.sqrt() * b];
        let row = |_| [pair(normal(), normal()), pair(normal(), normal())].concat();
        let mut params = ParamVec::zeros(network.layout().clone());
        neurons.put_rows(&(0..n).flat_map(row).collect::<Vec<_>>(), &mut params);
        Arc::new(params)
    };
    let networks = (0..n_networks).map(one).collect();
    (network, networks)
}

/// In closed form: `d / 2 ln(2 pi e) + ln det(covariance) / 2`; neurons that only are standardised miss the correlations.
#[test]
fn the_likelihood_of_gaussian_neurons_rises_to_their_entropy() {
    let independent = 4.0 * 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln();
    let entropy = independent + 0.19_f64.ln();
    let (network, mut networks) = gaussian_networks(4, 2000);
    let held_out = networks.split_off(3);
    for kind in KINDS {
        let neuron = Neurons::of(&network).unwrap().shape;
        let nll = |steps| {
            let spec = FlowSpec {
                network: Arc::clone(&network),
                networks: networks.clone(),
                held_out: held_out.clone(),
                data: noise(&network, 1),
                config: FlowConfig { n_layers: 2, hidden: 16, n_hidden: 1, batch_norm: false, ..config(kind, neuron) },
                objective: FlowObjective::Likelihood,
                steps,
                batch_size: 500,
                learning_rate: 0.01,
                seed: 1,
                start: None,
            };
            let mut training = TrainFlow::new(&Engine::cpu(), spec).unwrap();
            while training.step(Duration::ZERO).unwrap().is_some() {}
            training.trained().unwrap().held_out_nll.unwrap()
        };
        let (untrained, trained) = (nll(0), nll(250));
        assert!((untrained - independent).abs() < 0.05, "{kind:?}: {untrained} {independent}");
        assert!((trained - entropy).abs() < 0.08, "{kind:?}: {trained} {entropy}");
    }
}

fn connect_spec(network: &Network, family: Family, flow: Option<Arc<FlowModel>>) -> ConnectSpec {
    ConnectSpec {
        family,
        a: params(network, 1),
        b: params(network, 2),
        train: noise(network, 10),
        network: Arc::new(network.clone()),
        points: 9,
        seed: 0,
        options: ConnectOptions { flow, ..ConnectOptions::default() },
    }
}

#[test]
fn the_path_of_an_untrained_map_of_both_ends_is_the_arc() {
    let (network, neurons) = small();
    let mut spec = connect_spec(&network, Family::Bijection, None);
    let rows = [neurons.rows(&spec.a), neurons.rows(&spec.b)].concat();
    for kind in KINDS {
        let config = FlowConfig { batch_norm: false, ..config(kind, neurons.shape) };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let model = FlowModel::untrained(config, training(FlowObjective::Bijection), &rows, &mut rng).unwrap();
        spec.options.flow = Some(Arc::new(model));
        let found = connect_all(&Engine::cpu(), spec.clone()).unwrap().path;
        let arc = Path::straight(&network, Curve::Arc, Arc::clone(&spec.a), Arc::clone(&spec.b));
        for t in Curve::even_ts(9) {
            let distance = found.point(t).distance(&arc.point(t));
            assert!(distance < 1e-5, "{kind:?} at {t}: {distance}");
        }
    }
}

#[test]
fn paths_through_maps_lead_from_a_to_b_without_jumps() {
    let (network, neurons) = small();
    for kind in KINDS {
        let flow = Some(random_map(config(kind, neurons.shape), FlowObjective::Likelihood));
        let spec = ConnectSpec { points: 401, ..connect_spec(&network, Family::Flow, flow) };
        let connection = connect_all(&Engine::cpu(), spec.clone()).unwrap();
        assert_eq!((connection.path.start(), connection.path.end()), (&spec.a, &spec.b));
        assert_eq!(connection.path.family(), Family::Flow);
        let Some(Stage::Polyline { points, .. }) = connection.path.stages().next() else {
            panic!("a path through a map is a polyline");
        };
        let length = connection.path.length();
        let longest = points.windows(2).map(|pair| pair[0].distance(&pair[1])).fold(0.0, f64::max);
        assert!(longest < 0.02 * length, "{kind:?}: {longest} of {length}");
        assert!(connection.notes.iter().any(|note| note.contains("there and back")), "{:?}", connection.notes);
    }
}

#[test]
fn a_path_without_its_map_names_the_command_that_trains_one() {
    let (network, neurons) = small();
    let fails = |network: &Network, family, flow, parts: &[&str]| {
        let error = match Connect::new(&Engine::cpu(), connect_spec(network, family, flow)) {
            Ok(_) => panic!("{family:?} was connected"),
            Err(error) => error.to_string(),
        };
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    fails(&network, Family::Bijection, None, &["lowroad flow train", "--objective bijection", "--flow FILE"]);
    fails(&network, Family::Flow, None, &["--objective likelihood"]);
    let map = random_map(config(FlowKind::RealNvp, neurons.shape), FlowObjective::Likelihood);
    fails(&network, Family::Bijection, Some(Arc::clone(&map)), &["another family", "--objective bijection"]);
    let wider = zoo::mlp(&[5, 3, 3], true).unwrap();
    fails(&wider, Family::Flow, Some(Arc::clone(&map)), &["4 inputs, a bias and 3 outputs", "5 inputs"]);
    let deep = zoo::mlp(&[4, 3, 3, 3], true).unwrap();
    fails(&deep, Family::Flow, Some(map), &["mlp 4-3-3-3 has 3 layers"]);
}

fn bijection_spec(steps: usize) -> FlowSpec {
    let (network, neurons) = small();
    FlowSpec {
        networks: (1..5).map(|seed| params(&network, seed)).collect(),
        held_out: Vec::new(),
        data: noise(&network, 30),
        config: config(FlowKind::RealNvp, neurons.shape),
        network: Arc::new(network),
        objective: FlowObjective::Bijection,
        steps,
        batch_size: 8,
        learning_rate: 0.01,
        seed: 3,
        start: None,
    }
}

fn train(spec: FlowSpec) -> Result<TrainedFlow, ComputeError> {
    let mut training = TrainFlow::new(&Engine::cpu(), spec)?;
    while training.step(Duration::ZERO)?.is_some() {}
    training.trained()
}

#[test]
fn the_same_seed_trains_the_same_map_and_its_steps_are_counted() {
    let trained = train(bijection_spec(6)).unwrap();
    assert_eq!(trained.model, train(bijection_spec(6)).unwrap().model);
    assert_ne!(trained.model.values(), train(FlowSpec { seed: 4, ..bijection_spec(6) }).unwrap().model.values());
    // 30 images make four steps an epoch.
    assert_eq!(trained.losses.len(), 2);
    let more = FlowSpec { start: Some(Arc::clone(&trained.model)), ..bijection_spec(3) };
    assert_eq!(train(more).unwrap().model.training.steps, 9);
}

#[test]
fn trainings_that_cannot_be_are_refused_with_the_reason() {
    let refused = |spec: FlowSpec, part: &str| {
        let error = train(spec).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let spec = || bijection_spec(1);
    refused(FlowSpec { config: FlowConfig { kind: FlowKind::Iaf, ..spec().config }, ..spec() }, "train RealNVP");
    refused(FlowSpec { networks: spec().networks[..1].to_vec(), ..spec() }, "at least 2 networks");
    refused(FlowSpec { config: FlowConfig { n_layers: 0, ..spec().config }, ..spec() }, "invertible layers");
    let other = random_map(spec().config, FlowObjective::Likelihood);
    refused(FlowSpec { start: Some(other), ..spec() }, "another family");
    refused(FlowSpec { learning_rate: 1e30, ..bijection_spec(20) }, "a lower learning rate");
}
