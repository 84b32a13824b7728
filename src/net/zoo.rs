//! Ready-made networks, each a few lines of graph.

use super::{GraphBuilder, Network, ShapeError};

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

/// A network by its name on the command line: `784-512-10`, `mlp-784-512-10`, either with `-nobias` behind it.
pub fn by_name(name: &str) -> Result<Network, NameError> {
    let unknown = || NameError::Unknown { name: name.to_owned() };
    let rest = name.trim_start_matches("mlp").trim_start_matches(['-', ' ', ':']);
    let (rest, bias) = match rest.strip_suffix("-nobias") {
        Some(rest) => (rest, false),
        None => (rest, true),
    };
    let sizes: Vec<usize> =
        rest.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_not_a_number| unknown())?;
    if sizes.len() < 2 {
        return Err(unknown());
    }
    Ok(mlp(&sizes, bias)?)
}

/// Why a network's name was not understood.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    #[error(
        "network `{name}` is not known: expected layer sizes such as `784-512-10`, optionally with `-nobias` behind them"
    )]
    Unknown { name: String },
    #[error(transparent)]
    Shape(#[from] ShapeError),
}
