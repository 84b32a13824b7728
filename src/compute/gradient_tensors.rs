//! Loss and gradient by tensor operations and automatic differentiation: any network on any device.

use burn::tensor::{Int, Tensor, activation};

use super::Engine;
use super::batches::{Examples, load_examples};
use super::forward::{Activations, PointTensors, UnitStatistics, forward_training};
use crate::net::{Network, NodeId};

/// What was found at some points of weight space.
pub(super) struct PointGradients {
    /// Mean cross-entropy over the points and their images, without auxiliary losses.
    pub(super) loss: Tensor<1>,
    /// Of the mean over all points, each `[n_points, rows, columns]`; none where nothing depends on a parameter.
    pub(super) gradients: PointTensors,
    /// What each batch norm measured.
    pub(super) statistics: Vec<(NodeId, UnitStatistics)>,
}

/// The gradients at `points` (the trained parameters), each on an equal share of the images `indices`.
pub(super) fn gradients_at(
    engine: &Engine,
    network: &Network,
    examples: &Examples<'_>,
    indices: &[u32],
    points: &PointTensors,
) -> PointGradients {
    let (images, labels) = shares(engine, examples, indices, points);
    let (images, labels) = (images.autodiff(), labels.autodiff());

    let leaf = |w: &Option<Tensor<3>>| w.as_ref().map(|w| w.clone().autodiff().require_grad());
    let leaves: PointTensors = points.iter().map(leaf).collect();
    let found = forward_training(network, Activations::images(network, images), &leaves);
    let loss = cross_entropy(found.logits, labels.clone());
    let mut objective = loss.clone();
    for (logits, weight) in found.heads {
        objective = objective + cross_entropy(logits, labels.clone()) * weight;
    }
    let mut gradients = objective.backward();
    let gradients = leaves.into_iter().map(|leaf| leaf.and_then(|leaf| leaf.grad_remove(&mut gradients)));
    PointGradients { gradients: gradients.collect(), loss: loss.inner(), statistics: found.statistics }
}

/// The loss that [`gradients_at`] finds.
pub(super) fn loss_at(
    engine: &Engine,
    network: &Network,
    examples: &Examples<'_>,
    indices: &[u32],
    points: &PointTensors,
) -> Tensor<1> {
    let (images, labels) = shares(engine, examples, indices, points);
    cross_entropy(forward_training(network, Activations::images(network, images), points).logits, labels)
}

/// Equal shares of the images `indices` for all points, `[n_points, n_images, n_pixels]`, and their labels,
/// `[n_points, n_images, 1]`.
fn shares(
    engine: &Engine,
    examples: &Examples<'_>,
    indices: &[u32],
    points: &PointTensors,
) -> (Tensor<3>, Tensor<3, Int>) {
    let n_points = points.iter().flatten().next().map_or(1, |point| point.dims()[0]);
    let share = indices.len() / n_points;
    let block = load_examples(engine, examples, indices);
    let labels = block.label_tensor(engine).reshape([n_points, share, 1]);
    let n_pixels = block.images.dims()[1];
    (block.images.reshape([n_points, share, n_pixels]), labels)
}

/// Mean over all points and images; `logits` `[n_points, n_images, n_classes]`, `labels` `[n_points, n_images, 1]`.
pub(super) fn cross_entropy(logits: Tensor<3>, labels: Tensor<3, Int>) -> Tensor<1> {
    activation::log_softmax(logits, 2).gather(2, labels).mean().neg()
}
