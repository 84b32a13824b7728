//! Permutations of hidden units as files: lowroad's JSON, and arrays under the names of the network's groups or under those of
//! Git Re-Basin (`P_0`, `P_Conv_3`, `P_bg1`, `P_blockgroup1/blocks_0_inner`; Ainsworth et al. 2023).
//!
//! In all of them entry i is the unit of B that is put in place i.

use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::npz::NpzWriter;
use super::{CheckpointError, MAX_FILE_BYTES, RawTensor};
use crate::files::{self, FileError};
use crate::matching::Permutation;
use crate::net::{Network, ParamKind, PermutationGroup};

/// The largest JSON that is read, in bytes.
const MAX_JSON_BYTES: u64 = 256 << 20;

/// Why permutations could not be read.
#[derive(Debug, Error)]
pub enum PermutationsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("expected permutations as JSON, found something else ({source}): {path}")]
    Json { path: String, source: serde_json::Error },
    #[error("`{name}`: expected a permutation of {n_units} units, found {found}: {path}")]
    Array { path: String, name: String, n_units: usize, found: String },
    #[error("could not write the arrays ({source}): {path}")]
    Write { path: String, source: std::io::Error },
    #[error("expected a permutation for each of the groups {expected}, found {found}: {path}")]
    Names { path: String, expected: String, found: String },
}

