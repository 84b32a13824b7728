//! Opens the checkpoints that the arguments name as modes of one network.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::jobs::Jobs;
use super::open::Images;
use super::options::{NetworkOptions, UsageError};
use super::output::{accuracy_text, say};
use super::score::score_networks;
use crate::checkpoint::{Mode, ModeError, OpenOptions, read_description};
use crate::data::SplitName;
use crate::net::zoo::NameError;
use crate::net::{Network, ParamVec, zoo};
use crate::recipe;

/// Test images on which networks are compared that a file fits equally well.
const CHOICE_IMAGES: usize = 500;

/// What `--network` asks for.
enum Wanted {
    /// Names its tensors as the file does: a description.
    Described(Arc<Network>),
    /// Only the architecture counts: a name of the zoo, or another checkpoint.
    Architecture(Arc<Network>),
}

/// Opens checkpoints as modes that take the given images.
pub(super) struct Opener<'a> {
    pub(super) options: &'a NetworkOptions,
    pub(super) images: &'a Images,
    pub(super) jobs: &'a Jobs,
}

impl Opener<'_> {
    /// Opens a checkpoint and passes on what its reader remarked. Of several networks that it fits, the one that is asked for
    /// is taken, or the one that scores best.
    pub(super) fn mode(&self, path: &Path) -> Result<Mode> {
        let wanted = wanted(self.options, Some(self.images))?;
        let input = Some(self.images.input_shape());
        let opened = match open(path, self.options, wanted.as_ref(), input) {
            // A network that cannot take these images is better told so by `Images::check`.
            Err(ModeError::Input { .. }) => open(path, self.options, wanted.as_ref(), None),
            opened => opened,
        };
        let mode = match wanted {
            Some(Wanted::Architecture(network)) => taken_as(opened?, &network)?,
            Some(Wanted::Described(_)) => opened?,
            None => self.best(opened?)?,
        };
        say_notes(&mode);
        self.images.check(&mode)?;
        Ok(mode)
    }

    /// Two modes of one architecture.
    pub(super) fn endpoints(&self, a_path: &Path, b: &Path) -> Result<Endpoints> {
        let a = self.mode(a_path)?;
        // What is remarked of a file is said once.
        let b = if b == a_path { a.clone() } else { self.mode(b)? };
        let ends = Endpoints::of(a, b)?;
        let options = self.options;
        if (options.bn.is_some() || options.bn_images.is_some()) && !ends.network.layout().has_statistics() {
            say("note: the network has no batch norm: --bn and --bn-images change nothing");
        }
        Ok(ends)
    }

    /// A third network's weights in the layout of `first`.
    pub(super) fn params(&self, path: &Path, first: &Mode) -> Result<Arc<ParamVec>> {
        fitting(&self.mode(path)?, first)
    }

    /// The network that scores best among those that the file fits.
    fn best(&self, mode: Mode) -> Result<Mode> {
        if mode.others.is_empty() || self.images.check(&mode).is_err() {
            return Ok(mode);
        }
        let data = self.images.of(SplitName::Test, Some(CHOICE_IMAGES));
        let mut accuracies = Vec::with_capacity(1 + mode.others.len());
        for candidate in std::iter::once(&mode).chain(&mode.others) {
            let params = [Arc::clone(&candidate.params)];
            let found = score_networks(self.jobs, &candidate.network, &params, &data)?;
            accuracies.push(found.first().context("internal error: a network without a score")?.accuracy);
        }
        let best = (0..accuracies.len()).fold(0, |best, i| if accuracies[best] < accuracies[i] { i } else { best });
        let names = std::iter::once(&mode).chain(&mode.others).zip(&accuracies);
        let scored =
            names.map(|(candidate, &accuracy)| format!("{} {}", candidate.network.name(), accuracy_text(accuracy)));
        let scored: Vec<String> = scored.collect();
        let mode = if best == 0 { mode } else { mode.taken_as(best - 1) };
        say(&format!(
            "note: {}: taken as {}, which scores best on {} test images of the networks that it fits ({}); --network decides \
             otherwise",
            shown(&mode),
            mode.network.name(),
            data.n_images(),
            scored.join(", ")
        ));
        Ok(mode)
    }
}

