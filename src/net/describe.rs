//! Networks as text: a list of layers in TOML, for architectures that are not in the zoo.
//!
//! ```toml
//! name = "two branches"
//! input = [1, 28, 28]          # channels, height, width; or [features]
//!
//! [[layer]]
//! op = "conv"
//! name = "conv1"               # its tensors are `conv1.weight` and `conv1.bias`
//! units = 8
//! kernel = 3                   # or [3, 5]: height, width
//! padding = 1                  # or [1, 2], or [[top, bottom], [left, right]]
//!
//! [[layer]]
//! op = "relu"
//! id = "stem"                  # a name for this layer's output
//!
//! [[layer]]
//! op = "conv"
//! name = "conv2"
//! units = 8
//! kernel = 3
//! padding = 1
//! bias = false
//! weight = "second.kernel"     # a tensor that is called differently
//!
//! [[layer]]
//! op = "add"
//! from = ["stem", "conv2"]     # layers to read, by id or name; without, the layer before
//!
//! [[layer]]
//! op = "global_avg_pool"
//!
//! [[layer]]
//! op = "linear"
//! name = "fc"
//! units = 10
//! ```
//!
//! The last layer gives the logits. Operations and their options (`?`: may be left out):
//!
//! | `op` | options |
//! |---|---|
//! | `linear` | `name`, `units`, `bias`? |
//! | `conv` | `name`, `units`, `kernel`, `stride`?, `padding`?, `dilation`?, `groups`?, `bias`? |
//! | `batch_norm` | `name`, `eps`?, `affine`? |
//! | `layer_norm` | `name`, `eps`?, `affine`? |
//! | `group_norm` | `name`, `groups`, `eps`?, `affine`? |
//! | `relu`, `gelu`, `gelu_tanh`, `silu`, `tanh`, `sigmoid` | |
//! | `leaky_relu` | `slope`? (0.01) |
//! | `max_pool` | `kernel`, `stride`? (the kernel), `padding`?, `ceil`? |
//! | `avg_pool` | as `max_pool`, and `count_padding`? |
//! | `adaptive_max_pool`, `adaptive_avg_pool` | `size` |
//! | `global_avg_pool` | means over the map, flattened |
//! | `flatten`, `add`, `concat` | |
//! | `slice` | `start`, `end`: units kept |
//! | `pad` | `before`?, `behind`?: units of zeros |
//! | `scale` | `factor` |
//! | `dropout`, `identity` | left out |
//!
//! Any layer may have an `id`, `from`, and `aux_weight`: an auxiliary output whose loss counts so much in training. Tensors of
//! a layer are renamed by `weight`, `bias`, `running_mean` and `running_var`; layers that name the same tensor share it. A bias,
//! and the weight of a norm, is left out by `false`; both of a norm by `affine = false`.

mod fields;
mod layers;
mod write;

use std::collections::BTreeMap;

use thiserror::Error;

use super::{GraphBuilder, Network, NodeId, ParamId, ParamKind, ShapeError};
use fields::Fields;

pub use write::description;

/// The longest description, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// The most layers of a description.
const MAX_LAYERS: usize = 20_000;
/// The largest number an option may have.
const MAX_NUMBER: usize = 1 << 20;
/// The most values of one layer's output.
const MAX_VALUES: usize = 1 << 28;
/// The most units of all layers together, and the most parameters: what the graph needs memory for.
const MAX_UNITS: usize = 1 << 22;
const MAX_PARAMETERS: usize = 1 << 29;

