//! The plane through a path's ends that its points stay nearest to.

use std::ops::Range;
use std::sync::Arc;

use super::{Curve, Path, PathProjection, Plane, PlaneError, Sample};
use crate::net::ParamVec;

/// Points of the path, evenly spaced in t, that decide.
const POINTS: usize = 33;
/// Values of the points that are taken in at once: few enough to stay in the cache.
const BLOCK: usize = 1024;
/// Rounds of the power iteration. Where the two largest directions are so alike that this is too few, either serves.
const ROUNDS: usize = 300;

/// The plane that shows most of a path, and where the path falls on it.
#[derive(Clone, Debug)]
pub struct PathPlane {
    /// Through A and B; the third point is as high as the path's highest on the plane.
    pub plane: Arc<Plane>,
    pub projection: Arc<PathProjection>,
    /// What the points cover on the plane: x from, to, y from, to.
    pub extent: [f64; 4],
}

/// A search for the plane of a path. It passes once over all weights, in parts.
///
/// The plane holds A and B exactly; its second direction is the first principal component, not centred, of what the points
/// have beside the line through A and B. Among all planes through A and B it has the least sum of squared distances.
pub struct PathPlaneSearch {
    path: Arc<Path>,
    sample: Sample,
    /// Inner products of `theta_i - A`, for all points but A itself; the last one is B.
    gram: Vec<Vec<f64>>,
    /// The first value that was not taken in yet.
    next: usize,
}

impl PathPlaneSearch {
    pub fn new(path: Arc<Path>) -> Self {
        let sample = path.sample(&Curve::even_ts(POINTS));
        Self { path, sample, gram: vec![vec![0.0; POINTS - 1]; POINTS - 1], next: 0 }
    }

    /// Takes in that many more values; returns the share that is done, 0..1.
    pub fn advance(&mut self, n_values: usize) -> f64 {
        let total = self.path.start().trained().len();
        let end = (self.next + n_values).min(total);
        while self.next < end {
            let block = self.next..(self.next + BLOCK).min(end);
            self.next = block.end;
            self.take_in(&block);
        }
        self.next as f64 / total.max(1) as f64
    }

    fn take_in(&mut self, block: &Range<usize>) {
        let origin = &self.path.start().trained()[block.clone()];
        let points: Vec<Vec<f64>> = self.sample.rows[1..]
            .iter()
            .map(|row| {
                let mut point: Vec<f64> = origin.iter().map(|&w| -f64::from(w)).collect();
                for (vector, &c) in self.sample.basis.iter().zip(row).filter(|(_, c)| **c != 0.0) {
                    for (p, &w) in point.iter_mut().zip(&vector.trained()[block.clone()]) {
                        *p += c * f64::from(w);
                    }
                }
                point
            })
            .collect();
        for i in 0..points.len() {
            for j in 0..=i {
                let dot: f64 = points[i].iter().zip(&points[j]).map(|(a, b)| a * b).sum();
                self.gram[i][j] += dot;
                self.gram[j][i] = self.gram[i][j];
            }
        }
    }

    /// The plane, once all values were taken in.
    ///
    /// # Errors
    /// Where the ends are one point, the whole path lies on the line through them, or weights are not finite.
    pub fn finish(&self) -> Result<PathPlane, PlaneError> {
        let n = self.gram.len();
        let length = self.gram[n - 1][n - 1].sqrt();
        if self.gram.iter().flatten().any(|dot| !dot.is_finite()) {
            return Err(PlaneError::NonFinite);
        }
        if length == 0.0 {
            return Err(PlaneError::SamePoint);
        }
        let xs: Vec<f64> = self.gram.iter().map(|row| row[n - 1] / length).collect();
        let beside: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| self.gram[i][j] - xs[i] * xs[j]).collect()).collect();
        let (weights, variance) = principal(&beside);
        if variance <= 0.0 {
            return Err(PlaneError::Collinear);
        }
        // v = sum_i w_i r_i / sqrt(variance), where r_i is what point i has beside the line.
        let mut ys: Vec<f64> = product(&beside, &weights).iter().map(|y| y / variance.sqrt()).collect();
        let peak = (0..n).fold(0, |best, i| if ys[best].abs() < ys[i].abs() { i } else { best });
        let (x, height) = (xs[peak], ys[peak].abs());
        let sign = ys[peak].signum();
        ys.iter_mut().for_each(|y| *y *= sign);
        let mut shares: Vec<f64> = weights.iter().map(|w| sign * height * w / variance.sqrt()).collect();
        let foot: f64 = shares.iter().zip(&xs).map(|(share, x)| share * x).sum();
        shares[n - 1] += (x - foot) / length;
        let (a, b) = (Arc::clone(self.path.start()), Arc::clone(self.path.end()));
        let plane = Arc::new(Plane::through(a, b, Arc::new(self.combined(&shares)))?);
        let projection = Arc::new(self.path.project(&plane));
        let range =
            |values: &[f64]| values.iter().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(*v), high.max(*v)));
        let ((x0, x1), (y0, y1)) = (range(&xs), range(&ys));
        Ok(PathPlane { plane, projection, extent: [x0, x1, y0, y1] })
    }

    /// `A + sum_i share_i (theta_i - A)`.
    fn combined(&self, shares: &[f64]) -> ParamVec {
        let of_a = 1.0 - shares.iter().sum::<f64>();
        let mut coefficients = vec![0.0; self.sample.basis.len()];
        for (row, share) in self.sample.rows.iter().zip(std::iter::once(&of_a).chain(shares)) {
            for (coefficient, c) in coefficients.iter_mut().zip(row) {
                *coefficient += share * c;
            }
        }
        ParamVec::combination(&self.sample.basis, &coefficients)
    }
}

