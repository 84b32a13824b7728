//! `lowroad path --repair`: the same path with the units' statistics put right at every point.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::along::{PathReport, evaluate_path};
use super::jobs::Jobs;
use super::open::{Images, Measure};
use super::options::NetworkOptions;
use crate::compute::{BATCH_NORM_IMAGES, BatchNorm, Engine, repaired_path};
use crate::data::SplitName;
use crate::geometry::Path;
use crate::net::Network;

/// What a path is repaired with.
pub(super) struct Repair<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) network: &'a Arc<Network>,
    pub(super) images: &'a Images,
    pub(super) options: &'a NetworkOptions,
}

impl Repair<'_> {
    /// How the raw path is measured: as its networks are stored, without any statistics measured anew.
    pub(super) fn raw(measure: &Measure) -> Measure {
        Measure { data: measure.data.clone(), batch_norm: BatchNorm::Stored }
    }

    /// The path repaired. With batch norm: running statistics measured anew at every point. Without: REPAIR (Jordan et al.
    /// 2023).
    ///
    /// # Errors
    /// Without batch norm, when the path is no line, chain or Bézier curve.
    pub(super) fn evaluate(
        &self,
        path: &Path,
        align: &'static str,
        n_points: usize,
        measure: &Measure,
    ) -> Result<PathReport> {
        let samples = self.images.of(SplitName::Train, Some(self.options.bn_images.unwrap_or(BATCH_NORM_IMAGES)));
        let measure = Measure { data: measure.data.clone(), batch_norm: BatchNorm::Recompute(samples.clone()) };
        if self.network.layout().has_statistics() {
            return Ok(evaluate_path(self.jobs, self.network, path, align, n_points, &measure)?.report);
        }
        let (network, path) =
            repaired_path(&Engine::cpu(), self.network, path, &samples).context("--repair cannot be done")?;
        Ok(evaluate_path(self.jobs, &network, &path, align, n_points, &measure)?.report)
    }
}