/// Why a text describes no network. `layer` is its number, from 1, with its operation and name.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum DescribeError {
    #[error("a description of {n_bytes} bytes: expected at most {MAX_BYTES}")]
    TooLong { n_bytes: usize },
    #[error("no TOML: {0}")]
    Syntax(#[from] toml::de::Error),
    #[error("expected {expected} at the top of the description, found {found}")]
    Top { expected: &'static str, found: String },
    #[error("{layer}: expected `{option}` to be {expected}, found {found}")]
    Option { layer: String, option: &'static str, expected: &'static str, found: String },
    #[error("{layer}: the option `{option}` is missing")]
    Missing { layer: String, option: &'static str },
    #[error("{layer}: the option `{option}` is not one of this operation")]
    Unknown { layer: String, option: String },
    #[error(
        "{layer}: the operation is not known: expected conv, linear, batch_norm, relu, max_pool, flatten, add, ..."
    )]
    Operation { layer: String },
    #[error("{layer}: it reads `{from}`, but no layer before it has this id or name")]
    From { layer: String, from: String },
    #[error("{layer}: expected {expected} layers to read, found {found}")]
    Inputs { layer: String, expected: &'static str, found: usize },
    #[error("{layer}: the id `{id}` belongs to an earlier layer")]
    Id { layer: String, id: String },
    #[error("{layer}: tensor `{tensor}` has shape {expected:?} in an earlier layer, {found:?} here")]
    Shared { layer: String, tensor: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("{layer}: {what}: expected at most {limit}")]
    TooLarge { layer: String, what: &'static str, limit: usize },
    #[error("{layer}: {source}")]
    Shape { layer: String, source: ShapeError },
    #[error(transparent)]
    Output(#[from] ShapeError),
}

/// The network that `text` describes (see the head of this module's file for the format).
pub fn describe(text: &str) -> Result<Network, DescribeError> {
    if MAX_BYTES < text.len() {
        return Err(DescribeError::TooLong { n_bytes: text.len() });
    }
    let mut table: toml::Table = toml::from_str(text)?;
    let name = match table.remove("name") {
        None => "described network".to_owned(),
        Some(toml::Value::String(name)) => name,
        Some(other) => return Err(top("`name` to be a text", &other.to_string())),
    };
    let input = input_shape(table.remove("input"))?;
    let layers = match table.remove("layer") {
        Some(toml::Value::Array(layers)) if !layers.is_empty() => layers,
        other => return Err(top("at least one [[layer]]", &other.map_or("none".to_owned(), |v| v.to_string()))),
    };
    if let Some((key, _)) = table.iter().next() {
        return Err(top("`name`, `input` and [[layer]]", &format!("`{key}`")));
    }
    if MAX_LAYERS < layers.len() {
        let layer = format!("layer {}", MAX_LAYERS + 1);
        return Err(DescribeError::TooLarge { layer, what: "too many layers", limit: MAX_LAYERS });
    }

    let (graph, node) = GraphBuilder::new(&input);
    let named = BTreeMap::from([("input".to_owned(), node)]);
    let mut reader = Reader { graph, named, tensors: BTreeMap::new(), last: node, n_units: 0, n_parameters: 0 };
    for (index, layer) in layers.into_iter().enumerate() {
        let toml::Value::Table(table) = layer else {
            return Err(top("every layer to be a [[layer]]", &layer.to_string()));
        };
        reader.layer(Fields::new(index + 1, table)?)?;
    }
    Ok(reader.graph.finish(name)?)
}

fn top(expected: &'static str, found: &str) -> DescribeError {
    // A wrong value may be as long as the file.
    DescribeError::Top { expected, found: fields::shortened(found) }
}

fn input_shape(value: Option<toml::Value>) -> Result<Vec<usize>, DescribeError> {
    let expected = "`input = [channels, height, width]` or `[features]`, of positive numbers";
    let found = value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let sizes = value.as_ref().and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let sizes: Option<Vec<usize>> = sizes.iter().map(fields::as_count).collect();
    match sizes {
        Some(sizes) if matches!(sizes.len(), 1 | 3) && !sizes.contains(&0) && n_values(&sizes) <= MAX_VALUES => {
            Ok(sizes)
        }
        _ => Err(top(expected, &found)),
    }
}

/// Product of a shape whose sizes are bounded by [`MAX_NUMBER`] or by checked shapes; the largest number if it overflows.
fn n_values(shape: &[usize]) -> usize {
    shape.iter().fold(1, |product: usize, &n| product.saturating_mul(n))
}

/// The graph while its layers are read.
struct Reader {
    graph: GraphBuilder,
    /// Outputs by id, and by layer name where there is no id.
    named: BTreeMap<String, NodeId>,
    /// Tensors by name, with what later layers of the same name must agree with.
    tensors: BTreeMap<String, Tensor>,
    last: NodeId,
    n_units: usize,
    n_parameters: usize,
}

/// A tensor of a layer that was read.
struct Tensor {
    id: ParamId,
    kind: ParamKind,
    shape: Vec<usize>,
}

#[cfg(test)]
mod tests;