/// The largest eigenvalue of a symmetric matrix without negative ones, and its unit vector, by power iteration.
fn principal(matrix: &[Vec<f64>]) -> (Vec<f64>, f64) {
    // The longest column has a share of the first direction.
    let longest = (0..matrix.len()).fold(0, |best, i| if matrix[best][best] < matrix[i][i] { i } else { best });
    let mut vector = matrix[longest].clone();
    let mut value = 0.0;
    for _ in 0..ROUNDS {
        value = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        if value == 0.0 {
            break;
        }
        vector.iter_mut().for_each(|v| *v /= value);
        let next = product(matrix, &vector);
        value = next.iter().zip(&vector).map(|(a, b)| a * b).sum();
        vector = next;
    }
    let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    (vector.iter().map(|v| v / norm.max(f64::MIN_POSITIVE)).collect(), value)
}

fn product(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::zoo;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    fn path(curve: Curve, bends: usize) -> Arc<Path> {
        let network = zoo::mlp(&[6, 5, 3], true).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut next = || Arc::new(ParamVec::random(network.layout().clone(), &mut rng));
        let (a, b) = (next(), next());
        let bends = (0..bends).map(|_| next()).collect();
        Arc::new(Path::new(&network, curve, a, b, bends))
    }

    fn best(path: &Arc<Path>) -> Result<PathPlane, PlaneError> {
        let mut search = PathPlaneSearch::new(Arc::clone(path));
        while search.advance(7) < 1.0 {}
        search.finish()
    }

    /// Sum of the squared distances of the deciding points from a plane.
    fn missed(path: &Path, plane: &Plane) -> f64 {
        let projection = path.project(plane);
        Curve::even_ts(POINTS).into_iter().map(|t| projection.at(t).off.powi(2)).sum()
    }

    #[test]
    fn the_plane_holds_the_ends_and_all_of_a_path_that_is_flat() {
        let path = path(Curve::Bezier { n_bends: 1 }, 1);
        let found = best(&path).unwrap();
        assert!(Arc::ptr_eq(&found.plane.basis()[0], path.start()) && Arc::ptr_eq(&found.plane.basis()[1], path.end()));
        assert!(missed(&path, &found.plane) < 1e-6);
    }

    #[test]
    fn no_plane_through_a_bend_or_a_point_of_the_path_is_nearer_to_it() {
        let path = path(Curve::Chain { n_bends: 3 }, 3);
        let found = missed(&path, &best(&path).unwrap().plane);
        assert!(0.1 < found);
        let points = Curve::even_ts(9).into_iter().map(|t| Arc::new(path.point(t)));
        let others = points.chain(path.bends().iter().cloned());
        let others = others.filter_map(|c| Plane::through(path.start().clone(), path.end().clone(), c).ok());
        for other in others {
            assert!(found <= missed(&path, &other) * (1.0 + 1e-6));
        }
    }

    #[test]
    fn the_extent_is_what_the_points_cover_and_the_third_point_is_the_highest() {
        let path = path(Curve::Chain { n_bends: 3 }, 3);
        let found = best(&path).unwrap();
        let spots: Vec<_> = Curve::even_ts(POINTS).into_iter().map(|t| found.projection.at(t)).collect();
        let highest = spots.iter().map(|spot| spot.y).fold(0.0, f64::max);
        let lowest = spots.iter().map(|spot| spot.y).fold(0.0, f64::min);
        assert!((found.extent[3] - highest).abs() < 1e-4 && (found.extent[2] - lowest).abs() < 1e-4);
        assert!((found.plane.height() - highest).abs() < 1e-4 && lowest.abs() <= highest);
    }

    #[test]
    fn a_straight_path_has_no_plane_of_its_own() {
        assert_eq!(best(&path(Curve::Linear, 0)).map(|_| ()), Err(PlaneError::Collinear));
    }
}
