//! Path families whose every point is a combination of endpoints, bends and, for arcs, a centre.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Span, arc_centre};
use crate::net::{Network, ParamVec};

/// How A and B are joined; `t` runs from 0 (A) to 1 (B).
///
/// Note on `n_bends`: the `num_bends` of Garipov et al.'s code, and the (3) and (5) of the tables of Anokhin & Yarotsky,
/// count the endpoints too; `n_bends` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathFamily {
    /// `(1 - t) A + t B`.
    Linear,
    /// `M + cos(pi t / 2) (A - M) + sin(pi t / 2) (B - M)`, M the mean neuron (Anokhin & Yarotsky 2020).
    Arc,
    /// Straight segments through the bends at equal spacing in t (Garipov et al. 2018, <https://arxiv.org/abs/1802.10026>).
    Chain { n_bends: usize },
    /// Bezier curve with the bends as inner control points (Garipov et al. 2018).
    Bezier { n_bends: usize },
}

impl PathFamily {
    /// Trained control points between the endpoints.
    pub fn n_bends(self) -> usize {
        match self {
            Self::Linear | Self::Arc => 0,
            Self::Chain { n_bends } | Self::Bezier { n_bends } => n_bends,
        }
    }

    /// The same family with another number of bends; unchanged where it has none.
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

/// A path between two modes: a family and the vectors it combines.
#[derive(Clone, Debug)]
pub struct Path {
    family: PathFamily,
    basis: Vec<Arc<ParamVec>>,
    span: Span,
}

impl Path {
    /// Joins `a` to `b`.
    ///
    /// `bends` replaces the number of bends of the family; it must be empty for families without.
    pub fn new(
        network: &Network,
        family: PathFamily,
        a: Arc<ParamVec>,
        b: Arc<ParamVec>,
        bends: Vec<Arc<ParamVec>>,
    ) -> Self {
        let family = family.with_bends(bends.len());
        debug_assert_eq!(family.n_bends(), bends.len(), "a family without bends was given some");
        let basis = match family {
            PathFamily::Linear => vec![a, b],
            PathFamily::Arc => {
                let centre = Arc::new(arc_centre(network, &a, &b));
                vec![a, b, centre]
            }
            PathFamily::Chain { .. } | PathFamily::Bezier { .. } => {
                let mut basis = vec![a];
                basis.extend(bends);
                basis.push(b);
                basis
            }
        };
        let span = Span::new(&basis[0], &basis);
        Self { family, basis, span }
    }

    /// A path whose bends stand at equal distances on the segment from `a` to `b`.
    pub fn straight(network: &Network, family: PathFamily, a: Arc<ParamVec>, b: Arc<ParamVec>) -> Self {
        let n_bends = family.n_bends();
        let ends = [Arc::clone(&a), Arc::clone(&b)];
        let bends = (1..=n_bends)
            .map(|j| {
                let s = j as f64 / (n_bends + 1) as f64;
                Arc::new(ParamVec::combination(&ends, &[1.0 - s, s]))
            })
            .collect();
        Self::new(network, family, a, b, bends)
    }

    pub fn family(&self) -> PathFamily {
        self.family
    }

    /// The vectors that [`Self::coefficients`] weigh.
    pub fn basis(&self) -> &[Arc<ParamVec>] {
        &self.basis
    }

    pub fn start(&self) -> &Arc<ParamVec> {
        &self.basis[0]
    }

    pub fn end(&self) -> &Arc<ParamVec> {
        match self.family {
            PathFamily::Arc => &self.basis[1],
            _ => &self.basis[self.basis.len() - 1],
        }
    }

    /// Trained control points, from A to B.
    pub fn bends(&self) -> &[Arc<ParamVec>] {
        match self.family {
            PathFamily::Linear | PathFamily::Arc => &[],
            _ => &self.basis[1..self.basis.len() - 1],
        }
    }

    /// Index in the basis of each bend.
    pub fn bend_indices(&self) -> std::ops::Range<usize> {
        1..1 + self.bends().len()
    }

    pub fn coefficients(&self, t: f64) -> Vec<f64> {
        self.family.coefficients(t)
    }

    /// The network at `t`.
    pub fn point(&self, t: f64) -> ParamVec {
        ParamVec::combination(&self.basis, &self.coefficients(t))
    }

