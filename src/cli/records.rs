//! Finished runs as files, so that a command that was interrupted does not begin anew.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::networks::Endpoints;
use super::options::CommonOptions;
use super::output::write_json;
use crate::net::ParamVec;

/// Everything that a run's numbers depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// The program's version: another one may compute otherwise.
    pub(super) version: String,
    pub(super) network: String,
    /// Fingerprints of the weights of A and B, in the layout of A.
    pub(super) weights: [String; 2],
    /// How they are connected, as it was named, and the method of alignment where there is one.
    pub(super) way: String,
    pub(super) align: Option<String>,
    /// Data, splits and how points are measured.
    pub(super) measure: String,
    pub(super) points: usize,
    /// How paths are found.
    pub(super) options: String,
    /// Fingerprints of the files of maps of neurons.
    pub(super) maps: Vec<String>,
}

impl Inputs {
    /// What all runs between two networks have in common; how they are connected is still to be said.
    pub(super) fn between(ends: &Endpoints, common: &CommonOptions, points: usize, options: String) -> Self {
        let network = &common.network;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: ends.network.name().to_owned(),
            weights: [fingerprint(&ends.a.params), fingerprint(&ends.b_params)],
            way: String::new(),
            align: None,
            measure: format!("{:?} {:?} {:?} {:?}", common.data, common.score, network.bn, network.bn_images),
            points,
            options,
            maps: Vec::new(),
        }
    }
}

/// What came of a run.
pub(super) trait Record: Serialize + DeserializeOwned {
    fn inputs(&self) -> &Inputs;
}

/// A folder of records.
pub(super) struct Records {
    folder: PathBuf,
}

impl Records {
    /// Opens a folder, which is made if need be.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The run of the same inputs, if there is one. A file that cannot be read is no run.
    pub(super) fn find<R: Record>(&self, inputs: &Inputs) -> Option<R> {
        let text = fs::read_to_string(self.file(inputs)).ok()?;
        let record: R = serde_json::from_str(&text).ok()?;
        (record.inputs() == inputs).then_some(record)
    }

    pub(super) fn keep(&self, record: &impl Record) -> Result<()> {
        write_json(&self.file(record.inputs()), record)
    }

    /// Named by the way, for people, and by all inputs.
    fn file(&self, inputs: &Inputs) -> PathBuf {
        let way = inputs.way.replace(['/', ':', ' '], "-");
        let all = format!("{inputs:?}");
        self.folder.join(format!("{way}-{}.json", hex(fnv1a(all.bytes()))))
    }
}

/// What tells weights apart.
fn fingerprint(params: &ParamVec) -> String {
    hex(fnv1a(params.values().iter().flat_map(|w| w.to_le_bytes())))
}

/// What tells a file from others of its name.
pub(super) fn fingerprint_of_file(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(hex(fnv1a(bytes)))
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits): the same on every machine and in every release.
fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.into_iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Number;

    #[derive(Serialize, Deserialize)]
    struct Loss {
        inputs: Inputs,
        loss: Number,
    }

    impl Record for Loss {
        fn inputs(&self) -> &Inputs {
            &self.inputs
        }
    }

    fn record() -> Loss {
        let inputs = Inputs {
            version: "1".to_owned(),
            network: "mlp".to_owned(),
            weights: ["0".to_owned(), "1".to_owned()],
            way: "aligned/chain:3".to_owned(),
            align: Some("activation".to_owned()),
            measure: "test".to_owned(),
            points: 3,
            options: String::new(),
            maps: Vec::new(),
        };
        Loss { inputs, loss: Number(f64::NAN) }
    }

    #[test]
    fn a_run_is_found_again_by_its_inputs_alone() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("new")).unwrap();
        let kept = record();
        assert!(records.find::<Loss>(&kept.inputs).is_none());
        records.keep(&kept).unwrap();
        let found: Loss = records.find(&kept.inputs).unwrap();
        assert!(found.loss.0.is_nan(), "what is not finite survives");
        let other = Inputs { points: 5, ..kept.inputs };
        assert!(records.find::<Loss>(&other).is_none());
    }

    #[test]
    fn a_damaged_file_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path()).unwrap();
        let kept = record();
        records.keep(&kept).unwrap();
        fs::write(records.file(&kept.inputs), "{").unwrap();
        assert!(records.find::<Loss>(&kept.inputs).is_none());
    }

    /// Test vectors of the hash's reference page.
    #[test]
    fn fingerprints_are_fnv_1a() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.bytes()), hash);
        }
    }
}
