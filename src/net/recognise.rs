//! Finds the network behind a checkpoint from names and shapes alone.
//!
//! Shapes say which families of the zoo, with which widths and depths, the file may be ([`families`]); every such network is
//! built and held against the file layer by layer ([`fit`]), in the order of the file and in the orders that its names
//! suggest ([`order`]). What the shapes cannot tell (a pooling, an activation) gives several candidates.

mod families;
mod fit;
mod layers;
mod mlp;
mod order;

use thiserror::Error;

use super::{Network, ShapeError};
use fit::Mismatch;
use layers::{Kind, Layer};

pub use fit::fit;

/// The most layers that are held against families: above all of the zoo's, low enough for a hostile file.
const MAX_LAYERS: usize = 2_000;

/// A network and where its parameters stand in the file.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// With the names of the file.
    pub network: Network,
    /// For each parameter of the layout, the index of its tensor in the list that was given.
    pub tensors: Vec<usize>,
    /// Names of tensors that the network does not use.
    pub unused: Vec<String>,
}

/// Why a list of tensors is no network that lowroad knows.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecogniseError {
    #[error("no weights among {n_tensors} tensors: expected at least one tensor of two dimensions or more")]
    NoWeights { n_tensors: usize },
    #[error(
        "tensor `{name}` has shape {shape:?}: expected weights of dense layers (2 dimensions) or of convolutions of images \
         (4), biases or norms (1 or 3)"
    )]
    Unsupported { name: String, shape: Vec<usize> },
    #[error("tensor `{name}` of shape {shape:?} is the bias of no layer: expected a weight beside it with {} outputs", shape.first().copied().unwrap_or(0))]
    LoneBias { name: String, shape: Vec<usize> },
    #[error("tensor `{name}` of shape {shape:?} is empty")]
    Empty { name: String, shape: Vec<usize> },
    #[error("tensor `{name}` of shape {shape:?} has no running {missing} of the same shape beside it")]
    LoneStatistic { name: String, shape: Vec<usize>, missing: &'static str },
    #[error("tensors `{first}` and `{second}` seem to be the same part of one layer")]
    Twice { first: String, second: String },
    #[error(
        "the layers do not join: no order of {layers} makes every layer's inputs the outputs of the one before (is a weight transposed?)"
    )]
    NoChain { layers: String },
    #[error(
        "none of {n_layers} layers (`{first}`, ...) is a dense layer, which every known network has for its classes (a network can be \
         described in a file: --network FILE.toml)"
    )]
    NoClasses { n_layers: usize, first: String },
    #[error("{n_layers} layers: expected at most {MAX_LAYERS}")]
    TooMany { n_layers: usize },
    #[error(
        "no known network has these layers. The nearest is {nearest}, where {expected} was expected, but {found} found \
         (a network can be described in a file: --network FILE.toml)"
    )]
    Nearest { nearest: String, expected: String, found: String },
    #[error("the tensors are not those of {network}: expected {expected}, found {found}")]
    Fit { network: String, expected: String, found: String },
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Recognises the networks of the zoo, whatever their widths, depth, number of classes and names.
///
/// `tensors`: name and shape of every tensor of the file, in its order; `input`: shape of the images they are wanted for,
/// which is taken if it fits. All candidates that fit, best first, at least one: they differ in what names and shapes cannot
/// tell.
pub fn recognise(tensors: &[(&str, &[usize])], input: Option<&[usize]>) -> Result<Vec<Recognised>, RecogniseError> {
    let (layers, unused) = layers::read(tensors)?;
    if layers.iter().all(|layer| layer.kind != Kind::Conv) {
        return mlp::recognise(tensors, &layers, &unused);
    }
    if MAX_LAYERS < layers.len() {
        return Err(RecogniseError::TooMany { n_layers: layers.len() });
    }
    let mut nearest: Option<(String, Mismatch)> = None;
    for inputs in families::input_shapes(&layers, input) {
        let mut fits: Vec<Candidate> = Vec::new();
        for order in order::orders(&layers) {
            let ordered: Vec<&Layer> = order.iter().map(|&index| &layers[index]).collect();
            for network in inputs.iter().flat_map(|input| families::hypotheses(&ordered, input)) {
                match fit::in_order(&network, &ordered) {
                    Ok((tensors, n_regrouped)) => fits.push(Candidate { network, tensors, n_regrouped }),
                    Err(mismatch) => {
                        if nearest.as_ref().is_none_or(|(_, best)| best.n_fitting < mismatch.n_fitting) {
                            nearest = Some((network.name().to_owned(), mismatch));
                        }
                    }
                }
            }
            // Names that confirm every block leave nothing for another order to find.
            if fits.iter().any(|fit| fit.n_regrouped == 0) {
                break;
            }
        }
        if !fits.is_empty() {
            return Ok(best(fits).into_iter().map(|c| c.recognised(tensors, &unused)).collect());
        }
    }
    Err(match nearest {
        Some((nearest, Mismatch { expected, found, .. })) => RecogniseError::Nearest { nearest, expected, found },
        None => RecogniseError::NoClasses {
            n_layers: layers.len(),
            first: layers.first().map_or_else(String::new, |layer| layer.name.clone()),
        },
    })
}

/// A network that fits the file.
struct Candidate {
    network: Network,
    tensors: Vec<usize>,
    /// How often names group neighbouring layers differently than the network does.
    n_regrouped: usize,
}

impl Candidate {
    fn recognised(self, tensors: &[(&str, &[usize])], unused: &[String]) -> Recognised {
        let names = self.tensors.iter().map(|&index| tensors[index].0.to_owned()).collect();
        let name = self.network.name().to_owned();
        let network = self.network.renamed(name, names).expect("one place a tensor of the layout");
        Recognised { network, tensors: self.tensors, unused: unused.to_vec() }
    }
}

/// Those whose blocks the names confirm best, each network once.
fn best(mut fits: Vec<Candidate>) -> Vec<Candidate> {
    let fewest = fits.iter().map(|c| c.n_regrouped).min().unwrap_or(0);
    fits.retain(|c| c.n_regrouped == fewest);
    let mut kept: Vec<Candidate> = Vec::new();
    for fit in fits {
        if kept.iter().all(|c| !c.network.same_architecture(&fit.network)) {
            kept.push(fit);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
