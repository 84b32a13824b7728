use super::super::{ParamLayout, zoo};
use super::*;

fn only(tensors: &[(&str, &[usize])]) -> Recognised {
    let found = recognise(tensors, None).unwrap();
    assert_eq!(found.len(), 1, "{:?}", found.iter().map(|f| f.network.name()).collect::<Vec<_>>());
    found.into_iter().next().unwrap()
}

fn names_in_order(tensors: &[(&str, &[usize])]) -> Vec<String> {
    only(tensors).network.layout().specs().iter().map(|s| s.name.clone()).collect()
}

#[test]
fn numbers_in_names_count_as_numbers() {
    let tensors: &[(&str, &[usize])] = &[
        ("10.bias", &[10]),
        ("10.weight", &[10, 32]),
        ("7.weight", &[32, 32]),
        ("9.weight", &[32, 32]),
        ("1.weight", &[32, 64]),
    ];
    assert_eq!(names_in_order(tensors), ["1.weight", "7.weight", "9.weight", "10.weight", "10.bias"]);
}

#[test]
fn shapes_order_layers_that_names_do_not() {
    let tensors: &[(&str, &[usize])] =
        &[("alpha.weight", &[10, 20]), ("beta.weight", &[30, 64]), ("gamma.weight", &[20, 30])];
    assert_eq!(names_in_order(tensors), ["beta.weight", "gamma.weight", "alpha.weight"]);
}

#[test]
fn many_naming_habits_are_understood() {
    for (first, second) in [
        (["fc1.weight", "fc1.bias"], ["fc2.weight", "fc2.bias"]),
        (["layers.0.linear.weight", "layers.0.linear.bias"], ["layers.1.linear.weight", "layers.1.linear.bias"]),
        (["module.net.0.weight", "module.net.0.bias"], ["module.net.2.weight", "module.net.2.bias"]),
        (["W1", "b1"], ["W2", "b2"]),
        (["input_layer.weight", "input_layer.bias"], ["head.weight", "head.bias"]),
        (["dense/kernel", "dense/bias"], ["dense_1/kernel", "dense_1/bias"]),
    ] {
        let tensors: &[(&str, &[usize])] =
            &[(second[1], &[64]), (second[0], &[64, 64]), (first[1], &[64]), (first[0], &[64, 64])];
        assert_eq!(names_in_order(tensors), [first[0], first[1], second[0], second[1]]);
    }
}

#[test]
fn a_network_of_a_single_layer_is_recognised() {
    assert_eq!(only(&[("weight", &[10, 64]), ("bias", &[10])]).network.name(), "mlp 64-10");
}

/// Tensors of a norm: scale and shift, and with them what batch norm measured.
const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

#[test]
fn perceptrons_with_norms_are_recognised_whatever_order_the_file_has() {
    let (wide, narrow) = ([30_usize], [20_usize]);
    let norm = |name: &str, n: usize| NORM[..n].iter().map(|part| format!("{name}.{part}")).collect::<Vec<_>>();
    for (n_parts, kind) in [(4, "batch norm"), (2, "layer norm")] {
        let (bn1, bn2) = (norm("bn1", n_parts), norm("bn2", n_parts));
        let dense: [(&str, &[usize]); 4] =
            [("fc1.weight", &[30, 64]), ("fc2.weight", &[20, 30]), ("fc3.weight", &[10, 20]), ("fc3.bias", &[10])];
        let norms = bn1.iter().map(|n| (n.as_str(), &wide[..])).chain(bn2.iter().map(|n| (n.as_str(), &narrow[..])));
        let norms: Vec<(&str, &[usize])> = norms.collect();
        for tensors in [[&dense[..], &norms].concat(), [&norms[..], &dense].concat()] {
            let found = recognise(&tensors, None).unwrap();
            let names: Vec<&str> = found.iter().map(|f| f.network.name()).collect();
            let name = format!("mlp 64-30-20-10, 1 of 3 layers with biases, {kind}");
            assert_eq!(names, [name.clone(), format!("{name} behind ReLU")]);
            for candidate in &found {
                let specs = candidate.network.layout().specs();
                for (spec, &place) in specs.iter().zip(&candidate.tensors) {
                    assert_eq!((spec.name.as_str(), spec.shape.as_slice()), tensors[place]);
                }
                assert_eq!(specs.len(), tensors.len());
            }
            assert_eq!(found[0].network.groups().len(), 2);
        }
    }
}

