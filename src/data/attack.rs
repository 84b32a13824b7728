//! Projected gradient descent on images (Madry et al. 2018): how far an adversary may move a pixel, and its steps
//! (METHODS-ALIGNMENT, section 5).

use std::fmt;
use std::str::FromStr;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::{Dataset, ImageShape, Normalization, SplitName, Values};

/// Steps from black to white of a byte.
const SHADES: f64 = 255.0;

/// An adversary that climbs the loss within a box around each image. In units of pixels between 0 and 1; for examples that
/// are no images, in their own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// The furthest that a pixel is moved.
    pub eps: f64,
    /// What one step moves it.
    pub step: f64,
    pub n_steps: usize,
}

impl Attack {
    /// Of CIFAR's images in Tatro et al. 2020, and of Tiny ImageNet's.
    pub const COLOUR: Self = Self { eps: 8.0 / 255.0, step: 2.0 / 255.0, n_steps: 5 };
    pub const COLOUR_HALF: Self = Self { eps: 4.0 / 255.0, step: 1.0 / 255.0, n_steps: 5 };
    /// Of grey images, whose ink is nearly black or nearly white: as many steps over a larger ball.
    pub const GREY: Self = Self { eps: 0.1, step: 0.025, n_steps: 5 };

    /// What examples of this shape are usually attacked with.
    pub fn usual(shape: ImageShape) -> Self {
        if shape.channels == 3 { Self::COLOUR } else { Self::GREY }
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", in_shades(self.eps), in_shades(self.step), self.n_steps)
    }
}

/// How far a pixel goes, as [`parse_shades`] reads it: `8/255` where it is a whole number of the shades of a byte and that is
/// shorter.
pub fn in_shades(amount: f64) -> String {
    let shades = (amount * SHADES).round();
    let (decimal, fraction) = (amount.to_string(), format!("{shades}/255"));
    if shades / SHADES == amount && fraction.len() < decimal.len() { fraction } else { decimal }
}

/// `0.1` or `8/255`; none of negative amounts.
pub fn parse_shades(text: &str) -> Option<f64> {
    let (value, unit) = text.trim().split_once('/').unwrap_or((text, "1"));
    let found = value.trim().parse::<f64>().ok()? / unit.trim().parse::<f64>().ok()?;
    (found.is_finite() && 0.0 <= found).then_some(found)
}

/// `EPS,STEP,STEPS`, such as `8/255,2/255,5`.
impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected EPS,STEP,STEPS such as 8/255,2/255,5, found `{text}`");
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let &[eps, step, n_steps] = parts.as_slice() else {
            return Err(wrong());
        };
        match (parse_shades(eps), parse_shades(step), n_steps.parse()) {
            (Some(eps), Some(step), Ok(n_steps)) => Ok(Self { eps, step, n_steps }),
            _ => Err(wrong()),
        }
    }
}

/// An attack in the values that a network takes: normalised, channel by channel.
#[derive(Clone, Debug)]
pub struct Ball {
    channels: Vec<ChannelBall>,
    /// Values of a channel.
    per_channel: usize,
}

#[derive(Clone, Copy, Debug)]
struct ChannelBall {
    radius: f32,
    step: f32,
    low: f32,
    high: f32,
}

impl Ball {
    /// Pixels stay between 0 and 1; values that are no pixels may be any.
    pub fn new(attack: Attack, dataset: &Dataset, split: SplitName, normalization: &Normalization) -> Self {
        let ImageShape { height, width, .. } = dataset.shape;
        let (low, high) = match dataset.split(split).values {
            Values::Bytes(_) => (0.0, 1.0),
            Values::Floats(_) => (f32::NEG_INFINITY, f32::INFINITY),
        };
        let channel = |(mean, std): (&f32, &f32)| ChannelBall {
            radius: attack.eps as f32 / std,
            step: attack.step as f32 / std,
            low: (low - mean) / std,
            high: (high - mean) / std,
        };
        let channels = normalization.mean.iter().zip(&normalization.std).map(channel).collect();
        Self { channels, per_channel: height * width }
    }

    /// A random place in the ball around `clean`, both `[channels, height, width]`.
    pub fn start(&self, clean: &[f32], rng: &mut impl rand::Rng, image: &mut [f32]) {
        for (index, (value, &clean)) in image.iter_mut().zip(clean).enumerate() {
            let ball = self.channel(index);
            *value = ball.project(clean, clean + ball.radius * rng.random_range(-1.0_f32..=1.0));
        }
    }

