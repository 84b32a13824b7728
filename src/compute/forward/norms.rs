//! Normalisations, and the statistics that batch norm takes over images.

use burn::tensor::Tensor;

use super::ops::Activations;

/// Mean and variance of every unit over images and positions.
#[derive(Clone, Debug)]
pub(in crate::compute) struct UnitStatistics {
    /// `[n_points, 1, n_units]`.
    pub(in crate::compute) mean: Tensor<3>,
    /// Divided by the number of values; `[n_points, 1, n_units]`.
    pub(in crate::compute) biased_var: Tensor<3>,
    /// Values of one unit: images times positions.
    n_values: usize,
}

impl UnitStatistics {
    /// The variance that running statistics hold, divided by the number of values less one (as PyTorch does).
    pub(in crate::compute) fn unbiased_var(&self) -> Tensor<3> {
        let n = self.n_values as f64;
        self.biased_var.clone() * (n / (n - 1.0).max(1.0))
    }
}

/// A batch norm's parameters at some points, each `[n_points, 1, n_units]`.
pub(super) struct BatchNorm {
    pub(super) scale: Option<Tensor<3>>,
    pub(super) shift: Option<Tensor<3>>,
    pub(super) eps: f32,
}

impl BatchNorm {
    /// With given statistics, `[n_points, 1, n_units]`.
    pub(super) fn by_stored(&self, x: Activations, mean: Tensor<3>, var: Tensor<3>) -> Activations {
        self.finish(x.plus_units(mean.neg()), var)
    }

    /// With the statistics of the images of all `chunks`; gradients go through them.
    pub(super) fn by_batch(&self, chunks: Vec<Activations>) -> (Vec<Activations>, UnitStatistics) {
        let n_values = chunks.iter().map(n_values).sum();
        let mean = unit_means(chunks.iter().cloned(), n_values);
        let centred: Vec<Activations> = chunks.into_iter().map(|x| x.plus_units(mean.clone().neg())).collect();
        let biased_var = unit_means(centred.iter().cloned().map(squared), n_values);
        let outputs = centred.into_iter().map(|x| self.finish(x, biased_var.clone())).collect();
        (outputs, UnitStatistics { mean, biased_var, n_values })
    }

    /// `centred / sqrt(var + eps) * scale + shift`.
    fn finish(&self, centred: Activations, var: Tensor<3>) -> Activations {
        let factor = (var + self.eps).sqrt().recip();
        let factor = match &self.scale {
            Some(scale) => factor * scale.clone(),
            None => factor,
        };
        unit_affine(centred, Some(factor), self.shift.clone())
    }
}

/// `x * scale + shift`, both `[n_points, 1, n_units]`.
pub(super) fn unit_affine(mut x: Activations, scale: Option<Tensor<3>>, shift: Option<Tensor<3>>) -> Activations {
    if let Some(scale) = scale {
        x = x.times_units(scale);
    }
    if let Some(shift) = shift {
        x = x.plus_units(shift);
    }
    x
}

/// `x * scale + shift` with parameters of the example's shape.
pub(super) fn example_affine(x: Activations, scale: Option<Tensor<3>>, shift: Option<Tensor<3>>) -> Activations {
    match x {
        Activations::Flat(_) => unit_affine(x, scale, shift),
        Activations::Maps(mut x) => {
            let [_, channels, height, width] = x.dims();
            let shape = [1, channels, height, width];
            if let Some(scale) = scale {
                x = x * scale.reshape(shape);
            }
            if let Some(shift) = shift {
                x = x + shift.reshape(shape);
            }
            Activations::Maps(x)
        }
    }
}

/// Takes the mean from each example's `n_groups` equal runs of units and divides by the standard deviation, run by run (layer
/// norm: a single run).
pub(super) fn standardise_groups(x: Activations, n_groups: usize, eps: f32) -> Activations {
    match x {
        Activations::Flat(x) => {
            let [n_points, n_images, _] = x.dims();
            Activations::Flat(standard_rows(x, n_points * n_images * n_groups, eps))
        }
        Activations::Maps(x) => {
            let n_images = x.dims()[0];
            Activations::Maps(standard_rows(x, n_images * n_groups, eps))
        }
    }
}

/// Cuts `x` into `n_rows` equal rows and standardises each.
fn standard_rows<const D: usize>(x: Tensor<D>, n_rows: usize, eps: f32) -> Tensor<D> {
    let shape = x.dims();
    let n_columns = shape.iter().product::<usize>() / n_rows.max(1);
    let rows = x.reshape([n_rows, n_columns]);
    let centred = rows.clone() - rows.mean_dim(1);
    let var = (centred.clone() * centred.clone()).mean_dim(1);
    (centred / (var + eps).sqrt()).reshape(shape)
}

/// Values that each unit has in `x`.
fn n_values(x: &Activations) -> usize {
    match x {
        Activations::Flat(x) => x.dims()[1],
        Activations::Maps(x) => {
            let [n_images, _, height, width] = x.dims();
            n_images * height * width
        }
    }
}

fn squared(x: Activations) -> Activations {
    match x {
        Activations::Flat(x) => Activations::Flat(x.clone() * x),
        Activations::Maps(x) => Activations::Maps(x.clone() * x),
    }
}

/// Mean of every unit over the `n_total` values it has in all chunks.
fn unit_means(chunks: impl Iterator<Item = Activations>, n_total: usize) -> Tensor<3> {
    let shares = chunks.map(|x| {
        let share = n_values(&x) as f64 / n_total as f64;
        let mean = match x {
            Activations::Flat(x) => x.mean_dim(1),
            // Axis by axis: sums of few values each lose less to rounding than one long sum.
            Activations::Maps(x) => {
                let channels = x.dims()[1];
                x.mean_dim(3).mean_dim(2).mean_dim(0).reshape([1, 1, channels])
            }
        };
        if share == 1.0 { mean } else { mean * share }
    });
    shares.reduce(|sum, mean| sum + mean).expect("batch norm sees at least one chunk of images")
}
