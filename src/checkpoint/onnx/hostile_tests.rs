//! Models made to mislead: each is refused with its place, and soon.

use std::path::Path;

use prost::Message as _;

use super::proto::{
    Attribute, Dimension, Entry, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use super::tests::{bytes, names};
use super::{MAX_NODES, MAX_STRUCTURE_BYTES, OnnxModel, parse};
use crate::checkpoint::{MAX_TENSORS, MAX_VALUES};

const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// An input or output of examples of shape `example`, in batches of any size.
fn value(name: &str, example: &[i64]) -> ValueInfo {
    let dims = example.iter().map(|&dim| Dimension { dim_value: Some(dim) });
    let shape = Some(Shape { dim: std::iter::once(Dimension::default()).chain(dims).collect() });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type: Some(TensorType { shape }) }) }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    let (dims, float_data) = (dims.to_vec(), values.to_vec());
    Tensor { name: name.to_owned(), dims, data_type: FLOAT, float_data, ..Default::default() }
}

fn ints(name: &str, values: &[i64]) -> Tensor {
    let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
    Tensor { name: name.to_owned(), dims, data_type: INT64, int64_data, ..Default::default() }
}

/// A node named after its output.
fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    let input = inputs.iter().map(|&input| input.to_owned()).collect();
    let (output, name) = (vec![output.to_owned()], format!("the {output}"));
    Node { op_type: op.to_owned(), input, output, name, ..Default::default() }
}

fn with_ints(mut node: Node, name: &str, ints: &[i64]) -> Node {
    node.attribute.push(Attribute { name: name.to_owned(), ints: ints.to_vec(), ..Default::default() });
    node
}

/// A model from `x`, two features, to `y`.
fn model(node: Vec<Node>, initializer: Vec<Tensor>) -> Model {
    let graph = Graph {
        node,
        initializer,
        input: vec![value("x", &[2])],
        output: vec![value("y", &[3])],
        ..Default::default()
    };
    Model { graph: Some(graph), opset_import: vec![OperatorSet { domain: String::new(), version: 17 }] }
}

/// A model of a dense layer whose weight is `weight`.
fn dense(weight: Tensor) -> Model {
    model(vec![node("Gemm", &["x", "w"], "y")], vec![weight])
}

/// A model of a convolution of maps of shape `map`.
fn convolution(map: &[i64; 3], weight: Tensor) -> Model {
    let mut model = model(vec![node("Conv", &["x", "w"], "y")], vec![weight]);
    model.graph.as_mut().unwrap().input = vec![value("x", map)];
    model
}

fn read(model: &Model) -> Result<OnnxModel, String> {
    parse(&model.encode_to_vec(), Path::new("hostile.onnx")).map_err(|error| error.to_string())
}

