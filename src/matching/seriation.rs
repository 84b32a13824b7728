//! An order of units in which a matrix of correlations shows its blocks: units that respond alike stand side by side.
//!
//! The order is that of the second eigenvector of the normalised Laplacian of the graph whose edges are the correlations
//! (Atkins, Boman & Hendrickson 1998, "A spectral algorithm for seriation"; Shi & Malik 2000 for the normalisation), found by
//! Lanczos iteration.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{Matrix, Permutation};

/// Products with the matrix at most; at a thousandth of its length the vector's error is no longer seen.
const MOST_PRODUCTS: usize = 48;
const TOLERANCE: f64 = 1e-4;
/// Rows whose contributions are summed by one thread: fixed, so that rounding does not depend on how many there are.
const ROWS: usize = 128;
const LANES: usize = 8;

/// The units of A in an order that brings like ones together, as place by place the number of a unit. Units without any
/// positive correlation stand at the end, those that are dead last of all.
///
/// `correlation`: `[n, n]`, rows are units of A, columns units of B in their own order, finite. `permutation`: `source(i)` is
/// the partner of A's unit i. `dead`: `[n]`, units of A.
pub fn seriate(correlation: &Matrix, permutation: &Permutation, dead: &[bool]) -> Vec<usize> {
    let graph = Graph::new(correlation, permutation, dead);
    let heights = graph.heights();
    let rank = |unit: usize| match (dead[unit], 0.0 < graph.scale[unit]) {
        (false, true) => 0,
        (false, false) => 1,
        (true, _) => 2,
    };
    let mut order: Vec<usize> = (0..dead.len()).collect();
    order.sort_by(|&a, &b| rank(a).cmp(&rank(b)).then(heights[a].total_cmp(&heights[b])).then(a.cmp(&b)));
    let n_connected = order.iter().filter(|&&unit| rank(unit) == 0).count();
    let connected = &mut order[..n_connected];
    // The vector's sign is chance.
    if connected.first() > connected.last() {
        connected.reverse();
    }
    order
}

/// Units joined by the squares of their positive correlations: that of i with the partner of j and that of j with the
/// partner of i.
struct Graph<'a> {
    correlation: &'a Matrix,
    permutation: &'a Permutation,
    /// One over the root of a unit's degree; 0 for those that are dead or have no edges.
    scale: Vec<f64>,
}

impl<'a> Graph<'a> {
    fn new(correlation: &'a Matrix, permutation: &'a Permutation, dead: &[bool]) -> Self {
        let live = dead.iter().map(|&dead| if dead { 0.0 } else { 1.0 }).collect();
        let mut graph = Self { correlation, permutation, scale: live };
        let degrees = graph.product(&vec![1.0; dead.len()]);
        graph.scale = degrees.into_iter().map(|degree| if degree < 1e-9 { 0.0 } else { 1.0 / degree.sqrt() }).collect();
        graph
    }