/// Opens a checkpoint without any images, for what can be said of it alone.
pub(super) fn open_alone(path: &Path, options: &NetworkOptions) -> Result<Mode> {
    let wanted = wanted(options, None)?;
    let mode = open(path, options, wanted.as_ref(), None)?;
    match wanted {
        Some(Wanted::Architecture(network)) => taken_as(mode, &network),
        _ => Ok(mode),
    }
}

fn open(
    path: &Path,
    options: &NetworkOptions,
    wanted: Option<&Wanted>,
    input: Option<Vec<usize>>,
) -> Result<Mode, ModeError> {
    let network = match wanted {
        Some(Wanted::Described(network)) => Some(Arc::clone(network)),
        _ => None,
    };
    Mode::open_with(path, &OpenOptions { network, input, mends: options.mends() })
}

/// What `--network` names, for these images if there are any.
fn wanted(options: &NetworkOptions, images: Option<&Images>) -> Result<Option<Wanted>> {
    let Some(name) = &options.network else {
        return Ok(None);
    };
    let path = Path::new(name);
    if path.extension().is_some_and(|ending| ending == "toml") {
        return Ok(Some(Wanted::Described(Arc::new(read_description(path)?))));
    }
    let network = named_network(name, images)?;
    // A network of images is compared as it is for these images.
    let reshaped = images.and_then(|images| network.with_input_shape(&images.input_shape()).ok());
    Ok(Some(Wanted::Architecture(reshaped.map_or(network, Arc::new))))
}

/// A network by its name in the zoo, that of a description, or that of a checkpoint.
pub(super) fn named_network(wanted: &str, images: Option<&Images>) -> Result<Arc<Network>> {
    let path = Path::new(wanted);
    if path.exists() {
        let is_description = path.extension().is_some_and(|ending| ending == "toml");
        return Ok(if is_description { Arc::new(read_description(path)?) } else { Mode::open(path)?.network });
    }
    let named = match images {
        Some(images) => recipe::network_for(wanted, &images.dataset),
        None => zoo::by_name(wanted),
    };
    match named {
        Ok(network) => Ok(Arc::new(network)),
        Err(error @ NameError::Unknown { .. }) => {
            Err(UsageError(format!("--network: {error}, or an existing description (.toml) or checkpoint")).into())
        }
        Err(error) => Err(UsageError(format!("--network: {error}")).into()),
    }
}

/// The mode as the network of this architecture; the error says how the nearest differs.
fn taken_as(mode: Mode, wanted: &Network) -> Result<Mode> {
    if wanted.same_architecture(&mode.network) {
        return Ok(mode);
    }
    match mode.others.iter().position(|other| wanted.same_architecture(&other.network)) {
        Some(index) => Ok(mode.taken_as(index)),
        None => {
            mode.params_for(wanted)?;
            Ok(mode)
        }
    }
}

fn say_notes(mode: &Mode) {
    for note in &mode.notes {
        say(&format!("note: {}: {note}", shown(mode)));
    }
}

/// Two modes of one architecture.
pub(super) struct Endpoints {
    pub(super) network: Arc<Network>,
    pub(super) a: Mode,
    pub(super) b: Mode,
    /// B's weights in A's layout.
    pub(super) b_params: Arc<ParamVec>,
}

impl Endpoints {
    /// Two opened modes; the error names both files where they are not of one architecture.
    pub(super) fn of(a: Mode, b: Mode) -> Result<Self> {
        let b_params = fitting(&b, &a)?;
        Ok(Self { network: Arc::clone(&a.network), a, b, b_params })
    }
}

/// The weights of `mode` in the layout of `first`; the error names both files.
pub(super) fn fitting(mode: &Mode, first: &Mode) -> Result<Arc<ParamVec>> {
    mode.params_for(&first.network).map_err(|error| {
        anyhow::Error::new(error).context(format!(
            "{} ({}) and {} ({}) are not the same network",
            shown(first),
            first.network.name(),
            shown(mode),
            mode.network.name()
        ))
    })
}

/// A mode's file, or its name where there is none.
pub(super) fn shown(mode: &Mode) -> String {
    mode.path.as_deref().map_or_else(|| mode.name.clone(), |path| path.display().to_string())
}