    /// `|theta(t_i) - theta(t_(i-1))|` for each step of `ts`, one fewer than `ts`.
    pub fn steps(&self, ts: &[f64]) -> Vec<f64> {
        ts.windows(2).map(|w| self.span.distance(&self.coefficients(w[0]), &self.coefficients(w[1]))).collect()
    }

    /// Length of the polyline through 257 points.
    pub fn length(&self) -> f64 {
        self.steps(&even_ts(257)).iter().sum()
    }
}

/// `n` evenly spaced t with both ends; a single one is t = 0.
pub(super) fn even_ts(n: usize) -> Vec<f64> {
    let last = n.saturating_sub(1).max(1) as f64;
    (0..n).map(|i| i as f64 / last).collect()
}

impl PathFamily {
    /// `n` evenly spaced t with both ends.
    pub fn even_ts(n: usize) -> Vec<f64> {
        even_ts(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const FAMILIES: [PathFamily; 8] = [
        PathFamily::Linear,
        PathFamily::Arc,
        PathFamily::Chain { n_bends: 1 },
        PathFamily::Chain { n_bends: 3 },
        PathFamily::Chain { n_bends: 4 },
        PathFamily::Bezier { n_bends: 1 },
        PathFamily::Bezier { n_bends: 2 },
        PathFamily::Bezier { n_bends: 5 },
    ];

    fn pair() -> (Network, Arc<ParamVec>, Arc<ParamVec>) {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let a = Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        let b = Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        (network, a, b)
    }

    #[test]
    fn every_family_starts_at_a_and_ends_at_b() {
        let (network, a, b) = pair();
        for family in FAMILIES {
            let path = Path::straight(&network, family, a.clone(), b.clone());
            assert_eq!(path.point(0.0), *a, "{family:?}");
            assert_eq!(path.point(1.0), *b, "{family:?}");
        }
    }

    #[test]
    fn coefficients_sum_to_one() {
        for family in FAMILIES {
            for t in even_ts(33) {
                let sum: f64 = family.coefficients(t).iter().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{family:?} at {t}: {sum}");
            }
        }
    }

    #[test]
    fn every_family_is_continuous() {
        let (network, a, b) = pair();
        let length = a.distance(&b);
        for family in FAMILIES {
            let path = Path::straight(&network, family, a.clone(), b.clone());
            let steps = path.steps(&even_ts(1001));
            assert!(steps.iter().all(|&s| s < 0.01 * length), "{family:?}");
        }
    }

    #[test]
    fn bends_on_the_segment_make_the_straight_line() {
        let (network, a, b) = pair();
        for n_bends in 1..4 {
            for family in [PathFamily::Chain { n_bends }, PathFamily::Bezier { n_bends }] {
                let path = Path::straight(&network, family, a.clone(), b.clone());
                assert!((path.length() - a.distance(&b)).abs() < 1e-5, "{family:?}");
                let expected = ParamVec::combination(&[a.clone(), b.clone()], &[0.7, 0.3]);
                assert!(path.point(0.3).distance(&expected) < 1e-5, "{family:?}");
            }
        }
    }

    #[test]
    fn a_chain_passes_through_its_bends() {
        let (network, a, b) = pair();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let bends: Vec<_> = (0..3).map(|_| Arc::new(ParamVec::random(network.layout().clone(), &mut rng))).collect();
        let path = Path::new(&network, PathFamily::Chain { n_bends: 3 }, a, b, bends.clone());
        for (j, bend) in bends.iter().enumerate() {
            assert!(path.point((j + 1) as f64 / 4.0).distance(bend) < 1e-5);
        }
    }

    #[test]
    fn the_quadratic_bezier_is_the_textbook_one() {
        let t = 0.3;
        let c = PathFamily::Bezier { n_bends: 1 }.coefficients(t);
        for (found, expected) in c.iter().zip([(1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn lengths_from_inner_products_are_lengths_of_vectors() {
        let (network, a, b) = pair();
        let path = Path::straight(&network, PathFamily::Arc, a, b);
        let direct = path.point(0.2).distance(&path.point(0.6));
        assert!((path.steps(&[0.2, 0.6])[0] - direct).abs() < 1e-5);
    }
}
