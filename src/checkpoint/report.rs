//! How the tensors of a file fit a network: which are applied, missing, unused or of another shape, and what would mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{RawTensor, shown};
use crate::net::{Network, ParamLayout, fit};

/// How many tensors of a kind are listed in a message.
const MAX_LISTED: usize = 20;
/// Batch norm counts its batches under this name; it is no parameter.
const COUNTER: &str = "num_batches_tracked";

/// Changes to the names and shapes of a file's tensors, made only when they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mends {
    /// Taken off the names that begin with it.
    pub strip_prefix: Option<String>,
    /// Put before every name, after the other was taken off.
    pub add_prefix: Option<String>,
    /// Transposes every matrix: some write the weights of linear layers as `[inputs, outputs]`.
    pub transpose: bool,
    /// Gives tensors their places by their order and shapes where the file names them otherwise than the given network.
    pub by_order: bool,
}

/// What became of every tensor, by the names of the network for those that it has and of the (mended) file for the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    pub applied: Vec<String>,
    /// Tensors of the network that the file lacks, with their shapes.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Tensors of the file that the network lacks, with their shapes. The counters of batch norm are not among them.
    pub unused: Vec<(String, Vec<usize>)>,
    pub mismatched: Vec<Mismatch>,
    /// What would make more of the tensors fit.
    pub helpful: Option<Mends>,
}

/// A tensor of the right name and the wrong shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub tensor: String,
    pub expected: Vec<usize>,
    pub found: Vec<usize>,
    pub likely: Likely,
}

/// Why a shape is likely to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likely {
    /// The dimensions are those expected, in reverse.
    Transposed,
    /// As many values in another arrangement.
    Reshaped,
    /// As many dimensions of other lengths.
    OtherWidth,
    /// Another kind of layer.
    OtherLayer,
}

impl Likely {
    fn of(expected: &[usize], found: &[usize]) -> Self {
        let n = |shape: &[usize]| shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side));
        if found.iter().rev().eq(expected) {
            Self::Transposed
        } else if n(expected) == n(found) {
            Self::Reshaped
        } else if expected.len() == found.len() {
            Self::OtherWidth
        } else {
            Self::OtherLayer
        }
    }
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transposed => "transposed",
            Self::Reshaped => "the same values in another arrangement",
            Self::OtherWidth => "a network of another width",
            Self::OtherLayer => "another kind of layer",
        })
    }
}

impl fmt::Display for Mends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strip = self.strip_prefix.iter().map(|prefix| format!("take the prefix `{}` off", shown(prefix)));
        let add = self.add_prefix.iter().map(|prefix| format!("add the prefix `{}`", shown(prefix)));
        let transpose = self.transpose.then(|| "transpose the matrices".to_owned());
        let by_order = self.by_order.then(|| "go by the order of the tensors instead of their names".to_owned());
        f.write_str(&strip.chain(add).chain(transpose).chain(by_order).collect::<Vec<_>>().join(", "))
    }
}

impl LoadReport {
    /// Whether every tensor of the network has its values.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty()
    }

    fn n_faults(&self) -> usize {
        self.missing.len() + self.mismatched.len()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (applied, missing) = (self.applied.len(), self.missing.len());
        let (unused, mismatched) = (self.unused.len(), self.mismatched.len());
        write!(f, "{applied} tensors applied, {missing} missing, {unused} unused, {mismatched} of another shape")?;
        let rows = |kind: &str, tensors: &[(String, Vec<usize>)]| -> Vec<String> {
            tensors.iter().map(|(name, shape)| format!("{kind}  {} {shape:?}", shown(name))).collect()
        };
        let shapes = self.mismatched.iter().map(|Mismatch { tensor, expected, found, likely }| {
            format!("shape    {}: expected {expected:?}, found {found:?} ({likely}?)", shown(tensor))
        });
        for rows in [shapes.collect(), rows("missing", &self.missing), rows("unused ", &self.unused)] {
            for row in rows.iter().take(MAX_LISTED) {
                write!(f, "\n  {row}")?;
            }
            if rows.len() > MAX_LISTED {
                write!(f, "\n  and {} more", rows.len() - MAX_LISTED)?;
            }
        }
        match &self.helpful {
            Some(mends) => write!(f, "\nwhat would help: {mends}"),
            None => Ok(()),
        }
    }
}

/// Names and shapes of a file's tensors, mended.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    tensors: Vec<(String, Vec<usize>)>,
}

