use super::*;
use crate::checkpoint::save_params;
use crate::net::{Conv, GraphBuilder, ParamVec, description, zoo};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

fn random(network: &Network) -> ParamVec {
    ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(1))
}

/// No member of the zoo: a convolution that shrinks the map before a sigmoid.
fn unusual() -> Network {
    let (mut graph, x) = GraphBuilder::new(&[1, 6, 6]);
    let x = graph.conv(x, "first", Conv::new(4, 3).stride(2)).unwrap();
    let x = graph.activation(x, crate::net::Activation::Sigmoid).unwrap();
    let x = graph.flatten(x).unwrap();
    graph.linear(x, "last", 3, true).unwrap();
    graph.finish("unusual").unwrap()
}

#[test]
fn a_description_beside_a_checkpoint_is_its_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mode.safetensors");
    let network = unusual();
    let params = random(&network);
    save_params(&path, &network, &params, &Default::default()).unwrap();
    fs::write(folder.path().join("mode.network.toml"), description(&network)).unwrap();
    let mode = Mode::open(&path).unwrap();
    assert!(mode.network.same_architecture(&network));
    assert_eq!(mode.params.values(), params.values());
}

#[test]
fn a_wrong_description_is_named_with_its_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mode.safetensors");
    let network = unusual();
    save_params(&path, &network, &random(&network), &Default::default()).unwrap();
    fs::write(folder.path().join("mode.network.toml"), "input = [1, 6, 6]\n[[layer]]\nop = \"convolve\"\n").unwrap();
    let error = Mode::open(&path).unwrap_err().to_string();
    assert!(error.contains("mode.network.toml") && error.contains("convolve"), "{error}");
}

#[test]
fn onnx_files_bring_their_network() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx/lenet_13.onnx");
    let mode = Mode::open(&path).unwrap();
    assert_eq!(mode.name, "lenet_13");
    assert!(!mode.network.groups().is_empty());
    // Another network than the one that is wanted is refused.
    let wanted = Arc::new(zoo::mlp(&[4, 3], true).unwrap());
    let options = OpenOptions { network: Some(wanted), ..OpenOptions::default() };
    assert!(matches!(Mode::open_with(&path, &options), Err(ModeError::Architecture { .. })));
}

#[test]
fn what_shapes_cannot_tell_is_kept_as_other_networks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.safetensors");
    let network = zoo::build("resnet8-a", &[3, 16, 16], 4).unwrap();
    save_params(&path, &network, &random(&network), &Default::default()).unwrap();
    let mode = Mode::open(&path).unwrap();
    assert!(!mode.others.is_empty(), "zeros behind, or on both sides");
    let other = mode.clone().taken_as(0);
    assert!(other.network.same_architecture(&mode.others[0].network));
    assert!(other.others.iter().any(|back| back.network.same_architecture(&mode.network)));
}
