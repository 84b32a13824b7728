use super::*;

const CIFAR: [usize; 3] = [3, 32, 32];

fn n_trained(name: &str, input: &[usize], n_classes: usize) -> usize {
    build(name, input, n_classes).unwrap().layout().n_trained()
}

#[test]
fn parameter_counts_are_those_of_the_papers_and_of_torchvision() {
    for (name, n_classes, expected) in [
        ("fc3", 10, 3072 * 6144 + 6144 * 2000 + 2000 * 10),
        ("fc7", 10, 3072 * 6144 + 6144 * 2000 + 2000 * 1000 + 3 * 1000 * 1000 + 1000 * 10),
        ("conv2fc1", 10, 3 * 32 * 25 + 32 + 32 * 64 * 25 + 64 + 3136 * 10 + 10),
        // METHODS of Tatro et al.
        ("tinyten", 10, 86_778),
        ("tinyten", 100, 92_628),
        ("tinyten", 200, 99_128),
        ("resnet32", 10, 466_906),
        // He et al. (2015): 0.27, 0.46, 0.66, 0.85 and 1.7 million.
        ("resnet20-a", 10, 269_722),
        ("resnet32-a", 10, 464_154),
        ("resnet44-a", 10, 658_586),
        ("resnet56-a", 10, 853_018),
        ("resnet110-a", 10, 1_727_962),
        ("vgg16", 10, 15_245_130),
        ("vgg16-bn-linear", 10, 14_728_266),
        // torchvision's tables.
        ("vgg11-torchvision", 1000, 132_863_336),
        ("vgg13-torchvision", 1000, 133_047_848),
        ("vgg16-torchvision", 1000, 138_357_544),
        ("vgg16-bn-torchvision", 1000, 138_365_992),
        ("vgg19-torchvision", 1000, 143_667_240),
        ("resnet18-imagenet", 1000, 11_689_512),
        ("resnet34-imagenet", 1000, 21_797_672),
        ("resnet50-imagenet", 1000, 25_557_032),
        ("resnet18", 10, 11_173_962),
        ("wrn28-10", 10, 36_479_194),
        // The form of kuangliu's pytorch-cifar.
        ("googlenet-plain", 10, 6_166_250),
    ] {
        assert_eq!(n_trained(name, &CIFAR, n_classes), expected, "{name}");
    }
    assert_eq!(n_trained("lenet", &[1, 28, 28], 10), 61_706);
}

#[test]
fn rounded_parameter_counts_are_those_of_the_papers() {
    let millions = |name: &str, n_classes: usize| n_trained(name, &CIFAR, n_classes) as f64 / 1e6;
    for (name, n_classes, expected) in [
        ("preresnet164", 10, 1.70),
        ("preresnet110", 10, 1.15),
        ("googlenet", 100, 10.24),
        ("googlenet-noaux", 100, 5.70),
    ] {
        let found = millions(name, n_classes);
        assert!((found - expected).abs() < 0.005, "{name}: {found}, expected {expected}");
    }
}

#[test]
fn every_member_is_built_by_its_name_and_ends_in_the_classes() {
    for member in members() {
        let network = by_name(member.name).unwrap();
        assert_eq!(network.n_classes(), 10, "{}", member.name);
    }
}

#[test]
fn names_that_are_no_network_are_refused_with_the_list() {
    for name in ["", "784", "resnet21", "resnet20-b", "vgg12", "vgg16-bn-x", "wrn28", "preresnet45", "fc4", "784-x-10"]
    {
        let error = by_name(name).unwrap_err().to_string();
        assert!(error.contains("conv2fc1"), "{name}: {error}");
    }
}

#[test]
fn sizes_must_agree_with_the_data() {
    let error = build("784-32-10", &[3, 32, 32], 10).unwrap_err();
    assert!(error.to_string().contains("3072 inputs"), "{error}");
    assert!(build("784-32-10", &[1, 28, 28], 10).is_ok());
}

#[test]
fn auxiliary_heads_are_not_needed_for_the_logits() {
    let network = by_name("googlenet").unwrap();
    let needed = network.needed();
    assert_eq!(network.aux_heads().len(), 2);
    assert!(network.aux_heads().iter().all(|(head, weight)| !needed[head.0] && (weight - 0.3).abs() < 1e-6));
}

