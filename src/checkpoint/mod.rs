//! Checkpoints: bytes of weight files to named tensors and back.
//!
//! Every byte is distrusted. Nothing in a file is ever called: the pickles of PyTorch are read by a small machine that can
//! build plain data and knows a dozen names; any other name is refused, with the name. What a file declares about sizes is
//! checked against the bytes that are there before memory is asked for.

mod archive;
mod burn_pack;
mod dtype;
mod error;
mod flow_file;
mod mode;
pub mod npz;
pub mod onnx;
mod open;
pub mod permutations;
mod pickled_dict;
mod report;
mod safetensors;
mod torch;
mod trajectory;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use self::archive::Archive;
pub use self::archive::ArchiveFault;
pub use self::burn_pack::BurnPackFault;
pub use self::dtype::Dtype;
pub use self::error::CheckpointError;
pub use self::flow_file::{FlowFileError, open_flow, parse_flow, save_flow};
pub use self::pickled_dict::{PickledDict, PickledDictFault, read_pickled_dict};
pub use self::report::{Likely, LoadReport, Mends, Mismatch};
pub use self::safetensors::error::{SafetensorsFault, WriteFault};
pub use self::torch::legacy::LegacyFault;
pub use self::torch::pickle::PickleFault;
pub use self::torch::tensor::TensorFault;
pub use self::trajectory::{Trajectory, TrajectoryError, trajectory};
use crate::files;
use crate::net::ParamId;
pub use mode::{Mode, ModeError, OpenOptions, save_params};
pub use open::read_description;

/// The largest checkpoint that is read into memory, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 30;
/// The most tensors one checkpoint may hold.
pub const MAX_TENSORS: usize = 100_000;
/// The most dimensions of one tensor.
pub const MAX_RANK: usize = 8;
/// The longest name of a tensor, in bytes.
pub const MAX_NAME_BYTES: usize = 512;
/// The most values of one checkpoint once widened to `f32`: 2 GiB.
pub const MAX_VALUES: u64 = 1 << 29;

/// The tensors of one file, with what was left out while reading it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    pub format: Format,
    /// In the order of the file: for PyTorch the order of the dictionary, for safetensors the order of the data.
    pub tensors: Vec<RawTensor>,
    /// For the reader to see: which key the tensors were found under, what was skipped.
    pub notes: Vec<String>,
}

/// How a checkpoint was stored. Found from its bytes, never from its file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    /// What `torch.save` writes since PyTorch 1.6.
    TorchZip,
    /// What `torch.save` wrote before 1.6.
    TorchLegacy,
    /// What `numpy.savez` and `numpy.savez_compressed` write.
    Npz,
    /// What Burn writes since 0.19 (`.bpk`).
    BurnPack,
    Onnx,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy",
            Self::Npz => "NumPy npz",
            Self::BurnPack => "Burnpack",
            Self::Onnx => "ONNX",
        })
    }
}

/// One named tensor, exactly as named in the file (a `module.` prefix is still there).
#[derive(Clone, Debug)]
pub struct RawTensor {
    pub name: String,
    /// Empty for a scalar; any dimension may be 0.
    pub shape: Vec<usize>,
    /// The type in the file.
    pub dtype: Dtype,
    /// `[product of shape]`, row-major whatever the strides in the file were, converted to `f32`. Integers above 2^24 and
    /// `F64` are rounded; an `F64` outside the range of `f32` becomes infinite and is counted by [`Self::non_finite`].
    pub values: Vec<f32>,
}

impl RawTensor {
    /// How many values are NaN or infinite.
    pub fn non_finite(&self) -> usize {
        self.values.iter().filter(|value| !value.is_finite()).count()
    }
}

/// Reads a checkpoint of any known format.
pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    parse(&files::read_limited(path, MAX_FILE_BYTES)?, path)
}

/// Reads a safetensors file with the texts of its header.
pub fn read_with_metadata(path: &Path) -> Result<(Checkpoint, BTreeMap<String, String>), CheckpointError> {
    let bytes = files::read_limited(path, MAX_FILE_BYTES)?;
    Ok((safetensors::parse(&bytes, path)?, safetensors::metadata(&bytes, path)?))
}

