use super::super::{fit, zoo};
use super::*;

const HEAD: &str = "name = \"n\"\ninput = [1, 4, 4]\n";

/// A description of `layers` behind an input of `[1, 4, 4]`, flattened into two logits.
fn described(layers: &str) -> Result<Network, DescribeError> {
    describe(&format!(
        "{HEAD}{layers}\n[[layer]]\nop = \"flatten\"\n[[layer]]\nop = \"linear\"\nname = \"head\"\nunits = 2\n"
    ))
}

fn message(layers: &str) -> String {
    described(layers).unwrap_err().to_string()
}

#[test]
fn every_network_of_the_zoo_comes_back_from_its_description() {
    let members =
        zoo::members().iter().filter(|m| !m.name.starts_with("preresnet110")).map(|m| zoo::by_name(m.name).unwrap());
    for network in members.chain(zoo::samples()) {
        let text = description(&network);
        let found = describe(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", network.name()));
        assert!(found.same_architecture(&network), "{}: {:?}", network.name(), found.difference(&network));
        assert_eq!(found.name(), network.name());
        assert_eq!(found.layout(), network.layout(), "{}", network.name());
    }
}

#[test]
fn the_example_in_the_documentation_is_a_network() {
    let source = include_str!("../describe.rs");
    let block = source.split("//! ```").nth(1).unwrap().strip_prefix("toml\n").unwrap();
    let text: String = block.lines().map(|line| line.strip_prefix("//!").unwrap_or(line).to_owned() + "\n").collect();
    let network = describe(&text).unwrap();
    let names: Vec<&str> = network.layout().specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["conv1.weight", "conv1.bias", "second.kernel", "fc.weight", "fc.bias"]);
    let groups: Vec<(&str, usize)> = network.groups().iter().map(|g| (g.name.as_str(), g.n_units)).collect();
    assert_eq!(groups, [("conv1", 8)]);
}

#[test]
fn the_description_of_burns_mnist_network_has_its_tensors() {
    let network = describe(include_str!("../../../assets/networks/burn-mnist.toml")).unwrap();
    let tensors: Vec<(&str, &[usize])> = vec![
        ("conv1.weight", &[8, 1, 3, 3]),
        ("conv1.bias", &[8]),
        ("conv2.weight", &[16, 8, 3, 3]),
        ("conv2.bias", &[16]),
        ("conv3.weight", &[24, 16, 3, 3]),
        ("conv3.bias", &[24]),
        ("norm1.weight", &[24]),
        ("norm1.bias", &[24]),
        ("norm1.running_mean", &[24]),
        ("norm1.running_var", &[24]),
        ("norm1.num_batches_tracked", &[]),
        ("fc1.weight", &[32, 11616]),
        ("fc1.bias", &[32]),
        ("fc2.weight", &[10, 32]),
        ("fc2.bias", &[10]),
        ("norm2.weight", &[10]),
        ("norm2.bias", &[10]),
        ("norm2.running_mean", &[10]),
        ("norm2.running_var", &[10]),
    ];
    assert_eq!(fit(&network, &tensors).unwrap().unused, ["norm1.num_batches_tracked"]);
}

#[test]
fn dropout_and_identity_leave_no_trace() {
    let network = described("[[layer]]\nop = \"dropout\"\np = 0.5\n[[layer]]\nop = \"identity\"\n").unwrap();
    assert_eq!(network.nodes().len(), 3);
}

#[test]
fn layers_of_one_name_share_their_tensors() {
    let conv = "[[layer]]\nop = \"conv\"\nname = \"same\"\nunits = 1\nkernel = 1\n";
    let network = described(&format!("{conv}{conv}")).unwrap();
    assert_eq!(network.layout().specs().len(), 4);
    let wider = conv.replace("kernel = 1", "kernel = 3");
    let error = message(&format!("{conv}{wider}"));
    assert!(error.contains("same.weight") && error.contains("[1, 1, 3, 3]"), "{error}");
}

