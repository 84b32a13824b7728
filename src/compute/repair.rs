//! Paths on which the statistics of every unit are put right (REPAIR, Jordan et al. 2023; METHODS-ALIGNMENT, section 7.4).

use std::sync::Arc;
use std::time::Duration;

use super::evaluate::{BatchNorm, DataRef, Evaluate, EvaluateSpec, EvaluateStep};
use super::unit_distribution::unit_distributions;
use super::{ComputeError, Engine};
use crate::geometry::{Curve, Path};
use crate::net::{Network, ParamVec, Repaired, UnitDistribution};

/// The path through the network with a batch norm added behind every hidden layer, whose factors go evenly from A's statistics
/// to B's; measuring its running statistics anew at every point is the repair.
///
/// `samples`: training images that the units of both ends are measured on.
///
/// # Errors
/// When the path is no line, chain or Bézier curve, or the network takes no batch norms.
pub fn repaired_path(
    engine: &Engine,
    network: &Arc<Network>,
    path: &Path,
    samples: &DataRef,
) -> Result<(Arc<Network>, Path), ComputeError> {
    let unsuited = |reason: String| ComputeError::Repair { reason };
    let curve = path.curve().filter(|curve| *curve != Curve::Arc);
    let curve = curve
        .ok_or_else(|| unsuited(format!("expected a linear, chain or bezier path, found {}", path.family().name())))?;
    let repaired = Repaired::new(network).map_err(|error| unsuited(error.to_string()))?;
    let layers = repaired.layers();
    let measured = |params: &Arc<ParamVec>| unit_distributions(engine, network, params, samples, &layers);
    let (at_a, at_b) = (measured(path.start())?, measured(path.end())?);
    // Bends stand evenly between the ends, where all these curves are straight and even in t.
    let n_gaps = (path.bends().len() + 1) as f64;
    let moved = |params: &Arc<ParamVec>, share: f64| -> Arc<ParamVec> {
        let wanted: Vec<UnitDistribution> = at_a.iter().zip(&at_b).map(|(a, b)| a.between(b, share)).collect();
        Arc::new(repaired.params(params, &wanted))
    };
    let bends = path.bends().iter().enumerate().map(|(index, bend)| moved(bend, (index + 1) as f64 / n_gaps));
    let network = Arc::clone(repaired.network());
    let path = Path::new(&network, curve, moved(path.start(), 0.0), moved(path.end(), 1.0), bends.collect());
    Ok((network, path))
}

/// A path to be evaluated repaired.
#[derive(Clone, Debug)]
pub struct RepairSpec {
    pub network: Arc<Network>,
    pub path: Arc<Path>,
    /// Where it is evaluated.
    pub ts: Vec<f64>,
    pub data: DataRef,
    /// Training images that statistics are measured on.
    pub samples: DataRef,
}

/// A running evaluation; call [`Self::step`] until it is finished.
pub struct Repair {
    engine: Engine,
    spec: RepairSpec,
    /// Once the units of both ends are measured.
    evaluate: Option<Box<Evaluate>>,
}

impl Repair {
    pub fn new(engine: &Engine, spec: RepairSpec) -> Self {
        Self { engine: engine.clone(), spec, evaluate: None }
    }

    /// Measures the units of both ends, or evaluates some points for about `budget`.
    pub fn step(&mut self, budget: Duration) -> Result<EvaluateStep, ComputeError> {
        if let Some(evaluate) = &mut self.evaluate {
            return evaluate.step(budget);
        }
        let RepairSpec { network, path, ts, data, samples } = &self.spec;
        let (network, path) = repaired_path(&self.engine, network, path, samples)?;
        let sample = path.sample(ts);
        let spec = EvaluateSpec {
            batch_norm: BatchNorm::Recompute(samples.clone()),
            ..EvaluateSpec::new(network, sample.basis, sample.rows, data.clone())
        };
        self.evaluate = Some(Box::new(Evaluate::new(&self.engine, spec)?));
        Ok(EvaluateStep::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::evaluate::evaluate_all;
    use super::super::test_data::{noise, params};
    use super::*;
    use crate::net::zoo;

    fn run(job: &mut Repair, n: usize) -> Vec<f64> {
        let mut losses = vec![f64::NAN; n];
        loop {
            let step = job.step(Duration::from_millis(20)).unwrap();
            step.changed.iter().for_each(|(point, value)| losses[*point] = value.loss);
            if step.finished {
                return losses;
            }
        }
    }

    #[test]
    fn the_ends_of_a_repaired_line_are_those_of_the_raw_one_and_its_middle_is_not() {
        let network = Arc::new(zoo::mlp(&[12, 10, 8, 3], true).unwrap());
        let (a, b, data) = (params(&network, 1), params(&network, 2), noise(&network, 64));
        let path = Arc::new(Path::straight(&network, Curve::Linear, a, b));
        let ts = vec![0.0, 0.5, 1.0];
        let sample = path.sample(&ts);
        let raw = EvaluateSpec::new(Arc::clone(&network), sample.basis, sample.rows, data.clone());
        let raw: Vec<f64> = evaluate_all(&Engine::cpu(), raw).unwrap().iter().map(|value| value.loss).collect();
        let spec = RepairSpec { network, path, ts, samples: data.clone(), data };
        let repaired = run(&mut Repair::new(&Engine::cpu(), spec), 3);
        for end in [0, 2] {
            assert!((raw[end] - repaired[end]).abs() < 1e-3, "{raw:?} {repaired:?}");
        }
        assert!(1e-3 < (raw[1] - repaired[1]).abs(), "{raw:?} {repaired:?}");
    }

    #[test]
    fn arcs_are_refused() {
        let network = Arc::new(zoo::mlp(&[12, 10, 3], true).unwrap());
        let data = noise(&network, 8);
        let path = Path::straight(&network, Curve::Arc, params(&network, 1), params(&network, 2));
        let refused = repaired_path(&Engine::cpu(), &network, &path, &data);
        assert!(matches!(refused, Err(ComputeError::Repair { reason }) if reason.contains("arc")));
    }
}
