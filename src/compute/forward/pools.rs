//! Pooling of maps `[n_images, channels, height, width]`.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::ops::pairs;
use crate::net::op::{Window, adaptive_bin};

pub(super) fn max_pool(x: Tensor<4>, window: &Window) -> Tensor<4> {
    let options = MaxPoolOptions::new(window.kernel)
        .with_stride(window.stride)
        .with_padding_pairs(pairs(window.padding))
        .with_ceil_mode(window.ceil);
    max_pool2d(x, options)
}

pub(super) fn avg_pool(x: Tensor<4>, window: &Window, count_padding: bool) -> Tensor<4> {
    let options = AvgPoolOptions::new(window.kernel)
        .with_stride(window.stride)
        .with_padding_pairs(pairs(window.padding))
        .with_count_include_pad(count_padding)
        .with_ceil_mode(window.ceil);
    avg_pool2d(x, options)
}

pub(super) fn adaptive_avg_pool(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    adaptive_avg_pool2d(x, size)
}

/// burn has no adaptive maximum; bins may overlap, so rows and columns are cut out one by one.
pub(super) fn adaptive_max_pool(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    max_over_bins(max_over_bins(x, 2, size[0]), 3, size[1])
}

fn max_over_bins(x: Tensor<4>, axis: usize, n_bins: usize) -> Tensor<4> {
    let length = x.dims()[axis];
    let bins = (0..n_bins).map(|bin| x.clone().slice_dim(axis, adaptive_bin(bin, n_bins, length)).max_dim(axis));
    Tensor::cat(bins.collect(), axis)
}