#[test]
fn norms_that_belong_to_no_hidden_layer_are_named() {
    let one: &[(&str, &[usize])] =
        &[("fc1.weight", &[30, 64]), ("fc2.weight", &[10, 30]), ("bn.weight", &[31]), ("bn.bias", &[31])];
    let error = recognise(one, None).unwrap_err().to_string();
    assert!(error.contains("a norm of 30 units") && error.contains("`bn` [31]"), "{error}");
    let two: &[(&str, &[usize])] = &[("fc1.weight", &[10, 64]), ("bn.weight", &[64]), ("bn.bias", &[64])];
    let error = recognise(two, None).unwrap_err().to_string();
    assert!(error.contains("0 norms") && error.contains("1 were"), "{error}");
}

#[test]
fn a_bias_without_its_layer_is_refused_by_name() {
    let error = recognise(&[("fc1.weight", &[10, 64]), ("fc2.bias", &[10])], None).unwrap_err();
    assert!(error.to_string().contains("fc2.bias"), "{error}");
    let error = recognise(&[("fc1.weight", &[10, 64]), ("bn1.running_mean", &[10])], None).unwrap_err();
    assert!(error.to_string().contains("bn1.running_mean"), "{error}");
}

#[test]
fn layers_that_do_not_join_are_refused() {
    let error = recognise(&[("a.weight", &[10, 64]), ("b.weight", &[7, 9])], None).unwrap_err();
    assert!(matches!(error, RecogniseError::NoChain { .. }), "{error}");
}

#[test]
fn a_file_with_no_order_is_refused_quickly() {
    let names: Vec<String> = (0..60).map(|i| format!("l{i}.weight")).collect();
    let mut tensors: Vec<(&str, &[usize])> = names.iter().map(|n| (n.as_str(), [8_usize, 8].as_slice())).collect();
    tensors.push(("z.weight", &[3, 5]));
    assert!(matches!(recognise(&tensors, None), Err(RecogniseError::NoChain { .. })));
}

/// The names and shapes of a layout, as a file would list them, renamed by `rename`.
fn file(layout: &ParamLayout, rename: impl Fn(&str) -> String) -> Vec<(String, Vec<usize>)> {
    layout.specs().iter().map(|spec| (rename(&spec.name), spec.shape.clone())).collect()
}

fn borrowed(file: &[(String, Vec<usize>)]) -> Vec<(&str, &[usize])> {
    file.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
}

/// Asserts that one of the candidates for `file` has the graph of `network`, and its tensors in the same places.
fn assert_found(network: &Network, file: &[(String, Vec<usize>)], original: impl Fn(&str) -> String, label: &str) {
    let found = recognise(&borrowed(file), Some(network.input_shape())).unwrap_or_else(|e| panic!("{label}: {e}"));
    let same = found.iter().find(|f| f.network.same_architecture(network));
    let names: Vec<&str> = found.iter().map(|f| f.network.name()).collect();
    let same = same.unwrap_or_else(|| panic!("{label}: {} is not among {names:?}", network.name()));
    for (spec, &place) in network.layout().specs().iter().zip(&same.tensors) {
        assert_eq!(original(&spec.name), file[place].0, "{label}");
    }
}

const NETWORKS: [&str; 21] = [
    "lenet",
    "lenet-16-32",
    "conv2fc1",
    "tinyten",
    "vgg11",
    "vgg16",
    "vgg16-bn",
    "vgg13-bn-linear",
    "vgg11-torchvision",
    "resnet20",
    "resnet20-a",
    "resnet14-a",
    "resnet32-w2",
    "resnet18",
    "resnet18-imagenet",
    "resnet50",
    "preresnet20",
    "preresnet56",
    "wrn16-4",
    "googlenet",
    "googlenet-plain",
];

#[test]
fn networks_of_the_zoo_are_recognised_in_the_order_of_the_model() {
    for name in NETWORKS {
        let network = zoo::by_name(name).unwrap();
        for prefix in ["", "module.", "_orig_mod.model."] {
            let rename = |tensor: &str| format!("{prefix}{tensor}");
            assert_found(&network, &file(network.layout(), rename), rename, &format!("{name}, prefix `{prefix}`"));
        }
    }
}

#[test]
fn networks_of_the_zoo_are_recognised_in_files_sorted_by_name() {
    for name in NETWORKS {
        let network = zoo::by_name(name).unwrap();
        let mut file = file(network.layout(), |tensor| tensor.to_owned());
        file.sort();
        assert_found(&network, &file, |tensor| tensor.to_owned(), name);
    }
}

