//! Path families as options of the command line.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::connectors::{AutoNebArgs, LayerwiseArgs, SimplexArgs};
use super::networks::Endpoints;
use super::open::Images;
use super::options::positive;
use crate::checkpoint::open_flow;
use crate::compute::{AdjustmentOptions, ConnectOptions, ConnectSpec, TransportOptions};
use crate::data::SplitName;
use crate::geometry::{Family, FlowModel};
use crate::net::ParamVec;

/// Reads the name of a family; help lists them all, a line each.
pub(super) fn family_parser() -> impl TypedValueParser<Value = Family> {
    let values = Family::ALL.map(|family| {
        PossibleValue::new(family.name()).help(format!("{} ({})", family.explanation(), family.source()))
    });
    // The parser lets no other name through.
    PossibleValuesParser::new(values).try_map(|name| Family::from_name(&name).ok_or("no such family"))
}

/// How families that are worked out do it.
#[derive(Args, Clone, Debug)]
pub(super) struct ConnectArgs {
    /// Points at which each stage is worked out, both ends included, for families that are sampled (weight adjustment,
    /// flows); the path is the polyline through them
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = stage_points)]
    stage_points: usize,
    /// First N training images that weights are fitted on; all unless given
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) fit_images: Option<usize>,
    /// What is added to the diagonal of each fit's normal equations, as a multiple of the diagonal's mean (weight adjustment,
    /// butterflies)
    #[arg(long, value_name = "SHARE", default_value_t = AdjustmentOptions::default().ridge, value_parser = ridge)]
    ridge: f64,
    /// The map that the family flow or bijection goes through, made by `lowroad flow train`; for both families together, one
    /// of each, separated by a comma
    #[arg(long, value_name = "FLOW,..", value_delimiter = ',', num_args = 1)]
    pub(super) flow: Vec<PathBuf>,
    /// Goes on from B with its units moved to B itself, one unit at a time and at constant loss (`--family ot`)
    #[arg(long)]
    pub(super) stage2: bool,
    #[command(flatten)]
    autoneb: AutoNebArgs,
    #[command(flatten)]
    simplex: SimplexArgs,
    #[command(flatten)]
    layerwise: LayerwiseArgs,
}

fn stage_points(text: &str) -> Result<usize, String> {
    match positive(text)? {
        n @ 2..=10_000 => Ok(n),
        _ => Err("expected 2 to 10000".to_owned()),
    }
}

fn ridge(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ridge) if (0.0..=1.0).contains(&ridge) => Ok(ridge),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

impl ConnectArgs {
    /// The map that was trained for a family; the first one where none was, for the family itself to refuse it by its reason.
    fn map_for(&self, family: Family) -> Result<Option<Arc<FlowModel>>> {
        if !family.takes_map() {
            return Ok(None);
        }
        let maps = self.flow.iter().map(|path| open_flow(path)).collect::<Result<Vec<_>, _>>()?;
        let found = maps.iter().position(|map| map.family() == family).unwrap_or(0);
        Ok(maps.into_iter().nth(found).map(Arc::new))
    }

    /// How weights are adjusted.
    pub(super) fn adjustment(&self) -> AdjustmentOptions {
        AdjustmentOptions { ridge: self.ridge, ..AdjustmentOptions::default() }
    }

    /// The job that connects A to `b`, which is B or aligned B.
    pub(super) fn spec(
        &self,
        family: Family,
        ends: &Endpoints,
        b: &Arc<ParamVec>,
        images: &Images,
        seed: u64,
    ) -> Result<ConnectSpec> {
        let flow = self.map_for(family)?;
        Ok(ConnectSpec {
            family,
            network: Arc::clone(&ends.network),
            a: Arc::clone(&ends.a.params),
            b: Arc::clone(b),
            train: images.of(SplitName::Train, self.fit_images),
            points: self.stage_points,
            seed,
            options: ConnectOptions {
                transport: TransportOptions { second_stage: self.stage2 },
                flow,
                autoneb: self.autoneb.options(),
                simplex: self.simplex.options(),
                layerwise: self.layerwise.options(),
                adjustment: self.adjustment(),
            },
        })
    }
}
