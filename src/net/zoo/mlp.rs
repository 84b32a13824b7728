//! Multilayer perceptrons.

use super::super::{GraphBuilder, Network, ShapeError};

/// A multilayer perceptron with ReLU between its layers.
///
/// `sizes`: inputs, hidden widths, classes; at least two. Parameters are named as PyTorch's
/// `Sequential(Flatten, Linear, ReLU, Linear, ...)` names them: `1.weight`, `1.bias`, `3.weight`, ...
pub fn mlp(sizes: &[usize], bias: bool) -> Result<Network, ShapeError> {
    let (mut graph, input) = GraphBuilder::new(&[sizes[0]]);
    let mut x = graph.flatten(input)?;
    for (layer, &n_units) in sizes[1..].iter().enumerate() {
        if 0 < layer {
            x = graph.relu(x)?;
        }
        x = graph.linear(x, &(2 * layer + 1).to_string(), n_units, bias)?;
    }
    graph.finish(mlp_name(sizes, bias))
}

/// `mlp 784-512-10`, with `, no biases` behind it where there are none.
pub fn mlp_name(sizes: &[usize], bias: bool) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    format!("mlp {}{}", sizes.join("-"), if bias { "" } else { ", no biases" })
}

/// Hidden widths of the networks FC3, FC5 and FC7 of Anokhin and Yarotsky (2020), which have no biases.
pub(super) fn fc_widths(n_layers: usize) -> Option<Vec<usize>> {
    let n_narrow = match n_layers {
        3 => 0,
        5 => 2,
        7 => 4,
        _ => return None,
    };
    Some([&[6144, 2000][..], &vec![1000; n_narrow]].concat())
}
