//! Finding a path between two networks, whatever its family: what `path`, `compare` and `ensemble` have in common.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::align::{EndAt, SampleOptions, align, warn_if_broken};
use super::families::ConnectArgs;
use super::fitting::{FitOptions, FitTarget, t_sampling};
use super::jobs::Jobs;
use super::networks::Endpoints;
use super::open::Images;
use super::options::{UsageError, positive};
use super::output::say;
use crate::compute::{Connection, Seal, TSampling};
use crate::data::SplitName;
use crate::geometry::{Curve, Family, Path};
use crate::matching::MatchOptions;
use crate::net::ParamVec;
use crate::recipe::Descent;

/// The most points along t.
const MAX_POINTS: usize = 100_000;

/// How paths are found; each family looks at its own options.
#[derive(Args, Clone, Debug)]
pub(super) struct FindOptions {
    #[command(flatten)]
    pub(super) samples: SampleOptions,
    #[command(flatten)]
    pub(super) fit: FitOptions,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// One random t a minibatch, or a minibatch in N shares with a t from each N-th of [0, 1]
    #[arg(long, value_name = "one|stratified:N", default_value = "one", value_parser = t_sampling)]
    t_sampling: TSampling,
    /// Seed of whatever is trained
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

impl FindOptions {
    /// Refuses options that none of the families has a use for.
    pub(super) fn check(&self, families: &[Family]) -> Result<(), UsageError> {
        if self.fit.epochs.is_some() && !families.iter().any(|family| family.is_fitted()) {
            return Err(refusal("--epochs", families, "it has no bends to fit"));
        }
        if self.connect.stage2 && !families.contains(&Family::Transport) {
            return Err(refusal("--stage2", families, "its path ends at B itself"));
        }
        Ok(())
    }

    /// Tells apart how paths of a family are found, so that options for other families change nothing. The files of maps are
    /// left out: they may move.
    pub(super) fn that_count(&self, family: Family) -> String {
        let mut options = self.clone();
        options.connect.flow.clear();
        if !family.is_fitted() {
            options.fit = FitOptions::default();
        }
        format!("{options:?}")
    }
}

/// An option that the families have no use for.
pub(super) fn refusal(option: &str, families: &[Family], reason: &str) -> UsageError {
    let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
    UsageError(format!("{option} makes no sense with --family {}: {reason}", names.join(", ")))
}

/// A family, and what is fitted of it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) family: Family,
    /// Trained points between the ends, for families that have some.
    pub(super) n_bends: usize,
    /// Where they start; on the straight line unless given.
    pub(super) bends: Option<Vec<Arc<ParamVec>>>,
    /// Epochs to fit them; 0 leaves them where they start.
    pub(super) epochs: usize,
}

/// What paths are found with.
pub(super) struct Finder<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) images: &'a Images,
    pub(super) options: &'a FindOptions,
}

impl Finder<'_> {
    /// B, with its units in A's order where that is asked for.
    pub(super) fn aligned(&self, end: EndAt, ends: &Endpoints) -> Result<Arc<ParamVec>> {
        let EndAt::Aligned(method) = end else {
            return Ok(Arc::clone(&ends.b_params));
        };
        let options = MatchOptions { method, seed: self.options.seed, ..MatchOptions::default() };
        let alignment = align(self.jobs, ends, self.options.samples.of(self.images), options)?;
        warn_if_broken(&alignment);
        let Seal { max_logit_difference, n_images, .. } = alignment.seal;
        say(&format!("aligned B to A; logits differ by at most {max_logit_difference:.1e} on {n_images} images"));
        Ok(alignment.aligned)
    }

    /// The path from A to `b`, which is B or aligned B.
    pub(super) fn find(&self, ends: &Endpoints, b: &Arc<ParamVec>, wanted: Wanted) -> Result<Connection> {
        let Some(curve) = wanted.family.curve(wanted.n_bends) else {
            let spec = self.options.connect.spec(wanted.family, ends, b, self.images, self.options.seed)?;
            return self.jobs.connect(&format!("finding a path: {}", wanted.family.label()), spec);
        };
        let a = Arc::clone(&ends.a.params);
        let start = match wanted.bends {
            Some(bends) => Path::new(&ends.network, curve, a, Arc::clone(b), bends),
            None => Path::straight(&ends.network, curve, a, Arc::clone(b)),
        };
        let path = self.fit(ends, curve, start, wanted.epochs)?;
        Ok(Connection { path: Arc::new(path), traces: Vec::new(), notes: Vec::new() })
    }

    /// Trains the bends, if there are any and for as long as was asked.
    fn fit(&self, ends: &Endpoints, curve: Curve, start: Path, epochs: usize) -> Result<Path> {
        if epochs == 0 || curve.n_bends() == 0 {
            return Ok(start);
        }
        let target = FitTarget {
            network: Arc::clone(&ends.network),
            family: curve,
            basis: start.basis().to_vec(),
            data: self.images.of(SplitName::Train, None),
            sampling: self.options.t_sampling,
            seed: self.options.seed,
        };
        let bends = self.jobs.fit("fitting the path", self.options.fit.spec(target, epochs))?;
        Ok(Path::new(&ends.network, curve, Arc::clone(&ends.a.params), Arc::clone(start.end()), bends))
    }

    /// Epochs to fit a family unless something else is said.
    pub(super) fn epochs(&self, family: Family) -> usize {
        let default = if family.is_fitted() { Descent::default().epochs } else { 0 };
        self.options.fit.epochs.unwrap_or(default)
    }
}

/// Points along t: both ends at least.
pub(super) fn n_points(text: &str) -> Result<usize, String> {
    match positive(text)? {
        n @ 2..=MAX_POINTS => Ok(n),
        _ => Err(format!("expected 2 to {MAX_POINTS}")),
    }
}
