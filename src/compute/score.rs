//! Logits to loss and accuracy.

use burn::tensor::{Int, Tensor};

use super::{ComputeError, Engine, device_error};

/// Sums over the images of a block, for one point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Score {
    /// Sum of cross-entropies, nats.
    pub(super) loss: f64,
    pub(super) n_correct: u64,
}

impl Score {
    pub(super) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.n_correct += other.n_correct;
    }

    /// Adds point by point.
    pub(super) fn add_all(totals: &mut [Self], parts: &[Self]) {
        for (total, part) in totals.iter_mut().zip(parts) {
            total.add(*part);
        }
    }
}

/// Scores `logits` `[n_points, n_images, n_classes]` against `labels`: one score a point.
///
/// On the CPU a loop over the logits in place; on a GPU reductions there, so that only sums come back.
pub(super) fn score(
    engine: &Engine,
    logits: Tensor<3>,
    labels: &[u16],
    label_tensor: &Tensor<1, Int>,
) -> Result<Vec<Score>, ComputeError> {
    if engine.is_gpu() { score_on_device(logits, label_tensor) } else { score_on_host(logits, labels) }
}

/// A tensor's values on the host, row-major; waits for the device.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ComputeError> {
    let data = tensor.try_into_data().map_err(device_error)?;
    data.try_into_vec::<f32>().map_err(device_error)
}

fn score_on_host(logits: Tensor<3>, labels: &[u16]) -> Result<Vec<Score>, ComputeError> {
    let [_, n_images, n_classes] = logits.dims();
    let values = read(logits)?;
    Ok(values.chunks_exact(n_images * n_classes).map(|point| score_point(point, n_classes, labels)).collect())
}

fn score_point(logits: &[f32], n_classes: usize, labels: &[u16]) -> Score {
    let mut score = Score::default();
    for (row, &label) in logits.chunks_exact(n_classes).zip(labels) {
        let label = usize::from(label);
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        // A NaN anywhere, or only infinities, makes the sum NaN and with it the loss.
        let sum: f32 = row.iter().map(|&z| (z - max).exp()).sum();
        score.loss += f64::from(sum.ln() - (row[label] - max));
        let best = row.iter().position(|&z| z == max);
        score.n_correct += u64::from(best == Some(label) && !sum.is_nan());
    }
    score
}

fn score_on_device(logits: Tensor<3>, labels: &Tensor<1, Int>) -> Result<Vec<Score>, ComputeError> {
    let [n_points, n_images, _] = logits.dims();
    let labels: Tensor<3, Int> = labels.clone().reshape([1, n_images, 1]).expand([n_points, n_images, 1]);
    let shifted = logits.clone() - logits.clone().max_dim(2);
    let log_sum = shifted.clone().exp().sum_dim(2).log();
    let losses = (log_sum - shifted.gather(2, labels.clone())).sum_dim(1);
    let correct = logits.argmax(2).equal(labels).float().sum_dim(1);
    // One transfer for both.
    let both = read(Tensor::cat(vec![losses, correct], 2))?;
    let scores = both.chunks_exact(2);
    Ok(scores.map(|pair| Score { loss: f64::from(pair[0]), n_correct: pair[1].round() as u64 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    fn tensor(values: &[f32], shape: [usize; 3]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &burn::tensor::Device::flex())
    }

    #[test]
    fn equal_logits_lose_the_logarithm_of_the_class_count() {
        let score = score_point(&[0.5; 20], 10, &[3, 9]);
        assert!((score.loss - 2.0 * 10.0_f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn host_and_device_agree() {
        let values: Vec<f32> = (0..60).map(|i| ((i * 37) % 23) as f32 / 5.0).collect();
        let labels = [0_u16, 3, 1, 2, 3];
        let as_ints = TensorData::new(labels.iter().map(|&l| i32::from(l)).collect::<Vec<_>>(), [5]);
        let label_tensor = Tensor::from_data(as_ints, &burn::tensor::Device::flex());
        let host = score_on_host(tensor(&values, [3, 5, 4]), &labels).unwrap();
        let device = score_on_device(tensor(&values, [3, 5, 4]), &label_tensor).unwrap();
        for (h, d) in host.iter().zip(&device) {
            assert!((h.loss - d.loss).abs() < 1e-5);
            assert_eq!(h.n_correct, d.n_correct);
        }
    }

    #[test]
    fn infinite_and_nan_logits_stay_visible_and_never_count_as_right() {
        assert!(score_point(&[f32::NAN, 1.0], 2, &[1]).loss.is_nan());
        assert_eq!(score_point(&[f32::NAN, 1.0], 2, &[1]).n_correct, 0);
        assert!(!score_point(&[f32::INFINITY, 0.0], 2, &[0]).loss.is_finite());
        assert!(score_point(&[0.0, f32::NEG_INFINITY], 2, &[1]).loss.is_infinite());
    }
}
