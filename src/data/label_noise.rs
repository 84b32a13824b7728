//! Wrong labels on purpose, as in studies of memorisation.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{DataError, Dataset};

impl Dataset {
    /// Gives a `fraction` of the training examples, rounded to whole examples, the label of another class, each other class
    /// with the same probability. The same seed changes the same labels.
    pub fn with_label_noise(mut self, fraction: f64, seed: u64) -> Result<Self, DataError> {
        let n_classes = self.class_names.len();
        if !(0.0..=1.0).contains(&fraction) || n_classes < 2 {
            return Err(DataError::LabelNoise { fraction, n_classes });
        }
        let labels = &mut self.train.labels;
        let n_wrong = (fraction * labels.len() as f64).round() as usize;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut indices: Vec<usize> = (0..labels.len()).collect();
        for i in 0..n_wrong {
            indices.swap(i, rng.random_range(i..labels.len()));
            let label = &mut labels[indices[i]];
            let other = rng.random_range(0..n_classes as u16 - 1);
            *label = if other < *label { other } else { other + 1 };
        }
        if n_wrong > 0 {
            self.notes
                .push(format!("{n_wrong} of {} training labels are wrong on purpose (seed {seed})", labels.len()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::data::optdigits;

    #[test]
    fn exactly_the_fraction_gets_another_class_and_the_seed_decides_which() {
        let clean = optdigits();
        for (fraction, n) in [(0.0, 0), (0.2, 765), (1.0, 3_823)] {
            let noisy = optdigits().with_label_noise(fraction, 3).unwrap();
            let n_changed = clean.train.labels.iter().zip(&noisy.train.labels).filter(|(a, b)| a != b).count();
            assert_eq!(n_changed, n);
            assert_eq!(noisy.test, clean.test);
            assert!(noisy.train.labels.iter().all(|label| *label < 10));
            assert_eq!(noisy.notes.len(), usize::from(n > 0));
            assert_eq!(optdigits().with_label_noise(fraction, 3).unwrap().train, noisy.train);
        }
        let [a, b] = [3, 4].map(|seed| optdigits().with_label_noise(0.2, seed).unwrap().train.labels);
        assert_ne!(a, b);
    }

    #[test]
    fn all_other_classes_are_as_likely() {
        let clean = optdigits();
        let noisy = optdigits().with_label_noise(1.0, 0).unwrap();
        let mut counts = [0; 10];
        for (before, after) in clean.train.labels.iter().zip(&noisy.train.labels) {
            counts[usize::from((after + 10 - before) % 10)] += 1;
        }
        // 425 expected of each, with a deviation of 19.
        assert!(counts[0] == 0 && counts[1..].iter().all(|n| (325..525).contains(n)), "{counts:?}");
    }

    #[test]
    fn a_fraction_that_is_none_is_refused() {
        for fraction in [-0.1, 1.1, f64::NAN] {
            let message = optdigits().with_label_noise(fraction, 0).unwrap_err().to_string();
            assert!(message.contains("between 0 and 1"), "{message}");
        }
    }
}