/// Reads a checkpoint from the bytes of a file. `path` is only named in errors and in the result.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    match sniff(bytes) {
        Content::Safetensors => safetensors::parse(bytes, path),
        Content::Zip => parse_zip(bytes, path),
        Content::BurnPack => burn_pack::parse(bytes, path),
        Content::Onnx => parse_onnx(bytes, path),
        Content::LoneArray => Err(CheckpointError::LoneArray { path: path.to_owned() }),
        Content::LegacyTorch => torch::parse_legacy(bytes, path),
        Content::BarePickle => Err(CheckpointError::BarePickle { path: path.to_owned() }),
        Content::Unknown(found) => Err(CheckpointError::Unrecognized { path: path.to_owned(), found }),
    }
}

/// The tensors of a network that brings its own graph; the graph itself is read by [`onnx::parse`].
fn parse_onnx(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let onnx::OnnxModel { network, params, notes } = onnx::parse(bytes, path)?;
    let specs = network.layout().specs().iter().enumerate();
    let tensors = specs.map(|(index, spec)| RawTensor {
        name: spec.name.clone(),
        shape: spec.shape.clone(),
        dtype: Dtype::F32,
        values: params.tensor(ParamId(index)).to_vec(),
    });
    Ok(Checkpoint { path: path.to_owned(), format: Format::Onnx, tensors: tensors.collect(), notes })
}

/// A zip file is NumPy's if it holds nothing but arrays.
fn parse_zip(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
    let archive = Archive::open(bytes).map_err(|fault| CheckpointError::Archive { path: path.to_owned(), fault })?;
    if npz::is_npz(&archive) {
        npz::parse(archive, bytes.len(), path)
    } else {
        torch::parse_zip(archive, bytes.len(), path)
    }
}

/// What a file's first bytes say it is.
enum Content {
    Safetensors,
    Zip,
    BurnPack,
    Onnx,
    LoneArray,
    LegacyTorch,
    BarePickle,
    Unknown(String),
}

/// `torch.save` before 1.6 starts with a pickle of this number (LONG1, its 10 bytes), after a few bytes that depend on the
/// protocol of the pickle.
const LEGACY_TORCH_MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// How far into a file that number begins at most.
const LEGACY_TORCH_MAGIC_WITHIN: usize = 16;

fn sniff(bytes: &[u8]) -> Content {
    const KNOWN: [(&[u8], &str); 5] = [
        (b"\x89HDF\r\n", "an HDF5 file (Keras?)"),
        (b"\x1f\x8b", "gzip-compressed data"),
        (b"GGUF", "a GGUF file"),
        (b"version https://git-lfs", "a Git LFS pointer: the weights themselves were not downloaded"),
        (b"<", "text that looks like a web page"),
    ];
    if bytes.is_empty() {
        return Content::Unknown("an empty file".to_owned());
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    if bytes.starts_with(burn_pack::MAGIC) {
        return Content::BurnPack;
    }
    if bytes.starts_with(npz::NPY_MAGIC) {
        return Content::LoneArray;
    }
    // A header length of 8 bytes, then JSON.
    if bytes.get(8) == Some(&b'{') {
        return Content::Safetensors;
    }
    if matches!(bytes, [0x80, 2..=5, ..]) {
        let is_legacy = (0..LEGACY_TORCH_MAGIC_WITHIN).any(|at| {
            let after = bytes.get(at..).unwrap_or_default();
            after.starts_with(LEGACY_TORCH_MAGIC)
        });
        return if is_legacy { Content::LegacyTorch } else { Content::BarePickle };
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Content::Unknown((*what).to_owned());
    }
    if onnx::is_onnx(bytes) {
        return Content::Onnx;
    }
    let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Content::Unknown(format!("{} bytes that start with {}", bytes.len(), start.join(" ")))
}

/// One tensor to be written.
#[derive(Clone, Copy, Debug)]
pub struct TensorOut<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    /// `[product of shape]`, row-major.
    pub values: &'a [f32],
}

/// The bytes of a safetensors file of `F32` tensors, in the order given; the same input gives the same bytes.
pub fn to_safetensors(
    tensors: &[TensorOut<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, CheckpointError> {
    Ok(safetensors::write::to_bytes(tensors, metadata)?)
}

/// Writes a safetensors file of `F32` tensors. Either all of it appears under `path` or nothing changes.
pub fn write_safetensors(
    path: &Path,
    tensors: &[TensorOut<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<(), CheckpointError> {
    Ok(files::write_atomic(path, &to_safetensors(tensors, metadata)?)?)
}

/// Whether a tensor's name can be shown and stored: not too long, no control characters.
fn is_plain_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

/// A name from a file, safe to print: escaped, and cut when long.
fn shown(name: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let mut text: String = name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
