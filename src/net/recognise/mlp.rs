//! Multilayer perceptrons: dense layers in the order in which they join, with or without norms.

use super::super::GraphBuilder;
use super::super::zoo::mlp_name;
use super::layers::{Kind, Layer, MEAN, WEIGHT};
use super::{RecogniseError, Recognised, order};

/// Orders tried before giving up: far above what real names need, low enough for a hostile file.
const MAX_STEPS: usize = 200_000;
/// PyTorch's.
const LAYER_NORM_EPS: f32 = 1e-5;

/// Where a hidden layer's norm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NormPlace {
    BeforeActivation,
    AfterActivation,
}

/// A perceptron with ReLU between its layers, of dense layers and perhaps of a norm behind each hidden one: on which side of the
/// ReLU, names and shapes cannot tell.
pub(super) fn recognise(
    tensors: &[(&str, &[usize])],
    layers: &[Layer],
    unused: &[String],
) -> Result<Vec<Recognised>, RecogniseError> {
    let in_order: Vec<&Layer> = order::by_name(layers).into_iter().map(|index| &layers[index]).collect();
    let (dense, norms): (Vec<&Layer>, Vec<&Layer>) = in_order.into_iter().partition(|l| l.kind == Kind::Linear);
    let order = chain(&dense).ok_or_else(|| RecogniseError::NoChain {
        layers: dense.iter().map(|l| format!("`{}` {:?}", l.name, l.shape)).collect::<Vec<_>>().join(", "),
    })?;
    let dense: Vec<&Layer> = order.into_iter().map(|index| dense[index]).collect();
    check_norms(&dense, &norms)?;
    let places: &[NormPlace] = match norms.is_empty() {
        true => &[NormPlace::BeforeActivation],
        false => &[NormPlace::BeforeActivation, NormPlace::AfterActivation],
    };
    places.iter().map(|&place| build(tensors, &dense, &norms, place, unused)).collect()
}

/// Whether there are no norms, or one of its units behind each hidden layer.
fn check_norms(dense: &[&Layer], norms: &[&Layer]) -> Result<(), RecogniseError> {
    let hidden = &dense[..dense.len() - 1];
    let nearest = |expected: String, found: String| RecogniseError::Nearest {
        nearest: "a perceptron with a norm behind each hidden layer".to_owned(),
        expected,
        found,
    };
    if !norms.is_empty() && norms.len() != hidden.len() {
        return Err(nearest(format!("{} norms", hidden.len()), format!("{} were", norms.len())));
    }
    for (layer, norm) in hidden.iter().zip(norms) {
        let is_whole = norm.tensors[WEIGHT].is_some() && norm.has_bias();
        if norm.shape != [layer.n_out()] || !is_whole {
            return Err(nearest(format!("a norm of {} units with scale and shift", layer.n_out()), norm.describe()));
        }
    }
    Ok(())
}

fn build(
    tensors: &[(&str, &[usize])],
    dense: &[&Layer],
    norms: &[&Layer],
    place: NormPlace,
    unused: &[String],
) -> Result<Recognised, RecogniseError> {
    let mut sizes = vec![dense[0].n_in()];
    sizes.extend(dense.iter().map(|layer| layer.n_out()));
    let (mut graph, input) = GraphBuilder::new(&sizes[..1]);
    let mut x = graph.flatten(input)?;
    let mut places = Vec::new();
    for (depth, layer) in dense.iter().enumerate() {
        x = graph.linear(x, &layer.name, layer.n_out(), layer.has_bias())?;
        places.extend(layer.tensors.into_iter().flatten());
        if depth + 1 == dense.len() {
            break;
        }
        if place == NormPlace::AfterActivation {
            x = graph.relu(x)?;
        }
        if let Some(norm) = norms.get(depth) {
            x = match norm.tensors[MEAN] {
                Some(_) => graph.batch_norm(x, &norm.name)?,
                None => graph.layer_norm(x, &norm.name, LAYER_NORM_EPS)?,
            };
            places.extend(norm.tensors.into_iter().flatten());
        }
        if place == NormPlace::BeforeActivation {
            x = graph.relu(x)?;
        }
    }
    let names = places.iter().map(|&index| tensors[index].0.to_owned()).collect();
    let name = name_of(&sizes, dense, norms, place);
    let network = graph.finish("")?.renamed(name, names).expect("one place a tensor of the layout");
    Ok(Recognised { network, tensors: places, unused: unused.to_vec() })
}

/// `mlp 784-512-10, batch norm`.
fn name_of(sizes: &[usize], dense: &[&Layer], norms: &[&Layer], place: NormPlace) -> String {
    let n_biases = dense.iter().filter(|layer| layer.has_bias()).count();
    let mut name = mlp_name(sizes, 0 < n_biases);
    if 0 < n_biases && n_biases < dense.len() {
        name += &format!(", {n_biases} of {} layers with biases", dense.len());
    }
    if let Some(norm) = norms.first() {
        name += if norm.tensors[MEAN].is_some() { ", batch norm" } else { ", layer norm" };
        name += if place == NormPlace::AfterActivation { " behind ReLU" } else { "" };
    }
    name
}

/// The first order in which every layer fits the one before it: at each place the earliest layer that fits.
fn chain(layers: &[&Layer]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = Vec::with_capacity(layers.len());
    let mut used = vec![false; layers.len()];
    // An explicit stack of candidates: files may hold more layers than the call stack has room for.
    let mut next = vec![0_usize];
    for _ in 0..MAX_STEPS {
        if order.len() == layers.len() {
            return Some(order);
        }
        let candidate = next.pop()?;
        let wanted = order.last().map(|&index| layers[index].n_out());
        let fits = |&i: &usize| !used[i] && wanted.is_none_or(|n| layers[i].n_in() == n);
        match (candidate..layers.len()).find(fits) {
            Some(index) => {
                used[index] = true;
                order.push(index);
                next.extend([index + 1, 0]);
            }
            None => {
                if let Some(index) = order.pop() {
                    used[index] = false;
                }
            }
        }
    }
    None
}
