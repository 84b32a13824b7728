//! How fast a quantity changes along a curve: its Fourier spectrum over t.

use std::f64::consts::TAU;

/// The magnitudes of the Fourier coefficients of evenly spaced values at wavenumbers 1 to `n`, each divided by that at 0 (the
/// sum of the values): wavenumber k is k waves from the first value to the last (Tatro et al. 2020, the sixth figure of their
/// scripts; METHODS-ALIGNMENT, F7).
///
/// Half as many wavenumbers as there are values can be told apart; those beyond are left out. Empty for values that are not
/// finite or sum up to 0.
pub fn spectrum(values: &[f64], n: usize) -> Vec<f64> {
    let magnitude = |wavenumber: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (place, value) in values.iter().enumerate() {
            let angle = TAU * (wavenumber * place % values.len()) as f64 / values.len() as f64;
            re += value * angle.cos();
            im -= value * angle.sin();
        }
        f64::hypot(re, im)
    };
    let whole = magnitude(0);
    if !whole.is_finite() || whole == 0.0 {
        return Vec::new();
    }
    (1..=n.min(values.len() / 2)).map(|wavenumber| magnitude(wavenumber) / whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_one_wavenumber() {
        let values: Vec<f64> = (0..32).map(|i| 2.0 + (TAU * 3.0 * f64::from(i) / 32.0).cos()).collect();
        let found = spectrum(&values, 8);
        assert_eq!(found.len(), 8);
        for (place, value) in found.iter().enumerate() {
            // A cosine of amplitude 1 on a mean of 2.
            let expected = if place + 1 == 3 { 0.25 } else { 0.0 };
            assert!((value - expected).abs() < 1e-12, "wavenumber {}: {value}", place + 1);
        }
    }

    #[test]
    fn what_does_not_change_has_no_spectrum_and_few_values_have_few_wavenumbers() {
        assert!(spectrum(&[3.0; 9], 8).iter().all(|value| *value < 1e-12));
        assert_eq!(spectrum(&[1.0, 2.0, 4.0, 3.0], 8).len(), 2);
        assert!(spectrum(&[], 8).is_empty());
        assert!(spectrum(&[1.0, f64::NAN], 8).is_empty());
        assert!(spectrum(&[1.0, -1.0], 8).is_empty());
    }
}
