use super::*;

fn value(i: usize) -> f32 {
    ((i * 7919) % 23) as f32 / 23.0 - 0.3
}

/// Maps of 5 channels and 4 pixels, of which 2 count, for 37 images in groups of 2 blocks.
const N_CHANNELS: usize = 5;
const PIXELS: [usize; 2] = [1, 2];
const N_IMAGES: usize = 37;

fn groups(seed: usize) -> [Vec<Row>; 2] {
    let rows = |n_blocks: usize, seed: usize| {
        let row = |i: usize| std::array::from_fn(|lane| value(seed + i * LANES + lane));
        (0..n_blocks * 4 * N_CHANNELS).map(row).collect()
    };
    [rows(2, seed), rows(1, seed + 5000)]
}

fn samples<'a>(groups: &'a [&'a [Row]], channels: &'a [usize]) -> Samples<'a> {
    Samples {
        groups,
        group_blocks: 2,
        n_channels: N_CHANNELS,
        map_pixels: 4,
        pixels: &PIXELS,
        n_images: N_IMAGES,
        channels,
        turn: 0,
    }
}

/// `[n_samples][n_units]`, image by image.
fn as_listed(groups: &[Vec<Row>; 2], channels: &[usize]) -> Vec<Vec<f64>> {
    let mut found = Vec::new();
    for image in 0..N_IMAGES {
        let (block, lane) = (image / LANES, image % LANES);
        for pixel in PIXELS {
            let at =
                |channel: &usize| f64::from(groups[block / 2][(block % 2 * 4 + pixel) * N_CHANNELS + channel][lane]);
            found.push(channels.iter().map(at).collect());
        }
    }
    found
}

#[test]
fn moments_are_those_of_the_samples_that_count() {
    // More units than a panel of either network holds; several show the same channel.
    let channels: Vec<usize> = (0..45).map(|unit| unit * 3 % N_CHANNELS).collect();
    let n = channels.len();
    let (a, b) = (groups(1), groups(77));
    let (rows_a, rows_b) = (a.each_ref().map(Vec::as_slice), b.each_ref().map(Vec::as_slice));
    let both = [samples(&rows_a, &channels), samples(&rows_b, &channels)];
    let shifts = both.map(|samples| samples.means());
    let mut moments = CrossMoments::new(n);
    let mut products = CrossProducts::new(n);
    for _ in 0..2 {
        products.add(both, shifts.each_ref().map(Vec::as_slice), &mut moments);
    }
    assert_eq!(moments.n_samples, 2 * N_IMAGES * PIXELS.len());

    let (a, b) = (as_listed(&a, &channels), as_listed(&b, &channels));
    let mean = |x: &[Vec<f64>], unit: usize| x.iter().map(|sample| sample[unit]).sum::<f64>() / x.len() as f64;
    let twice = |x: &[Vec<f64>], i: usize, y: &[Vec<f64>], j: usize| {
        2.0 * x
            .iter()
            .zip(y)
            .map(|(x, y)| (x[i] - f64::from(shifts[0][i])) * (y[j] - f64::from(shifts[1][j])))
            .sum::<f64>()
    };
    for i in 0..n {
        assert!((f64::from(shifts[0][i]) - mean(&a, i)).abs() < 1e-6);
        assert!((f64::from(shifts[1][i]) - mean(&b, i)).abs() < 1e-6);
        assert!(moments.a.sums[i].abs() < 1e-4 && moments.b.sums[i].abs() < 1e-4);
        let square: f64 = a.iter().map(|sample| (sample[i] - f64::from(shifts[0][i])).powi(2)).sum();
        assert!((moments.a.squares[i] - 2.0 * square).abs() < 1e-4);
        for j in 0..n {
            let (found, expected) = (moments.products[i * n + j], twice(&a, i, &b, j));
            assert!((found - expected).abs() < 1e-4, "{i} {j}: {found} {expected}");
        }
    }
}
