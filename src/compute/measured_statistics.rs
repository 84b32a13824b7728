//! Statistics of batch norm measured at points of weight space. Running statistics that are interpolated with the weights fit
//! no point in between; on a few thousand training images they are measured anew at each (METHODS-ALIGNMENT, section 2.3).

use std::collections::HashMap;
use std::sync::Mutex;

use burn::tensor::Tensor;

use super::Engine;
use super::batches::{ImageOrder, images_at_once, live_values, load};
use super::evaluate::DataRef;
use super::forward::{Activations, PointTensors, batch_statistics};
use crate::net::{Network, Op, ParamId};

/// What the values of all images that are normalised together may fill.
const SET_BYTES: usize = 1 << 30;

/// Running means and variances of some points, `[n_points, 1, n_units]` each.
type RunningStatistics = Vec<(ParamId, Tensor<3>)>;

/// Measures statistics on a fixed set of images, once for each point.
pub(super) struct MeasuredStatistics {
    /// Images that are normalised together, in batches; several equal sets where not all fit into memory at once, over which
    /// the statistics are averaged.
    sets: Vec<Vec<Activations>>,
    /// By the bits of the points' coefficients.
    known: Mutex<HashMap<Vec<u64>, RunningStatistics>>,
}

impl MeasuredStatistics {
    /// Brings the images to the device.
    pub(super) fn new(engine: &Engine, network: &Network, data: &DataRef) -> Self {
        let order = ImageOrder::sequential(data.n_images());
        let n_sets = order.len().div_ceil((SET_BYTES / (size_of::<f32>() * live_values(network))).max(1));
        let batch = images_at_once(engine, network, order.len());
        let load_set = |set: usize| {
            let images = order.range(set * order.len() / n_sets..(set + 1) * order.len() / n_sets);
            images.chunks(batch).map(|indices| load(engine, data, indices).inputs(network)).collect()
        };
        Self { sets: (0..n_sets).map(load_set).collect(), known: Mutex::default() }
    }

    /// Puts the statistics at the points `rows` (their coefficients) among their parameters.
    pub(super) fn put(&self, network: &Network, rows: &[&[f64]], params: &mut PointTensors) {
        let key: Vec<u64> = rows.iter().flat_map(|row| row.iter().map(|c| c.to_bits())).collect();
        let lock = || self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = lock().get(&key).cloned();
        let statistics = known.unwrap_or_else(|| {
            let found = self.measure(network, params);
            lock().insert(key, found.clone());
            found
        });
        for (id, values) in statistics {
            params[id.0] = Some(values);
        }
    }

    fn measure(&self, network: &Network, params: &PointTensors) -> RunningStatistics {
        let share = 1.0 / self.sets.len() as f64;
        let mut totals: Vec<Option<Tensor<3>>> = vec![None; network.layout().specs().len()];
        for set in &self.sets {
            for (node, found) in batch_statistics(network, set.clone(), params) {
                let Op::BatchNorm { mean, var, .. } = network.nodes()[node.0].op else {
                    continue;
                };
                for (id, values) in [(mean, found.mean.clone()), (var, found.unbiased_var())] {
                    let part = values * share;
                    let total = &mut totals[id.0];
                    *total = Some(match total.take() {
                        Some(total) => total + part,
                        None => part,
                    });
                }
            }
        }
        let totals = totals.into_iter().enumerate();
        totals.filter_map(|(index, total)| total.map(|total| (ParamId(index), total))).collect()
    }
}