#[test]
fn mistakes_are_named_with_their_layer() {
    let conv = "[[layer]]\nop = \"conv\"\nname = \"c1\"\n";
    for (layers, parts) in [
        (format!("{conv}units = 4"), &["layer 1 (conv `c1`)", "`kernel` is missing"][..]),
        (format!("{conv}units = 0\nkernel = 3"), &["`units`", "found 0"]),
        (format!("{conv}units = -1\nkernel = 3"), &["`units`", "found -1"]),
        (format!("{conv}units = 4\nkernel = 3\nkernal = 3"), &["layer 1 (conv `c1`)", "`kernal`"]),
        (format!("{conv}units = 4\nkernel = [3, 3, 3]"), &["`kernel`", "[3, 3, 3]"]),
        (format!("{conv}units = 4\nkernel = 9"), &["layer 1", "larger than its input"]),
        (format!("{conv}units = 4\nkernel = 1\ngroups = 3"), &["3 groups do not divide"]),
        ("[[layer]]\nop = \"relu\"\n[[layer]]\nop = \"attention\"".to_owned(), &["layer 2 (attention)", "not known"]),
        ("[[layer]]\nop = \"add\"\nfrom = [\"input\", \"later\"]".to_owned(), &["layer 1 (add)", "`later`"]),
        ("[[layer]]\nop = \"add\"\nfrom = \"input\"".to_owned(), &["at least 2", "found 1"]),
        ("[[layer]]\nop = \"relu\"\nid = \"input\"".to_owned(), &["`input`", "belongs to an earlier layer"]),
        ("[[layer]]\nname = \"x\"".to_owned(), &["layer 1", "`op` is missing"]),
        ("[[layer]]\nop = \"scale\"\nfactor = inf".to_owned(), &["`factor`", "finite"]),
    ] {
        let error = message(&layers);
        assert!(parts.iter().all(|part| error.contains(part)), "{layers}: {error}");
    }
}

#[test]
fn mistakes_of_the_language_are_named_with_their_line() {
    let error = describe("name = \"x\"\ninput = [1,\n[[layer]\n").unwrap_err().to_string();
    assert!(error.contains("line "), "{error}");
    for (text, part) in [
        ("input = [1, 4]\n[[layer]]\nop = \"relu\"", "channels, height, width"),
        ("input = [0]\n[[layer]]\nop = \"relu\"", "positive"),
        ("input = [3]", "[[layer]]"),
        ("input = [3]\ninptu = 3\n[[layer]]\nop = \"relu\"", "inptu"),
        ("input = [3, 8, 8]\n[[layer]]\nop = \"relu\"", "flat vector of logits"),
    ] {
        let error = describe(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn descriptions_that_would_fill_the_memory_are_refused() {
    let linear = "[[layer]]\nop = \"flatten\"\n[[layer]]\nop = \"linear\"\nname = \"a\"\nunits = 1048576\n[[layer]]\nop = \"linear\"\nname = \"b\"\nunits = 1048576\n";
    assert!(message(linear).contains("too many parameters"), "{}", message(linear));
    let padded = "[[layer]]\nop = \"conv\"\nname = \"c\"\nunits = 1\nkernel = 1\npadding = 1048576\n";
    let sized = "[[layer]]\nop = \"adaptive_avg_pool\"\nsize = 1048576\n";
    for layer in [padded, sized] {
        assert!(message(layer).contains("too many values"), "{}", message(layer));
    }
    let wide = "[[layer]]\nop = \"concat\"\nfrom = [\"input\", \"input\"]\n".repeat(2) + &doubling(30);
    assert!(message(&wide).contains("too many"), "{}", message(&wide));
    assert!(matches!(describe(&" ".repeat(MAX_BYTES + 1)), Err(DescribeError::TooLong { .. })));
    let many = "[[layer]]\nop = \"relu\"\n".repeat(MAX_LAYERS + 1);
    assert!(message(&many).contains("too many layers"), "{}", message(&many));
}

/// Layers that each put what they read behind itself.
fn doubling(n: usize) -> String {
    (0..n)
        .map(|i| {
            let from = if i == 0 { "input".to_owned() } else { format!("d{}", i - 1) };
            format!("[[layer]]\nop = \"concat\"\nid = \"d{i}\"\nfrom = [\"{from}\", \"{from}\"]\n")
        })
        .collect()
}
