//! Finds the network behind a checkpoint from names and shapes alone.
//!
//! Files do not keep the order of the model (safetensors sorts by name), so layers are ordered by their names, numbers in
//! them compared as numbers, and by their shapes: each layer's inputs must be the outputs of the one before.

use std::cmp::Ordering;

use thiserror::Error;

use super::zoo::mlp_name;
use super::{GraphBuilder, Network, ShapeError};

/// Orders tried before giving up: far above what real names need, low enough for a hostile file.
const MAX_STEPS: usize = 200_000;

/// A network and where its parameters stand in the file.
#[derive(Clone, Debug)]
pub struct Recognised {
    pub network: Network,
    /// For each parameter of the layout, the index of its tensor in the list that was given.
    pub tensors: Vec<usize>,
    /// Names of tensors that the network does not use.
    pub unused: Vec<String>,
}

/// Why a list of tensors is no network that lowroad knows.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecogniseError {
    #[error("no weight matrix among {n_tensors} tensors: expected at least one tensor of two dimensions")]
    NoWeights { n_tensors: usize },
    #[error(
        "tensor `{name}` has shape {shape:?}: only fully connected layers (weights of two dimensions, biases of one) are understood so far"
    )]
    Unsupported { name: String, shape: Vec<usize> },
    #[error("tensor `{name}` of shape {shape:?} is the bias of no layer: expected a weight beside it with {} outputs", shape.first().copied().unwrap_or(0))]
    LoneBias { name: String, shape: Vec<usize> },
    #[error(
        "the layers do not join: no order of {layers} makes every layer's inputs the outputs of the one before (is a weight transposed?)"
    )]
    NoChain { layers: String },
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

struct Layer {
    stem: String,
    weight: usize,
    bias: Option<usize>,
    n_in: usize,
    n_out: usize,
}

/// Recognises a multilayer perceptron with ReLU between its layers.
///
/// `tensors`: name and shape of every tensor of the file.
pub fn recognise(tensors: &[(&str, &[usize])]) -> Result<Recognised, RecogniseError> {
    let mut unused = Vec::new();
    let mut layers = find_layers(tensors, &mut unused)?;
    layers.sort_by(|a, b| compare_stems(&a.stem, &b.stem));
    let order = chain(&layers).ok_or_else(|| RecogniseError::NoChain {
        layers: layers.iter().map(|l| format!("`{}` [{}, {}]", l.stem, l.n_out, l.n_in)).collect::<Vec<_>>().join(", "),
    })?;

    let layers: Vec<&Layer> = order.iter().map(|&i| &layers[i]).collect();
    let (mut graph, input) = GraphBuilder::new(&[layers[0].n_in]);
    let mut x = graph.flatten(input)?;
    let mut places = Vec::new();
    for (depth, layer) in layers.iter().enumerate() {
        if 0 < depth {
            x = graph.relu(x)?;
        }
        x = graph.linear(x, &layer.stem, layer.n_out, layer.bias.is_some())?;
        places.push(layer.weight);
        places.extend(layer.bias);
    }
    let mut sizes = vec![layers[0].n_in];
    sizes.extend(layers.iter().map(|l| l.n_out));
    let n_biases = layers.iter().filter(|l| l.bias.is_some()).count();
    let mut name = mlp_name(&sizes, 0 < n_biases);
    if 0 < n_biases && n_biases < layers.len() {
        name += &format!(", {n_biases} of {} layers with biases", layers.len());
    }
    let names = places.iter().map(|&index| tensors[index].0.to_owned()).collect();
    let network = graph.finish("")?.renamed(name, names).expect("one place a tensor of the layout");
    Ok(Recognised { network, tensors: places, unused })
}

/// Pairs weights with their biases.
fn find_layers(tensors: &[(&str, &[usize])], unused: &mut Vec<String>) -> Result<Vec<Layer>, RecogniseError> {
    let mut layers = Vec::new();
    for (index, &(name, shape)) in tensors.iter().enumerate() {
        match *shape {
            [n_out, n_in] => {
                layers.push(Layer { stem: stem(name), weight: index, bias: None, n_in, n_out });
            }
            [_] => {}
            // Counters such as `num_batches_tracked` or `epoch` carry no weights.
            [] => unused.push(name.to_owned()),
            _ => {
                return Err(RecogniseError::Unsupported { name: name.to_owned(), shape: shape.to_vec() });
            }
        }
    }
    if layers.is_empty() {
        return Err(RecogniseError::NoWeights { n_tensors: tensors.len() });
    }
    for (index, &(name, shape)) in tensors.iter().enumerate() {
        let &[length] = shape else { continue };
        let bias_stem = stem(name);
        let owner = layers.iter_mut().find(|l| l.bias.is_none() && l.n_out == length && l.stem == bias_stem);
        match owner {
            Some(layer) => layer.bias = Some(index),
            None => {
                return Err(RecogniseError::LoneBias { name: name.to_owned(), shape: shape.to_vec() });
            }
        }
    }
    Ok(layers)
}

