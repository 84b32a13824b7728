//! The layers of a file: tensors that belong together by name.

use std::collections::BTreeMap;

use super::RecogniseError;

/// What a layer's tensors say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Conv,
    Linear,
    /// Any normalisation; batch norm where there are running statistics.
    Norm,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Conv => "convolution",
            Self::Linear => "dense layer",
            Self::Norm => "norm",
        }
    }
}

/// The places of a layer's tensors in [`Layer::tensors`].
pub(super) const WEIGHT: usize = 0;
pub(super) const BIAS: usize = 1;
pub(super) const MEAN: usize = 2;
pub(super) const VAR: usize = 3;

/// One layer of a file.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Its tensors' common name, without the `module.` of data-parallel models.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Shape of its weight; of its running mean for a norm without weight.
    pub(super) shape: Vec<usize>,
    /// Indices of its weight, bias, running mean and running variance in the file.
    pub(super) tensors: [Option<usize>; 4],
}

impl Layer {
    /// Number of outputs.
    pub(super) fn n_out(&self) -> usize {
        self.shape[0]
    }

    /// Number of inputs of a dense layer, of input channels (of one group) of a convolution.
    pub(super) fn n_in(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// Height of a convolution's kernel.
    pub(super) fn kernel(&self) -> usize {
        self.shape.get(2).copied().unwrap_or(1)
    }

    pub(super) fn has_bias(&self) -> bool {
        self.tensors[BIAS].is_some()
    }

    pub(super) fn describe(&self) -> String {
        describe(self.kind, &self.name, &self.shape, self.tensors.map(|tensor| tensor.is_some()))
    }
}

/// `convolution conv1 [6, 1, 5, 5] with bias`.
pub(super) fn describe(kind: Kind, name: &str, shape: &[usize], has: [bool; 4]) -> String {
    let with = match (kind, has) {
        (Kind::Norm, [weight, .., mean, _]) => match (weight, mean) {
            (true, true) => " with running statistics",
            (false, true) => " with running statistics only",
            _ => " without running statistics",
        },
        (_, [_, true, ..]) => " with bias",
        _ => " without bias",
    };
    format!("{} `{name}` {shape:?}{with}", kind.name())
}

/// Groups tensors into layers, in the order in which the file first names them; and the names of tensors that are no
/// parameters.
pub(super) fn read(tensors: &[(&str, &[usize])]) -> Result<(Vec<Layer>, Vec<String>), RecogniseError> {
    let mut unused = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut parts: Vec<(String, [Option<usize>; 4])> = Vec::new();
    for (index, &(name, shape)) in tensors.iter().enumerate() {
        // Counters carry no weights.
        if shape.is_empty() || name.ends_with("num_batches_tracked") {
            unused.push(name.to_owned());
            continue;
        }
        if shape.contains(&0) {
            return Err(RecogniseError::Empty { name: name.to_owned(), shape: shape.to_vec() });
        }
        let (stem, role) = split(name, shape.len());
        let place = *places.entry(stem.clone()).or_insert(parts.len());
        if place == parts.len() {
            parts.push((stem, [None; 4]));
        }
        if let Some(first) = parts[place].1[role].replace(index) {
            return Err(RecogniseError::Twice { first: tensors[first].0.to_owned(), second: name.to_owned() });
        }
    }
    let layers = parts.into_iter().map(|(name, found)| layer(name, found, tensors)).collect::<Result<Vec<_>, _>>()?;
    if layers.iter().all(|layer| layer.kind == Kind::Norm) {
        return Err(RecogniseError::NoWeights { n_tensors: tensors.len() });
    }
    Ok((layers, unused))
}

/// The layer of the tensors `found`, checked against each other.
fn layer(name: String, found: [Option<usize>; 4], tensors: &[(&str, &[usize])]) -> Result<Layer, RecogniseError> {
    let tensor = |index: usize| (tensors[index].0.to_owned(), tensors[index].1.to_vec());
    for (role, other, missing) in [(MEAN, VAR, "variance"), (VAR, MEAN, "mean")] {
        if let Some(index) = found[role] {
            let (name, shape) = tensor(index);
            if found[other].is_none_or(|other| tensors[other].1 != shape) {
                return Err(RecogniseError::LoneStatistic { name, shape, missing });
            }
        }
    }
    let Some(main) = found[WEIGHT].or(found[MEAN]) else {
        let index = found.into_iter().flatten().next().expect("a layer is made for a tensor");
        let (name, shape) = tensor(index);
        return Err(RecogniseError::LoneBias { name, shape });
    };
    let (main_name, shape) = tensor(main);
    let kind = match shape.len() {
        2 => Kind::Linear,
        4 => Kind::Conv,
        1 | 3 => Kind::Norm,
        _ => return Err(RecogniseError::Unsupported { name: main_name, shape }),
    };
    if let Some(index) = found[BIAS] {
        let (name, bias) = tensor(index);
        let expected = if kind == Kind::Norm { shape.as_slice() } else { &shape[..1] };
        if bias != expected {
            return Err(RecogniseError::LoneBias { name, shape: bias });
        }
    }
    if let Some(index) = found[MEAN].filter(|_| kind != Kind::Norm || found[WEIGHT].is_some()) {
        let (name, mean) = tensor(index);
        if mean != shape {
            return Err(RecogniseError::LoneStatistic { name, shape: mean, missing: "statistics of a norm" });
        }
    }
    Ok(Layer { name, kind, shape, tensors: found })
}

/// The layer's name in a tensor's name, and which of the layer's tensors it is. `module.fc1.weight` is the weight of `fc1`,
/// `w2` that of `2`, `dense_1/kernel` that of `dense_1`.
fn split(name: &str, rank: usize) -> (String, usize) {
    let name = name.strip_prefix("module.").unwrap_or(name);
    for (end, role) in [
        ("running_mean", MEAN),
        ("moving_mean", MEAN),
        ("running_var", VAR),
        ("running_variance", VAR),
        ("moving_variance", VAR),
    ] {
        if let Some(stem) = name.strip_suffix(end) {
            return (stem.trim_end_matches(['.', '/', '_', ':']).to_owned(), role);
        }
    }
    let (before, last) = match name.rfind(['.', '/', '_', ':']) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => ("", name),
    };
    let letters = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &last[letters.len()..];
    let role = match letters.to_ascii_lowercase().as_str() {
        "weight" | "weights" | "kernel" | "w" | "gamma" | "scale" => WEIGHT,
        "bias" | "biases" | "b" | "beta" | "shift" => BIAS,
        // A name that says nothing: weights have more than one dimension.
        _ => return (name.to_owned(), if 1 < rank { WEIGHT } else { BIAS }),
    };
    (if digits.is_empty() { before.to_owned() } else { format!("{before}{digits}") }, role)
}