    /// `S (H + H') S v` without the diagonal: S the scale, H the edges with columns in the order of A's units.
    fn product(&self, v: &[f64]) -> Vec<f64> {
        let n = v.len();
        let scaled: Vec<f32> = v.iter().zip(&self.scale).map(|(value, scale)| (value * scale) as f32).collect();
        let by_source = self.by_source(&scaled);
        let rows: Vec<usize> = (0..n).collect();
        let parts: Vec<(Vec<f64>, Vec<f32>)> = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let mut across = vec![0.0; n];
                let along = rows
                    .iter()
                    .map(|&unit| {
                        let row = self.correlation.row(unit);
                        let own = row[self.permutation.source(unit)].max(0.0);
                        let sum = row_products(row, &by_source, scaled[unit], &mut across);
                        f64::from(sum) - 2.0 * f64::from(own * own * scaled[unit])
                    })
                    .collect();
                (along, across)
            })
            .collect();
        let mut across = vec![0.0; n];
        for (_, part) in &parts {
            across.iter_mut().zip(part).for_each(|(total, &value)| *total += f64::from(value));
        }
        let along = parts.iter().flat_map(|(along, _)| along);
        let sources = self.permutation.sources().iter();
        along.zip(sources).zip(&self.scale).map(|((along, &source), scale)| (along + across[source]) * scale).collect()
    }

    /// Values of A's units in the order of their partners in B.
    fn by_source(&self, values: &[f32]) -> Vec<f32> {
        let mut moved = vec![0.0; values.len()];
        for (&source, &value) in self.permutation.sources().iter().zip(values) {
            moved[source] = value;
        }
        moved
    }

    /// The second eigenvector of the random walk on the graph, `[n]`: like units have like heights. 0 without edges.
    fn heights(&self) -> Vec<f64> {
        // The first one is known: the roots of the degrees.
        let mut first: Vec<f64> = self.scale.iter().map(|&scale| if 0.0 < scale { 1.0 / scale } else { 0.0 }).collect();
        normalise(&mut first);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut next: Vec<f64> =
            first.iter().map(|&c| if c == 0.0 { 0.0 } else { rng.random_range(-1.0..1.0) }).collect();
        let mut basis: Vec<Vec<f64>> = vec![first];
        let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut weights = Vec::new();
        for _ in 0..MOST_PRODUCTS {
            // Twice, since the first pass leaves what rounding left.
            orthogonalise(&mut next, &basis);
            orthogonalise(&mut next, &basis);
            let length = normalise(&mut next);
            let last: f64 = weights.last().copied().unwrap_or(1.0);
            if length * last.abs() < TOLERANCE {
                break;
            }
            if !diagonal.is_empty() {
                beside.push(length);
            }
            let image = self.product(&next);
            diagonal.push(dot(&next, &image));
            basis.push(std::mem::replace(&mut next, image));
            weights = largest_eigenvector(&diagonal, &beside);
        }
        let mut heights = vec![0.0; self.scale.len()];
        for (weight, vector) in weights.iter().zip(&basis[1..]) {
            heights.iter_mut().zip(vector).for_each(|(height, value)| *height += weight * value);
        }
        heights.iter_mut().zip(&self.scale).for_each(|(height, scale)| *height *= scale);
        heights
    }
}

