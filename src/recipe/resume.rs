//! The file that an interrupted training goes on from: weights, the optimiser's state, and what was asked for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::checkpoint::{CheckpointError, RawTensor, TensorOut, read_with_metadata, write_safetensors};
use crate::compute::{FitCheckpoint, FitStart, OptimizerState};
use crate::net::{Network, ParamId, ParamVec};

/// Names in the file; those of the options follow the last one.
const EPOCH: &str = "lowroad.epoch";
const STEP: &str = "lowroad.step";
const OPTIMIZER_STEPS: &str = "lowroad.optimizer-steps";
const MOMENT: &str = "lowroad.moment.";
const OPTION: &str = "lowroad.option";
/// Of the name of a resume file, behind the name of the result.
const ENDING: &str = "resume";

/// Epochs shorter than this share a resume file: so much work may be lost, or the epoch that runs.
pub const RESUME_EVERY: Duration = Duration::from_secs(5);

/// What a resume file says of its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    pub path: PathBuf,
    /// Epochs that are behind.
    pub epoch: usize,
    pub options: BTreeMap<String, String>,
}

/// The resume files of a folder, by name. Files that cannot be read as such are passed over: there is nothing to go on from.
pub fn interrupted(folder: &Path) -> Vec<Interrupted> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == ENDING)).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let (_, metadata) = read_with_metadata(&path).ok()?;
        let epoch = metadata.get(EPOCH)?.parse().ok()?;
        let options = metadata.iter().filter_map(|(name, value)| Some((name.strip_prefix(OPTION)?, value)));
        let options = options.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        Some(Interrupted { path, epoch, options })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Why a training cannot go on from a file.
#[derive(Debug, Error)]
pub enum ResumeError {
    #[error(transparent)]
    File(#[from] CheckpointError),
    #[error("expected a file that a training can go on from, found one without {missing}: {}", path.display())]
    NotResumable { path: PathBuf, missing: String },
    #[error("this training was begun with other settings ({differences}): {}", path.display())]
    Settings { path: PathBuf, differences: String },
}

/// A training's resume file.
#[derive(Clone, Debug)]
pub struct Resume {
    path: PathBuf,
    network: Arc<Network>,
    /// All that the result depends on: options and their values.
    options: Vec<(&'static str, String)>,
}

impl Resume {
    /// The resume file of a training whose result will be `out`: `out` with `.resume` behind it.
    pub fn beside(out: &Path, network: Arc<Network>, options: Vec<(&'static str, String)>) -> Self {
        Self { path: Self::path_beside(out), network, options }
    }

    /// Where the resume file of a training lies whose result will be `out`.
    pub fn path_beside(out: &Path) -> PathBuf {
        let mut name = OsString::from(out);
        name.push(".");
        name.push(ENDING);
        PathBuf::from(name)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file whole or not at all.
    ///
    /// `checkpoint`: of a single trained vector.
    pub fn save(&self, checkpoint: &FitCheckpoint) -> Result<(), CheckpointError> {
        let mut metadata: BTreeMap<String, String> = BTreeMap::from([
            (EPOCH.to_owned(), checkpoint.start.epoch.to_string()),
            (STEP.to_owned(), checkpoint.start.step.to_string()),
        ]);
        metadata.extend(self.options.iter().map(|(name, value)| (format!("{OPTION}{name}"), value.clone())));
        let mut tensors: Vec<TensorOut<'_>> = Vec::new();
        for vector in &checkpoint.vectors {
            tensors.extend(self.network.layout().specs().iter().enumerate().map(|(id, spec)| TensorOut {
                name: &spec.name,
                shape: &spec.shape,
                values: vector.tensor(ParamId(id)),
            }));
        }
        let optimizer = checkpoint.start.optimizer.as_deref();
        let moments = optimizer.map_or(&[][..], |state| &state.moments);
        let names: Vec<(String, [usize; 1])> =
            moments.iter().enumerate().map(|(index, m)| (format!("{MOMENT}{index}"), [m.len()])).collect();
        let parts = names.iter().zip(moments);
        tensors.extend(parts.map(|((name, shape), values)| TensorOut { name, shape, values }));
        metadata.extend(optimizer.map(|state| (OPTIMIZER_STEPS.to_owned(), state.n_steps.to_string())));
        write_safetensors(&self.path, &tensors, &metadata)
    }

    /// Reads the file back; refuses one of other settings, naming those that differ.
    pub fn load(&self) -> Result<FitCheckpoint, ResumeError> {
        let (file, metadata) = read_with_metadata(&self.path)?;
        let missing = |missing: String| ResumeError::NotResumable { path: self.path.clone(), missing };
        let number = |name: &str| -> Result<u64, ResumeError> {
            let text = metadata.get(name).ok_or_else(|| missing(format!("the number `{name}`")))?;
            text.parse().map_err(|_not_a_number| missing(format!("a number `{name}`: `{text}`")))
        };
        let (epoch, step) = (number(EPOCH)? as usize, number(STEP)? as usize);
        self.check(&metadata)?;

        let mut vector = ParamVec::zeros(Arc::clone(self.network.layout()));
        for (id, spec) in self.network.layout().specs().iter().enumerate() {
            let found = file.tensors.iter().find(|tensor| tensor.name == spec.name && tensor.shape == spec.shape);
            let found =
                found.ok_or_else(|| missing(format!("the tensor `{}` of shape {:?}", spec.name, spec.shape)))?;
            vector.tensor_mut(ParamId(id)).copy_from_slice(&found.values);
        }
        // The moments are numbered from 0; the first that is missing ends them.
        let moment = |index: usize| file.tensors.iter().find(|tensor| tensor.name == format!("{MOMENT}{index}"));
        let moments: Vec<Vec<f32>> = (0..).map_while(moment).map(|RawTensor { values, .. }| values.clone()).collect();
        let optimizer = OptimizerState { n_steps: number(OPTIMIZER_STEPS)?, moments };
        Ok(FitCheckpoint {
            vectors: vec![Arc::new(vector)],
            start: FitStart { epoch, step, optimizer: Some(Arc::new(optimizer)) },
            loss: f64::NAN,
            spent: Duration::ZERO,
        })
    }

    fn check(&self, metadata: &BTreeMap<String, String>) -> Result<(), ResumeError> {
        let then: BTreeMap<&str, &str> =
            metadata.iter().filter_map(|(name, value)| Some((name.strip_prefix(OPTION)?, value.as_str()))).collect();
        let now: BTreeMap<&str, &str> = self.options.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut names: Vec<&str> = then.keys().chain(now.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let shown =
            |settings: &BTreeMap<&str, &str>, name: &str| settings.get(name).map_or("none", |value| value).to_owned();
        let differences: Vec<String> = names
            .into_iter()
            .filter(|name| then.get(name) != now.get(name))
            .map(|name| format!("{name} {} then, {} now", shown(&then, name), shown(&now, name)))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(ResumeError::Settings { path: self.path.clone(), differences: differences.join("; ") })
    }
}
