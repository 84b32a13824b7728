//! Logits to loss and accuracy where images lie along the vector's lanes.

use macerator::{Scalar as _, Simd};

use super::score::Score;
use super::simd::{exp_of_negative, lanes, load, store};

/// Cross-entropy and right answers over the first `labels.len()` of N images. `logits`: a row a class.
#[inline(always)]
pub(super) fn score_rows<S: Simd, const N: usize>(logits: &[[f32; N]], labels: &[u16]) -> Score {
    let (mut max, mut sum, mut best) = ([0.0; N], [0.0; N], [0.0; N]);
    for block in 0..N / lanes::<S>() {
        let place = block * lanes::<S>()..(block + 1) * lanes::<S>();
        let mut highest = load::<S>(&logits[0][place.clone()]);
        for row in &logits[1..] {
            highest = highest.max(load(&row[place.clone()]));
        }
        // A NaN anywhere, or only infinities, makes the sum NaN and with it the loss.
        let mut total = 0.0_f32.splat::<S>();
        let mut first = (-1.0_f32).splat::<S>();
        for (class, row) in logits.iter().enumerate().rev() {
            let z = load::<S>(&row[place.clone()]);
            total += exp_of_negative(z - highest);
            first = z.eq(highest).select((class as f32).splat::<S>(), first);
        }
        store(&mut max[place.clone()], highest);
        store(&mut sum[place.clone()], total);
        store(&mut best[place], first);
    }
    let mut score = Score::default();
    for (image, &label) in labels.iter().enumerate() {
        let below_max = logits[usize::from(label)][image] - max[image];
        score.loss += f64::from(sum[image].ln() - below_max);
        score.n_correct += u64::from(best[image] == f32::from(label) && !sum[image].is_nan());
    }
    score
}
