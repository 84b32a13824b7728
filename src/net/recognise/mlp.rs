//! Multilayer perceptrons: dense layers in the order in which they join.

use super::super::GraphBuilder;
use super::super::zoo::mlp_name;
use super::layers::{BIAS, Layer, WEIGHT};
use super::{RecogniseError, Recognised, order};

/// Orders tried before giving up: far above what real names need, low enough for a hostile file.
const MAX_STEPS: usize = 200_000;

/// A perceptron with ReLU between its layers, of dense layers alone.
pub(super) fn recognise(
    tensors: &[(&str, &[usize])],
    layers: &[Layer],
    unused: Vec<String>,
) -> Result<Recognised, RecogniseError> {
    let layers: Vec<&Layer> = order::by_name(layers, false).into_iter().map(|index| &layers[index]).collect();
    let order = chain(&layers).ok_or_else(|| RecogniseError::NoChain {
        layers: layers.iter().map(|l| format!("`{}` {:?}", l.name, l.shape)).collect::<Vec<_>>().join(", "),
    })?;
    let layers: Vec<&Layer> = order.into_iter().map(|index| layers[index]).collect();

    let mut sizes = vec![layers[0].n_in()];
    sizes.extend(layers.iter().map(|layer| layer.n_out()));
    let n_biases = layers.iter().filter(|layer| layer.has_bias()).count();
    let mut name = mlp_name(&sizes, 0 < n_biases);
    if 0 < n_biases && n_biases < layers.len() {
        name += &format!(", {n_biases} of {} layers with biases", layers.len());
    }

    let (mut graph, input) = GraphBuilder::new(&sizes[..1]);
    let mut x = graph.flatten(input)?;
    let mut places = Vec::new();
    for (depth, layer) in layers.iter().enumerate() {
        if 0 < depth {
            x = graph.relu(x)?;
        }
        x = graph.linear(x, &layer.name, layer.n_out(), layer.has_bias())?;
        places.extend(layer.tensors[WEIGHT].into_iter().chain(layer.tensors[BIAS]));
    }
    let names = places.iter().map(|&index| tensors[index].0.to_owned()).collect();
    let network = graph.finish("")?.renamed(name, names).expect("one place a tensor of the layout");
    Ok(Recognised { network, tensors: places, unused })
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
