//! Inner products of a few basis vectors, from which lengths and distances of any combination follow without touching the
//! vectors again.

use std::sync::Arc;

use crate::net::ParamVec;

/// Gram matrix of `w_i - origin` in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    gram: Vec<Vec<f64>>,
}

impl Span {
    /// `basis`: vectors of one length; differences are taken from `origin`.
    pub fn new(origin: &ParamVec, basis: &[Arc<ParamVec>]) -> Self {
        let n = basis.len();
        let mut gram = vec![vec![0.0; n]; n];
        // Those with the origin itself are zero, and a pass over all weights would only say so.
        let others: Vec<usize> = (0..n).filter(|&i| !std::ptr::eq(&*basis[i], origin)).collect();
        for (place, &i) in others.iter().enumerate() {
            for &j in &others[..=place] {
                let dot = basis[i].dot_from(origin, &basis[j]);
                gram[i][j] = dot;
                gram[j][i] = dot;
            }
        }
        Self { gram }
    }

    /// That of points on a straight line through the origin: `lengths[i]` is how far `w_i` is along it.
    pub(super) fn on_line(lengths: &[f64]) -> Self {
        Self { gram: lengths.iter().map(|i| lengths.iter().map(|j| i * j).collect()).collect() }
    }

    /// The same with another vector at `index`, whose inner product with each is known.
    pub(super) fn with_products(&self, index: usize, products: &[f64]) -> Self {
        let mut gram = self.gram.clone();
        for (other, &product) in products.iter().enumerate() {
            gram[index][other] = product;
            gram[other][index] = product;
        }
        Self { gram }
    }

    /// `|sum_i d_i (w_i - origin)|^2`, never below zero.
    pub fn norm_squared(&self, d: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (row, di) in self.gram.iter().zip(d) {
            for (g, dj) in row.iter().zip(d) {
                sum += di * g * dj;
            }
        }
        sum.max(0.0)
    }

    /// `|theta(c) - theta(d)|` for two combinations whose coefficients have the same sum.
    pub fn distance(&self, c: &[f64], d: &[f64]) -> f64 {
        let difference: Vec<f64> = c.iter().zip(d).map(|(a, b)| a - b).collect();
        self.norm_squared(&difference).sqrt()
    }
}
