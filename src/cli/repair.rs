//! `lowroad path --repair`: the same path with the units' statistics put right at every point.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use super::along::{PathReport, evaluate_path};
use super::jobs::Jobs;
use super::open::{Images, Measure};
use super::options::NetworkOptions;
use crate::compute::{BATCH_NORM_IMAGES, BatchNorm, DataRef, Engine, unit_distributions};
use crate::data::SplitName;
use crate::geometry::{Curve, Path};
use crate::net::{Network, ParamVec, Repaired, UnitDistribution};

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
        let (network, path) = self.normalised(path, &samples)?;
        Ok(evaluate_path(self.jobs, &network, &path, align, n_points, &measure)?.report)
    }

    /// The path through the network with added batch norms, whose factors go evenly from A's statistics to B's.
    fn normalised(&self, path: &Path, samples: &DataRef) -> Result<(Arc<Network>, Path)> {
        let curve = match path.curve() {
            Some(curve) if curve != Curve::Arc => curve,
            _ => bail!("--repair: expected a linear, chain or bezier path, found {}", path.family().name()),
        };
        let repaired = Repaired::new(self.network).context("could not add batch norms to the network")?;
        let layers = repaired.layers();
        let engine = Engine::cpu();
        let measured = |params: &Arc<ParamVec>| -> Result<Vec<UnitDistribution>> {
            unit_distributions(&engine, self.network, params, samples, &layers).context("measuring the units failed")
        };
        let (at_a, at_b) = (measured(path.start())?, measured(path.end())?);
        // Bends stand evenly between the ends, where all these curves are straight and even in t.
        let n_gaps = (path.bends().len() + 1) as f64;
        let moved = |params: &Arc<ParamVec>, share: f64| -> Arc<ParamVec> {
            let wanted: Vec<_> = at_a.iter().zip(&at_b).map(|(a, b)| a.between(b, share)).collect();
            Arc::new(repaired.params(params, &wanted))
        };
        let bends = path.bends().iter().enumerate().map(|(index, bend)| moved(bend, (index + 1) as f64 / n_gaps));
        let network = Arc::clone(repaired.network());
        let path = Path::new(&network, curve, moved(path.start(), 0.0), moved(path.end(), 1.0), bends.collect());
        Ok((network, path))
    }
}
