//! Counts of values in bins of equal width.

/// Widths to choose from: edges at their multiples are round numbers.
const WIDTHS: [f64; 8] = [0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25];

/// Neighbouring intervals of equal width; each holds its lower edge, the last one its upper edge too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// Lowest edge, in widths.
    first: i64,
    pub width: f64,
    pub n: usize,
}

impl Bins {
    /// The narrowest round bins that hold all finite values, at most `most` of them where a width of 1/4 is enough for that.
    /// `None` without a finite value.
    pub fn covering(values: impl IntoIterator<Item = f64>, most: usize) -> Option<Self> {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
        let of_width = |width: f64| {
            let first = (low / width).floor() as i64;
            let n = ((high / width).ceil() as i64 - first).max(1) as usize;
            Self { first, width, n }
        };
        let fitting = WIDTHS.into_iter().map(of_width).find(|bins| bins.n <= most);
        Some(fitting.unwrap_or_else(|| of_width(WIDTHS[WIDTHS.len() - 1])))
    }

    /// Lower edge of a bin; that of bin `n` is the upper edge of the last one.
    pub fn edge(&self, bin: usize) -> f64 {
        (self.first + bin as i64) as f64 * self.width
    }

    /// The bin of a value; `None` outside of all.
    pub fn of(&self, value: f64) -> Option<usize> {
        if !(self.edge(0)..=self.edge(self.n)).contains(&value) {
            return None;
        }
        let bin = (value / self.width).floor() as i64 - self.first;
        Some(usize::try_from(bin).unwrap_or(0).min(self.n - 1))
    }

    /// How many values lie in each bin, `[n]`.
    pub fn counts(&self, values: impl IntoIterator<Item = f64>) -> Vec<usize> {
        let mut counts = vec![0; self.n];
        for bin in values.into_iter().filter_map(|value| self.of(value)) {
            counts[bin] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_round_and_hold_every_value_once() {
        let values = [-0.13, 0.0, 0.1, 0.42, 1.0];
        let bins = Bins::covering(values, 15).unwrap();
        assert_eq!((bins.width, bins.n), (0.1, 12));
        assert!((bins.edge(0) + 0.2).abs() < 1e-12 && (bins.edge(bins.n) - 1.0).abs() < 1e-12);
        let counts = bins.counts(values);
        assert_eq!(counts.iter().sum::<usize>(), 5);
        assert_eq!((counts[0], counts[2], counts[11]), (1, 1, 1), "{counts:?}");
    }

    #[test]
    fn values_outside_belong_to_no_bin() {
        let bins = Bins::covering([0.0, 0.5], 10).unwrap();
        assert_eq!((bins.of(-0.01), bins.of(0.51), bins.of(f64::NAN)), (None, None, None));
        assert_eq!(bins.of(0.5), Some(bins.n - 1));
    }

    #[test]
    fn one_value_has_one_bin_and_none_has_none() {
        let alone = Bins::covering([0.03, f64::NAN, f64::INFINITY], 10).unwrap();
        assert_eq!((alone.n, alone.of(0.03)), (1, Some(0)));
        assert_eq!(Bins::covering([f64::NAN], 10), None);
        assert_eq!(Bins::covering([0.0, 9.0], 10).unwrap().width, 0.25, "the widest bins, however many");
    }
}
