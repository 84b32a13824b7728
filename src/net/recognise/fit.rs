//! Holds a network against the layers of a file.

use std::collections::BTreeMap;

use super::super::{Network, Op, ParamId, layer_name};
use super::layers::{self, Kind, Layer};
use super::{RecogniseError, Recognised, order};

/// Where a network and a file part.
#[derive(Clone, Debug)]
pub(super) struct Mismatch {
    /// Layers that fit before.
    pub(super) n_fitting: usize,
    pub(super) expected: String,
    pub(super) found: String,
}

/// A layer of a network, as it should be found in the file.
struct Wanted<'a> {
    name: &'a str,
    kind: Kind,
    shape: &'a [usize],
    /// As [`Layer::tensors`].
    params: [Option<ParamId>; 4],
}

/// Puts the tensors of a file into the places of a network that is known: by their names where these agree, apart from a
/// prefix, otherwise by their order.
///
/// `tensors`: name and shape of every tensor of the file, in its order. Every tensor must have a place, counters aside.
pub fn fit(network: &Network, tensors: &[(&str, &[usize])]) -> Result<Recognised, RecogniseError> {
    let (layers, unused) = layers::read(tensors)?;
    let mut places = by_names(network, tensors, tensors.len() - unused.len());
    if places.is_none() {
        let fit_error = |mismatch: Mismatch| RecogniseError::Fit {
            network: network.name().to_owned(),
            expected: mismatch.expected,
            found: mismatch.found,
        };
        let mut nearest: Option<Mismatch> = None;
        for order in order::orders(&layers) {
            let ordered: Vec<&Layer> = order.iter().map(|&index| &layers[index]).collect();
            match in_order(network, &ordered) {
                Ok((found, _)) => {
                    places = Some(found);
                    break;
                }
                Err(mismatch) if nearest.as_ref().is_none_or(|best| best.n_fitting < mismatch.n_fitting) => {
                    nearest = Some(mismatch);
                }
                Err(_) => {}
            }
        }
        if let (None, Some(mismatch)) = (&places, nearest) {
            return Err(fit_error(mismatch));
        }
    }
    let places = places.expect("there is at least one order, which fits or does not");
    let names = places.iter().map(|&index| tensors[index].0.to_owned()).collect();
    let name = network.name().to_owned();
    let network = network.clone().renamed(name, names).expect("one place a tensor of the layout");
    Ok(Recognised { network, tensors: places, unused })
}

/// The place of every parameter's name in the file, if all `n_expected` tensors are named so, but for a common prefix.
fn by_names(network: &Network, tensors: &[(&str, &[usize])], n_expected: usize) -> Option<Vec<usize>> {
    let specs = network.layout().specs();
    if specs.len() != n_expected {
        return None;
    }
    let places: BTreeMap<&str, usize> = tensors.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let first = specs.first()?.name.as_str();
    let prefixes = tensors.iter().filter_map(|(name, _)| name.strip_suffix(first));
    let mut found = prefixes.filter_map(|prefix| {
        let place = |name: &str| places.get(format!("{prefix}{name}").as_str()).copied();
        let fitting = |spec: &super::super::ParamSpec| place(&spec.name).filter(|&i| tensors[i].1 == spec.shape);
        specs.iter().map(fitting).collect::<Option<Vec<usize>>>()
    });
    found.next()
}

/// The place of every parameter, if the layers of a network are those of the file in this order; and how often the file's
/// names group neighbouring layers differently.
pub(super) fn in_order(network: &Network, layers: &[&Layer]) -> Result<(Vec<usize>, usize), Mismatch> {
    let wanted = wanted(network);
    let mut places = vec![0; network.layout().specs().len()];
    for (index, want) in wanted.iter().enumerate() {
        let found = layers.get(index);
        if !found.is_some_and(|layer| want.is(layer)) {
            return Err(Mismatch {
                n_fitting: index,
                expected: want.describe(),
                found: found.map_or_else(|| "the end of the file".to_owned(), |layer| layer.describe()),
            });
        }
        for (param, tensor) in want.params.iter().zip(layers[index].tensors) {
            if let (Some(param), Some(tensor)) = (param, tensor) {
                places[param.0] = tensor;
            }
        }
    }
    if let Some(left) = layers.get(wanted.len()) {
        let expected = "nothing more".to_owned();
        return Err(Mismatch { n_fitting: wanted.len(), expected, found: left.describe() });
    }
    let groups =
        |names: Vec<&str>| -> Vec<bool> { names.windows(2).map(|pair| block(pair[0]) == block(pair[1])).collect() };
    let (of_network, of_file) =
        (groups(wanted.iter().map(|w| w.name).collect()), groups(layers.iter().map(|l| l.name.as_str()).collect()));
    let n_regrouped = of_network.iter().zip(of_file).filter(|(a, b)| **a != *b).count();
    Ok((places, n_regrouped))
}

/// The part of a network that a layer's name says it is in: `layer1.0` for `layer1.0.conv1`.
fn block(name: &str) -> &str {
    name.rsplit_once(['.', '/']).map_or("", |(block, _)| block)
}

/// The layers of a network in the order of its parameters; a layer whose tensors are shared counts once.
fn wanted(network: &Network) -> Vec<Wanted<'_>> {
    let mut layers: BTreeMap<usize, Wanted<'_>> = BTreeMap::new();
    for node in network.nodes() {
        let (kind, params) = match node.op {
            Op::Linear { weight, bias } => (Kind::Linear, [Some(weight), bias, None, None]),
            Op::Conv2d { weight, bias, .. } => (Kind::Conv, [Some(weight), bias, None, None]),
            Op::BatchNorm { scale, shift, mean, var, .. } => (Kind::Norm, [scale, shift, Some(mean), Some(var)]),
            Op::LayerNorm { scale, shift, .. } | Op::GroupNorm { scale, shift, .. } => {
                (Kind::Norm, [scale, shift, None, None])
            }
            _ => continue,
        };
        if let Some(first) = params.into_iter().flatten().next() {
            let spec = network.layout().spec(first);
            let want = Wanted { name: layer_name(&spec.name), kind, shape: &spec.shape, params };
            layers.entry(first.0).or_insert(want);
        }
    }
    layers.into_values().collect()
}

impl Wanted<'_> {
    fn is(&self, layer: &Layer) -> bool {
        let has = |roles: [bool; 4]| roles == layer.tensors.map(|tensor| tensor.is_some());
        self.kind == layer.kind && self.shape == layer.shape && has(self.params.map(|param| param.is_some()))
    }

    fn describe(&self) -> String {
        layers::describe(self.kind, self.name, self.shape, self.params.map(|param| param.is_some()))
    }
}
