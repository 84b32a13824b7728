//! The learning rate over the epochs.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The learning rate over the epochs, as a factor of the initial one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    Constant,
    /// Garipov et al. 2018 and Anokhin & Yarotsky 2020: full for half of the epochs, then linearly down to a hundredth at
    /// nine tenths of them.
    Garipov,
    /// Tatro et al. 2020: halved every 20 epochs, and 0.9996 an epoch.
    Halving,
    /// Half a cosine from full to nothing.
    Cosine,
    /// Multiplied by `factor` at the beginning of each of the `epochs`, counted from 0 (Draxler et al. 2018).
    Steps {
        factor: f64,
        epochs: Vec<usize>,
    },
    /// Down and up again, in every so many `epochs` once: linearly from full to `lowest` at half of the cycle and back, from
    /// step to step (the triangle of fast geometric ensembling, Garipov et al. 2018, section 4). An even number of epochs puts
    /// the lowest rate between two of them.
    Cyclic {
        lowest: f64,
        epochs: usize,
    },
}

impl Schedule {
    /// Those that need no numbers.
    pub const PLAIN: [Self; 4] = [Self::Constant, Self::Garipov, Self::Halving, Self::Cosine];

    /// Factor in `epoch` (from 0) of `n_epochs`, of whose steps a `part` (0..1) is behind.
    pub fn factor(&self, epoch: usize, part: f64, n_epochs: usize) -> f64 {
        let share = epoch as f64 / n_epochs.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Garipov if share <= 0.5 => 1.0,
            Self::Garipov if share <= 0.9 => 1.0 - 0.99 * (share - 0.5) / 0.4,
            Self::Garipov => 0.01,
            Self::Halving => 0.5_f64.powi((epoch / 20) as i32) * 0.9996_f64.powi(epoch as i32),
            Self::Cosine => 0.5 * (1.0 + (share.min(1.0) * TAU / 2.0).cos()),
            Self::Steps { factor, epochs } => epochs.iter().filter(|&&step| step <= epoch).map(|_| factor).product(),
            Self::Cyclic { lowest, epochs } => {
                let cycle = (*epochs).max(1);
                let turn = ((epoch % cycle) as f64 + part) / cycle as f64;
                let height = (2.0 * turn - 1.0).abs();
                height + (1.0 - height) * lowest
            }
        }
    }
}

/// As [`FromStr`] reads it: `garipov`, `steps:0.1@150,225`, `cyclic:0.002@4`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Garipov => f.write_str("garipov"),
            Self::Halving => f.write_str("halving"),
            Self::Cosine => f.write_str("cosine"),
            Self::Steps { factor, epochs } => {
                let epochs: Vec<String> = epochs.iter().map(usize::to_string).collect();
                write!(f, "steps:{factor}@{}", epochs.join(","))
            }
            Self::Cyclic { lowest, epochs } => write!(f, "cyclic:{lowest}@{epochs}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(plain) = Self::PLAIN.into_iter().find(|schedule| schedule.to_string() == text) {
            return Ok(plain);
        }
        let unknown = || {
            format!(
                "expected constant, garipov, halving, cosine, steps such as `steps:0.1@150,225` or cycles such as \
                 `cyclic:0.002@4`, found `{text}`"
            )
        };
        let (name, rest) = text.split_once(':').ok_or_else(unknown)?;
        let (factor, epochs) = rest.split_once('@').ok_or_else(unknown)?;
        let factor: f64 = factor.parse().map_err(|_not_a_number| unknown())?;
        if !factor.is_finite() || factor <= 0.0 {
            return Err(format!("expected a factor above 0, found `{factor}` in `{text}`"));
        }
        let epochs: Vec<usize> =
            epochs.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_not_a_number| unknown())?;
        match (name, epochs.as_slice()) {
            ("steps", _) => Ok(Self::Steps { factor, epochs }),
            ("cyclic", &[epochs]) if 0 < epochs => Ok(Self::Cyclic { lowest: factor, epochs }),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_of_the_papers() {
        let garipov = |epoch| Schedule::Garipov.factor(epoch, 0.0, 100);
        assert_eq!((garipov(0), garipov(50), garipov(95)), (1.0, 1.0, 0.01));
        assert!((garipov(70) - 0.505).abs() < 1e-12 && (garipov(90) - 0.01).abs() < 1e-12);
        assert_eq!(Schedule::Halving.factor(0, 0.0, 250), 1.0);
        assert!((Schedule::Halving.factor(40, 0.0, 250) - 0.25 * 0.9996_f64.powi(40)).abs() < 1e-12);
        assert!((Schedule::Cosine.factor(50, 0.0, 100) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn steps_multiply_from_their_epochs_on() {
        let steps = Schedule::Steps { factor: 0.1, epochs: vec![150, 225] };
        let factors = [0, 149, 150, 224, 225, 299].map(|epoch| steps.factor(epoch, 0.0, 300));
        for (found, expected) in factors.into_iter().zip([1.0, 1.0, 0.1, 0.1, 0.01, 0.01]) {
            assert!((found - expected).abs() < 1e-15, "{factors:?}");
        }
    }

    #[test]
    fn cycles_go_down_to_their_middle_and_up_again() {
        let cycle = Schedule::Cyclic { lowest: 0.2, epochs: 4 };
        for (epoch, part, expected) in
            [(0, 0.0, 1.0), (1, 0.0, 0.6), (1, 0.5, 0.4), (2, 0.0, 0.2), (3, 0.0, 0.6), (3, 0.5, 0.8), (4, 0.0, 1.0)]
        {
            assert!((cycle.factor(epoch, part, 8) - expected).abs() < 1e-12, "{epoch} {part}");
        }
    }

    #[test]
    fn schedules_are_read_as_they_are_written() {
        let steps = Schedule::Steps { factor: 0.1, epochs: vec![150, 225, 275] };
        let cycles = Schedule::Cyclic { lowest: 0.002, epochs: 4 };
        for schedule in [Schedule::PLAIN.as_slice(), &[steps, cycles]].concat() {
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        for wrong in [
            "",
            "steps",
            "steps:0.1",
            "steps:0.1@",
            "steps:x@3",
            "steps:0@3",
            "steps:0.1@3,-1",
            "linear",
            "cyclic:0.1@0",
            "cyclic:0.1@2,4",
            "cycles:0.1@2",
        ] {
            let error = wrong.parse::<Schedule>().unwrap_err();
            assert!(error.starts_with("expected"), "{wrong}: {error}");
        }
    }
}
