//! Round numbers along an axis, and how they are written.

/// A place on an axis and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in the axis' values.
    pub value: f64,
    /// The number as text.
    pub label: String,
}

/// Round numbers within `[low, high]` at even steps of 1, 2 or 5 times a power of ten; about `count` of them, never more than
/// twice as many. Empty if the ends are not finite.
pub fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    if !low.is_finite() || !high.is_finite() {
        return Vec::new();
    }
    // Room for the arithmetic below.
    let (low, high) = (low.min(high).clamp(-1e300, 1e300), low.max(high).clamp(-1e300, 1e300));
    let span = high - low;
    if span <= low.abs().max(high.abs()) * 1e-12 {
        return vec![Tick { value: low, label: number(low) }];
    }
    let step = round_step(span / count.max(1) as f64);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let slack = step * 1e-9;
    let first = ((low - slack) / step).ceil();
    let places = (0..).map(|place| (first + f64::from(place)) * step).take_while(|value| *value <= high + slack);
    let largest = low.abs().max(high.abs());
    let written = |value: f64| {
        let value = if value.abs() < slack { 0.0 } else { value };
        let is_plain = largest < 1e6 && decimals <= 5;
        let label = if is_plain { signed(format!("{value:.decimals$}")) } else { number_like(value, step) };
        Tick { value, label }
    };
    places.take(64).map(written).collect()
}

/// Round numbers within `[low, high]` on a logarithmic axis: powers of ten, with their double and fivefold where the range is
/// short, thinned where it is long. Even steps if the range is too short for either. Empty unless `0 < low < high`.
pub fn log_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    if !(low > 0.0 && high > low && high.is_finite()) {
        return Vec::new();
    }
    let decades = high.log10() - low.log10();
    let wanted = count.max(2) as f64;
    let (multiples, every): (&[f64], i32) = if decades * 3.0 <= wanted * 1.25 {
        (&[1.0, 2.0, 5.0], 1)
    } else if decades * 2.0 <= wanted * 1.25 {
        (&[1.0, 3.0], 1)
    } else {
        (&[1.0], (decades / wanted).ceil().max(1.0) as i32)
    };
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let powers = powers.filter(|power| power.rem_euclid(every) == 0);
    let values = powers.flat_map(|power| multiples.iter().map(move |multiple| multiple * 10_f64.powi(power)));
    let inside = values.filter(|value| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value));
    let ticks: Vec<Tick> = inside.map(|value| Tick { value, label: number(value) }).collect();
    if ticks.len() >= 2 { ticks } else { linear_ticks(low, high, count) }
}

/// A number in as few characters as a reader needs: four digits that count.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { signed(format!("{value}")) };
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-4..6).contains(&exponent) {
        let decimals = (3 - exponent).max(0) as usize;
        return signed(trimmed(&format!("{value:.decimals$}")));
    }
    number_like(value, value.abs() * 1e-3)
}

/// In powers of ten, with as many digits as `step` asks for.
fn number_like(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor();
    let digits = (exponent - step.log10().floor()).clamp(0.0, 8.0) as usize;
    let written = format!("{value:.digits$e}");
    let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
    signed(format!("{}e{power}", trimmed(mantissa)))
}

fn trimmed(number: &str) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number.to_owned() }
}

/// With a minus sign as wide as the digits.
fn signed(number: String) -> String {
    if number.contains('-') { number.replace('-', "\u{2212}") } else { number }
}

fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let multiple = [1.0, 2.0, 5.0, 10.0].into_iter().find(|multiple| multiple * power >= raw * 0.999);
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(labels(&linear_ticks(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear_ticks(-3.2, 11.0, 4)), ["0", "5", "10"]);
        assert_eq!(labels(&linear_ticks(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&log_ticks(0.02, 3.0, 7)), ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(labels(&log_ticks(1e-8, 10.0, 4)), ["1e−6", "0.001", "1"]);
        assert_eq!(labels(&linear_ticks(2e7, 4e7, 2)), ["2e7", "3e7", "4e7"]);
    }

    #[test]
    fn any_range_gives_a_bounded_number_of_ticks() {
        let ends =
            [f64::NAN, f64::NEG_INFINITY, f64::MIN, -1.0, 0.0, 1e-300, 1e-9, 0.3, 0.30000001, 7e5, 1e300, f64::MAX];
        for low in ends {
            for high in ends {
                assert!(linear_ticks(low, high, 6).len() <= 14, "{low} {high}");
                assert!(log_ticks(low, high, 6).len() <= 14, "{low} {high}");
            }
        }
    }

    #[test]
    fn numbers_show_four_digits_that_count() {
        let cases =
            [(0.0, "0"), (1.0, "1"), (0.12345, "0.1235"), (123.456, "123.5"), (-2.5, "−2.5"), (1.5e-7, "1.5e−7")];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!(number(f64::INFINITY), "inf");
    }
}
