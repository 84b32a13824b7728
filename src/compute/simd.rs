//! Vectors of the widest kind that the processor has, chosen while the program runs, without a line of unsafe code here.
//!
//! What runs on them is `#[inline(always)]` down to the last function: only what is inlined into the dispatched call is
//! compiled for the wide instructions.

use macerator::{AutoArch, Scalar, Simd, Vector, WithSimd};

/// Values in one vector.
#[inline(always)]
pub(super) fn lanes<S: Simd>() -> usize {
    size_of::<S::Register>() / size_of::<f32>()
}

/// `from`: exactly [`lanes`] values.
#[inline(always)]
pub(super) fn load<S: Simd>(from: &[f32]) -> Vector<S, f32> {
    load_of(from)
}

/// `from`: as many values as a vector of them has.
#[inline(always)]
pub(super) fn load_of<S: Simd, T: Scalar>(from: &[T]) -> Vector<S, T> {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(from))
}

/// `to`: exactly [`lanes`] values.
#[inline(always)]
pub(super) fn store<S: Simd>(to: &mut [f32], vector: Vector<S, f32>) {
    store_of(to, vector);
}

/// `to`: as many values as a vector of them has.
#[inline(always)]
pub(super) fn store_of<S: Simd, T: Scalar>(to: &mut [T], vector: Vector<S, T>) {
    to.copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(&vector)));
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub(super) fn relu<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    let zero = 0.0_f32.splat::<S>();
    x.lt(zero).select(zero, x)
}

/// `exp(x)` for x <= 0, to 2 units in the last place; what is below -87 gives exp(-87), NaN gives NaN.
///
/// `x = n ln 2 + r` with a whole n and |r| <= ln 2 / 2, so that `exp(x) = 2^n exp(r)`: the first factor is written into the
/// exponent's bits, the second is a Taylor polynomial.
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(x: Vector<S, f32>) -> Vector<S, f32> {
    const LN_2_HIGH: f32 = 0.693_359_4; // few bits, so that its product with n is exact
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let lowest = (-87.0_f32).splat::<S>();
    // A comparison with NaN is false, which lets it through.
    let x = x.lt(lowest).select(lowest, x);
    let n = (x * std::f32::consts::LOG2_E.splat::<S>()).round_ties_even();
    let r = n.mul_add((-LN_2_HIGH).splat::<S>(), x);
    let r = n.mul_add((-LN_2_LOW).splat::<S>(), r);
    let mut sum = (1.0_f32 / 5040.0).splat::<S>();
    for factor in [720.0_f32, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        sum = sum.mul_add(r, factor.recip().splat::<S>());
    }
    let exponent = (n.round_to_int() + 127_i32.splat::<S>()) << 23;
    sum * exponent.reinterpret::<f32>()
}

/// `sum += factor * x`, value by value.
pub(super) fn add_scaled(sum: &mut [f32], factor: f32, x: &[f32]) {
    AutoArch::new().dispatch(AddScaled { sum, factor, x });
}

struct AddScaled<'a> {
    sum: &'a mut [f32],
    factor: f32,
    x: &'a [f32],
}

impl WithSimd for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        // The compiler makes vectors of it.
        for (sum, x) in self.sum.iter_mut().zip(self.x) {
            *sum += self.factor * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `exp_of_negative` of each value.
    struct Exps<'a>(&'a [f32]);

    impl WithSimd for Exps<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> Vec<f32> {
            let mut found = self.0.to_vec();
            for chunk in found.chunks_exact_mut(lanes::<S>()) {
                let exps = exp_of_negative(load::<S>(chunk));
                store(chunk, exps);
            }
            found
        }
    }

    #[test]
    fn exponentials_are_right_to_the_last_bits() {
        let xs: Vec<f32> = (0..16_000).map(|i| -87.0 * i as f32 / 16_000.0).collect();
        for (x, found) in xs.iter().zip(AutoArch::new().dispatch(Exps(&xs))) {
            let exact = f64::from(*x).exp();
            assert!((f64::from(found) / exact - 1.0).abs() < 3e-7, "exp({x}) = {found}");
        }
    }

    #[test]
    fn exponentials_of_what_is_not_finite() {
        let mut xs = [0.0; 16];
        xs[1] = f32::NAN;
        xs[2] = f32::NEG_INFINITY;
        let found = AutoArch::new().dispatch(Exps(&xs));
        assert_eq!(found[0], 1.0);
        assert!(found[1].is_nan());
        assert!(found[2] < 1e-37);
    }
}
