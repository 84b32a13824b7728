use super::*;

/// As on a processor with 16 registers.
struct Narrow<'a, T>(StripProducts<'a, T>);

impl<T: VMulAdd + Pod + Into<f64>> WithSimd for Narrow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        self.0.sweep::<S>(false);
    }
}

const ROOM: usize = 48;
const N_SAMPLES: usize = 41;
const N_ROWS: usize = 20;
const ROW_LEN: usize = 44;
const FIRST_COLUMN: usize = 3;

fn value(i: usize) -> f32 {
    ((i * 7919) % 23) as f32 / 23.0 - 0.3
}

fn panels<T: From<f32>, const P: usize>(seed: usize) -> Vec<[T; P]> {
    (0..2 * ROOM).map(|i| std::array::from_fn(|unit| T::from(value(seed + i * P + unit)))).collect()
}

fn strip<'a, T>(a: &'a [[T; A_UNITS]], b: &'a [[T; B_UNITS]], products: &'a mut [f64]) -> StripProducts<'a, T> {
    let (row_len, first_column) = (ROW_LEN, FIRST_COLUMN);
    StripProducts { a, b, room: ROOM, n_samples: N_SAMPLES, products, row_len, first_column }
}

fn assert_products<T: From<f32> + VMulAdd + Pod + Into<f64>>(tolerance: f64) {
    let (a, b) = (panels::<T, A_UNITS>(1), panels::<T, B_UNITS>(900));
    let mut wide = vec![0.5; N_ROWS * ROW_LEN];
    let mut narrow = wide.clone();
    strip(&a, &b, &mut wide).add();
    AutoArch::new().dispatch(Narrow(strip(&a, &b, &mut narrow)));
    assert_eq!(wide, narrow);
    for (place, found) in wide.iter().enumerate() {
        let (row, column) = (place / ROW_LEN, place % ROW_LEN);
        let product = |sample: usize, unit: usize| -> f64 {
            let x: f64 = a[row / A_UNITS * ROOM + sample][row % A_UNITS].into();
            let y: f64 = b[unit / B_UNITS * ROOM + sample][unit % B_UNITS].into();
            x * y
        };
        let unit = column.checked_sub(FIRST_COLUMN);
        let expected = 0.5 + unit.map_or(0.0, |unit| (0..N_SAMPLES).map(|sample| product(sample, unit)).sum::<f64>());
        assert!((found - expected).abs() < tolerance, "{row} {column}: {found} {expected}");
    }
}

#[test]
fn products_are_those_of_plain_loops_in_both_precisions_and_with_few_registers() {
    assert_products::<f32>(1e-5);
    assert_products::<f64>(1e-13);
}
