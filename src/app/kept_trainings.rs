//! Trainings that a crash does not lose: what resume files in the user's cache are called, and what they offer at the next
//! start.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::state::DataState;
use super::training::TrainingForm;
use super::{AppState, Notice};
use crate::net::Network;
use crate::recipe::{Interrupted, Resume};

/// Names of what a resume file says beside the weights.
const FORM: &str = "form";
const DATA: &str = "data";
const NORMALIZATION: &str = "normalization";

/// A training that the program was closed or crashed in the middle of.
#[derive(Clone, Debug, PartialEq)]
pub struct InterruptedTraining {
    /// What the panel was set to, for the one mode.
    pub form: TrainingForm,
    /// Epochs that are behind.
    pub epoch: usize,
    /// The data set's name and how its values were scaled.
    pub data: String,
    pub normalization: String,
    /// The form as the file has it.
    form_text: String,
    path: PathBuf,
}

impl InterruptedTraining {
    /// What a resume file says, if this program wrote it.
    fn of(found: Interrupted) -> Option<Self> {
        let Interrupted { path, epoch, options } = found;
        let form_text = options.get(FORM)?.clone();
        Some(Self {
            form: serde_json::from_str(&form_text).ok()?,
            form_text,
            epoch,
            data: options.get(DATA)?.clone(),
            normalization: options.get(NORMALIZATION)?.clone(),
            path,
        })
    }

    /// The file that it goes on from.
    pub(super) fn resume(&self, network: &Arc<Network>) -> Resume {
        let options = [(FORM, &self.form_text), (DATA, &self.data), (NORMALIZATION, &self.normalization)];
        let options = options.map(|(name, value)| (name, value.clone())).to_vec();
        Resume::beside(&self.path.with_extension(""), Arc::clone(network), options)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was trained on the data that is open now, scaled as now.
    pub fn is_of(&self, data: &DataState) -> bool {
        self.data == data.dataset.name && self.normalization == data.normalization.to_string()
    }
}

/// Where the training of one mode is kept, if there is a place for it.
pub(super) fn resume_of(state: &AppState, network: &Arc<Network>, seed: u64) -> Option<Resume> {
    let (folder, data) = (state.training.kept_in.as_ref()?, state.data.as_ref()?);
    let form = TrainingForm { n_modes: 1, first_seed: seed, ..state.training.form.clone() };
    let options = vec![
        (FORM, serde_json::to_string(&form).ok()?),
        (DATA, data.dataset.name.clone()),
        (NORMALIZATION, data.normalization.to_string()),
    ];
    // The same training has the same file, so that one that goes on keeps its own.
    let mut hasher = DefaultHasher::new();
    options.hash(&mut hasher);
    let out = folder.join(format!("{:016x}", hasher.finish()));
    Some(Resume::beside(&out, Arc::clone(network), options))
}

/// Offers what earlier runs of the program did not finish.
pub(super) fn offer(state: &mut AppState, found: Vec<Interrupted>) {
    let found: Vec<InterruptedTraining> = found.into_iter().filter_map(InterruptedTraining::of).collect();
    if !found.is_empty() {
        let details = found.iter().map(|training| {
            let TrainingForm { network, first_seed, recipe, .. } = &training.form;
            let n_epochs = recipe.descent.epochs;
            format!("{network} seed {first_seed} on {}: {} of {n_epochs} epochs", training.data, training.epoch)
        });
        let notice = Notice::info("Trainings were interrupted; File > Train modes… goes on with them");
        state.notify(notice.with_details(details.collect()));
    }
    state.training.interrupted = found;
}
