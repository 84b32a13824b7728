use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::checkpoint::to_safetensors;
use crate::geometry::{FlowKind, FlowObjective, NeuronShape};

fn model(kind: FlowKind) -> FlowModel {
    let neuron = NeuronShape { n_inputs: 4, bias: true, n_outputs: 2 };
    let config = FlowConfig { kind, neuron, n_layers: 2, hidden: 6, n_hidden: 1, batch_norm: true };
    let training =
        FlowTraining { objective: FlowObjective::Likelihood, steps: 12, seed: 3, n_networks: 4, n_neurons: 9 };
    let rows: Vec<f32> = (0..70).map(|i| ((i * 37) % 23) as f32).collect();
    FlowModel::untrained(config, training, &rows, &mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

fn saved(model: &FlowModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.safetensors");
    save_flow(&path, model, &BTreeMap::from([("made".to_owned(), "here".to_owned())])).unwrap();
    std::fs::read(&path).unwrap()
}

/// Checks that the file is refused with a message that has `part` in it and ends with the file's name.
fn check(bytes: &[u8], part: &str) {
    let message = parse_flow(bytes, Path::new("f.safetensors")).unwrap_err().to_string();
    assert!(message.contains(part), "{message}");
    assert!(message.ends_with(": f.safetensors"), "{message}");
}

/// A saved map with another text in its header.
fn with_header(model: &FlowModel, change: impl Fn(&str) -> String) -> Vec<u8> {
    let text = safetensors::metadata(&saved(model), Path::new("f")).unwrap()[KEY].clone();
    let tensors = model.config().tensors();
    let tensors: Vec<TensorOut<'_>> = tensors
        .iter()
        .zip(model.values())
        .map(|(tensor, values)| TensorOut { name: &tensor.name, shape: &tensor.shape, values })
        .collect();
    to_safetensors(&tensors, &BTreeMap::from([(KEY.to_owned(), change(&text))])).unwrap()
}

#[test]
fn a_map_that_is_saved_comes_back_the_same() {
    for kind in [FlowKind::RealNvp, FlowKind::Iaf] {
        let model = model(kind);
        assert_eq!(parse_flow(&saved(&model), Path::new("f")).unwrap(), model);
    }
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let whole = saved(&model(FlowKind::RealNvp));
    for n in (0..whole.len()).step_by(7) {
        assert!(parse_flow(&whole[..n], Path::new("f")).is_err(), "{n} of {} bytes", whole.len());
    }
}

#[test]
fn a_header_that_promises_other_tensors_is_refused() {
    let model = model(FlowKind::RealNvp);
    check(
        &with_header(&model, |text| text.replace("\"hidden\":6", "\"hidden\":7")),
        "expected shape [7, 4], found [6, 4]",
    );
    check(
        &with_header(&model, |text| text.replace("\"n_layers\":2", "\"n_layers\":1")),
        "`layer.1.norm.mean` does not belong",
    );
    check(
        &with_header(&model, |text| text.replace("\"n_layers\":2", "\"n_layers\":3")),
        "`layer.2.norm.mean` is missing",
    );
    check(&with_header(&model, |text| text.replace("realnvp", "iaf")), "expected shape");
    check(
        &with_header(&model, |text| text.replace("\"n_inputs\":4", "\"n_inputs\":18446744073709551615")),
        "coordinates",
    );
    check(&with_header(&model, |text| text.replace("\"n_layers\":2", "\"n_layers\":4000000000")), "invertible layers");
    check(&with_header(&model, |text| text.replace("\"seed\"", "\"sneed\"")), "not understood");
    check(&with_header(&model, |text| format!("{text}{}", " ".repeat(5000))), "expected at most 4096");
}

#[test]
fn networks_are_no_maps() {
    let values = [0.5_f32; 4];
    let tensors = [TensorOut { name: "fc.weight", shape: &[2, 2], values: &values }];
    check(&to_safetensors(&tensors, &BTreeMap::new()).unwrap(), "lowroad flow train");
}

#[test]
fn values_that_are_no_numbers_are_refused_by_name() {
    let model = model(FlowKind::RealNvp);
    let mut bytes = saved(&model);
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    check(&bytes, "expected finite numbers");
}