/// The squares of what is positive in `row`: their product with `v` is returned, and `factor` times them is added to `sums`.
fn row_products(row: &[f32], v: &[f32], factor: f32, sums: &mut [f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (vs, v_rest) = v.as_chunks::<LANES>();
    let (chunks, sums_rest) = sums.as_chunks_mut::<LANES>();
    for ((row, v), sums) in rows.iter().zip(vs).zip(chunks) {
        for lane in 0..LANES {
            let edge = row[lane].max(0.0) * row[lane].max(0.0);
            lanes[lane] += edge * v[lane];
            sums[lane] += edge * factor;
        }
    }
    let mut sum: f32 = lanes.iter().sum();
    for ((row, v), total) in row_rest.iter().zip(v_rest).zip(sums_rest) {
        let edge = row.max(0.0) * row.max(0.0);
        sum += edge * v;
        *total += edge * factor;
    }
    sum
}

/// Of the symmetric tridiagonal matrix with this diagonal and these positive values beside it, of length 1. All its entries
/// are positive.
fn largest_eigenvector(diagonal: &[f64], beside: &[f64]) -> Vec<f64> {
    let reach = 2.0 * beside.iter().copied().fold(0.0, f64::max) + f64::EPSILON;
    let largest = diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // All pivots of the shifted matrix are positive above its largest eigenvalue, and only there.
    let (mut low, mut high) = (largest, largest + reach);
    for _ in 0..52 {
        let middle = 0.5 * (low + high);
        match pivots(middle, diagonal, beside) {
            Some(_) => high = middle,
            None => low = middle,
        }
    }
    let mut vector = vec![1.0; diagonal.len()];
    let Some(pivots) = pivots(high, diagonal, beside) else {
        return vector;
    };
    for _ in 0..3 {
        // Inverse iteration: forwards and backwards through the two factors.
        for i in 1..vector.len() {
            vector[i] += beside[i - 1] / pivots[i - 1] * vector[i - 1];
        }
        for i in (0..vector.len()).rev() {
            let above = beside.get(i).map_or(0.0, |beside| beside * vector[i + 1]);
            vector[i] = (vector[i] + above) / pivots[i];
        }
        normalise(&mut vector);
    }
    vector
}

/// Of the factorisation of `shift - T`; `None` where it is not positive definite.
fn pivots(shift: f64, diagonal: &[f64], beside: &[f64]) -> Option<Vec<f64>> {
    let mut pivots: Vec<f64> = Vec::with_capacity(diagonal.len());
    for (i, value) in diagonal.iter().enumerate() {
        let taken = pivots.last().map_or(0.0, |pivot| beside[i - 1] * beside[i - 1] / pivot);
        let pivot = shift - value - taken;
        if pivot <= 0.0 {
            return None;
        }
        pivots.push(pivot);
    }
    Some(pivots)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Takes the parts along vectors of length 1, or 0, out of `vector`.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) {
    for other in basis {
        let along = dot(vector, other);
        vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
    }
}

/// Divides a vector by its length, which is returned.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = dot(vector, vector).sqrt();
    if 0.0 < length {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Correlations of units that stand at places `hidden`, and of partners that were shuffled too.
    fn shuffled(n: usize, seed: u64, like: impl Fn(usize, usize) -> f64) -> (Matrix, Permutation, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hidden = Permutation::random(n, &mut rng);
        let partners = Permutation::random(n, &mut rng);
        let places = partners.inverse();
        let value = |unit: usize, column: usize| like(hidden.source(unit), hidden.source(places.source(column))) as f32;
        let values = (0..n * n).map(|cell| value(cell / n, cell % n)).collect();
        (Matrix::new(n, values), partners, hidden.sources().to_vec())
    }

    #[test]
    fn a_shuffled_band_comes_back_in_order() {
        let like = |i: usize, j: usize| (-(i.abs_diff(j) as f64) / 25.0).exp();
        let (correlation, partners, hidden) = shuffled(150, 1, like);
        let order = seriate(&correlation, &partners, &[false; 150]);
        let mut places: Vec<usize> = order.iter().map(|&unit| hidden[unit]).collect();
        if places[149] < places[0] {
            places.reverse();
        }
        assert_eq!(places, (0..150).collect::<Vec<_>>());
    }

    #[test]
    fn shuffled_blocks_come_back_together() {
        let block = |place: usize| [20, 55, 100].iter().filter(|&&end| end <= place).count();
        let like = |i: usize, j: usize| if block(i) == block(j) { 0.8 } else { 0.1 };
        let (correlation, partners, hidden) = shuffled(137, 2, like);
        let order = seriate(&correlation, &partners, &[false; 137]);
        let changes = order.windows(2).filter(|pair| block(hidden[pair[0]]) != block(hidden[pair[1]])).count();
        assert_eq!(changes, 3);
    }

    #[test]
    fn it_is_a_permutation_with_lonely_units_behind_and_dead_ones_last() {
        // Unit 1 is dead; unit 3 has no positive correlation with any other.
        let correlation = [
            [0.9, 0.0, 0.2, -0.1, 0.3],
            [0.0; 5],
            [0.1, 0.0, 0.8, -0.2, 0.6],
            [-0.3, 0.0, -0.1, 0.7, -0.1],
            [0.4, 0.0, 0.5, -0.2, 0.9],
        ];
        let dead = [false, true, false, false, false];
        let order = seriate(&Matrix::new(5, correlation.concat()), &Permutation::identity(5), &dead);
        assert_eq!(order[3..], [3, 1]);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        for n in 0..3 {
            let dead = vec![true; n];
            let zeros = Matrix::new(n, vec![0.0; n * n]);
            assert_eq!(seriate(&zeros, &Permutation::identity(n), &dead), (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_largest_eigenvector_of_a_path_is_a_half_sine() {
        // Second differences: eigenvalues 2 cos(k pi / (n + 1)), vectors sin(k pi i / (n + 1)).
        let n = 9;
        let found = largest_eigenvector(&vec![0.0; n], &vec![1.0; n - 1]);
        let angle = |i: usize| std::f64::consts::PI * (i + 1) as f64 / (n + 1) as f64;
        for (i, value) in found.iter().enumerate() {
            assert!((value - angle(i).sin() * (2.0 / (n + 1) as f64).sqrt()).abs() < 1e-9, "{found:?}");
        }
    }
}
