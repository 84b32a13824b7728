//! Points in the plane, for pictures of what a network decides: always the same 1,000 training and 500 test points.

use std::f64::consts::{PI, TAU};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Dataset, ImageShape, Split, Values};

const N_TRAIN: usize = 1_000;
const N_TEST: usize = 500;
const TRAIN_SEED: u64 = 1;
const TEST_SEED: u64 = 2;

/// A toy by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toy {
    /// Two half circles that reach into each other (scikit-learn's `make_moons`, noise 0.1).
    Moons,
    /// Three arms of a spiral (as in Stanford's CS231n, noise 0.15 rad).
    Spirals,
    /// Four normal distributions on the corners of a square, of deviation 0.5.
    Blobs,
}

impl Toy {
    pub const ALL: [Self; 3] = [Self::Moons, Self::Spirals, Self::Blobs];

    /// What [`super::open`] knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Moons => "moons",
            Self::Spirals => "spirals",
            Self::Blobs => "blobs",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|toy| toy.name() == name)
    }

    fn n_classes(self) -> usize {
        match self {
            Self::Moons => 2,
            Self::Spirals => 3,
            Self::Blobs => 4,
        }
    }

    /// The data set; both coordinates of a point are about as large as 1.
    pub fn dataset(self) -> Dataset {
        Dataset {
            name: self.name().to_owned(),
            source: "embedded".to_owned(),
            shape: ImageShape::tabular(2),
            max_value: u8::MAX,
            class_names: (0..self.n_classes()).map(|class| class.to_string()).collect(),
            train: self.split(N_TRAIN, TRAIN_SEED),
            test: self.split(N_TEST, TEST_SEED),
            notes: Vec::new(),
        }
    }

    /// Points of all classes in turn.
    fn split(self, n: usize, seed: u64) -> Split {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<u16> = (0..n).map(|index| (index % self.n_classes()) as u16).collect();
        let points = labels.iter().flat_map(|&label| self.point(f64::from(label), &mut rng).map(|x| x as f32));
        Split { values: Values::Floats(points.collect()), labels }
    }

    fn point(self, class: f64, rng: &mut ChaCha8Rng) -> [f64; 2] {
        // From libm, so that the points are the same on every machine.
        let along: f64 = rng.random();
        let noise = normal(rng);
        match self {
            Self::Moons => {
                let (sin, cos) = libm::sincos(PI * along);
                let [x, y] = if class < 0.5 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
                [x + 0.1 * noise[0], y + 0.1 * noise[1]]
            }
            Self::Spirals => {
                let angle = TAU * class / 3.0 + 4.0 * along + 0.15 * noise[0];
                let (sin, cos) = libm::sincos(angle);
                [along * sin, along * cos]
            }
            Self::Blobs => {
                let (sin, cos) = libm::sincos(TAU * (class + 0.5) / 4.0);
                [2.0 * cos + 0.5 * noise[0], 2.0 * sin + 0.5 * noise[1]]
            }
        }
    }
}

/// Two independent standard normal numbers (Box and Muller, 1958).
fn normal(rng: &mut ChaCha8Rng) -> [f64; 2] {
    // Above 0, so that the logarithm is finite.
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.random::<f64>()));
    let (sin, cos) = libm::sincos(TAU * rng.random::<f64>());
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normalization;

    #[test]
    fn toys_open_by_their_names() {
        for (name, n_classes) in [("moons", 2), ("spirals", 3), ("blobs", 4)] {
            let toy = crate::data::open(name).unwrap();
            assert_eq!((toy.name.as_str(), toy.n_classes()), (name, n_classes));
            assert_eq!((toy.train.len(), toy.test.len()), (N_TRAIN, N_TEST));
            assert_eq!((toy.train.values.len(), toy.shape.to_string().as_str()), (2 * N_TRAIN, "2 values"));
            assert_eq!(toy.train, Toy::by_name(name).unwrap().dataset().train, "the same every time");
        }
    }

    #[test]
    fn blobs_lie_around_the_corners_of_their_square() {
        let blobs = Toy::Blobs.dataset();
        let Values::Floats(points) = &blobs.train.values else { panic!("points are floats") };
        for class in 0..4_u16 {
            let own = points.chunks(2).zip(&blobs.train.labels).filter(|(_, label)| **label == class);
            let mean = own.fold([0.0, 0.0], |sum, (p, _)| [sum[0] + p[0] / 250.0, sum[1] + p[1] / 250.0]);
            // The mean of 250 points of deviation 0.5 is 0.03 off.
            assert!(mean.iter().all(|x| (x.abs() - 2.0_f32.sqrt()).abs() < 0.15), "{mean:?}");
        }
    }

    #[test]
    fn moons_have_the_statistics_of_their_construction() {
        // Two half circles of radius 1, the second moved by (1, 1/2) and turned: mean (1/2, 1/4).
        let found = Normalization::of_train(&Toy::Moons.dataset());
        assert!((found.mean[0] - 0.5).abs() < 0.08 && (found.mean[1] - 0.25).abs() < 0.06, "{found:?}");
    }

    #[test]
    fn spirals_stay_in_the_unit_circle() {
        let Values::Floats(points) = Toy::Spirals.dataset().train.values else { panic!("points are floats") };
        assert!(points.chunks(2).all(|p| p[0].hypot(p[1]) <= 1.0 + 1e-6));
    }
}
