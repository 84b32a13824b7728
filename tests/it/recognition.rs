//! Checkpoints that others trained are recognised, where `LOWROAD_DATA` names the folder that holds `cases/` and `data/`.

use std::path::PathBuf;

use lowroad::checkpoint;
use lowroad::net::{self, RecogniseError, Recognised};

/// The candidates for a checkpoint below `LOWROAD_DATA`; `None` where that is not set.
fn recognised(file: &str, input: &[usize]) -> Option<Result<Vec<Recognised>, RecogniseError>> {
    with_tensors(file, |tensors| net::recognise(tensors, Some(input)))
}

fn with_tensors<T>(file: &str, found: impl Fn(&[(&str, &[usize])]) -> T) -> Option<T> {
    let Some(root) = std::env::var_os("LOWROAD_DATA") else {
        eprintln!("skipped: LOWROAD_DATA is not set, so {file} is not there to be recognised");
        return None;
    };
    let file = checkpoint::read(&PathBuf::from(root).join(file)).unwrap();
    let tensors: Vec<(&str, &[usize])> = file.tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect();
    Some(found(&tensors))
}

#[test]
fn published_checkpoints_are_recognised_with_the_right_network_first() {
    for (file, input, name, n_candidates) in [
        ("data/weights/akamaster-resnet20-12fca82f.th", [3, 32, 32], "resnet20-a", 2),
        ("data/weights/akamaster-resnet32-d509ac18.th", [3, 32, 32], "resnet32-a", 2),
        (
            "data/weights/gabdullin-lenet_example.pth",
            [1, 28, 28],
            "lenet 6-16-120-84-10: relu, max 2x2 pooling, padding 2 0",
            10,
        ),
        ("cases/mnist-resnet8-bn/a.safetensors", [1, 28, 28], "resnet8, 8 units", 1),
        ("cases/mnist-resnet8-bn/a.pt", [1, 28, 28], "resnet8, 8 units", 1),
        ("cases/mnist-mlp-784-256-128-10/a.pt", [1, 28, 28], "mlp 784-256-128-10", 1),
    ] {
        let Some(found) = recognised(file, &input) else { return };
        let found = found.unwrap();
        assert_eq!((found[0].network.name(), found.len()), (name, n_candidates), "{file}");
        if found[0].network.input_shape().len() == 3 {
            assert_eq!(found[0].network.input_shape(), input, "{file}");
        }
    }
}

#[test]
fn a_file_sorted_by_name_gives_the_tensors_their_places() {
    let Some(found) = recognised("cases/mnist-resnet8-bn/a.safetensors", &[1, 28, 28]) else { return };
    let found = found.unwrap();
    let names: Vec<&str> = found[0].network.layout().specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names[..3], ["conv1.weight", "bn1.weight", "bn1.bias"]);
    assert_eq!(names[15..18], ["layer2.0.conv1.weight", "layer2.0.bn1.weight", "layer2.0.bn1.bias"]);
    assert!(found[0].unused.iter().all(|name| name.ends_with("num_batches_tracked")), "{:?}", found[0].unused);
}

#[test]
fn what_is_in_no_zoo_says_so_and_opens_with_its_description() {
    for file in ["data/weights/burn-mnist.pt", "data/weights/burn-mnist.safetensors"] {
        let Some(error) = recognised(file, &[1, 28, 28]) else { return };
        let error = error.unwrap_err().to_string();
        assert!(error.contains("norm1") && error.contains("--network"), "{error}");
        let network = net::describe(include_str!("../../assets/networks/burn-mnist.toml")).unwrap();
        let fitted = with_tensors(file, |tensors| net::fit(&network, tensors).unwrap()).unwrap();
        assert!(fitted.unused.iter().all(|name| name.ends_with("num_batches_tracked")), "{:?}", fitted.unused);
    }
}