/// The layer's name in a tensor's name: without the `module.` of data-parallel models and the part that says weight or
/// bias. `module.fc1.weight` is `fc1`, `w2` is `2`, `dense_1/kernel` is `dense_1`.
fn stem(name: &str) -> String {
    let name = name.strip_prefix("module.").unwrap_or(name);
    let (before, last) = match name.rfind(['.', '/', '_', ':']) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => ("", name),
    };
    let (letters, digits) = split_trailing_digits(last);
    let lower = letters.to_ascii_lowercase();
    if matches!(lower.as_str(), "weight" | "bias" | "weights" | "biases" | "kernel" | "w" | "b") {
        if digits.is_empty() { before.to_owned() } else { format!("{before}{digits}") }
    } else {
        name.to_owned()
    }
}

fn split_trailing_digits(text: &str) -> (&str, &str) {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters, &text[letters.len()..])
}

/// Names in the order a reader would put them: inputs first and heads last when they say so, numbers by value.
fn compare_stems(a: &str, b: &str) -> Ordering {
    place(a).cmp(&place(b)).then_with(|| natural(a).cmp(&natural(b)))
}

fn place(stem: &str) -> i32 {
    let last = stem.rsplit(['.', '/']).next().unwrap_or(stem).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| last.starts_with(word));
    if says(&["in", "first", "stem"]) {
        -1
    } else if says(&["out", "last", "final", "head", "classifier", "logits"]) {
        1
    } else {
        0
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u64),
    Text(String),
}

/// `layers.10.linear` as text and numbers, so that 9 comes before 10.
fn natural(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        pieces.push(match piece.parse() {
            Ok(number) if is_number => Piece::Number(number),
            _ => Piece::Text(piece.to_owned()),
        });
        rest = tail;
    }
    pieces
}

/// The first order, by names, in which every layer fits the one before it.
fn chain(layers: &[Layer]) -> Option<Vec<usize>> {
    let mut steps = 0;
    let mut order = Vec::with_capacity(layers.len());
    let mut used = vec![false; layers.len()];
    extend(layers, &mut order, &mut used, &mut steps).then_some(order)
}

/// Depth-first: at each place the earliest name that fits.
fn extend(layers: &[Layer], order: &mut Vec<usize>, used: &mut [bool], steps: &mut usize) -> bool {
    // An explicit stack of candidates: files may hold more layers than the call stack has room for.
    let mut next = vec![0_usize];
    while let Some(&candidate) = next.last() {
        if order.len() == layers.len() {
            return true;
        }
        *steps += 1;
        if MAX_STEPS < *steps {
            return false;
        }
        let wanted = order.last().map(|&i: &usize| layers[i].n_out);
        let found = (candidate..layers.len()).find(|&i| !used[i] && wanted.is_none_or(|n| layers[i].n_in == n));
        match found {
            Some(index) => {
                if let Some(top) = next.last_mut() {
                    *top = index + 1;
                }
                used[index] = true;
                order.push(index);
                next.push(0);
            }
            None => {
                next.pop();
                if let Some(index) = order.pop() {
                    used[index] = false;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in_order(tensors: &[(&str, &[usize])]) -> Vec<String> {
        let found = recognise(tensors).unwrap();
        found.network.layout().specs().iter().map(|s| s.name.clone()).collect()
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
        assert_eq!(recognise(&[("weight", &[10, 64]), ("bias", &[10])]).unwrap().network.name(), "mlp 64-10");
    }

    #[test]
    fn convolutions_are_refused_by_name() {
        let error = recognise(&[("conv1.weight", &[16, 3, 3, 3])]).unwrap_err();
        assert!(error.to_string().contains("conv1.weight"), "{error}");
    }

    #[test]
    fn a_bias_without_its_layer_is_refused_by_name() {
        let error = recognise(&[("fc1.weight", &[10, 64]), ("bn1.running_mean", &[10])]).unwrap_err();
        assert!(error.to_string().contains("bn1.running_mean"), "{error}");
    }

    #[test]
    fn layers_that_do_not_join_are_refused() {
        let error = recognise(&[("a.weight", &[10, 64]), ("b.weight", &[7, 9])]).unwrap_err();
        assert!(matches!(error, RecogniseError::NoChain { .. }), "{error}");
    }

    #[test]
    fn a_file_with_no_order_is_refused_quickly() {
        let names: Vec<String> = (0..60).map(|i| format!("l{i}.weight")).collect();
        let mut tensors: Vec<(&str, &[usize])> = names.iter().map(|n| (n.as_str(), [8_usize, 8].as_slice())).collect();
        tensors.push(("z.weight", &[3, 5]));
        assert!(matches!(recognise(&tensors), Err(RecogniseError::NoChain { .. })));
    }
}
