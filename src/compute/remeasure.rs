//! A network whose batch norms have their statistics measured anew: what an average of weights needs before it is used
//! (Izmailov et al. 2018, section 3.2; METHODS-ALIGNMENT, section 2.3).

use std::sync::Arc;
use std::time::Instant;

use super::batches::check_fit;
use super::evaluate::DataRef;
use super::evaluate_lanes::Lanes;
use super::forward::Basis;
use super::measured_statistics::MeasuredStatistics;
use super::score::read;
use super::{ComputeError, Engine};
use crate::net::{Network, ParamId, ParamVec};

/// The coefficients of a point that is its own basis.
const ITSELF: [f64; 1] = [1.0];

/// A measurement; call [`Self::step`] until the network is known.
pub(super) enum Remeasure {
    Running(Box<Lanes>),
    Known(Arc<ParamVec>),
}

impl Remeasure {
    /// Networks without batch norm are known as they are. A GPU measures all at once.
    pub(super) fn new(
        engine: &Engine,
        network: &Arc<Network>,
        params: &Arc<ParamVec>,
        images: &DataRef,
    ) -> Result<Self, ComputeError> {
        check_fit(network, images)?;
        Ok(if !network.layout().has_statistics() {
            Self::Known(Arc::clone(params))
        } else if engine.is_gpu() {
            Self::Known(Arc::new(measured_on_device(engine, network, params, images)?))
        } else {
            let basis = std::slice::from_ref(params);
            Self::Running(Box::new(Lanes::new(network, basis, Some(images))))
        })
    }

    /// Works until `deadline`, at least a little.
    pub(super) fn step(self, deadline: Instant) -> Self {
        match self {
            Self::Running(mut lanes) => {
                let is_measured = lanes.prepare(&ITSELF, deadline);
                if is_measured { Self::Known(Arc::new(lanes.params(&ITSELF))) } else { Self::Running(lanes) }
            }
            known @ Self::Known(_) => known,
        }
    }
}

fn measured_on_device(
    engine: &Engine,
    network: &Network,
    params: &Arc<ParamVec>,
    images: &DataRef,
) -> Result<ParamVec, ComputeError> {
    let mut tensors = Basis::new(engine, std::slice::from_ref(params)).as_points();
    MeasuredStatistics::new(engine, network, images).put(network, &[&ITSELF], &mut tensors);
    let mut measured = ParamVec::clone(params);
    for (index, spec) in network.layout().specs().iter().enumerate() {
        if let Some(values) = tensors[index].take().filter(|_| !spec.kind.is_trained()) {
            measured.tensor_mut(ParamId(index)).copy_from_slice(&read(values)?);
        }
    }
    Ok(measured)
}