/// Checks that `model` is refused in words that have all of `parts`, and the file's name.
#[track_caller]
fn assert_refused(model: &Model, parts: &[&str]) {
    let message = read(model).map(|_| ()).unwrap_err();
    for part in parts.iter().chain(&["hostile.onnx"]) {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(message.len() < 1000, "{message}");
}

#[test]
fn the_models_of_these_tests_are_read_where_nothing_is_wrong() {
    let weight = floats("w", &[2, 3], &[1.0; 6]);
    assert_eq!(read(&dense(weight)).unwrap().params.values(), [1.0; 6]);
    let mut convolution = convolution(&[1, 4, 4], floats("w", &[3, 1, 1, 1], &[1.0; 3]));
    let nodes = &mut convolution.graph.as_mut().unwrap().node;
    nodes[0].output = vec!["map".to_owned()];
    nodes.push(node("Flatten", &["map"], "y"));
    read(&convolution).unwrap();
}

#[test]
fn weights_in_another_file_are_refused_with_tensor_and_file() {
    let location = Entry { key: "location".to_owned(), value: "../../secrets".to_owned() };
    let elsewhere =
        Tensor { dims: vec![2, 3], data_location: 1, external_data: vec![location], ..floats("w", &[], &[]) };
    assert_refused(&dense(elsewhere.clone()), &["`w`", "`../../secrets`", "another file"]);
    assert_refused(&dense(Tensor { data_location: 0, ..elsewhere.clone() }), &["`w`", "`../../secrets`"]);
    assert_refused(&dense(Tensor { external_data: Vec::new(), ..elsewhere }), &["`w`", "not said"]);
}

#[test]
fn subgraphs_are_refused_with_the_node() {
    let mut branch = node("If", &["x"], "y");
    branch.attribute.push(Attribute { name: "then_branch".to_owned(), g: Some(vec![0xff; 9]), ..Default::default() });
    assert_refused(&model(vec![branch], Vec::new()), &["node 0 (operator If, `the y`)", "subgraph (`then_branch`)"]);
}

#[test]
fn types_that_are_no_weights_are_refused_with_the_tensor() {
    for (data_type, name) in
        [(0, "no type"), (8, "STRING"), (13, "UINT64"), (14, "COMPLEX64"), (17, "type 17"), (-1, "type -1")]
    {
        assert_refused(&dense(Tensor { data_type, ..floats("w", &[2, 3], &[1.0; 6]) }), &["tensor `w`", name]);
    }
    let whole = Tensor { dims: vec![2, 3], ..ints("w", &[1; 6]) };
    assert_refused(&dense(whole), &["node 0 (operator Gemm, `the y`)", "expected floats in `w`, found integers"]);
}

#[test]
fn tensors_whose_size_is_not_that_of_their_shape_are_refused_with_the_tensor() {
    assert_refused(&dense(floats("w", &[2, 3], &[1.0; 5])), &["tensor `w`", "6 values for shape [2, 3], found 5"]);
    let raw = Tensor { raw_data: Some(vec![0; 23]), ..floats("w", &[2, 3], &[]) };
    assert_refused(&dense(raw), &["tensor `w`", "6 values of 4 bytes", "23 bytes"]);
    assert_refused(&dense(floats("w", &[1; 9], &[1.0])), &["tensor `w`", "at most 8 dimensions"]);
    for dims in [[-1, 3], [i64::MAX, i64::MAX], [1 << 29, 2], [0, i64::MAX], [i64::MAX, 0]] {
        assert_refused(
            &dense(floats("w", &dims, &[])),
            &["tensor `w`", "at most 536870912 values", &format!("{dims:?}")],
        );
    }
}

#[test]
fn weights_without_values_are_refused_whatever_their_other_dimensions() {
    let most = MAX_VALUES as i64;
    for dims in [[0, most], [most, 0]] {
        let refused = ["node 0 (operator Gemm, `the y`)", "expected a matrix `w`"];
        assert_refused(&dense(floats("w", &dims, &[])), &refused);
    }
    let kernel = floats("w", &[0, 1, most, 1], &[]);
    assert_refused(&convolution(&[1, 4, 4], kernel), &["node 0 (operator Conv, `the y`)", "kernel of 0 to 65536"]);
    let rows = [floats("w", &[most, 0], &[]), ints("first", &[0]), ints("last", &[i64::MAX])];
    let slice = node("Slice", &["w", "first", "last"], "part");
    let cut = model(vec![slice, node("Gemm", &["x", "part"], "y")], rows.to_vec());
    assert_refused(&cut, &["node 0 (operator Slice, `the part`)"]);
}

#[test]
fn rows_are_not_multiplied_by_reading_them_again() {
    let nodes = vec![node("Gather", &["w", "rows"], "more"), node("Gemm", &["x", "more"], "y")];
    let repeated = model(nodes, vec![floats("w", &[1, 6], &[1.0; 6]), ints("rows", &[0; 2])]);
    assert_refused(&repeated, &["node 0 (operator Gather, `the more`)"]);
}

#[test]
fn bounded_ramps_are_refused_as_attributes_and_as_inputs() {
    let mut by_attributes = node("Clip", &["x"], "y");
    for (name, f) in [("min", 0.0), ("max", 6.0)] {
        by_attributes.attribute.push(Attribute { name: name.to_owned(), f, ..Default::default() });
    }
    let place = ["node 0 (operator Clip, `the y`)", "found Clip(0, 6)"];
    assert_refused(&model(vec![by_attributes], Vec::new()), &place);
    let bounds = vec![floats("low", &[], &[0.0]), floats("high", &[], &[6.0])];
    assert_refused(&model(vec![node("Clip", &["x", "low", "high"], "y")], bounds), &place);
}

#[test]
fn names_that_nothing_gives_or_two_nodes_give_are_refused_with_the_node() {
    let missing = model(vec![node("Relu", &["nowhere"], "y")], Vec::new());
    assert_refused(&missing, &["node 0 (operator Relu, `the y`)", "`nowhere`"]);
    let later = model(vec![node("Relu", &["late"], "y"), node("Relu", &["x"], "late")], Vec::new());
    assert_refused(&later, &["node 0 (operator Relu, `the y`)", "`late`"]);
    let itself = model(vec![node("Relu", &["y"], "y")], Vec::new());
    assert_refused(&itself, &["node 0 (operator Relu, `the y`)", "`y`"]);
    let twice = model(vec![node("Relu", &["x"], "y"), node("Tanh", &["x"], "y")], Vec::new());
    assert_refused(&twice, &["node 1 (operator Tanh, `the y`)", "`y`, which exists already"]);
    let left_out = model(vec![node("Gemm", &["x", ""], "y")], Vec::new());
    assert_refused(&left_out, &["node 0 (operator Gemm, `the y`)", "input number 1, found none"]);
    assert_refused(&model(Vec::new(), Vec::new()), &["output `y`"]);
}

#[test]
fn models_without_what_every_model_has_are_refused() {
    let whole = dense(floats("w", &[2, 3], &[1.0; 6]));
    for version in [0, 6, 24, i64::MIN] {
        let opset_import = vec![OperatorSet { domain: String::new(), version }];
        assert_refused(&Model { opset_import, ..whole.clone() }, &["version 7 to 23", &version.to_string()]);
    }
    assert_refused(&Model { graph: None, ..whole.clone() }, &["expected a graph"]);
    let with = |change: fn(&mut Graph)| {
        let mut model = whole.clone();
        change(model.graph.as_mut().unwrap());
        model
    };
    assert_refused(&with(|graph| graph.output.clear()), &["expected an output"]);
    assert_refused(&with(|graph| graph.input.push(value("z", &[2]))), &["one input", "`x`, `z`"]);
    assert_refused(&with(|graph| graph.input.clear()), &["one input", "found 0"]);
    assert_refused(&with(|graph| graph.input = vec![value("x", &[1 << 40])]), &["input `x`", "1099511627776"]);
    assert_refused(&with(|graph| graph.node[0].domain = "com.example".to_owned()), &["node 0", "`com.example`"]);
}

#[test]
fn what_takes_too_much_memory_or_time_is_refused() {
    let nodes = vec![node("Relu", &["x"], "y"); MAX_NODES + 1];
    assert_refused(&model(nodes, Vec::new()), &["at most 10000 nodes, found 10001"]);
    let tensors = vec![Tensor::default(); MAX_TENSORS + 1];
    assert_refused(&model(Vec::new(), tensors), &["at most 100000 weights, found 100001"]);
    let mut long = dense(floats("w", &[2, 3], &[1.0; 6]));
    long.graph.as_mut().unwrap().name = "a".repeat(MAX_STRUCTURE_BYTES);
    assert_refused(&long, &["at most 16777216 bytes besides the weights"]);
    let wide = convolution(&[1, 4096, 4096], floats("w", &[2, 1, 1, 1], &[1.0; 2]));
    assert_refused(&wide, &["node 0 (operator Conv, `the y`)", "[2, 4096, 4096]"]);
    let mut padded = convolution(&[1, 4, 4], floats("w", &[1, 1, 1, 1], &[1.0]));
    let conv = &mut padded.graph.as_mut().unwrap().node[0];
    *conv = with_ints(conv.clone(), "pads", &[i64::MAX; 4]);
    assert_refused(&padded, &["node 0 (operator Conv, `the y`)", "pads of 0 to 65536"]);
}

#[test]
fn every_fixture_without_one_of_its_nodes_is_refused_with_what_that_node_gave() {
    for name in names() {
        let whole = Model::decode(&*bytes(&name)).unwrap();
        let graph = whole.graph.as_ref().unwrap();
        let read_later = |output: &str| {
            graph.node.iter().any(|node| node.input.iter().any(|input| input == output))
                || graph.output[0].name == output
        };
        for (index, node) in graph.node.iter().enumerate() {
            let mut model = whole.clone();
            model.graph.as_mut().unwrap().node.remove(index);
            match node.output.iter().find(|output| read_later(output)) {
                Some(output) => assert_refused(&model, &[&format!("`{output}`")]),
                None => drop(read(&model).unwrap()),
            }
        }
    }
}

#[test]
fn every_fixture_with_a_tensor_cut_short_is_refused_with_that_tensor() {
    for name in names() {
        let whole = Model::decode(&*bytes(&name)).unwrap();
        for index in 0..whole.graph.as_ref().unwrap().initializer.len() {
            let mut model = whole.clone();
            let tensor = &mut model.graph.as_mut().unwrap().initializer[index];
            let place = format!("tensor `{}`", tensor.name);
            match &mut tensor.raw_data {
                Some(raw) => drop(raw.pop()),
                None => tensor.dims.push(2),
            }
            assert_refused(&model, &[&place]);
        }
    }
}

#[test]
fn layers_that_share_a_tensor_get_copies_under_names_of_their_own() {
    let tensors = [floats("w", &[2, 2], &[1.0; 4]), floats("w#2", &[2, 2], &[2.0; 4])];
    let layers = [("w", "x", "a"), ("w#2", "a", "b"), ("w", "b", "c"), ("w", "c", "d"), ("w#2", "d", "y")];
    let nodes = layers.map(|(weight, x, output)| node("Gemm", &[x, weight], output));
    let read = read(&model(nodes.to_vec(), tensors.to_vec())).unwrap();
    let names: Vec<&str> = read.network.layout().specs().iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["w", "w#2", "w#3", "w#4", "w#2#2"]);
}
