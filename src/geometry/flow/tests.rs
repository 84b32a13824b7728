use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;

fn config(kind: FlowKind) -> FlowConfig {
    let neuron = NeuronShape { n_inputs: 3, bias: true, n_outputs: 3 };
    FlowConfig { kind, neuron, n_layers: 3, hidden: 5, n_hidden: 2, batch_norm: true }
}

const TRAINING: FlowTraining =
    FlowTraining { objective: FlowObjective::Bijection, steps: 0, seed: 0, n_networks: 2, n_neurons: 4 };

#[test]
fn the_papers_maps_have_the_papers_sizes() {
    let neuron = |n_inputs| NeuronShape { n_inputs, bias: true, n_outputs: 10 };
    let bijection = |n_inputs| FlowConfig::of_paper(FlowKind::RealNvp, FlowObjective::Bijection, neuron(n_inputs));
    let (mnist, cifar) = (bijection(784), bijection(3072));
    assert_eq!((mnist.dim(), mnist.hidden, mnist.n_layers, mnist.batch_norm), (795, 2000, 2, true));
    assert_eq!((cifar.dim(), cifar.hidden, cifar.batch_norm), (3083, 3000, false));
    let iaf = FlowConfig::of_paper(FlowKind::Iaf, FlowObjective::Likelihood, neuron(784));
    assert_eq!((iaf.hidden, iaf.n_layers, iaf.n_hidden), (795, 2, 1));
}

#[test]
fn names_are_unique_and_every_tensor_has_its_shape() {
    let tensors = config(FlowKind::RealNvp).tensors();
    // Two statistics; in each layer two more and two networks of three linear layers.
    assert_eq!(tensors.len(), 2 + 3 * (2 + 2 * 3 * 2));
    let shape = |name: &str| tensors.iter().find(|tensor| tensor.name == name).unwrap().shape;
    assert_eq!(shape("layer.0.scale.0.weight"), [5, 4]);
    assert_eq!(shape("layer.0.shift.2.weight"), [3, 5]);
    assert_eq!(shape("layer.1.scale.0.weight"), [5, 3]);
    assert_eq!(shape("layer.1.scale.2.bias"), [1, 4]);
    for batch_norm in [true, false] {
        let config = FlowConfig { batch_norm, ..config(FlowKind::RealNvp) };
        let tensors = config.tensors();
        let [scale, shift] = config.network_tensors(1);
        assert_eq!(
            (&*tensors[scale].name, &*tensors[shift].name),
            ("layer.1.scale.0.weight", "layer.1.shift.0.weight")
        );
        let norm = config.norm_tensors(2).map(|[mean, _]| tensors[mean].name.clone());
        assert_eq!(norm, batch_norm.then(|| "layer.2.norm.mean".to_owned()));
    }
    let mut names: Vec<_> = tensors.iter().map(|tensor| &tensor.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), tensors.len());
}

/// Follows the masks of all linear layers from the outputs back to the coordinates.
#[test]
fn an_output_of_masked_networks_depends_on_earlier_coordinates_and_no_others() {
    for hidden in [3, 5, 40] {
        let config = FlowConfig { hidden, ..config(FlowKind::Iaf) };
        let dim = config.dim();
        for layer in 0..2 {
            let mut reaches: Vec<Vec<bool>> = (0..dim).map(|i| (0..dim).map(|j| i == j).collect()).collect();
            for depth in 0..=config.n_hidden {
                let mask = config.mask(layer, depth).unwrap();
                let n_in = reaches.len();
                let seen = |row: &[f32]| {
                    let used = || reaches.iter().zip(row).filter(|(_, allowed)| **allowed == 1.0);
                    (0..dim).map(|i| used().any(|(reaches, _)| reaches[i])).collect()
                };
                reaches = mask.chunks_exact(n_in).map(seen).collect();
            }
            for (output, seen) in reaches.iter().enumerate() {
                for (coordinate, &seen) in seen.iter().enumerate() {
                    let is_earlier = config.degree(layer, coordinate) < config.degree(layer, output);
                    assert!(is_earlier || !seen, "{output} sees {coordinate} in layer {layer}");
                    assert!(!is_earlier || seen || hidden < dim, "{output} misses {coordinate} in layer {layer}");
                }
            }
        }
    }
}

#[test]
fn an_untrained_map_knows_mean_and_deviation_and_coordinates_that_never_vary_do_not_divide_by_zero() {
    let rows: Vec<f32> = (0..70).map(|i| if i % 7 == 2 { 4.0 } else { (i / 7) as f32 }).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = FlowModel::untrained(config(FlowKind::Iaf), TRAINING, &rows, &mut rng).unwrap();
    assert_eq!(model.values()[0][..3], [4.5, 4.5, 4.0]);
    let deviation = (99.0_f32 / 12.0).sqrt();
    assert!((model.values()[1][0] - deviation).abs() < 1e-5);
    assert!(0.0 < model.values()[1][2] && model.values()[1][2] < 1e-2 * deviation);
}

#[test]
fn sizes_and_values_out_of_range_are_refused_by_name() {
    let good = config(FlowKind::RealNvp);
    let refused = |config: FlowConfig, part: &str| {
        let error = config.check().unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    refused(FlowConfig { n_layers: 0, ..good }, "1 to 256 invertible layers, found 0");
    refused(FlowConfig { hidden: usize::MAX, ..good }, "hidden units");
    refused(FlowConfig { hidden: 1 << 20, n_hidden: 16, ..good }, "values in all tensors");
    let huge = NeuronShape { n_inputs: usize::MAX, bias: true, n_outputs: usize::MAX };
    refused(FlowConfig { neuron: huge, ..good }, "coordinates of a neuron");

    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let model = FlowModel::untrained(good, TRAINING, &[0.5; 70], &mut rng).unwrap();
    let changed = |index: usize, value: f32| {
        let mut values = model.values().to_vec();
        values[index][0] = value;
        FlowModel::new(good, TRAINING, values).unwrap_err()
    };
    assert!(changed(1, 0.0).contains("`neuron.std`: expected positive numbers, found 0"));
    assert!(changed(3, -1.0).contains("`layer.0.norm.var`"));
    assert!(changed(4, f32::NAN).contains("`layer.0.scale.0.weight`: expected finite numbers"));
    let mut short = model.values().to_vec();
    short[4].pop();
    assert!(FlowModel::new(good, TRAINING, short).unwrap_err().contains("expected 20 values ([5, 4]), found 19"));
    assert!(FlowModel::new(good, TRAINING, Vec::new()).unwrap_err().contains("tensors, found 0"));
}