/// What `lowroad align` writes, as far as it says where units go.
#[derive(Debug, Deserialize, Serialize)]
struct Document {
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Layer {
    name: String,
    permutation: Vec<usize>,
}

/// Writes permutations, one for each of `network.groups()`: arrays where the name ends in `.npz`, otherwise JSON. [`read`]
/// reads both back.
pub fn write(path: &Path, network: &Network, permutations: &[Permutation]) -> Result<(), PermutationsError> {
    let is_npz = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
    let bytes = if is_npz {
        let arrays = to_npz(network, permutations);
        arrays.map_err(|source| PermutationsError::Write { path: path.display().to_string(), source })?
    } else {
        to_json(network, permutations).into_bytes()
    };
    Ok(files::write_atomic(path, &bytes)?)
}

fn to_npz(network: &Network, permutations: &[Permutation]) -> std::io::Result<Vec<u8>> {
    let mut arrays = NpzWriter::new();
    for (group, permutation) in network.groups().iter().zip(permutations) {
        let sources: Vec<i64> = permutation.sources().iter().map(|&source| source as i64).collect();
        arrays.add(&group.name, &[sources.len()], &sources)?;
    }
    arrays.finish()
}

fn to_json(network: &Network, permutations: &[Permutation]) -> String {
    let layers = network.groups().iter().zip(permutations);
    let layers = layers
        .map(|(group, permutation)| Layer { name: group.name.clone(), permutation: permutation.sources().to_vec() });
    serde_json::json!(Document { layers: layers.collect() }).to_string()
}

/// Reads permutations for the groups of `network`, in their order. JSON is told by its name (`.json`); anything else is read
/// as a checkpoint is, its tensors being the permutations.
pub fn read(path: &Path, network: &Network) -> Result<Vec<Permutation>, PermutationsError> {
    let most_bytes = if is_json(path) { MAX_JSON_BYTES } else { MAX_FILE_BYTES };
    parse(&files::read_limited(path, most_bytes)?, path, network)
}

/// Reads them from the bytes of a file, as its name says.
pub fn parse(bytes: &[u8], path: &Path, network: &Network) -> Result<Vec<Permutation>, PermutationsError> {
    let layers = if is_json(path) {
        let parsed: Result<Document, _> = serde_json::from_slice(bytes);
        parsed.map_err(|source| PermutationsError::Json { path: path.display().to_string(), source })?.layers
    } else {
        super::parse(bytes, path)?.tensors.iter().map(|tensor| layer(tensor, path)).collect::<Result<_, _>>()?
    };
    in_order(layers, network, path)
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// A tensor as a list of units.
fn layer(tensor: &RawTensor, path: &Path) -> Result<Layer, PermutationsError> {
    let n_units = tensor.values.len();
    let is_unit = |&value: &f32| 0.0 <= value && value < n_units as f32 && value.fract() == 0.0;
    if tensor.shape.len() != 1 || !tensor.values.iter().all(is_unit) {
        let found = format!("{} values of shape {:?} that are not all units", tensor.dtype, tensor.shape);
        return Err(PermutationsError::Array {
            path: path.display().to_string(),
            name: tensor.name.clone(),
            n_units,
            found,
        });
    }
    Ok(Layer { name: tensor.name.clone(), permutation: tensor.values.iter().map(|&unit| unit as usize).collect() })
}

/// One permutation a group, by its own names or by those of Git Re-Basin.
fn in_order(mut layers: Vec<Layer>, network: &Network, path: &Path) -> Result<Vec<Permutation>, PermutationsError> {
    let groups = network.groups();
    let named = |layers: &[Layer], group: &PermutationGroup| layers.iter().position(|layer| layer.name == group.name);
    let has_own_names = groups.iter().all(|group| named(&layers, group).is_some());
    let found: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let mut order: Vec<Option<usize>> = groups.iter().map(|group| named(&layers, group)).collect();
    if !has_own_names {
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        order = re_basin_order(&names, network);
    }
    let mut permutations = Vec::with_capacity(groups.len());
    for (group, index) in groups.iter().zip(order) {
        let Some(index) = index else {
            let expected = groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ");
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            return Err(PermutationsError::Names { path: path.display().to_string(), expected, found });
        };
        let Layer { name, permutation } = &mut layers[index];
        let (n_units, n_found) = (group.n_units, permutation.len());
        let valid = Permutation::new(std::mem::take(permutation)).filter(|permutation| permutation.len() == n_units);
        permutations.push(valid.ok_or_else(|| PermutationsError::Array {
            path: path.display().to_string(),
            name: name.clone(),
            n_units,
            found: format!("{n_found} numbers that are none"),
        })?);
    }
    Ok(permutations)
}

/// Where the names of Git Re-Basin put the permutation of each group: `P_bg` those of residual streams, `_inner` those within
/// blocks, any others in the order of layers, convolutions first.
fn re_basin_order(names: &[&str], network: &Network) -> Vec<Option<usize>> {
    let sorted = |wanted: &dyn Fn(&str) -> bool| {
        let mut found: Vec<usize> = (0..names.len()).filter(|&index| wanted(names[index])).collect();
        found.sort_by_key(|&index| natural(names[index]));
        found.into_iter()
    };
    let is_re_basin = |name: &str| name.starts_with("P_");
    let mut streams = sorted(&|name| name.starts_with("P_bg"));
    let mut others = sorted(&|name| is_re_basin(name) && !name.starts_with("P_bg"));
    let has_streams = names.iter().any(|name| name.starts_with("P_bg"));
    let next = |group: &PermutationGroup| {
        if has_streams && is_stream(network, group) { streams.next() } else { others.next() }
    };
    network.groups().iter().map(next).collect()
}

/// Whether several layers make the units, which are then sums.
fn is_stream(network: &Network, group: &PermutationGroup) -> bool {
    let makes = group.axes.iter().filter(|axis_use| axis_use.axis == 0);
    1 < makes.filter(|axis_use| network.layout().spec(axis_use.param).kind == ParamKind::Weight).count()
}

/// A name as words and numbers, so that 10 comes after 9.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[word..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| word + n);
        parts.push((rest[..word].to_owned(), rest[word..digits].parse().unwrap_or(0)));
        rest = &rest[digits..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn random(network: &Network) -> Vec<Permutation> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect()
    }

    fn layers(names: &[&str], permutations: &[Permutation]) -> Vec<Layer> {
        let layers = names.iter().zip(permutations);
        layers.map(|(name, p)| Layer { name: (*name).to_owned(), permutation: p.sources().to_vec() }).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let network = zoo::mlp(&[6, 5, 4, 3], true).unwrap();
        let permutations = random(&network);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        for path in [&path, &folder.path().join("p.npz")] {
            write(path, &network, &permutations).unwrap();
            assert_eq!(read(path, &network).unwrap(), permutations);
        }
        std::fs::write(&path, "[1, 2]").unwrap();
        assert!(matches!(read(&path, &network), Err(PermutationsError::Json { .. })));
    }

    #[test]
    fn names_of_git_re_basin_are_understood_in_any_order() {
        let network = zoo::mlp(&[6, 5, 4, 3], true).unwrap();
        let permutations = random(&network);
        let mut found = layers(&["P_0", "P_1"], &permutations);
        found.reverse();
        assert_eq!(in_order(found, &network, Path::new("p")).unwrap(), permutations);
        // Three stages of one block: a stream each, and one group within each block.
        let network = zoo::by_name("resnet8").unwrap();
        let permutations = random(&network);
        let mut stream = 0;
        let names = network.groups().iter().enumerate().map(|(index, group)| {
            if is_stream(&network, group) {
                stream += 1;
                format!("P_bg{}", stream - 1)
            } else {
                format!("P_blockgroup{}/blocks_0_inner", index)
            }
        });
        let names: Vec<String> = names.collect();
        assert_eq!(stream, 3, "{names:?}");
        let mut found = layers(&names.iter().map(String::as_str).collect::<Vec<_>>(), &permutations);
        found.reverse();
        assert_eq!(in_order(found, &network, Path::new("p")).unwrap(), permutations);
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        assert!(natural("P_Conv_9") < natural("P_Conv_10") && natural("P_Conv_10") < natural("P_Dense_0"));
    }

    #[test]
    fn what_is_no_permutation_of_the_group_is_refused_by_name() {
        let network = zoo::mlp(&[6, 3, 2], true).unwrap();
        for (name, sources) in
            [("P_0", vec![0, 1]), ("P_0", vec![0, 0, 1]), ("P_0", vec![0, 1, 7]), ("Q", vec![0, 1, 2])]
        {
            let found = vec![Layer { name: name.to_owned(), permutation: sources }];
            let error = in_order(found, &network, Path::new("p.npz")).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("p.npz"), "{error}");
        }
    }
}
