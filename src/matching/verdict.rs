//! How two networks are related, judged by their weights: the same network with its units in another order, two that come
//! from one, or two that were trained apart.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{Permutation, permute};
use crate::net::{Network, ParamKind, ParamVec};

/// Distance of A and permuted B, as a share of A's length, up to which only rounding parts them.
const TWINS: f64 = 1e-4;
/// Correlation of matched weights from which more than half of what makes them up must be common: chance and likeness of
/// what was learned stay far below.
const DESCENT: f64 = 0.5;
/// Deviations above the mean of shuffled networks from which weights in their own places have something in common.
const SIGNIFICANT: f64 = 6.0;
/// Shuffles that the null is estimated from.
const N_SHUFFLES: u64 = 12;

/// How two networks are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// B is A with its units in another order (or the same).
    Twins,
    /// Weights have so much in common that both must come from one network: a common start, or one from the other.
    CommonAncestor,
    Independent,
}

impl Verdict {
    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Twins => "twins",
            Self::CommonAncestor => "common ancestor",
            Self::Independent => "independent",
        }
    }
}

/// What the verdict rests on. Correlations are Pearson's, over the weights of all layers, each layer's counted from its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    pub verdict: Verdict,
    /// `|A - P(B)| / |A|`.
    pub relative_distance: f64,
    /// Of A's weights with B's as they are, and with P(B)'s.
    pub correlation_in_place: f64,
    pub correlation_matched: f64,
    /// Mean and deviation of the correlation of A's weights with those of B with its units shuffled.
    pub null_mean: f64,
    pub null_deviation: f64,
}

impl Evidence {
    /// `b`: as it is; `aligned`: with its units moved.
    pub fn find(network: &Network, a: &ParamVec, b: &ParamVec, aligned: &ParamVec) -> Self {
        let correlation = |other: &ParamVec| weight_correlation(a, other);
        let shuffled: Vec<f64> = (0..N_SHUFFLES)
            .map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let groups = network.groups().iter();
                let shuffle: Vec<Permutation> =
                    groups.map(|group| Permutation::random(group.n_units, &mut rng)).collect();
                correlation(&permute(network, b, &shuffle))
            })
            .collect();
        let n = shuffled.len() as f64;
        let null_mean = shuffled.iter().sum::<f64>() / n;
        let null_deviation = (shuffled.iter().map(|r| (r - null_mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let length = a.distance(&ParamVec::zeros(a.layout().clone()));
        let mut evidence = Self {
            verdict: Verdict::Independent,
            relative_distance: a.distance(aligned) / length,
            correlation_in_place: correlation(b),
            correlation_matched: correlation(aligned),
            null_mean,
            null_deviation,
        };
        evidence.verdict = evidence.judge();
        evidence
    }

    fn judge(&self) -> Verdict {
        let above_chance = self.correlation_in_place - self.null_mean;
        if self.relative_distance <= TWINS {
            Verdict::Twins
        } else if DESCENT <= self.correlation_matched || SIGNIFICANT * self.null_deviation < above_chance {
            Verdict::CommonAncestor
        } else {
            Verdict::Independent
        }
    }

    /// The verdict and its reason in a sentence.
    pub fn describe(&self) -> String {
        match self.verdict {
            Verdict::Twins => format!(
                "twins: B is A with its units in another order (they differ by {:.1e} of A's length)",
                self.relative_distance
            ),
            Verdict::CommonAncestor => format!(
                "common ancestor: weights correlate by {:.3} in place and {:.3} matched, {:.3} +- {:.3} by chance",
                self.correlation_in_place, self.correlation_matched, self.null_mean, self.null_deviation
            ),
            Verdict::Independent => format!(
                "independent: weights correlate by {:.3} in place, as by chance ({:.3} +- {:.3}), and {:.3} matched",
                self.correlation_in_place, self.null_mean, self.null_deviation, self.correlation_matched
            ),
        }
    }
}

/// Pearson's correlation over the weights of all layers, each layer's counted from its mean. 0 where nothing varies.
fn weight_correlation(a: &ParamVec, b: &ParamVec) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for spec in a.layout().specs().iter().filter(|spec| spec.kind == ParamKind::Weight) {
        let range = spec.offset..spec.offset + spec.n_values();
        let (x, y) = (&a.values()[range.clone()], &b.values()[range]);
        let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
        let (mean_x, mean_y) = (mean(x), mean(y));
        for (&x, &y) in x.iter().zip(y) {
            let (x, y) = (f64::from(x) - mean_x, f64::from(y) - mean_y);
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
    }
    let scale = (aa * bb).sqrt();
    if 0.0 < scale { ab / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use std::sync::Arc;

    fn network() -> Network {
        zoo::mlp(&[30, 40, 40, 5], true).unwrap()
    }

    fn random(network: &Network, seed: u64) -> ParamVec {
        ParamVec::random(Arc::clone(network.layout()), &mut ChaCha8Rng::seed_from_u64(seed))
    }

    fn shuffle(network: &Network, seed: u64) -> Vec<Permutation> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        network.groups().iter().map(|group| Permutation::random(group.n_units, &mut rng)).collect()
    }

    /// `share` of the one and the rest of the other.
    fn blend(a: &ParamVec, b: &ParamVec, share: f32) -> ParamVec {
        let values = a.values().iter().zip(b.values()).map(|(a, b)| share * a + (1.0 - share) * b).collect();
        ParamVec::new(Arc::clone(a.layout()), values).unwrap()
    }

    #[test]
    fn a_shuffled_network_is_a_twin_once_it_is_put_back() {
        let network = network();
        let (a, forth) = (random(&network, 1), shuffle(&network, 2));
        let b = permute(&network, &a, &forth);
        let back: Vec<Permutation> = forth.iter().map(Permutation::inverse).collect();
        let found = Evidence::find(&network, &a, &b, &permute(&network, &b, &back));
        assert_eq!((found.verdict, found.relative_distance), (Verdict::Twins, 0.0));
        assert_eq!(Evidence::find(&network, &a, &b, &b).verdict, Verdict::Independent, "as long as it is not");
    }

    #[test]
    fn networks_that_share_a_part_of_their_weights_have_a_common_ancestor() {
        let network = network();
        let start = random(&network, 1);
        let [a, b] = [2, 3].map(|seed| blend(&start, &random(&network, seed), 0.4));
        let identity = Evidence::find(&network, &a, &b, &b);
        assert_eq!(identity.verdict, Verdict::CommonAncestor, "{identity:?}");
        let forth = shuffle(&network, 4);
        let shuffled = permute(&network, &blend(&a, &b, 0.5), &forth);
        let back: Vec<Permutation> = forth.iter().map(Permutation::inverse).collect();
        let found = Evidence::find(&network, &a, &shuffled, &permute(&network, &shuffled, &back));
        assert_eq!(found.verdict, Verdict::CommonAncestor, "{found:?}");
    }

    #[test]
    fn networks_drawn_apart_are_independent_whatever_their_order() {
        let network = network();
        let (a, b) = (random(&network, 1), random(&network, 2));
        let moved = permute(&network, &b, &shuffle(&network, 3));
        let found = Evidence::find(&network, &a, &b, &moved);
        assert_eq!(found.verdict, Verdict::Independent, "{found:?}");
    }
}