/// Names and sizes of a network's groups.
fn groups(name: &str) -> Vec<(String, usize)> {
    by_name(name).unwrap().groups().iter().map(|group| (group.name.clone(), group.n_units)).collect()
}

fn named(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|&(name, n_units)| (name.to_owned(), n_units)).collect()
}

#[test]
fn plain_networks_have_one_group_a_hidden_layer() {
    assert_eq!(groups("lenet"), named(&[("conv1", 6), ("conv2", 16), ("fc1", 120), ("fc2", 84)]));
    let sizes: Vec<usize> = groups("tinyten").iter().map(|(_, n)| *n).collect();
    assert_eq!(sizes, [16, 16, 32, 32, 32, 64, 64, 64]);
    let sizes: Vec<usize> = groups("vgg16").iter().map(|(_, n)| *n).collect();
    assert_eq!(sizes, [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512]);
}

#[test]
fn residual_streams_are_one_group_a_stage_and_one_inside_every_block() {
    let found = groups("resnet20");
    assert_eq!(found.len(), 3 + 9);
    for stream in [("conv1", 16), ("layer2.0.conv2", 32), ("layer3.0.conv2", 64), ("layer1.0.conv1", 16)] {
        assert!(found.contains(&(stream.0.to_owned(), stream.1)), "{stream:?} in {found:?}");
    }
    assert_eq!(groups("resnet18").len(), 4 + 8);
    // The stem feeds only the first block's norm and shortcut.
    assert_eq!(groups("preresnet20").len(), 3 + 9);
    assert_eq!(groups("preresnet164").len(), 4 + 2 * 54);
}

#[test]
fn padded_shortcuts_carry_the_first_stream_through_the_network() {
    // Stage 2 adds 8 channels on both sides of the stem's 16, stage 3 another 16: the new ones are streams of their own.
    let found = groups("resnet20-a");
    assert_eq!(found.len(), 3 + 9);
    for stream in [("conv1", 16), ("layer2.0.conv2", 16), ("layer3.0.conv2", 32)] {
        assert!(found.contains(&(stream.0.to_owned(), stream.1)), "{stream:?} in {found:?}");
    }
}

#[test]
fn concatenated_branches_are_groups_of_their_own() {
    let found = groups("googlenet");
    // Stem 3, six in each of nine blocks, two in each of two auxiliary heads.
    assert_eq!(found.len(), 3 + 9 * 6 + 2 * 2);
    for name in ["inception4b.branch1.conv", "inception4b.branch2.0.conv", "aux2.fc1"] {
        assert!(found.iter().any(|(n, _)| n == name), "{name}");
    }
}

#[test]
fn every_unit_of_every_parameter_is_moved_by_one_group_or_pinned_on_purpose() {
    for network in samples() {
        let specs = network.layout().specs();
        let mut moved: Vec<Vec<usize>> = specs.iter().map(|spec| vec![0; spec.shape[0]]).collect();
        let mut columns: Vec<Vec<usize>> =
            specs.iter().map(|spec| vec![0; spec.shape.get(1).copied().unwrap_or(0)]).collect();
        for axis_use in network.groups().iter().flat_map(|group| &group.axes) {
            let counts = if axis_use.axis == 0 { &mut moved } else { &mut columns };
            axis_use.places.iter().for_each(|&place| counts[axis_use.param.0][place] += 1);
        }
        for (index, spec) in specs.iter().enumerate() {
            let label = format!("{}: {}", network.name(), spec.name);
            assert!(moved[index].iter().chain(&columns[index]).all(|&n| n <= 1), "{label} is moved twice");
            // Logits, those of auxiliary heads, and what a grouped convolution reads stay in place.
            let is_output = spec.shape[0] == network.n_classes() || spec.name.starts_with("pointwise");
            if !is_output {
                assert_eq!(moved[index].iter().sum::<usize>(), spec.shape[0], "{label}: outputs");
            }
            let reads_input = spec.shape.get(1) == Some(&network.input_shape()[0]);
            let is_grouped = spec.name.starts_with("depthwise") || spec.name.starts_with("grouped");
            if !reads_input && !is_grouped && !columns[index].is_empty() {
                assert_eq!(columns[index].iter().sum::<usize>(), spec.shape[1], "{label}: inputs");
            }
        }
    }
}