impl Offered {
    pub(super) fn new(tensors: &[RawTensor], mends: &Mends) -> Self {
        let mended = tensors.iter().map(|tensor| {
            let strip = mends.strip_prefix.as_deref().unwrap_or_default();
            let name = tensor.name.strip_prefix(strip).unwrap_or(&tensor.name);
            let mut shape = tensor.shape.clone();
            if mends.transpose && shape.len() == 2 {
                shape.reverse();
            }
            (format!("{}{name}", mends.add_prefix.as_deref().unwrap_or_default()), shape)
        });
        Self { tensors: mended.collect() }
    }

    /// As recognition wants them.
    pub(super) fn shapes(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
    }

    /// Lays the tensors over a network's. Also returns, for each tensor of the layout, the index of its tensor in the file
    /// if that fits.
    pub(super) fn fit(&self, layout: &ParamLayout) -> (LoadReport, Vec<Option<usize>>) {
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, (name, _)) in self.tensors.iter().enumerate() {
            // A prefix taken off can make two names the same: the first counts, the other is unused.
            by_name.entry(name).or_insert(index);
        }
        let mut report = LoadReport::default();
        let mut wanted = BTreeSet::new();
        let mut places = Vec::new();
        for spec in layout.specs() {
            let found = by_name.get(spec.name.as_str()).and_then(|index| Some((*index, self.tensors.get(*index)?)));
            wanted.extend(found.map(|(index, _)| index));
            places.push(match found {
                Some((index, (_, shape))) if *shape == spec.shape => {
                    report.applied.push(spec.name.clone());
                    Some(index)
                }
                Some((_, (_, shape))) => {
                    let (tensor, expected, found) = (spec.name.clone(), spec.shape.clone(), shape.clone());
                    let likely = Likely::of(&expected, &found);
                    report.mismatched.push(Mismatch { tensor, expected, found, likely });
                    None
                }
                None => {
                    report.missing.push((spec.name.clone(), spec.shape.clone()));
                    None
                }
            });
        }
        let unused = self.tensors.iter().enumerate();
        let unused = unused.filter(|(index, (name, _))| !wanted.contains(index) && !is_counter(name));
        report.unused = unused.map(|(_, tensor)| tensor.clone()).collect();
        (report, places)
    }
}

/// Whether a tensor only counts the batches of a batch norm.
pub(super) fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNTER)
}

/// The mends with which most of a network's tensors are found, if that is more than without any; going by the order only
/// where names do not lead to all of them.
pub(super) fn helpful_mends(tensors: &[RawTensor], network: &Network) -> Option<Mends> {
    let layout = network.layout();
    let file: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let names: Vec<&str> = layout.specs().iter().map(|spec| spec.name.as_str()).collect();
    let (strip, add) = (usual_prefix(&file, &names), usual_prefix(&names, &file));
    let mut tried = Vec::new();
    for transpose in [false, true] {
        tried.push(Mends { transpose, ..Mends::default() });
        tried.extend(strip.clone().map(|prefix| Mends { strip_prefix: Some(prefix), transpose, ..Mends::default() }));
        tried.extend(add.clone().map(|prefix| Mends { add_prefix: Some(prefix), transpose, ..Mends::default() }));
    }
    let n_faults = |mends: &Mends| Offered::new(tensors, mends).fit(layout).0.n_faults();
    let unmended = n_faults(&Mends::default());
    let best = tried.into_iter().min_by_key(|mends| n_faults(mends))?;
    let n_left = n_faults(&best);
    let mut by_order =
        [false, true].map(|transpose| Mends { transpose, by_order: true, ..Mends::default() }).into_iter();
    let fits = |mends: &Mends| fit(network, &Offered::new(tensors, mends).shapes()).is_ok();
    let ordered = if n_left == 0 { None } else { by_order.find(fits) };
    ordered.or_else(|| (n_left < unmended).then_some(best))
}

/// What most often stands before names of `short` in `long`, up to a dot.
fn usual_prefix(long: &[&str], short: &[&str]) -> Option<String> {
    let short: BTreeSet<&str> = short.iter().copied().collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in long {
        for (dot, _) in name.match_indices('.') {
            let (prefix, rest) = name.split_at(dot + 1);
            if short.contains(rest) {
                *counts.entry(prefix).or_default() += 1;
            }
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(prefix, _)| prefix.to_owned())
}

/// A matrix of `rows` rows, read column by column.
pub(super) fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len().checked_div(rows).unwrap_or(0);
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

#[cfg(test)]
mod tests;
