//! Mean and deviation of what units give, over images and positions.

use std::collections::HashMap;
use std::sync::Arc;

use super::batches::{ImageOrder, check_fit, images_at_once, load};
use super::evaluate::DataRef;
use super::forward::{Basis, visit_nodes};
use super::score::read;
use super::{ComputeError, Engine};
use crate::net::{Network, NodeId, ParamVec, UnitDistribution};

/// Images that go through the network at a time.
const BLOCK_IMAGES: usize = 500;

/// Sums over the samples so far, combined by the formula of Chan et al. 1979.
#[derive(Clone, Debug, Default)]
struct Moments {
    n: f64,
    mean: Vec<f64>,
    /// Summed squares of what differs from the mean.
    squares: Vec<f64>,
}

/// The distribution of each unit of `nodes` on the images of `data`, in their order.
///
/// # Errors
/// When the network does not fit the data, or the device fails.
pub(super) fn unit_distributions(
    engine: &Engine,
    network: &Arc<Network>,
    params: &Arc<ParamVec>,
    data: &DataRef,
    nodes: &[NodeId],
) -> Result<Vec<UnitDistribution>, ComputeError> {
    check_fit(network, data)?;
    let point = Basis::new(engine, std::slice::from_ref(params)).as_points();
    let order = ImageOrder::sequential(data.n_images());
    let block = images_at_once(engine, network, BLOCK_IMAGES).min(BLOCK_IMAGES);
    let mut moments: HashMap<NodeId, Moments> = nodes.iter().map(|&node| (node, Moments::default())).collect();
    for start in (0..order.len()).step_by(block.max(1)) {
        let images = load(engine, data, order.range(start..order.len().min(start + block)));
        let mut samples = Vec::new();
        visit_nodes(network, images.inputs(network), &point, |node, value| {
            if moments.contains_key(&node) {
                samples.push((node, value.samples()));
            }
        });
        for (node, samples) in samples {
            let mean = samples.clone().mean_dim(0);
            let off = samples.clone() - mean.clone();
            let block = Moments {
                n: samples.dims()[0] as f64,
                mean: widened(&read(mean)?),
                squares: widened(&read((off.clone() * off).sum_dim(0))?),
            };
            if let Some(total) = moments.get_mut(&node) {
                *total = std::mem::take(total).join(block);
            }
        }
    }
    let found = nodes.iter().filter_map(|node| moments.remove(node)).map(Moments::distribution);
    Ok(found.collect())
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

impl Moments {
    fn join(self, other: Self) -> Self {
        if self.n == 0.0 {
            return other;
        }
        let n = self.n + other.n;
        let both = self.mean.iter().zip(&other.mean);
        let squares = self.squares.iter().zip(&other.squares);
        Self {
            n,
            squares: both
                .clone()
                .zip(squares)
                .map(|((a, b), (x, y))| x + y + (b - a).powi(2) * self.n * other.n / n)
                .collect(),
            mean: both.map(|(a, b)| a + (b - a) * other.n / n).collect(),
        }
    }

    fn distribution(self) -> UnitDistribution {
        let deviation = self.squares.iter().map(|squares| (squares / self.n).sqrt()).collect();
        UnitDistribution { mean: self.mean, deviation }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::{noise, params};
    use super::super::{BatchNorm, EvaluateSpec, evaluate_all};
    use super::*;
    use crate::net::{Repaired, zoo};

    /// Loss, and the repaired network's, at points of the line between two networks.
    fn losses(network: Network, ts: &[f64]) -> Vec<[f64; 2]> {
        let engine = Engine::cpu();
        let network = Arc::new(network);
        let data = noise(&network, 400);
        let repaired = Repaired::new(&network).unwrap();
        let ends = [1, 2].map(|seed| params(&network, seed));
        let wanted =
            ends.each_ref().map(|end| unit_distributions(&engine, &network, end, &data, &repaired.layers()).unwrap());
        let basis = |index: usize| Arc::new(repaired.params(&ends[index], &wanted[index]));
        let rows: Vec<Vec<f64>> = ts.iter().map(|t| vec![1.0 - t, *t]).collect();
        let raw = EvaluateSpec::new(Arc::clone(&network), ends.to_vec(), rows.clone(), data.clone());
        let spec = EvaluateSpec {
            batch_norm: BatchNorm::Recompute(data.clone()),
            ..EvaluateSpec::new(Arc::clone(repaired.network()), vec![basis(0), basis(1)], rows, data)
        };
        let [raw, repaired] = [raw, spec].map(|spec| evaluate_all(&engine, spec).unwrap());
        raw.iter().zip(&repaired).map(|(raw, repaired)| [raw.loss, repaired.loss]).collect()
    }

    #[test]
    fn repairing_leaves_the_ends_as_they_are_and_changes_the_middle() {
        for network in [zoo::mlp(&[12, 20, 20, 3], true).unwrap(), zoo::by_name("lenet").unwrap()] {
            let found = losses(network, &[0.0, 0.5, 1.0]);
            let [start, middle, end] = [0, 1, 2].map(|place| (found[place][0] - found[place][1]).abs());
            assert!(start.max(end) < 5e-3, "{found:?}");
            // The units of random networks say little: what counts is the change beside the rounding at the ends.
            assert!(8.0 * start.max(end) < middle, "{found:?}");
        }
    }

    #[test]
    fn distributions_do_not_depend_on_the_blocks() {
        let whole = Moments { n: 4.0, mean: vec![2.5], squares: vec![5.0] };
        let halves = [(1.5, 0.5), (3.5, 0.5)].map(|(mean, squares)| Moments {
            n: 2.0,
            mean: vec![mean],
            squares: vec![squares],
        });
        let [first, second] = halves;
        assert_eq!(first.join(second).distribution(), whole.distribution());
    }
}
