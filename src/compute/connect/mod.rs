//! Path families whose points are worked out from the networks and the data, or trained: one file a family, one line in
//! [`Connect::new`].

mod autoneb;
mod bijection;
mod butterfly;
mod chain;
mod cholesky;
mod flow;
mod heads;
mod layer_samples;
mod layerwise;
mod least_squares;
mod previews;
mod scores;
mod simplex;
#[cfg(test)]
mod tests;
mod transport;
mod unit_pairing;
mod weight_adjustment;

use std::sync::Arc;
use std::time::Duration;

use butterfly::Butterfly;
use serde::{Deserialize, Serialize};

use autoneb::AutoNeb;
pub use autoneb::{AutoNebOptions, AutoNebPreset};
pub use heads::{Head, HeadsSpec, HeadsStep, MakeHeads, heads_cost, make_heads};
use layerwise::Layerwise;
pub use layerwise::LayerwiseOptions;
pub(super) use scores::gradient_flops;
use simplex::SimplexConnector;
pub use simplex::SimplexOptions;
use transport::TransportConnector;
pub use transport::TransportOptions;
pub use weight_adjustment::AdjustmentOptions;
use weight_adjustment::WeightAdjustment;

use super::{ComputeError, DataRef, Engine, flows};
use crate::geometry::{Family, FlowModel, Path};
use crate::net::{Network, ParamVec};

/// What is to be connected, and how.
#[derive(Clone, Debug)]
pub struct ConnectSpec {
    pub family: Family,
    pub network: Arc<Network>,
    pub a: Arc<ParamVec>,
    pub b: Arc<ParamVec>,
    /// Images that weights are fitted on.
    pub train: DataRef,
    /// Points of each stage, both ends included, for families that are sampled.
    pub points: usize,
    pub seed: u64,
    pub options: ConnectOptions,
}

/// Settings of the families; each looks at its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    pub transport: TransportOptions,
    pub autoneb: AutoNebOptions,
    pub simplex: SimplexOptions,
    pub layerwise: LayerwiseOptions,
    pub adjustment: AdjustmentOptions,
    /// The map that `flow` and `bijection` go through. Too large to be kept among settings.
    #[serde(skip)]
    pub flow: Option<Arc<FlowModel>>,
}

/// A path that was found.
#[derive(Clone, Debug)]
pub struct Connection {
    pub path: Arc<Path>,
    /// Series along t that are worth drawing.
    pub traces: Vec<Trace>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// A series along t.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    pub name: String,
    /// Empty for shares.
    pub unit: String,
    /// (t, value)
    pub points: Vec<(f64, f64)>,
}

/// What a connection will take, or making the members of an ensemble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub flops: f64,
    /// Memory at the worst moment, beside the endpoints.
    pub bytes: usize,
}

/// What a slice of work came to.
#[derive(Debug)]
pub enum ConnectStep {
    Working {
        /// 0..1.
        done: f64,
        /// What happens now, in a few words.
        note: String,
        /// The path as far as it is known, where it is worth showing.
        path: Option<Arc<Path>>,
    },
    Finished(Box<Connection>),
}

/// A family at work.
pub(super) trait Connector: Send {
    /// Works for about `budget`.
    fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError>;
}

/// A job that connects two modes.
pub struct Connect(Box<dyn Connector>);

impl Connect {
    /// # Errors
    /// Where the family cannot connect these networks.
    pub fn new(engine: &Engine, spec: ConnectSpec) -> Result<Self, ComputeError> {
        let family = spec.family;
        if let Some(reason) = family.unsuited(&spec.network) {
            return Err(ComputeError::Unsuited { family: family.label(), reason });
        }
        super::batches::check_fit(&spec.network, &spec.train)?;
        let connector: Box<dyn Connector> = match family {
            Family::Transport => Box::new(TransportConnector::new(spec)),
            Family::AutoNeb => Box::new(AutoNeb::new(engine, spec)?),
            Family::Simplex => Box::new(SimplexConnector::new(engine, spec)?),
            Family::Layerwise => Box::new(Layerwise::new(engine, spec)?),
            Family::LinearAdjusted | Family::ArcAdjusted | Family::TransportAdjusted => {
                Box::new(WeightAdjustment::new(engine, spec)?)
            }
            Family::LinearButterfly | Family::ArcButterfly | Family::TransportButterfly => {
                Box::new(Butterfly::new(engine, spec)?)
            }
            Family::Flow => Box::new(flow::connector(engine, spec)?),
            Family::Bijection => Box::new(bijection::connector(engine, spec)?),
            _ => {
                let reason = "it is a curve, to be evaluated or fitted".to_owned();
                return Err(ComputeError::Unsuited { family: family.label(), reason });
            }
        };
        Ok(Self(connector))
    }

    /// Works for about `budget`.
    pub fn step(&mut self, budget: Duration) -> Result<ConnectStep, ComputeError> {
        self.0.step(budget)
    }
}

/// What connecting will take, to be told before it starts.
pub fn estimate(spec: &ConnectSpec) -> Cost {
    match spec.family {
        Family::Transport => transport::cost(&spec.network),
        Family::AutoNeb => autoneb::cost(spec),
        Family::Simplex => simplex::cost(spec),
        Family::Layerwise => layerwise::cost(spec),
        Family::LinearAdjusted | Family::ArcAdjusted | Family::TransportAdjusted => weight_adjustment::cost(spec),
        Family::LinearButterfly | Family::ArcButterfly | Family::TransportButterfly => butterfly::cost(spec),
        Family::Flow | Family::Bijection => flows::path_cost(spec),
        _ => Cost { flops: 0.0, bytes: spec.points * spec.network.layout().len() * size_of::<f32>() },
    }
}

/// Connects without a pause.
pub fn connect_all(engine: &Engine, spec: ConnectSpec) -> Result<Connection, ComputeError> {
    let mut connect = Connect::new(engine, spec)?;
    loop {
        if let ConnectStep::Finished(connection) = connect.step(Duration::from_secs(3600))? {
            return Ok(*connection);
        }
    }
}