    /// A step along the sign of the loss's slope, and back into the ball around `clean`.
    pub fn advance(&self, clean: &[f32], slope: &[f32], image: &mut [f32]) {
        for (index, ((value, &clean), slope)) in image.iter_mut().zip(clean).zip(slope).enumerate() {
            let ball = self.channel(index);
            let direction = if *slope == 0.0 { 0.0 } else { slope.signum() };
            *value = ball.project(clean, *value + ball.step * direction);
        }
    }

    fn channel(&self, index: usize) -> ChannelBall {
        self.channels[index / self.per_channel.max(1)]
    }
}

impl ChannelBall {
    fn project(self, clean: f32, value: f32) -> f32 {
        value.clamp(clean - self.radius, clean + self.radius).max(self.low).min(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const ATTACK: Attack = Attack { eps: 0.1, step: 0.04, n_steps: 5 };

    fn dataset(values: Values) -> Dataset {
        let train = Split { values, labels: vec![0] };
        Dataset {
            name: "one".to_owned(),
            source: "made for a test".to_owned(),
            shape: ImageShape { channels: 2, height: 1, width: 3 },
            max_value: 255,
            class_names: vec!["0".to_owned()],
            train,
            test: Split::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn attacks_are_read_and_printed() {
        let attack: Attack = "8/255, 2/255,5".parse().unwrap();
        assert_eq!(attack, Attack { eps: 8.0 / 255.0, step: 2.0 / 255.0, n_steps: 5 });
        assert_eq!(attack.to_string(), "8/255,2/255,5");
        for attack in [attack, Attack::GREY, Attack { eps: 0.0, step: 1.0, n_steps: 0 }] {
            assert_eq!(attack.to_string().parse::<Attack>().unwrap(), attack);
        }
        for text in ["", "1,2", "-1,2,3", "0.1,0.1,x", "1/0,1,1", "a/b,1,1"] {
            assert!(text.parse::<Attack>().is_err(), "{text}");
        }
    }

    #[test]
    fn images_stay_in_the_ball_and_between_0_and_1_before_normalisation() {
        let normalization = Normalization { mean: vec![0.5, 0.2], std: vec![0.25, 0.5] };
        let dataset = dataset(Values::Bytes(vec![0, 128, 255, 10, 200, 250]));
        let ball = Ball::new(ATTACK, &dataset, SplitName::Train, &normalization);
        let mut clean = [0.0; 6];
        dataset.inputs(SplitName::Train, &normalization).read(0, &mut clean);
        let pixel = |index: usize, value: f32| value * normalization.std[index / 3] + normalization.mean[index / 3];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut image = [0.0; 6];
        ball.start(&clean, &mut rng, &mut image);
        assert_ne!(image, clean, "the start is random");
        for _ in 0..ATTACK.n_steps {
            ball.advance(&clean, &[1.0, 1.0, 1.0, -1.0, -1.0, -1.0], &mut image);
            for (index, (&value, &clean)) in image.iter().zip(&clean).enumerate() {
                let (moved, before) = (pixel(index, value), pixel(index, clean));
                assert!((moved - before).abs() < 0.1 + 1e-6, "{moved} {before}");
                assert!((-1e-6..=1.0 + 1e-6).contains(&moved), "{moved}");
            }
        }
        // Enough steps to reach the edge: of the ball, or of what a pixel can be.
        let expected = [0.1, 128.0 / 255.0 + 0.1, 1.0, 0.0, 200.0 / 255.0 - 0.1, 250.0 / 255.0 - 0.1];
        for (index, (&value, expected)) in image.iter().zip(expected).enumerate() {
            assert!((pixel(index, value) - expected).abs() < 1e-5, "{index}: {} {expected}", pixel(index, value));
        }
    }

    #[test]
    fn values_that_are_no_pixels_are_only_held_in_the_ball() {
        let dataset = dataset(Values::Floats(vec![-3.0, 0.0, 7.0, 1.0, 2.0, 3.0]));
        let ball = Ball::new(ATTACK, &dataset, SplitName::Train, &Normalization::identity(2));
        let clean = [-3.0, 0.0, 7.0, 1.0, 2.0, 3.0];
        let mut image = clean;
        (0..5).for_each(|_| ball.advance(&clean, &[1.0, 0.0, 1.0, 1.0, -1.0, 1.0], &mut image));
        let expected = [-2.9, 0.0, 7.1, 1.1, 1.9, 3.1];
        assert!(image.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-5), "{image:?}");
    }
}