#[test]
fn other_names_of_the_same_layers_are_understood_sorted_or_not() {
    let timm = |tensor: &str| {
        let tensor = tensor.replace("layer1", "stages.0").replace("layer2", "stages.1").replace("layer3", "stages.2");
        tensor.replace("bn", "norm").replace("shortcut", "downsample").replace("linear", "head.fc")
    };
    for (name, rename) in [("resnet20", &timm as &dyn Fn(&str) -> String), ("resnet20-a", &timm), ("wrn16-4", &timm)] {
        let network = zoo::by_name(name).unwrap();
        let mut file = file(network.layout(), rename);
        assert_found(&network, &file, rename, name);
        file.sort();
        assert_found(&network, &file, rename, &format!("{name}, sorted"));
    }
}

#[test]
fn widths_and_classes_are_read_from_the_shapes() {
    for network in zoo::samples() {
        // Samples that are built by hand belong to no family; those of the VGG kind have fewer stages.
        if ["norms", "slices", "vgg"].iter().any(|start| network.name().starts_with(start)) {
            continue;
        }
        let rename = |tensor: &str| format!("net.{tensor}");
        assert_found(&network, &file(network.layout(), rename), rename, network.name());
    }
}

#[test]
fn counters_are_named_as_unused() {
    let network = zoo::by_name("resnet8").unwrap();
    let mut file = file(network.layout(), |tensor| tensor.to_owned());
    file.insert(3, ("bn1.num_batches_tracked".to_owned(), Vec::new()));
    file.push(("epoch".to_owned(), Vec::new()));
    let found = recognise(&borrowed(&file), None).unwrap();
    assert_eq!(found[0].unused, ["bn1.num_batches_tracked", "epoch"]);
    assert_eq!(found[0].network.name(), "resnet8");
}

#[test]
fn what_shapes_cannot_tell_gives_candidates_the_usual_one_first() {
    let network = zoo::by_name("resnet20-a").unwrap();
    let file = file(network.layout(), |tensor| tensor.to_owned());
    let names: Vec<String> =
        recognise(&borrowed(&file), None).unwrap().iter().map(|f| f.network.name().to_owned()).collect();
    assert_eq!(names, ["resnet20-a", "resnet20-a, zeros behind"]);
}

#[test]
fn a_network_that_fits_nothing_is_told_the_nearest_and_where_it_parts() {
    let network = zoo::by_name("resnet20").unwrap();
    let mut file = file(network.layout(), |tensor| tensor.to_owned());
    let odd = file.iter_mut().find(|(name, _)| name == "layer3.1.conv1.weight").unwrap();
    odd.1 = vec![60, 64, 3, 3];
    let error = recognise(&borrowed(&file), None).unwrap_err().to_string();
    for part in ["resnet20", "layer3.1.conv1", "[64, 64, 3, 3]", "[60, 64, 3, 3]", "--network"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn every_file_that_fits_nothing_is_refused_with_a_reason() {
    type Case<'a> = (&'a [(&'a str, &'a [usize])], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        (&[("conv1.weight", &[16, 3, 3, 3])], &["dense layer"]),
        (
            &[("fc1.weight", &[8, 64]), ("bn1.weight", &[7]), ("bn1.bias", &[7]), ("fc2.weight", &[10, 8])],
            &["perceptron", "a norm of 8 units", "norm `bn1` [7]"],
        ),
        (&[("conv1.weight", &[0, 3, 3, 3]), ("fc.weight", &[10, 0])], &["conv1.weight", "empty"]),
        (&[("a.weight", &[4, 3, 3, 3, 3])], &["a.weight", "[4, 3, 3, 3, 3]"]),
        (&[("conv1.weight", &[4, 7, 3, 3]), ("conv2.weight", &[5, 9, 3, 3]), ("fc.weight", &[2, 45])], &["conv2"]),
    ];
    for (tensors, parts) in cases {
        let error = recognise(tensors, None).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
}

#[test]
fn a_known_network_takes_tensors_by_name_whatever_their_order() {
    let network = zoo::by_name("resnet8").unwrap();
    let mut file = file(network.layout(), |tensor| format!("model.{tensor}"));
    file.reverse();
    let found = fit(&network, &borrowed(&file)).unwrap();
    for (spec, &place) in network.layout().specs().iter().zip(&found.tensors) {
        assert_eq!(format!("model.{}", spec.name), file[place].0);
    }
}

#[test]
fn a_known_network_refuses_tensors_of_another() {
    let network = zoo::by_name("resnet8").unwrap();
    let other = zoo::by_name("resnet8-w2").unwrap();
    let error = fit(&network, &borrowed(&file(other.layout(), |tensor| tensor.to_owned()))).unwrap_err().to_string();
    assert!(error.contains("resnet8") && error.contains("[16, 3, 3, 3]") && error.contains("[32, 3, 3, 3]"), "{error}");
}
