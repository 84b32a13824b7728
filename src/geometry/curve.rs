//! Curves whose every point is a combination of endpoints, bends and, for arcs, a centre.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

/// How A and B are joined; `t` runs from 0 (A) to 1 (B).
///
/// Note on `n_bends`: the `num_bends` of Garipov et al.'s code, and the (3) and (5) of the tables of Anokhin & Yarotsky,
/// count the endpoints too; `n_bends` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// `(1 - t) A + t B`.
    Linear,
    /// `M + cos(pi t / 2) (A - M) + sin(pi t / 2) (B - M)`, M the mean neuron (Anokhin & Yarotsky 2020).
    Arc,
    /// Straight segments through the bends at equal spacing in t (Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>).
    Chain { n_bends: usize },
    /// Bezier curve with the bends as inner control points (Garipov et al. 2018).
    Bezier { n_bends: usize },
}

impl Curve {
    /// Trained control points between the endpoints.
    pub fn n_bends(self) -> usize {
        match self {
            Self::Linear | Self::Arc => 0,
            Self::Chain { n_bends } | Self::Bezier { n_bends } => n_bends,
        }
    }

    /// The same curve with another number of bends; unchanged where it has none.
    pub fn with_bends(self, n_bends: usize) -> Self {
        match self {
            Self::Linear | Self::Arc => self,
            Self::Chain { .. } => Self::Chain { n_bends },
            Self::Bezier { .. } => Self::Bezier { n_bends },
        }
    }

    /// The name used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Arc => "arc",
            Self::Chain { .. } => "chain",
            Self::Bezier { .. } => "bezier",
        }
    }

    /// Weights c of the basis: `[A, bends.., B]`, or `[A, B, M]` for arcs. They sum to 1.
    pub fn coefficients(self, t: f64) -> Vec<f64> {
        match self {
            Self::Linear => vec![1.0 - t, t],
            Self::Arc => {
                // Exact at both ends, where cos and sin of a rounded pi/2 are not.
                let (sin, cos) = if t == 1.0 { (1.0, 0.0) } else { (FRAC_PI_2 * t).sin_cos() };
                vec![cos, sin, 1.0 - cos - sin]
            }
            Self::Chain { n_bends } => {
                let last = (n_bends + 1) as f64;
                (0..n_bends + 2).map(|j| (1.0 - (t * last - j as f64).abs()).max(0.0)).collect()
            }
            Self::Bezier { n_bends } => bernstein(n_bends + 1, t),
        }
    }
}

/// `C(n, j) t^j (1 - t)^(n - j)` for j in 0..=n.
fn bernstein(n: usize, t: f64) -> Vec<f64> {
    let mut binomial = 1.0;
    (0..=n)
        .map(|j| {
            let term = binomial * t.powi(j as i32) * (1.0 - t).powi((n - j) as i32);
            binomial *= (n - j) as f64 / (j + 1) as f64;
            term
        })
        .collect()
}

/// `n` evenly spaced t with both ends; a single one is t = 0.
pub(super) fn even_ts(n: usize) -> Vec<f64> {
    let last = n.saturating_sub(1).max(1) as f64;
    (0..n).map(|i| i as f64 / last).collect()
}

impl Curve {
    /// `n` evenly spaced t with both ends.
    pub fn even_ts(n: usize) -> Vec<f64> {
        even_ts(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_sum_to_one() {
        let curves = [Curve::Linear, Curve::Arc, Curve::Chain { n_bends: 1 }, Curve::Chain { n_bends: 4 }];
        let bezier = [1, 2, 5].map(|n_bends| Curve::Bezier { n_bends });
        for curve in curves.into_iter().chain(bezier) {
            for t in even_ts(33) {
                let sum: f64 = curve.coefficients(t).iter().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{curve:?} at {t}: {sum}");
            }
        }
    }

    #[test]
    fn the_quadratic_bezier_is_the_textbook_one() {
        let t = 0.3;
        let c = Curve::Bezier { n_bends: 1 }.coefficients(t);
        for (found, expected) in c.iter().zip([(1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }
}
